//! The settings of coding agents, into which hooks are put and from which they are taken.

mod edit;
mod jsonc;
#[cfg(test)]
mod tests;

use halo_adapters::hook::Client;
use rustix::fs::{Mode, fchmod};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of a settings file that are read.
const MOST: u64 = 16 << 20;

/// Why settings are left as they are.
#[derive(Debug, Error)]
pub enum SettingsError {
    #[error("the home directory is not known; name the file (--settings FILE)")]
    NoHome,
    #[error("{} {what}; nothing was changed", .path.display())]
    Unusable { path: PathBuf, what: String },
    #[error("{} can't be used: {error}; nothing was changed", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub path: PathBuf,
    /// Lines that are not there any more, and lines that are new, with `-` and `+` before them.
    pub difference: Vec<String>,
}

/// The file in which a client looks for its user's hooks.
///
/// # Errors
/// There is no home directory.
pub fn file(
    client: Client,
    env: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<PathBuf, SettingsError> {
    let (own, folder, name) = match client {
        Client::ClaudeCode => ("CLAUDE_CONFIG_DIR", ".claude", "settings.json"),
        Client::Codex => ("CODEX_HOME", ".codex", "hooks.json"),
        Client::Gemini => ("", ".gemini", "settings.json"),
    };
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = match set(own) {
        Some(folder) => folder,
        None => set("HOME").ok_or(SettingsError::NoHome)?.join(folder),
    };
    Ok(folder.join(name))
}

/// The command of a client's hook: the program, the directory that it captures for, and whose records they are.
#[must_use]
pub fn command(client: Client, program: &Path, directory: &Path, subject: Option<&str>) -> String {
    let name = match client {
        Client::Gemini => "gemini",
        client => client.name(),
    };
    let mut command = format!(
        "{} hook --client {name} --dir {}",
        quoted(&program.to_string_lossy()),
        quoted(&directory.to_string_lossy())
    );
    if let Some(subject) = subject {
        command.push_str(&format!(" --subject {}", quoted(subject)));
    }
    command
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Puts hooks of `command` into a client's settings.
///
/// # Errors
/// The file can't be read as settings, or not be written.
pub fn install(path: &Path, client: Client, command: &str) -> Result<Changed, SettingsError> {
    change(path, |text| edit::install(text, client, command))
}

/// Takes them out again.
///
/// # Errors
/// As [`install`].
pub fn uninstall(path: &Path) -> Result<Changed, SettingsError> {
    change(path, |text| if text.trim().is_empty() { Ok(text.to_owned()) } else { edit::uninstall(text) })
}

fn change(path: &Path, edit: impl FnOnce(&str) -> Result<String, String>) -> Result<Changed, SettingsError> {
    let io = |error| SettingsError::Io { path: path.to_owned(), error };
    // What a link leads to is changed: settings are often kept elsewhere.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (before, mode) = match fs::metadata(&target) {
        Ok(found) if found.len() > MOST => {
            let what = format!("has more than {MOST} bytes");
            return Err(SettingsError::Unusable { path: path.to_owned(), what });
        }
        Ok(found) => (fs::read_to_string(&target).map_err(io)?, found.permissions().mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), 0o600),
        Err(error) => return Err(io(error)),
    };
    let after = edit(&before).map_err(|what| SettingsError::Unusable { path: path.to_owned(), what })?;
    if after != before {
        write(&target, &after, mode).map_err(io)?;
    }
    Ok(Changed { path: path.to_owned(), difference: difference(&before, &after) })
}

/// All of it or nothing.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let new = path.with_extension(format!("halod-{}", std::process::id()));
    let written = File::create_new(&new).and_then(|mut file| {
        fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    if written.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&new);
    }
    written
}

/// The lines that differ. A change is one stretch here, or stretches with others between them, which are not shown.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let end = old.iter().rev().zip(new.iter().rev());
    let most = old.len().min(new.len()) - start;
    let end = end.take_while(|(old, new)| old == new).count().min(most);
    let gone = old.get(start..old.len() - end).unwrap_or_default().iter().map(|line| format!("-{line}"));
    let come = new.get(start..new.len() - end).unwrap_or_default().iter().map(|line| format!("+{line}"));
    gone.chain(come).collect()
}
