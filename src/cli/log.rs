//! `halod log`: the signed log of a directory.

use super::output::{self, complain, line};
use clap::Subcommand;
use halod_evidence::entry::Epoch;
use halod_record::time::rfc3339;
use halod_tlog::TlogError;
use halod_tlog::key::{fingerprint, verifiers};
use halod_tlog::log;
use halod_tlog::reader::LogReader;
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the signed log of a directory: its key, and what it signed last
///
/// Beside a running daemon or without one. Exit code: 0, 2 if the log can't be read, 3 if there is none yet.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the verifier key, and its fingerprint, by which customers know this log
    Key(Place),
    /// Print what was signed last
    Status(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The directory of the chains
    #[arg(value_name = "DIR", default_value = "./records")]
    directory: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let (shown, directory) = match self.what {
            What::Key(place) => (key(&place), place.directory),
            What::Status(place) => (status(&place), place.directory),
        };
        match shown {
            Ok(Some(text)) => output::finish(line(text).map(|()| output::OK)),
            Ok(None) => {
                complain(format_args!("{} has no signed log yet", directory.display()));
                output::EMPTY.into()
            }
            Err(error) => {
                complain(error);
                output::USAGE.into()
            }
        }
    }
}

fn key(place: &Place) -> Result<Option<String>, TlogError> {
    let keys = match verifiers(&log::place(&place.directory)) {
        Err(TlogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        keys => keys?,
    };
    Ok(keys.last().map(|key| match place.json {
        true => json!({ "key": key.to_string(), "fingerprint": fingerprint(key) }).to_string(),
        false => format!("{key}\nfingerprint  {}", fingerprint(key)),
    }))
}

fn status(place: &Place) -> Result<Option<String>, TlogError> {
    let Some(signed) = LogReader::open(&place.directory)? else { return Ok(None) };
    let newest = signed.last_epoch()?;
    let at = |epoch: &Epoch| {
        String::from_utf8_lossy(&rfc3339(epoch.millis.saturating_mul(1_000_000))).into_owned()
    };
    let chains = newest.as_ref().map(|(_, epoch)| signed.states(epoch.epoch)).transpose()?;
    let (chains, records) =
        chains.map_or((0, 0), |rows| (rows.len(), rows.values().map(|row| row.state.count).sum::<u64>()));
    let epoch = newest.as_ref().map(|(_, epoch)| epoch);
    let root = halod_record::hash::hex_text(&signed.checkpoint.root);
    if place.json {
        let text = json!({
            "origin": signed.checkpoint.origin,
            "size": signed.checkpoint.size,
            "root": root,
            "epoch": epoch.map(|epoch| epoch.epoch),
            "at": epoch.map(at),
            "chains": chains,
            "records": records,
        });
        return Ok(Some(text.to_string()));
    }
    let last =
        epoch.map_or_else(String::new, |epoch| format!("epoch        {}, at {}\n", epoch.epoch, at(epoch)));
    Ok(Some(format!(
        "log          {}\nentries      {}\nroot         {root}\n{last}covers       {records} records of {chains} chains",
        signed.checkpoint.origin, signed.checkpoint.size,
    )))
}
