//! Where an import of a file stopped, so that the next one goes on there.
//!
//! A position only saves time: without it all rows are read again, and what is sealed is recognised. It
//! moves only over rows whose receipt is there. It is forgotten when the file was read to its end.

use super::chunk::{FileMeta, Taken};
use super::format::Format;
use super::scan::Shape;
use crate::receivers::lines::wide::Wide;
use halod_chain::disk::replace;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A place between two rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Bytes before it, after decompression.
    pub offset: u64,
    pub line: u64,
    /// Inside an array at the top.
    pub in_list: bool,
    /// The chain of hashes over a log up to this place.
    #[serde(default)]
    pub chain: [u8; 16],
    /// The log is UTF-16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Wide>,
    /// The format that a log's lines before this place have shown.
    #[serde(default)]
    pub told: Option<Format>,
}

/// What is kept of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub mark: Mark,
    /// What became of the rows before it.
    pub taken: Taken,
    /// How many rows those are; an older halod did not count them.
    #[serde(default)]
    pub rows: Option<u64>,
    /// For people who look into the directory.
    pub file: String,
}

/// The positions of a directory.
#[derive(Clone, Debug)]
pub struct Positions {
    directory: PathBuf,
}

impl Positions {
    /// Those under `directory`, which is made if need be.
    ///
    /// # Errors
    /// It can't be made.
    pub fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Where the last import of this file, read in this manner, stopped. One that cannot be read is none.
    #[must_use]
    pub fn find(&self, meta: &FileMeta) -> Option<Position> {
        let text = std::fs::read(self.path(meta)?).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// # Errors
    /// The disk's.
    pub fn keep(&self, meta: &FileMeta, position: &Position) -> io::Result<()> {
        match self.path(meta) {
            Some(path) => replace(&path, &serde_json::to_vec(position)?),
            None => Ok(()),
        }
    }

    /// # Errors
    /// The disk's.
    pub fn forget(&self, meta: &FileMeta) -> io::Result<()> {
        match self.path(meta).map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// `None` for what has no identity, such as a pipe, and for what is read as a whole.
    fn path(&self, meta: &FileMeta) -> Option<PathBuf> {
        let FileMeta { format, shape, identity, tenant, lines, .. } = meta;
        // The lines of an action may stand on both sides of a place in a transcript.
        let whole = *shape == Shape::Whole || matches!(format, Format::Transcript(_));
        (!identity.is_empty() && !whole).then(|| {
            // The manner is part of the name: a place that was reached in one manner says nothing of another.
            let lines = lines.as_ref().map(|lines| serde_json::to_string(lines).unwrap_or_default());
            let lines = lines.unwrap_or_default();
            let manner = format!("{format}\0{shape:?}\0{tenant:?}\0{identity}{lines}");
            let digest: [u8; 32] = Sha256::digest(manner.as_bytes()).into();
            let name: String = halod_record::hash::hex(&digest).map(char::from).iter().take(32).collect();
            self.directory.join(format!("{name}.json"))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::receivers::lines::manner::Manner;

    #[test]
    fn each_file_and_manner_has_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let positions = Positions::open(&directory.path().join("import")).unwrap();
        let meta = FileMeta {
            format: Format::Otlp,
            shape: Shape::Lines,
            identity: "abc".into(),
            log: String::new(),
            lines: None,
            columns: Vec::new(),
            tenant: None,
        };
        let other = FileMeta { tenant: Some("acme".into()), ..meta.clone() };
        let cut = Manner { max_line: 300, ..Manner::default() };
        let log = |lines: Manner| FileMeta { lines: Some(lines), ..meta.clone() };
        let position = Position {
            mark: Mark { offset: 7, line: 3, in_list: true, chain: [5; 16], wide: None, told: None },
            ..Position::default()
        };
        assert_eq!(positions.find(&meta), None);
        positions.keep(&meta, &position).unwrap();
        assert_eq!(positions.find(&meta), Some(position.clone()));
        assert_eq!(positions.find(&other), None);
        positions.keep(&log(cut.clone()), &position).unwrap();
        assert_eq!(positions.find(&log(Manner::default())), None);
        assert_eq!(positions.find(&log(cut)), Some(position.clone()));
        positions.forget(&meta).unwrap();
        positions.forget(&meta).unwrap();
        assert_eq!(positions.find(&meta), None);
        let pipe = FileMeta { identity: String::new(), ..meta };
        positions.keep(&pipe, &position).unwrap();
        assert_eq!(positions.find(&pipe), None);
    }
}
