//! Evidence against a log: two of its signed checkpoints that can't both be true, for anybody who has its key.
//!
//! Two roots of one size contradict each other as they are. Of two sizes, the proof shows that the larger tree begins with
//! another tree of the smaller size than the one that was signed; since a root has one such begin, one of the two is no
//! begin of the other. A proof that merely fails shows nothing: whoever sends it may have spoilt it.

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
    /// Of two sizes: the hashes by which the larger tree is shown to begin otherwise, and the root of that begin.
    pub begins: Option<(Hash, Vec<Hash>)>,
}

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
        let begins = if small.size == large.size {
            None
        } else {
            let root = tree::begin_of(small.size, (large.size, &large.root), proof)?;
            Some((root, proof.to_vec()))
        };
        let found = Self { notes: [first, second], begins };
        found.contradicts().is_ok().then_some(found)
    }

    /// The two checkpoints, if they can't both be true.
    fn contradicts(&self) -> Result<[Checkpoint; 2], ContradictionError> {
        let none = ContradictionError::None;
        let [one, other] = &self.notes;
        let (one, other) = (Checkpoint::parse_extended(&one.text)?, Checkpoint::parse_extended(&other.text)?);
        if one.origin != other.origin {
            return Err(none("they are of two logs"));
        }
        match &self.begins {
            None if one.size != other.size => {
                return Err(none("their sizes differ, and no proof shows what the larger tree begins with"));
            }
            None if one.root == other.root => return Err(none("they have the same root")),
            None => {}
            Some((root, _)) if *root == one.root => {
                return Err(none("the larger tree begins with the smaller one"));
            }
            Some((root, path)) => {
                // At equal sizes the two notes stand for themselves, and nobody contradicts a tree of nothing.
                let (old, new) = ((one.size, root), (other.size, &other.root));
                if one.size == 0 || one.size >= other.size || !tree::is_consistent(old, new, path) {
                    return Err(none("the proof does not show what the larger tree begins with"));
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
        if let Some((root, path)) = &self.begins {
            object["begin"] = json!(BASE64.encode(root));
            object["proof"] = path.iter().map(|hash| BASE64.encode(hash)).collect();
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
        let hash = |value: &Value| base64(value.as_str()?).and_then(|hash| hash.try_into().ok());
        let begins = match (object.get("begin"), object.get("proof")) {
            (None, None) => None,
            (Some(begin), Some(Value::Array(proof))) if proof.len() <= crate::witness::MAX_PROOF => {
                let path: Option<Vec<Hash>> = proof.iter().map(hash).collect();
                Some(hash(begin).zip(path).ok_or(wrong("`begin` and `proof` are not hashes in base64"))?)
            }
            _ => return Err(wrong("`begin` and `proof` stand together, with at most 63 hashes")),
        };
        Ok(Self { notes, begins })
    }
}

#[cfg(test)]
#[path = "contradiction_tests.rs"]
mod tests;
