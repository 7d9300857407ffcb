#![no_main]

// What it tests is nobody's but the import's, and needs nothing else of it.
#[allow(dead_code)]
#[path = "../../../src/import/scan.rs"]
mod scan;

#[path = "../rows.rs"]
mod rows;

use scan::{Scanner, Shape, Span, Window};

libfuzzer_sys::fuzz_target!(|data: &[u8]| rows::bytes(data));
