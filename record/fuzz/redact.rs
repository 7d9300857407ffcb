//! The body of the fuzz target of redaction; a test of the usual suite runs this body as well.
//! No panic, within its caps, masking again changes nothing, a key put into the text is never
//! readable, and one call for findings and summary says what two say.

use halod_record::json::{Json, parse};
use halod_record::redact::{Findings, MAX_SUMMARY, MAX_TEXT, Redactor};
use std::sync::LazyLock;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::new);

/// A key of the reference's, ours by prefix, ours in parts, and one by its looks.
const KEYS: [&str; 4] = [
    "sk-q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1",
    "glpat-q7Wm2Zx9Lk4Tn8Vb3Yc6",
    "dt0c01.ST2EY72KQINMH574WMNVI7YN.0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1Pf5Rg0Js",
];

pub(crate) fn redact(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for masked in [REDACTOR.text(text), REDACTOR.named(text)] {
        assert!(masked.chars().count() <= MAX_TEXT.max(text.chars().count()));
    }
    let once = REDACTOR.text(text);
    assert!(once.chars().count() <= MAX_TEXT);
    assert_eq!(REDACTOR.text(&once), once);
    let at = text.char_indices().nth(text.len() / 7).map_or(0, |(at, _)| at);
    // A fuzzer that sees comparisons puts parts of a key into the text itself.
    for key in KEYS.into_iter().filter(|key| !text.contains(&key[8..14])) {
        let with_key = format!("{} {key} {}", &text[..at], &text[at..]);
        assert!(!REDACTOR.text(&with_key).contains(&key[8..]));
    }
    let mut findings = Findings::default();
    REDACTOR.scan_text(text, &mut findings);
    let value = parse(text).unwrap_or(Json::str(text));
    REDACTOR.scan(&value, &mut findings);
    let (mut one, mut two) = (Findings::default(), Findings::default());
    let summary = REDACTOR.scan_and_summarise(&value, &mut one);
    REDACTOR.scan(&value, &mut two);
    assert_eq!((summary, one), (REDACTOR.summary_input(&value), two));
    for summary in [REDACTOR.summary_input(&value), REDACTOR.summary_outcome(&value)].into_iter().flatten() {
        assert!(summary.chars().count() <= MAX_SUMMARY);
    }
}
