//! A line of the hold's log: what is read writes the same line again.
#![no_main]

use halod::hold::line::Line;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Almost nothing has the right checksum, so it is put there.
    let line = [format!("{:08x} ", crc32fast::hash(data)).as_bytes(), data].concat();
    if let Some(read) = Line::read(&line) {
        let mut again = Vec::new();
        read.write(&mut again);
        assert_eq!(Line::read(again.strip_suffix(b"\n").unwrap_or_default()), Some(read));
    }
});
