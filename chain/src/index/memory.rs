//! What the index holds in memory: a count with a limit, and the table of recent entries.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes in use, shared by all who hold some.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<AtomicUsize>);

/// Bytes counted until this is dropped.
#[derive(Debug)]
pub(super) struct Held(Meter, usize);

impl Meter {
    pub(super) fn used(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Only the background thread adds, so nothing comes between the test and the addition.
    pub(super) fn hold_within(&self, bytes: usize, limit: usize) -> Option<Held> {
        (self.used().saturating_add(bytes) <= limit).then(|| self.hold(bytes))
    }

    pub(super) fn hold(&self, bytes: usize) -> Held {
        self.0.fetch_add(bytes, Relaxed);
        Held(self.clone(), bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Relaxed);
    }
}

/// A checksum against accidents, 32 of 64 bits: a folded multiplication per 16 bytes (as in wyhash).
/// Here three times as fast as CRC-32, of which lookups and merges do a lot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum(u64);

impl Sum {
    pub(super) fn new(run: u64, part: u64) -> Self {
        Self(fold(run ^ 0xA076_1D64_78BD_642F, part ^ 0xE703_7ED1_A0B4_28DB))
    }

    /// The same bytes give the same sum only if all parts but the last are multiples of 16.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<16>();
        for word in words {
            self.word(*word);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            last[15] = rest.len() as u8;
            self.word(last);
        }
    }

    fn word(&mut self, word: [u8; 16]) {
        let word = u128::from_le_bytes(word);
        self.0 = fold(self.0 ^ word as u64, (word >> 64) as u64 ^ 0x8EBC_6AF0_9C88_C6E3);
    }

    pub(super) fn value(self) -> u32 {
        (self.0 >> 32 ^ self.0) as u32
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// A one-to-one map of keys, chosen at random for each index.
///
/// Senders choose what ids are made from, and can search for ids whose leading or trailing bits
/// agree. Without knowing this map they can't crowd a bucket, a filter block or a table: for any
/// two keys picked beforehand, an odd random factor makes their top d bits agree with probability
/// at most 2/2^d (Dietzfelbinger et al., 1997).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scramble {
    pub(super) offset: u64,
    pub(super) factor: u64,
}

impl Scramble {
    pub(super) fn random() -> Self {
        let random = RandomState::new();
        Self { offset: random.hash_one(0u8), factor: random.hash_one(1u8) | 1 }
    }

    pub(super) fn apply(self, key: u64) -> u64 {
        let x = (key ^ self.offset).wrapping_mul(self.factor);
        let x = (x ^ x >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        x ^ x >> 29
    }
}

/// Scrambled keys are as good as hashed.
#[derive(Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Entries not yet in a run, by scrambled key.
#[derive(Debug)]
pub(super) struct Table {
    first: HashMap<u64, u64, BuildHasherDefault<AsIs>>,
    /// Further offsets of a key.
    more: HashMap<u64, Vec<u64>>,
    more_len: usize,
}

impl Table {
    pub(super) fn with_capacity(entries: usize) -> Self {
        let first = HashMap::with_capacity_and_hasher(entries, BuildHasherDefault::default());
        Self { first, more: HashMap::new(), more_len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.more_len
    }

    pub(super) fn insert(&mut self, key: u64, offset: u64) {
        let first = *self.first.entry(key).or_insert(offset);
        if first != offset {
            self.more.entry(key).or_default().push(offset);
            self.more_len += 1;
        }
    }

    pub(super) fn find(&self, key: u64, out: &mut Vec<u64>) {
        if let Some(&offset) = self.first.get(&key) {
            out.push(offset);
            if self.more_len > 0 {
                out.extend(self.more.get(&key).into_iter().flatten());
            }
        }
    }

    pub(super) fn sorted(&self) -> Vec<(u64, u64)> {
        let mut entries = Vec::with_capacity(self.len());
        entries.extend(self.first.iter().map(|(&key, &offset)| (key, offset)));
        entries.extend(self.more.iter().flat_map(|(&key, offsets)| offsets.iter().map(move |&o| (key, o))));
        entries.sort_unstable();
        entries
    }

    pub(super) fn bytes(&self) -> usize {
        // hashbrown keeps at most 7 of 8 slots filled, in a power of two of them, with a byte of tag.
        let slots = (self.first.capacity() * 8 / 7).next_power_of_two();
        slots * 17 + self.more.capacity() * 40 + self.more_len * 16
    }
}
