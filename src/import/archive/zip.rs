//! Zip archives, as browsers, mail and people make them of exports. The list at the end tells what is in one.

use super::{FILES, Member, damaged, is_wanted, shown};
use crate::import::MAX_ROW;
use crate::import::open::{Counted, Tell};
use crate::import::parquet::{self, At};
use crate::import::source::SourceError;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The bytes of the last record, without its comment, and with the longest.
const END: usize = 22;
const TAIL: u64 = (END + 0xffff) as u64;

/// The bytes of the record that says where the last one of a large archive is, and of that.
const LOCATOR: usize = 20;
const END_64: usize = 56;

/// The bytes of a header without its names, in the list and before a file.
const LISTED: usize = 46;
const LOCAL: usize = 30;

/// Bytes of the list at most.
const LIST: u64 = 64 << 20;

/// A number that stands elsewhere, as it needs more room.
const LARGE: u64 = 0xffff_ffff;

/// The files of an archive.
#[derive(Debug)]
pub(crate) struct Zip {
    file: Arc<File>,
    size: u64,
    read: Arc<AtomicU64>,
    entries: std::vec::IntoIter<Entry>,
    number: u64,
}

/// What the list says of one file.
#[derive(Debug)]
struct Entry {
    name: String,
    method: u16,
    encrypted: bool,
    crc: u32,
    packed: u64,
    holds: u64,
    at: u64,
    /// Where the next one begins.
    until: u64,
}

/// Bytes of a file, from a place on.
#[derive(Debug)]
struct Window {
    file: Arc<File>,
    at: u64,
    left: u64,
}

/// A file of the archive, unpacked as it is read.
#[derive(Debug)]
struct Unpacked {
    packing: Packing,
    crc: Crc,
    expected: u32,
    left: u64,
}

#[derive(Debug)]
enum Packing {
    Stored(Counted<Window>),
    Deflated(Box<DeflateDecoder<BufReader<Counted<Window>>>>),
}

impl Zip {
    /// Reads the list.
    ///
    /// # Errors
    /// The system's; or why it is none.
    pub(super) fn open(file: File, read: Arc<AtomicU64>) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let mut entries = list(&file, size)?;
        if entries.is_empty() {
            return Err(damaged("it is a zip archive without files"));
        }
        // Two that share bytes are made to hold more than an archive can.
        entries.sort_by_key(|entry| entry.at);
        let starts: Vec<u64> = entries.iter().skip(1).map(|entry| entry.at).chain([size]).collect();
        for (entry, next) in entries.iter_mut().zip(starts) {
            entry.until = next;
        }
        entries.retain(|entry| !entry.name.ends_with('/') && is_wanted(&entry.name));
        Ok(Self { file: Arc::new(file), size, read, entries: entries.into_iter(), number: 0 })
    }

    pub(super) fn next(&mut self) -> Option<Member> {
        let entry = self.entries.next()?;
        self.number += 1;
        let reader = self.reader(&entry).map_err(SourceError::Io);
        Some(Member { number: self.number, name: shown(&entry.name), reader })
    }

    fn reader(&self, entry: &Entry) -> io::Result<Box<dyn Tell>> {
        if entry.encrypted {
            return Err(damaged("it is encrypted; unpack the archive first"));
        }
        let mut local = [0; LOCAL];
        self.file.read_exact_at(&mut local, entry.at).map_err(|_| damaged("the archive ends early"))?;
        let names = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
        let at = entry.at.saturating_add(LOCAL as u64 + names);
        let until = entry.until.min(self.size);
        if !local.starts_with(b"PK\x03\x04") || at.checked_add(entry.packed).is_none_or(|end| end > until) {
            return Err(damaged("the archive is damaged, or its files share their bytes"));
        }
        let mut begin = [0; 4];
        if entry.method == STORED && entry.packed >= 4 {
            self.file.read_exact_at(&mut begin, at)?;
        }
        if &begin == parquet::MAGIC {
            let at = At::part(Arc::clone(&self.file), at, entry.packed, Arc::clone(&self.read));
            return Ok(Box::new(parquet::Rows::open(at, MAX_ROW)?));
        }
        let window = Window { file: Arc::clone(&self.file), at, left: entry.packed };
        let counted = Counted { inner: window, read: Arc::clone(&self.read) };
        let packing = match entry.method {
            STORED => Packing::Stored(counted),
            DEFLATED => {
                Packing::Deflated(Box::new(DeflateDecoder::new(BufReader::with_capacity(32 << 10, counted))))
            }
            _ => return Err(damaged("it is packed in a way that is not known; unpack the archive first")),
        };
        Ok(Box::new(Unpacked { packing, crc: Crc::new(), expected: entry.crc, left: entry.holds }))
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.packing {
            Packing::Stored(inner) => inner.read(buffer)?,
            Packing::Deflated(inner) => inner.read(buffer)?,
        };
        self.crc.update(buffer.get(..read).unwrap_or_default());
        let more = self.left.checked_sub(read as u64);
        self.left = more.ok_or_else(|| damaged("it holds more than the archive says"))?;
        if read == 0 && !buffer.is_empty() && (self.left > 0 || self.crc.sum() != self.expected) {
            return Err(damaged("the archive's checksum does not fit"));
        }
        Ok(read)
    }
}

/// The files and folders of an archive, as the list at its end has them.
fn list(file: &File, size: u64) -> io::Result<Vec<Entry>> {
    let from = size.saturating_sub(TAIL);
    let tail = bytes(file, from, size - from)?;
    let at = memchr::memmem::rfind(&tail, b"PK\x05\x06").filter(|at| tail.len() - at >= END);
    let at = at.ok_or_else(|| damaged("it is a zip archive without its end"))?;
    let end = tail.get(at..).unwrap_or_default();
    let (mut length, mut start) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    let locator =
        at.checked_sub(LOCATOR).and_then(|at| tail.get(at..)).filter(|it| it.starts_with(b"PK\x06\x07"));
    if let Some(locator) = locator {
        let end = bytes(file, u64_at(locator, 8), END_64 as u64)?;
        if !end.starts_with(b"PK\x06\x06") {
            return Err(damaged("it is a zip archive without its end"));
        }
        (length, start) = (u64_at(&end, 40), u64_at(&end, 48));
    }
    if length > LIST {
        return Err(damaged("it is a zip archive with a list of more than 64 MiB; unpack it first"));
    }
    let bytes = bytes(file, start, length)?;
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while let Some(head) = rest.get(..LISTED).filter(|head| head.starts_with(b"PK\x01\x02")) {
        if entries.len() == FILES {
            return Err(damaged(format!("it is a zip archive of more than {FILES} files; unpack it first")));
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(head, at)));
        let after = rest.get(LISTED..).unwrap_or_default();
        entries.push(entry(
            head,
            after.get(..name).unwrap_or_default(),
            after.get(name..name + extra).unwrap_or_default(),
        ));
        rest = after.get(name + extra + comment..).unwrap_or_default();
    }
    Ok(entries)
}

fn entry(head: &[u8], name: &[u8], mut extra: &[u8]) -> Entry {
    let mut entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        method: u16_at(head, 10),
        encrypted: u16_at(head, 8) & 1 == 1,
        crc: u32_at(head, 16),
        packed: u32_at(head, 20).into(),
        holds: u32_at(head, 24).into(),
        at: u32_at(head, 42).into(),
        until: 0,
    };
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let mut field = extra.get(4..4 + length).unwrap_or_default();
        if id == 1 {
            for number in [&mut entry.holds, &mut entry.packed, &mut entry.at] {
                if *number == LARGE && field.len() >= 8 {
                    *number = u64_at(field, 0);
                    field = field.get(8..).unwrap_or_default();
                }
            }
        }
        extra = extra.get(4 + length..).unwrap_or_default();
    }
    entry
}

fn bytes(file: &File, at: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
    file.read_exact_at(&mut bytes, at).map_err(|_| damaged("it is a zip archive that ends early"))?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}
