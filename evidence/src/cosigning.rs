//! How a log has a checkpoint cosigned by one witness: what to send next, by what the witness answers. Nothing is sent here.
//!
//! ```text
//! Cosigning::new ─▶ from() ─▶ request(proof from there) ─▶ [the witness] ─▶ answered() ─▶ Next
//!                      ▲                                                          │
//!                      └────────────── Next::Prove: it knows another size ◀───────┘
//! ```

use crate::Hash;
use crate::note::{Checkpoint, Kind, NoteError, Signature, SignedNote, VerifierKey};
use crate::witness::{Answer, Request, WitnessError};
use std::time::Duration;

/// How far ahead of the log's clock a witness' may be, in seconds.
const AHEAD: u64 = 3600;

/// How often a witness may name another size: somebody else may send it checkpoints at the same time.
const CONFLICTS: u32 = 4;

/// The wait after a failure; twice as long after each further one, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// One checkpoint on its way to one witness. The caller sends the newest one that it has signed.
#[derive(Clone, Debug)]
pub struct Cosigning {
    note: SignedNote,
    size: u64,
    witness: VerifierKey,
    from: u64,
    conflicts: u32,
}

/// A cosignature that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Unix seconds, by the witness' clock.
    pub time: u64,
    pub line: Signature,
}

/// What comes after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The cosignature belongs under the checkpoint.
    Done(Cosigned),
    /// The witness knows a tree of this size; the proof has to begin there.
    Prove(u64),
    /// The witness knows a larger tree than the log: the log's disk is an older state, or another log has its key. Nothing
    /// more is to be signed.
    RolledBack(u64),
    /// The witness says that the log contradicts what it cosigned. Nothing more is to be signed until that is cleared up.
    Forked,
    /// The operators have to talk to each other; until then the witness is asked seldom.
    Operator(Why),
    /// To be tried again later.
    Later(u16),
    /// The witness does not keep to the protocol; to be tried again later, and told.
    Broken(WitnessError),
}

/// What operators have to put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("the witness does not know this log; its operator has to add the log's verifier key")]
    Unknown,
    #[error(
        "the witness has another key of this log than the one that signs; its operator has to add the log's verifier key"
    )]
    Unsigned,
    #[error("the witness does not understand the request; its address may be that of another program")]
    Malformed,
}

impl Cosigning {
    /// Of a signed checkpoint, for a witness that knows a tree of size `known`: 0 where that is not known.
    ///
    /// # Errors
    /// The note is no checkpoint, or the key is no witness'.
    pub fn new(note: SignedNote, witness: VerifierKey, known: u64) -> Result<Self, NoteError> {
        if witness.kind() != Kind::Cosignature {
            return Err(NoteError::NoWitness(witness.name().to_owned()));
        }
        let size = Checkpoint::parse(&note.text)?.size;
        Ok(Self { note, size, witness, from: known.min(size), conflicts: 0 })
    }

    /// The size from which on the next request has to prove.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The size of the checkpoint, up to which it has to prove.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next request, with the proof of consistency from [`Self::from`] to [`Self::size`].
    #[must_use]
    pub fn request(&self, proof: Vec<Hash>) -> Request {
        Request { old: self.from, proof, note: self.note.clone() }
    }

    /// What comes after an answer: its status, the value of its `Content-Type`, its body. `now` is in Unix seconds.
    pub fn answered(&mut self, status: u16, content_type: Option<&str>, body: &[u8], now: u64) -> Next {
        match Answer::parse(status, content_type, body) {
            Ok(Answer::Cosigned(lines)) => self.verified(lines, now).map_or_else(Next::Broken, Next::Done),
            Ok(Answer::Other(size)) => self.other(size),
            Ok(Answer::Unknown) => Next::Operator(Why::Unknown),
            Ok(Answer::Unsigned) => Next::Operator(Why::Unsigned),
            Ok(Answer::Malformed) => Next::Operator(Why::Malformed),
            Ok(Answer::Inconsistent) => Next::Forked,
            Ok(Answer::Later(status)) => Next::Later(status),
            Err(error) => Next::Broken(error),
        }
    }

    fn verified(&self, lines: Vec<Signature>, now: u64) -> Result<Cosigned, WitnessError> {
        let wrong = WitnessError::Answer;
        // Lines of other keys are not this witness' word (tlog-witness, "add-checkpoint").
        let id = self.witness.id();
        let mut ours = lines.into_iter().filter(|line| line.name == self.witness.name() && line.key_id == id);
        let (Some(line), None) = (ours.next(), ours.next()) else {
            return Err(wrong("200 without exactly one cosignature of the key that is configured for it"));
        };
        let note = SignedNote { text: self.note.text.clone(), signatures: vec![line.clone()] };
        let time = note.cosigned(&self.witness)?;
        if time > now.saturating_add(AHEAD) {
            return Err(wrong("a cosignature from more than an hour ahead of this machine's clock"));
        }
        Ok(Cosigned { time, line })
    }

    fn other(&mut self, size: u64) -> Next {
        if size > self.size {
            return Next::RolledBack(size);
        }
        self.conflicts += 1;
        if size == self.from {
            return Next::Broken(WitnessError::Answer("409 with the very size that the request had"));
        }
        if self.conflicts > CONFLICTS {
            return Next::Broken(WitnessError::Answer("409 again and again, each time with another size"));
        }
        self.from = size;
        Next::Prove(size)
    }
}

/// How long to wait after so many failures in a row, the first one included. A witness that names a time has the last word.
#[must_use]
pub fn wait_after(failures: u32) -> Duration {
    let doubled = FIRST_WAIT.checked_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
#[path = "cosigning_tests.rs"]
mod tests;
