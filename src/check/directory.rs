//! A directory of halod's: every chain against every epoch that its log signed.

use super::bounds::Witnessed;
use super::chain::{self, Others, Signed};
use super::receipt::{self, Checked, Places, Receipted};
use super::stamps::{self, Stamp};
use super::{CheckError, Grade, Report, Request, declared, name, signature, time};
use halod_evidence::Hash;
use halod_evidence::entry::{Declared, Epoch};
use halod_evidence::note::Checkpoint;
use halod_record::tenant::Tenant;
use halod_tlog::TlogError;
use halod_tlog::book::{RETIRED, Row};
use halod_tlog::log::place;
use halod_tlog::reader::LogReader;
use halod_tlog::{notes, stamps as files_of_stamps};
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
        let receipted = receipt::read(request, &[], report)?;
        return chains(request, &BTreeMap::new(), (receipted, &[]), &Others::default(), report);
    };
    let notes = notes::merged(notes::newest_first(&place(directory))?);
    let holds = |checkpoint: &Checkpoint| log.entries().root_at(checkpoint.size) == Some(checkpoint.root);
    let (epochs, declarations) = entries(&log, report)?;
    let request = &signature::rotated(request, &declarations, &notes, holds, report);
    let is_signed = signature::is_signed(request, &log.note, &log.keys, report);
    signature::custody(&place(directory).join("vkeys"), report);
    let witnessed = signature::is_witnessed(request, &notes, holds, report);
    let kept = request.since.as_deref().map(signature::kept).transpose()?;
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
        signature::is_fresh(
            request,
            epochs.values().next_back().map(|(_, epoch)| epoch.millis / 1000),
            report,
        );
    }
    if let Some(witnessed) = witnessed.filter(|witnessed| *witnessed < *size) {
        let text = format!("{} entries of the log are newer: no quorum has seen them yet", size - witnessed);
        report.say(Grade::Remark, None, text);
    }
    let stamped = stamped(request, &log, report)?;
    let States { signed, is_proven, complete_from } = states(&log, &epochs, &stamped, report)?;
    let by_stem = by_stem(&log, signed);
    let stem =
        |slot: &Hash| log.names.iter().rev().find(|named| named.slot == *slot).map(|named| &*named.stem);
    let ends = declared::tell(&declarations, stem, report);
    for (stem, (tenant, signed)) in &by_stem {
        let generation = signed.last().map_or(0, |signed| signed.generation);
        let ends = ends.get(&log.slot(tenant)).copied().unwrap_or(0);
        declared::is_declared(stem, generation, ends, report);
    }
    let policy = request.policy.as_ref().filter(|_| is_proven);
    let indices = epochs.values().map(|(index, _)| *index).collect();
    let cosigned = Witnessed::of(policy, &notes, holds).knowing(indices, complete_from);
    let others = Others { stamped, cosigned };
    let receipted = receipt::read(request, &log.keys, report)?;
    let times: Vec<u64> = epochs.values().map(|(_, epoch)| epoch.millis).collect();
    chains(request, &by_stem, (receipted, &times), &others, report)
}

/// The checkpoints that have a time-stamp which holds. A token has to be of the text of the checkpoint that the log had when it was so
/// long.
fn stamped(request: &Request, log: &LogReader, report: &mut Report) -> Result<Vec<Stamp>, CheckError> {
    let own = place(&request.path);
    let mut tokens = files_of_stamps::all(&files_of_stamps::place(&own))?;
    let Checkpoint { origin, size: newest, .. } = &log.checkpoint;
    // What a daemon signed and had stamped since the log was opened is another reader's.
    let now =
        notes::newest(&own)?.and_then(|note| Checkpoint::parse(&note.text).ok()).map_or(0, |now| now.size);
    tokens.retain(|(size, _)| size <= newest || *size > now);
    let text = |size: u64| {
        let root = log.entries().root_at(size);
        let text = root.map(|root| Checkpoint { origin: origin.clone(), size, root }.text());
        let missing = || {
            format!("the log has {newest} entries: it was put back to an older copy, or entries were cut off")
        };
        Ok(text.ok_or_else(missing))
    };
    stamps::check(request, &tokens, text, report)
}

/// The epochs of the log, by number; and what its operator declared, with the entry's number.
type Entries = (Epochs, Vec<(u64, Declared)>);

/// The number of an epoch's entry in the log, and the epoch.
type Epochs = BTreeMap<u64, (u64, Epoch)>;

/// Reads all entries of the log.
fn entries(log: &LogReader, report: &mut Report) -> Result<Entries, CheckError> {
    let (mut epochs, mut declared) = (BTreeMap::new(), Vec::new());
    let mut last: Option<Epoch> = None;
    for index in 0..log.entries().len() {
        let entry = log.entries().entry(index)?;
        let Some(epoch) = Epoch::read(&entry) else {
            match Declared::read(&entry) {
                Some(one) => declared.push((index, one)),
                None => {
                    report.say(Grade::Finding, None, format!("Entry {index} of the log is of no known kind"));
                }
            }
            continue;
        };
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
        epochs.insert(epoch.epoch, (index, epoch));
    }
    Ok((epochs, declared))
}

/// What was signed of each slot.
struct States {
    /// In order of epochs.
    signed: HashMap<Hash, Vec<Signed>>,
    /// The maps of all epochs that are kept are those of these states.
    is_proven: bool,
    /// From this entry of the log on there is every change.
    complete_from: Option<u64>,
}

/// What was signed of each slot; and whether the maps of epochs are those of these states.
fn states(
    log: &LogReader,
    epochs: &Epochs,
    stamped: &[Stamp],
    report: &mut Report,
) -> Result<States, CheckError> {
    // What the oldest and the newest stamp bound is wanted of all chains.
    let bounding = [stamped.first(), stamped.last()].map(|stamp| {
        let mut newest_first = epochs.iter().rev();
        let last = newest_first.find(|(_, (index, _))| stamp.is_some_and(|stamp| *index < stamp.size));
        last.map(|(epoch, _)| *epoch)
    });
    let mut signed: HashMap<Hash, Vec<Signed>> = HashMap::new();
    let last = epochs.values().next_back().map_or(0, |(_, epoch)| epoch.millis);
    let (mut computed, mut leaves, mut kept, mut is_first) = (0_u64, 0_usize, 0_u64, true);
    let (mut wrong, mut complete_from) = (None, None);
    log.epochs(|block, rows| {
        let Some((index, epoch)) = epochs.get(&block.epoch) else { return Ok::<(), TlogError>(()) };
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
        let mut take = |row: &Row| {
            let retired = row.len == RETIRED;
            let one = Signed { retired, ..Signed::of(&row.state, epoch, *index) };
            signed.entry(row.slot).or_default().push(one);
        };
        let is_recent = last.saturating_sub(epoch.millis) <= ALL_OF;
        let begins = is_recent && complete_from.is_none();
        if begins {
            complete_from = Some(*index);
        }
        if begins || bounding.contains(&Some(block.epoch)) {
            rows.values().for_each(&mut take);
        } else if block.all || is_recent {
            block.rows.iter().for_each(&mut take);
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
    let is_proven = wrong.is_none() && computed == kept;
    Ok(States { signed, is_proven, complete_from })
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
    (mut receipted, epochs): (Receipted, &[u64]),
    others: &Others,
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
        let (tenant, signed) = match signed.get(&stem) {
            Some((tenant, signed)) => (Some(tenant.clone()), signed.clone()),
            None => (halod_chain::scan::first_tenant(&path), Vec::new()),
        };
        let own = tenant.map(|tenant| receipted.of(&tenant)).unwrap_or_default();
        let checked = chain(request, (&stem, &path), (signed, own.places()), others, report)?;
        own.tell(&stem, &path, (&checked, epochs), report)?;
    }
    if request.subject.is_some() {
        receipted.left(report);
        return Ok(());
    }
    // What a receipt says of chains that are not here.
    for tenant in receipted.tenants() {
        let nowhere = Checked::default();
        receipted.of(&tenant).tell(&name(&tenant), Path::new(""), (&nowhere, epochs), report)?;
    }
    Ok(())
}

/// One chain, or that its file is gone.
fn chain(
    request: &Request,
    (stem, path): (&str, &Path),
    (signed, places): (Vec<Signed>, Places),
    others: &Others,
    report: &mut Report,
) -> Result<Checked, CheckError> {
    let is_set_aside = request.path.join(".halod/setaside").join(format!("{stem}.jsonl")).exists();
    if path.exists() {
        let checked = chain::check(request, stem, path, (signed, places), others, report)?;
        return Ok(Checked { is_set_aside, ..checked });
    }
    let newest = signed.last().copied();
    if let Some(last) = newest.filter(|last| last.retired) {
        let text = format!(
            "The chain was retired: it had {} records when epoch {} signed it last, at {}",
            last.count,
            last.epoch,
            time(last.millis)
        );
        report.say(Grade::Remark, Some(stem), text);
    } else if let Some(last) = newest {
        let text = format!(
            "The file of the chain is gone, of which epoch {} signed {} records, at {}",
            last.epoch,
            last.count,
            time(last.millis)
        );
        report.say(Grade::Finding, Some(stem), text);
    }
    Ok(Checked { newest, is_set_aside, ..Checked::default() })
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
