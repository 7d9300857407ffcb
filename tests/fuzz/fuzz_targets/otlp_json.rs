#![no_main]

#[allow(dead_code)]
#[path = "../../../adapters/fuzz/otel.rs"]
mod otel;

libfuzzer_sys::fuzz_target!(|data: &[u8]| otel::otlp_json(data));
