//! Who may see which chain's report: the files of the reference's `halo serve` in the directory of the chains.
//!
//! | file | what |
//! |---|---|
//! | `.halo_access.json` | whom each chain is shared with ([`list`]) |
//! | `.halo_serve_secret` | what links, cookies and the operator's key are made with ([`secret`]) |
//! | `.halo_leads.jsonl` | who saw what ([`views`]) |
//!
//! Either program goes on with what the other wrote: `docs/serve.md` says what is added.

pub mod chains;
pub mod list;
pub mod recipient;
pub mod secret;
pub mod views;

use std::io;
use std::path::{Path, PathBuf};

/// How a chain is known to those who share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChainKey {
    /// The subject of all of its records.
    Subject(String),
    /// The file's name without `.jsonl`, of a chain whose records have no subject.
    File(String),
}

impl ChainKey {
    /// What links are made of, and entries are named by.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Subject(text) | Self::File(text) => text,
        }
    }
}

/// A file of those that say who may see what can't be used. Nobody is let in by it until it is put right.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {what}", path.display())]
    Unusable { path: PathBuf, what: String },
    #[error("{0}")]
    Refused(String),
}

impl AccessError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    fn unusable(path: &Path, what: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_owned(), what: what.into() }
    }
}
