//! The log of a directory: it takes in what changed, and signs it.
//!
//! | crash | on the next start |
//! |---|---|
//! | before an epoch's entry | trees that are longer than the last epoch says are rebuilt; the book's last block goes |
//! | after the entry, before `state` | the entry stays; it was not signed, and is now |
//! | after `state` | the same size and root are signed again |

use crate::TlogError;
use crate::book::{Block, Book, Row};
use crate::chains::{Alarm, Breaking, Chain, Chains, Taken};
use crate::entries::Entries;
use crate::key::{KeySettings, Keys};
use crate::notes::{self, Notes};
use crate::thin;
use halod_chain::disk::Disk;
use halod_evidence::entry::{Declared, Epoch};
use halod_evidence::map::Map;
use halod_evidence::note::{Checkpoint, SignedNote, Signer};
use halod_evidence::state::blind;
use sha2::{Digest, Sha256};
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
    /// The day, since 1970, on which old states were thinned out.
    thinned: Option<u64>,
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

/// Begins another log in the place of one, which it names as what it continues: after a witness knew more than is here. The older
/// one is kept beside, as `.halod/log.N`.
///
/// # Errors
/// There is no log, or its files can't be moved.
pub fn continue_anew(
    directory: &Path,
    settings: &KeySettings,
    after: &SignedNote,
    disk: Arc<dyn Disk>,
) -> Result<Signed, TlogError> {
    let own = place(directory);
    let keys = Keys::open(&own, settings)?;
    let name = keys.signer.key().name().to_owned();
    let (base, generation) = match name.rsplit_once('/').map(|(base, last)| (base, last.parse::<u32>())) {
        Some((base, Ok(generation))) if generation > 1 => (base.to_owned(), generation),
        _ => (name, 1),
    };
    let kept = own.with_file_name(format!("log.{generation}"));
    std::fs::rename(&own, &kept).map_err(TlogError::io("move", &own))?;
    DirBuilder::new().mode(0o700).create(&own).map_err(TlogError::io("make", &own))?;
    for secret in ["key.p8", "blind"] {
        let (from, to) = (kept.join(secret), own.join(secret));
        if !from.exists() {
            continue;
        }
        std::fs::copy(&from, &to).map_err(TlogError::io("copy", &from))?;
    }
    let origin = Some(format!("{base}/{}", generation + 1));
    let settings = KeySettings { origin, ..settings.clone() };
    let notes = Arc::new(Notes::new(&own, Arc::clone(&disk)));
    let mut log = Log::open(directory, &settings, disk, notes)?;
    log.entries.append(&Declared::Continued { note: after.to_string() }.bytes())?;
    log.settle()
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
        let epoch = entries.last_epoch()?.map_or(0, |epoch| epoch.epoch);
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
        Ok(Self { disk, keys, notes, entries, book, chains, epoch, signed, changed, new, thinned: None })
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

    /// Declares that a chain is not what was signed of it, and goes on with what it is now as a new generation.
    ///
    /// # Errors
    /// There is nothing to go on with, or the log's files fail.
    pub fn declare_break(&mut self, stem: &str, reason: &str, millis: u64) -> Result<Signed, TlogError> {
        let Breaking { slot, old, new } =
            self.chains.break_off(stem, self.keys.signer.key().name(), &*self.disk)?;
        let blind = blind(&self.keys.blind, self.epoch + 1, &slot);
        let reason = Sha256::digest(reason).into();
        let entry = Declared::Broken { slot, old: old.hidden(&blind), new: new.hidden(&blind), reason };
        self.declare(&entry, stem, millis)
    }

    /// Declares that a chain ends: its file may go then, and its slot keeps the last state.
    ///
    /// # Errors
    /// No such chain was signed, or the log's files fail.
    pub fn retire(&mut self, stem: &str, millis: u64) -> Result<Signed, TlogError> {
        let (slot, last) = self.chains.retire(stem, self.keys.signer.key().name())?;
        let blind = blind(&self.keys.blind, self.epoch + 1, &slot);
        self.declare(&Declared::Retired { slot, last: last.hidden(&blind) }, stem, millis)
    }

    /// Adds an entry, and signs the epoch that says the same of the slot.
    fn declare(&mut self, entry: &Declared, stem: &str, millis: u64) -> Result<Signed, TlogError> {
        self.entries.append(&entry.bytes())?;
        self.changed.insert(stem.into());
        match self.sign(millis)? {
            Some(signed) => Ok(signed),
            None => self.settle(),
        }
    }

    /// Lets a new key sign from now on, beside the old one for 30 days.
    ///
    /// # Errors
    /// The key is not this directory's to change, or the log's files fail.
    pub fn rotate(&mut self, directory: &Path, settings: &KeySettings) -> Result<Signed, TlogError> {
        let own = place(directory);
        if let Some(path) = &settings.key_file {
            let what = "checkpoint.key_file names the key, so halod does not change it; take the setting out, or keep the key";
            return Err(TlogError::damaged(path, what));
        }
        let (old, new) = (self.keys.signer.key().clone(), self.keys.next(&own)?);
        self.entries.append(&Declared::Rotated { old, new: new.clone() }.bytes())?;
        // The old key says so first, then both do.
        self.settle()?;
        self.keys.commit(&own, &new)?;
        self.keys = Keys::open(&own, settings)?;
        self.settle()
    }

    /// Signs all entries, once it is on disk that they may be.
    fn settle(&mut self) -> Result<Signed, TlogError> {
        let checkpoint = self.entries.settle(self.origin())?;
        let text = checkpoint.text();
        let sign = |signer: &Signer| {
            signer.sign(&text).and_then(|note| SignedNote::parse(&note)).map_err(TlogError::Sign)
        };
        let mut note = sign(&self.keys.signer)?;
        if let Some(old) = &self.keys.old {
            note.signatures.extend(sign(old)?.signatures);
        }
        self.notes.sign(&note)?;
        let note = note.to_string();
        self.signed = checkpoint.size;
        let chains = self.chains.iter().filter(|chain| chain.state().is_some()).count();
        Ok(Signed { checkpoint, note, epoch: self.epoch, chains })
    }

    /// Thins out old states: one day of them at a call, as long as some are due. Nothing that was signed depends on them.
    ///
    /// # Errors
    /// They can't be read or written. They are due again on the next day.
    pub fn thin(&mut self, millis: u64) -> Result<(), TlogError> {
        let today = Some(millis / (24 * 60 * 60 * 1000));
        if self.thinned == today {
            return Ok(());
        }
        let times = |from, to| self.entries.times(from, to);
        let more = thin::thin(self.book.log(), millis, times, &*self.disk);
        if !matches!(more, Ok(true)) {
            self.thinned = today;
        }
        more.map(drop)
    }

    /// The chains whose slots keep their state, by file name, and why.
    pub fn alarms(&self) -> impl Iterator<Item = (&str, &Alarm)> {
        self.chains.alarms()
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
