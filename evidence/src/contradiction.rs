//! Evidence against a log: two of its signed checkpoints that can't both be true, for anybody who has its key.
//!
//! Two roots of one size contradict each other as they are. Of two sizes, the proof shows that the larger tree begins with
//! another tree of the smaller size than the one that was signed; since a root has one such begin, one of the two is no
//! begin of the other. Two entries at one place of the log are shown by the ways of both to the two roots. A proof that merely
//! fails shows nothing: whoever sends it may have spoilt it.

use crate::Hash;
use crate::note::{Checkpoint, NoteError, SignedNote, VerifierKey, base64};
use crate::tree;
use data_encoding::BASE64;
use serde_json::{Value, json};

/// Bytes of such evidence that are read: two notes, their escapes and a proof.
pub const MAX_BYTES: usize = 512 << 10;

/// The value of its member `type`.
const TYPE: &str = "halod-contradiction/v1";

/// Two notes of one log that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The smaller tree first.
    pub notes: [SignedNote; 2],
    pub shown: Shown,
}

/// What shows that two checkpoints can't both be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// They are of one size, and have two roots.
    Roots,
    /// The larger tree begins with another root than the smaller one's; the hashes show that (RFC 9162, section 2.1.4.2).
    Begin(Hash, Vec<Hash>),
    /// Both have this place, from 0, with two entries: one of each, with the hashes beside its way to the root.
    Entries(u64, Box<[Place; 2]>),
}

/// An entry, and the hashes beside its way to the root of a log.
pub type Place = (Vec<u8>, Vec<Hash>);

/// Why something shows no contradiction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContradictionError {
    #[error("it is no evidence of two contradicting checkpoints: {0}")]
    Shape(&'static str),
    #[error("the notes do not contradict each other: {0}")]
    None(&'static str),
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Contradiction {
    /// What two notes, and the proof of consistency that came with them, show against a log; `None` if that is nothing. The
    /// notes need to be verified.
    #[must_use]
    pub fn of(one: &SignedNote, other: &SignedNote, proof: &[Hash]) -> Option<Self> {
        let read = |note: &SignedNote| Some((Checkpoint::parse_extended(&note.text).ok()?, note.clone()));
        let (mut small, mut large) = (read(one)?, read(other)?);
        if small.0.size > large.0.size {
            std::mem::swap(&mut small, &mut large);
        }
        let ((small, first), (large, second)) = (small, large);
        let shown = if small.size == large.size {
            Shown::Roots
        } else {
            let root = tree::begin_of(small.size, (large.size, &large.root), proof)?;
            Shown::Begin(root, proof.to_vec())
        };
        Self { notes: [first, second], shown }.proven()
    }

    /// What a smaller and a larger note show where the larger tree is known to begin with this root, as the proof of consistency
    /// from there shows; `None` if that is nothing.
    #[must_use]
    pub fn of_begin(small: &SignedNote, large: &SignedNote, begin: Hash, proof: &[Hash]) -> Option<Self> {
        let shown = Shown::Begin(begin, proof.to_vec());
        Self { notes: [small.clone(), large.clone()], shown }.proven()
    }

    /// What two notes show that have two entries at one place; `None` if that is nothing.
    #[must_use]
    pub fn of_entries(one: (&SignedNote, Place), other: (&SignedNote, Place), index: u64) -> Option<Self> {
        let size = |note: &SignedNote| Some(Checkpoint::parse_extended(&note.text).ok()?.size);
        let (small, large) = if size(one.0)? <= size(other.0)? { (one, other) } else { (other, one) };
        let shown = Shown::Entries(index, Box::new([small.1, large.1]));
        Self { notes: [small.0.clone(), large.0.clone()], shown }.proven()
    }

    fn proven(self) -> Option<Self> {
        self.contradicts().is_ok().then_some(self)
    }

    /// The two checkpoints, if they can't both be true.
    fn contradicts(&self) -> Result<[Checkpoint; 2], ContradictionError> {
        let none = ContradictionError::None;
        let [one, other] = &self.notes;
        let (one, other) = (Checkpoint::parse_extended(&one.text)?, Checkpoint::parse_extended(&other.text)?);
        if one.origin != other.origin {
            return Err(none("they are of two logs"));
        }
        match &self.shown {
            Shown::Roots if one.size != other.size => {
                return Err(none("their sizes differ, and nothing shows what the larger tree begins with"));
            }
            Shown::Roots if one.root == other.root => return Err(none("they have the same root")),
            Shown::Roots => {}
            Shown::Begin(root, _) if *root == one.root => {
                return Err(none("the larger tree begins with the smaller one"));
            }
            Shown::Begin(root, path) => {
                // At equal sizes the two notes stand for themselves, and nobody contradicts a tree of nothing.
                let (old, new) = ((one.size, root), (other.size, &other.root));
                if one.size == 0 || one.size >= other.size || !tree::is_consistent(old, new, path) {
                    return Err(none("the proof does not show what the larger tree begins with"));
                }
            }
            Shown::Entries(index, places) => {
                let [first, second] = &**places;
                if first.0 == second.0 {
                    return Err(none("they have the same entry at this place"));
                }
                if one.size > other.size {
                    return Err(none("the larger tree comes first"));
                }
                for (checkpoint, (entry, path)) in [(&one, first), (&other, second)] {
                    let place = (*index, checkpoint.size);
                    if !tree::is_included(&tree::leaf(entry), place, path, &checkpoint.root) {
                        return Err(none("an entry is not shown to be at this place"));
                    }
                }
            }
        }
        Ok([one, other])
    }

    /// Checks it by the keys of the log, each of which is believed: the checkpoints that can't both be true.
    ///
    /// # Errors
    /// It shows nothing against the log with these keys.
    pub fn check(&self, keys: &[VerifierKey]) -> Result<[Checkpoint; 2], ContradictionError> {
        let checkpoints = self.contradicts()?;
        for note in &self.notes {
            // Any key of the log will do: it may have been changed in between.
            let signed = keys.iter().map(|key| note.verify(key));
            let signed = signed.reduce(|best, next| if best.is_ok() { best } else { next });
            signed.unwrap_or(Err(NoteError::Unsigned("a key that was given".into())))?;
        }
        Ok(checkpoints)
    }

    /// As one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object =
            json!({ "type": TYPE, "notes": [self.notes[0].to_string(), self.notes[1].to_string()] });
        let hashes = |path: &[Hash]| -> Value { path.iter().map(|hash| BASE64.encode(hash)).collect() };
        match &self.shown {
            Shown::Roots => {}
            Shown::Begin(root, path) => {
                object["begin"] = json!(BASE64.encode(root));
                object["proof"] = hashes(path);
            }
            Shown::Entries(index, places) => {
                object["index"] = json!(index);
                object["entries"] = places.iter().map(|(entry, _)| BASE64.encode(entry)).collect();
                object["paths"] = places.iter().map(|(_, path)| hashes(path)).collect();
            }
        }
        object.to_string()
    }

    /// # Errors
    /// It is none of this form, or too large.
    pub fn parse(text: &str) -> Result<Self, ContradictionError> {
        let wrong = ContradictionError::Shape;
        if text.len() > MAX_BYTES {
            return Err(wrong("it has more than 512 KiB"));
        }
        let object: Value = serde_json::from_str(text).map_err(|_| wrong("it is no JSON"))?;
        if object.get("type").and_then(Value::as_str) != Some(TYPE) {
            return Err(wrong("its `type` is not halod-contradiction/v1"));
        }
        let note = |at: usize| {
            let note = object.get("notes").and_then(|notes| notes.get(at)?.as_str());
            note.ok_or(wrong("it has not two `notes`"))
        };
        let notes = [SignedNote::parse(note(0)?)?, SignedNote::parse(note(1)?)?];
        let members = ["begin", "proof", "index", "entries", "paths"].map(|name| object.get(name));
        let shown = match members {
            [None, None, None, None, None] => Shown::Roots,
            [Some(begin), Some(proof), None, None, None] => {
                let what = "`begin` and `proof` are not hashes in base64, at most 63";
                let begin = begin.as_str().and_then(base64).and_then(|hash| hash.try_into().ok());
                let (begin, proof) = begin.zip(hashes(proof)).ok_or(wrong(what))?;
                Shown::Begin(begin, proof)
            }
            [None, None, Some(index), Some(entries), Some(paths)] => {
                let what = "`index`, `entries` and `paths` are not two entries of one place";
                let place = |at: usize| Some((base64(entries.get(at)?.as_str()?)?, hashes(paths.get(at)?)?));
                let places = index.as_u64().zip(place(0)).zip(place(1)).ok_or(wrong(what))?;
                let ((index, one), other) = places;
                Shown::Entries(index, Box::new([one, other]))
            }
            _ => {
                return Err(wrong(
                    "it has `begin` and `proof`, or `index`, `entries` and `paths`, or none of these",
                ));
            }
        };
        Ok(Self { notes, shown })
    }
}

/// The hashes of a path.
fn hashes(path: &Value) -> Option<Vec<Hash>> {
    let path = path.as_array().filter(|path| path.len() <= crate::witness::MAX_PROOF)?;
    path.iter().map(|hash| base64(hash.as_str()?)?.try_into().ok()).collect()
}

#[cfg(test)]
#[path = "contradiction_tests.rs"]
mod tests;
