//! The body of the fuzz target of the operator's rules and of base64; a test of the usual suite runs this body as well.
//! The first line is an expression, the second an allowed token's, the rest a text. No panic, within the caps, and
//! whatever the rules are, a key in the text is never readable; nor is one in base64 of JSON.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use halod_record::json::parse;
use halod_record::redact::custom::{Allowed, Custom, Pattern};
use halod_record::redact::{Findings, MAX_TEXT, Redactor, Severity};
use std::sync::LazyLock;

static PLAIN: LazyLock<Redactor> = LazyLock::new(Redactor::new);

/// One that the reference knows, one by its prefix, and a value by its name.
const KEYS: [&str; 3] =
    ["sk-q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1", "glpat-q7Wm2Zx9Lk4Tn8Vb3Yc6", "password=q7Wm2Zx9Lk4Tn8Vb3"];

/// Returns 1 where the expression could be used.
pub(crate) fn rules(data: &[u8]) -> usize {
    let Ok(input) = std::str::from_utf8(data) else { return 0 };
    let mut lines = input.splitn(3, '\n');
    let [pattern, allowed, text] = [lines.next(), lines.next(), lines.next()].map(Option::unwrap_or_default);
    encoded(text);
    let pattern = Pattern::new("mine", pattern, Severity::Low);
    let allowed = Allowed::tokens(allowed).or_else(|_| Allowed::token(allowed));
    let usable = usize::from(pattern.is_ok());
    if pattern.is_err() && allowed.is_err() {
        return usable;
    }
    let redactor = Redactor::with(Custom::new(pattern.into_iter().collect(), allowed.into_iter().collect()));
    for key in KEYS.into_iter().filter(|key| !text.contains(&key[10..18])) {
        let with_key = format!("{text} {key} {text}");
        let shown = PLAIN.text(&with_key).contains(&key[10..]);
        assert!(shown || !redactor.text(&with_key).contains(&key[10..]), "{with_key}");
    }
    let masked = redactor.text(text);
    assert!(masked.chars().count() <= MAX_TEXT);
    let mut findings = Findings::default();
    redactor.scan_text(text, &mut findings);
    if let Ok(value) = parse(text) {
        redactor.scan(&value, &mut findings);
        let written = redactor.json(&value);
        assert!(parse(&written).is_ok(), "{written}");
        let _ = (redactor.summary_input(&value), redactor.summary_outcome(&value));
    }
    usable
}

/// What stands in JSON in base64 is masked, in either alphabet, and any text in base64 is no panic.
fn encoded(text: &str) {
    let plain: String =
        text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).take(400).collect();
    for content in [text.to_owned(), format!("{{\"said\":\"{plain}\",\"password\":\"q7 Wm2Zx9Lk\"}}")] {
        for run in [BASE64.encode(content.as_bytes()), BASE64URL_NOPAD.encode(content.as_bytes())] {
            let (named, text) = (PLAIN.named(&run), PLAIN.text(&run));
            if content.len() <= 2048 && content.ends_with("Lk\"}") {
                assert!(named.len() < run.len() && text.len() < run.len(), "{content} -> {named}");
            }
        }
    }
}
