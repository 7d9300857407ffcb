#![no_main]

#[path = "../witness.rs"]
mod witness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    witness::witness(data);
});
