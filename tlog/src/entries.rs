//! The log's own tree: its entries, their hashes, and the size and root that may be signed.
//!
//! `entries` has an entry behind another: its length and CRC-32 as u32 in big endian, then its bytes. `tree` and `tree.nodes` are its
//! hashes. `state` is the text of the checkpoint that may be signed, and is on disk before any signature of it is made. So one size
//! has one root: an entry that is in `entries` and not in `state` was never signed.

use crate::TlogError;
use crate::put;
use crate::tree::Tree;
use halod_chain::disk::{Disk, open_append};
use halod_evidence::Hash;
use halod_evidence::entry::{Declared, Epoch};
use halod_evidence::note::Checkpoint;
use halod_evidence::tree::{self, Edge, leaf};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one entry.
pub const MAX_ENTRY: usize = 64 << 10;
const FRAME: u64 = 8;

/// The entries of a log that is written.
#[derive(Debug)]
pub struct Entries {
    dir: PathBuf,
    file: File,
    len: u64,
    tree: Tree,
    disk: Arc<dyn Disk>,
}

/// The text of the checkpoint that was, or is about to be, signed last.
///
/// # Errors
/// It can't be read.
pub fn state(log: &Path) -> Result<Option<Checkpoint>, TlogError> {
    let path = log.join("state");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            Checkpoint::parse(&text).map(Some).map_err(|error| TlogError::damaged(&path, error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlogError::io("read", &path)(error)),
    }
}

impl Entries {
    /// Opens the entries of a log. What a crash cut short goes; entries that were never signed stay.
    ///
    /// # Errors
    /// Entries that were signed are missing or are others.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, TlogError> {
        let path = dir.join("entries");
        let file = open_append(&path).map_err(TlogError::io("open", &path))?;
        let (size, root) = state(dir)?.map_or((0, tree::empty()), |state| (state.size, state.root));
        let at = dir.join("tree");
        let known = match Tree::open(&at, size, &root).map_err(TlogError::io("open", &at))? {
            Some(tree) => end_of(&file, &tree).map_err(TlogError::io("read", &path))?.map(|len| (tree, len)),
            None => None,
        };
        let (tree, len) = match known {
            Some(known) => known,
            // Made anew from all entries.
            None => (Tree::begin(&at).map_err(TlogError::io("open", &at))?, 0),
        };
        let mut own = Self { dir: dir.to_owned(), file, len, tree, disk };
        own.read_on(&path, (size, root))?;
        Ok(own)
    }

    /// Takes in the entries behind those of the tree, and cuts off what is none.
    fn read_on(&mut self, path: &Path, (size, root): (u64, Hash)) -> Result<(), TlogError> {
        let read = |error| TlogError::io("read", path)(error);
        let mut agrees = self.tree.size() == size;
        while let Some(bytes) = frame_at(&self.file, self.len).map_err(read)? {
            self.tree.push(leaf(&bytes), self.len).map_err(read)?;
            self.len += FRAME + bytes.len() as u64;
            agrees |= self.tree.size() == size && self.tree.root() == root;
        }
        if !agrees {
            let what = format!(
                "the {size} entries that were signed are not in it; the newest copy of it has to be put back"
            );
            return Err(TlogError::damaged(path, what));
        }
        self.tree.write().map_err(read)?;
        if self.file.metadata().map_err(read)?.len() > self.len {
            self.file.set_len(self.len).map_err(TlogError::io("shorten", path))?;
        }
        Ok(())
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The last epoch; what was declared after it is passed over.
    ///
    /// # Errors
    /// An entry can't be read, or is of a kind that is not known.
    pub fn last_epoch(&self) -> Result<Option<Epoch>, TlogError> {
        let path = self.dir.join("entries");
        for index in (0..self.size()).rev() {
            let (_, at) = self.tree.reader().leaf(index).map_err(TlogError::io("read", &path))?;
            let entry = frame_at(&self.file, at).map_err(TlogError::io("read", &path))?.unwrap_or_default();
            if let Some(epoch) = Epoch::read(&entry) {
                return Ok(Some(epoch));
            }
            if Declared::read(&entry).is_none() {
                return Err(TlogError::damaged(
                    &path,
                    format!("entry {index} is of a kind that this halod does not know"),
                ));
            }
        }
        Ok(None)
    }

    /// When epochs were, from one to another, as their entries say, in Unix milliseconds.
    ///
    /// # Errors
    /// An entry can't be read.
    pub(crate) fn times(&self, from: u64, to: u64) -> Result<BTreeMap<u64, u64>, TlogError> {
        let (path, mut times) = (self.dir.join("entries"), BTreeMap::new());
        // Epochs count from 1, and what is no epoch is between them.
        for index in from.saturating_sub(1)..self.size() {
            let (_, at) = self.tree.reader().leaf(index).map_err(TlogError::io("read", &path))?;
            let entry = frame_at(&self.file, at).map_err(TlogError::io("read", &path))?.unwrap_or_default();
            if let Some(epoch) = Epoch::read(&entry) {
                if epoch.epoch > to {
                    break;
                }
                times.insert(epoch.epoch, epoch.millis);
            }
        }
        Ok(times)
    }

    /// Appends an entry, which is on disk when this returns.
    ///
    /// # Errors
    /// What is on disk is unknown then: the log has to be opened anew.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), TlogError> {
        let path = self.dir.join("entries");
        let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        let frame = [&length.to_be_bytes()[..], &crc32fast::hash(entry).to_be_bytes(), entry].concat();
        self.disk.append(&self.file, &frame).map_err(TlogError::io("write to", &path))?;
        self.disk.sync(&self.file).map_err(TlogError::io("sync", &path))?;
        self.tree
            .push(leaf(entry), self.len)
            .and_then(|()| self.tree.write())
            .map_err(TlogError::io("write to", &path))?;
        self.len += frame.len() as u64;
        Ok(())
    }

    /// Settles what may be signed: all entries, by this name. It is on disk when this returns.
    ///
    /// # Errors
    /// It is not, and must not be signed.
    pub fn settle(&self, origin: &str) -> Result<Checkpoint, TlogError> {
        let checkpoint =
            Checkpoint { origin: origin.to_owned(), size: self.tree.size(), root: self.tree.root() };
        put(&self.dir.join("state"), checkpoint.text().as_bytes(), &*self.disk)?;
        Ok(checkpoint)
    }
}

/// Where the last entry of a tree ends; `None` where it is not there.
fn end_of(file: &File, tree: &Tree) -> io::Result<Option<u64>> {
    let Some(last) = tree.size().checked_sub(1) else { return Ok(Some(0)) };
    let (hash, at) = tree.reader().leaf(last)?;
    let bytes = frame_at(file, at)?.filter(|bytes| leaf(bytes) == hash);
    Ok(bytes.map(|bytes| at + FRAME + bytes.len() as u64))
}

/// The bytes of the entry that begins at `at`; `None` where none does.
fn frame_at(file: &File, at: u64) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; FRAME as usize];
    match file.read_exact_at(&mut head, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let [a, b, c, d, e, f, g, h] = head;
    let (length, crc) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]));
    if length == 0 || length > MAX_ENTRY {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, at + FRAME) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    Ok((crc32fast::hash(&bytes) == crc).then_some(bytes))
}

/// The entries of a log that is read, by what is in `entries` alone.
#[derive(Debug)]
pub struct EntriesReader {
    file: File,
    path: PathBuf,
    /// Where each entry begins.
    offsets: Vec<u64>,
    /// Complete subtrees, by level and index.
    levels: Vec<Vec<Hash>>,
}

impl EntriesReader {
    /// Opens the first entries of a log, at most `size` of them: what is missing is missing.
    ///
    /// # Errors
    /// They can't be read.
    pub fn open(log: &Path, size: u64) -> Result<Self, TlogError> {
        let path = log.join("entries");
        let file = File::open(&path).map_err(TlogError::io("open", &path))?;
        let mut own = Self { file, path, offsets: Vec::new(), levels: Vec::new() };
        let mut edge = Edge::default();
        let mut at = 0;
        while own.len() < size {
            let Some(bytes) = frame_at(&own.file, at).map_err(TlogError::io("read", &own.path))? else {
                break;
            };
            own.offsets.push(at);
            edge.push(leaf(&bytes), |level, _, root| {
                let level = level as usize;
                if own.levels.len() == level {
                    own.levels.push(Vec::new());
                }
                own.levels[level].push(*root);
            });
            at += FRAME + bytes.len() as u64;
        }
        Ok(own)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.offsets.len() as u64
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// An entry.
    ///
    /// # Errors
    /// It is not there.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, TlogError> {
        let missing = || TlogError::damaged(&self.path, format!("entry {index} is missing"));
        let at = usize::try_from(index).ok().and_then(|index| self.offsets.get(index)).ok_or_else(missing)?;
        frame_at(&self.file, *at).map_err(TlogError::io("read", &self.path))?.ok_or_else(missing)
    }

    /// The root of a complete subtree, for proofs; `None` where an entry of it is missing.
    #[must_use]
    pub fn get(&self, level: u32, index: u64) -> Option<Hash> {
        self.levels.get(level as usize)?.get(usize::try_from(index).ok()?).copied()
    }

    /// The root of the first entries.
    #[must_use]
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        Edge::of(size, |level, index| self.get(level, index).ok_or(())).ok().map(|edge| edge.root())
    }
}
