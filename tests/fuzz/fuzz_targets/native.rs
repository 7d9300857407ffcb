#![no_main]

#[path = "../../../adapters/fuzz/native.rs"]
mod native;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    native::native(data);
});
