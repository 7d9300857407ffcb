//! A report in one file: the page, and behind it what is given and the records, packed.

use super::given::Given;
use super::make::MakeError;
use super::page;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// What a file holds at most; a larger chain is a folder's.
pub const MAX_RECORDS: u64 = 5_000;
pub const MAX_PACKED: usize = 5 << 20;

/// Records packed for a file.
#[derive(Debug)]
pub struct Packed(GzEncoder<Capped>);

/// Bytes, up to as many as a file may hold.
#[derive(Debug, Default)]
struct Capped {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full |= self.bytes.len() + bytes.len() > MAX_PACKED;
        if !self.is_full {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for Packed {
    fn default() -> Self {
        Self(GzEncoder::new(Capped::default(), Compression::default()))
    }
}

impl Packed {
    /// The first bytes of a chain's file; `None` where they are too many for a file.
    ///
    /// # Errors
    /// The chain can't be read.
    pub fn chain(chain: &Path, bytes: u64) -> io::Result<Option<Self>> {
        let (mut own, mut rest) = (Self::default(), File::open(chain)?.take(bytes));
        let mut piece = vec![0; 128 << 10];
        loop {
            match rest.read(&mut piece)? {
                0 => return Ok(Some(own)),
                read if own.add(piece.get(..read).unwrap_or_default())? => {}
                _ => return Ok(None),
            }
        }
    }

    /// Adds bytes, and tells whether there was room.
    ///
    /// # Errors
    /// Never, as they go to memory.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.0.write_all(bytes)?;
        Ok(!self.0.get_ref().is_full)
    }

    /// The report's file; `None` where the records are too many bytes.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn report(self, given: &Given) -> io::Result<Option<String>> {
        let Capped { bytes, is_full } = self.0.finish()?;
        if is_full {
            return Ok(None);
        }
        let html = page::html();
        let mut report = String::with_capacity(html.len() + bytes.len() / 3 * 4 + 4096);
        report.push_str(html);
        report.push_str(&page::attached("halo-given", given.json().as_bytes()));
        report.push_str(&page::attached("halo-records", &bytes));
        Ok(Some(report))
    }
}

/// Goes through the lines of the first bytes of a chain that are not blank, in memory of one line: its number among them, from 1, and
/// its text with the line feed.
pub(super) fn each_line(
    chain: &Path,
    bytes: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), MakeError>,
) -> Result<(), MakeError> {
    let file = File::open(chain).map_err(MakeError::read(chain))?;
    let mut reader = BufReader::with_capacity(256 << 10, file.take(bytes));
    let (mut line, mut number) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line).map_err(MakeError::read(chain))? > 0 {
        let text = line.strip_prefix(b"\xEF\xBB\xBF").filter(|_| number == 0).unwrap_or(&line);
        if !text.trim_ascii().is_empty() {
            number += 1;
            each(number, text)?;
        }
        line.clear();
    }
    Ok(())
}
