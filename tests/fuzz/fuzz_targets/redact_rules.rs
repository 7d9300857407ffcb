#![no_main]

#[path = "../../../record/fuzz/rules.rs"]
mod rules;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    rules::rules(data);
});
