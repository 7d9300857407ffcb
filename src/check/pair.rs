//! Two things that were shown of one log: whether both can be true. What can't be is evidence that anybody can check, with the
//! log's key alone.

use super::bundle::{CHECKPOINT, CONSISTENCY, Consistency, KEYS, MANIFEST, NOTES, SLOTS};
use super::{CheckError, Grade, Report, Request, bundle};
use halod_evidence::Hash;
use halod_evidence::contradiction::{Contradiction, Place};
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::proof::{MAX_BYTES, RecordProof, SlotProof};
use halod_evidence::tree::{consistency, inclusion, is_consistent, is_included, leaf};
use halod_tlog::reader::LogReader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What came of two things.
#[derive(Debug)]
pub struct Compared {
    pub report: Report,
    /// That both can't be true, for anybody who has the log's key.
    pub evidence: Option<Contradiction>,
    /// The larger log is shown to begin with the smaller one.
    pub agree: bool,
}

/// What one of the two shows of its log.
struct Side {
    path: PathBuf,
    note: SignedNote,
    checkpoint: Checkpoint,
    /// Checkpoints before it that it continues, as is shown.
    earlier: Vec<SignedNote>,
    keys: Vec<VerifierKey>,
    /// Entries that are shown to be in the log.
    entries: BTreeMap<u64, Place>,
    /// Of a directory: all of it.
    log: Option<LogReader>,
    /// Proofs of consistency, by the entries from which on they prove.
    from: BTreeMap<u64, Vec<Hash>>,
}

impl Side {
    fn of(path: &Path, note: SignedNote) -> Result<Self, CheckError> {
        let wrong = |source| CheckError::Note { path: path.to_owned(), source };
        let checkpoint = Checkpoint::parse(&note.text).map_err(wrong)?;
        let (path, entries) = (path.to_owned(), BTreeMap::new());
        let (earlier, keys, from) = (Vec::new(), Vec::new(), BTreeMap::new());
        Ok(Self { path, note, checkpoint, earlier, keys, entries, log: None, from })
    }

    /// Reads a note, a proof, a bundle or a directory.
    fn read(path: &Path) -> Result<Self, CheckError> {
        let wrong = |source| CheckError::Note { path: path.to_owned(), source };
        if path.join(MANIFEST).is_file() {
            return Self::read_bundle(path);
        }
        let meta = path.metadata().map_err(CheckError::read(path))?;
        if meta.is_dir() {
            let log = LogReader::open(path)?.ok_or_else(|| CheckError::Nothing(path.to_owned()))?;
            let mut own = Self::of(path, log.note.clone())?;
            own.keys.clone_from(&log.keys);
            own.log = Some(log);
            return Ok(own);
        }
        if meta.len() > MAX_BYTES as u64 {
            return Err(CheckError::Nothing(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(CheckError::read(path))?;
        if SignedNote::parse(&text).is_ok_and(|note| Checkpoint::parse(&note.text).is_ok()) {
            return Self::of(path, SignedNote::parse(&text).map_err(wrong)?);
        }
        let proof = RecordProof::parse(&text);
        let proof = proof.map_err(|source| CheckError::Proof { path: path.to_owned(), source })?;
        let mut own = Self::of(path, SignedNote::parse(&proof.note).map_err(wrong)?)?;
        own.take(&proof.slot);
        Ok(own)
    }

    fn read_bundle(path: &Path) -> Result<Self, CheckError> {
        let file = path.join(CHECKPOINT);
        let note = SignedNote::parse(&bundle::text(&file)?);
        let note = note.map_err(|source| CheckError::Note { path: file.clone(), source })?;
        let mut own = Self::of(path, note)?;
        own.keys = bundle::keys(&path.join(KEYS))?;
        let slots = path.join(SLOTS);
        bundle::each_line(&slots, |_, line| {
            let slot = SlotProof::parse(line);
            own.take(&slot.map_err(|source| CheckError::Proof { path: slots.clone(), source })?);
            Ok(())
        })?;
        // What shows nothing is told by a check of the bundle alone.
        own.earlier = bundle::notes(&path.join(NOTES), &own.checkpoint, &mut Report::default())?;
        let consistency = path.join(CONSISTENCY);
        if consistency.exists() {
            let shown = bundle::parse::<Consistency>(&consistency)?;
            own.from.insert(shown.old, shown.hashes().unwrap_or_default());
        }
        Ok(own)
    }

    /// Takes an entry, if it is shown to be in the log.
    fn take(&mut self, slot: &SlotProof) {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        if is_included(&leaf(&slot.entry), (slot.index, *size), &slot.path, root) {
            self.entries.insert(slot.index, (slot.entry.clone(), slot.path.clone()));
        }
    }

    /// The entry at a place, if it is known.
    fn entry(&self, index: u64) -> Option<Place> {
        let Some(log) = &self.log else { return self.entries.get(&index).cloned() };
        if index >= self.checkpoint.size {
            return None;
        }
        let get = |level, index| log.entries().get(level, index).ok_or(());
        Some((log.entries().entry(index).ok()?, inclusion(index, self.checkpoint.size, get).ok()??))
    }

    /// What shows how the log began, up to so many entries; and the root of that, where all of the log is known.
    fn begin(&self, old: u64) -> Option<(Option<Hash>, Vec<Hash>)> {
        let Some(log) = &self.log else { return Some((None, self.from.get(&old).cloned()?)) };
        let get = |level, index| log.entries().get(level, index).ok_or(());
        Some((log.entries().root_at(old), consistency(old, self.checkpoint.size, get).ok()??))
    }

    fn is_signed(&self, keys: &[VerifierKey]) -> bool {
        keys.iter().any(|key| self.note.verify(key).is_ok())
    }
}

/// What the two show together.
enum Together {
    Contradict(Contradiction),
    /// The larger one goes on from the smaller one.
    Agree,
    /// So many entries are shown by both, and are the same.
    Share(usize),
}

/// Holds two notes, proofs, bundles or directories of one log against each other.
///
/// # Errors
/// One of them can't be read, or no key is known.
pub fn compare(request: &Request, other: &Path) -> Result<Compared, CheckError> {
    let sides = [Side::read(&request.path)?, Side::read(other)?];
    let trusted = request.trusted();
    let found: Vec<VerifierKey> = sides.iter().flat_map(|side| side.keys.iter().cloned()).collect();
    let keys = if trusted.is_empty() { &found } else { &trusted };
    if keys.is_empty() {
        let what = "nothing here has a key with it: name the key of the log by --key, or a policy that lists it by --policy";
        return Err(CheckError::Usage(what.into()));
    }
    let mut report = Report::default();
    let mut nothing = |grade, text: String| {
        report.say(grade, None, text);
        Compared { report: std::mem::take(&mut report), evidence: None, agree: false }
    };
    for side in &sides {
        if !side.is_signed(keys) {
            let text = format!("The checkpoint of {} is signed by no key that is known", side.path.display());
            return Ok(nothing(Grade::Finding, text));
        }
    }
    let [one, two] = &sides;
    if one.checkpoint.origin != two.checkpoint.origin {
        let text = format!(
            "They are of two logs, {} and {}: neither says anything of the other. Ask why one vendor has two",
            one.checkpoint.origin, two.checkpoint.origin
        );
        return Ok(nothing(Grade::Remark, text));
    }
    let (small, large) = if one.checkpoint.size <= two.checkpoint.size { (one, two) } else { (two, one) };
    let (sizes, origin) = ((small.checkpoint.size, large.checkpoint.size), &small.checkpoint.origin);
    let (mut evidence, mut agree) = (None, false);
    match together(small, large, keys) {
        Together::Contradict(found) => {
            accuse(&found, &mut report);
            evidence = Some(found);
        }
        Together::Agree => {
            let text = if sizes.0 == sizes.1 {
                format!("Both show the same {} entries of the log {origin}", sizes.0)
            } else {
                format!("The {} entries of the log {origin} begin with the other's {}", sizes.1, sizes.0)
            };
            report.say(Grade::Shown, None, text);
            agree = true;
        }
        Together::Share(shared) => {
            let text = format!(
                "Of {} and {} entries of the log {origin} {shared} are shown by both, and are the same; nothing shows the rest. The \
                 directory shows all, and so does a bundle of the larger log that was made with `halod export --since NOTE`, NOTE being \
                 the smaller checkpoint",
                sizes.0, sizes.1
            );
            report.say(Grade::Remark, None, text);
        }
    }
    Ok(Compared { report, evidence, agree })
}

fn together(small: &Side, large: &Side, keys: &[VerifierKey]) -> Together {
    let proven = |found: Contradiction| found.check(keys).is_ok().then_some(found);
    let (begin, path) = large.begin(small.checkpoint.size).unwrap_or_default();
    let by_begin = begin.and_then(|begin| Contradiction::of_begin(&small.note, &large.note, begin, &path));
    let found = Contradiction::of(&small.note, &large.note, &path).or(by_begin);
    if let Some(found) = found.and_then(proven) {
        return Together::Contradict(found);
    }
    // Earlier checkpoints of either that are as long as one of the other's.
    let all = |side: &Side| -> Vec<SignedNote> {
        std::iter::once(&side.note).chain(&side.earlier).cloned().collect()
    };
    for (one, other) in
        all(small).iter().flat_map(|one| all(large).into_iter().map(move |other| (one, other)))
    {
        if let Some(found) = Contradiction::of(one, &other, &[]).and_then(proven) {
            return Together::Contradict(found);
        }
    }
    let (old, new) = (&small.checkpoint, &large.checkpoint);
    let is_begin = old.size > 0 && is_consistent((old.size, &old.root), (new.size, &new.root), &path);
    if old == new || is_begin {
        return Together::Agree;
    }
    let fewer = if small.log.is_some() { &large.entries } else { &small.entries };
    let places: Vec<u64> = match (&small.log, &large.log) {
        (Some(_), Some(_)) => (0..old.size).collect(),
        _ => fewer.keys().copied().collect(),
    };
    let mut shared = 0;
    for index in places {
        let (Some(one), Some(other)) = (small.entry(index), large.entry(index)) else { continue };
        shared += 1;
        let found = Contradiction::of_entries((&small.note, one), (&large.note, other), index);
        if let Some(found) = found.and_then(proven) {
            return Together::Contradict(found);
        }
    }
    Together::Share(shared)
}

/// Checks evidence that somebody made.
pub(super) fn check(request: &Request, found: &Contradiction, report: &mut Report) -> Result<(), CheckError> {
    let keys = request.trusted();
    if keys.is_empty() {
        let what = "evidence has no key with it: name the key of the log that it accuses by --key, or a policy that lists it by --policy";
        return Err(CheckError::Usage(what.into()));
    }
    let wrong = |source| CheckError::Contradiction { path: request.path.clone(), source };
    found.check(&keys).map_err(wrong)?;
    accuse(found, report);
    Ok(())
}

/// Tells what is shown against a log.
fn accuse(found: &Contradiction, report: &mut Report) {
    use halod_evidence::contradiction::Shown;
    let [small, large] = found.notes.each_ref().map(|note| {
        let checkpoint = Checkpoint::parse_extended(&note.text).ok();
        checkpoint.map_or((String::new(), 0), |checkpoint| (checkpoint.origin, checkpoint.size))
    });
    let how = match &found.shown {
        Shown::Roots => format!("two checkpoints with {} entries and two roots", small.1),
        Shown::Begin(..) => format!(
            "a checkpoint with {} entries that does not begin with those of another one with {}",
            large.1, small.1
        ),
        Shown::Entries(index, _) => {
            format!(
                "two checkpoints, with {} and {} entries, that have two entries at place {index}",
                small.1, large.1
            )
        }
    };
    let text = format!(
        "CONTRADICTION: the key of the log {} signed {how}. Both can't be true: two histories were signed, and anybody who has the \
         key can check that",
        small.0
    );
    report.say(Grade::Finding, None, text);
}
