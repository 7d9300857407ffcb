//! The bytes of a log.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a file, and unpacks it if it is gzip: by its first bytes, unless it is known.
pub(super) fn open(path: &Path, packed: Option<bool>) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(2).read_to_end(&mut start)?;
    let packed = packed.unwrap_or(start == [0x1f, 0x8b]);
    let whole = io::Cursor::new(start).chain(file);
    Ok(if packed { Box::new(flate2::read::MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Reads some bytes; 0 at the end.
pub(super) fn read(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
