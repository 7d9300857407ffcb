//! The bytes of a log.

use crate::receivers::lines::unpack::{Content, Packed};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a file, and unpacks it if it is gzip: as the daemon does where it is `known` whether the file's name says
/// so, else by its first bytes.
pub(super) fn open(path: &Path, known: Option<bool>) -> io::Result<Content<File>> {
    let packed = known.map_or(Packed::Told, |named| if named { Packed::Named } else { Packed::No });
    Content::open(File::open(path)?, packed)
}

/// Reads some bytes; 0 at the end.
pub(super) fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
