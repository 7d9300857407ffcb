//! Archives: the files in one, one after the other. Their names only say what they are called, and where in the
//! archive they lie; nothing is ever written or opened by such a name.

mod tar;
mod zip;

use super::open::Tell;
use super::source::SourceError;
use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Files of one archive at most: as of a watched folder.
const FILES: usize = 100_000;

/// Characters of a file's name in an archive that are kept.
const NAME: usize = 256;

/// Bytes by which an archive is told.
pub(super) const HEAD: usize = tar::BLOCK;

/// An archive that is read.
#[derive(Debug)]
pub(super) enum Archive {
    Zip(zip::Zip),
    Tar(tar::Tar),
}

/// A file in an archive.
#[derive(Debug)]
pub(super) struct Member {
    /// Its place among the files.
    pub(super) number: u64,
    pub(super) name: PathBuf,
    /// Its bytes as they lie there; or why they can't be read.
    pub(super) reader: Result<Box<dyn Tell>, SourceError>,
}

impl Archive {
    /// The archive that a file is, by its first bytes.
    ///
    /// # Errors
    /// It is damaged.
    pub(super) fn zip(file: File, read: &Arc<AtomicU64>) -> io::Result<Self> {
        zip::Zip::open(file, Arc::clone(read)).map(Self::Zip)
    }

    pub(super) fn tar(content: Box<dyn Tell>) -> Self {
        Self::Tar(tar::Tar::new(content))
    }

    /// The next file; an error where there can be no more.
    pub(super) fn next(&mut self) -> Option<Result<Member, SourceError>> {
        match self {
            Self::Zip(zip) => zip.next().map(Ok),
            Self::Tar(tar) => tar.next().map_err(SourceError::Io).transpose(),
        }
    }
}

/// Whether a content that begins so is an archive: what kind of one.
pub(super) fn told(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some("zip"),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some("7z"),
        [b'R', b'a', b'r', b'!', 0x1a, 0x07, ..] => Some("rar"),
        _ if tar::begins(head) => Some("tar"),
        _ => None,
    }
}

/// Whether a file is what exports hold. Programs keep what they know of files beside them.
fn is_wanted(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    !parts.any(|part| part.starts_with('.') || part == "__MACOSX")
}

/// A name as it may be shown: without what a terminal would take for a command.
fn shown(name: &str) -> PathBuf {
    let plain = name.chars().map(|c| if c.is_control() { '?' } else { c });
    plain.take(NAME).collect::<String>().into()
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}
