#![no_main]

#[path = "../tee.rs"]
mod tee;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tee::tee(data));
