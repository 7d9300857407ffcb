//! Whose checkpoint it is, and whether it continues one that was kept.

use super::{CheckError, Grade, Report, Request, time};
use crate::clock;
use halod_evidence::Hash;
use halod_evidence::entry::Declared;
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::policy::Accepted;
use halod_tlog::key::fingerprint;
use std::path::Path;

/// Tells whether a note is signed by a key that is trusted: one that the reader named, else one that was found beside it.
pub(super) fn is_signed(
    request: &Request,
    note: &SignedNote,
    found: &[VerifierKey],
    report: &mut Report,
) -> bool {
    let named = request.trusted();
    let is_named = !named.is_empty();
    let keys = if is_named { &named[..] } else { found };
    // The newest key is the last.
    let by = keys.iter().rev().find(|key| note.verify(key).is_ok());
    match by {
        Some(key) if is_named => {
            report.say(
                Grade::Shown,
                None,
                format!("The checkpoint is signed by the key that you named, {}", key.name()),
            );
        }
        Some(key) => {
            report.say(Grade::Shown, None, format!("The checkpoint is signed by {key}"));
            let text = format!(
                "That key was found beside what it signed. Compare its fingerprint with the one that you were given, or name the \
                 key by --key: {}",
                fingerprint(key)
            );
            report.say(Grade::Remark, None, text);
        }
        None => {
            let whose = if is_named { "a key that you named" } else { "a key that is beside it" };
            report.say(Grade::Finding, None, format!("The checkpoint is not signed by {whose}"));
        }
    }
    by.is_some()
}

/// Tells who holds the key that signs, as a log's keys say.
pub(super) fn custody(keys: &Path, report: &mut Report) {
    let text = std::fs::read_to_string(keys).unwrap_or_default();
    let custody = text.lines().last().and_then(|line| halod_tlog::key::read(line).ok()?.1);
    let who = match custody {
        Some("halod") => "halod itself, in a file of its directory",
        Some("operator") => "the log's operator, in a file",
        Some(_) | None => return,
    };
    let text = format!(
        "The log's private key is held by {who}, by the log's own word: whoever has that file can sign"
    );
    report.say(Grade::Remark, None, text);
}

/// What witnesses say of the newest checkpoint that a quorum of them has seen, `notes` being the newest first. Tells its size, if there is
/// one. `holds` tells whether the log has a checkpoint's root at its size.
pub(super) fn is_witnessed(
    request: &Request,
    notes: &[SignedNote],
    holds: impl Fn(&Checkpoint) -> bool,
    report: &mut Report,
) -> Option<u64> {
    let Some(policy) = &request.policy else {
        let newest = notes.first().and_then(|note| note.signatures.get(1..)).unwrap_or_default();
        if !newest.is_empty() {
            let mut names: Vec<&str> = newest.iter().map(|line| line.name.as_str()).collect();
            names.dedup();
            let text = format!(
                "The checkpoint has lines of {}, which were not checked: name the witnesses that you trust by --policy",
                names.join(", ")
            );
            report.say(Grade::Remark, None, text);
        }
        return None;
    };
    policy.warnings().into_iter().for_each(|warning| report.say(Grade::Remark, None, warning));
    let mut why = None;
    let accepted = notes
        .iter()
        .find_map(|note| policy.check(note).map_err(|error| why.get_or_insert(error).clone()).ok());
    let Some(Accepted { checkpoint, cosigned, at, until }) = accepted else {
        let text = why.map_or_else(|| "No checkpoint is there".to_owned(), |why| why.to_string());
        report.say(
            Grade::Finding,
            None,
            format!("No checkpoint is as your policy demands; of the newest one: {text}"),
        );
        return None;
    };
    if !holds(&checkpoint) {
        let text = format!(
            "The checkpoint with {} entries that witnesses saw is not one of this log",
            checkpoint.size
        );
        report.say(Grade::Finding, None, text);
        return None;
    }
    if let Some(at) = at {
        let names: Vec<String> = cosigned.iter().map(|(name, _)| name.to_string()).collect();
        let text = format!(
            "Witnesses saw the checkpoint with {} entries: {}; the quorum was reached at {}",
            checkpoint.size,
            names.join(", "),
            time(at.saturating_mul(1000))
        );
        report.say(Grade::Shown, None, text);
        report.is_witnessed = true;
    }
    is_fresh(request, until.or(at), report);
    Some(checkpoint.size)
}

/// Whether the newest word of a quorum is no older than the reader wants.
pub(super) fn is_fresh(request: &Request, until: Option<u64>, report: &mut Report) {
    let (Some(most), Some(until)) = (request.max_age, until) else { return };
    let age = (clock::unix_millis() / 1000).saturating_sub(until);
    let (grade, words) =
        if age <= most.as_secs() { (Grade::Shown, "no older") } else { (Grade::Finding, "older") };
    let text = format!(
        "The newest checkpoint is of {}, {words} than you demand: what came later is not in it",
        time(until.saturating_mul(1000))
    );
    report.say(grade, None, text);
}

/// The request with the keys, too, that a trusted one was rotated to: the old key signed a checkpoint that has the entry.
pub(super) fn rotated(
    request: &Request,
    declared: &[(u64, Declared)],
    notes: &[SignedNote],
    holds: impl Fn(&Checkpoint) -> bool,
    report: &mut Report,
) -> Request {
    let mut request = request.clone();
    for (index, declared) in declared {
        let Declared::Rotated { old, new } = declared else { continue };
        let said_so = |note: &&SignedNote| {
            let checkpoint = Checkpoint::parse(&note.text).ok();
            note.verify(old).is_ok()
                && checkpoint.is_some_and(|checkpoint| checkpoint.size > *index && holds(&checkpoint))
        };
        if request.trusted().contains(old) && notes.iter().any(|note| said_so(&note)) {
            let text = format!(
                "The key that you named was rotated in entry {index}, and has signed that: {new} is trusted, too"
            );
            report.say(Grade::Remark, None, text);
            request.keys.push(new.clone());
        }
    }
    request
}

/// Reads a note that the reader kept; it has to be signed by the same keys.
pub(super) fn kept(path: &Path) -> Result<(SignedNote, Checkpoint), CheckError> {
    let text = std::fs::read_to_string(path).map_err(CheckError::read(path))?;
    let wrong = |source| CheckError::Note { path: path.to_owned(), source };
    let note = SignedNote::parse(&text).map_err(wrong)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(wrong)?;
    Ok((note, checkpoint))
}

/// Tells whether the log, whose newest checkpoint may be signed, continues a note that was kept. `root_at` is the root that it had
/// when it was as long as that note says.
pub(super) fn continues(
    (note, old): &(SignedNote, Checkpoint),
    keys: &[VerifierKey],
    new: (&Checkpoint, bool),
    root_at: Option<Hash>,
    report: &mut Report,
) {
    let (new, is_signed) = new;
    let finding = |text: String, report: &mut Report| report.say(Grade::Finding, None, text);
    if old.origin != new.origin {
        let text = format!(
            "The note that you kept is of the log {}, and this is {}: it is another log",
            old.origin, new.origin
        );
        return finding(text, report);
    }
    if !keys.iter().any(|key| note.verify(key).is_ok()) {
        return finding("The note that you kept is not signed by a key of this log".into(), report);
    }
    if old.size > new.size {
        let text = format!(
            "The note that you kept has {} entries, and this log has {}: the log was put back to an older copy, or entries were cut off",
            old.size, new.size
        );
        return finding(text, report);
    }
    match root_at {
        Some(root) if root == old.root => {
            let text = format!(
                "The log continues the note that you kept: its first {} entries are the same",
                old.size
            );
            report.say(Grade::Shown, None, text);
        }
        _ => {
            let mut text = format!("The first {} entries are not those of the note that you kept", old.size);
            if is_signed {
                text.push_str(": two histories were signed. Keep both notes: together they are evidence against whoever holds the key");
            }
            finding(text, report);
        }
    }
}
