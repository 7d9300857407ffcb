//! What can go wrong with the log. None of it is on the way of a record: sealing goes on.

use halod_evidence::note::NoteError;
use std::io;
use std::path::{Path, PathBuf};

/// Why the log can't be read, extended or signed.
#[derive(Debug, thiserror::Error)]
pub enum TlogError {
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} can be read by others (mode {mode:04o}): the key of the log has to be 0600", path.display())]
    KeyIsOpen { path: PathBuf, mode: u32 },
    #[error("{}: {source}", path.display())]
    Key { path: PathBuf, source: NoteError },
    #[error("random bytes can't be had from the system")]
    Random,
    #[error("a checkpoint can't be signed: {0}")]
    Sign(NoteError),
}

impl TlogError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
