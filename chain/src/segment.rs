//! One file of the journal, and what is read back from it after a crash.

use super::error::ChainError;
use super::journal::MIN_SIZE;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) const SEGMENT_MAGIC: &[u8; 8] = b"halodwal";
pub(super) const ENTRY_MAGIC: u32 = 0x4c41_5748;
pub(super) const VERSION: u32 = 1;
pub(super) const SEGMENT_HEADER: u64 = 512;
pub(super) const ENTRY_HEADER: usize = 24;
pub(super) const SECTION_HEADER: usize = 14;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) size: u64,
}

/// A section as it is read back: these bytes belong at `offset` of chain `stem`.
#[derive(Debug)]
pub struct Section<'a> {
    pub stem: &'a str,
    pub offset: u64,
    pub bytes: &'a [u8],
}

impl<'a> Section<'a> {
    /// The line in which a file ends that has `len` bytes, and not all of this section.
    pub(super) fn line_cut_at(&self, len: u64) -> Option<Self> {
        let cut =
            usize::try_from(len.checked_sub(self.offset)?).ok().filter(|cut| *cut < self.bytes.len())?;
        let begin = memchr::memrchr(b'\n', &self.bytes[..cut]).map_or(0, |at| at + 1);
        if begin == cut {
            return None;
        }
        let end = memchr::memchr(b'\n', &self.bytes[cut..]).map_or(self.bytes.len(), |at| cut + at + 1);
        Some(Self { stem: self.stem, offset: self.offset + begin as u64, bytes: &self.bytes[begin..end] })
    }
}

impl Segment {
    /// Opens a segment, or makes one of zeros. An existing one keeps its size whatever is
    /// configured now: it may hold entries.
    pub(super) fn open(path: PathBuf, size: u64) -> Result<Self, ChainError> {
        if path.metadata().map_or(0, |meta| meta.len()) < MIN_SIZE / 2 {
            // New, or its creation was cut short; either way no entry was ever written to it,
            // because that happens only after this.
            make(&path, size)?;
        }
        let file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(ChainError::io("open", &path))?;
        let size = file.metadata().map_err(ChainError::io("read", &path))?.len();
        Ok(Self { path, file, size })
    }

    /// 0 for a segment that was never used. Of one whose header is damaged the newest entry tells.
    pub(super) fn epoch(&self, damage: &mut Vec<String>) -> Result<u64, ChainError> {
        let mut header = [0; SEGMENT_HEADER as usize];
        self.file.read_exact_at(&mut header, 0).map_err(ChainError::io("read", &self.path))?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if &header[..8] != SEGMENT_MAGIC || word(12) != crc32fast::hash(&header[16..24]) {
            let newest = self.newest_entry().map_err(ChainError::io("read", &self.path))?;
            if newest > 0 || header.iter().any(|byte| *byte != 0) {
                damage.push(format!("the head of {} is damaged", self.path.display()));
            }
            return Ok(newest);
        }
        if word(8) != VERSION {
            return Err(ChainError::JournalVersion {
                path: self.path.clone(),
                found: word(8),
                known: VERSION,
            });
        }
        Ok(u64::from(word(16)) | u64::from(word(20)) << 32)
    }

    /// Reads the whole entries of `epoch`. Returns how often others followed what is none: the last entry
    /// may have been cut short by a crash, no other.
    pub(super) fn replay(
        &self,
        epoch: u64,
        section: &mut dyn FnMut(&Section<'_>) -> Result<(), ChainError>,
    ) -> Result<u64, ChainError> {
        let mut holes = 0;
        if epoch == 0 {
            return Ok(holes);
        }
        let mut at = SEGMENT_HEADER;
        loop {
            while let Some(payload) = self.entry(epoch, at).map_err(ChainError::io("read", &self.path))? {
                at += (ENTRY_HEADER + payload.len()) as u64;
                let mut rest = payload.as_slice();
                while let Some((one, after)) = Section::parse(rest) {
                    section(&one)?;
                    rest = after;
                }
            }
            let mut next = None;
            self.find(at, &mut |found| {
                let whole = self.entry(epoch, found)?.is_some();
                next = next.or(whole.then_some(found));
                Ok(whole)
            })
            .map_err(ChainError::io("read", &self.path))?;
            match next {
                Some(next) => at = next,
                None => return Ok(holes),
            }
            holes += 1;
        }
    }

    /// The epoch of the newest whole entry, wherever it is; 0 when there is none.
    fn newest_entry(&self) -> io::Result<u64> {
        let mut newest = 0;
        self.find(SEGMENT_HEADER, &mut |at| {
            let mut epoch = [0; 8];
            self.file.read_exact_at(&mut epoch, at + 8)?;
            let epoch = u64::from_le_bytes(epoch);
            if epoch > newest && self.entry(epoch, at)?.is_some() {
                newest = epoch;
            }
            Ok(false)
        })?;
        Ok(newest)
    }

    /// Tells each place from `from` on that looks like the start of an entry, until `found` has enough.
    /// Records are text without NULs, so that none looks like one.
    fn find(&self, from: u64, found: &mut dyn FnMut(u64) -> io::Result<bool>) -> io::Result<()> {
        const CHUNK: u64 = 1 << 20;
        let magic = ENTRY_MAGIC.to_le_bytes();
        let mut at = from;
        while at + (ENTRY_HEADER as u64) <= self.size {
            let len = (CHUNK + magic.len() as u64 - 1).min(self.size - at);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            self.file.read_exact_at(&mut bytes, at)?;
            for place in memchr::memmem::find_iter(&bytes, &magic) {
                let place = at + place as u64;
                if place + ENTRY_HEADER as u64 <= self.size && found(place)? {
                    return Ok(());
                }
            }
            at += CHUNK;
        }
        Ok(())
    }

    fn entry(&self, epoch: u64, at: u64) -> io::Result<Option<Vec<u8>>> {
        if at + ENTRY_HEADER as u64 > self.size {
            return Ok(None);
        }
        let mut header = [0; ENTRY_HEADER];
        self.file.read_exact_at(&mut header, at)?;
        let word = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        let long = |i: usize| u64::from(word(i)) | u64::from(word(i + 4)) << 32;
        let fits = long(16) <= self.size - at - ENTRY_HEADER as u64;
        if word(0) != ENTRY_MAGIC || long(8) != epoch || !fits {
            return Ok(None);
        }
        let mut payload = vec![0; usize::try_from(long(16)).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut payload, at + ENTRY_HEADER as u64)?;
        let mut sum = crc32fast::Hasher::new();
        sum.update(&header[8..]);
        sum.update(&payload);
        Ok((sum.finalize() == word(4)).then_some(payload))
    }
}

impl<'a> Section<'a> {
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = bytes.split_first_chunk::<SECTION_HEADER>()?;
        let name = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let len = u32::from_le_bytes([header[2], header[3], header[4], header[5]]) as usize;
        let mut offset = [0; 8];
        offset.copy_from_slice(&header[6..14]);
        let (stem, rest) = rest.split_at_checked(name)?;
        let (bytes, rest) = rest.split_at_checked(len)?;
        let stem = std::str::from_utf8(stem).ok()?;
        Some((Self { stem, offset: u64::from_le_bytes(offset), bytes }, rest))
    }
}

/// Makes a segment of zeros, so that later writes change no metadata. It gets its name when it is whole: on a
/// full disk nothing is left of it, and no smaller one takes its place.
fn make(path: &Path, size: u64) -> Result<(), ChainError> {
    let new = path.with_extension("new");
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let made = made.and_then(|file| fill(&file, size)).and_then(|()| std::fs::rename(&new, path));
    made.map_err(|error| {
        // What is left of it is overwritten by the next try.
        let _ = std::fs::remove_file(&new);
        ChainError::io("preallocate", path)(error)
    })
}

/// Writes zeros, and makes them durable.
fn fill(file: &File, size: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < size {
        let n = (size - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..usize::try_from(n).unwrap_or(zeros.len())], at)?;
        at += n;
    }
    file.sync_all()
}
