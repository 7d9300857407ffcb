//! The logs that a witness watches: of each the last checkpoint that it cosigned, on disk before anybody is told of it.
//!
//! The order of the checks is that of the specification (tlog-witness, "add-checkpoint"). Of one log one request is looked at
//! at a time: looking at the last checkpoint and putting another one in its place must not be parted.

use super::contradictions::{Contradictions, Whose};
use halod_chain::disk::{replace, sync_dir};
use halod_evidence::contradiction::Contradiction;
use halod_evidence::note::{Checkpoint, NoteError, Signature, SignedNote, Signer, VerifierKey};
use halod_evidence::witness::Request;
use halod_evidence::{tree, witness};
use halod_record::hash::{hex_text, sha256};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Below the directory of the witness: a file a log, named by the hash of its origin, as its checkpoint is served.
pub(super) const PLACE: &str = "logs";

/// All logs that are watched.
#[derive(Debug)]
pub(super) struct Logs {
    of: HashMap<String, Log>,
    by_hash: HashMap<String, String>,
}

#[derive(Debug)]
struct Log {
    /// Several while one takes another's place.
    keys: Vec<VerifierKey>,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing was cosigned yet.
    New,
    Known(Known),
    /// The file can't be read, so nobody knows what was cosigned.
    Unreadable(String),
}

/// The last checkpoint that was cosigned.
#[derive(Clone, Debug)]
struct Known {
    checkpoint: Checkpoint,
    /// With the signatures of the log that were verified, and the cosignature.
    note: SignedNote,
    /// When it was cosigned last.
    time: u64,
}

/// What a request comes to.
#[derive(Debug)]
pub(super) enum Verdict {
    Cosigned(Signature),
    Malformed(String),
    Unknown,
    Unsigned,
    /// The size of the tree that is known.
    Other(u64),
    Inconsistent(&'static str),
    /// The state can't be read or written; nothing was cosigned.
    Unavailable(String),
}

impl Logs {
    /// Reads what was cosigned of each log. One log whose file can't be read keeps none of the others from being served.
    ///
    /// # Errors
    /// The directory can't be made.
    pub(super) fn open(directory: &Path, keys: Vec<VerifierKey>, cosigner: &VerifierKey) -> io::Result<Self> {
        let place = directory.join(PLACE);
        fs::create_dir_all(&place)?;
        sync_dir(directory)?;
        let mut of: HashMap<String, Log> = HashMap::new();
        let mut by_hash = HashMap::new();
        for key in keys {
            let origin = key.name().to_owned();
            let hash = hex_text(&sha256(origin.as_bytes()));
            let path = place.join(&hash);
            by_hash.insert(hash, origin.clone());
            let log = of.entry(origin).or_insert_with(|| Log {
                keys: Vec::new(),
                path,
                state: Mutex::new(State::New),
            });
            if !log.keys.contains(&key) {
                log.keys.push(key);
            }
        }
        for (origin, log) in &mut of {
            let state = State::read(&log.path, origin, &log.keys, cosigner);
            if let State::Unreadable(what) = &state {
                let file = log.path.display();
                tracing::error!(log = origin, %file, what, "what was cosigned of this log can't be read: its checkpoints \
                    are answered with 503 until the file is restored");
            }
            log.state = Mutex::new(state);
        }
        Ok(Self { of, by_hash })
    }

    /// The checkpoint that was cosigned last of the log with this hash.
    ///
    /// # Errors
    /// The state can't be read.
    pub(super) fn checkpoint(&self, hash: &str) -> Result<Option<String>, String> {
        let Some(log) = self.by_hash.get(hash).and_then(|origin| self.of.get(origin)) else {
            return Ok(None);
        };
        match &*log.lock() {
            State::New => Ok(None),
            State::Known(known) => Ok(Some(known.note.to_string())),
            State::Unreadable(what) => Err(what.clone()),
        }
    }

    /// Cosigns a checkpoint, if it is one of a log that is watched and goes on from what is known. `now` is in Unix seconds.
    pub(super) fn add(&self, body: &[u8], now: u64, cosigner: &Signer, kept: &Contradictions) -> Verdict {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(error) => return Verdict::Malformed(error.to_string()),
        };
        let checkpoint = match Checkpoint::parse_extended(&request.note.text) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Verdict::Malformed(error.to_string()),
        };
        let Some(log) = self.of.get(&checkpoint.origin) else { return Verdict::Unknown };
        let Some(note) = log.signed(&request.note) else { return Verdict::Unsigned };
        if request.old > checkpoint.size {
            return Verdict::Malformed("the old size is larger than that of the checkpoint".into());
        }
        let mut state = log.lock();
        let known = match &*state {
            State::New => None,
            State::Known(known) => Some(known),
            State::Unreadable(what) => return Verdict::Unavailable(what.clone()),
        };
        if let Some(known) = known {
            accuse(known, &note, &request.proof, kept);
        }
        let size = known.map_or(0, |known| known.checkpoint.size);
        if request.old != size {
            return Verdict::Other(size);
        }
        if let Some(what) = inconsistent(known, &checkpoint, &request.proof) {
            return Verdict::Inconsistent(what);
        }
        // A clock that was set back must not say that the larger tree was seen before the smaller one.
        let time = now.max(known.map_or(0, |known| known.time));
        let line = match cosigner.cosign(&note.text, time) {
            Ok(line) => line,
            Err(error) => return Verdict::Malformed(error.to_string()),
        };
        let mut note = note;
        note.signatures.push(line.clone());
        if let Err(error) = replace(&log.path, note.to_string().as_bytes()) {
            // Whether it is there now, nobody knows: what is cosigned next has to begin at what the disk holds.
            tracing::error!(log = checkpoint.origin, %error, "a checkpoint can't be kept, and is not cosigned");
            *state = State::read(&log.path, &checkpoint.origin, &log.keys, cosigner.key());
            return Verdict::Unavailable(format!("the checkpoint can't be kept: {error}"));
        }
        *state = State::Known(Known { checkpoint, note, time });
        Verdict::Cosigned(line)
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The note with the signatures of this log alone; `None` where one of them is not of the text, or where there is none.
    fn signed(&self, note: &SignedNote) -> Option<SignedNote> {
        let mut signatures = Vec::new();
        for key in &self.keys {
            match note.verify(key) {
                Ok(()) => {
                    let id = key.id();
                    let own = note.signatures.iter().find(|one| one.name == key.name() && one.key_id == id);
                    signatures.extend(own.cloned());
                }
                Err(NoteError::Unsigned(_)) => {}
                Err(_) => return None,
            }
        }
        (!signatures.is_empty()).then(|| SignedNote { text: note.text.clone(), signatures })
    }
}

impl State {
    fn read(path: &Path, origin: &str, keys: &[VerifierKey], cosigner: &VerifierKey) -> Self {
        let text = match fs::metadata(path) {
            Ok(found) if found.len() > witness::MAX_BYTES as u64 * 2 => {
                return Self::Unreadable("it is larger than what is kept".into());
            }
            _ => fs::read_to_string(path),
        };
        let text = match text {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::New,
            Err(error) => return Self::Unreadable(error.to_string()),
        };
        let read = || {
            let note = SignedNote::parse(&text)?;
            let checkpoint = Checkpoint::parse_extended(&note.text)?;
            if checkpoint.origin != origin {
                return Err(NoteError::Checkpoint("it is one of another log"));
            }
            // The log may have changed its keys since; the cosignature is this witness' own.
            let time = note.cosigned(cosigner);
            if time.is_err() && !keys.iter().any(|key| note.verify(key).is_ok()) {
                return Err(NoteError::Unsigned("this witness or the log".into()));
            }
            Ok(Known { checkpoint, note, time: time.unwrap_or(0) })
        };
        read().map_or_else(|error| Self::Unreadable(error.to_string()), Self::Known)
    }
}

/// Why a checkpoint does not go on from what is known.
fn inconsistent(
    known: Option<&Known>,
    checkpoint: &Checkpoint,
    proof: &[halod_evidence::Hash],
) -> Option<&'static str> {
    if checkpoint.size == 0 && checkpoint.root != tree::empty() {
        return Some("the root of a tree of nothing is SHA-256 of nothing");
    }
    let (size, root) =
        known.map_or((0, tree::empty()), |known| (known.checkpoint.size, known.checkpoint.root));
    let (old, new) = ((size, &root), (checkpoint.size, &checkpoint.root));
    if tree::is_consistent(old, new, proof) {
        None
    } else if size == checkpoint.size && root != checkpoint.root {
        Some("another root of this size was cosigned")
    } else {
        Some("the proof does not show that the checkpoint goes on from the one that was cosigned")
    }
}

/// Keeps what two checkpoints of a log show against it. A request shows nothing by its proof alone.
fn accuse(known: &Known, note: &SignedNote, proof: &[halod_evidence::Hash], kept: &Contradictions) {
    let mut own = known.note.clone();
    // The cosignature of this witness is nothing that the log has said.
    own.signatures.retain(|one| one.bytes.len() == 64);
    let Some(found) = Contradiction::of(&own, note, proof) else { return };
    let log = &known.checkpoint.origin;
    let (id, error) = match kept.keep(&Whose::Log(log.clone()), &found.to_json()) {
        Ok(id) => (id, None),
        Err(error) => (None, Some(error.to_string())),
    };
    // Without an id there are enough of this log, or the evidence could not be kept.
    tracing::error!(log, id, error, "the log has signed two checkpoints that contradict each other");
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
