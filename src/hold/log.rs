//! The hold's log: a file that only grows, until it is written anew.

use super::line::Line;
use halod_chain::error::ChainError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The hold's file can't be read or written.
pub type HoldError = ChainError;

/// The longest line that is read; no message of ours is as long.
const LINE: u64 = 4 << 20;

/// What a log had lost when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Lines before the last good one that can't be read: messages that were acknowledged may be lost.
    pub lines: u64,
    pub bytes: u64,
    /// Where the first of them begins.
    pub offset: u64,
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Log {
    /// Opens the log below `directory` and hands each of its lines to `take`. What was not written whole
    /// at its end is cut off: nobody was told that it was taken.
    pub(super) fn open(directory: &Path, take: impl FnMut(Line)) -> Result<(Self, Damage), HoldError> {
        let folder = directory.join(".halod").join("hold");
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&folder)
            .map_err(ChainError::io("make", &folder))?;
        let path = folder.join("log");
        // What a crash left of writing it anew.
        match std::fs::remove_file(folder.join("log.new")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ChainError::io("remove", &folder.join("log.new"))(error));
            }
            _ => {}
        }
        let file = open(&path, true).map_err(ChainError::io("open", &path))?;
        let (len, damage) = read(&file, take).map_err(ChainError::io("read", &path))?;
        file.set_len(len).and_then(|()| file.sync_all()).map_err(ChainError::io("cut", &path))?;
        sync_folder(&path)?;
        Ok((Self { path, file, len }, damage))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), HoldError> {
        self.file.write_all(lines).map_err(ChainError::io("write to", &self.path))?;
        self.len += lines.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), HoldError> {
        self.file.sync_data().map_err(ChainError::io("sync", &self.path))
    }

    /// Puts another log in the place of this one.
    pub(super) fn replace(&mut self, lines: &[u8]) -> Result<(), HoldError> {
        let new = self.path.with_extension("new");
        let mut file = open(&new, false).map_err(ChainError::io("open", &new))?;
        file.write_all(lines).and_then(|()| file.sync_all()).map_err(ChainError::io("write", &new))?;
        std::fs::rename(&new, &self.path).map_err(ChainError::io("replace", &self.path))?;
        sync_folder(&self.path)?;
        (self.file, self.len) = (file, lines.len() as u64);
        Ok(())
    }
}

fn open(path: &Path, keep: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o640);
    let file = options.open(path)?;
    if !keep {
        file.set_len(0)?;
    }
    Ok(file)
}

fn sync_folder(path: &Path) -> Result<(), HoldError> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ChainError::io("sync", folder))
}

/// Reads lines; returns where the last good one ends.
pub(super) fn read(input: impl io::Read, mut take: impl FnMut(Line)) -> io::Result<(u64, Damage)> {
    let mut input = BufReader::with_capacity(256 << 10, input);
    let (mut at, mut good, mut damage, mut bad) = (0, 0, Damage::default(), Damage::default());
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = io::Read::take(&mut input, LINE).read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok((good, damage));
        }
        match line.strip_suffix(b"\n").and_then(Line::read) {
            Some(line) => {
                // What came before it was written before it.
                if bad.lines > 0 {
                    damage.offset = if damage.lines == 0 { bad.offset } else { damage.offset };
                    damage.lines += bad.lines;
                    damage.bytes += bad.bytes;
                    bad = Damage::default();
                }
                take(line);
                good = at + length;
            }
            None => {
                bad.offset = if bad.lines == 0 { at } else { bad.offset };
                bad.lines += 1;
                bad.bytes += length;
            }
        }
        at += length;
    }
}
