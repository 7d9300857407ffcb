//! Redaction of any text: no panic, within its caps, masking again changes nothing, and a key put
//! into the text is never readable.
#![no_main]

use halo_adapters::json::{Json, parse};
use halod::record::redact::{Findings, MAX_SUMMARY, MAX_TEXT, Redactor};
use std::sync::LazyLock;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::new);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for masked in [REDACTOR.text(text), REDACTOR.named(text)] {
        assert!(masked.chars().count() <= MAX_TEXT.max(text.chars().count()));
    }
    let once = REDACTOR.text(text);
    assert!(once.chars().count() <= MAX_TEXT);
    assert_eq!(REDACTOR.text(&once), once);
    let key = "sk-q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1";
    let at = text.char_indices().nth(text.len() / 7).map_or(0, |(at, _)| at);
    let with_key = format!("{} {key} {}", &text[..at], &text[at..]);
    assert!(!REDACTOR.text(&with_key).contains(&key[8..]));
    let mut findings = Findings::default();
    REDACTOR.scan_text(text, &mut findings);
    let value = parse(text).unwrap_or(Json::str(text));
    REDACTOR.scan(&value, &mut findings);
    for summary in [REDACTOR.summary_input(&value), REDACTOR.summary_outcome(&value)].into_iter().flatten() {
        assert!(summary.chars().count() <= MAX_SUMMARY);
    }
});
