#![no_main]

#[path = "../lines.rs"]
mod lines;

use halod::receivers::lines::split::{Chain, Lines, Mark, Splitter};

libfuzzer_sys::fuzz_target!(|data: &[u8]| lines::bytes(data));
