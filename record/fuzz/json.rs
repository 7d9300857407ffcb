//! The body of the fuzz target of the JSON reader; a test of the usual suite runs this body as well.

use halod_record::json::parse;
use std::hint::black_box;

pub(crate) fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(parsed) => drop(black_box(parsed.clone())),
        Err(error) => assert!(error.offset <= text.len() && error.line >= 1 && error.column >= 1),
    }
}
