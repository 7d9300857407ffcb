#![no_main]

#[path = "../../../record/fuzz/redact.rs"]
mod redact;

libfuzzer_sys::fuzz_target!(|data: &[u8]| redact::redact(data));
