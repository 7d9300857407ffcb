//! The queue of one tee: requests in segments on disk, oldest first. Owned by one thread.
//!
//! A new process never appends to an old segment, so that what a crash cut off stays at a segment's end.
//! Segments whose entries are all delivered are removed, and an empty queue has none. How far the
//! oldest one is delivered stands in `position`, which is written over in place: should a crash damage
//! it, the oldest segment is delivered again.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{self, Entry, Frame, MAGIC, PREFIX};
use super::stats::{Drop, TeeStats};

/// A queue has about so many segments when it is full: what is dropped at a time.
const SEGMENTS: u64 = 16;
/// Segments have about this size, but for a larger entry.
const SEGMENT: std::ops::RangeInclusive<u64> = 64 << 10..=8 << 20;

const SUFFIX: &str = ".tee";
const POSITION: &str = "position";
/// Segment, offset, CRC-32 of both.
const POSITION_BYTES: usize = 20;

/// What a queue may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all segments. The oldest ones make room for a new entry.
    pub bytes: u64,
    /// With less free space than this nothing is taken in.
    pub min_free_disk: u64,
}

/// The entries that wait.
#[derive(Debug)]
pub struct Queue {
    directory: PathBuf,
    limits: Limits,
    stats: Arc<TeeStats>,
    /// Oldest first, never empty of entries but for what is damaged.
    segments: VecDeque<Segment>,
    /// The newest segment, while it is appended to.
    writing: Option<File>,
    /// The oldest segment, while it is read, and how far it is delivered.
    reading: Option<File>,
    offset: u64,
    position: File,
    next: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    /// Not delivered, as far as their lengths tell.
    entries: u64,
}

/// An entry's place: which one is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    number: u64,
    start: u64,
    end: u64,
}

/// Whether a queue's directory has entries in it.
#[must_use]
pub fn holds_anything(directory: &Path) -> bool {
    numbers(directory).is_ok_and(|numbers| !numbers.is_empty())
}

fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(digits.filter(|d| d.len() == 16).and_then(|d| u64::from_str_radix(d, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl Queue {
    /// Opens the queue in `directory`, which is made when it is missing, with what waits in it.
    ///
    /// # Errors
    /// The directory can't be used.
    pub fn open(directory: &Path, limits: Limits, stats: Arc<TeeStats>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        for path in [Some(directory), directory.parent()].into_iter().flatten() {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        let position = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(POSITION))?;
        let (number, offset) = read_position(&position).unwrap_or((0, 0));
        let mut queue = Self {
            directory: directory.to_owned(),
            limits,
            stats,
            segments: VecDeque::new(),
            writing: None,
            reading: None,
            offset: MAGIC.len() as u64,
            position,
            next: number.saturating_add(1),
        };
        for found in numbers(directory)? {
            queue.next = queue.next.max(found.saturating_add(1));
            if found < number {
                // Delivered, and not removed before the end.
                fs::remove_file(queue.path(found))?;
                continue;
            }
            let from = if found == number { offset } else { MAGIC.len() as u64 };
            let Some((bytes, entries)) = survey(&queue.path(found), from)? else {
                queue.damaged(found, 0, 1);
                fs::remove_file(queue.path(found))?;
                continue;
            };
            if queue.segments.is_empty() {
                queue.offset = from;
            }
            queue.segments.push_back(Segment { number: found, bytes, entries });
        }
        queue.report();
        Ok(queue)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016x}{SUFFIX}"))
    }

    /// Bytes and entries, where telemetry sees them.
    fn report(&self) {
        self.stats.bytes.set(self.segments.iter().map(|segment| segment.bytes).sum());
        self.stats.entries.set(self.segments.iter().map(|segment| segment.entries).sum());
    }

    /// Takes an entry in, [`entry::head`] and body, behind all others. What does not fit is dropped, the oldest first, and
    /// counted.
    ///
    /// # Errors
    /// The disk failed; the entry is counted as dropped.
    pub fn append(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let taken = self.take_in(head, body);
        if taken.is_err() {
            self.stats.drop_one(Drop::Disk);
        }
        self.report();
        taken
    }

    fn take_in(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let whole = (PREFIX + head.len() + body.len()) as u64;
        let fits = whole + MAGIC.len() as u64 <= self.limits.bytes;
        let Some(prefix) = entry::prefix(head, body).filter(|_| fits) else {
            self.stats.drop_one(Drop::TooLarge);
            return Ok(());
        };
        self.make_room(whole)?;
        if self.free_disk()? < self.limits.min_free_disk.saturating_add(whole) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "too little free space is left to records",
            ));
        }
        let size = (self.limits.bytes / SEGMENTS).clamp(*SEGMENT.start(), *SEGMENT.end());
        if self.writing.is_none() || self.segments.back().is_none_or(|last| last.bytes + whole > size) {
            self.begin()?;
        }
        let (Some(file), Some(last)) = (&mut self.writing, self.segments.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut start = Vec::with_capacity(PREFIX + head.len());
        start.extend_from_slice(&prefix);
        start.extend_from_slice(head);
        if let Err(error) = file.write_all(&start).and_then(|()| file.write_all(body)) {
            // What was written of it would hide what comes after.
            let _ = file.set_len(last.bytes);
            self.writing = None;
            return Err(error);
        }
        last.bytes += whole;
        last.entries += 1;
        Ok(())
    }

    /// Drops the oldest segments until `more` bytes fit.
    fn make_room(&mut self, more: u64) -> io::Result<()> {
        let size = |segments: &VecDeque<Segment>| segments.iter().map(|segment| segment.bytes).sum::<u64>();
        while size(&self.segments) + more + MAGIC.len() as u64 > self.limits.bytes {
            let Some(oldest) = self.segments.front() else { return Ok(()) };
            let dropped = oldest.entries;
            self.stats.drop_many(Drop::Full, dropped);
            self.remove_oldest()?;
        }
        Ok(())
    }

    fn free_disk(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.directory)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn begin(&mut self) -> io::Result<()> {
        self.writing = None;
        let number = self.next;
        let path = self.path(number);
        self.next = number.saturating_add(1);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        if let Err(error) = file.write_all(MAGIC) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        if self.segments.is_empty() {
            self.offset = MAGIC.len() as u64;
        }
        self.segments.push_back(Segment { number, bytes: MAGIC.len() as u64, entries: 0 });
        self.writing = Some(file);
        Ok(())
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.segments.pop_front() else { return Ok(()) };
        self.reading = None;
        self.offset = MAGIC.len() as u64;
        if self.segments.is_empty() {
            self.writing = None;
        }
        // First what says that it is not to be delivered, then the file.
        self.write_position(oldest.number.saturating_add(1), self.offset)?;
        match fs::remove_file(self.path(oldest.number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The oldest entry. What can't be read is dropped and counted.
    ///
    /// # Errors
    /// The disk failed; nothing was dropped.
    pub fn oldest(&mut self) -> io::Result<Option<(Ticket, Entry)>> {
        let found = loop {
            let Some(oldest) = self.segments.front() else { break None };
            let (number, left, start) = (oldest.number, oldest.entries, self.offset);
            match self.frame() {
                Ok(Frame::Whole(payload, end)) => {
                    let ticket = Ticket { number, start, end };
                    if let Some(entry) = entry::decode(payload) {
                        break Some((ticket, entry));
                    }
                    self.damaged(number, start, 1);
                    self.advance(ticket)?;
                }
                Ok(Frame::Damaged(end)) => {
                    self.damaged(number, start, 1);
                    self.advance(Ticket { number, start, end })?;
                }
                Ok(Frame::End) => self.remove_oldest()?,
                Ok(Frame::Torn) => {
                    self.damaged(number, start, left.max(1));
                    self.remove_oldest()?;
                }
                // Removed or cut by somebody else.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) =>
                {
                    self.damaged(number, start, left.max(1));
                    self.remove_oldest()?;
                }
                Err(error) => return Err(error),
            }
        };
        self.report();
        Ok(found)
    }

    /// What stands where the oldest segment is delivered to.
    fn frame(&mut self) -> io::Result<Frame> {
        let Some(oldest) = self.segments.front() else { return Ok(Frame::End) };
        let file = match self.reading.take() {
            Some(file) => file,
            None => File::open(self.path(oldest.number))?,
        };
        let frame = entry::frame(&file, oldest.bytes, self.offset);
        self.reading = Some(file);
        frame
    }

    fn damaged(&self, number: u64, offset: u64, entries: u64) {
        self.stats.drop_many(Drop::Damaged, entries);
        let file = self.path(number);
        tracing::warn!(file = %file.display(), offset, entries, "the tee's queue is damaged; these requests are not passed on");
    }

    /// Whether the entry still waits: it may have been dropped for a newer one.
    #[must_use]
    pub fn holds(&self, ticket: Ticket) -> bool {
        self.segments.front().is_some_and(|oldest| oldest.number == ticket.number)
            && self.offset == ticket.start
    }

    /// The entry is dealt with, and is not seen again. False, and nothing, when it waits no more.
    ///
    /// # Errors
    /// The disk failed; the entry may be seen again after a restart.
    pub fn done(&mut self, ticket: Ticket) -> io::Result<bool> {
        let held = self.holds(ticket);
        if held {
            self.advance(ticket)?;
            self.report();
        }
        Ok(held)
    }

    fn advance(&mut self, ticket: Ticket) -> io::Result<()> {
        let Some(oldest) = self.segments.front_mut() else { return Ok(()) };
        oldest.entries = oldest.entries.saturating_sub(1);
        self.offset = ticket.end;
        if ticket.end >= oldest.bytes {
            // A file whose last entry is delivered is removed, even the one that is being written to.
            return self.remove_oldest();
        }
        self.write_position(ticket.number, ticket.end)
    }

    fn write_position(&self, number: u64, offset: u64) -> io::Result<()> {
        let mut bytes = [0; POSITION_BYTES];
        let (numbers, crc) = bytes.split_at_mut(16);
        let (first, second) = numbers.split_at_mut(8);
        first.copy_from_slice(&number.to_le_bytes());
        second.copy_from_slice(&offset.to_le_bytes());
        crc.copy_from_slice(&crc32fast::hash(numbers).to_le_bytes());
        self.position.write_all_at(&bytes, 0)
    }
}

/// The segment that is delivered next, and from where.
fn read_position(file: &File) -> Option<(u64, u64)> {
    let mut bytes = [0; POSITION_BYTES];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (numbers, crc) = bytes.split_at(16);
    let (first, second) = numbers.split_at(8);
    let is_right = crc32fast::hash(numbers).to_le_bytes() == crc;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    if is_right { Some((number(first)?, number(second)?)) } else { None }
}

/// The size of a segment and how many entries it has from an offset on, by their lengths alone; `None`
/// when it is not one.
fn survey(path: &Path, from: u64) -> io::Result<Option<(u64, u64)>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut magic = *MAGIC;
    if size < magic.len() as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut magic, 0)?;
    if magic != *MAGIC {
        return Ok(None);
    }
    let (mut offset, mut entries) = (from, 0);
    while let Some((_, end)) = entry::bounds(&file, size, offset)? {
        offset = end;
        entries += 1;
    }
    Ok(Some((size, entries + u64::from(offset < size))))
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
