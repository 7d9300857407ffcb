//! Cosignatures: what a witness says of a checkpoint (C2SP tlog-cosignature), with Ed25519.

use crate::note::{Checkpoint, Kind, NoteError, Signature, SignedNote, Signer, VerifierKey};

/// The largest time that a cosignature may have (tlog-cosignature, "Format").
const LATEST: u64 = i64::MAX as u64;

/// The bytes of a signature of type 4: a time and the signature itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cosignature {
    /// Unix seconds.
    time: u64,
    signature: [u8; 64],
}

impl Cosignature {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (time, signature) = bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        // Without a time it would not say when the checkpoint was the largest (tlog-witness, "add-checkpoint").
        (1..=LATEST).contains(&time).then_some(Self { time, signature: signature.try_into().ok()? })
    }

    pub(crate) fn is_by(&self, key: &VerifierKey, text: &str) -> bool {
        key.has_signed(message(self.time, text).as_bytes(), &self.signature)
    }
}

/// What is signed (tlog-cosignature, "Ed25519 signed message").
fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl SignedNote {
    /// When a witness saw this checkpoint, in Unix seconds. Of several cosignatures of the witness the earliest counts: it
    /// had seen the checkpoint by then.
    ///
    /// # Errors
    /// The key is no witness', or the note has no cosignature of it, or one that is not of this text.
    pub fn cosigned(&self, key: &VerifierKey) -> Result<u64, NoteError> {
        self.cosigned_between(key).map(|(first, _)| first)
    }

    /// When a witness saw this checkpoint first, and when last, in Unix seconds.
    ///
    /// # Errors
    /// As [`Self::cosigned`].
    pub fn cosigned_between(&self, key: &VerifierKey) -> Result<(u64, u64), NoteError> {
        if key.kind() != Kind::Cosignature {
            return Err(NoteError::NoWitness(key.name().to_owned()));
        }
        self.verify(key)?;
        let times = self.of_key(key, key.id()).filter_map(|one| Cosignature::read(&one.bytes));
        let times = times.map(|own| (own.time, own.time));
        let between = times.reduce(|(first, last), (time, _)| (first.min(time), last.max(time)));
        between.ok_or_else(|| NoteError::Unsigned(key.name().to_owned()))
    }
}

impl Signer {
    /// A cosignature of this checkpoint at a time, in Unix seconds.
    ///
    /// # Errors
    /// The key is no witness', the text is no checkpoint, or the time can't be in a cosignature.
    pub fn cosign(&self, text: &str, time: u64) -> Result<Signature, NoteError> {
        if self.key().kind() != Kind::Cosignature {
            return Err(NoteError::NoWitness(self.key().name().to_owned()));
        }
        if !(1..=LATEST).contains(&time) {
            return Err(NoteError::Shape("a cosignature's time is from 1 to 2^63 - 1"));
        }
        // Lines beyond the third are the log's own, and cosigned with it (tlog-cosignature, "Ed25519 signed message").
        Checkpoint::parse_extended(text)?;
        let signature = self.sign_bytes(message(time, text).as_bytes());
        Ok(self.line([&time.to_be_bytes()[..], &signature].concat()))
    }
}

#[cfg(test)]
#[path = "cosignature_tests.rs"]
mod tests;
