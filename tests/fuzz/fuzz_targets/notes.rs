#![no_main]

#[path = "../notes.rs"]
mod notes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    notes::notes(data);
});
