//! Files with secrets, or with what secrets are known by: who else may read or change them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Who may change a file that is not its owner's alone to change.
const OTHERS_WRITE: u32 = 0o022;
/// Who may change a file that is anybody's to change.
const ANYBODY_WRITES: u32 = 0o002;
/// Who may read a file that is anybody's to read.
const OTHERS_READ: u32 = 0o004;

/// What such a file holds.
#[derive(Debug)]
pub struct Contents {
    pub text: String,
    /// What is better put right.
    pub warning: Option<String>,
}

/// Reads a text file of at most `most` bytes, which its owner alone may change.
///
/// # Errors
/// Why it can't be used, in words that tell nothing of what it holds.
pub fn read(path: &Path, most: usize) -> Result<Contents, String> {
    let shown = path.display();
    let (text, mode) = read_with_mode(path, most).map_err(|what| format!("{shown}: {what}"))?;
    if mode & OTHERS_WRITE != 0 {
        return Err(format!("{shown}: others than its owner may change it; chmod go-w {shown}"));
    }
    let warning =
        is_anybodys_to_read(mode).then(|| format!("{shown}: anybody may read it; chmod o= {shown}"));
    let text = String::from_utf8(text).map_err(|_| format!("{shown}: is not UTF-8"))?;
    Ok(Contents { text, warning })
}

/// The content and the mode of a file of at most `most` bytes.
///
/// # Errors
/// Why it can't be read, without its name.
pub fn read_with_mode(path: &Path, most: usize) -> Result<(Vec<u8>, u32), String> {
    let unreadable = |error| format!("can't be read: {error}");
    // A pipe would be waited for.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is no file".into());
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut content = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() > most {
        return Err(format!("has more than {most} bytes"));
    }
    Ok((content, mode))
}

/// A state of a file: device, inode, length, and when it was written. Orchestrators put another file in its place.
pub type Stamp = (u64, u64, u64, i64, i64);

/// The state that a file has now; `None` where there is no file.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

#[must_use]
pub fn is_anybodys_to_read(mode: u32) -> bool {
    mode & OTHERS_READ != 0
}

#[must_use]
pub fn is_anybodys_to_change(mode: u32) -> bool {
    mode & ANYBODY_WRITES != 0
}

/// Whether anybody may change a file.
///
/// # Errors
/// Anybody may.
pub fn check_is_not_anybodys(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && is_anybodys_to_change(metadata.permissions().mode()) => {
            Err(format!("anybody may change it; chmod o-w {}", path.display()))
        }
        // What can't be read is told by whoever reads it.
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn others_may_read_it_and_not_change_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identities");
        fs::write(&path, "# nobody\n").unwrap();
        for (mode, is_used, warned) in [
            (0o600, true, false),
            (0o640, true, false),
            (0o644, true, true),
            (0o620, false, false),
            (0o602, false, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read(&path, 100);
            assert_eq!(read.is_ok(), is_used, "{mode:o}");
            assert_eq!(read.is_ok_and(|contents| contents.warning.is_some()), warned, "{mode:o}");
            assert_eq!(check_is_not_anybodys(&path).is_ok(), mode & 2 == 0, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path, 5).unwrap_err().contains("more than 5 bytes"));
        assert!(read(dir.path(), 5).unwrap_err().contains("is no file"));
        fs::write(&path, b"\xff").unwrap();
        assert!(read(&path, 5).unwrap_err().contains("not UTF-8"));
    }
}
