#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

#[path = "../../../record/fuzz/chain.rs"]
mod chain;

/// One for each process.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("halo-fuzz-{}.jsonl", std::process::id())));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    chain::chain(data, &FILE);
});
