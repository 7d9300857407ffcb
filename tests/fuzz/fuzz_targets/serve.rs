#![no_main]

use halod::reader::access::secret::Secret;
use std::sync::LazyLock;

#[path = "../serve.rs"]
mod serve;

static SECRET: LazyLock<Secret> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("halod-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    Secret::open(&directory).expect("a secret")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    serve::serve(data, &SECRET);
});
