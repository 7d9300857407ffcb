//! The body of the fuzz target of the hold's log; a test of the usual suite runs this body as well. A line that
//! is read writes the same line again.

use halod::hold::line::Line;

/// 1 if it is a line.
pub(crate) fn hold_line(data: &[u8]) -> usize {
    // Almost nothing has the right checksum, so it is put there.
    let line = [format!("{:08x} ", crc32fast::hash(data)).as_bytes(), data].concat();
    let Some(read) = Line::read(&line) else { return 0 };
    let mut again = Vec::new();
    read.write(&mut again);
    assert_eq!(Line::read(again.strip_suffix(b"\n").unwrap_or_default()), Some(read));
    1
}
