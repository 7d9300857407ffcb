#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

#[path = "../import.rs"]
mod import;

/// One for each process.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("halo-fuzz-import-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for files");
    directory
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    import::import(data, &DIRECTORY);
});
