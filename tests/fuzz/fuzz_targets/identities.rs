#![no_main]

#[path = "../identities.rs"]
mod identities;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    identities::identities(data);
});
