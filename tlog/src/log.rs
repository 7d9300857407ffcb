//! The log of a directory: it takes in what changed, and signs it.
//!
//! | crash | on the next start |
//! |---|---|
//! | before an epoch's entry | trees that are longer than the last epoch says are rebuilt; the book's last block goes |
//! | after the entry, before `state` | the entry stays; it was not signed, and is now |
//! | after `state` | the same size and root are signed again |

use crate::TlogError;
use crate::book::{Block, Book, Row};
use crate::chains::{Alarm, Chain, Chains, Taken};
use crate::entries::Entries;
use crate::key::{KeySettings, Keys};
use crate::notes::{self, Notes};
use halod_chain::disk::Disk;
use halod_evidence::entry::Epoch;
use halod_evidence::map::Map;
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_evidence::state::blind;
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log of a directory, owned by one thread.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    keys: Keys,
    notes: Arc<Notes>,
    entries: Entries,
    book: Book,
    chains: Chains,
    /// The last epoch that has an entry, from 1; 0 before the first.
    epoch: u64,
    /// Entries of the newest checkpoint that is signed.
    signed: u64,
    /// Chains with records that no epoch has, by file name.
    changed: BTreeSet<Box<str>>,
    /// Chains that no epoch has had.
    new: BTreeSet<Box<str>>,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub checkpoint: Checkpoint,
    pub note: String,
    pub epoch: u64,
    /// Chains that are in it.
    pub chains: usize,
}

/// Where the log of a directory is.
#[must_use]
pub fn place(directory: &Path) -> PathBuf {
    directory.join(".halod/log")
}

impl Log {
    /// Opens the log of a directory, or begins one. What a crash interrupted is signed by the next [`Self::sign`].
    ///
    /// # Errors
    /// Its files can't be had, or contradict each other.
    pub fn open(
        directory: &Path,
        settings: &KeySettings,
        disk: Arc<dyn Disk>,
        notes: Arc<Notes>,
    ) -> Result<Self, TlogError> {
        let own = place(directory);
        for (dir, mode) in [(&own, 0o700), (&directory.join(".halod/tree"), 0o750)] {
            DirBuilder::new().recursive(true).mode(mode).create(dir).map_err(TlogError::io("make", dir))?;
        }
        let keys = Keys::open(&own, settings)?;
        let entries = Entries::open(&own, Arc::clone(&disk))?;
        let epoch = match entries.last()? {
            None => 0,
            Some(entry) => {
                let unknown =
                    || TlogError::damaged(&own.join("entries"), "this halod does not know its last entry");
                Epoch::read(&entry).ok_or_else(unknown)?.epoch
            }
        };
        let (book, mut opened) = Book::open(&own, epoch)?;
        // The last name of a slot counts. A name without a state was written for an epoch that never came to be.
        let names = std::mem::take(&mut opened.names).into_iter().rev();
        let known = names.filter_map(|named| opened.rows.remove(&named.slot).map(|row| (named, row)));
        let chains = Chains::new(directory, known);
        // A damaged note, or one of another key, is signed anew.
        let signed = notes::newest(&own).ok().flatten().filter(|note| note.verify(keys.signer.key()).is_ok());
        let signed = signed
            .and_then(|note| Checkpoint::parse(&note.text).ok())
            .map_or(0, |checkpoint| checkpoint.size);
        let (changed, new) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { disk, keys, notes, entries, book, chains, epoch, signed, changed, new })
    }

    /// The keys of the log.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn origin(&self) -> &str {
        self.keys.signer.key().name()
    }

    /// The chains that changed since they were read last, by file name. `is_left_out` tells those of which nothing may be signed
    /// now.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn look(&mut self, is_left_out: impl Fn(&str) -> bool) -> Result<Vec<Box<str>>, TlogError> {
        self.chains.look(is_left_out)
    }

    /// Syncs a chain's file, reads and verifies what is new in it, and puts it into its tree.
    ///
    /// # Errors
    /// The log's own files fail. What is wrong with the chain is no error.
    pub fn take_in(&mut self, stem: &str) -> Result<Taken, TlogError> {
        let was_known = self.chains.get(stem).is_some_and(|chain| chain.state().is_some());
        let taken = self.chains.take_in(stem, &*self.disk)?;
        if matches!(taken, Taken::Records(_)) {
            self.changed.insert(stem.into());
        }
        if !was_known && self.chains.get(stem).is_some_and(|chain| chain.state().is_some()) {
            self.new.insert(stem.into());
        }
        Ok(taken)
    }

    /// Signs an epoch, where something changed or the last one was not signed.
    ///
    /// # Errors
    /// What is on disk is unknown then: the log has to be opened anew.
    pub fn sign(&mut self, millis: u64) -> Result<Option<Signed>, TlogError> {
        if self.changed.is_empty() && self.new.is_empty() {
            let is_signed = self.signed == self.entries.size();
            return if is_signed { Ok(None) } else { self.settle().map(Some) };
        }
        let epoch = self.epoch + 1;
        let new = self.new.iter().filter_map(|stem| self.chains.get(stem));
        let named: Vec<_> = new.map(|chain| chain.named(chain.slot(self.origin()))).collect();
        self.book.add_names(&named, &*self.disk)?;
        let all = self.book.begins_day(millis);
        let is_in =
            |chain: &&Chain| all || self.changed.contains(&chain.stem) || self.new.contains(&chain.stem);
        let row = |chain: &Chain| {
            Some(Row { slot: chain.slot(self.origin()), state: chain.state()?, len: chain.len })
        };
        let rows = self.chains.iter().filter(is_in).filter_map(row).collect();
        self.book.add(millis, &Block { epoch, all, rows }, &*self.disk)?;
        let map = Map::new(self.chains.iter().filter_map(|chain| {
            let (slot, state) = (chain.slot(self.origin()), chain.state()?);
            Some((slot, state.hidden(&blind(&self.keys.blind, epoch, &slot))))
        }));
        self.entries.append(&Epoch { epoch, millis, map: map.root() }.bytes())?;
        self.epoch = epoch;
        self.changed.clear();
        self.new.clear();
        self.settle().map(Some)
    }

    /// Signs all entries, once it is on disk that they may be.
    fn settle(&mut self) -> Result<Signed, TlogError> {
        let checkpoint = self.entries.settle(self.origin())?;
        let note = self.keys.signer.sign(&checkpoint.text()).map_err(TlogError::Sign)?;
        let parsed = SignedNote::parse(&note).map_err(TlogError::Sign)?;
        self.notes.sign(&parsed)?;
        self.signed = checkpoint.size;
        let chains = self.chains.iter().filter(|chain| chain.state().is_some()).count();
        Ok(Signed { checkpoint, note, epoch: self.epoch, chains })
    }

    /// The chains whose slots keep their state, by file name, and why.
    pub fn alarms(&self) -> impl Iterator<Item = (&str, &Alarm)> {
        self.chains.alarms()
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
