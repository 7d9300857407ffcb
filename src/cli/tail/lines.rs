//! The lines of a file, each of bounded length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes kept of a line: the default of `max_log_size`.
pub(super) const MAX_LINE: usize = 1 << 20;

pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    offset: u64,
}

/// A line without its break.
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) offset: u64,
    pub(super) cut: bool,
}

impl Lines {
    /// Opens a file, and unpacks it if it is gzip.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(2).read_to_end(&mut start)?;
        let packed = start == [0x1f, 0x8b];
        let whole = io::Cursor::new(start).chain(file);
        let reader: Box<dyn BufRead> = if packed {
            Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(whole)))
        } else {
            Box::new(BufReader::new(whole))
        };
        Ok(Self { reader, offset: 0 })
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Line { bytes: Vec::new(), offset: self.offset, cut: false };
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr::memchr(b'\n', buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let room = MAX_LINE - line.bytes.len();
            line.bytes.extend_from_slice(part.get(..room).unwrap_or(part));
            line.cut |= part.len() > room;
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            self.offset += used as u64;
            // Nothing was left of the file.
            if end.is_some() || used == 0 {
                return Ok(Some(line).filter(|line| self.offset > line.offset));
            }
        }
    }
}
