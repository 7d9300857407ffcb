#![no_main]

#[path = "../../../adapters/fuzz/transcript.rs"]
mod transcript;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    transcript::transcript(data);
});
