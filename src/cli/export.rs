//! `halod export`: one tenant's chain with what shows it whole, for somebody who has nothing else.

use super::check::tenant;
use super::output::{self, complain, line};
use crate::check::bundle::{
    CHECKPOINT, CONSISTENCY, Consistency, DECLARED, Entered, FORMAT, KEYS, MANIFEST, Manifest, NOTES, Noted,
    SLOTS, TSA, TSA_CONSISTENCY, WITNESS,
};
use data_encoding::BASE64;
use halod_evidence::entry::{Declared, Epoch};
use halod_evidence::note::{Checkpoint, NoteError, SignedNote};
use halod_evidence::state::State;
use halod_evidence::tree::{consistency, inclusion};
use halod_record::hash::hex_text;
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use halod_tlog::log::place;
use halod_tlog::reader::LogReader;
use halod_tlog::{TlogError, notes, stamps};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Before this time, of each day only the first epoch is shown.
const ALL_OF: u64 = 24 * 60 * 60 * 1000;

const README: &str = "\
This folder is one chain of halod's with what shows that it is whole.

  halod check .  --key VKEY     everything: records, epochs, signature; VKEY is the key that you were given, not the one in evidence/vkeys
  halo verify CHAIN             the records alone, with the reference (pip install halo-record)
  halo anchor CHAIN evidence/witness.jsonl --check     that all states of that file are in the chain, with the reference

  openssl ts -verify -data evidence/tsa/N.body -in evidence/tsa/N.tsr -CAfile ROOT     that a checkpoint existed before the token's
                                time, where it has one, with OpenSSL; `halod check . --tsa-roots ROOT` checks them all

docs/checkpoints.md and docs/timestamps.md of halod have the formats.
";

/// Hand a chain on: its records as a table, or with --bundle all of it with what shows it whole
///
/// Without --bundle CHAIN is a chain, which must verify, and the output a table (CSV) with a manifest that ties it to the chain,
/// as `halo export` (halo-record 0.2.46) writes them. Exit code: 0, 1 if the chain does not verify or is of another customer, 2
/// if something can't be read or written, 3 without records.
///
/// With --bundle CHAIN is a directory of chains. The bundle is a folder: the chain up to the newest epoch, the tenant's place in the epochs of the last day and one a day
/// before that, the signed checkpoint. `halod check FOLDER --key VKEY` checks it, and so does the reference. It shows how many
/// tenants there are about, and nothing else of them. Exit code: 0, 1 if the tenant is in no epoch, 2 if something can't be
/// read or written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The chain; with --bundle the directory of the chains
    #[arg(value_name = "CHAIN")]
    directory: PathBuf,
    /// Whose chain; _local for the records of no tenant
    #[arg(long, value_name = "ID")]
    bundle: Option<String>,
    /// A checkpoint that the reader kept: the bundle shows that the log continues it
    #[arg(long, value_name = "NOTE", requires = "bundle")]
    since: Option<PathBuf>,
    /// The table to write, or the folder to make
    #[arg(short, long, alias = "out", value_name = "FILE|FOLDER", default_value = "evidence.csv")]
    output: PathBuf,
    #[command(flatten)]
    table: super::export_table::Table,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("{} has no signed log yet", .0.display())]
    NoLog(PathBuf),
    #[error("no epoch has a chain of {0}")]
    NoChain(String),
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error("{}: {source}", path.display())]
    Note { path: PathBuf, source: NoteError },
    #[error("{} has {old} entries, and the log has {new}: the log does not continue it", path.display())]
    Shorter { path: PathBuf, old: u64, new: u64 },
}

/// An epoch that is shown.
struct Shown {
    line: String,
    /// The number of its entry in the log.
    index: u64,
    epoch: Epoch,
    state: Option<State>,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io { doing, path, source }
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let Some(bundle) = self.bundle.clone() else {
            return self.table.run(self.directory, self.output);
        };
        match self.export(&bundle) {
            Ok(text) => output::finish(line(text).map(|()| output::OK)),
            Err(error) => {
                complain(&error);
                match error {
                    ExportError::NoLog(_) | ExportError::NoChain(_) | ExportError::Shorter { .. } => {
                        output::FAILED.into()
                    }
                    _ => output::USAGE.into(),
                }
            }
        }
    }

    fn export(&self, bundle: &str) -> Result<String, ExportError> {
        let tenant = tenant(bundle);
        let log = LogReader::open(&self.directory)?;
        let log = log.ok_or_else(|| ExportError::NoLog(self.directory.clone()))?.as_witnessed()?;
        let nobody = || ExportError::NoChain(bundle.to_owned());
        let stem = log.stem(&tenant).ok_or_else(nobody)?.to_owned();
        let notes = self.notes(&log)?;
        let shown = shown(&log, &tenant, !notes.is_empty())?;
        let newest = shown.iter().rev().find_map(|shown| shown.state.clone()).ok_or_else(nobody)?;
        let out = &self.output;
        for dir in [out.clone(), out.join("evidence")] {
            DirBuilder::new().mode(0o750).create(&dir).map_err(failed("make", &dir))?;
        }
        let chain = format!("{stem}.jsonl");
        log.copy(&stem, &newest, &out.join(&chain))?;
        let subject = tenant.subject();
        let manifest =
            Manifest { format: FORMAT.into(), tenant: subject.map(str::to_owned), chain: chain.clone() };
        let manifest = serde_json::to_string(&manifest).unwrap_or_default() + "\n";
        let keys = place(&self.directory).join("vkeys");
        let keys = std::fs::read_to_string(&keys).map_err(failed("read", &keys))?;
        let slots: String = shown.iter().map(|shown| format!("{}\n", shown.line)).collect();
        let states: Vec<_> =
            shown.iter().filter_map(|shown| Some((&shown.epoch, shown.state.as_ref()?))).collect();
        let witness: String = states.iter().map(|(epoch, state)| checkpoint(subject, epoch, state)).collect();
        let readme = README.replace("CHAIN", &chain);
        let declared = declared(&log, &tenant)?;
        let files = [
            (MANIFEST, manifest),
            (NOTES, noted(&log, &notes, &shown, &declared)?),
            (DECLARED, entered(&log, &declared)?),
            (CHECKPOINT, log.note.to_string()),
            (KEYS, keys),
            (SLOTS, slots),
            (WITNESS, witness),
            ("README", readme),
        ];
        for (name, text) in files {
            write(&out.join(name), &text)?;
        }
        self.copy_stamps(&log, &shown)?;
        if let Some(since) = &self.since {
            write(&out.join(CONSISTENCY), &self.consistency(&log, since)?)?;
        }
        Ok(format!("{} records, {} epochs, in {}", newest.count, shown.len(), out.display()))
    }

    /// The earlier checkpoints of the log that others than the log signed as well, or that a key signed which is none now.
    fn notes(&self, log: &LogReader) -> Result<BTreeMap<u64, SignedNote>, ExportError> {
        let Checkpoint { size: newest, origin, .. } = &log.checkpoint;
        let mut by_size: BTreeMap<u64, SignedNote> = BTreeMap::new();
        for note in notes::merged(notes::newest_first(&place(&self.directory))?) {
            let Ok(Checkpoint { size, root, .. }) = Checkpoint::parse(&note.text) else { continue };
            if size > 0 && size < *newest && log.entries().root_at(size) == Some(root) {
                by_size.insert(size, note);
            }
        }
        let rotated = log.keys.len() > 1;
        by_size.retain(|_, note| rotated || note.signatures.iter().any(|line| line.name != *origin));
        Ok(by_size)
    }

    /// What shows that the log continues a note that was kept.
    fn consistency(&self, log: &LogReader, since: &Path) -> Result<String, ExportError> {
        let text = std::fs::read_to_string(since).map_err(failed("read", since))?;
        let old = SignedNote::parse(&text).and_then(|note| Checkpoint::parse(&note.text));
        let old = old.map_err(|source| ExportError::Note { path: since.to_owned(), source })?;
        continued(log, old.size, since)
    }

    /// Copies the time-stamps that bound the epochs that are shown: of each the first whose checkpoint contains it.
    fn copy_stamps(&self, log: &LogReader, shown: &[Shown]) -> Result<(), ExportError> {
        let Checkpoint { origin, size: newest, .. } = &log.checkpoint;
        let tokens = stamps::all(&stamps::place(&place(&self.directory)))?;
        let first = |shown: &Shown| tokens.iter().find(|(size, _)| *size > shown.index);
        let chosen: BTreeMap<u64, &PathBuf> = shown
            .iter()
            .filter_map(first)
            .filter(|(size, _)| size <= newest)
            .map(|(size, path)| (*size, path))
            .collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let to = self.output.join(TSA);
        DirBuilder::new().mode(0o750).create(&to).map_err(failed("make", &to))?;
        let mut lines = String::new();
        for (size, path) in chosen {
            let Some(root) = log.entries().root_at(size) else { continue };
            std::fs::copy(path, to.join(stamps::name(size))).map_err(failed("copy", path))?;
            let text = Checkpoint { origin: origin.clone(), size, root }.text();
            write(&to.join(format!("{size}.body")), &text)?;
            if size < *newest {
                lines.push_str(&continued(log, size, path)?);
            }
        }
        write(&to.join(TSA_CONSISTENCY), &lines)
    }
}

/// What shows that the log continues its first entries, of which a file tells.
fn continued(log: &LogReader, old: u64, file: &Path) -> Result<String, ExportError> {
    let get = |level, index| log.entries().get(level, index).ok_or(());
    let path = consistency(old, log.checkpoint.size, get).ok().flatten();
    let shorter = || ExportError::Shorter { path: file.to_owned(), old, new: log.checkpoint.size };
    let consistency = Consistency { old, path: BASE64.encode(&path.ok_or_else(shorter)?.concat()) };
    Ok(serde_json::to_string(&consistency).unwrap_or_default() + "\n")
}

/// What the operator declared of the log's keys and of this tenant's chain, by the numbers of the entries.
fn declared(log: &LogReader, tenant: &Tenant) -> Result<BTreeMap<u64, Declared>, ExportError> {
    let (own, mut declared) = (log.slot(tenant), BTreeMap::new());
    for index in 0..log.checkpoint.size.min(log.entries().len()) {
        let Some(one) = Declared::read(&log.entries().entry(index)?) else { continue };
        let is_others = match &one {
            Declared::Rotated { .. } | Declared::Continued { .. } => false,
            Declared::Broken { slot, .. } | Declared::Retired { slot, .. } => *slot != own,
        };
        if !is_others {
            declared.insert(index, one);
        }
    }
    Ok(declared)
}

/// `declared.jsonl`.
fn entered(log: &LogReader, declared: &BTreeMap<u64, Declared>) -> Result<String, ExportError> {
    let mut lines = String::new();
    for (&index, one) in declared {
        let get = |level, index| log.entries().get(level, index).ok_or(());
        let path = inclusion(index, log.checkpoint.size, get).ok().flatten().unwrap_or_default();
        let (entry, path) = (BASE64.encode(&one.bytes()), BASE64.encode(&path.concat()));
        lines.push_str(&json_line(&Entered { index, entry, path }));
    }
    Ok(lines)
}

/// `notes.jsonl`: of each epoch that is shown the first checkpoint that has it and others signed, and of each rotated key what it
/// signed first of that.
fn noted(
    log: &LogReader,
    notes: &BTreeMap<u64, SignedNote>,
    shown: &[Shown],
    declared: &BTreeMap<u64, Declared>,
) -> Result<String, ExportError> {
    let origin = &log.checkpoint.origin;
    let is_cosigned = |note: &SignedNote| note.signatures.iter().any(|line| line.name != *origin);
    let of_epoch = |one: &Shown| {
        let mut later = notes.range(one.index + 1..).filter(|(_, note)| is_cosigned(note));
        later.next().map(|(size, _)| *size)
    };
    let of_key = |(index, one): (&u64, &Declared)| {
        let Declared::Rotated { old, .. } = one else { return None };
        let mut later = notes.range(index + 1..).filter(|(_, note)| note.verify(old).is_ok());
        later.next().map(|(size, _)| *size)
    };
    let chosen: BTreeSet<u64> =
        shown.iter().filter_map(of_epoch).chain(declared.iter().filter_map(of_key)).collect();
    let mut lines = String::new();
    for (size, note) in chosen.iter().filter_map(|size| Some((size, notes.get(size)?))) {
        let get = |level, index| log.entries().get(level, index).ok_or(());
        let path = consistency(*size, log.checkpoint.size, get).ok().flatten().unwrap_or_default();
        let (note, path) = (note.to_string(), BASE64.encode(&path.concat()));
        lines.push_str(&json_line(&Noted { note, path }));
    }
    Ok(lines)
}

/// Texts and numbers always have a JSON text.
fn json_line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// The epochs to show: those of the last day in which the chain changed, the first of each day before, the first of all in which
/// it is, and the last. Where others `cosigned` checkpoints, the epoch before one of the last day as well: it bounds from below when
/// what changed came.
fn chosen(log: &LogReader, tenant: &Tenant, cosigned: bool) -> Result<BTreeSet<u64>, ExportError> {
    let newest = log.last_epoch()?.map_or((0, 0), |(_, epoch)| (epoch.epoch, epoch.millis));
    let (slot, numbers) = (log.slot(tenant), log.epochs_by_number()?);
    let (mut chosen, mut before) = (BTreeSet::new(), None);
    log.epochs(|block, _| {
        let Some(index) = numbers.get(&block.epoch) else { return Ok::<(), ExportError>(()) };
        let Some(epoch) = Epoch::read(&log.entries().entry(*index)?) else { return Ok(()) };
        let changed = block.rows.iter().any(|row| row.slot == slot);
        let is_recent = newest.1.saturating_sub(epoch.millis) <= ALL_OF;
        let is_first = chosen.is_empty() && changed;
        if is_first || block.epoch == newest.0 || changed && (is_recent || block.all) {
            if cosigned && is_recent && !chosen.is_empty() {
                chosen.extend(before);
            }
            chosen.insert(block.epoch);
        }
        before = Some(block.epoch);
        Ok(())
    })?;
    Ok(chosen)
}

fn shown(log: &LogReader, tenant: &Tenant, cosigned: bool) -> Result<Vec<Shown>, ExportError> {
    let (numbers, chosen) = (log.epochs_by_number()?, chosen(log, tenant, cosigned)?);
    let mut shown: Vec<Shown> = Vec::new();
    log.epochs(|block, rows| {
        let Some(index) = numbers.get(&block.epoch) else { return Ok::<(), ExportError>(()) };
        let Some(epoch) = Epoch::read(&log.entries().entry(*index)?) else { return Ok(()) };
        if !chosen.contains(&block.epoch) {
            return Ok(());
        }
        let proof = log.slot_proof(tenant, *index, rows)?;
        shown.push(Shown {
            line: proof.text(),
            index: *index,
            epoch,
            state: proof.state.map(|(state, _)| state),
        });
        Ok(())
    })?;
    Ok(shown)
}

/// A state as the reference's checkpoint (a line of its `witness.jsonl`).
fn checkpoint(subject: Option<&str>, epoch: &Epoch, state: &State) -> String {
    let ts = rfc3339(epoch.millis.saturating_mul(1_000_000));
    let line = json!({
        "chain_root": hex_text(&state.first),
        "count": state.count,
        "head": hex_text(&state.head),
        "subject": subject,
        "ts": String::from_utf8_lossy(&ts),
    });
    format!("{line}\n")
}

fn write(path: &Path, text: &str) -> Result<(), ExportError> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create_new(path)?);
        file.write_all(text.as_bytes())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    write().map_err(failed("write", path))
}
