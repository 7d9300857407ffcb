#![no_main]

#[allow(dead_code)]
#[path = "../../../adapters/fuzz/gateway.rs"]
mod gateway;

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway::text(data));
