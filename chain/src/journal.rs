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

use super::checkpoint::{Checkpoints, Fault, sync_chains};
use super::disk::{Disk, sync_dir};
use super::error::ChainError;
use super::segment::{
    ENTRY_HEADER, ENTRY_MAGIC, SECTION_HEADER, SEGMENT_HEADER, SEGMENT_MAGIC, Section, Segment, VERSION,
};
use super::setaside::SetAside;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    /// By stem, lines that a failed write cut short: where they begin, and all of them. Each epoch begins with
    /// them, so that whatever ends halod they are finished when their files can be written.
    unfinished: BTreeMap<Arc<str>, (u64, Vec<u8>)>,
}

/// One commit's bytes on their way to the journal: an entry whose sections are the chains' parts.
#[derive(Debug, Default)]
pub struct Entry {
    pub bytes: Vec<u8>,
    section: usize,
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

    /// Takes the open section back.
    pub fn abandon_section(&mut self) {
        self.bytes.truncate(self.section);
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
            unfinished: BTreeMap::new(),
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

    /// Syncs all chain files and leaves the journal with nothing to replay but lines that were cut short.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn close(mut self) -> Result<(), ChainError> {
        self.switch()?;
        self.finish_checkpoint()?;
        self.start()
    }

    /// Notes the line of a section, if any, at which its file ends, of `len` bytes.
    pub fn cut_short(&mut self, section: &Section<'_>, len: u64) {
        if let Some(Section { stem, offset, bytes }) = section.line_cut_at(len) {
            self.unfinished.insert(stem.into(), (offset, bytes.to_vec()));
        }
    }

    /// The line of a chain that was cut short.
    #[must_use]
    pub fn unfinished(&self, stem: &str) -> Option<Section<'_>> {
        let (stem, (offset, bytes)) = self.unfinished.get_key_value(stem)?;
        Some(Section { stem, offset: *offset, bytes })
    }

    /// The line is whole, or something else is in its place.
    pub fn finished(&mut self, stem: &str) {
        self.unfinished.remove(stem);
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
        self.repeat_unfinished()
    }

    fn repeat_unfinished(&mut self) -> Result<(), ChainError> {
        let mut entry = Entry::default();
        for (stem, (offset, bytes)) in &self.unfinished {
            // Lines are short, and a handful of chains may fail: no more than a part of the room is theirs.
            if entry.bytes.len() + bytes.len() > self.entry_limit() {
                continue;
            }
            if entry.is_empty() {
                entry.clear();
            }
            entry.begin_section(stem, *offset);
            entry.bytes.extend_from_slice(bytes);
            entry.end_section(stem);
        }
        if entry.is_empty() { Ok(()) } else { self.write(&mut entry) }
    }
}
