#![no_main]

#[path = "../hold_line.rs"]
mod hold_line;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hold_line::hold_line(data);
});
