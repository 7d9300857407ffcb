#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

#[path = "../query.rs"]
mod query;

/// One for each process.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("halo-fuzz-query-{}.jsonl", std::process::id())));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    query::query(data, &FILE);
});
