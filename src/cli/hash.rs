//! `halod hash`: the hash that a record has for an input or an outcome.

use super::output::{self, complain};
use halod_record::hash::{hex_text, input_hash};
use halod_record::json::parse;
use halod_record::keyed::TenantKey;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print the hash that records carry for a JSON value
///
/// The same as `halo hash`: compare it with `action.input.hash` or `outcome.hash` to prove what
/// went in or came out. Exit code: 0, or 2 if the text is not JSON or the key is none.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A JSON document, such as '{"query":"x"}'; `-` for the one on standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    json: String,
    /// A file with the key of the tenant whose record it is (`halod key`), where hashes are keyed
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let refuse = |what: String| {
            complain(what);
            ExitCode::from(output::USAGE)
        };
        let json = match self.json.as_str() {
            "-" => match read_standard_input() {
                Ok(json) => json,
                Err(why) => return refuse(why),
            },
            own => own.to_owned(),
        };
        let hash = match parse(&json) {
            Ok(value) => input_hash(&value),
            Err(error) => return refuse(format!("not valid JSON: {error}")),
        };
        let shown = match self.key.as_deref().map(read).transpose() {
            Ok(None) => hash.to_string(),
            Ok(Some(key)) => format!("hmac-sha256:{}", hex_text(&key.hash(&hash.0))),
            Err(why) => return refuse(why),
        };
        output::finish(output::line(shown).map(|()| output::OK))
    }
}

/// Bytes of a key's file that are read at most: 64 digits and a line break.
const MOST: u64 = 128;

/// Bytes of a document that are read at most.
const LONGEST: u64 = 64 << 20;

fn read_standard_input() -> Result<String, String> {
    let mut json = String::new();
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut json);
    read.map_err(|error| format!("standard input can't be read: {error}"))?;
    if json.len() as u64 > LONGEST {
        return Err(format!(
            "standard input has more than {} MiB; this is no single document",
            LONGEST >> 20
        ));
    }
    Ok(json)
}

/// The key that `halod key` printed.
fn read(path: &Path) -> Result<TenantKey, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
    read.map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
    TenantKey::parse(&text)
        .ok_or_else(|| format!("{}: not 64 hexadecimal digits, as `halod key` prints them", path.display()))
}
