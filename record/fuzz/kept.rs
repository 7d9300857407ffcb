//! The body of the fuzz target of the spool's lines; a test of the usual suite runs this body as well.
//!
//! A line that is taken up is the line that the draft would be kept as: nothing else is ever sealed of a spool.

use halod_record::draft::{Draft, GENESIS};
use halod_record::json::parse;

/// How many of the lines are taken up.
pub(crate) fn kept(data: &[u8]) -> usize {
    let mut taken = 0;
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(draft) = Draft::take_up(line) else { continue };
        let record = parse(std::str::from_utf8(line).expect("it was read")).expect("it was read");
        let ts = record.get("ts").and_then(|ts| ts.as_str()).expect("a record has a time");
        let mut again = Vec::new();
        draft.seal(&GENESIS, ts.as_bytes().try_into().expect("as long as every time"), &mut again);
        assert_eq!(again.strip_suffix(b"\n"), Some(line));
        taken += 1;
    }
    taken
}
