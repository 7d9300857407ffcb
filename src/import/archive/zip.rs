//! A zip archive with one file in it, as browsers and mail make of an export. Its end tells what is in it.

use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};

/// What a zip archive begins with.
const BEGIN: [u8; 4] = *b"PK\x03\x04";

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The bytes of the last record, without its comment, and with the longest.
const END: usize = 22;
const TAIL: u64 = (END + 0xffff) as u64;

/// The bytes of a header without its names, in the list and before a file.
const LISTED: usize = 46;
const LOCAL: usize = 30;

/// What the list at the end says of one file.
#[derive(Debug)]
pub(super) struct Entry {
    method: u16,
    encrypted: bool,
    crc: u32,
    size: u64,
    at: u64,
    is_folder: bool,
}

/// The one file of an archive, unpacked as it is read.
#[derive(Debug)]
pub(super) struct Member<R> {
    packing: Packing<R>,
    crc: Crc,
    expected: u32,
}

#[derive(Debug)]
enum Packing<R> {
    Stored(Take<R>),
    Deflated(Box<DeflateDecoder<Take<R>>>),
}

/// The one file in an archive, which is then at the first byte of it; `None` where this is no archive, which is
/// then at its begin.
///
/// # Errors
/// The system's; or why what is in the archive cannot be read here.
pub(super) fn find(file: &mut File) -> io::Result<Option<Entry>> {
    let mut begin = Vec::new();
    file.by_ref().take(BEGIN.len() as u64).read_to_end(&mut begin)?;
    if begin != BEGIN {
        file.seek(SeekFrom::Start(0))?;
        return Ok(None);
    }
    let list = list(file)?.ok_or_else(|| refused("a zip archive without its end"))?;
    let all = list.len();
    let mut files = list.into_iter().filter(|entry| !entry.is_folder);
    let (Some(entry), None) = (files.next(), files.next()) else {
        let what = format!("a zip archive with {all} entries");
        return Err(refused(&format!("{what}; unpack it, and import what is in it (unzip FILE -d FOLDER)")));
    };
    if entry.encrypted || !matches!(entry.method, STORED | DEFLATED) {
        return Err(refused(
            "a zip archive that is encrypted, or packed in a way that is not known; unpack it first",
        ));
    }
    file.seek(SeekFrom::Start(entry.at))?;
    let mut local = [0; LOCAL];
    file.read_exact(&mut local)?;
    let names = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
    file.seek(SeekFrom::Start(entry.at + LOCAL as u64 + names))?;
    Ok(Some(entry))
}

impl<R: Read> Member<R> {
    /// Reads the file from an archive that is at its first byte.
    pub(super) fn new(archive: R, entry: &Entry) -> Self {
        let packed = archive.take(entry.size);
        let packing = match entry.method {
            STORED => Packing::Stored(packed),
            _ => Packing::Deflated(Box::new(DeflateDecoder::new(packed))),
        };
        Self { packing, crc: Crc::new(), expected: entry.crc }
    }
}

impl<R: Read> Read for Member<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.packing {
            Packing::Stored(inner) => inner.read(buffer)?,
            Packing::Deflated(inner) => inner.read(buffer)?,
        };
        self.crc.update(buffer.get(..read).unwrap_or_default());
        if read == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the archive's checksum does not fit"));
        }
        Ok(read)
    }
}

/// Entries that are looked at: more than one file is too many.
const ENTRIES: usize = 64;

fn list(file: &mut File) -> io::Result<Option<Vec<Entry>>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.by_ref().take(TAIL).read_to_end(&mut tail)?;
    let Some(end) = memchr::memmem::rfind(&tail, b"PK\x05\x06").and_then(|at| tail.get(at..at + END)) else {
        return Ok(None);
    };
    let (size, at) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    // Names are short, so that this is enough for all entries that are looked at.
    file.by_ref().take(size.min(1 << 20)).read_to_end(&mut bytes)?;
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while let Some(entry) = rest.get(..LISTED).filter(|entry| entry.starts_with(b"PK\x01\x02")) {
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(entry, at)));
        let name = rest.get(LISTED..LISTED + lengths[0]).unwrap_or_default();
        entries.push(Entry {
            method: u16_at(entry, 10),
            encrypted: u16_at(entry, 8) & 1 == 1,
            crc: u32_at(entry, 16),
            size: u32_at(entry, 20).into(),
            at: u32_at(entry, 42).into(),
            // The Finder keeps what it knows of files beside them.
            is_folder: name.ends_with(b"/") || name.starts_with(b"__MACOSX/"),
        });
        rest = rest.get(LISTED + lengths.iter().sum::<usize>()..).unwrap_or_default();
        if entries.len() == ENTRIES {
            break;
        }
    }
    Ok(Some(entries))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("it is {what}"))
}
