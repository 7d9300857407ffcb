//! One file, as chunks of its rows in bounded memory.

use super::MAX_ROW;
use super::chunk::{Chunk, FileMeta, Place, Reason, Row};
use super::csv;
use super::format::Format;
use super::log::{self, Log};
use super::manner::absolute;
use super::position::Mark;
use super::scan::{Scanner, Shape, Span, Window};
use super::sniff::{self, About, Kind};
use super::transcript::Transcript;
use crate::receivers::lines::names::log_path;
use crate::receivers::lines::read::Told;
use bytes::Bytes;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use super::manner::{Followed, Manner};
use super::open::Tell;
pub use super::open::{Input, Members, Opened};

/// Bytes of rows in a chunk, about: large enough that a commit's sync is shared by many rows, small
/// enough that several are worked on side by side.
const CHUNK: usize = 1 << 20;

/// Rows in a chunk at most: their places take memory too.
const ROWS: usize = 20_000;

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
    /// Of a transcript, its actions: a row of its is told in several lines.
    transcript: Option<Transcript>,
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
    /// Rows that tell of nothing that an agent did, and are not in the chunk.
    pub filtered: u64,
    /// Where the file goes on after it.
    pub mark: Mark,
}

/// What is known of a content beside its bytes.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// Where it is read from, if lines are to be sealed as they come.
    pub(super) live: Option<OwnedFd>,
    /// What tells it from every other one.
    pub(super) identity: String,
    /// Bytes of the file as it lies there, where they are known.
    pub(super) size: Option<u64>,
}

impl Source {
    /// Opens a file that is no archive and looks what it is. `read` counts the bytes that are read of it.
    ///
    /// # Errors
    /// It can't be read, or is nothing that can be imported.
    pub fn open(input: &Input, manner: &Manner, read: &Arc<AtomicU64>) -> Result<Self, SourceError> {
        match Opened::open(input, manner, read)? {
            Opened::File(source) => Ok(*source),
            Opened::Archive(_) => Err(SourceError::Kind("it is an archive of files".to_owned())),
        }
    }

    /// Looks what a content is.
    pub(super) fn of(
        reader: Box<dyn Tell>,
        input: &Input,
        came: Came,
        manner: &Manner,
    ) -> Result<Self, SourceError> {
        let Came { live, identity, size } = came;
        let known = manner.followed.as_ref().map(|followed| followed.path.as_path());
        let meta = FileMeta {
            format: Format::Otlp,
            shape: Shape::Lines,
            identity,
            log: match input {
                Input::Stdin => input.name(),
                Input::File(path) | Input::Member { archive: path, .. } => {
                    log_path(&absolute(known.unwrap_or(path))?)
                }
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
            transcript: None,
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
        let about = About { name: input.path(), format: manner.format(), found: manner.found };
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
        if let Format::Transcript(client) = kind.format {
            self.transcript = Some(Transcript::new(client));
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
        match self.transcript.take() {
            Some(mut transcript) => {
                let meta = Arc::clone(&self.meta);
                let piece = transcript.piece(&meta, || self.rows());
                self.transcript = Some(transcript);
                piece
            }
            None => self.rows(),
        }
    }

    /// The next rows as they stand in the file.
    fn rows(&mut self) -> Result<Option<Piece>, SourceError> {
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
        let chunk = (!rows.is_empty()).then(|| Chunk {
            meta,
            bytes,
            rows,
            told: Told::default(),
            traces: None,
            hole: None,
        });
        Piece { chunk, oversized, filtered: 0, mark }
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

/// Whether a read would not wait; also where that can't be told.
fn is_readable(file: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut asked = [PollFd::new(file, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0)
}
