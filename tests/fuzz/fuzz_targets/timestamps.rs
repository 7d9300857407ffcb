#![no_main]

#[path = "../../../timestamp/fuzz/timestamps.rs"]
mod timestamps;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    timestamps::timestamps(data);
});
