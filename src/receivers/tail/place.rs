//! Looking around: which files there are now, which content each of them has, and what became of those
//! that are not where they were.

use super::discover::{Found, by_inode, siblings};
use super::engine::{Engine, SLACK, Seen};
use super::follow::{Follower, Life, Why};
use super::position::Fate;
use super::probe::{Probe, Target};
use super::source::{Facts, Source};
use crate::clock::unix_nanos;
use crate::receivers::lines::names::{log_name, log_path, shown};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a packed file must have been left alone before it is read.
const SETTLED: Duration = Duration::from_secs(1);

/// How finely directories tell when they changed, at worst.
const GRAIN: Duration = Duration::from_millis(100);

impl Engine {
    /// One look at everything.
    pub(super) fn look_around(&mut self) {
        self.rescan = false;
        let known = self.next;
        let mut directories = BTreeSet::new();
        for instance in 0..self.parts.len() {
            let look = self.parts[instance].finder.look();
            self.parts[instance].looked = Some(Instant::now());
            if self.parts[instance].instance.settings.notify {
                directories.extend(look.directories);
            }
            let mut placed = HashSet::new();
            for found in &look.files {
                placed.extend(self.place(instance, found, true));
            }
            self.look_beside(instance, &mut placed);
            self.look_for_rotated(instance, &mut placed);
            let missing: Vec<u64> = self
                .files
                .iter()
                .filter(|(id, file)| file.instance == instance && !placed.contains(*id))
                .filter(|(_, file)| matches!(file.life, Life::Probing(_) | Life::Followed))
                .map(|(id, _)| *id)
                .collect();
            for id in missing {
                self.missing(id);
            }
        }
        (self.fresh, self.blind) = (false, false);
        for file in self.files.values() {
            let notify = self.parts[file.instance].instance.settings.notify;
            if notify && !matches!(file.life, Life::Finished(_)) {
                directories.insert(file.directory().to_owned());
            }
        }
        self.watch.set(&directories);
        self.give_up_waiting();
        self.settle_quiet();
        self.seek();
        self.tell_lines();
        self.forget();
        if self.next != known {
            // Before the first line of a file is sealed it is on disk that there was such a file.
            self.save(false);
        }
    }

    /// The files beside those whose rest is looked for, or that have lost their name.
    fn look_beside(&mut self, instance: usize, placed: &mut HashSet<u64>) {
        let mut places: BTreeMap<PathBuf, HashSet<String>> = BTreeMap::new();
        for (id, file) in &self.files {
            let sought = match file.life {
                Life::Sought { .. } => true,
                Life::Followed => !placed.contains(id) && !file.is_open(),
                _ => false,
            };
            if file.instance == instance && sought {
                let name = Path::new(&*file.log).file_name().map(shown).unwrap_or_default();
                // The log's own directory, and the one where the file really was.
                let own = file.path.file_name().map(|own| log_name(&shown(own)));
                places
                    .entry(file.directory().to_owned())
                    .or_default()
                    .extend(own.into_iter().chain([name.clone()]));
                if let Some(parent) = Path::new(&*file.log).parent() {
                    places.entry(parent.to_owned()).or_default().insert(name);
                }
            }
        }
        for (directory, names) in places {
            for found in siblings(&directory, &names, &self.parts[instance].finder) {
                placed.extend(self.place(instance, &found, false));
            }
        }
    }

    /// Files that were rotated away between two looks, or while halod did not run, so that they were never
    /// seen under the name that is asked for.
    fn look_for_rotated(&mut self, instance: usize, placed: &mut HashSet<u64>) {
        let mut places: BTreeMap<PathBuf, HashSet<String>> = BTreeMap::new();
        for file in self.files.values().filter(|file| file.instance == instance && file.wanted) {
            if let Some(name) = file.real.file_name().map(shown) {
                places.entry(file.directory().to_owned()).or_default().insert(log_name(&name));
            }
        }
        for (directory, names) in places {
            let Ok(facts) = fs::metadata(&directory).map(|meta| Facts::from(&meta)) else { continue };
            let looked = unix_nanos();
            let seen = self.directories.get(&directory).copied();
            let Seen { changed, since } = seen.unwrap_or(Seen { changed: 0, since: self.since });
            if changed == facts.modified {
                continue;
            }
            let beside = siblings(&directory, &names, &self.parts[instance].finder);
            // What changes within the grain of the directory's clock would not show, and a packed file that
            // somebody may be writing is read later.
            let young = |found: &Found| found.packed && found.facts.age() < SETTLED;
            let settled = facts.age() > GRAIN && !beside.iter().any(young);
            let seen = Seen {
                changed: if settled { facts.modified } else { 0 },
                since: if settled { looked.saturating_sub(SLACK).max(self.since) } else { since },
            };
            self.directories.insert(directory, seen);
            for found in beside {
                let known = self.inodes.contains_key(&(instance, found.facts.inode));
                if !known && is_rotated(&found.path) && found.facts.modified >= i128::from(since) {
                    placed.extend(self.place(instance, &found, true));
                }
            }
        }
    }

    /// A file is there. `wanted` when it is one of those to be followed; otherwise only if it goes on where
    /// another content was lost. Returns whose file it is.
    fn place(&mut self, instance: usize, found: &Found, wanted: bool) -> Option<u64> {
        let key = (instance, found.facts.inode);
        if let Some(id) = self.inodes.get(&key).copied()
            && let Some(file) = self.files.get_mut(&id)
        {
            let another = found.packed != file.packed || found.packed && file.modified != stamp(found);
            if !another {
                if is_rotated(&found.path) && !file.rotated {
                    file.grew = Instant::now();
                }
                file.rotated = is_rotated(&found.path);
                if file.path != found.path {
                    file.path.clone_from(&found.path);
                    file.real = real(&found.path);
                    self.unsaved = true;
                }
                let all = found.facts.size == file.splitter.position();
                // A packed file that is damaged is the same as it was.
                file.due |= match file.life {
                    Life::Probing(_) | Life::Followed if file.packed => !file.is_damaged(),
                    Life::Probing(_) => true,
                    Life::Followed => !all || !file.is_compared(&found.facts) || file.trouble.is_some(),
                    Life::Sought { .. } | Life::Finished(_) => false,
                };
                if file.splitter.position() == 0 && !found.packed {
                    file.size = found.facts.size;
                }
                return Some(id);
            }
            // A packed file that is still being written: it is begun anew. Or an inode used again.
            self.inodes.remove(&key);
            let nothing = file.splitter.position() == 0;
            if nothing || matches!(file.life, Life::Probing(_)) {
                self.files.remove(&id);
            } else if matches!(file.life, Life::Followed) {
                self.lose(id, Why::Gone);
            }
        }
        if !wanted && self.unrelated.get(&key) == Some(&found.facts.size) {
            return None;
        }
        self.begin(instance, found, wanted)
    }

    /// A file that is not known yet.
    fn begin(&mut self, instance: usize, found: &Found, wanted: bool) -> Option<u64> {
        if found.packed && found.facts.age() < SETTLED {
            // Somebody may be writing it.
            return None;
        }
        let rotated = is_rotated(&found.path);
        let targets = self.targets(instance, found, rotated, wanted);
        if targets.is_empty() && !wanted {
            self.unrelated.insert((instance, found.facts.inode), found.facts.size);
            return None;
        }
        let log = log_path(&found.path);
        let bounds = self.bounds(instance);
        let mut file =
            Follower::new(instance, log.into(), &found.path, found.facts.inode, found.packed, bounds);
        file.rotated = rotated;
        file.found = rotated;
        file.modified = stamp(found);
        file.real = real(&found.path);
        file.wanted = wanted;
        if self.blind {
            file.again = if found.packed { u64::MAX } else { found.facts.size };
        }
        if !found.packed {
            file.size = found.facts.size;
            if wanted && self.files.len() < self.max_open {
                // Should it be removed before its first turn, it is there all the same. Why it can't be opened
                // is told at that turn.
                let _ = file.open();
            }
        }
        if self.fresh && self.parts[instance].instance.settings.start_at_end {
            file.pass(if found.packed { u64::MAX } else { found.facts.size });
        }
        if !targets.is_empty() {
            let probe = Probe::new(&found.path, found.packed, bounds.0, targets);
            file.life = Life::Probing(Box::new(probe));
        }
        let id = self.next;
        self.next += 1;
        self.inodes.insert((instance, found.facts.inode), id);
        self.files.insert(id, file);
        self.unsaved = true;
        Some(id)
    }

    /// The contents that a file may have the beginning of.
    fn targets(&self, instance: usize, found: &Found, rotated: bool, wanted: bool) -> Vec<Target> {
        let log = log_path(&found.path);
        let may_be = |file: &&Follower| {
            let mark = file.sealed();
            let here = match file.life {
                Life::Sought { .. } => true,
                Life::Finished(_) => file.log.as_ref() == log && wanted,
                // A file that still has its content was renamed. Only a rotated name can be a copy of it.
                Life::Followed => rotated && file.log.as_ref() == log && wanted,
                Life::Probing(_) => false,
            };
            here && file.instance == instance
                && mark.offset > 0
                && file.in_flight() == 0
                && (found.packed || mark.offset <= found.facts.size)
        };
        let owners: Vec<_> = self.files.iter().filter(|(_, file)| may_be(file)).collect();
        if owners.is_empty() {
            return Vec::new();
        }
        let mut beginning = vec![0; self.bounds(instance).0];
        let Ok((mut source, _)) = Source::open(&found.path, found.packed) else { return Vec::new() };
        // A packed file that is still being written may have its beginning already.
        let read = source.read(0, &mut beginning).unwrap_or(0);
        owners
            .into_iter()
            .filter(|(_, file)| file.head().begins(&beginning[..read]))
            .map(|(id, file)| Target { owner: *id, mark: file.sealed() })
            .collect()
    }

    /// The beginning of a file was compared with everything that it could be.
    pub(super) fn probed(&mut self, id: u64, met: Option<Target>, head: Vec<u8>) {
        let Some(Target { owner, mark }) = met else {
            let Some(file) = self.files.get_mut(&id) else { return };
            if file.wanted {
                file.life = Life::Followed;
            } else {
                let (key, size) = ((file.instance, file.inode), file.size);
                self.inodes.remove(&key);
                self.unrelated.insert(key, size);
                self.files.remove(&id);
            }
            return;
        };
        let Some(known) = self.files.get(&owner) else {
            // It was forgotten meanwhile; reading again does no harm.
            if let Some(file) = self.files.get_mut(&id) {
                file.life = Life::Followed;
            }
            return;
        };
        let sought = matches!(known.life, Life::Sought { .. });
        let (log, size) = (known.log.clone(), known.size);
        let told = (known.format, known.splitter.wide());
        let Some(file) = self.files.get_mut(&id) else { return };
        let max = self.parts[file.instance].instance.settings.max_line;
        file.log = log;
        file.go_on(mark, told, head, max);
        file.due = true;
        if sought {
            file.expected = size;
            tracing::debug!(path = %file.path.display(), offset = mark.offset, "a log goes on in another file");
            self.put_away(owner);
        }
        self.unsaved = true;
    }

    /// A followed file was not found where it should be.
    fn missing(&mut self, id: u64) {
        let Some(file) = self.files.get_mut(&id) else { return };
        if matches!(file.life, Life::Probing(_)) {
            let key = (file.instance, file.inode);
            self.inodes.remove(&key);
            self.files.remove(&id);
            return;
        }
        if !file.rotated {
            file.rotated = true;
            // The program that writes the file may go on for a while before it opens the new one.
            file.grew = Instant::now();
        }
        if !file.deleted
            && let Some(path) = by_inode(file.directory(), file.inode)
        {
            if file.path != path {
                file.real.clone_from(&path);
                file.path.clone_from(&path);
                self.unsaved = true;
            }
            let facts = fs::metadata(&path).map(|meta| Facts::from(&meta));
            file.due |= !facts.is_ok_and(|facts| file.is_compared(&facts));
            return;
        }
        if file.is_open() {
            // The system keeps it as long as it is open; if it was moved elsewhere, too.
            let facts = file.open();
            if facts.as_ref().is_ok_and(|facts| facts.deleted) && !file.deleted {
                (file.deleted, file.quiet, file.grew) = (true, false, Instant::now());
            }
            file.due |= !facts.is_ok_and(|facts| file.is_compared(&facts));
            return;
        }
        if file.quiet || file.packed && file.sealed().offset == 0 {
            self.put_away(id);
        } else {
            let why = if file.unproven { Why::GoneWhileDown } else { Why::Gone };
            self.lose(id, why);
        }
    }

    /// What an earlier run remembered.
    pub(super) fn adopt_entry(&mut self, mut file: Follower, fate: Fate, why: Option<Why>) {
        let id = self.next;
        self.next += 1;
        let key = (file.instance, file.inode);
        match fate {
            Fate::Followed => {
                self.inodes.insert(key, id);
            }
            Fate::Sought => {
                let why = why.unwrap_or(Why::GoneWhileDown);
                file.life = Life::Sought { why, since: Instant::now(), looks: 0 };
            }
            Fate::Finished => {
                if file.packed {
                    self.inodes.insert(key, id);
                }
                file.finish();
            }
        }
        self.files.insert(id, file);
    }
}

fn is_rotated(path: &Path) -> bool {
    path.file_name().map(shown).is_some_and(|name| log_name(&name) != name)
}

/// Where a file really is, behind all links.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn stamp(found: &Found) -> i64 {
    if found.packed { i64::try_from(found.facts.modified).unwrap_or(i64::MAX) } else { 0 }
}
