//! The fuzz targets that need the daemon, on a stable compiler: every seed as it is, and mutations of them.
//! The other targets are run by the tests of what they test.

use crate::support::random::Random;
use crate::support::root;
use std::fs;

#[path = "../fuzz/chain.rs"]
mod chain;
#[path = "../fuzz/coding.rs"]
mod coding;
#[path = "../fuzz/import.rs"]
mod import;
#[path = "../fuzz/names.rs"]
mod names;

/// What `run` counts, in all seeds.
fn exercise(target: &str, rounds: u64, run: impl Fn(&[u8]) -> usize) -> usize {
    let seeds = fs::read_dir(root().join("tests/fuzz/seeds").join(target)).unwrap();
    let mut seeds: Vec<_> = seeds.map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| fs::read(seed).unwrap()).collect();
    let found = seeds.iter().map(|seed| run(seed)).sum();
    let mut random = Random::new(target);
    for _ in 0..rounds {
        run(&mutated(&seeds, &mut random));
    }
    found
}

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let any = |random: &mut Random| &seeds[random.between(0, seeds.len() as u64) as usize];
    let mut bytes = any(random).clone();
    for _ in 0..random.between(1, 5) {
        let at = random.between(0, bytes.len() as u64 + 1) as usize;
        match random.between(0, 5) {
            0 => bytes.insert(at, random.next() as u8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..(at + 8).min(bytes.len()))),
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.between(0, 8);
                }
            }
            _ => {
                let other = any(random);
                let from = random.between(0, other.len() as u64) as usize;
                bytes.splice(at..at, other[from..other.len().min(from + 64)].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn chain_files() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.jsonl");
    assert_eq!(exercise("chain", 2000, |data| chain::chain(data, &file)), 5);
}

#[test]
fn compressed_bodies() {
    assert!(exercise("coding", 5000, coding::coding) > 5000);
}

#[test]
fn imported_files() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(exercise("import", 3000, |data| import::import(data, place.path())), 20);
}

#[test]
fn names_of_logs() {
    exercise("names", 5000, |data| {
        names::names(data);
        0
    });
}
