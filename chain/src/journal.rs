//! The commit journal: makes a commit durable with one sync, however many chains it extends.
//!
//! Two preallocated segment files, used in turn. An entry holds, for every chain of one write, the
//! chain's name, the offset in its file and the bytes. It is written before the chain files are
//! and synced after them, so
//! - after `kill -9`, an entry is either whole (and completes a torn append) or not (and no chain
//!   was touched);
//! - after power loss, whatever was acknowledged is in a synced entry, and chain files that lack it
//!   get it appended by [`Journal::open`].
//!
//! Overwriting blocks that are allocated and zeroed needs no file-system metadata, which is what
//! makes the sync cheap. A segment is used again once all chain files written during its use were
//! synced, by a thread beside the writer.
//!
//! ```text
//! segment: magic "halodwal" | version u32 | crc u32 | epoch u64 | pad to 512 | entry ... | zeros or older entries
//! entry:   magic u32 | crc u32 | epoch u64 | length u64 | section ...
//! section: name length u16 | bytes length u32 | offset u64 | name | bytes      (integers little-endian)
//! ```

use super::disk::{Disk, sync_dir};
use super::error::{ChainError, ChainUnusable};
use super::setaside::SetAside;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

const SEGMENT_MAGIC: &[u8; 8] = b"halodwal";
const ENTRY_MAGIC: u32 = 0x4c41_5748;
const VERSION: u32 = 1;
const SEGMENT_HEADER: u64 = 512;
const ENTRY_HEADER: usize = 24;
const SECTION_HEADER: usize = 14;
/// Bytes after which an entry is written and another one begun: bounds the writer's buffer.
const MAX_ENTRY: usize = 4 << 20;
/// The smallest journal that still holds a useful commit.
pub const MIN_SIZE: u64 = 2 << 20;

/// The open journal. Owned by the writer thread.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    segments: [Segment; 2],
    active: usize,
    epoch: u64,
    at: u64,
    /// Chain files written since the active segment came into use.
    dirty: Vec<Arc<str>>,
    checkpoints: Checkpoints,
    set_aside: SetAside,
    /// Chain files that could not be synced, for [`Self::take_faults`].
    faults: Vec<Fault>,
    /// What was wrong with the journal itself when it was opened.
    damage: Vec<String>,
}

/// A chain file that could not be synced. What only the journal had of it is set aside.
#[derive(Debug)]
pub struct Fault {
    pub stem: Arc<str>,
    pub why: ChainUnusable,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    size: u64,
}

/// One commit's bytes on their way to the journal: an entry whose sections are the chains' parts.
#[derive(Debug, Default)]
pub struct Entry {
    pub bytes: Vec<u8>,
    section: usize,
}

/// A section as it is read back: these bytes belong at `offset` of chain `stem`.
#[derive(Debug)]
pub struct Section<'a> {
    pub stem: &'a str,
    pub offset: u64,
    pub bytes: &'a [u8],
}

impl Entry {
    /// Starts anew, keeping the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(ENTRY_HEADER, 0);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= ENTRY_HEADER
    }

    /// Opens a section. What is pushed to `bytes` until [`Self::end_section`] is the chain's.
    pub fn begin_section(&mut self, stem: &str, offset: u64) {
        self.section = self.bytes.len();
        // A stem is a file name of at most 250 bytes, from `record::tenant`.
        self.bytes.extend_from_slice(&(stem.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&offset.to_le_bytes());
        self.bytes.extend_from_slice(stem.as_bytes());
    }

    /// Closes the section and returns where its bytes lie; an empty one leaves no trace.
    pub fn end_section(&mut self, stem: &str) -> std::ops::Range<usize> {
        let start = self.section + SECTION_HEADER + stem.len();
        let len = self.bytes.len() - start;
        if len == 0 {
            self.bytes.truncate(self.section);
            return 0..0;
        }
        // Entries are bounded far below 4 GiB by the writer.
        self.bytes[self.section + 2..self.section + 6].copy_from_slice(&(len as u32).to_le_bytes());
        start..self.bytes.len()
    }
}

impl Journal {
    /// Opens the journal in `dir`, hands every section of it to `replay` in the order of writing,
    /// and syncs the chains of which `replay` says that they have it. [`Self::start`] must follow.
    ///
    /// # Errors
    /// Any failure to read, write or sync: without its journal a store must not start.
    pub fn open(
        dir: &Path,
        chains: &Path,
        size: u64,
        disk: Arc<dyn Disk>,
        set_aside: SetAside,
        replay: &mut dyn FnMut(&Section<'_>) -> Result<bool, ChainError>,
    ) -> Result<Self, ChainError> {
        let each = size.max(MIN_SIZE) / 2;
        let segments = [Segment::open(dir.join("0.wal"), each)?, Segment::open(dir.join("1.wal"), each)?];
        sync_dir(dir).map_err(ChainError::io("sync", dir))?;
        let mut damage = Vec::new();
        let epochs = [segments[0].epoch(&mut damage)?, segments[1].epoch(&mut damage)?];
        let mut touched = std::collections::BTreeSet::new();
        for i in if epochs[0] < epochs[1] { [0, 1] } else { [1, 0] } {
            let holes = segments[i].replay(epochs[i], &mut |section| {
                if replay(section)? {
                    touched.insert(section.stem.to_owned());
                }
                Ok(())
            })?;
            if holes > 0 {
                damage.push(format!("{} is damaged in {holes} places", segments[i].path.display()));
            }
        }
        let touched: Vec<Arc<str>> = touched.into_iter().map(Into::into).collect();
        let faults = sync_chains(chains, &touched, &*disk, &AtomicBool::new(true))?;
        let checkpoints = Checkpoints::start(chains.to_owned(), Arc::clone(&disk))?;
        let epoch = epochs[0].max(epochs[1]);
        let (dirty, none) = (Vec::new(), Vec::new());
        let mut journal = Self {
            disk,
            segments,
            active: 0,
            epoch,
            at: 0,
            dirty,
            checkpoints,
            set_aside,
            faults: none,
            damage,
        };
        for (segment, epoch) in [0, 1].into_iter().zip(epochs) {
            journal.rescue(segment, epoch, &faults)?;
        }
        journal.faults = faults;
        Ok(journal)
    }

    /// What was found damaged when the journal was opened: acknowledged records may be missing by it.
    #[must_use]
    pub fn damage(&self) -> &[String] {
        &self.damage
    }

    /// Chain files that could not be synced since the last call.
    pub fn take_faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }

    /// Sets aside what a segment has of chains whose files failed, before it is used again.
    fn rescue(&self, segment: usize, epoch: u64, faults: &[Fault]) -> Result<(), ChainError> {
        if faults.is_empty() {
            return Ok(());
        }
        self.segments[segment].replay(epoch, &mut |section| {
            let failed = faults.iter().any(|fault| *fault.stem == *section.stem);
            if failed { self.set_aside.add(section.stem, section.bytes) } else { Ok(()) }
        })?;
        Ok(())
    }

    /// Forgets what was replayed and starts an empty epoch.
    ///
    /// # Errors
    /// Final, as in [`Self::write`].
    pub fn start(&mut self) -> Result<(), ChainError> {
        for active in [1, 0] {
            self.active = active;
            self.epoch += 1;
            self.begin_epoch()?;
            self.sync()?;
        }
        Ok(())
    }

    /// Bytes of sections that one entry can surely take.
    #[must_use]
    pub fn entry_limit(&self) -> usize {
        let smaller = self.segments[0].size.min(self.segments[1].size);
        usize::try_from(smaller / 2).unwrap_or(usize::MAX).min(MAX_ENTRY)
    }

    /// Writes the entry, not yet synced. Chain files may be written once this has returned.
    ///
    /// # Errors
    /// Final: the journal's state is unknown.
    pub fn write(&mut self, entry: &mut Entry) -> Result<(), ChainError> {
        let len = entry.bytes.len() as u64;
        if self.at + len > self.segments[self.active].size {
            self.switch()?;
        }
        let payload = len - ENTRY_HEADER as u64;
        entry.bytes[0..4].copy_from_slice(&ENTRY_MAGIC.to_le_bytes());
        entry.bytes[8..16].copy_from_slice(&self.epoch.to_le_bytes());
        entry.bytes[16..24].copy_from_slice(&payload.to_le_bytes());
        let crc = crc32fast::hash(&entry.bytes[8..]);
        entry.bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        let segment = &self.segments[self.active];
        self.disk
            .write_at(&segment.file, &entry.bytes, self.at)
            .map_err(ChainError::io("write to", &segment.path))?;
        self.at += len;
        Ok(())
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// Final: what is on disk is unknown.
    pub fn sync(&mut self) -> Result<(), ChainError> {
        let segment = &self.segments[self.active];
        self.disk.sync(&segment.file).map_err(ChainError::io("sync", &segment.path))
    }

    /// The epoch, which changes when dirty chains have to be named anew.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Notes that a chain file was written in this epoch. Once per epoch is enough.
    pub fn mark_dirty(&mut self, stem: &Arc<str>) {
        self.dirty.push(Arc::clone(stem));
    }

    /// Syncs all chain files and leaves the journal with nothing to replay.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn close(mut self) -> Result<(), ChainError> {
        self.switch()?;
        self.finish_checkpoint()?;
        self.start()
    }

    /// Waits until the chain files of the segment that is not in use are synced, so that it may be used
    /// again; what it alone has of those that can't be is set aside.
    fn finish_checkpoint(&mut self) -> Result<(), ChainError> {
        let faults = self.checkpoints.wait()?;
        self.rescue(1 - self.active, self.epoch - 1, &faults)?;
        self.faults.extend(faults);
        Ok(())
    }

    /// Moves to the other segment. The entries of the one before the last are forgotten by that,
    /// so its chains must be in their files: waits for their sync.
    fn switch(&mut self) -> Result<(), ChainError> {
        // What was written to this segment since the last sync must not be left to chance.
        self.sync()?;
        self.finish_checkpoint()?;
        self.checkpoints.begin(std::mem::take(&mut self.dirty))?;
        self.active = 1 - self.active;
        self.epoch += 1;
        self.begin_epoch()
    }

    fn begin_epoch(&mut self) -> Result<(), ChainError> {
        let segment = &self.segments[self.active];
        let mut header = [0; SEGMENT_HEADER as usize];
        header[..8].copy_from_slice(SEGMENT_MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        let crc = crc32fast::hash(&header[16..24]);
        header[12..16].copy_from_slice(&crc.to_le_bytes());
        self.disk.write_at(&segment.file, &header, 0).map_err(ChainError::io("write to", &segment.path))?;
        self.at = SEGMENT_HEADER;
        Ok(())
    }
}

impl Segment {
    /// Opens a segment, or makes one of zeros. An existing one keeps its size whatever is
    /// configured now: it may hold entries.
    fn open(path: PathBuf, size: u64) -> Result<Self, ChainError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(ChainError::io("open", &path))?;
        let mut len = file.metadata().map_err(ChainError::io("read", &path))?.len();
        if len < MIN_SIZE / 2 {
            // New, or its creation was cut short; either way no entry was ever written to it,
            // because that happens only after this.
            fill(&file, size).map_err(ChainError::io("preallocate", &path))?;
            len = size;
        }
        Ok(Self { path, file, size: len })
    }

    /// 0 for a segment that was never used. Of one whose header is damaged the newest entry tells.
    fn epoch(&self, damage: &mut Vec<String>) -> Result<u64, ChainError> {
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
    fn replay(
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

/// Writes zeros, so that later writes change no metadata, and makes them durable.
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

/// The thread that syncs the chain files of a segment that went out of use.
#[derive(Debug)]
struct Checkpoints {
    jobs: Sender<Vec<Arc<str>>>,
    done: Receiver<Result<Vec<Fault>, ChainError>>,
    running: bool,
    /// The writer waits: sync side by side. Otherwise one after the other, which leaves the device
    /// to the commits.
    hurry: Arc<AtomicBool>,
}

impl Checkpoints {
    fn start(chains: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, ChainError> {
        let (jobs, todo) = channel::<Vec<Arc<str>>>();
        let (report, done) = channel();
        let hurry = Arc::new(AtomicBool::new(false));
        let (path, hurried) = (chains.clone(), Arc::clone(&hurry));
        std::thread::Builder::new()
            .name("halod-checkpoint".into())
            .spawn(move || {
                for stems in todo {
                    if report.send(sync_chains(&chains, &stems, &*disk, &hurried)).is_err() {
                        break;
                    }
                }
            })
            .map_err(ChainError::io("start the thread that syncs", &path))?;
        Ok(Self { jobs, done, running: false, hurry })
    }

    fn begin(&mut self, stems: Vec<Arc<str>>) -> Result<(), ChainError> {
        self.running = true;
        self.hurry.store(false, Relaxed);
        self.jobs.send(stems).map_err(|_| ChainError::CheckpointThread)
    }

    /// The chain files that could not be synced.
    fn wait(&mut self) -> Result<Vec<Fault>, ChainError> {
        if !std::mem::take(&mut self.running) {
            return Ok(Vec::new());
        }
        self.hurry.store(true, Relaxed);
        self.done.recv().map_err(|_| ChainError::CheckpointThread)?
    }
}

/// Syncs at a time when somebody waits: one sync waits for the device, not for the processor.
const SIDE_BY_SIDE: usize = 4;

/// Makes chain files and their names durable. Returns those that could not be synced.
///
/// # Errors
/// The volume fails.
fn sync_chains(
    dir: &Path,
    stems: &[Arc<str>],
    disk: &dyn Disk,
    hurry: &AtomicBool,
) -> Result<Vec<Fault>, ChainError> {
    if stems.is_empty() {
        return Ok(Vec::new());
    }
    let sync_one = |stem: &Arc<str>| {
        let path = dir.join(format!("{stem}.jsonl"));
        let synced = File::open(&path)
            .map_err(ChainUnusable::io("open", &path))
            .and_then(|file| disk.sync(&file).map_err(ChainUnusable::io("sync", &path)));
        match synced {
            Ok(()) => Ok(None),
            Err(why) if why.is_of_the_volume() => Err(ChainError::from(why)),
            Err(why) => Ok(Some(Fault { stem: Arc::clone(stem), why })),
        }
    };
    let mut faults = Vec::new();
    let mut rest = stems;
    while let Some((stem, after)) = rest.split_first().filter(|_| !hurry.load(Relaxed)) {
        faults.extend(sync_one(stem)?);
        rest = after;
    }
    let side_by_side = std::thread::scope(|scope| {
        let parts = rest.chunks(rest.len().div_ceil(SIDE_BY_SIDE).max(1));
        let all = |part: &[Arc<str>]| part.iter().filter_map(|stem| sync_one(stem).transpose()).collect();
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || all(part))).collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, Result<Vec<Fault>, ChainError>>| {
            part.join().unwrap_or(Err(ChainError::CheckpointThread))
        };
        parts.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    faults.extend(side_by_side.into_iter().flatten());
    sync_dir(dir).map_err(ChainError::io("sync", dir))?;
    Ok(faults)
}
