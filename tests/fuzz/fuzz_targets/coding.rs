#![no_main]

#[path = "../coding.rs"]
mod coding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coding::coding(data);
});
