//! Whose checkpoint it is, and whether it continues one that was kept.

use super::{CheckError, Grade, Report, Request};
use halod_evidence::Hash;
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_tlog::key::fingerprint;
use std::path::Path;

/// Tells whether a note is signed by a key that is trusted: one that the reader named, else one that was found beside it.
pub(super) fn is_signed(
    request: &Request,
    note: &SignedNote,
    found: &[VerifierKey],
    report: &mut Report,
) -> bool {
    let is_named = !request.keys.is_empty();
    let keys = if is_named { &request.keys } else { found };
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
