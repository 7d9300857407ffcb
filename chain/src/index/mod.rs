//! Where might a record id be sealed already? A rebuildable hint for exactly-once; the chains are the
//! truth.
//!
//! The index maps a key (64 bits of a record id) to offsets in chain files. It never misses what was
//! inserted and it may answer too much: the caller reads the chain at each offset and compares the id.
//! It is a log-structured merge tree:
//!
//! ```text
//! insert ─▶ table (memory) ─full─▶ frozen table ─one background thread─▶ run (file, sorted, level 0)
//!                                              4 runs of a level ─merge─▶ 1 run of the next level
//! candidates ◀─ table, frozen table, each run: filter block ─perhaps─▶ directory line ─▶ bucket
//! ```
//!
//! - **Crashes.** `MANIFEST` names the runs and says how much of each chain they cover; it is replaced
//!   atomically after the runs are synced. After a crash the caller reads the chains on from
//!   [`Index::position`] and inserts what it finds; so a pair may be held, and answered, twice.
//! - **Damage.** Every part of a run is checked when it is read (see `run`). Found at start, it makes
//!   [`Index::open`] begin empty ([`Opened::Rebuilt`]); found later, it is an error, the index is
//!   withdrawn from disk, and the next start rebuilds it.
//! - **Failures.** Exactly-once can't be kept in bounded memory without the index, so a failed write
//!   is an error of [`Index::maybe_flush`] and of all calls to it after that; the caller stops.
//!   What is on disk stays consistent.
//! - **Memory** does not depend on the number of entries: two tables (2.1 MiB each by default), 1.7 MiB
//!   while one is sorted and written, the filters up to [`Settings::filter_bytes`], 0.33 MiB per level
//!   being merged, and for each chain 104 bytes and its file stem: 24 MiB at 1 billion entries. Where
//!   the filters do not fit, a lookup reads 64 bytes for each run concerned.
//! - **Disk**: 18 to 19 bytes per entry; while the largest level is merged, twice that.
//! - **Descriptors**: one per run. Of n entries at 100,000 a table, at most 3 runs on each of
//!   log4(n / 100,000) + 1 levels: 21 at 1 billion; and a few more while merges are under way. Never
//!   more than 64 runs.
//!
//! One process at a time may open a directory; the lock is the caller's.

mod files;
mod filter;
mod manifest;
mod memory;
mod run;
#[cfg(test)]
mod tests;
mod worker;
mod write;

use files::{Files, MANIFEST};
use manifest::{Manifest, Positions};
use memory::{Meter, Scramble, Table};
use run::{Meta, Run};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use worker::{Frozen, Shared, View, Worker};

/// The version of manifest and runs. Another one is not read but rebuilt.
const VERSION: u32 = 2;

#[derive(Clone, Debug)]
pub struct Settings {
    /// Entries after which [`Index::maybe_flush`] freezes the table. A table is 17 bytes times the
    /// power of two that is at least 8/7 of this; leave room for what is inserted between two calls.
    pub table_entries: usize,
    /// Filters in memory: 1.5 bytes per entry keep nearly all of them there.
    pub filter_bytes: usize,
    /// The file operation before which to stop, as if the process were killed.
    #[cfg(test)]
    crash_after: Option<Arc<std::sync::atomic::AtomicI64>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table_entries: 100_000,
            filter_bytes: 16 * 1024 * 1024,
            #[cfg(test)]
            crash_after: None,
        }
    }
}

/// How much of one chain file the index covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the file.
    pub len: u64,
    /// The hash of the last record within them: another one there means another file.
    pub head: [u8; 32],
    pub records: u64,
    /// Of the tenant whose records they are: [`halod_record::tenant::Tenant::digest`]. A file whose
    /// name another tenant could take tells nothing of that one's.
    pub subject: [u8; 32],
}

/// What [`Index::open`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: a first start.
    New,
    Loaded,
    /// An index that could not be used, and why. It was removed; all chains are to be read again.
    Rebuilt(String),
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is damaged: {what}; restart halod to rebuild the index from the chains", path = .path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("the index stopped after an earlier failure; restart halod")]
    Stopped,
}

impl IndexError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Dropped without [`Index::close`], it leaves on disk what was flushed before, like a crash.
pub struct Index {
    files: Arc<Files>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    scramble: Scramble,
    table_entries: usize,
    table: Table,
    frozen: Option<Arc<Table>>,
    frozen_number: u64,
    view: Arc<View>,
    /// Chains whose positions are not to be kept.
    forgotten: HashSet<String>,
    seen: u64,
    filters: Meter,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in `dir`, which is made if it is missing. Reads the manifest, the runs' headers,
    /// and filters up to `filter_bytes`.
    ///
    /// # Errors
    /// `Io`: the directory or a file can't be opened or written. Damage is not an error here.
    pub fn open(dir: &Path, settings: Settings) -> Result<(Self, Opened), IndexError> {
        #[cfg_attr(not(test), allow(unused_mut))]
        let mut files = Files::open(dir)?;
        #[cfg(test)]
        files.crash_after.clone_from(&settings.crash_after);
        let filters = Meter::default();
        let (manifest, runs, opened) = match load(&files, &filters, &settings) {
            Ok(Some((manifest, runs))) => {
                files.remove_leftovers(|name| {
                    manifest.runs.iter().any(|run| files::run_name(run.id) == name)
                })?;
                (manifest, runs, Opened::Loaded)
            }
            Ok(None) => begin(&files, None)?,
            Err(IndexError::Damaged { what, .. }) => begin(&files, Some(what))?,
            Err(error) => return Err(error),
        };
        let view = View { runs, positions: Arc::new(manifest.positions), flushed: 0, short: false };
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            files: Arc::new(files),
            shared: Arc::clone(&shared),
            scramble: manifest.scramble,
            filters: filters.clone(),
            runs: view.runs.clone(),
            positions: Arc::clone(&view.positions),
            flushed: 0,
            next_id: worker::highest_id(&manifest.runs),
            settings,
        };
        let mut index = Self {
            files: Arc::clone(&worker.files),
            shared,
            thread: None,
            scramble: worker.scramble,
            table_entries: worker.settings.table_entries,
            table: Table::with_capacity(worker.settings.table_entries),
            frozen: None,
            frozen_number: 0,
            view: Arc::new(view),
            forgotten: HashSet::new(),
            seen: 0,
            filters,
        };
        index.shared.lock().view = Arc::clone(&index.view);
        let thread = std::thread::Builder::new().name("halod-index".into()).spawn(|| worker.work());
        index.thread = Some(thread.map_err(|e| IndexError::io("start the thread for", dir, e))?);
        Ok((index, opened))
    }

    /// Appends every offset stored under `key`, in no order and perhaps more than once.
    ///
    /// # Errors
    /// `Damaged`: a run can't be read, so the answer may lack offsets. The index is withdrawn: the
    /// caller stops, and the next start rebuilds it.
    pub fn candidates(&self, key: u64, out: &mut Vec<u64>) -> Result<(), IndexError> {
        let key = self.scramble.apply(key);
        self.view.runs.iter().for_each(|run| run.touch(key));
        self.table.find(key, out);
        if let Some(frozen) = &self.frozen {
            frozen.find(key, out);
        }
        self.view.runs.iter().try_for_each(|run| run.find(key, out)).inspect_err(|_| self.files.withdraw())
    }

    /// Remembers `offset` under `key`, besides those that are there already.
    pub fn insert(&mut self, key: u64, offset: u64) {
        self.table.insert(self.scramble.apply(key), offset);
    }

    /// The same, unless more than `most` are there already. A lookup that fails will fail for who asks.
    pub fn insert_few(&mut self, key: u64, offset: u64, most: usize) {
        let mut known = Vec::new();
        if self.candidates(key, &mut known).is_err() || known.len() <= most {
            self.insert(key, offset);
        }
    }

    /// How much of the chain with file stem `chain` is in runs on disk.
    #[must_use]
    pub fn position(&self, chain: &str) -> Option<Position> {
        if self.forgotten.contains(chain) {
            return None;
        }
        let positions = &self.view.positions;
        let at = positions.binary_search_by(|(stem, _)| stem.as_str().cmp(chain)).ok()?;
        positions.get(at).map(|(_, position)| *position)
    }

    /// Hands the table to the background thread when it is full, with positions as of now: every record
    /// before them was inserted. A chain left out keeps the position that it had. Waits when the table before it is not yet on disk. Call it after each commit.
    ///
    /// # Errors
    /// Once what failed in the background, and `Stopped` from then on.
    pub fn maybe_flush(
        &mut self,
        positions: &mut dyn FnMut() -> Vec<(String, Position)>,
    ) -> Result<(), IndexError> {
        if self.shared.version.load(Ordering::Acquire) != self.seen {
            self.look(false)?;
        }
        if self.table.len() < self.table_entries {
            return Ok(());
        }
        self.look(true)?;
        self.freeze(positions());
        Ok(())
    }

    /// Writes what is in memory, with the positions of all chains: the next start then has nothing to
    /// read again. Merges under way are given up, to be done again.
    ///
    /// # Errors
    /// What failed, now or before. What is on disk is consistent, and older.
    pub fn close(mut self, positions: Vec<(String, Position)>) -> Result<(), IndexError> {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.look(true)?;
        self.freeze(positions);
        self.look(true)
    }

    /// Bytes of memory that the index holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let chains: usize = self
            .view
            .positions
            .iter()
            .map(|(stem, _)| size_of::<(String, Position)>() + stem.capacity())
            .sum();
        let frozen = self.frozen.as_ref().map_or(0, |table| table.bytes());
        self.table.bytes() + frozen + self.filters.used() + self.shared.scratch.used() + chains
    }

    /// Drops the position of a file that is not the chain that it was. [`Self::maybe_flush`] may give it
    /// another one.
    pub fn forget(&mut self, chain: &str) {
        self.forgotten.insert(chain.to_owned());
    }

    fn freeze(&mut self, positions: Positions) {
        for (stem, _) in &positions {
            self.forgotten.remove(stem);
        }
        let positions = self.with_earlier(positions);
        let table = Arc::new(std::mem::replace(&mut self.table, Table::with_capacity(self.table_entries)));
        self.frozen = Some(Arc::clone(&table));
        self.frozen_number += 1;
        let frozen = Frozen { table, number: self.frozen_number, positions: manifest::tidy(positions) };
        self.shared.update(|state| state.pending = Some(frozen));
    }

    /// Chains that were not looked at since the start are in the runs as far as they were.
    fn with_earlier(&self, mut positions: Positions) -> Positions {
        let now: HashSet<&str> = positions.iter().map(|(stem, _)| stem.as_str()).collect();
        let kept = |stem: &str| !now.contains(stem) && !self.forgotten.contains(stem);
        let earlier = self.view.positions.iter().filter(|(stem, _)| kept(stem)).cloned();
        let earlier: Positions = earlier.collect();
        positions.extend(earlier);
        positions
    }

    /// Takes over what the thread has done; with `wait`, not before the frozen table is on disk.
    fn look(&mut self, wait: bool) -> Result<(), IndexError> {
        let mut state = self.shared.lock();
        loop {
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            if state.ended {
                return Err(IndexError::Stopped);
            }
            if !wait || state.view.flushed == self.frozen_number {
                break;
            }
            state = self.shared.wait(state);
        }
        self.seen = self.shared.version.load(Ordering::Acquire);
        self.view = Arc::clone(&state.view);
        if self.view.flushed == self.frozen_number {
            self.frozen = None;
        }
        drop(state);
        if self.view.short {
            self.shared.update(|state| state.refit = true);
        }
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.shared.update(|state| {
            state.pending = None;
            state.stop = true;
        });
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is on disk, or nothing when there is no manifest.
fn load(
    files: &Files,
    filters: &Meter,
    settings: &Settings,
) -> Result<Option<(Manifest, Vec<Run>)>, IndexError> {
    let path = files.path(MANIFEST);
    let bytes = match std::fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| IndexError::io("read", &path, e))?,
    };
    let manifest = manifest::parse(&bytes).map_err(|what| IndexError::damaged(&path, what))?;
    let open = |meta: &Meta| Run::open(files, *meta);
    let mut runs = manifest.runs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    worker::fit_filters(&mut runs, filters, settings.filter_bytes)?;
    Ok(Some((manifest, runs)))
}

/// An empty index in place of what is there.
fn begin(files: &Files, damage: Option<String>) -> Result<(Manifest, Vec<Run>, Opened), IndexError> {
    files.remove(MANIFEST)?;
    files.sync_dir()?;
    let runs_without_manifest = files.remove_leftovers(|_| false)?;
    let manifest = Manifest { scramble: Scramble::random(), runs: Vec::new(), positions: Vec::new() };
    let text = manifest::text(manifest.scramble, manifest.runs.iter(), &manifest.positions);
    files.replace_manifest(text.as_bytes())?;
    let opened = match damage {
        Some(what) => Opened::Rebuilt(what),
        None if runs_without_manifest => Opened::Rebuilt("its manifest is missing".into()),
        None => Opened::New,
    };
    Ok((manifest, Vec::new(), opened))
}
