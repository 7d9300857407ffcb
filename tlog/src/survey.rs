//! What chains there are, and which of them changed: a look at the names and lengths of all files.

use halod_record::hash::sha256;
use std::fs::Metadata;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a file looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Look {
    pub(crate) len: u64,
    pub(crate) inode: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub(crate) written: i64,
}

impl Look {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let written = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { len: meta.len(), inode: meta.ino(), written }
    }
}

/// The same, kept in 16 bytes: which file it was, and a digest of its length and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    inode: NonZeroU64,
    stamp: u64,
}

impl Seen {
    /// That there was no file.
    pub(crate) const NOTHING: Self = Self { inode: NonZeroU64::MAX, stamp: 0 };

    pub(crate) fn of(look: &Look) -> Self {
        let digest = sha256(&[look.len.to_be_bytes(), look.written.to_be_bytes()].concat());
        let stamp = digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Self { inode: NonZeroU64::new(look.inode).unwrap_or(NonZeroU64::MIN), stamp }
    }

    pub(crate) fn is_same_file(&self, look: &Look) -> bool {
        self.inode.get() == look.inode
    }
}

/// The files that are called as chains are, by name without `.jsonl`, in order.
pub(crate) fn survey(directory: &Path) -> io::Result<Vec<(Box<str>, Look)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else { continue };
        // A file that went meanwhile is none.
        let Some(meta) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
        if !stem.starts_with('.') {
            found.push((stem.into(), Look::of(&meta)));
        }
    }
    found.sort();
    Ok(found)
}
