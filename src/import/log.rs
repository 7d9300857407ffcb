//! A log's lines as chunks of rows: as the one reader of log lines gives them.

use super::chunk::{Chunk, FileMeta, Place, Row};
use super::format::Format;
use super::position;
use super::source::Piece;
use crate::receivers::lines::manner::{FormatOf, Manner};
use crate::receivers::lines::read::{Reader, Told, WAITING};
use crate::receivers::lines::split::{Line, Lines, Mark, Splitter};
use bytes::Bytes;
use halo_adapters::gateway;
use std::ops::Range;
use std::sync::Arc;

/// Bytes and lines of a chunk, about.
const BYTES: usize = 1 << 20;
const LINES: usize = 20_000;

/// What comes of a log at a time: even where each byte is a line, a chunk stays small.
pub(super) const BLOCK: usize = 64 << 10;

/// The lines of one log, as its bytes come.
#[derive(Debug)]
pub(super) struct Log {
    reader: Reader,
    splitter: Splitter,
    lines: Lines,
    /// The format that the lines before have told.
    told: Option<gateway::Format>,
}

impl Log {
    /// # Errors
    /// Which setting makes no sense, and why.
    pub(super) fn new(manner: Manner) -> Result<Self, String> {
        let max = manner.max_line;
        let reader = Reader::new(manner).map_err(|(key, what)| format!("{key}: {what}"))?;
        let splitter = Splitter::new(Mark::default(), max).after_lines(1);
        Ok(Self { reader, splitter, lines: Lines::default(), told: None })
    }

    /// Goes on from where an earlier import stopped.
    pub(super) fn resume(&mut self, mark: &position::Mark) {
        let (offset, chain) = (mark.offset, mark.chain);
        let max = self.reader.manner().max_line;
        self.splitter = Splitter::new(Mark { offset, chain }, max).after_lines(mark.line);
        self.told = log_format(mark.told);
    }

    pub(super) fn push(&mut self, block: &[u8]) {
        self.splitter.push(block, &mut self.lines);
    }

    /// Takes what there is of a line as a whole one: the content has ended.
    pub(super) fn finish(&mut self) {
        self.splitter.finish(&mut self.lines);
    }

    pub(super) fn is_full(&self) -> bool {
        let full = self.lines.len() >= LINES || self.lines.held() >= BYTES;
        full && !Told { format: self.told, from: 0 }.waits(&self.reader, self.splitter.position())
    }

    /// Whether there are lines, and none of them waits for others to tell the format.
    pub(super) fn is_ready(&self) -> bool {
        let told = || Told::by(self.told, &self.reader, &self.lines);
        !self.lines.is_empty() && !told().waits(&self.reader, self.splitter.position())
    }

    /// The lines that are there, unless there are none.
    pub(super) fn take(&mut self, meta: &Arc<FileMeta>) -> Option<Piece> {
        if self.lines.is_empty() {
            return None;
        }
        let lines = std::mem::take(&mut self.lines);
        let told = Told::by(self.told, &self.reader, &lines);
        self.told = told.format;
        let (bytes, lines) = lines.into_parts();
        let rows = lines.into_iter().map(|(line, text)| row(line, text)).collect();
        let Mark { offset, chain } = self.splitter.mark();
        let told_format = self.told.map(|told| Format::Gateway(Some(told)));
        let mark = position::Mark {
            offset,
            line: self.splitter.number(),
            in_list: false,
            chain,
            wide: self.splitter.wide(),
            told: told_format,
        };
        let bytes = Bytes::from(bytes);
        let chunk = Chunk { meta: Arc::clone(meta), bytes, rows, told, traces: None, hole: None };
        Some(Piece { chunk: Some(chunk), oversized: Vec::new(), filtered: 0, mark })
    }
}

fn row(line: Line, text: Range<usize>) -> Row {
    let place = Place { line: line.number, offset: line.offset };
    Row { start: text.start, end: text.end, place, line: Some(line) }
}

/// The format of a log, if it is one.
pub(super) fn log_format(format: Option<Format>) -> Option<gateway::Format> {
    match format {
        Some(Format::Gateway(format)) => format,
        _ => None,
    }
}

/// Whether enough of a log is there for its format: it is told, or it is not waited for any more.
pub(super) fn tells(head: &[u8]) -> bool {
    head.len() as u64 >= WAITING || told(head, false).is_some()
}

/// The format that the first bytes of a log tell, as the receiver that follows it is told. `whole`: that is all
/// of it.
pub(super) fn told(head: &[u8], whole: bool) -> Option<gateway::Format> {
    let manner = Manner { format: FormatOf::Auto, ..Manner::default() };
    let mut log = Log::new(manner).ok()?;
    log.push(head);
    if whole {
        log.finish();
    }
    Told::by(None, &log.reader, &log.lines).format
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::source::{Input, Manner, Source};
    use super::*;
    use std::fmt::Write as _;

    /// Each line with its number, its text and the format it is read in.
    type Seen = Vec<(Line, u64, Vec<u8>, Option<gateway::Format>)>;

    fn read(source: &mut Source) -> (Seen, Vec<position::Mark>) {
        let (mut seen, mut marks) = (Vec::new(), Vec::new());
        while let Some(piece) = source.piece().unwrap() {
            let chunk = piece.chunk.unwrap();
            let one = |(at, row): (usize, &Row)| {
                (row.line.unwrap(), row.place.line, chunk.row(row).to_vec(), chunk.told.at(at))
            };
            seen.extend(chunk.rows.iter().enumerate().map(one));
            marks.push(piece.mark);
        }
        (seen, marks)
    }

    /// An import that was interrupted reads the rest as one in one go does.
    #[test]
    fn behind_each_piece_it_goes_on_with_the_same_lines() {
        let mut text = "no format\n\n".repeat(12_000);
        let line = |n: u32| {
            let zeros = "\0".repeat((n % 50 / 49) as usize);
            format!(
                "{zeros}10.0.0.1 - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages HTTP/1.1\" 200 {n}\r\n"
            )
        };
        (0..50_000).for_each(|n| write!(text, "{}", line(n)).unwrap());
        text.push_str("the end");
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.log");
        std::fs::write(&path, &text).unwrap();
        let manner = Manner { format: Some(Format::Gateway(None)), ..Manner::default() };
        let open = || Source::open(&Input::File(path.clone()), &manner, &Arc::default()).unwrap();
        let (whole, marks) = read(&mut open());
        assert!(marks.len() > 3, "{}", marks.len());
        assert_eq!(whole.len(), text.split_inclusive('\n').count());
        assert_eq!((whole[23_999].3, whole[24_000].3), (None, Some(gateway::Format::Combined)));
        for mark in marks {
            let mark: position::Mark = serde_json::from_str(&serde_json::to_string(&mark).unwrap()).unwrap();
            let mut source = open();
            source.resume(mark).unwrap();
            let from = whole.partition_point(|(line, ..)| line.offset < mark.offset);
            assert!(read(&mut source).0 == whole[from..], "{mark:?}");
        }
    }
}
