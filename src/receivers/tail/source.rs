//! The bytes of one file, plain or packed.

use crate::clock::unix_nanos;
use crate::receivers::lines::unpack::{self, Content};
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Which file it is, as long as it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    pub device: u64,
    pub number: u64,
    /// When it was made, in nanoseconds since 1970, where the file system tells: numbers are used again.
    pub born: i64,
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub inode: Inode,
    pub size: u64,
    /// Nanoseconds since 1970 of the last change of content, and of anything.
    pub modified: i128,
    pub changed: i128,
    /// No directory has it any more.
    pub deleted: bool,
    pub regular: bool,
}

impl From<&Metadata> for Facts {
    fn from(meta: &Metadata) -> Self {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            inode: Inode { device: meta.dev(), number: meta.ino(), born: born(meta) },
            size: meta.size(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
            deleted: meta.nlink() == 0,
            regular: meta.is_file(),
        }
    }
}

fn born(meta: &Metadata) -> i64 {
    let since = meta.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

impl Facts {
    /// How long ago the content last changed, by this machine's clock.
    pub(super) fn age(&self) -> Duration {
        let nanos = i128::from(unix_nanos()) - self.modified;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

/// An open file.
#[derive(Debug)]
pub(super) enum Source {
    Plain(File),
    Packed(Box<Packed>),
}

/// A file that is named as a packed one, read from its beginning on.
#[derive(Debug)]
pub(super) struct Packed {
    file: File,
    content: Content<File>,
    position: u64,
}

impl Source {
    /// Opens a regular file. Never waits, whatever is there.
    ///
    /// # Errors
    /// What the system says, or that it is no regular file.
    pub(super) fn open(path: &Path, packed: bool) -> Result<(Self, Facts)> {
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let facts = Facts::from(&file.metadata()?);
        if !facts.regular {
            return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        if !packed {
            return Ok((Self::Plain(file), facts));
        }
        let content = Content::open(file.try_clone()?, unpack::Packed::Named)?;
        Ok((Self::Packed(Box::new(Packed { file, content, position: 0 })), facts))
    }

    /// # Errors
    /// What the system says.
    pub(super) fn facts(&self) -> Result<Facts> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Packed(packed) => &packed.file,
        };
        Ok(Facts::from(&file.metadata()?))
    }

    /// Fills `buffer` with the content from `offset` on, as far as there is some. A packed content can
    /// only be read forwards.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` where a packed file is not complete (yet).
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(file) => fill(buffer, |at, rest| file.read_at(rest, offset + at)),
            Self::Packed(packed) => {
                packed.skip_to(offset)?;
                let read = fill(buffer, |_, rest| packed.content.read(rest))?;
                packed.position += read as u64;
                Ok(read)
            }
        }
    }
}

impl Packed {
    fn skip_to(&mut self, offset: u64) -> Result<()> {
        let back = || Error::new(ErrorKind::InvalidInput, "a packed file is read forwards only");
        let mut ahead = offset.checked_sub(self.position).ok_or_else(back)?;
        let mut buffer = [0; 4096];
        while ahead > 0 {
            let wanted = usize::try_from(ahead).unwrap_or(usize::MAX).min(buffer.len());
            match self.content.read(&mut buffer[..wanted])? {
                0 => return Ok(()),
                read => {
                    ahead -= read as u64;
                    self.position += read as u64;
                }
            }
        }
        Ok(())
    }
}

fn fill(buffer: &mut [u8], mut read: impl FnMut(u64, &mut [u8]) -> Result<usize>) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What came before the trouble is content; the next read meets it again.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether a name says that the file is packed.
#[must_use]
pub(super) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| unpack::ENDINGS.iter().any(|packed| extension == *packed))
}
