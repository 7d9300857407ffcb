//! Parquet files as the JSON lines that the same store exports, read in bounded memory.
//!
//! What is held is the footer, and of each column a page and a dictionary. Nothing that a file declares is
//! believed before it is bounded: a damaged or hostile file ends with an error, after the rows before the damage.
//! There are readers to be had; the one that is best kept takes 38 s more to build, with 35 crates, and panics on what
//! it does not expect (430 places that may). This one reads what stores and their tools write.

mod codec;
mod column;
mod levels;
mod meta;
mod thrift;
mod values;
mod write;

use bytes::Bytes;
use column::Column;
use meta::Footer;
use std::fs::File;
use std::io::{self, Error, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use write::Row;

type Result<T> = io::Result<T>;

/// What a file begins and ends with, and what it ends with where its footer is encrypted.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED: &[u8; 4] = b"PARE";

/// Bytes of a file that is held in memory, as it is packed itself.
pub(super) const WITHIN: u64 = 64 << 20;

/// Bytes of a page at most, packed or not.
const LARGEST: usize = 64 << 20;

/// Bytes of a footer at most.
const FOOTER: usize = 32 << 20;

/// Bytes that the pages and dictionaries of all columns may take.
const HELD: usize = 256 << 20;

/// Rows that a byte of a file may stand for: as many bytes as one of gzip's.
const ROWS_A_BYTE: u64 = 1032;

/// Bytes of rows that are made at a time.
const BLOCK: usize = 64 << 10;

/// Where a file is: on disk, as a part of one, or in memory.
#[derive(Clone, Debug)]
pub(super) struct At {
    place: Place,
    size: u64,
    /// Counts what is read, for whoever shows progress.
    read: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Place {
    File(Arc<File>, u64),
    Memory(Bytes),
}

/// The rows of a file, each a line of JSON.
#[derive(Debug)]
pub(super) struct Rows {
    from: At,
    footer: Footer,
    /// The group that is read, and the rows of it that are to come.
    group: usize,
    left: u64,
    columns: Vec<Column>,
    out: Vec<u8>,
    at: usize,
    row: Vec<u8>,
    most: usize,
    /// The damage that was met behind the rows that are made.
    failed: Option<Error>,
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

impl At {
    /// `size` bytes of a file, from `start` on.
    pub(super) fn part(file: Arc<File>, start: u64, size: u64, read: Arc<AtomicU64>) -> Self {
        Self { place: Place::File(file, start), size, read }
    }

    fn read(&self, at: u64, count: usize) -> Result<Vec<u8>> {
        let ends_early = || damaged("it ends early");
        if at.checked_add(count as u64).is_none_or(|end| end > self.size) {
            return Err(ends_early());
        }
        self.read.fetch_add(count as u64, Relaxed);
        match &self.place {
            Place::File(file, start) => {
                let mut bytes = vec![0; count];
                file.read_exact_at(&mut bytes, start + at)?;
                Ok(bytes)
            }
            Place::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                bytes.get(at..at.saturating_add(count)).map(<[u8]>::to_vec).ok_or_else(ends_early)
            }
        }
    }
}

impl From<Bytes> for At {
    fn from(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, place: Place::Memory(bytes), read: Arc::default() }
    }
}

impl Rows {
    /// Reads the footer. `most`: bytes of a row.
    ///
    /// # Errors
    /// The system's; or why the file is none that can be read.
    pub(super) fn open(from: At, most: usize) -> Result<Self> {
        let tail = from.size.checked_sub(8).filter(|tail| *tail >= 4);
        let tail = tail.ok_or_else(|| damaged("it is Parquet that ends early"))?;
        let end = from.read(tail, 8)?;
        let (length, magic) = end.split_first_chunk::<4>().ok_or_else(|| damaged("it ends early"))?;
        let length = u32::from_le_bytes(*length);
        if magic == ENCRYPTED {
            return Err(damaged("it is Parquet that is encrypted"));
        }
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        let start = tail.checked_sub(length.into()).filter(|_| magic == MAGIC);
        let start =
            start.ok_or_else(|| damaged("it is Parquet without its footer: it is cut, or still written"))?;
        if size > FOOTER {
            return Err(damaged("it is Parquet with a footer of more than 32 MiB"));
        }
        let footer = Footer::read(&from.read(start, size)?)?;
        let rows = footer.groups.iter().fold(0_u64, |rows, group| rows.saturating_add(group.rows));
        if rows > from.size.saturating_mul(ROWS_A_BYTE) {
            return Err(damaged("it is Parquet that says to have more rows than its size allows"));
        }
        let (columns, out, row) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { from, footer, group: 0, left: 0, columns, out, at: 0, row, most, failed: None })
    }

    /// Makes some rows, none at the end.
    fn make(&mut self) -> Result<()> {
        self.out.clear();
        self.at = 0;
        while self.out.len() < BLOCK {
            if self.left == 0 {
                let Some(group) = self.footer.groups.get(self.group) else { break };
                self.group += 1;
                self.left = group.rows;
                let pairs = self.footer.leaves.iter().zip(&group.chunks);
                self.columns = pairs.map(|(leaf, chunk)| Column::new(leaf, chunk)).collect();
                continue;
            }
            self.left -= 1;
            self.row()?;
        }
        Ok(())
    }

    fn row(&mut self) -> Result<()> {
        let mut row = Row {
            from: &self.from,
            leaves: &self.footer.leaves,
            columns: &mut self.columns,
            budget: HELD,
            out: std::mem::take(&mut self.row),
            most: self.most,
            over: false,
        };
        row.begins()?;
        row.members(&self.footer.root)?;
        let over = row.over;
        self.row = row.out;
        match over {
            // What reads the rows rejects it in its place.
            true => {
                self.out.extend_from_slice(format!("\"a row of more than {} bytes\"", self.most).as_bytes());
            }
            false => self.out.append(&mut self.row),
        }
        self.row.clear();
        self.out.push(b'\n');
        Ok(())
    }
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.at == self.out.len() && !buffer.is_empty() {
            let made = self.failed.take().map_or_else(|| self.make(), Err);
            if let Err(error) = made {
                if self.at == self.out.len() {
                    let again = Error::new(error.kind(), error.to_string());
                    self.failed = Some(error);
                    return Err(again);
                }
                // What was made before the damage is read first.
                self.failed = Some(error);
            }
        }
        let read = self.out.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
