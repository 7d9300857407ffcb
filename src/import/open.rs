//! What a file is before its rows are looked at: as it lies there, packed, Parquet, or an archive of files.

use super::MAX_ROW;
use super::archive::{self, Archive, Member};
use super::format::Format;
use super::manner::Manner;
use super::parquet::{self, At, Rows};
use super::source::{Came, Source, SourceError};
use crate::receivers::lines::unpack::{Content, Packed};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of a file that tell it from others, beside what the system says of it.
const PREFIX: u64 = 64 << 10;

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Stdin,
    File(PathBuf),
    /// A file of an archive, by its name there.
    Member {
        archive: PathBuf,
        name: PathBuf,
    },
}

/// An input that is open.
#[derive(Debug)]
pub enum Opened {
    File(Box<Source>),
    Archive(Box<Members>),
}

/// The files of an archive.
#[derive(Debug)]
pub struct Members {
    archive: Archive,
    path: PathBuf,
    identity: String,
    manner: Manner,
}

pub(super) trait Tell: Read + Send + std::fmt::Debug {}
impl<T: Read + Send + std::fmt::Debug> Tell for T {}

/// Counts what is read, for whoever shows progress.
#[derive(Debug)]
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// What a content is, by its first bytes.
enum Within {
    Plain(Box<dyn Tell>),
    Archive(&'static str, Box<dyn Tell>),
}

impl Input {
    /// As it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "(standard input)".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Member { archive, name } => format!("{}: {}", archive.display(), name.display()),
        }
    }

    /// Bytes to be read, where they are known.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin | Self::Member { .. } => None,
            Self::File(path) => path.metadata().ok().filter(|file| file.is_file()).map(|file| file.len()),
        }
    }

    /// Where it lies: in the file system, or in its archive.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin => None,
            Self::File(path) | Self::Member { name: path, .. } => Some(path),
        }
    }
}

impl Opened {
    /// Opens an input and looks what it is. `read` counts the bytes that are read of it.
    ///
    /// # Errors
    /// It can't be read, or is nothing that can be imported.
    pub fn open(input: &Input, manner: &Manner, read: &Arc<AtomicU64>) -> Result<Self, SourceError> {
        match input {
            Input::Stdin => {
                // Without the buffer of the library's, so that it can be asked whether more is there.
                let own = io::stdin().as_fd().try_clone_to_owned()?;
                let live = own.try_clone()?;
                let from = Counted { inner: File::from(own), read: Arc::clone(read) };
                let content = Content::open(from, Packed::Told)?;
                let live = Some(live).filter(|_| !content.is_packed());
                let came = Came { live, ..Came::default() };
                Self::content(content, input, came, manner)
            }
            Input::File(path) => Self::file(path, input, manner, read),
            Input::Member { .. } => {
                Err(SourceError::Kind("a file of an archive is only read with its archive".to_owned()))
            }
        }
    }

    fn file(path: &Path, input: &Input, manner: &Manner, read: &Arc<AtomicU64>) -> Result<Self, SourceError> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        let came = Came { identity: identity(&mut file)?, size: input.size(), live: None };
        // A log may begin with anything.
        if about.is_file() && !is_log(manner) {
            let mut begin = Vec::new();
            file.by_ref().take(4).read_to_end(&mut begin)?;
            file.rewind()?;
            if begin == parquet::MAGIC {
                let at = At::part(Arc::new(file), 0, about.len(), Arc::clone(read));
                return Self::source(Box::new(Rows::open(at, MAX_ROW)?), input, came, manner);
            }
            if archive::told(&begin) == Some("zip") {
                let archive = Archive::zip(file, read)?;
                let members = Members::new(archive, path, came.identity, manner);
                return Ok(Self::Archive(Box::new(members)));
            }
        }
        let content = Content::open(Counted { inner: file, read: Arc::clone(read) }, Packed::Told)?;
        Self::content(content, input, came, manner)
    }

    fn content(
        content: impl Tell + 'static,
        input: &Input,
        came: Came,
        manner: &Manner,
    ) -> Result<Self, SourceError> {
        if is_log(manner) {
            return Self::source(Box::new(content), input, came, manner);
        }
        match within(content)? {
            Within::Plain(reader) => Self::source(reader, input, came, manner),
            Within::Archive("tar", reader) => {
                let path = input.path().unwrap_or(Path::new("(standard input)"));
                let members = Members::new(Archive::tar(reader), path, came.identity, manner);
                Ok(Self::Archive(Box::new(members)))
            }
            Within::Archive(kind, _) => Err(refused(kind)),
        }
    }

    fn source(
        reader: Box<dyn Tell>,
        input: &Input,
        came: Came,
        manner: &Manner,
    ) -> Result<Self, SourceError> {
        Source::of(reader, input, came, manner).map(Box::new).map(Self::File)
    }
}

impl Members {
    fn new(archive: Archive, path: &Path, identity: String, manner: &Manner) -> Self {
        // What an export puts beside its rows is no fault, as in a folder.
        let manner = Manner { found: true, ..manner.clone() };
        Self { archive, path: path.to_owned(), identity, manner }
    }

    fn member(&self, member: Member, input: &Input) -> Result<Source, SourceError> {
        let Member { number, name, reader } = member;
        // What has no identity itself, such as a pipe, has no files with one.
        let identity = match self.identity.as_str() {
            "" => String::new(),
            archive => format!("{archive}\0{number}\0{}", name.display()),
        };
        let came = Came { identity, ..Came::default() };
        let reader = match within(Content::open(reader?, Packed::Told)?)? {
            Within::Plain(reader) => reader,
            Within::Archive(kind, _) => {
                let what = format!(
                    "it is a {kind} archive within an archive; unpack the outer one, and import that"
                );
                return Err(SourceError::Kind(what));
            }
        };
        Source::of(reader, input, came, &self.manner)
    }
}

impl Iterator for Members {
    type Item = (Input, Result<Source, SourceError>);

    /// The next file. Where the archive itself cannot be read on, its error stands alone.
    fn next(&mut self) -> Option<Self::Item> {
        match self.archive.next()? {
            Ok(member) => {
                let input = Input::Member { archive: self.path.clone(), name: member.name.clone() };
                let source = self.member(member, &input);
                Some((input, source))
            }
            Err(error) => Some((Input::File(self.path.clone()), Err(error))),
        }
    }
}

fn is_log(manner: &Manner) -> bool {
    matches!(manner.format(), Some(Format::Gateway(_)))
}

fn refused(kind: &str) -> SourceError {
    SourceError::Kind(match kind {
        "zip" => "it is a zip archive that is packed or piped; import the zip file itself".to_owned(),
        kind => format!("it is a {kind} archive, which is not read; unpack it, and import what is in it"),
    })
}

/// What is packed, or comes from standard input, may be Parquet, which is read from its end on: so it is held.
fn within(mut content: impl Tell + 'static) -> Result<Within, SourceError> {
    let mut begin = Vec::new();
    content.by_ref().take(archive::HEAD as u64).read_to_end(&mut begin)?;
    let is_parquet = begin.starts_with(parquet::MAGIC);
    let kind = archive::told(&begin);
    let mut whole = Cursor::new(begin).chain(content);
    if let Some(kind) = kind {
        return Ok(Within::Archive(kind, Box::new(whole)));
    }
    if !is_parquet {
        return Ok(Within::Plain(Box::new(whole)));
    }
    let mut bytes = Vec::new();
    whole.by_ref().take(parquet::WITHIN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > parquet::WITHIN {
        let what =
            "it is Parquet of more than 64 MiB that is packed or piped; import the unpacked file itself";
        return Err(SourceError::Kind(what.to_owned()));
    }
    Ok(Within::Plain(Box::new(Rows::open(At::from(Bytes::from(bytes)), MAX_ROW)?)))
}

/// Tells this file, as it is now, from every other one.
fn identity(file: &mut File) -> io::Result<String> {
    let about = file.metadata()?;
    let mut hash = Sha256::new();
    if about.is_file() {
        let mut prefix = Vec::new();
        file.take(PREFIX).read_to_end(&mut prefix)?;
        file.seek(SeekFrom::Start(0))?;
        hash.update(&prefix);
    }
    for number in [about.dev(), about.ino(), about.size()] {
        hash.update(number.to_be_bytes());
    }
    for number in [about.mtime(), about.mtime_nsec()] {
        hash.update(number.to_be_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    Ok(halod_record::hash::hex(&digest).map(char::from).iter().collect())
}
