//! What can go wrong with chains, by who must act.

use super::index::IndexError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Final for the whole store: nothing may be written after it.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} is a journal of version {found}, this halod reads version {known}: start the halod that wrote it once, so that it empties the journal",
        path.display()
    )]
    JournalVersion { path: PathBuf, found: u32, known: u32 },
    #[error("the exactly-once index failed")]
    Index(#[from] IndexError),
    #[error("the thread that syncs chain files ended")]
    CheckpointThread,
    #[error(transparent)]
    Lock(#[from] super::directory::LockLost),
    #[error("{0} chains fail at a time: that is no fault of one file")]
    ManyChains(usize),
    /// Of one chain; final only where it shows that the volume fails.
    #[error(transparent)]
    Chain(#[from] ChainUnusable),
}

/// One chain cannot be extended; the others go on.
#[derive(Debug, thiserror::Error)]
pub enum ChainUnusable {
    #[error("another process has held the lock {} for too long", .0.display())]
    Locked(PathBuf),
    #[error("a chain is set aside after a fault, and is tried again soon: {0}")]
    SetAside(String),
    #[error("{} is not the tenant's chain: {why}", path.display())]
    NotAChain { path: PathBuf, why: &'static str },
    #[error(
        "no file can be the tenant's chain, the last one that was tried is {}: {why}; move it away, or what it holds of others",
        path.display()
    )]
    NoName { path: PathBuf, why: &'static str },
    #[error(
        "there are {0} chains, as many as storage.max_tenants allows: a tenant that has none is refused; raise the limit, or move chains away"
    )]
    TooMany(usize),
    #[error(
        "more chains begin than limits.per_tenant.new_chains_per_minute allows: a tenant that has none is refused for now"
    )]
    TooSoon(Duration),
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl ChainError {
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// Whether room on the disk, or in the quota, is all that is missing.
    #[must_use]
    pub fn is_want_of_room(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } | Self::Chain(ChainUnusable::Io { source, .. }) => source,
            Self::Index(IndexError::Io { source, .. }) => source,
            _ => return false,
        };
        is_want_of_room(source)
    }
}

impl ChainUnusable {
    /// Whether the fault is of the file system rather than of one file: then no chain can be relied on.
    #[must_use]
    pub fn is_of_the_volume(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                is_want_of_room(source) || source.kind() == io::ErrorKind::ReadOnlyFilesystem
            }
            _ => false,
        }
    }

    /// Whether the disk can't read or write, as opposed to a file that is gone or another's.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Io { doing, source, .. } => *doing != "open" && source.kind() != io::ErrorKind::NotFound,
            _ => false,
        }
    }

    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

pub(crate) fn is_want_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error with all its causes on one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
