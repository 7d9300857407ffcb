//! One file, as chunks of its rows in bounded memory.

use super::MAX_ROW;
use super::chunk::{Chunk, FileMeta, Place, Reason, Row};
use super::csv;
use super::format::Format;
use super::log::{self, Log};
use super::manner::absolute;
use super::parquet::{self, At};
use super::position::Mark;
use super::scan::{Scanner, Shape, Span, Window};
use super::sniff::{self, About, Kind};
use super::zip::{self, Member};
use crate::receivers::lines::names::log_path;
use crate::receivers::lines::read::Told;
use crate::receivers::lines::unpack::{Content, Packed};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use super::manner::{Followed, Manner};

/// Bytes of rows in a chunk, about: large enough that a commit's sync is shared by many rows, small
/// enough that several are worked on side by side.
const CHUNK: usize = 1 << 20;

/// Rows in a chunk at most: their places take memory too.
const ROWS: usize = 20_000;

/// Bytes of a file that tell it from others, beside what the system says of it.
const PREFIX: u64 = 64 << 10;

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Stdin,
    File(PathBuf),
}

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Kind(String),
    #[error("breaks off: after byte {after} it {what}; what came before is imported")]
    Broken { after: u64, what: String },
}

/// A file that is open.
#[derive(Debug)]
pub struct Source {
    reader: Box<dyn Tell>,
    /// Where the reader reads, if lines are to be sealed as they come.
    live: Option<OwnedFd>,
    pub meta: Arc<FileMeta>,
    /// Bytes of the file as it lies there, where they are known.
    pub size: Option<u64>,
    scanner: Scanner,
    buffer: Vec<u8>,
    /// Where the buffer begins.
    base: u64,
    /// Lines that began before `counted`.
    line: u64,
    counted: u64,
    /// Of a log, its lines; they are told apart by it, and not by the scanner.
    log: Option<Log>,
    /// The line of a row whose begin is forgotten.
    forgotten: Option<u64>,
    ended: bool,
    /// What came is not all of the file.
    broken: bool,
    failed: Option<SourceError>,
}

/// What the next step through a file brings.
#[derive(Debug, Default)]
pub struct Piece {
    pub chunk: Option<Chunk>,
    /// Rows that are too large to be read at all.
    pub oversized: Vec<Reason>,
    /// Where the file goes on after it.
    pub mark: Mark,
}

trait Tell: Read + Send + std::fmt::Debug {}
impl<T: Read + Send + std::fmt::Debug> Tell for T {}

/// Counts what is read, for whoever shows progress.
#[derive(Debug)]
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

impl Input {
    /// As it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "(standard input)".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Bytes to be read, where they are known.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.metadata().ok().filter(|file| file.is_file()).map(|file| file.len()),
        }
    }
}

impl Source {
    /// Opens a file and looks what it is. `read` counts the bytes that are read of it.
    ///
    /// # Errors
    /// It can't be read, or is nothing that can be imported.
    pub fn open(input: &Input, manner: &Manner, read: &Arc<AtomicU64>) -> Result<Self, SourceError> {
        let mut live = None;
        let counted = |inner| Counted { inner, read: Arc::clone(read) };
        let (file, size, identity): (Box<dyn Tell>, _, _) = match input {
            Input::Stdin => {
                // Without the buffer of the library's, so that it can be asked whether more is there.
                let own = io::stdin().as_fd().try_clone_to_owned()?;
                live = Some(own.try_clone()?);
                (Box::new(Counted { inner: File::from(own), read: Arc::clone(read) }), None, String::new())
            }
            Input::File(path) => {
                let mut file = File::open(path)?;
                let about = file.metadata()?;
                if about.is_dir() {
                    return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
                }
                let identity = identity(&mut file)?;
                let may_be_packed = about.is_file() && !matches!(manner.format(), Some(Format::Gateway(_)));
                let file: Box<dyn Tell> = if may_be_packed && parquet::is(&mut file)? {
                    let at = At::file(file, 0, about.len(), Arc::clone(read));
                    Box::new(parquet::Rows::open(at, MAX_ROW)?)
                } else {
                    match if may_be_packed { zip::find(&mut file)? } else { None } {
                        Some(entry) => Box::new(Member::new(counted(file), &entry)),
                        None => Box::new(counted(file)),
                    }
                };
                (file, input.size(), identity)
            }
        };
        let content = Content::open(file, Packed::Told)?;
        let live = live.filter(|_| !content.is_packed());
        let reader: Box<dyn Tell> = match manner.format() {
            Some(Format::Gateway(_)) => Box::new(content),
            _ => parquet_within(content)?,
        };
        let known = manner.followed.as_ref().map(|followed| followed.path.as_path());
        let meta = FileMeta {
            format: Format::Otlp,
            shape: Shape::Lines,
            identity,
            log: match input {
                Input::Stdin => input.name(),
                Input::File(path) => log_path(&absolute(known.unwrap_or(path))?),
            },
            lines: None,
            columns: Vec::new(),
            tenant: manner.tenant.clone(),
        };
        let mut source = Self {
            reader,
            live,
            meta: Arc::new(meta.clone()),
            size,
            scanner: Scanner::new(Shape::Lines, 0, false),
            buffer: Vec::new(),
            base: 0,
            line: 1,
            counted: 0,
            log: None,
            forgotten: None,
            ended: false,
            broken: false,
            failed: None,
        };
        source.look(input, meta, manner)?;
        Ok(source)
    }

    /// Looks what it is, and reads what stands before its rows.
    fn look(&mut self, input: &Input, mut meta: FileMeta, manner: &Manner) -> Result<(), SourceError> {
        let log = manner.known().or(manner.format()).filter(|format| matches!(format, Format::Gateway(_)));
        while self.buffer.len() < sniff::HEAD && !self.ended {
            match log {
                Some(log) if self.live.is_some() => {
                    self.fill_some();
                    if log != Format::Gateway(None) || log::tells(&self.buffer) {
                        break;
                    }
                }
                _ => self.fill(sniff::HEAD),
            }
        }
        if self.buffer.is_empty()
            && let Some(error) = self.failed.take()
        {
            return Err(error);
        }
        let name = match input {
            Input::Stdin => None,
            Input::File(path) => Some(path.as_path()),
        };
        let about = About { name, format: manner.format(), found: manner.found };
        let kind = match manner.known() {
            Some(format) => Kind { format, shape: Shape::Lines, skip: 0 },
            None => sniff::kind(&self.buffer, self.ended, about).map_err(SourceError::Kind)?,
        };
        meta.format = kind.format;
        meta.shape = kind.shape;
        if let Format::Gateway(_) = kind.format {
            let lines = manner.lines();
            self.log = Some(Log::new(lines.clone()).map_err(SourceError::Kind)?);
            meta.lines = Some(lines);
        }
        self.scanner = Scanner::new(kind.shape, kind.skip, false);
        if kind.shape.separator().is_some() {
            let window = Window { bytes: &self.buffer, base: self.base };
            let first = self.scanner.next(&window, self.ended).map(|span| window.slice(span).to_vec());
            let names = first.ok_or_else(|| SourceError::Kind("its first line is too long".to_owned()))?;
            let names = String::from_utf8(names)
                .map_err(|_| SourceError::Kind("its first line is not UTF-8".to_owned()))?;
            let fields = csv::fields(&names, kind.shape)
                .map_err(|why| SourceError::Kind(format!("its first line names no columns: {why}")))?;
            meta.columns = fields.into_iter().map(Into::into).collect();
        }
        self.meta = Arc::new(meta);
        Ok(())
    }

    /// Goes on from where an earlier import stopped.
    ///
    /// # Errors
    /// The file can't be read so far.
    pub fn resume(&mut self, mark: Mark) -> Result<(), SourceError> {
        while self.base + (self.buffer.len() as u64) < mark.offset && !self.ended {
            self.base += self.buffer.len() as u64;
            self.buffer.clear();
            self.fill(CHUNK);
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let skip = usize::try_from(mark.offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.buffer.drain(..skip.min(self.buffer.len()));
        self.base = mark.offset;
        (self.line, self.counted) = (mark.line, mark.offset);
        if let Some(log) = &mut self.log {
            log.resume(&mark);
        }
        self.scanner = Scanner::new(self.meta.shape, mark.offset, mark.in_list);
        Ok(())
    }

    /// The next rows; `None` at the end. Blocks while the file is read.
    ///
    /// # Errors
    /// The file breaks off; said after all rows before that place.
    pub fn piece(&mut self) -> Result<Option<Piece>, SourceError> {
        if let Some(mut log) = self.log.take() {
            let piece = self.lines(&mut log);
            self.log = Some(log);
            return piece;
        }
        let mut rows = Vec::new();
        let mut oversized = Vec::new();
        loop {
            let last = self.ended && self.failed.is_none();
            let mut full = false;
            while let Some(span) = self.scanner.next(&Window { bytes: &self.buffer, base: self.base }, last) {
                self.row(span.start, span.end, &mut rows, &mut oversized);
                full = rows.last().is_some_and(|row: &Row| row.end >= CHUNK) || rows.len() >= ROWS;
                if full {
                    break;
                }
            }
            if full || self.ended || self.buffer.len() >= CHUNK && !(rows.is_empty() && oversized.is_empty())
            {
                break;
            }
            if let Some(span) = self.unclosed() {
                self.row(span.start, span.end, &mut rows, &mut oversized);
                continue;
            }
            self.drop_oversized();
            self.fill(CHUNK);
        }
        if rows.is_empty() && oversized.is_empty() {
            return match self.failed.take() {
                Some(error) => Err(error),
                None => Ok(None),
            };
        }
        Ok(Some(self.take(rows, oversized)))
    }

    /// The next lines of a log.
    fn lines(&mut self, log: &mut Log) -> Result<Option<Piece>, SourceError> {
        while !log.is_full() {
            if self.buffer.is_empty() && !self.ended {
                match &self.live {
                    // What is there is sealed before more is waited for.
                    Some(live) if log.is_ready() && !is_readable(live) => break,
                    Some(_) => self.fill_some(),
                    None => self.fill(log::BLOCK),
                }
            }
            let block = self.buffer.len().min(log::BLOCK);
            if block == 0 {
                // What there is of a line where a file breaks off is none.
                if !self.broken {
                    log.finish();
                }
                break;
            }
            log.push(&self.buffer[..block]);
            self.buffer.drain(..block);
            self.base += block as u64;
        }
        match log.take(&self.meta) {
            Some(piece) => Ok(Some(piece)),
            None => self.failed.take().map_or(Ok(None), Err),
        }
    }

    fn row(&mut self, start: u64, end: u64, rows: &mut Vec<Row>, oversized: &mut Vec<Reason>) {
        let line = self.line_of(start);
        let place = Place { line: self.forgotten.take().unwrap_or(line), offset: start };
        if start < self.base || end - start > MAX_ROW as u64 {
            let what = format!("a row of {} bytes; at most {MAX_ROW} are read", end - start);
            self.line_of(end);
            oversized.push(Reason { place, what });
            return;
        }
        let within = |at: u64| usize::try_from(at - self.base).unwrap_or(usize::MAX);
        let row = Row { start: within(start), end: within(end), place, line: None };
        let bytes = self.buffer.get(row.start..row.end).unwrap_or_default();
        if self.meta.shape == Shape::Framed || !bytes.trim_ascii().is_empty() {
            rows.push(row);
        }
    }

    /// The number of the line at `at`; asked for in order. 0 where there are no lines.
    fn line_of(&mut self, at: u64) -> u64 {
        if matches!(self.meta.shape, Shape::Framed | Shape::Whole) {
            return 0;
        }
        let slice = |at: u64| usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let between = self.buffer.get(slice(self.counted)..slice(at)).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', between).count() as u64;
        self.counted = self.counted.max(at);
        self.line
    }

    /// Takes the rows out of the buffer.
    fn take(&mut self, rows: Vec<Row>, oversized: Vec<Reason>) -> Piece {
        let from = self.scanner.keep_from().max(self.base);
        let line = self.line_of(from);
        let mark = Mark { offset: from, line, in_list: self.scanner.in_list(), ..Mark::default() };
        let taken = usize::try_from(from - self.base).unwrap_or(usize::MAX).min(self.buffer.len());
        let rest = self.buffer.split_off(taken);
        let bytes = Bytes::from(std::mem::replace(&mut self.buffer, rest));
        self.base = from;
        let meta = Arc::clone(&self.meta);
        let chunk =
            (!rows.is_empty()).then(|| Chunk { meta, bytes, rows, told: Told::default(), traces: None });
        Piece { chunk, oversized, mark }
    }

    /// The record of a table that is larger than any may be because a quote of its is not closed.
    fn unclosed(&mut self) -> Option<Span> {
        if self.scanner.at() - self.scanner.keep_from() <= MAX_ROW as u64 {
            return None;
        }
        self.scanner.give_up(&Window { bytes: &self.buffer, base: self.base })
    }

    /// Forgets the begin of a row that is larger than any may be.
    fn drop_oversized(&mut self) {
        let (at, start) = (self.scanner.at(), self.scanner.keep_from());
        if start >= self.base && at - start <= MAX_ROW as u64 {
            return;
        }
        let line = self.line_of(start);
        self.forgotten.get_or_insert(line);
        self.line_of(at);
        let gone = usize::try_from(at - self.base).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.drain(..gone);
        self.base = at;
    }

    /// Reads what is there, and waits only for the first of it.
    fn fill_some(&mut self) {
        let mut block = vec![0; log::BLOCK];
        loop {
            match self.reader.read(&mut block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    self.buffer
                        .extend_from_slice(block.get(..*read.as_ref().unwrap_or(&0)).unwrap_or_default());
                    return self.filled(read);
                }
            }
        }
    }

    /// Reads about `more` bytes.
    fn fill(&mut self, more: usize) {
        let read = (&mut self.reader).take(more as u64).read_to_end(&mut self.buffer);
        self.filled(read);
    }

    fn filled(&mut self, read: io::Result<usize>) {
        match read {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) => {
                (self.ended, self.broken) = (true, true);
                let after = self.base + self.buffer.len() as u64;
                self.failed = Some(SourceError::Broken { after, what: format!("can't be read: {error}") });
            }
        }
    }
}

/// What is packed, or comes from standard input, may be Parquet, which is read from its end on: so it is held.
fn parquet_within(mut content: impl Tell + 'static) -> io::Result<Box<dyn Tell>> {
    let mut begin = Vec::new();
    content.by_ref().take(parquet::MAGIC.len() as u64).read_to_end(&mut begin)?;
    let is_parquet = begin == parquet::MAGIC;
    let mut whole = io::Cursor::new(begin).chain(content);
    if !is_parquet {
        return Ok(Box::new(whole));
    }
    let mut bytes = Vec::new();
    whole.by_ref().take(parquet::WITHIN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > parquet::WITHIN {
        let what =
            "it is Parquet of more than 64 MiB that is packed or piped; import the unpacked file itself";
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    Ok(Box::new(parquet::Rows::open(At::from(Bytes::from(bytes)), MAX_ROW)?))
}

/// Whether a read would not wait; also where that can't be told.
fn is_readable(file: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut asked = [PollFd::new(file, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0)
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
