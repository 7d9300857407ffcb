//! The one background thread: writes frozen tables as runs and merges runs, four of a level into one
//! of the next.
//!
//! A long merge does not hold up a frozen table or the merges of lower levels: it lets them pass every
//! few thousand entries, so the thread works on at most one merge per level, the lowest first.

use super::files::{Files, run_name};
use super::manifest::{self, Positions};
use super::memory::{Meter, Scramble, Table};
use super::run::{Cursor, Meta, Run, pair};
use super::write::Writer;
use super::{IndexError, Settings};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Runs of one level that are merged into one of the next. Eight would write each entry a third less
/// often, and leave half as many runs more to look into.
const FAN_IN: usize = 4;
/// Above this no table becomes a run before a merge has ended, so this bounds the descriptors:
/// one per run, and one for each merge under way. Merging is always possible then, because 21 levels
/// of three runs hold more entries than can exist.
const MAX_RUNS: usize = 64;
/// Entries merged before looking for something more urgent; few in tests, whose runs are small.
const ENTRIES_BETWEEN: u64 = if cfg!(test) { 8 } else { 4096 };

/// What lookups see: complete runs, and the positions that they cover.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) runs: Vec<Run>,
    pub(super) positions: Arc<Positions>,
    /// The last table that the runs contain.
    pub(super) flushed: u64,
    /// Whether filters wait for memory that only the view before this one holds.
    pub(super) short: bool,
}

#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) table: Arc<Table>,
    pub(super) number: u64,
    pub(super) positions: Positions,
}

/// What the owner of the index and the thread exchange.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Rises whenever there is something new to see.
    pub(super) version: AtomicU64,
    /// Ends merges early.
    pub(super) closing: AtomicBool,
    pub(super) scratch: Meter,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pending: Option<Frozen>,
    pub(super) view: Arc<View>,
    pub(super) failure: Option<IndexError>,
    /// The view before this one, which was short, is out of use.
    pub(super) refit: bool,
    pub(super) stop: bool,
    pub(super) ended: bool,
    #[cfg(test)]
    pub(super) idle: bool,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.version.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) files: Arc<Files>,
    pub(super) shared: Arc<Shared>,
    pub(super) scramble: Scramble,
    pub(super) settings: Settings,
    /// Bytes of filters in memory.
    pub(super) filters: Meter,
    pub(super) runs: Vec<Run>,
    pub(super) positions: Arc<Positions>,
    pub(super) flushed: u64,
    pub(super) next_id: u64,
}

impl Drop for Worker {
    /// However the thread ended, nobody waits for it any more.
    fn drop(&mut self) {
        self.shared.update(|state| state.ended = true);
    }
}

impl Worker {
    pub(super) fn work(mut self) {
        if let Err(error) = self.serve() {
            if matches!(error, IndexError::Damaged { .. }) {
                self.files.withdraw();
            }
            // Together: between the two, the owner would take the failure and see nothing wrong after it.
            self.shared.update(|state| {
                state.failure = Some(error);
                state.ended = true;
            });
        }
    }

    fn serve(&mut self) -> Result<(), IndexError> {
        loop {
            self.maintain(u8::MAX)?;
            let mut state = self.shared.lock();
            if std::mem::take(&mut state.refit) {
                drop(state);
                self.publish(self.runs.clone())?;
                continue;
            }
            while state.pending.is_none() && !state.refit {
                if state.stop {
                    return Ok(());
                }
                #[cfg(test)]
                {
                    state.idle = true;
                    self.shared.changed.notify_all();
                }
                state = self.shared.wait(state);
            }
            #[cfg(test)]
            {
                state.idle = false;
            }
        }
    }

    /// Writes the frozen table if there is one, and merges what is due in levels under `below`.
    fn maintain(&mut self, below: u8) -> Result<(), IndexError> {
        loop {
            let closing = self.shared.closing.load(Ordering::Relaxed);
            if (closing || self.runs.len() < MAX_RUNS)
                && let Some(frozen) = { self.shared.lock().pending.take() }
            {
                self.flush(frozen)?;
            } else if !closing && let Some(level) = self.due_level(below) {
                self.merge(level)?;
            } else {
                return Ok(());
            }
        }
    }

    fn due_level(&self, below: u8) -> Option<u8> {
        let mut counts = [0; 256];
        for run in &self.runs {
            counts[usize::from(run.meta.level)] += 1;
        }
        (0..below).find(|&level| counts[usize::from(level)] >= FAN_IN)
    }

    fn flush(&mut self, frozen: Frozen) -> Result<(), IndexError> {
        let mut runs = self.runs.clone();
        if frozen.table.len() > 0 {
            let _scratch = self.shared.scratch.hold(frozen.table.len() * 16 + Writer::BYTES);
            let entries = frozen.table.sorted();
            let id = self.new_id();
            let mut writer = Writer::create(&self.files, id, 0, entries.len() as u64)?;
            for (key, offset) in entries {
                writer.push(pair(key, offset))?;
            }
            runs.push(writer.finish()?);
        }
        self.positions = Arc::new(frozen.positions);
        self.flushed = frozen.number;
        self.commit(runs)
    }

    fn merge(&mut self, level: u8) -> Result<(), IndexError> {
        let due = self.runs.iter().filter(|run| run.meta.level == level).take(FAN_IN);
        let inputs: Vec<Run> = due.map(Run::without_filter).collect();
        let _scratch = self.shared.scratch.hold(FAN_IN * Cursor::BYTES + Writer::BYTES);
        let planned = inputs.iter().map(|run| run.meta.count).sum();
        let (id, files) = (self.new_id(), Arc::clone(&self.files));
        let mut writer = Writer::create(&files, id, level.saturating_add(1), planned)?;
        let mut merge = Merge::new(&inputs)?;
        let mut merged = 0u64;
        while let Some(entry) = merge.next()? {
            writer.push(entry)?;
            merged += 1;
            if merged.is_multiple_of(ENTRIES_BETWEEN) {
                self.maintain(level)?;
                if self.shared.closing.load(Ordering::Relaxed) {
                    return files.remove(&run_name(id));
                }
            }
        }
        let output = writer.finish()?;
        let used = |run: &Run| inputs.iter().any(|input| input.meta.id == run.meta.id);
        let mut runs: Vec<Run> = self.runs.iter().filter(|run| !used(run)).cloned().collect();
        runs.push(output);
        self.commit(runs)?;
        inputs.iter().try_for_each(|run| files.remove(&run_name(run.meta.id)))
    }

    /// Makes `runs` the index, on disk and then for lookups.
    fn commit(&mut self, runs: Vec<Run>) -> Result<(), IndexError> {
        let text = manifest::text(self.scramble, runs.iter().map(|run| &run.meta), &self.positions);
        self.files.replace_manifest(text.as_bytes())?;
        self.publish(runs)
    }

    fn publish(&mut self, mut runs: Vec<Run>) -> Result<(), IndexError> {
        // Filters that lookups no longer need must not be kept by this thread either.
        self.runs.clear();
        let short = !fit_filters(&mut runs, &self.filters, self.settings.filter_bytes)?;
        self.runs.clone_from(&runs);
        let view = View { runs, positions: Arc::clone(&self.positions), flushed: self.flushed, short };
        self.shared.update(|state| state.view = Arc::new(view));
        Ok(())
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// Shares the memory out among the runs' filters: those of recent entries, which are small, first.
/// Says whether all of it was to be had.
pub(super) fn fit_filters(runs: &mut [Run], meter: &Meter, limit: usize) -> Result<bool, IndexError> {
    let mut room = limit;
    runs.sort_by_key(|run| (run.meta.level, std::cmp::Reverse(run.meta.id)));
    runs.iter_mut().try_fold(true, |all, run| Ok(run.fit_filter(&mut room, meter, limit)? && all))
}

/// The entries of several runs in ascending order.
struct Merge<'a> {
    heads: Vec<u128>,
    cursors: Vec<Cursor<'a>>,
}

impl<'a> Merge<'a> {
    fn new(inputs: &'a [Run]) -> Result<Self, IndexError> {
        let mut merge = Self { heads: Vec::new(), cursors: Vec::new() };
        for input in inputs {
            let mut cursor = input.cursor();
            if let Some(head) = cursor.next()? {
                merge.heads.push(head);
                merge.cursors.push(cursor);
            }
        }
        Ok(merge)
    }

    fn next(&mut self) -> Result<Option<u128>, IndexError> {
        let Some((least, &entry)) = self.heads.iter().enumerate().min_by_key(|(_, head)| **head) else {
            return Ok(None);
        };
        match self.cursors[least].next()? {
            Some(head) => self.heads[least] = head,
            None => {
                self.heads.swap_remove(least);
                self.cursors.swap_remove(least);
            }
        }
        Ok(Some(entry))
    }
}

pub(super) fn highest_id(runs: &[Meta]) -> u64 {
    runs.iter().map(|run| run.id).max().unwrap_or(0)
}
