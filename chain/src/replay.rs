//! The journal applied to the chain files after a crash.

use super::disk::{Disk, Regular, open_regular};
use super::error::{ChainError, ChainUnusable};
use super::segment::Section;
use super::setaside::SetAside;
use super::tail::{last_line, lock_path};
use halod_record::parse::scan_line;
use halod_record::tenant::Tenant;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long recovery waits, in all, for locks that other processes hold.
const PATIENCE: Duration = Duration::from_secs(2);

/// What recovery does with each section of the journal.
pub(super) struct Replay<'a> {
    dir: &'a Path,
    until: Instant,
    /// Appends that a crash had cut short and that are whole now.
    pub(super) completed: usize,
    /// By stem, lines that were acknowledged but do not fit where they belong: the file lost what came
    /// before them, others have written there since, it is no chain any more, or it can't be had.
    lost: BTreeMap<String, Vec<u8>>,
    /// By stem, where a line begins that a failed write cut short, and all of it.
    pub(super) unfinished: BTreeMap<String, (u64, Vec<u8>)>,
    /// Warnings for the operator.
    pub(super) warnings: Vec<String>,
    /// Whose chains the journal has parts of, by stem.
    pub(super) tenants: BTreeMap<String, Tenant>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        let until = Instant::now() + PATIENCE;
        Self {
            dir,
            until,
            completed: 0,
            lost: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            warnings: Vec::new(),
            tenants: BTreeMap::new(),
        }
    }

    /// Puts a section where it belongs, or among what is set aside. `true` when the chain's file has it now.
    ///
    /// # Errors
    /// The volume fails; one chain that does is set aside.
    pub(super) fn apply(&mut self, section: &Section<'_>, disk: &dyn Disk) -> Result<bool, ChainError> {
        if !self.tenants.contains_key(section.stem) {
            let first = section.bytes.split(|byte| *byte == b'\n').find_map(scan_line);
            let tenant = first.and_then(|facts| facts.subject.tenant());
            self.tenants.extend(tenant.map(|tenant| (section.stem.to_owned(), tenant)));
        }
        match self.complete(section, disk) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(fault) if fault.is_of_the_volume() => return Err(fault.into()),
            Err(fault) => {
                self.warnings.push(fault.to_string());
                let len = self.dir.join(format!("{}.jsonl", section.stem)).metadata().map(|meta| meta.len());
                if let Some(line) = len.ok().and_then(|len| section.line_cut_at(len)) {
                    self.unfinished.insert(line.stem.to_owned(), (line.offset, line.bytes.to_vec()));
                }
            }
        }
        self.lost.entry(section.stem.to_owned()).or_default().extend_from_slice(section.bytes);
        Ok(false)
    }

    fn complete(&mut self, section: &Section<'_>, disk: &dyn Disk) -> Result<bool, ChainUnusable> {
        let path = self.dir.join(format!("{}.jsonl", section.stem));
        let lock_path = lock_path(&path);
        let file = open_regular(&path).map_err(ChainUnusable::io("open", &path))?;
        let Regular::File(file) = file else { return Ok(false) };
        let lock = open_regular(&lock_path).map_err(ChainUnusable::io("open", &lock_path))?;
        let Regular::File(lock) = lock else { return Ok(false) };
        while let Err(error) = lock.try_lock() {
            match error {
                TryLockError::WouldBlock if Instant::now() < self.until => std::thread::sleep(PAUSE),
                TryLockError::WouldBlock => return Err(ChainUnusable::Locked(lock_path)),
                TryLockError::Error(source) => {
                    return Err(ChainUnusable::Io { doing: "lock", path: lock_path, source });
                }
            }
        }
        let missing = missing(&file, section).map_err(ChainUnusable::io("read", &path))?;
        if let Some(missing) = missing.filter(|missing| !missing.is_empty()) {
            disk.append(&file, missing).map_err(ChainUnusable::io("write to", &path))?;
            self.completed += 1;
        }
        Ok(missing.is_some())
    }

    /// Keeps what was lost where a further crash cannot lose it, before the journal forgets it.
    pub(super) fn save(self, set_aside: &SetAside) -> Result<(), ChainError> {
        self.lost.iter().try_for_each(|(stem, lines)| set_aside.add(stem, lines))
    }
}

/// Between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(10);

/// What of a section is to be appended so that the file has all of it; `None` where it does not belong
/// to the file's end.
pub(super) fn missing<'s>(file: &File, section: &Section<'s>) -> io::Result<Option<&'s [u8]>> {
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
