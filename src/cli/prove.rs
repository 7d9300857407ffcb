//! `halod prove`: one record's place in its chain, in a file that is checked without the chain.

use super::check::tenant;
use super::output::{self, complain};
use halod_evidence::proof::{RecordProof, Stamp};
use halod_evidence::tree::consistency;
use halod_tlog::book::Named;
use halod_tlog::log::place;
use halod_tlog::reader::{FoundRecord, LogReader};
use halod_tlog::{TlogError, stamps};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Prove that a record is in its chain, and its chain in the signed log
///
/// The proof is a small file. `halod check FILE --key VKEY` checks it without the chain, and learns nothing of other records
/// and tenants. A record is covered by the epoch after it was sealed, within a minute by default. Exit code: 0, 1 if the
/// record is not there or not covered yet, 2 if something can't be read or written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the chains
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The record's record_id
    #[arg(long, value_name = "ID")]
    record: String,
    /// Whose record it is; without it all chains are looked through. _local for the records of no tenant
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Where the proof goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Put the record itself into the proof
    #[arg(long)]
    with_record: bool,
    /// Show as well before which time the record was there, by the first time-stamp of a checkpoint that covers it
    /// (`checkpoint.tsa`)
    #[arg(long)]
    time_stamped: bool,
    /// Write a plain proof of the log's entry (C2SP tlog-proof), which generic tools check; `halod check` reads it, too
    #[arg(long)]
    plain: bool,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
enum ProveError {
    #[error("{0} has no signed log yet")]
    NoLog(String),
    #[error("no chain has a record with the id {0}")]
    NoRecord(String),
    #[error(
        "the record is number {number} of its chain, and the newest epoch covers {count}: the next epoch will cover it"
    )]
    NotYet { number: u64, count: u64 },
    #[error(
        "no checkpoint that covers the record has a time-stamp yet; `halod prove` without --time-stamped proves the rest"
    )]
    NotStamped,
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error(
        "the proof that was made shows nothing, so it is not written: {0}. `halod check` tells what is wrong with the directory"
    )]
    Wrong(#[from] halod_evidence::proof::ProofError),
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        match self.prove() {
            Ok(()) => output::OK.into(),
            Err(error) => {
                complain(&error);
                match error {
                    ProveError::NoRecord(_)
                    | ProveError::NotYet { .. }
                    | ProveError::NoLog(_)
                    | ProveError::NotStamped
                    | ProveError::Wrong(_) => output::FAILED.into(),
                    ProveError::Io { .. } | ProveError::Log(_) => output::USAGE.into(),
                }
            }
        }
    }

    fn prove(&self) -> Result<(), ProveError> {
        let log = self.open()?;
        let (named, found) = self.find(&log)?;
        // Under the newest checkpoint that witnesses have seen, if that covers the record.
        let proof = match self.under(log.as_witnessed()?, &named, &found) {
            Err(ProveError::NotYet { .. } | ProveError::NotStamped) => {
                self.under(self.open()?, &named, &found)?
            }
            proof => proof?,
        };
        let (checkpoint, ..) = proof.check()?;
        proof.stamp.as_ref().map(|stamp| proof.stamped(stamp, &checkpoint)).transpose()?;
        let path = self.output.clone();
        let text = if self.plain { proof.plain() } else { proof.text() };
        std::fs::write(&self.output, text).map_err(|source| ProveError::Io { doing: "write", path, source })
    }

    fn open(&self) -> Result<LogReader, ProveError> {
        LogReader::open(&self.directory)?
            .ok_or_else(|| ProveError::NoLog(self.directory.display().to_string()))
    }

    /// The proof under the checkpoint of a log.
    fn under(&self, log: LogReader, named: &Named, found: &FoundRecord) -> Result<RecordProof, ProveError> {
        let not_yet = |count| ProveError::NotYet { number: found.number, count };
        let (index, epoch, stamp) = if self.time_stamped {
            let (index, epoch, stamp) = self.stamped(&log, named, found.number)?;
            (index, epoch, Some(stamp))
        } else {
            let (index, epoch) = log.last_epoch()?.ok_or_else(|| not_yet(0))?;
            (index, epoch.epoch, None)
        };
        let slot = log.slot_proof(&named.tenant, index, &log.states(epoch)?)?;
        let state = slot.state.as_ref().map(|(state, _)| state);
        let count = state.map_or(0, |state| state.count);
        let state = state.filter(|state| found.number <= state.count).ok_or_else(|| not_yet(count))?;
        let path = log.record_path(&named.stem, found.number, state)?;
        Ok(RecordProof {
            tenant: named.tenant.clone(),
            number: found.number,
            hash: found.hash,
            path,
            slot,
            note: log.note.to_string(),
            record: self.with_record.then(|| found.line.clone()),
            stamp,
        })
    }

    /// The first stamp of a checkpoint that has a record, and the last epoch in that of which the states are kept: its entry's
    /// number, and its own.
    fn stamped(&self, log: &LogReader, named: &Named, number: u64) -> Result<(u64, u64, Stamp), ProveError> {
        let (slot, numbers, newest) = (log.slot(&named.tenant), log.epochs_by_number()?, log.checkpoint.size);
        let mut covering = Vec::new();
        log.epochs(|block, rows| {
            if rows.get(&slot).is_some_and(|row| row.state.count >= number) {
                covering.extend(numbers.get(&block.epoch).map(|index| (*index, block.epoch)));
            }
            Ok::<(), TlogError>(())
        })?;
        let first = covering.first().ok_or(ProveError::NotStamped)?.0;
        let mut tokens = stamps::all(&stamps::place(&place(&self.directory)))?.into_iter();
        let token = tokens.find(|(size, _)| *size > first && *size <= newest);
        let (size, file) = token.ok_or(ProveError::NotStamped)?;
        let get = |level, index| log.entries().get(level, index).ok_or(());
        let path = consistency(size, newest, get).ok().flatten();
        let last = covering.iter().rev().find(|(index, _)| *index < size);
        let ((root, path), (index, epoch)) =
            log.entries().root_at(size).zip(path).zip(last).ok_or(ProveError::NotStamped)?;
        let answer =
            std::fs::read(&file).map_err(|source| ProveError::Io { doing: "read", path: file, source })?;
        Ok((*index, *epoch, Stamp { size, root, path, answer }))
    }

    /// Looks for the record, in the chain of the one tenant or in all that were signed.
    fn find(&self, log: &LogReader) -> Result<(Named, FoundRecord), ProveError> {
        let wanted = self.subject.as_deref().map(tenant);
        let names = log.names.iter().rev();
        for named in names.filter(|named| wanted.as_ref().is_none_or(|wanted| named.tenant == *wanted)) {
            if !log.chain(&named.stem).exists() {
                continue;
            }
            if let Some(found) = log.find(&named.stem, &self.record)? {
                return Ok((named.clone(), found));
            }
        }
        Err(ProveError::NoRecord(self.record.clone()))
    }
}
