#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

#[path = "../../../chain/fuzz/journal.rs"]
mod journal;

/// One for each process.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("halo-fuzz-journal-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the segments");
    directory
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    journal::journal(data, &DIRECTORY);
});
