//! The journal applied to the chain files after a crash.

use super::disk::{Disk, Regular, open_regular, replace};
use super::error::ChainError;
use super::journal::Section;
use super::tail::{last_line, lock_path};
use halod_record::draft::Draft;
use halod_record::parse::{Subject, scan_line};
use halod_record::tenant::Tenant;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What recovery does with each section of the journal.
pub(super) struct Replay<'a> {
    dir: &'a Path,
    orphans: PathBuf,
    /// Appends that a crash had cut short and that are whole now.
    pub(super) completed: usize,
    /// Lines that were acknowledged but do not fit where they belong: the file lost what came
    /// before them, others have written there since, or it is no chain any more.
    lost: Vec<u8>,
}

/// Where lines are kept that recovery could not put back, until they are sealed again.
pub(super) fn orphans_path(dir: &Path) -> PathBuf {
    dir.join(".halod").join("orphans.jsonl")
}

impl<'a> Replay<'a> {
    /// Starts with what an earlier recovery could not finish.
    pub(super) fn new(dir: &'a Path) -> Result<Self, ChainError> {
        let orphans = orphans_path(dir);
        let lost = match std::fs::read(&orphans) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(ChainError::io("read", &orphans))?,
        };
        Ok(Self { dir, orphans, completed: 0, lost })
    }

    /// Puts a section where it belongs, or among the orphans. `true` when the chain's file has it now.
    pub(super) fn apply(&mut self, section: &Section<'_>, disk: &dyn Disk) -> Result<bool, ChainError> {
        let path = self.dir.join(format!("{}.jsonl", section.stem));
        let lock_path = lock_path(&path);
        let lock = open_regular(&lock_path).map_err(ChainError::io("open", &lock_path))?;
        let file = open_regular(&path).map_err(ChainError::io("open", &path))?;
        let (Regular::File(lock), Regular::File(file)) = (lock, file) else {
            self.lost.extend_from_slice(section.bytes);
            return Ok(false);
        };
        lock.lock().map_err(ChainError::io("lock", &lock_path))?;
        let missing = missing(&file, section).map_err(ChainError::io("read", &path))?;
        match missing {
            None => self.lost.extend_from_slice(section.bytes),
            Some([]) => {}
            Some(missing) => {
                disk.append(&file, missing).map_err(ChainError::io("write to", &path))?;
                self.completed += 1;
            }
        }
        Ok(missing.is_some())
    }

    /// Keeps the orphans where a further crash cannot lose them, before the journal forgets them.
    pub(super) fn save(self) -> Result<Vec<Draft>, ChainError> {
        if self.lost.is_empty() {
            return Ok(Vec::new());
        }
        replace(&self.orphans, &self.lost).map_err(ChainError::io("write", &self.orphans))?;
        let lines = self.lost.split_inclusive(|&byte| byte == b'\n');
        Ok(lines
            .filter_map(|line| {
                let tenant = match scan_line(line)?.subject {
                    Subject::None => Tenant::Local,
                    Subject::Id(id) => Tenant::stored(&id),
                    Subject::Other => return None,
                };
                Draft::reopen(tenant, line)
            })
            .collect())
    }
}

/// What of a section is to be appended so that the file has all of it; `None` where it does not belong
/// to the file's end.
fn missing<'s>(file: &File, section: &Section<'s>) -> io::Result<Option<&'s [u8]>> {
    let len = file.metadata()?.len();
    let present = usize::try_from(len.saturating_sub(section.offset)).unwrap_or(usize::MAX);
    let (present, missing) = section.bytes.split_at(present.min(section.bytes.len()));
    let mut there = vec![0; present.len()];
    file.read_exact_at(&mut there, section.offset.min(len))?;
    if len < section.offset || there != present {
        return Ok(None);
    }
    // Where nothing of the section is there, its first link tells whether the file is still the one.
    let before =
        if present.is_empty() && section.offset > 0 { last_line(file, section.offset)? } else { None };
    let links = before.is_none_or(|(head, _)| Some(&head[..]) == prev_hash(section.bytes));
    Ok(links.then_some(missing))
}

/// The `prev_hash` of the first record in a section.
fn prev_hash(lines: &[u8]) -> Option<&[u8]> {
    let line = lines.split(|&byte| byte == b'\n').find(|line| !line.is_empty())?;
    let key = br#""prev_hash":""#;
    // The last one: nothing of a sender's choice that could look like it comes after it.
    let at = memchr::memmem::rfind(line, key)? + key.len();
    line.get(at..at + 64)
}
