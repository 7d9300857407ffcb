//! A directory of halod's: every chain against every epoch that its log signed.

use super::chain::{self, Signed};
use super::{CheckError, Grade, Report, Request, name, signature, time};
use halod_evidence::Hash;
use halod_evidence::entry::Epoch;
use halod_evidence::note::Checkpoint;
use halod_record::tenant::Tenant;
use halod_tlog::TlogError;
use halod_tlog::log::place;
use halod_tlog::notes;
use halod_tlog::reader::LogReader;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Before this time, of each day only the first epoch's states are compared.
const ALL_OF: u64 = 24 * 60 * 60 * 1000;
/// Leaves of maps that are computed; each is two hashes.
const LEAVES: usize = 20_000_000;

pub(super) fn check(request: &Request, report: &mut Report) -> Result<(), CheckError> {
    let directory = &request.path;
    let Some(log) = LogReader::open(directory)? else {
        if request.since.is_some() || request.policy.is_some() || !request.keys.is_empty() {
            report.say(
                Grade::Finding,
                None,
                "No checkpoint is in the directory, although you have a key or a note of its log",
            );
        } else {
            report.say(Grade::Remark, None, "No checkpoint is in the directory: nothing was signed");
        }
        return chains(request, &BTreeMap::new(), report);
    };
    let is_signed = signature::is_signed(request, &log.note, &log.keys, report);
    let notes = notes::newest_first(&place(directory))?;
    let holds = |checkpoint: &Checkpoint| log.entries().root_at(checkpoint.size) == Some(checkpoint.root);
    let witnessed = signature::is_witnessed(request, &notes, holds, report);
    let kept = request.since.as_deref().map(signature::kept).transpose()?;
    let epochs = epochs(&log, report)?;
    let Checkpoint { size, root, origin } = &log.checkpoint;
    if log.entries().root_at(*size) == Some(*root) {
        report.say(
            Grade::Shown,
            None,
            format!("The {size} entries of the log {origin} are those of the checkpoint"),
        );
    } else {
        report.say(
            Grade::Finding,
            None,
            format!("The entries of the log {origin} are not those of the checkpoint"),
        );
    }
    if let Some(kept) = &kept {
        let trusted = request.trusted();
        let keys = if trusted.is_empty() { &log.keys } else { &trusted };
        signature::continues(
            kept,
            keys,
            (&log.checkpoint, is_signed),
            log.entries().root_at(kept.1.size),
            report,
        );
    }
    if request.policy.is_none() {
        signature::is_fresh(request, epochs.last_key_value().map(|(_, epoch)| epoch.millis / 1000), report);
    }
    if let Some(witnessed) = witnessed.filter(|witnessed| *witnessed < *size) {
        let text = format!("{} entries of the log are newer: no quorum has seen them yet", size - witnessed);
        report.say(Grade::Remark, None, text);
    }
    let signed = states(&log, &epochs, report)?;
    let by_stem = by_stem(&log, signed);
    chains(request, &by_stem, report)
}

/// The epochs of the log, by number.
fn epochs(log: &LogReader, report: &mut Report) -> Result<BTreeMap<u64, Epoch>, CheckError> {
    let mut epochs = BTreeMap::new();
    let mut last: Option<Epoch> = None;
    for index in 0..log.entries().len() {
        let Some(epoch) = Epoch::read(&log.entries().entry(index)?) else { continue };
        if last.is_some_and(|last| epoch.epoch != last.epoch + 1) {
            let text =
                format!("Entry {index} is of epoch {}, which does not follow the one before", epoch.epoch);
            report.say(Grade::Finding, None, text);
        }
        if let Some(last) = last.filter(|last| epoch.millis < last.millis) {
            let text = format!(
                "The clock went back between epochs {} and {}, from {} to {}",
                last.epoch,
                epoch.epoch,
                time(last.millis),
                time(epoch.millis)
            );
            report.say(Grade::Remark, None, text);
        }
        last = Some(epoch);
        epochs.insert(epoch.epoch, epoch);
    }
    Ok(epochs)
}

/// What was signed of each slot, in order of epochs; and whether the maps of epochs are those of these states.
fn states(
    log: &LogReader,
    epochs: &BTreeMap<u64, Epoch>,
    report: &mut Report,
) -> Result<HashMap<Hash, Vec<Signed>>, CheckError> {
    let mut signed: HashMap<Hash, Vec<Signed>> = HashMap::new();
    let last = epochs.last_key_value().map_or(0, |(_, epoch)| epoch.millis);
    let (mut computed, mut leaves, mut kept, mut is_first) = (0_u64, 0_usize, 0_u64, true);
    let mut wrong = None;
    log.epochs(|block, rows| {
        let Some(epoch) = epochs.get(&block.epoch) else { return Ok::<(), TlogError>(()) };
        kept += 1;
        let is_last = Some(&block.epoch) == epochs.last_key_value().map(|(number, _)| number);
        // The first and the last one always; the others as far as that takes no long time.
        if log.knows_blinds() && (std::mem::take(&mut is_first) || is_last || leaves + rows.len() <= LEAVES) {
            leaves += rows.len();
            computed += 1;
            if log.map(block.epoch, rows)?.root() != epoch.map {
                wrong.get_or_insert(block.epoch);
            }
        }
        if block.all || last.saturating_sub(epoch.millis) <= ALL_OF {
            for row in &block.rows {
                let state = &row.state;
                signed.entry(row.slot).or_default().push(Signed {
                    count: state.count,
                    head: state.head,
                    root: state.root,
                    epoch: epoch.epoch,
                    millis: epoch.millis,
                });
            }
        }
        Ok(())
    })?;
    match wrong {
        Some(epoch) => report.say(
            Grade::Finding,
            None,
            format!("The map of all tenants at epoch {epoch} is not that of the states that are kept"),
        ),
        None if log.knows_blinds() => {
            let text = format!(
                "The maps of {computed} of {} epochs are those of the states that are kept, one place a tenant",
                epochs.len()
            );
            report.say(Grade::Shown, None, text);
        }
        None => report.say(
            Grade::Remark,
            None,
            "The maps of epochs were not computed: .halod/log/blind can't be read by you",
        ),
    }
    if kept < epochs.len() as u64 {
        report.say(Grade::Remark, None, format!("Of {} epochs the states of {kept} are kept", epochs.len()));
    }
    Ok(signed)
}

/// What was signed, by the name of the chain's file.
fn by_stem(
    log: &LogReader,
    mut signed: HashMap<Hash, Vec<Signed>>,
) -> BTreeMap<String, (Tenant, Vec<Signed>)> {
    let names = log.names.iter().rev();
    names
        .filter_map(|named| {
            Some((named.stem.to_string(), (named.tenant.clone(), signed.remove(&named.slot)?)))
        })
        .collect()
}

/// Every chain, or the one that is asked for.
fn chains(
    request: &Request,
    signed: &BTreeMap<String, (Tenant, Vec<Signed>)>,
    report: &mut Report,
) -> Result<(), CheckError> {
    let mut files = files(&request.path)?;
    files.extend(signed.keys().map(|stem| (stem.clone(), request.path.join(format!("{stem}.jsonl")))));
    if let Some(subject) = &request.subject {
        files.retain(|stem, path| match signed.get(stem) {
            Some((tenant, _)) => tenant == subject,
            None => halod_chain::scan::first_tenant(path).as_ref() == Some(subject),
        });
        if files.is_empty() {
            report.say(
                Grade::Finding,
                None,
                format!("{} has no chain here, and the log never signed one", name(subject)),
            );
        }
    }
    let is_expected = request.expect_count.is_some() || request.expect_head.is_some();
    if is_expected && files.len() != 1 {
        let what = format!(
            "{} chains are in {}: name the one that you expect something of by --subject",
            files.len(),
            request.path.display()
        );
        return Err(CheckError::Usage(what));
    }
    for (stem, path) in files {
        let signed = signed.get(&stem).map(|(_, signed)| signed.clone()).unwrap_or_default();
        if path.exists() {
            chain::check(request, &stem, &path, signed, report)?;
        } else if let Some(last) = signed.last() {
            let text = format!(
                "The file of the chain is gone, of which epoch {} signed {} records, at {}",
                last.epoch,
                last.count,
                time(last.millis)
            );
            report.say(Grade::Finding, Some(&stem), text);
        }
    }
    Ok(())
}

/// The files that are called as chains are.
fn files(directory: &Path) -> Result<BTreeMap<String, PathBuf>, CheckError> {
    let mut files = BTreeMap::new();
    for entry in directory.read_dir().map_err(CheckError::read(directory))? {
        let path = entry.map_err(CheckError::read(directory))?.path();
        let stem =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
        if let Some(stem) = stem.filter(|stem| !stem.starts_with('.') && path.is_file()) {
            files.insert(stem.to_owned(), path);
        }
    }
    Ok(files)
}
