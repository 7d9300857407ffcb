//! A fuzz target on a stable compiler: every seed as it is, and mutations of them. A run that fails prints its
//! seed, and `HALOD_TEST_SEED` repeats its choices.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a mutation puts in most often: what the formats are made of.
const SIGNIFICANT: &[u8] = b"\"{}[],:0\\\n\r\0";

/// Runs the target over the files of `directories`, which are named from the project's root on, and over `rounds`
/// mutations of them. Returns the sum of what it counted in the files as they are.
pub(crate) fn exercise(directories: &[&str], rounds: u64, mut run: impl FnMut(&[u8]) -> usize) -> usize {
    let seeds: Vec<Vec<u8>> = directories.iter().flat_map(|directory| files(directory)).collect();
    let found = seeds.iter().map(|seed| run(seed)).sum();
    let mut numbers = Numbers::new();
    for _ in 0..rounds {
        run(&mutated(&seeds, &mut numbers));
    }
    found
}

fn files(directory: &str) -> Vec<Vec<u8>> {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|place| place.join("tests/fuzz").exists()).expect("the project's root");
    let entries = fs::read_dir(root.join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{directory} has no seeds");
    paths.iter().map(|path| fs::read(path).expect("a seed that can be read")).collect()
}

fn mutated(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let seed = &seeds[numbers.below(seeds.len())];
    // Of a large capture a window, so that a mutation is likely to matter.
    let start = if seed.len() > 2048 && numbers.below(2) == 0 { numbers.below(seed.len() - 1024) } else { 0 };
    let mut bytes = seed[start..seed.len().min(start + 3072)].to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        match numbers.below(7) {
            0 => bytes.insert(at, numbers.below(256) as u8),
            1 => bytes.insert(at, SIGNIFICANT[numbers.below(SIGNIFICANT.len())]),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + 1 + numbers.below(8)).min(bytes.len()))),
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
            5 => {
                let piece = bytes[at..(at + 30).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len());
                bytes.splice(at..at, other[from..other.len().min(from + 256)].iter().copied());
            }
        }
    }
    bytes
}

/// xorshift64*: the same numbers from the same seed on every machine.
struct Numbers(u64);

impl Numbers {
    fn new() -> Self {
        let seed = match std::env::var("HALOD_TEST_SEED") {
            Ok(seed) => seed.parse().expect("HALOD_TEST_SEED is a number"),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos().into(),
        };
        println!("HALOD_TEST_SEED={seed}");
        Self(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}
