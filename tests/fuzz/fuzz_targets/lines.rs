#![no_main]

// What it tests is the logs' alone, and needs nothing else of it.
#[allow(dead_code)]
#[path = "../../../src/receivers/lines/split.rs"]
mod splitter;

#[path = "../lines.rs"]
mod lines;

use splitter::{Chain, Lines, Mark, Splitter};

libfuzzer_sys::fuzz_target!(|data: &[u8]| lines::bytes(data));
