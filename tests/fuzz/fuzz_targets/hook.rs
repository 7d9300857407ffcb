#![no_main]

#[path = "../../../adapters/fuzz/hook.rs"]
mod hook;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hook::hook(data);
});
