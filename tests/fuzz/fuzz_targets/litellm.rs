#![no_main]

#[allow(dead_code)]
#[path = "../../../adapters/fuzz/items.rs"]
mod items;

libfuzzer_sys::fuzz_target!(|data: &[u8]| items::litellm(data));
