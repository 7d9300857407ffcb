#![no_main]

#[path = "../../../adapters/fuzz/langfuse.rs"]
mod langfuse;

libfuzzer_sys::fuzz_target!(|data: &[u8]| langfuse::langfuse(data));
