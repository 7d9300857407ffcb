//! Which ids repeat and which parents are unknown, exactly, in memory that does not grow.
//!
//! Every id and every parent becomes an entry: the first 128 bits of the id's SHA-256, and where
//! it stands. Entries gather in a run; full runs are sorted and spilled. A merge then brings equal
//! ids together in file order. (Two different ids with one key would need a collision in 128 bits
//! of SHA-256.)

use super::spill::{Merge, Spill};
use crate::hash::sha256;
use std::collections::BinaryHeap;
use std::io;

/// 128 bits of an id's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u64; 2]);

impl Key {
    pub(super) fn of(id: &[u8]) -> Self {
        let digest = sha256(id);
        let (words, _) = digest.as_chunks::<8>();
        match words {
            [high, low, ..] => Self([u64::from_be_bytes(*high), u64::from_be_bytes(*low)]),
            _ => Self([0, 0]),
        }
    }
}

/// One mention of an id, ordered by id and then by place: twice the line, plus one for a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: [u64; 2],
    pub(super) place: u64,
}

/// Entries held in memory: 1.5 MiB.
const RUN: usize = 64 << 10;

pub(super) struct Ids {
    run: Vec<Entry>,
    limit: usize,
    spill: Option<Spill>,
}

/// The lines of lowest number among all that were found, and how many were found.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    lowest: BinaryHeap<(u64, u64)>,
    count: u64,
}

/// Lines that are named; further ones are counted.
const NAMED: usize = 100;

pub(super) struct Found {
    /// Lines whose id an earlier line has, with that line.
    pub(super) repeats: Repeats,
    /// Lines whose parent is no earlier line's id.
    pub(super) orphans: Repeats,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self::with_limit(RUN)
    }

    pub(super) fn with_limit(limit: usize) -> Self {
        Self { run: Vec::new(), limit, spill: None }
    }

    pub(super) fn add_id(&mut self, key: Key, line: u64) -> io::Result<()> {
        self.add(Entry { key: key.0, place: line << 1 })
    }

    pub(super) fn add_parent(&mut self, key: Key, line: u64) -> io::Result<()> {
        self.add(Entry { key: key.0, place: line << 1 | 1 })
    }

    fn add(&mut self, entry: Entry) -> io::Result<()> {
        if self.run.len() >= self.limit {
            self.run.sort_unstable();
            let spill = match &mut self.spill {
                Some(spill) => spill,
                None => self.spill.insert(Spill::create()?),
            };
            spill.write_run(&self.run)?;
            self.run.clear();
        }
        self.run.push(entry);
        Ok(())
    }

    pub(super) fn resolve(mut self) -> io::Result<Found> {
        let mut found = Found { repeats: Repeats::default(), orphans: Repeats::default() };
        self.run.sort_unstable();
        let mut group = Group::default();
        match self.spill {
            None => self.run.iter().for_each(|&entry| group.take(entry, &mut found)),
            Some(spill) => {
                let mut merge = Merge::of(&spill, &self.run)?;
                while let Some(entry) = merge.next_entry()? {
                    group.take(entry, &mut found);
                }
            }
        }
        Ok(found)
    }
}

/// The mentions of one id, in file order.
#[derive(Default)]
struct Group {
    key: Option<[u64; 2]>,
    /// The line that has the id first.
    first: Option<u64>,
}

impl Group {
    fn take(&mut self, entry: Entry, found: &mut Found) {
        if self.key != Some(entry.key) {
            *self = Self { key: Some(entry.key), first: None };
        }
        let line = entry.place >> 1;
        match (entry.place & 1, self.first) {
            (0, None) => self.first = Some(line),
            (0, Some(first)) => found.repeats.add(line, first),
            // A record is not its own parent.
            (_, Some(first)) if first < line => {}
            _ => found.orphans.add(line, 0),
        }
    }
}

impl Repeats {
    fn add(&mut self, line: u64, first: u64) {
        self.count += 1;
        self.lowest.push((line, first));
        if self.lowest.len() > NAMED {
            self.lowest.pop();
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Up to a hundred lines of lowest number, in order, each with the line it repeats.
    pub(super) fn first(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + use<> {
        self.lowest.clone().into_sorted_vec().into_iter()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = u64> + use<> {
        self.first().map(|(line, _)| line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    type Lines = Vec<(u64, u64)>;

    fn resolved(limit: usize, records: &[(u8, Option<u8>)]) -> (Lines, Lines) {
        let mut ids = Ids::with_limit(limit);
        for (line, (id, parent)) in (1..).zip(records) {
            ids.add_id(Key::of(&[*id]), line).unwrap();
            if let Some(parent) = parent {
                ids.add_parent(Key::of(&[*parent]), line).unwrap();
            }
        }
        let found = ids.resolve().unwrap();
        assert_eq!(found.repeats.count(), found.repeats.first().len() as u64);
        (found.repeats.first().collect(), found.orphans.first().collect())
    }

    fn expected(records: &[(u8, Option<u8>)]) -> (Lines, Lines) {
        let mut seen = HashMap::new();
        let (mut repeats, mut orphans) = (Vec::new(), Vec::new());
        for (line, (id, parent)) in (1u64..).zip(records) {
            if parent.is_some_and(|parent| !seen.contains_key(&parent)) {
                orphans.push((line, 0));
            }
            match seen.get(id) {
                Some(&first) => repeats.push((line, first)),
                None => drop(seen.insert(*id, line)),
            }
        }
        (repeats, orphans)
    }

    proptest! {
        #[test]
        fn runs_and_merges_find_what_a_map_finds(
            limit in 1usize..40,
            records in prop::collection::vec((any::<u8>(), prop::option::of(any::<u8>())), 0..90),
        ) {
            prop_assert_eq!(resolved(limit, &records), expected(&records));
        }
    }

    #[test]
    fn only_the_first_hundred_are_kept() {
        let mut ids = Ids::with_limit(64);
        for line in 1..=1000 {
            ids.add_id(Key::of(b"same"), line).unwrap();
        }
        let found = ids.resolve().unwrap();
        assert_eq!(found.repeats.count(), 999);
        assert!(found.repeats.lines().eq(2..=101));
    }
}
