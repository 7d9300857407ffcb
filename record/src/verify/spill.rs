//! Sorted runs in a temporary file, and their merge.

use super::ids::Entry;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::{File, OpenOptions, remove_file};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

/// Bytes of an entry in the file.
const ENTRY: usize = 24;

/// Memory for reading all runs back, shared among them.
const READ_AHEAD: usize = 1 << 20;

/// A file without a name: it is gone when it is closed, even by a kill.
pub(super) struct Spill {
    file: BufWriter<File>,
    /// Entries in each run.
    runs: Vec<usize>,
}

impl Spill {
    pub(super) fn create() -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let random = RandomState::new();
        let mut attempt = 0u32;
        loop {
            let name = format!(".halod-verify-{:016x}", random.hash_one((std::process::id(), attempt)));
            let path = std::env::temp_dir().join(name);
            match options.open(&path) {
                Ok(file) => {
                    remove_file(&path)?;
                    return Ok(Self { file: BufWriter::new(file), runs: Vec::new() });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 16 => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn write_run(&mut self, run: &[Entry]) -> io::Result<()> {
        for entry in run {
            for word in [entry.key[0], entry.key[1], entry.place] {
                self.file.write_all(&word.to_le_bytes())?;
            }
        }
        self.file.flush()?;
        self.runs.push(run.len());
        Ok(())
    }
}

/// Entries of all runs in order.
pub(super) struct Merge<'s> {
    file: &'s File,
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
    memory: std::iter::Copied<std::slice::Iter<'s, Entry>>,
    next_in_memory: Option<Entry>,
}

/// What is left of one run.
struct Run {
    offset: u64,
    left: usize,
    ahead: std::vec::IntoIter<Entry>,
    read_ahead: usize,
}

impl<'s> Merge<'s> {
    /// Merges the runs in `spill` with one that is still in memory.
    pub(super) fn of(spill: &'s Spill, memory: &'s [Entry]) -> io::Result<Self> {
        let read_ahead = (READ_AHEAD / ENTRY / spill.runs.len().max(1)).max(16);
        let mut offset = 0;
        let mut runs = Vec::with_capacity(spill.runs.len());
        for &left in &spill.runs {
            runs.push(Run { offset, left, ahead: Vec::new().into_iter(), read_ahead });
            offset += (left * ENTRY) as u64;
        }
        let mut memory = memory.iter().copied();
        let next_in_memory = memory.next();
        let file = spill.file.get_ref();
        let mut merge = Self { file, runs, heads: BinaryHeap::new(), memory, next_in_memory };
        for run in 0..merge.runs.len() {
            merge.advance(run)?;
        }
        Ok(merge)
    }

    pub(super) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let Self { file, runs, heads, next_in_memory, .. } = self;
        let Some(mut first) = heads.peek_mut() else { return Ok(self.take_from_memory()) };
        let Reverse((entry, number)) = *first;
        if next_in_memory.is_some_and(|next| next < entry) {
            drop(first);
            return Ok(self.take_from_memory());
        }
        // In place of the head stands the next one of its run, which is cheaper than one out and one in.
        let next = match runs.get_mut(number) {
            Some(run) => run.next(file)?,
            None => None,
        };
        match next {
            Some(next) => *first = Reverse((next, number)),
            None => drop(PeekMut::pop(first)),
        }
        Ok(Some(entry))
    }

    fn take_from_memory(&mut self) -> Option<Entry> {
        std::mem::replace(&mut self.next_in_memory, self.memory.next())
    }

    /// Puts the next entry of a run among the heads.
    fn advance(&mut self, number: usize) -> io::Result<()> {
        if let Some(run) = self.runs.get_mut(number)
            && let Some(entry) = run.next(self.file)?
        {
            self.heads.push(Reverse((entry, number)));
        }
        Ok(())
    }
}

impl Run {
    fn next(&mut self, file: &File) -> io::Result<Option<Entry>> {
        if let Some(entry) = self.ahead.next() {
            return Ok(Some(entry));
        }
        let count = self.left.min(self.read_ahead);
        let mut bytes = vec![0; count * ENTRY];
        file.read_exact_at(&mut bytes, self.offset)?;
        self.left -= count;
        self.offset += bytes.len() as u64;
        let word = |bytes: &[u8; ENTRY], at: usize| {
            u64::from_le_bytes(bytes.as_chunks::<8>().0.get(at).copied().unwrap_or_default())
        };
        let entries = bytes.as_chunks::<ENTRY>().0.iter();
        let entries =
            entries.map(|bytes| Entry { key: [word(bytes, 0), word(bytes, 1)], place: word(bytes, 2) });
        self.ahead = entries.collect::<Vec<_>>().into_iter();
        Ok(self.ahead.next())
    }
}
