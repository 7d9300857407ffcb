//! A bundle: one tenant's chain with what shows it whole, in a folder that is checked without the directory.
//!
//! | file | what |
//! |---|---|
//! | `bundle.json` | the format, the tenant, the chain's file |
//! | the chain | its records up to the newest epoch |
//! | `evidence/checkpoint` | the newest signed note |
//! | `evidence/slots.jsonl` | the tenant's place in some epochs, a line each (`halod_evidence::proof::SlotProof`) |
//! | `evidence/vkeys` | the log's keys; a reader trusts those that were pinned |
//! | `evidence/consistency.json` | what shows that the log continues a note that the reader kept, where one was given |
//! | `evidence/tsa/SIZE.tsr`, `SIZE.body` | what a time-stamping service answered for the checkpoint with so many entries, and the text of that, whose SHA-256 was sent |
//! | `evidence/tsa/consistency.jsonl` | what shows that these checkpoints are of the same log, a line each |
//! | `evidence/notes.jsonl` | earlier checkpoints that witnesses cosigned, and what shows that the newest one continues them, a line each |
//! | `evidence/declared.jsonl` | what the operator declared in the log of its keys and of this chain, and the ways to the root, a line each |
//! | `evidence/witness.jsonl` | the same states as the reference's checkpoints, for `halo anchor --check` |

use super::bounds::Witnessed;
use super::chain::{self, Others, Signed};
use super::{CheckError, Grade, Report, Request, declared, name, receipt, signature, stamps};
use data_encoding::BASE64;
use halod_evidence::Hash;
use halod_evidence::entry::Declared;
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::proof::SlotProof;
use halod_evidence::state::slot;
use halod_evidence::tree::{is_consistent, is_included, leaf};
use halod_record::tenant::Tenant;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What the manifest's format is.
pub const FORMAT: &str = "halod-bundle/v1";
pub const MANIFEST: &str = "bundle.json";
pub const CHECKPOINT: &str = "evidence/checkpoint";
pub const SLOTS: &str = "evidence/slots.jsonl";
pub const KEYS: &str = "evidence/vkeys";
pub const CONSISTENCY: &str = "evidence/consistency.json";
pub const WITNESS: &str = "evidence/witness.jsonl";
pub const NOTES: &str = "evidence/notes.jsonl";
pub const DECLARED: &str = "evidence/declared.jsonl";
pub const TSA: &str = "evidence/tsa";
/// Within [`TSA`].
pub const TSA_CONSISTENCY: &str = "consistency.jsonl";

/// Bytes of a file beside the chain that is read whole, and of a line of `slots.jsonl`.
const MOST: u64 = 1 << 20;

/// `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    /// The subject's id; null for the records of no subject.
    pub tenant: Option<String>,
    /// The name of the chain's file.
    pub chain: String,
}

/// `consistency.json`: RFC 9162, section 2.1.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// Entries of the older checkpoint.
    pub old: u64,
    /// Hashes one behind another, in base64.
    pub path: String,
}

/// A line of `notes.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The signed note of an earlier checkpoint.
    pub note: String,
    /// From it to the bundle's (RFC 9162, section 2.1.4): hashes one behind another, in base64.
    pub path: String,
}

/// A line of `declared.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The entry's number in the log, from 0.
    pub index: u64,
    /// In base64, as the path is.
    pub entry: String,
    /// From the entry to the root of the bundle's checkpoint (RFC 9162, section 2.1.3).
    pub path: String,
}

fn hashes(path: &str) -> Option<Vec<Hash>> {
    BASE64.decode(path.as_bytes()).ok()?.chunks(32).map(|hash| hash.try_into().ok()).collect()
}

impl Consistency {
    pub(super) fn hashes(&self) -> Option<Vec<Hash>> {
        hashes(&self.path)
    }
}

impl Noted {
    /// The note and its checkpoint, if another one continues it.
    fn read(&self, newest: &Checkpoint) -> Option<(SignedNote, Checkpoint)> {
        let note = SignedNote::parse(&self.note).ok()?;
        let old = Checkpoint::parse(&note.text).ok()?;
        let new = (newest.size, &newest.root);
        let is_continued =
            old.origin == newest.origin && is_consistent((old.size, &old.root), new, &hashes(&self.path)?);
        is_continued.then_some((note, old))
    }
}

impl Entered {
    /// What was declared, if it is an entry of the log with this checkpoint, of no other chain than the one with this slot.
    fn read(&self, checkpoint: &Checkpoint, own: &Hash) -> Option<Declared> {
        let entry = BASE64.decode(self.entry.as_bytes()).ok()?;
        let place = (self.index, checkpoint.size);
        let is_there = is_included(&leaf(&entry), place, &hashes(&self.path)?, &checkpoint.root);
        Declared::read(&entry).filter(|declared| match declared {
            Declared::Rotated { .. } | Declared::Continued { .. } => is_there,
            Declared::Broken { slot, .. } | Declared::Retired { slot, .. } => is_there && slot == own,
        })
    }
}

pub(super) fn check(request: &Request, report: &mut Report) -> Result<(), CheckError> {
    let dir = &request.path;
    let manifest: Manifest = parse(&dir.join(MANIFEST))?;
    let chain = dir.join(&manifest.chain);
    // A name with a directory in it would lead out of the bundle.
    if manifest.format != FORMAT || chain.parent() != Some(dir) {
        return Err(CheckError::Nothing(dir.join(MANIFEST)));
    }
    let tenant = manifest.tenant.as_deref().map_or(Tenant::Local, Tenant::stored);
    if let Some(subject) = request.subject.as_ref().filter(|subject| **subject != tenant) {
        let text = format!("The bundle is of {}, and you ask for {}", name(&tenant), name(subject));
        report.say(Grade::Finding, None, text);
    }
    let path = dir.join(CHECKPOINT);
    let wrong = |source| CheckError::Note { path: path.clone(), source };
    let note = SignedNote::parse(&text(&path)?).map_err(wrong)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(wrong)?;
    let found = keys(&dir.join(KEYS))?;
    let notes = notes(&dir.join(NOTES), &checkpoint, report)?;
    let own = slot(&checkpoint.origin, &tenant);
    let declarations = declarations(&dir.join(DECLARED), &checkpoint, &own, report)?;
    let all: Vec<SignedNote> = std::iter::once(&note).chain(&notes).cloned().collect();
    let request = &signature::rotated(request, &declarations, &all, |_| true, report);
    let is_signed = signature::is_signed(request, &note, &found, report);
    signature::custody(&dir.join(KEYS), report);
    signature::is_witnessed(request, std::slice::from_ref(&note), |_| true, report);
    if let Some(kept) = request.since.as_deref().map(signature::kept).transpose()? {
        let trusted = request.trusted();
        let keys = if trusted.is_empty() { &found } else { &trusted };
        let old = &kept.1;
        let is_continued = old == &checkpoint
            || {
                let consistency = dir.join(CONSISTENCY);
                if !consistency.exists() {
                    let what = "the bundle does not show that its log continues the note that you kept: have it made with `halod export --since NOTE`";
                    return Err(CheckError::Usage(what.into()));
                }
                let path = parse::<Consistency>(&consistency)?.hashes().unwrap_or_default();
                is_consistent((old.size, &old.root), (checkpoint.size, &checkpoint.root), &path)
            };
        signature::continues(&kept, keys, (&checkpoint, is_signed), is_continued.then_some(old.root), report);
    }
    let (signed, epochs) = states(request, &dir.join(SLOTS), &tenant, &checkpoint, report)?;
    let whose = name(&tenant);
    let ends = declared::tell(&declarations, |_| Some(&*whose), report);
    let generation = signed.last().map_or(0, |signed| signed.generation);
    declared::is_declared(&whose, generation, ends.get(&own).copied().unwrap_or(0), report);
    let mut others = receipt::read(request, &found, report)?;
    let receipted = others.of(&tenant);
    let places = receipted.places();
    let stamped = stamped(request, &checkpoint, report)?;
    // Of each note it is shown that the bundle's continues it.
    let cosigned = Witnessed::of(request.policy.as_ref(), &all, |_| true);
    let outside = Others { stamped, cosigned };
    let checked = chain::check(request, &whose, &chain, (signed, places), &outside, report)?;
    receipted.tell(&whose, &chain, (&checked, &epochs), report)?;
    others.left(report);
    let first = halod_chain::scan::first_tenant(&chain);
    if first.is_some_and(|first| first != tenant) {
        report.say(
            Grade::Finding,
            None,
            format!("The records of the chain are not those of {}", name(&tenant)),
        );
    }
    Ok(())
}

/// The checkpoints that have a time-stamp which holds, and which the log continues.
fn stamped(
    request: &Request,
    newest: &Checkpoint,
    report: &mut Report,
) -> Result<Vec<stamps::Stamp>, CheckError> {
    let dir = request.path.join(TSA);
    let (mut paths, lines) = (HashMap::new(), dir.join(TSA_CONSISTENCY));
    each_line(&lines, |_, line| {
        let shown: Consistency = serde_json::from_str(line)
            .map_err(|error| CheckError::Read { path: lines.clone(), source: error.into() })?;
        paths.insert(shown.old, shown.hashes().unwrap_or_default());
        Ok(())
    })?;
    let body = |size: u64| {
        let text = text(&dir.join(format!("{size}.body")))?;
        let checkpoint = match Checkpoint::parse(&text) {
            Ok(checkpoint) if checkpoint.size == size => checkpoint,
            _ => return Ok(Err(format!("{size}.body is not the text of that checkpoint"))),
        };
        if checkpoint.origin != newest.origin {
            return Ok(Err(format!("{size}.body is of another log, {}", checkpoint.origin)));
        }
        let is_continued = checkpoint == *newest
            || paths.get(&size).is_some_and(|path| {
                is_consistent((size, &checkpoint.root), (newest.size, &newest.root), path)
            });
        let what = || "the bundle does not show that its log continues that checkpoint".to_owned();
        Ok(is_continued.then_some(text).ok_or_else(what))
    };
    stamps::check(request, &halod_tlog::stamps::all(&dir)?, body, report)
}

/// What the slots that are shown say of the chain, in order of epochs, and the times of these epochs.
fn states(
    request: &Request,
    path: &Path,
    tenant: &Tenant,
    checkpoint: &Checkpoint,
    report: &mut Report,
) -> Result<(Vec<Signed>, Vec<u64>), CheckError> {
    let (mut epochs, mut signed, mut last, mut slots) = (Vec::new(), Vec::new(), 0, 0_u64);
    let mut is_newest = false;
    if !path.exists() {
        return Err(CheckError::read(path)(std::io::ErrorKind::NotFound.into()));
    }
    each_line(path, |number, line| {
        slots = number;
        let wrong = |source| CheckError::Proof { path: path.to_owned(), source };
        let proof = SlotProof::parse(line).map_err(wrong)?;
        let (epoch, state) = match proof.check(tenant, checkpoint) {
            Ok(shown) => shown,
            Err(error) => {
                let text = format!("Line {number} of slots.jsonl shows nothing: {error}");
                report.say(Grade::Finding, None, text);
                return Ok(());
            }
        };
        if epoch.epoch <= last {
            let text = format!(
                "Line {number} of slots.jsonl is of epoch {}, which is not behind the one before",
                epoch.epoch
            );
            report.say(Grade::Finding, None, text);
        }
        last = epoch.epoch;
        epochs.push(epoch.millis);
        is_newest = proof.index + 1 == checkpoint.size;
        signed.extend(state.map(|state| Signed::of(&state, &epoch, proof.index)));
        Ok(())
    })?;
    if request.policy.is_none() {
        signature::is_fresh(request, signed.last().map(|signed: &Signed| signed.millis / 1000), report);
    }
    let text = format!(
        "{slots} epochs show one place for {}, in the log of the checkpoint ({} entries)",
        name(tenant),
        checkpoint.size
    );
    report.say(Grade::Shown, None, text);
    if !is_newest {
        report.say(
            Grade::Remark,
            None,
            "The newest epoch of the log is not among them: the chain may have gone on",
        );
    }
    Ok((signed, epochs))
}

/// Gives each line of a file, with its number from 1; a file that is not there has none.
pub(super) fn each_line(
    path: &Path,
    mut each: impl FnMut(u64, &str) -> Result<(), CheckError>,
) -> Result<(), CheckError> {
    if !path.exists() {
        return Ok(());
    }
    let mut reader = BufReader::new(File::open(path).map_err(CheckError::read(path))?);
    let (mut line, mut number) = (String::new(), 0);
    loop {
        line.clear();
        let read = std::io::Read::take(&mut reader, MOST).read_line(&mut line);
        if read.map_err(CheckError::read(path))? == 0 {
            return Ok(());
        }
        number += 1;
        each(number, &line)?;
    }
}

/// The earlier checkpoints that are shown to be the log's.
pub(super) fn notes(
    path: &Path,
    newest: &Checkpoint,
    report: &mut Report,
) -> Result<Vec<SignedNote>, CheckError> {
    let mut notes = Vec::new();
    each_line(path, |number, line| {
        let read = serde_json::from_str::<Noted>(line).ok().and_then(|noted| noted.read(newest));
        match read {
            Some((note, _)) => notes.push(note),
            None => {
                let text = format!("Line {number} of notes.jsonl is no checkpoint that the log continues");
                report.say(Grade::Finding, None, text);
            }
        }
        Ok(())
    })?;
    Ok(notes)
}

/// What the operator declared, as far as it is shown to be in the log.
fn declarations(
    path: &Path,
    checkpoint: &Checkpoint,
    own: &Hash,
    report: &mut Report,
) -> Result<Vec<(u64, Declared)>, CheckError> {
    let mut declared = Vec::new();
    each_line(path, |number, line| {
        let entered = serde_json::from_str::<Entered>(line).ok();
        match entered.and_then(|entered| Some((entered.index, entered.read(checkpoint, own)?))) {
            Some(one) => declared.push(one),
            None => {
                let text =
                    format!("Line {number} of declared.jsonl is no entry of the log that is of this chain");
                report.say(Grade::Finding, None, text);
            }
        }
        Ok(())
    })?;
    declared.sort_by_key(|(index, _)| *index);
    declared.dedup_by_key(|(index, _)| *index);
    Ok(declared)
}

pub(super) fn keys(path: &Path) -> Result<Vec<VerifierKey>, CheckError> {
    let parse = |line: &str| match halod_tlog::key::read(line) {
        Ok((key, _)) => Ok(key),
        Err(source) => Err(CheckError::Note { path: path.to_owned(), source }),
    };
    text(path)?.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

pub(super) fn text(path: &Path) -> Result<String, CheckError> {
    let size = path.metadata().map_err(CheckError::read(path))?.len();
    if size > MOST {
        return Err(CheckError::Nothing(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(CheckError::read(path))
}

pub(super) fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, CheckError> {
    serde_json::from_str(&text(path)?)
        .map_err(|error| CheckError::Read { path: path.to_owned(), source: error.into() })
}
