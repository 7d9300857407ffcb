//! Entries of the log: epochs, and what its operator declared.

use crate::Hash;
use crate::note::VerifierKey;

/// The first bytes of an epoch's entry.
const EPOCH: &[u8] = b"halod-epoch/v1\n";

/// An epoch, as the log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub epoch: u64,
    /// By the daemon's clock, in Unix milliseconds.
    pub millis: u64,
    /// The root of the map of all tenants.
    pub map: Hash,
}

impl Epoch {
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [EPOCH, &self.epoch.to_be_bytes(), &self.millis.to_be_bytes(), &self.map].concat()
    }

    /// Reads what [`Self::bytes`] writes; `None` for anything else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.strip_prefix(EPOCH)?.split_first_chunk()?;
        let (millis, map) = rest.split_first_chunk()?;
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            millis: u64::from_be_bytes(*millis),
            map: map.try_into().ok()?,
        })
    }
}

/// What an operator declared: it stands in the log, with its place and so its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// From here on another key signs; the old one does so, too, for a while.
    Rotated { old: VerifierKey, new: VerifierKey },
    /// The log continues another one, whose last note this is.
    Continued { note: String },
    /// A tenant's chain is not what was signed of it, and goes on as a new generation.
    Broken {
        slot: Hash,
        /// The state that was signed last, and the first of the new generation, each hidden by the blind of the next epoch.
        old: Hash,
        new: Hash,
        /// SHA-256 of the reason, in UTF-8.
        reason: Hash,
    },
    /// A tenant's chain ends; its file may be deleted. Its slot keeps the last state.
    Retired { slot: Hash, last: Hash },
}

const ROTATED: &[u8] = b"halod-rotate/v1\n";
const CONTINUED: &[u8] = b"halod-continues/v1\n";
const BROKEN: &[u8] = b"halod-break/v1\n";
const RETIRED: &[u8] = b"halod-retire/v1\n";

impl Declared {
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Rotated { old, new } => [ROTATED, format!("{old}\n{new}\n").as_bytes()].concat(),
            Self::Continued { note } => [CONTINUED, note.as_bytes()].concat(),
            Self::Broken { slot, old, new, reason } => [BROKEN, slot, old, new, reason].concat(),
            Self::Retired { slot, last } => [RETIRED, slot, last].concat(),
        }
    }

    /// Reads what [`Self::bytes`] writes; `None` for anything else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if let Some(keys) = bytes.strip_prefix(ROTATED) {
            let (old, new) = std::str::from_utf8(keys).ok()?.strip_suffix('\n')?.split_once('\n')?;
            return Some(Self::Rotated { old: old.parse().ok()?, new: new.parse().ok()? });
        }
        if let Some(note) = bytes.strip_prefix(CONTINUED) {
            return Some(Self::Continued { note: std::str::from_utf8(note).ok()?.to_owned() });
        }
        if let Some(hashes) = bytes.strip_prefix(BROKEN) {
            let [slot, old, new, reason] = hashes_of(hashes)?;
            return Some(Self::Broken { slot, old, new, reason });
        }
        let [slot, last] = hashes_of(bytes.strip_prefix(RETIRED)?)?;
        Some(Self::Retired { slot, last })
    }
}

/// Exactly so many hashes, one behind another.
fn hashes_of<const N: usize>(bytes: &[u8]) -> Option<[Hash; N]> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let hashes = hashes.try_into().ok()?;
    rest.is_empty().then_some(hashes)
}
