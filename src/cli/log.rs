//! `halod log`: the signed log of a directory.

use super::check::tenant;
use super::output::{self, complain, line};
use crate::clock::unix_millis;
use clap::Subcommand;
use halod_chain::directory::{self, DirectoryError, Lock};
use halod_chain::disk::OsDisk;
use halod_evidence::entry::Epoch;
use halod_evidence::note::{NoteError, SignedNote};
use halod_record::time::rfc3339;
use halod_tlog::TlogError;
use halod_tlog::key::{KeySettings, fingerprint, verifiers};
use halod_tlog::log::{self, Log, Signed};
use halod_tlog::notes::Notes;
use halod_tlog::reader::LogReader;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The signed log of a directory: its key, what it signed last, and what its operator declares
///
/// Key and status may be asked for beside a running daemon; for the others halod has to be stopped. What is declared stands in
/// the log for good, with its time, and `halod check` tells of it. Exit code: 0, 2 if the log can't be read or changed, 3 if there is
/// none yet.
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
    /// Let a new key sign, beside the old one for 30 days: give customers and witnesses the new verifier key in that time
    Rotate(Directory),
    /// Go on with a log of a new name after a witness knew more of it than is here: the new log names what it continues
    Continue {
        #[command(flatten)]
        directory: Directory,
        /// The last checkpoint of the older log that a witness has; without it the newest one that is here
        #[arg(long, value_name = "NOTE")]
        after: Option<PathBuf>,
    },
    /// Say that a chain is not what was signed of it, as after a backup was restored, and sign what it is now
    DeclareBreak {
        #[command(flatten)]
        whose: Whose,
        /// Why; the log holds the SHA-256 of it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Say that a chain ends: its file may be deleted then, and what was signed of it stays
    Retire(Whose),
}

#[derive(Debug, clap::Args)]
struct Directory {
    /// The directory of the chains
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The log's private key, where checkpoint.key_file names one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Whose {
    #[command(flatten)]
    directory: Directory,
    /// Whose chain; _local for the records of no tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
}

/// Why nothing was shown or declared.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("no epoch has a chain of {0}")]
    NoChain(String),
    #[error("{}: {source}", path.display())]
    Note { path: PathBuf, source: NoteError },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
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
            What::Key(place) => (key(&place).map_err(LogError::from), place.directory),
            What::Status(place) => (status(&place).map_err(LogError::from), place.directory),
            What::Rotate(place) => (rotate(&place), place.directory),
            What::Continue { directory: place, after } => {
                (continue_anew(&place, after.as_deref()), place.directory)
            }
            What::DeclareBreak { whose, reason } => (
                whose.declare(|log, stem| log.declare_break(stem, &reason, unix_millis())),
                whose.directory.directory,
            ),
            What::Retire(whose) => {
                (whose.declare(|log, stem| log.retire(stem, unix_millis())), whose.directory.directory)
            }
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

impl Directory {
    fn key(&self) -> KeySettings {
        KeySettings { origin: None, key_file: self.key_file.clone() }
    }

    /// The log, to be changed: nobody else may have the directory.
    fn open(&self) -> Result<Option<(Lock, Log)>, LogError> {
        let directory = &self.directory;
        if LogReader::open(directory)?.is_none() {
            return Ok(None);
        }
        let lock = directory::open(directory)?;
        let disk = Arc::new(OsDisk);
        let notes = Arc::new(Notes::new(&log::place(directory), disk.clone()));
        Ok(Some((lock, Log::open(directory, &self.key(), disk, notes)?)))
    }
}

fn told(signed: &Signed) -> String {
    format!("the log has {} entries now, and is signed", signed.checkpoint.size)
}

fn rotate(place: &Directory) -> Result<Option<String>, LogError> {
    let Some((_lock, mut log)) = place.open()? else { return Ok(None) };
    let signed = log.rotate(&place.directory, &place.key())?;
    Ok(Some(format!("{}\n{}", log.keys().signer.key(), told(&signed))))
}

fn continue_anew(place: &Directory, after: Option<&Path>) -> Result<Option<String>, LogError> {
    let directory = &place.directory;
    let Some(reader) = LogReader::open(directory)? else { return Ok(None) };
    let _lock = directory::open(directory)?;
    let note = match after {
        None => reader.note,
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|source| LogError::Read { path: path.to_owned(), source })?;
            let note = SignedNote::parse(&text).and_then(|note| {
                let by = reader.keys.iter().any(|key| note.verify(key).is_ok());
                if by { Ok(note) } else { Err(NoteError::Unsigned(reader.checkpoint.origin.clone())) }
            });
            note.map_err(|source| LogError::Note { path: path.to_owned(), source })?
        }
    };
    let signed = log::continue_anew(directory, &place.key(), &note, Arc::new(OsDisk))?;
    Ok(Some(format!("{}: {}", signed.checkpoint.origin, told(&signed))))
}

impl Whose {
    fn declare(
        &self,
        declare: impl FnOnce(&mut Log, &str) -> Result<Signed, TlogError>,
    ) -> Result<Option<String>, LogError> {
        let Some((_lock, mut log)) = self.directory.open()? else { return Ok(None) };
        let reader = LogReader::open(&self.directory.directory)?;
        let stem = reader.and_then(|reader| reader.stem(&tenant(&self.tenant)).map(str::to_owned));
        let stem = stem.ok_or_else(|| LogError::NoChain(self.tenant.clone()))?;
        Ok(Some(told(&declare(&mut log, &stem)?)))
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
