//! One tenant's chain: its file, its lock, and what is known of its end.

use super::disk::open_append;
use super::error::ChainUnusable;
use super::scan::{MAX_LINE, Scan};
use crate::record::draft::{Draft, GENESIS, HexHash};
use crate::record::ids::RecordId;
use crate::record::parse::scan_line;
use crate::record::tenant::Tenant;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The known end of a chain, and its descriptors while they are open.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) tenant: Tenant,
    pub(super) stem: Arc<str>,
    pub(super) path: PathBuf,
    pub(super) len: u64,
    pub(super) records: u64,
    pub(super) head: HexHash,
    /// The latest `ts` seen, in nanoseconds since 1970.
    pub(super) last_ts: u64,
    /// Device and inode of the file that all this is about; `None` before the first look.
    pub(super) file_id: Option<(u64, u64)>,
    pub(super) unterminated: bool,
    /// Offset and length of a torn last line that no notice was sealed about yet.
    pub(super) torn: Option<(u64, u64)>,
    /// What else is to be disclosed in this chain.
    pub(super) notices: Vec<Draft>,
    pub(super) handles: Option<Handles>,
    pub(super) locked: bool,
    /// The journal's epoch in which this chain was last marked dirty.
    pub(super) dirty_epoch: u64,
}

#[derive(Debug)]
pub(super) struct Handles {
    pub(super) file: File,
    lock: File,
}

impl Handles {
    pub(super) fn open(path: &Path) -> Result<Self, ChainUnusable> {
        let lock_path = lock_path(path);
        let lock = open_append(&lock_path).map_err(ChainUnusable::io("open", &lock_path))?;
        let file = open_append(path).map_err(ChainUnusable::io("open", path))?;
        Ok(Self { file, lock })
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
    pub(super) fn new(tenant: Tenant, stem: Arc<str>, path: PathBuf) -> Self {
        Self {
            tenant,
            stem,
            path,
            len: 0,
            records: 0,
            head: GENESIS,
            last_ts: 0,
            file_id: None,
            unterminated: false,
            torn: None,
            notices: Vec::new(),
            handles: None,
            locked: false,
            dirty_epoch: 0,
        }
    }

    /// Takes the lock if no other process has it. Held for one commit's write, never while idle.
    pub(super) fn try_lock(&mut self) -> Result<bool, ChainUnusable> {
        let Some(handles) = &self.handles else { return Ok(false) };
        match handles.lock.try_lock() {
            Ok(()) => self.locked = true,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                let path = lock_path(&self.path);
                return Err(ChainUnusable::Io { doing: "lock", path, source });
            }
        }
        Ok(self.locked)
    }

    pub(super) fn unlock(&mut self) {
        if std::mem::take(&mut self.locked)
            && let Some(handles) = &self.handles
            && handles.lock.unlock().is_err()
        {
            // Closing the descriptor is the other way to let go of a lock.
            self.handles = None;
        }
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

    /// The line that begins at `offset`, if one does that is sealed under `id`.
    pub(super) fn line_at(&self, offset: u64, id: RecordId) -> io::Result<Option<Vec<u8>>> {
        let Some(handles) = &self.handles else { return Ok(None) };
        let mut line = vec![0; 4096];
        let mut read = 0;
        loop {
            let n = handles.file.read_at(&mut line[read..], offset + read as u64)?;
            let end = memchr::memchr(b'\n', &line[read..read + n]).map(|at| read + at + 1);
            read += n;
            if end.is_some() || n == 0 || read >= MAX_LINE {
                line.truncate(end.unwrap_or(read));
                return Ok(is_sealed_as(&line, id).then_some(line));
            }
            line.resize(line.len() * 2, 0);
        }
    }
}

/// Whether `line` is a record with this id.
pub(super) fn is_sealed_as(line: &[u8], id: RecordId) -> bool {
    scan_line(line).is_some_and(|facts| facts.record_id.as_deref().and_then(RecordId::parse) == Some(id))
}
