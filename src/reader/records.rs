//! The records of a chain file one after another, without keeping any.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The longest line that is looked at.
const LONGEST: u64 = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a chain's lines.
#[derive(Debug)]
pub struct Records {
    file: BufReader<File>,
    line: Vec<u8>,
    /// The number of the last line.
    pub number: u64,
}

impl Records {
    /// # Errors
    /// The file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self { file: BufReader::with_capacity(256 << 10, file), line: Vec::new(), number: 0 })
    }

    /// The bytes of the next line, with its `\n` if it has one; `None` at the end.
    ///
    /// # Errors
    /// The file can't be read, or a line is longer than a record can be.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = Read::by_ref(&mut self.file).take(LONGEST + 1).read_until(b'\n', &mut self.line)?;
        if read as u64 > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line is longer than 64 MiB: it is no record",
            ));
        }
        self.number += 1;
        Ok((read > 0).then_some(&self.line))
    }
}

/// The text of a line, without what ends it and what stands before the first; `None` of a line that is not UTF-8.
#[must_use]
pub fn text(line: &[u8], is_first: bool) -> Option<&str> {
    let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
    std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)).ok()
}

/// Whether there is nothing but white space, as Python has it.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// White space, as Python has it.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}')
}
