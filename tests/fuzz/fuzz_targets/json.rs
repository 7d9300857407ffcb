#![no_main]

#[path = "../../../record/fuzz/json.rs"]
mod json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| json::json(data));
