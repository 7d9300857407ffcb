//! One immutable sorted run on disk, and reading it.
//!
//! ```text
//! header     64 bytes          magic, version, id, planned, count, checksum
//! filter     64 bytes a block  480 bits and the block's checksum
//! directory  16 bytes a bucket first entry u64, checksum of the bucket u32, of this line u32; and one
//!                              more line, whose first entry is the count
//! entries    16 bytes each     key u64, offset u64; ascending
//! ```
//! Little-endian. `planned` is an upper bound of `count` that fixes the sizes of filter and
//! directory before the first entry is known; so all three are written in one pass.
//!
//! Each part is checked when it is read, every time, because a changed bit in the filter or in a key
//! would hide an entry. (Checking whole files at start would read 18 bytes per record.) A checksum
//! covers the run's id and the part's number as well, so a part in a wrong place is found too.

use super::files::{Files, run_name};
use super::filter::{BLOCK_BYTES, Block, Chunk, block_of, keys_per_block};
use super::memory::{Meter, Sum};
use super::{IndexError, VERSION};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const HEADER_BYTES: u64 = 64;
pub(super) const LINE_BYTES: u64 = 16;
pub(super) const ENTRY_BYTES: u64 = 16;
/// Buckets hold one to two times as many entries on average: half a KiB to one.
const BUCKET_ENTRIES: u64 = 32;
/// Blocks of filter that are loaded or dropped together: 64 KiB.
const CHUNK_BLOCKS: u64 = 1024;
const READ_BYTES: u64 = 32 * 1024;

/// A pair as one number, so that it sorts by key and then by offset.
pub(super) fn pair(key: u64, offset: u64) -> u128 {
    u128::from(key) << 64 | u128::from(offset)
}

/// What the manifest says about a run; its header must say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) id: u64,
    /// How many times its entries were merged; 0 is a table as written.
    pub(super) level: u8,
    pub(super) planned: u64,
    pub(super) count: u64,
}

impl Meta {
    pub(super) fn blocks(&self) -> u64 {
        self.planned.div_ceil(keys_per_block(self.level)).max(1)
    }

    fn bucket_bits(&self) -> u32 {
        (self.planned / BUCKET_ENTRIES).max(1).ilog2()
    }

    pub(super) fn buckets(&self) -> u64 {
        1 << self.bucket_bits()
    }

    pub(super) fn bucket_of(&self, key: u64) -> u64 {
        key.checked_shr(64 - self.bucket_bits()).unwrap_or(0)
    }

    pub(super) fn directory_at(&self) -> u64 {
        HEADER_BYTES + self.blocks() * BLOCK_BYTES as u64
    }

    pub(super) fn entries_at(&self) -> u64 {
        self.directory_at() + (self.buckets() + 1) * LINE_BYTES
    }

    pub(super) fn file_len(&self) -> u64 {
        self.entries_at() + self.count * ENTRY_BYTES
    }

    pub(super) fn header(&self) -> [u8; HEADER_BYTES as usize] {
        let mut header = [0; HEADER_BYTES as usize];
        header[..8].copy_from_slice(b"halodidx");
        header[8..16].copy_from_slice(&u64::from(VERSION).to_le_bytes());
        header[16..24].copy_from_slice(&self.id.to_le_bytes());
        header[24..32].copy_from_slice(&self.planned.to_le_bytes());
        header[32..40].copy_from_slice(&self.count.to_le_bytes());
        let mut sum = self.sum(0);
        sum.update(&header[..60]);
        header[60..].copy_from_slice(&sum.value().to_le_bytes());
        header
    }

    /// Starts the checksum of part `number` of this run.
    pub(super) fn sum(&self, number: u64) -> Sum {
        Sum::new(self.id, number)
    }

    pub(super) fn block_sum(&self, number: u64, block: &[u8]) -> u32 {
        let mut sum = self.sum(number);
        sum.update(block.get(..BLOCK_BYTES - 4).unwrap_or_default());
        sum.value()
    }

    pub(super) fn directory_line(&self, number: u64, first: u64, bucket_sum: u32) -> [u8; 16] {
        let mut line = [0; 16];
        line[..8].copy_from_slice(&first.to_le_bytes());
        line[8..12].copy_from_slice(&bucket_sum.to_le_bytes());
        let mut sum = self.sum(number);
        sum.update(&line[..12]);
        line[12..].copy_from_slice(&sum.value().to_le_bytes());
        line
    }
}

/// Where a bucket's entries are.
struct Bucket {
    first: u64,
    end: u64,
    sum: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) meta: Meta,
    blocks: u64,
    /// The filter's beginning, as much as fits in the memory set aside.
    resident: Vec<Chunk>,
    file: Arc<File>,
    path: PathBuf,
}

impl Run {
    /// A run that is or claims to be what `meta` says.
    ///
    /// # Errors
    /// `Damaged` when it is missing, or its size or header differ; `Io` when it can't be opened.
    pub(super) fn open(files: &Files, meta: Meta) -> Result<Self, IndexError> {
        let path = files.path(&run_name(meta.id));
        let file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(IndexError::damaged(&path, "the file is missing"));
            }
            opened => opened.map_err(|e| IndexError::io("open", &path, e))?,
        };
        let len = file.metadata().map_err(|e| IndexError::io("stat", &path, e))?.len();
        if len != meta.file_len() {
            let what = format!("{len} bytes instead of {}", meta.file_len());
            return Err(IndexError::damaged(&path, what));
        }
        let run = Self { meta, blocks: meta.blocks(), resident: Vec::new(), file: Arc::new(file), path };
        let mut header = [0; HEADER_BYTES as usize];
        run.read(&mut header, 0)?;
        if header != meta.header() {
            return Err(IndexError::damaged(&run.path, "the header is not what the manifest says"));
        }
        Ok(run)
    }

    fn read(&self, into: &mut [u8], at: u64) -> Result<(), IndexError> {
        let failed = |e| IndexError::damaged(&self.path, format!("reading at byte {at}: {e}"));
        self.file.read_exact_at(into, at).map_err(failed)
    }

    /// Appends the offsets under `key`. Usually reads nothing, else one block of filter, and when that
    /// says yes two directory lines and a bucket.
    pub(super) fn find(&self, key: u64, out: &mut Vec<u64>) -> Result<(), IndexError> {
        if !self.may_hold(key)? {
            return Ok(());
        }
        let number = self.meta.bucket_of(key);
        let bucket = self.bucket(number)?;
        let mut sum = self.meta.sum(number);
        let mut buf = vec![0; ((bucket.end - bucket.first) * ENTRY_BYTES).min(READ_BYTES) as usize];
        let (mut at, end) = (self.entry_at(bucket.first), self.entry_at(bucket.end));
        while at < end {
            let size = (end - at).min(READ_BYTES) as usize;
            buf.truncate(size);
            self.read(&mut buf, at)?;
            sum.update(&buf);
            let entries = buf.as_chunks::<16>().0;
            let from = entries.partition_point(|e| key_of(e) < key);
            out.extend(entries.iter().skip(from).take_while(|e| key_of(e) == key).map(offset_of));
            at += size as u64;
        }
        if sum.value() == bucket.sum { Ok(()) } else { Err(self.bad("bucket", number)) }
    }

    /// The key's block, if it is in memory, with its number.
    fn resident_block(&self, key: u64) -> (u64, Option<&Block>) {
        let number = block_of(key, self.blocks);
        let chunk = self.resident.get((number / CHUNK_BLOCKS) as usize);
        (number, chunk.and_then(|c| c.blocks.get((number % CHUNK_BLOCKS) as usize)))
    }

    /// Brings the key's block of the filter into the cache. A lookup waits for memory most of its time;
    /// asking for the blocks of all runs first makes it wait for them together.
    pub(super) fn touch(&self, key: u64) {
        if let (_, Some(block)) = self.resident_block(key) {
            std::hint::black_box(block.checksum());
        }
    }

    fn may_hold(&self, key: u64) -> Result<bool, IndexError> {
        let (number, block) = self.resident_block(key);
        match block {
            Some(block) => Ok(block.may_hold(key)),
            None => {
                let mut bytes = [0; BLOCK_BYTES];
                self.read(&mut bytes, HEADER_BYTES + number * BLOCK_BYTES as u64)?;
                Ok(self.checked_block(number, &bytes)?.may_hold(key))
            }
        }
    }

    fn checked_block(&self, number: u64, bytes: &[u8]) -> Result<Block, IndexError> {
        let block = Block::from_bytes(bytes);
        if block.checksum() == self.meta.block_sum(number, bytes) {
            Ok(block)
        } else {
            Err(self.bad("filter block", number))
        }
    }

    fn bucket(&self, number: u64) -> Result<Bucket, IndexError> {
        let mut lines = [0; 2 * LINE_BYTES as usize];
        self.read(&mut lines, self.meta.directory_at() + number * LINE_BYTES)?;
        self.checked_bucket(number, &lines)
    }

    /// The bucket whose directory line, with the next one's, starts `lines`.
    fn checked_bucket(&self, number: u64, lines: &[u8]) -> Result<Bucket, IndexError> {
        let [line, next, ..] = lines.as_chunks::<16>().0 else {
            return Err(self.bad("directory line", number));
        };
        let (first, end) = (key_of(line), key_of(next));
        let (sum, next_sum) = (offset_of(line) as u32, offset_of(next) as u32);
        if *line != self.meta.directory_line(number, first, sum)
            || *next != self.meta.directory_line(number + 1, end, next_sum)
            || first > end
            || end > self.meta.count
        {
            return Err(self.bad("directory line", number));
        }
        Ok(Bucket { first, end, sum })
    }

    fn entry_at(&self, entry: u64) -> u64 {
        self.meta.entries_at() + entry * ENTRY_BYTES
    }

    fn bad(&self, part: &str, number: u64) -> IndexError {
        IndexError::damaged(&self.path, format!("{part} {number} does not match its checksum"))
    }

    /// How many chunks the whole filter has.
    fn chunks(&self) -> usize {
        self.blocks.div_ceil(CHUNK_BLOCKS) as usize
    }

    fn chunk_bytes(&self, chunk: usize) -> usize {
        CHUNK_BLOCKS.min(self.blocks - chunk as u64 * CHUNK_BLOCKS) as usize * BLOCK_BYTES
    }

    /// Keeps as much of the filter in memory as `room`, in bytes, allows and takes it from there; what
    /// others still hold counts against `limit`. Says whether it got all that there is room for.
    pub(super) fn fit_filter(
        &mut self,
        room: &mut usize,
        meter: &Meter,
        limit: usize,
    ) -> Result<bool, IndexError> {
        let mut wanted = 0;
        while wanted < self.chunks() && self.chunk_bytes(wanted) <= *room {
            *room -= self.chunk_bytes(wanted);
            wanted += 1;
        }
        self.resident.truncate(wanted);
        while self.resident.len() < wanted
            && let mut bytes = vec![0; self.chunk_bytes(self.resident.len())]
            && let Some(held) = meter.hold_within(bytes.len(), limit)
        {
            let first = self.resident.len() as u64 * CHUNK_BLOCKS;
            self.read(&mut bytes, HEADER_BYTES + first * BLOCK_BYTES as u64)?;
            let blocks = (first..).zip(bytes.chunks_exact(BLOCK_BYTES));
            let blocks =
                blocks.map(|(number, bytes)| self.checked_block(number, bytes)).collect::<Result<_, _>>()?;
            self.resident.push(Chunk { blocks, _held: Arc::new(held) });
        }
        Ok(self.resident.len() == wanted)
    }

    /// The same run, holding no filter: for reading it through.
    pub(super) fn without_filter(&self) -> Self {
        Self { resident: Vec::new(), file: Arc::clone(&self.file), path: self.path.clone(), ..*self }
    }

    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { run: self, buf: Vec::new(), at: 0, read: 0, bucket: None, number: 0, lines: Vec::new() }
    }
}

fn key_of(entry: &[u8; 16]) -> u64 {
    (u128::from_le_bytes(*entry) & u128::from(u64::MAX)) as u64
}

fn offset_of(entry: &[u8; 16]) -> u64 {
    (u128::from_le_bytes(*entry) >> 64) as u64
}

/// Reads a run from start to end. An entry may be given before the rest of its bucket is checked.
pub(super) struct Cursor<'a> {
    run: &'a Run,
    buf: Vec<u8>,
    at: usize,
    /// Entries read into `buf` so far, all buffers together.
    read: u64,
    /// The bucket that goes on in the next buffer, and its checksum so far.
    bucket: Option<(Bucket, Sum)>,
    number: u64,
    /// Directory lines; every [`Self::LINES`] buckets the next so many are read, and one more.
    lines: Vec<u8>,
}

impl Cursor<'_> {
    const LINES: u64 = 255;
    pub(super) const BYTES: usize = (READ_BYTES + (Self::LINES + 1) * LINE_BYTES) as usize;

    pub(super) fn next(&mut self) -> Result<Option<u128>, IndexError> {
        if self.at == self.buf.len() && !self.refill()? {
            return Ok(None);
        }
        let entry = self.buf.get(self.at..).and_then(|rest| rest.first_chunk::<16>());
        self.at += ENTRY_BYTES as usize;
        Ok(entry.map(|e| pair(key_of(e), offset_of(e))))
    }

    fn refill(&mut self) -> Result<bool, IndexError> {
        let count = (self.run.meta.count - self.read).min(READ_BYTES / ENTRY_BYTES);
        self.buf.resize((count * ENTRY_BYTES) as usize, 0);
        self.run.read(&mut self.buf, self.run.entry_at(self.read))?;
        self.at = 0;
        let end = self.read + count;
        let mut summed = 0;
        while self.number < self.run.meta.buckets() {
            let (bucket, mut sum) = match self.bucket.take() {
                Some(open) => open,
                None => (self.next_bucket()?, self.run.meta.sum(self.number)),
            };
            let len = bucket.end.min(end).saturating_sub(self.read);
            let size = (len * ENTRY_BYTES) as usize;
            sum.update(self.buf.get(summed..summed + size).unwrap_or_default());
            summed += size;
            self.read += len;
            if bucket.end > end {
                self.bucket = Some((bucket, sum));
                break;
            }
            if sum.value() != bucket.sum {
                return Err(self.run.bad("bucket", self.number));
            }
            self.number += 1;
        }
        if self.read != end {
            return Err(self.run.bad("last bucket", self.number));
        }
        Ok(count > 0)
    }

    fn next_bucket(&mut self) -> Result<Bucket, IndexError> {
        let line = self.number % Self::LINES;
        if line == 0 {
            let lines = (self.run.meta.buckets() - self.number).min(Self::LINES) + 1;
            self.lines.resize((lines * LINE_BYTES) as usize, 0);
            self.run.read(&mut self.lines, self.run.meta.directory_at() + self.number * LINE_BYTES)?;
        }
        let lines = self.lines.get((line * LINE_BYTES) as usize..).unwrap_or_default();
        self.run.checked_bucket(self.number, lines)
    }
}
