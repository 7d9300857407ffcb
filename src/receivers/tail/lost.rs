//! Contents that are not in their file any more: looked for in other files, and disclosed when they are
//! nowhere. And files that come to their end.

use super::engine::{CopyCheck, Engine};
use super::follow::{Follower, Life, Why};
use super::notice;
use super::probe::{Probe, Target};
use crate::receivers::lines::split::{Lines, Mark};
use halod_record::draft::Draft;
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Contents of one log that are remembered after their end, to be recognised in a copy.
const REMEMBERED: usize = 32;
/// How many times as long as a rotated file lines wait for others.
const PATIENCE: u32 = 12;
/// Looks that a lost content is looked for at least.
const LOOKS: u32 = 3;

impl Engine {
    /// The file has another content now: the old one is looked for, the new one read from its beginning.
    pub(super) fn replaced(&mut self, id: u64, why: Why) {
        let Some(file) = self.files.get(&id) else { return };
        let (instance, inode) = (file.instance, file.inode);
        let mut new = Follower::new(
            instance,
            Arc::clone(&file.log),
            &file.path,
            inode,
            file.packed,
            self.bounds(instance),
        );
        new.real.clone_from(&file.real);
        new.rotated = file.rotated;
        tracing::debug!(path = %file.path.display(), ?why, read = file.splitter.position(), "a log begins anew");
        let next = self.next;
        self.next += 1;
        self.lose(id, why);
        self.inodes.insert((instance, inode), next);
        self.files.insert(next, new);
    }

    /// The rest of a content is looked for from now on.
    pub(super) fn lose(&mut self, id: u64, why: Why) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let key = (file.instance, file.inode);
        if self.inodes.get(&key) == Some(&id) {
            self.inodes.remove(&key);
        }
        file.close();
        file.due = false;
        file.life = Life::Sought { why, since: Instant::now(), looks: 0 };
        // Somebody may have been passed by who has it.
        self.unrelated.clear();
        self.rescan = true;
        self.unsaved = true;
    }

    /// Looks for what is lost in the files that are followed; what is nowhere is disclosed.
    pub(super) fn seek(&mut self) {
        let sought: Vec<u64> = self
            .files
            .iter()
            .filter(|(_, file)| matches!(file.life, Life::Sought { .. }) && file.in_flight() == 0)
            .map(|(id, _)| *id)
            .collect();
        for id in sought {
            let waits = self.start_copy_checks(id);
            let Some(file) = self.files.get_mut(&id) else { continue };
            let linger = self.parts[file.instance].instance.settings.linger;
            let Life::Sought { why, since, looks } = &mut file.life else { continue };
            *looks += 1;
            let (why, over) = (*why, *looks >= LOOKS && since.elapsed() >= linger);
            if over && !waits {
                self.lost(id, why);
            }
        }
    }

    /// Has files compared that may have the content of `id`; whether it may still be found.
    fn start_copy_checks(&mut self, id: u64) -> bool {
        let Some(file) = self.files.get(&id) else { return false };
        let mark = file.sealed();
        if mark.offset == 0 {
            return false;
        }
        let head = file.head();
        let mut open = self.copy_checks.iter().any(|check| check.sought == id);
        let mut candidates = Vec::new();
        for (other, candidate) in &self.files {
            match &candidate.life {
                // Where its beginning is not known yet, it may be that content.
                Life::Probing(_) => open |= candidate.log == file.log,
                Life::Followed if candidate.instance != file.instance || file.checked.contains(other) => {}
                Life::Followed if candidate.splitter.position() < mark.offset => {
                    open |= candidate.due && (candidate.packed || candidate.size >= mark.offset);
                }
                Life::Followed if candidate.head_begins_with(&head) => {
                    candidates.push((*other, candidate.path.clone(), candidate.packed));
                }
                // A packed file that was read to its end is still there.
                Life::Finished(_)
                    if candidate.packed
                        && candidate.instance == file.instance
                        && candidate.log == file.log
                        && !file.checked.contains(other) =>
                {
                    candidates.push((*other, candidate.path.clone(), true));
                }
                _ => {}
            }
        }
        let fingerprint = self.bounds(file.instance).0;
        for (in_file, path, packed) in candidates {
            if let Some(file) = self.files.get_mut(&id) {
                file.checked.push(in_file);
            }
            let probe = Probe::new(&path, packed, fingerprint, vec![Target { owner: id, mark }]);
            self.copy_checks.push(CopyCheck { sought: id, in_file, probe });
            open = true;
        }
        open
    }

    /// One block of a comparison, one after the other: each may have an unpacked file open.
    pub(super) fn run_copy_checks(&mut self) -> bool {
        let mut checks = std::mem::take(&mut self.copy_checks);
        let busy = !checks.is_empty();
        let mut answers = Vec::new();
        if let Some(check) = checks.first_mut() {
            match check.probe.go_on(&mut self.buffer) {
                Ok(None) => {}
                Ok(Some((met, _))) => {
                    answers.push((check.sought, check.in_file, met.is_some()));
                    checks.remove(0);
                }
                Err(_) => drop(checks.remove(0)),
            }
        }
        self.copy_checks = checks;
        for (sought, in_file, met) in answers {
            if met {
                self.covered(sought, in_file);
            }
        }
        busy
    }

    /// A content that was looked for is in a file that is followed; it was the whole of it, or it was not.
    fn covered(&mut self, sought: u64, in_file: u64) {
        let Some(size) = self.files.get(&sought).map(|file| file.size) else { return };
        if let Some(file) = self.files.get_mut(&in_file) {
            file.expected = file.expected.max(size);
            file.quiet = false;
        }
        self.put_away(sought);
    }

    /// Nothing has the rest of this content. What is held of a line that was not whole is lost with it: it
    /// can't be told from a line.
    fn lost(&mut self, id: u64, why: Why) {
        let Some(file) = self.files.get(&id) else { return };
        let (log, mark, size) = (Arc::clone(&file.log), file.splitter.mark(), file.size);
        let tenant = self.tenant(file);
        let mut said = Vec::new();
        // A content of which nothing was read may be that of any rotated file that was found since.
        let found = self.files.values().any(|other| other.found && other.log == log);
        let told = size > mark.offset || why == Why::GoneWhileDown;
        if told && !(mark.offset == 0 && found) {
            let known = size.saturating_sub(mark.offset);
            said.push(self.gap(&tenant, &log, mark.offset, known, &mark, notice::how(why)));
        }
        if matches!(why, Why::Truncated | Why::Rewritten) && mark.offset > 0 {
            said.push(notice::rewritten(&tenant, &log, mark.offset, &mark));
        }
        self.hand_over(id, Lines::default(), said, None);
        self.put_away(id);
    }

    /// Lines that waited long enough for others to tell their format become what they are without.
    pub(super) fn give_up_waiting(&mut self) {
        let over = |file: &Follower| {
            let patience = self.parts[file.instance].instance.settings.linger * PATIENCE;
            file.waits.is_some_and(|since| since.elapsed() >= patience)
        };
        let over: Vec<u64> = self.files.iter().filter(|(_, file)| over(file)).map(|(id, _)| *id).collect();
        for id in over {
            self.hand_over(id, Lines::default(), Vec::new(), None);
        }
    }

    fn gap(&self, tenant: &Tenant, log: &str, from: u64, known: u64, after: &Mark, how: &str) -> Draft {
        let stats = &self.shop.stats;
        stats.gaps.inc();
        stats.gap_bytes.inc_by(known);
        tracing::warn!(log, from, bytes = known, how, "bytes of a log are lost; its chain says so");
        notice::gap(tenant, log, from, known, after, how)
    }

    /// Files that were rotated away, are read to their end and have been quiet for long; and packed ones
    /// that can't be read further.
    pub(super) fn settle_quiet(&mut self) {
        let is_quiet = |file: &Follower| {
            let over = if file.packed {
                file.is_damaged()
            } else {
                file.rotated && !file.quiet && !file.unproven && file.trouble.is_none()
            };
            let linger = self.parts[file.instance].instance.settings.linger;
            over && !file.due && matches!(file.life, Life::Followed) && file.grew.elapsed() >= linger
        };
        let quiet: Vec<u64> =
            self.files.iter().filter(|(_, file)| is_quiet(file)).map(|(id, _)| *id).collect();
        for id in quiet {
            self.settle(id);
        }
    }

    /// A file was read to its end, and no more is expected: a last line without an end is a line, and what
    /// should have been there and is not is missing.
    pub(super) fn settle(&mut self, id: u64) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let mut lines = Lines::default();
        let cut = file.is_damaged();
        if !cut {
            file.splitter.finish(&mut lines);
        }
        let (log, mark) = (Arc::clone(&file.log), file.splitter.mark());
        let read = mark.offset;
        let expected = std::mem::take(&mut file.expected);
        file.quiet = true;
        let over = file.packed || file.deleted;
        let tenant = self.files.get(&id).map_or(Tenant::Local, |file| self.tenant(file));
        let mut said = Vec::new();
        if expected > read {
            let how = notice::how(Why::Truncated);
            said.push(self.gap(&tenant, &log, read, expected - read, &mark, how));
        } else if cut {
            said.push(self.gap(&tenant, &log, read, 0, &mark, notice::CUT));
        }
        self.hand_over(id, lines, said, None);
        if over {
            self.put_away(id);
        } else if let Some(file) = self.files.get_mut(&id) {
            // It is opened again if it grows.
            file.close();
        }
    }

    /// Nothing more will come of a content; it is remembered.
    pub(super) fn put_away(&mut self, id: u64) {
        if self.files.get(&id).is_some_and(|file| !file.waiting.is_empty()) {
            self.hand_over(id, Lines::default(), Vec::new(), None);
        }
        let Some(file) = self.files.get_mut(&id) else { return };
        let key = (file.instance, file.inode);
        // A packed file stays where it is, and need not be read again.
        if !file.packed && self.inodes.get(&key) == Some(&id) {
            self.inodes.remove(&key);
        }
        file.finish();
        self.unsaved = true;
    }

    /// Lets go of what was remembered for long enough.
    pub(super) fn forget(&mut self) {
        let mut counts = HashMap::new();
        let mut over = Vec::new();
        for (id, file) in self.files.iter().rev() {
            if matches!(file.life, Life::Finished(_)) && file.in_flight() == 0 && file.untold.is_empty() {
                let bound = file.packed && self.inodes.get(&(file.instance, file.inode)) == Some(id);
                let count = counts.entry((file.instance, Arc::clone(&file.log))).or_insert(0);
                *count += 1;
                if *count > REMEMBERED && !(bound && file.path.exists())
                    || file.sealed().offset == 0 && !bound
                {
                    over.push(*id);
                }
            }
        }
        for id in over {
            if let Some(file) = self.files.remove(&id)
                && self.inodes.get(&(file.instance, file.inode)) == Some(&id)
            {
                self.inodes.remove(&(file.instance, file.inode));
            }
        }
    }
}
