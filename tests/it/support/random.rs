//! Reproducible chance: a run that fails prints its seed, and the seed repeats the run's choices.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*: good enough to choose moments and sizes.
pub struct Random(u64);

impl Random {
    /// From `HALOD_TEST_SEED`, else from the clock. Prints it: the harness shows it on failure.
    pub fn new(test: &str) -> Self {
        let seed = match std::env::var("HALOD_TEST_SEED") {
            Ok(seed) => seed.parse().expect("HALOD_TEST_SEED is a number"),
            Err(_) => u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()),
        };
        println!("{test}: HALOD_TEST_SEED={seed}");
        Self::seeded(seed)
    }

    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// In `low..high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}
