//! Acknowledged records that are in no chain: those of a chain that can't be read, written or synced, or
//! that lost its place. They wait below `.halod/setaside`, a file a chain, until they are sealed again.

use crate::disk::{Regular, open_regular, sync_dir};
use crate::error::ChainError;
use halod_record::draft::Draft;
use halod_record::parse::scan_line;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where they wait.
#[derive(Clone, Debug)]
pub struct SetAside {
    dir: PathBuf,
}

impl SetAside {
    /// Takes over what a halod of before kept in `orphans.jsonl`.
    ///
    /// # Errors
    /// The directory can't be made, or the older file not be moved.
    pub fn open(own: &Path) -> Result<Self, ChainError> {
        let dir = own.join("setaside");
        DirBuilder::new().recursive(true).mode(0o750).create(&dir).map_err(ChainError::io("create", &dir))?;
        let older = own.join("orphans.jsonl");
        match std::fs::rename(&older, dir.join("orphans.jsonl")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ChainError::io("move", &older)(error));
            }
            _ => {}
        }
        Ok(Self { dir })
    }

    /// Keeps whole lines of a chain, on disk when this returns.
    ///
    /// # Errors
    /// Final: what is acknowledged would be lost.
    pub(super) fn add(&self, stem: &str, lines: &[u8]) -> Result<(), ChainError> {
        let path = self.dir.join(format!("{stem}.jsonl"));
        let kept = (|| {
            let Regular::File(mut file) = open_regular(&path)? else {
                return Err(io::Error::other("it is no regular file"));
            };
            // After what a crash cut short, a new line begins.
            file.write_all(b"\n")?;
            file.write_all(lines)?;
            file.sync_data()?;
            sync_dir(&self.dir)
        })();
        kept.map_err(ChainError::io("write to", &path))
    }

    /// The files that wait.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, ChainError> {
        let entries = std::fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut files: Vec<PathBuf> =
            entries.map_err(ChainError::io("read", &self.dir))?.iter().map(std::fs::DirEntry::path).collect();
        files.sort();
        Ok(files)
    }

    /// What waits in one of them. A line that can't be read was cut short, so it was not acknowledged.
    pub(super) fn read(&self, file: &Path) -> Result<Vec<Draft>, ChainError> {
        let lines = std::fs::read(file).map_err(ChainError::io("read", file))?;
        let drafts = lines.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
            let tenant = scan_line(line)?.subject.tenant()?;
            Draft::reopen(tenant, line)
        });
        Ok(drafts.collect())
    }

    /// All of it is sealed.
    pub(super) fn done(&self, file: &Path) -> Result<(), ChainError> {
        std::fs::remove_file(file).and_then(|()| sync_dir(&self.dir)).map_err(ChainError::io("remove", file))
    }
}
