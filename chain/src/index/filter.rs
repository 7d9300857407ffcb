//! Blocked Bloom filter: a key's bits lie in one 64-byte block, found by the key's top bits, so the
//! blocks of a sorted run are produced and may be read in order.
//! (F. Putze, P. Sanders, J. Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2009.)

use super::memory::Held;
use std::sync::Arc;

pub(super) const BLOCK_BYTES: usize = 64;
const PROBES: u32 = 7;

/// Fifteen words of bits and one for the block's checksum, as on disk.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(super) struct Block([u32; 16]);

/// Consecutive blocks of one run's filter, held in memory and shared by all who look at the run.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) blocks: Arc<[Block]>,
    pub(super) _held: Arc<Held>,
}

/// Keys per block on average in runs of a level: 20, 14 and 11.4 bits per key, for 0.04, 0.2 and
/// 0.8 % of false positives. Small runs can afford more, and together they are looked up more often.
/// (N. Dayan, M. Athanassoulis, S. Idreos: Monkey, 2017.)
pub(super) fn keys_per_block(level: u8) -> u64 {
    match level {
        0 | 1 => 24,
        2 => 34,
        _ => 42,
    }
}

/// Which of `blocks` blocks a key belongs to; never falls as the key rises.
pub(super) fn block_of(key: u64, blocks: u64) -> u64 {
    ((u128::from(key) * u128::from(blocks)) >> 64) as u64
}

impl Block {
    pub(super) fn insert(&mut self, key: u64) {
        for bit in bits(key) {
            self.0[bit / 32 % 16] |= 1 << (bit % 32);
        }
    }

    /// All probes are read before the one branch: it is nearly always taken the same way.
    pub(super) fn may_hold(&self, key: u64) -> bool {
        bits(key).fold(1, |all, bit| all & (self.0[bit / 32 % 16] >> (bit % 32))) & 1 == 1
    }

    pub(super) fn to_bytes(&self) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        for (to, word) in bytes.chunks_exact_mut(4).zip(self.0) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = [0; 16];
        for (word, from) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*from);
        }
        Self(words)
    }

    pub(super) fn checksum(&self) -> u32 {
        self.0[15]
    }

    pub(super) fn set_checksum(&mut self, sum: u32) {
        self.0[15] = sum;
    }
}

/// Positions below 480. The multiplication sets them apart from the top bits, which are nearly the
/// same for all keys of a block.
fn bits(key: u64) -> impl Iterator<Item = usize> {
    let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..PROBES).map(move |i| ((((mixed >> (i * 9)) & 511) * 15) >> 4) as usize)
}
