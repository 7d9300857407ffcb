#![no_main]

#[path = "../../../record/fuzz/kept.rs"]
mod kept;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    kept::kept(data);
});
