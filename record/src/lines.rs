//! A file in chunks of whole lines.
//!
//! Lines end at `\n` and nowhere else: a `\r` is JSON whitespace, and U+2028 may stand in a
//! string. A byte-order mark at the very start is not part of the first line.

use std::io::{self, Read};

/// Bytes read at a time: few enough to still be in a core's cache when they are checked.
const READ: usize = 128 << 10;

/// The longest line that is looked at.
pub const MAX_LINE: usize = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a file can't be read further.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    LineTooLong { line: u64 },
}

/// Hands out a source chunk by chunk.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    /// The start of a line whose end has not been read.
    carry: Vec<u8>,
    begun: bool,
    next_line: u64,
    ended: bool,
}

/// Some whole lines; the last one of a file may lack its `\n`.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// Bytes to leave out at the start.
    skip: usize,
    /// The number of its first line, from 1.
    pub first_line: u64,
    pub lines: u64,
}

impl<R: Read> Reader<R> {
    #[must_use]
    pub fn new(source: R) -> Self {
        Self { source, carry: Vec::new(), begun: false, next_line: 1, ended: false }
    }

    /// The same for a source that begins at a line of this number, from 1.
    #[must_use]
    pub fn at_line(source: R, line: u64) -> Self {
        Self { begun: line > 1, next_line: line, ..Self::new(source) }
    }

    /// The next chunk, in `buffer`, whose content is replaced; `None` at the end.
    ///
    /// # Errors
    /// The source fails, or a line is longer than [`MAX_LINE`].
    pub fn next_chunk(&mut self, buffer: Vec<u8>) -> Result<Option<Chunk>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let chunk = self.read_chunk(buffer);
        // Nothing that follows an error is known to start at the start of a line.
        self.ended |= chunk.is_err();
        chunk
    }

    fn read_chunk(&mut self, mut buffer: Vec<u8>) -> Result<Option<Chunk>, ReadError> {
        buffer.clear();
        buffer.append(&mut self.carry);
        loop {
            let old = buffer.len();
            buffer.resize(old + READ, 0);
            let read = self.read(buffer.get_mut(old..).unwrap_or_default())?;
            buffer.truncate(old + read);
            if read == 0 {
                self.ended = true;
                break;
            }
            if let Some(at) = memchr::memrchr(b'\n', buffer.get(old..).unwrap_or_default()) {
                self.carry.extend_from_slice(buffer.get(old + at + 1..).unwrap_or_default());
                buffer.truncate(old + at + 1);
                break;
            }
            if buffer.len() > MAX_LINE {
                return Err(ReadError::LineTooLong { line: self.next_line });
            }
        }
        Ok((!buffer.is_empty()).then(|| self.chunk(buffer)))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.source.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(ReadError::Io),
            }
        }
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> Chunk {
        let ends = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let lines = ends + u64::from(bytes.last() != Some(&b'\n'));
        let first_line = self.next_line;
        let marked = !std::mem::replace(&mut self.begun, true) && bytes.starts_with(BYTE_ORDER_MARK);
        self.next_line += lines;
        Chunk { bytes, skip: if marked { BYTE_ORDER_MARK.len() } else { 0 }, first_line, lines }
    }
}

impl Chunk {
    /// Numbered lines without their `\n`.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let bytes = self.bytes();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut from = 0;
        let mut ends = memchr::memchr_iter(b'\n', bytes);
        let mut last = false;
        let lines = std::iter::from_fn(move || {
            if last {
                return None;
            }
            let end = ends.next().unwrap_or_else(|| {
                last = true;
                bytes.len()
            });
            let line = bytes.get(from..end);
            from = end + 1;
            line
        });
        (self.first_line..).zip(lines)
    }

    /// The lines as they lie in the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.skip..).unwrap_or_default()
    }

    /// Bytes of the file that it is of.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The chunk's memory, to be used again. That of an unusually long line is given back.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        if self.bytes.capacity() > 8 * READ { Vec::new() } else { self.bytes }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut reader = Reader::new(bytes);
        let mut found = Vec::new();
        let mut buffer = Vec::new();
        while let Some(chunk) = reader.next_chunk(buffer).unwrap() {
            found.extend(chunk.iter().map(|(line, bytes)| (line, bytes.to_vec())));
            buffer = chunk.into_buffer();
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_whole() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [(1, vec![])]);
        assert_eq!(lines(b"a\n\nb"), [(1, b"a".to_vec()), (2, vec![]), (3, b"b".to_vec())]);
        assert_eq!(lines(b"\xEF\xBB\xBFa\r\n"), [(1, b"a\r".to_vec())]);
        assert_eq!(lines(b"\xEF\xBB\xBF"), [(1, vec![])]);
    }

    #[test]
    fn lines_survive_the_edges_of_chunks() {
        let mut file = Vec::new();
        let mut expected = Vec::new();
        for n in 1..4000u64 {
            let line = format!("{n}{}", "x".repeat((n * 37 % 1500) as usize)).into_bytes();
            file.extend_from_slice(&line);
            file.push(b'\n');
            expected.push((n, line));
        }
        assert!(file.len() > 4 * READ);
        assert_eq!(lines(&file), expected);
        let long = vec![b'y'; 3 * READ];
        assert_eq!(lines(&long), [(1, long.clone())]);
    }

    #[test]
    fn endless_lines_are_refused() {
        let mut reader = Reader::new(io::repeat(b'x'));
        assert!(matches!(reader.next_chunk(Vec::new()), Err(ReadError::LineTooLong { line: 1 })));
        assert!(matches!(reader.next_chunk(Vec::new()), Ok(None)));
    }
}
