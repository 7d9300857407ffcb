//! Writing a run in one pass, in memory that does not depend on its size.

use super::IndexError;
use super::files::{Files, run_name};
use super::filter::{Block, block_of};
use super::memory::Sum;
use super::run::{ENTRY_BYTES, HEADER_BYTES, Meta, Run};
use std::fs::File;

const BUFFER_BYTES: usize = 64 * 1024;
/// A run is synced every so often while it grows: the sync of a chain must not wait behind gigabytes.
const SYNC_EVERY: usize = 8 * 1024 * 1024;

/// One part of the file, written from its start to its end.
struct Part {
    buf: Vec<u8>,
    at: u64,
}

/// The file, and how much was written to it since it was synced.
struct Output<'a> {
    files: &'a Files,
    file: File,
    name: String,
    unsynced: usize,
}

pub(super) struct Writer<'a> {
    output: Output<'a>,
    meta: Meta,
    blocks: u64,
    filter: Part,
    directory: Part,
    entries: Part,
    /// The block being filled, and its number.
    block: (Block, u64),
    /// The bucket being filled, its first entry, and its checksum up to `summed` in the buffer.
    bucket: u64,
    first: u64,
    sum: Sum,
    summed: usize,
    last: Option<u128>,
}

impl Part {
    fn new(at: u64) -> Self {
        Self { buf: Vec::with_capacity(BUFFER_BYTES), at }
    }

    fn write(&mut self, output: &mut Output<'_>) -> Result<(), IndexError> {
        output.files.write_at(&output.file, &output.name, &self.buf, self.at)?;
        self.at += self.buf.len() as u64;
        output.unsynced += self.buf.len();
        self.buf.clear();
        if output.unsynced >= SYNC_EVERY { output.sync() } else { Ok(()) }
    }
}

impl Output<'_> {
    fn sync(&mut self) -> Result<(), IndexError> {
        self.unsynced = 0;
        self.files.sync(&self.file, &self.name)
    }
}

impl<'a> Writer<'a> {
    pub(super) const BYTES: usize = 3 * BUFFER_BYTES;

    /// Starts a run of at most `planned` entries.
    pub(super) fn create(files: &'a Files, id: u64, level: u8, planned: u64) -> Result<Self, IndexError> {
        let meta = Meta { id, level, planned, count: 0 };
        let name = run_name(id);
        Ok(Self {
            output: Output { files, file: files.create(&name)?, name, unsynced: 0 },
            meta,
            blocks: meta.blocks(),
            filter: Part::new(HEADER_BYTES),
            directory: Part::new(meta.directory_at()),
            entries: Part::new(meta.entries_at()),
            block: (Block::default(), 0),
            bucket: 0,
            first: 0,
            sum: meta.sum(0),
            summed: 0,
            last: None,
        })
    }

    /// Adds a [`pair`](super::run::pair); they come in ascending order, and one equal to that before it is dropped.
    pub(super) fn push(&mut self, entry: u128) -> Result<(), IndexError> {
        if self.last == Some(entry) {
            return Ok(());
        }
        self.last = Some(entry);
        let key = (entry >> 64) as u64;
        let bucket = self.meta.bucket_of(key);
        while self.bucket < bucket {
            self.end_bucket()?;
        }
        let block = block_of(key, self.blocks);
        while self.block.1 < block {
            self.end_block()?;
        }
        self.block.0.insert(key);
        self.entries.buf.extend_from_slice(&entry.rotate_left(64).to_le_bytes());
        self.meta.count += 1;
        if self.entries.buf.len() + ENTRY_BYTES as usize > BUFFER_BYTES {
            self.sum_up();
            self.summed = 0;
            self.entries.write(&mut self.output)?;
        }
        Ok(())
    }

    fn sum_up(&mut self) {
        self.sum.update(self.entries.buf.get(self.summed..).unwrap_or_default());
        self.summed = self.entries.buf.len();
    }

    fn end_bucket(&mut self) -> Result<(), IndexError> {
        self.sum_up();
        let line = self.meta.directory_line(self.bucket, self.first, self.sum.value());
        self.directory.buf.extend_from_slice(&line);
        self.bucket += 1;
        self.first = self.meta.count;
        self.sum = self.meta.sum(self.bucket);
        if self.directory.buf.len() == BUFFER_BYTES { self.directory.write(&mut self.output) } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), IndexError> {
        let (block, number) = &mut self.block;
        block.set_checksum(self.meta.block_sum(*number, &block.to_bytes()));
        self.filter.buf.extend_from_slice(&block.to_bytes());
        self.block = (Block::default(), *number + 1);
        if self.filter.buf.len() == BUFFER_BYTES { self.filter.write(&mut self.output) } else { Ok(()) }
    }

    /// Completes the file and syncs it; its name is not yet known to be on disk.
    pub(super) fn finish(mut self) -> Result<Run, IndexError> {
        while self.bucket < self.meta.buckets() {
            self.end_bucket()?;
        }
        // One more line says where the last bucket ends.
        self.end_bucket()?;
        while self.block.1 < self.meta.blocks() {
            self.end_block()?;
        }
        for part in [&mut self.filter, &mut self.directory, &mut self.entries] {
            part.write(&mut self.output)?;
        }
        let Output { files, file, name, .. } = &self.output;
        files.write_at(file, name, &self.meta.header(), 0)?;
        self.output.sync()?;
        Run::open(self.output.files, self.meta)
    }
}
