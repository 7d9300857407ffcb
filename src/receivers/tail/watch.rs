//! Being told of changes. A wake-up and never the truth: what is told only says where to look first, and
//! everything is looked at again now and then.

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

/// Paths that are remembered between two looks; of more, everything is looked at.
const MAX_PATHS: usize = 4096;

/// What was told since it was asked for the last time.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Files whose content grew or changed.
    pub touched: HashSet<PathBuf>,
    /// Names came or went, or something may have been missed.
    pub rescan: bool,
}

/// Watches directories, each by itself.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    told: Arc<Mutex<Told>>,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Tells through `wake`, which may be full: then somebody was woken already.
    pub(super) fn new(wake: SyncSender<()>) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let heard = Arc::clone(&told);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if note(&mut heard.lock().unwrap_or_else(PoisonError::into_inner), event) {
                let _ = wake.try_send(());
            }
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "the system tells nothing of changes to files; they are looked at instead");
        });
        Self { watcher: watcher.ok(), told, watched: BTreeSet::new() }
    }

    /// Nothing is watched.
    #[must_use]
    pub(super) fn none() -> Self {
        Self { watcher: None, told: Arc::default(), watched: BTreeSet::new() }
    }

    /// Watches exactly these directories from now on. One that can't be watched is left to looking.
    pub(super) fn set(&mut self, directories: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(directories) {
            let _ = watcher.unwatch(gone);
        }
        let mut watched = BTreeSet::new();
        for directory in directories {
            // One that is watched already is asked for again: another one may have taken its place.
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(directory.clone());
                }
                Err(error) => {
                    tracing::debug!(directory = %directory.display(), %error, "not watched; it is looked at instead");
                }
            }
        }
        self.watched = watched;
    }

    /// What was told since the last time.
    #[must_use]
    pub(super) fn take(&self) -> Told {
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Notes an event; whether it is news.
fn note(told: &mut Told, event: notify::Result<Event>) -> bool {
    let Ok(event) = event else { return !std::mem::replace(&mut told.rescan, true) };
    if event.need_rescan() {
        return !std::mem::replace(&mut told.rescan, true);
    }
    match event.kind {
        // Reading is what halod itself does.
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
            let fresh = told.touched.is_empty() && !told.rescan;
            if told.touched.len() < MAX_PATHS {
                told.touched.extend(event.paths);
            } else {
                told.rescan = true;
            }
            fresh
        }
        _ => !std::mem::replace(&mut told.rescan, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, Flag};

    #[test]
    fn an_overflow_asks_for_a_look_at_everything() {
        let mut told = Told::default();
        assert!(note(&mut told, Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(told.rescan);
        let mut told = Told::default();
        assert!(note(&mut told, Err(notify::Error::generic("lost"))) && told.rescan);
        let mut told = Told::default();
        assert!(note(&mut told, Ok(Event::new(EventKind::Create(CreateKind::File)))) && told.rescan);
    }

    #[test]
    fn growth_is_told_once_until_it_is_asked_for() {
        let data = |name: &str| {
            Ok(Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Any))).add_path(name.into()))
        };
        let mut told = Told::default();
        assert!(note(&mut told, data("/a")));
        assert!(!note(&mut told, data("/b")));
        assert_eq!(told.touched.len(), 2);
        assert!(!told.rescan);
        for n in 0..=MAX_PATHS {
            note(&mut told, data(&format!("/{n}")));
        }
        assert!(told.rescan && told.touched.len() <= MAX_PATHS);
    }
}
