#![no_main]

#[path = "../../../record/fuzz/foreign.rs"]
mod foreign;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    foreign::foreign(data);
});
