#![no_main]

#[path = "../../../adapters/fuzz/langsmith.rs"]
mod langsmith;

libfuzzer_sys::fuzz_target!(|data: &[u8]| langsmith::langsmith(data));
