//! What an epoch says of one chain, and the blind under which it stands in the map.

use crate::Hash;
use halod_record::tenant::Tenant;
use ring::hmac;
use sha2::{Digest, Sha256};

/// Bytes of a state.
pub const LEN: usize = 4 + 32 + 8 + 3 * 32;

/// What is hidden beside a state.
pub type Blind = [u8; 16];

/// The end of a chain at an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// From 0; archiving ends one and begins the next.
    pub generation: u32,
    /// SHA-256 of the last state of the generation before; zeros for the first.
    pub before: Hash,
    /// Records of the chain.
    pub count: u64,
    /// The hash of the last record, and of the first.
    pub head: Hash,
    pub first: Hash,
    /// The root of the tree over all records' hashes.
    pub root: Hash,
}

impl State {
    /// As it is hashed: integers in big endian.
    #[must_use]
    pub fn bytes(&self) -> [u8; LEN] {
        let Self { generation, before, count, head, first, root } = self;
        let mut bytes = [0; LEN];
        let parts: [&[u8]; 6] = [&generation.to_be_bytes(), before, &count.to_be_bytes(), head, first, root];
        let mut at = 0;
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        bytes
    }

    #[must_use]
    pub fn read(bytes: &[u8; LEN]) -> Self {
        let mut rest = &bytes[..];
        Self {
            generation: u32::from_be_bytes(take(&mut rest)),
            before: take(&mut rest),
            count: u64::from_be_bytes(take(&mut rest)),
            head: take(&mut rest),
            first: take(&mut rest),
            root: take(&mut rest),
        }
    }

    /// What a next generation names it by.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Sha256::digest(self.bytes()).into()
    }

    /// What the map holds of it.
    #[must_use]
    pub fn hidden(&self, blind: &Blind) -> Hash {
        Sha256::new().chain_update(blind).chain_update(self.bytes()).finalize().into()
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (part, left) = rest.split_first_chunk().map_or(([0; N], &[][..]), |(part, left)| (*part, left));
    *rest = left;
    part
}

/// The one place of a tenant in the map of a log: anybody who knows its id can tell it.
#[must_use]
pub fn slot(origin: &str, tenant: &Tenant) -> Hash {
    // No id is this byte, because a file's name has none.
    let id = tenant.subject().unwrap_or("\0");
    Sha256::new()
        .chain_update("halod-slot/v1\0")
        .chain_update(origin)
        .chain_update([0])
        .chain_update(id)
        .finalize()
        .into()
}

/// A blind of its own for each slot and epoch, so that equal states do not look equal: the first half of HMAC-SHA-256.
#[must_use]
pub fn blind(secret: &[u8], epoch: u64, slot: &Hash) -> Blind {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, &[&epoch.to_be_bytes()[..], slot].concat());
    let mut blind = [0; 16];
    blind.copy_from_slice(&tag.as_ref()[..16]);
    blind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let state = State {
            generation: 7,
            before: [1; 32],
            count: 1 << 40,
            head: [2; 32],
            first: [3; 32],
            root: [4; 32],
        };
        let bytes = state.bytes();
        assert_eq!(State::read(&bytes), state);
        assert_eq!(
            (&bytes[..4], &bytes[36..44], bytes[LEN - 1]),
            (&[0, 0, 0, 7][..], &[0, 0, 1, 0, 0, 0, 0, 0][..], 4)
        );
    }

    #[test]
    fn slots_and_blinds_are_of_what_they_are_made_of() {
        let acme = Tenant::Subject("acme".into());
        let slots = [
            slot("o", &acme),
            slot("o", &Tenant::Local),
            slot("p", &acme),
            slot("o", &Tenant::Subject("acm".into())),
        ];
        for (at, one) in slots.iter().enumerate() {
            assert!(!slots[..at].contains(one));
        }
        let blinds = [
            blind(b"s", 1, &slots[0]),
            blind(b"s", 2, &slots[0]),
            blind(b"s", 1, &slots[1]),
            blind(b"t", 1, &slots[0]),
        ];
        for (at, one) in blinds.iter().enumerate() {
            assert!(!blinds[..at].contains(one));
        }
    }
}
