//! One tenant's chain: its file, its lock, and what is known of its end.

use super::disk::{Regular, open_regular};
use super::error::ChainUnusable;
use super::names::Name;
use super::reader::Reading;
use super::scan::{MAX_LINE, Scan, line_before, unmarked};
use halod_record::draft::{Draft, GENESIS, HexHash};
use halod_record::ids::RecordId;
use halod_record::parse::scan_line;
use halod_record::tenant::Tenant;
use halod_record::time::Instant;
use std::collections::VecDeque;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The known end of a chain, and its descriptors while they are open.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) tenant: Tenant,
    pub(super) stem: Arc<str>,
    pub(super) path: PathBuf,
    /// The file is taken for the chain only if it holds records of the tenant.
    pub(super) only_if_ours: bool,
    /// What to try when this file turns out not to be the chain.
    pub(super) other_names: VecDeque<Name>,
    /// Why it can't be had, until it can.
    pub(super) refused: Option<Refused>,
    pub(super) len: u64,
    pub(super) records: u64,
    pub(super) head: HexHash,
    /// The latest `ts` seen, in nanoseconds since 1970.
    pub(super) last_ts: u64,
    /// Device and inode of the file that all this is about; `None` before the first look.
    pub(super) file_id: Option<(u64, u64)>,
    /// The file failed: what is known of it is not to be relied on until it was read again.
    pub(super) doubtful: bool,
    /// The disk is why.
    pub(super) disk_failed: bool,
    pub(super) unterminated: bool,
    /// Offset and length of a torn last line that no notice was sealed about yet.
    pub(super) torn: Option<(u64, u64)>,
    /// What else is to be disclosed in this chain.
    pub(super) notices: Vec<Draft>,
    pub(super) handles: Option<Handles>,
    /// What of the file is left to the reader.
    pub(super) reading: Option<Reading>,
    /// Somebody waits for it.
    pub(super) urgent: bool,
    /// Whether the clock was behind `last_ts` at the last commit.
    pub(super) clock_behind: bool,
    /// The journal's epoch in which this chain was last marked dirty.
    pub(super) dirty_epoch: u64,
}

/// A chain that could not be had.
#[derive(Debug)]
pub(super) struct Refused {
    /// When that was looked at last.
    looked: std::time::Instant,
    /// When it was found first.
    pub(super) since: SystemTime,
    pub(super) why: Arc<ChainUnusable>,
}

#[derive(Debug)]
pub(super) struct Handles {
    pub(super) file: File,
    lock: Arc<File>,
}

impl Handles {
    pub(super) fn open(path: &Path) -> Result<Self, ChainUnusable> {
        let open = |path: &Path| match open_regular(path) {
            Ok(Regular::File(file)) => Ok(file),
            Ok(Regular::No(why)) => Err(ChainUnusable::NotAChain { path: path.to_owned(), why }),
            Err(source) => Err(ChainUnusable::Io { doing: "open", path: path.to_owned(), source }),
        };
        // The chain first: beside what is none, no lock is left behind.
        let file = open(path)?;
        Ok(Self { file, lock: Arc::new(open(&lock_path(path))?) })
    }

    /// Whether a commit holds the lock now.
    pub(super) fn are_locked(&self) -> bool {
        Arc::strong_count(&self.lock) > 1
    }
}

/// The lock of a chain, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Locked(Arc<File>);

impl Drop for Locked {
    fn drop(&mut self) {
        // It can fail only where the descriptor is none, and then nothing is locked.
        let _ = self.0.unlock();
    }
}

/// The lock that the reference's Python recorders take too: `flock` on `<chain>.jsonl.lock`.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

pub(super) fn file_id(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

impl Chain {
    /// What is known of a chain before its file is looked at.
    pub(super) fn new(tenant: Tenant, name: Name, directory: &Path) -> Self {
        Self {
            tenant,
            path: directory.join(format!("{}.jsonl", name.stem)),
            stem: name.stem.into(),
            only_if_ours: name.only_if_ours,
            other_names: VecDeque::new(),
            refused: None,
            len: 0,
            records: 0,
            head: GENESIS,
            last_ts: 0,
            file_id: None,
            doubtful: false,
            disk_failed: false,
            unterminated: false,
            torn: None,
            notices: Vec::new(),
            handles: None,
            reading: None,
            urgent: false,
            clock_behind: false,
            dirty_epoch: 0,
        }
    }

    /// Forgets what was known of the file, whose descriptors stay.
    pub(super) fn forget(&mut self) {
        (self.len, self.records, self.head, self.last_ts) = (0, 0, GENESIS, 0);
        (self.file_id, self.unterminated, self.torn) = (None, false, None);
    }

    /// Takes the lock if no other process has it. Held for one commit's write, never while idle.
    pub(super) fn try_lock(&self) -> Result<Option<Locked>, ChainUnusable> {
        let Some(handles) = &self.handles else { return Ok(None) };
        match handles.lock.try_lock() {
            Ok(()) => Ok(Some(Locked(Arc::clone(&handles.lock)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => {
                Err(ChainUnusable::Io { doing: "lock", path: lock_path(&self.path), source })
            }
        }
    }

    /// Why the chain can't be had, as long as that was looked at a short time ago.
    pub(super) fn refusal(&self, patience: Duration) -> Option<Arc<ChainUnusable>> {
        let Refused { looked, why, .. } = self.refused.as_ref()?;
        (looked.elapsed() < patience).then(|| Arc::clone(why))
    }

    /// Notes that the chain can't be had now.
    pub(super) fn refuse(&mut self, why: &Arc<ChainUnusable>) {
        let since = self.refused.as_ref().map_or_else(SystemTime::now, |refused| refused.since);
        self.refused = Some(Refused { looked: std::time::Instant::now(), since, why: Arc::clone(why) });
    }

    /// Takes over what a scan from `self.len` on found.
    pub(super) fn advance(&mut self, found: &Scan) {
        self.len = found.len;
        self.records += found.records;
        self.head = found.head.unwrap_or(self.head);
        self.last_ts = self.last_ts.max(found.last_ts.unwrap_or(0));
        self.unterminated = found.unterminated;
        self.torn = found.torn;
    }

    /// The line that begins at `offset`.
    pub(super) fn line_at(&self, offset: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(handles) = &self.handles else { return Ok(None) };
        let mut line = vec![0; 4096];
        let mut read = 0;
        loop {
            let n = handles.file.read_at(&mut line[read..], offset + read as u64)?;
            let end = memchr::memchr(b'\n', &line[read..read + n]).map(|at| read + at + 1);
            read += n;
            if end.is_some() || n == 0 || read >= MAX_LINE {
                line.truncate(end.unwrap_or(read));
                let mark = line.len() - unmarked(&line, offset).len();
                line.drain(..mark);
                return Ok(Some(line));
            }
            line.resize(line.len() * 2, 0);
        }
    }
}

/// Whether `line` is a record with this id.
pub(super) fn is_sealed_as(line: &[u8], id: RecordId) -> bool {
    scan_line(line).is_some_and(|facts| facts.record_id.as_deref().and_then(RecordId::parse) == Some(id))
}

/// Head and time of the record that ends at `end`, if one does.
pub(super) fn last_line(file: &File, end: u64) -> io::Result<Option<(HexHash, u64)>> {
    let line = line_before(file, end)?;
    Ok(line.as_deref().and_then(scan_line).and_then(|facts| {
        let head: HexHash = facts.hash.as_bytes().try_into().ok()?;
        Some((head, facts.ts.map_or(0, Instant::unix_nanos)))
    }))
}
