//! Entries of the log: what an epoch adds to it.

use crate::Hash;

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
