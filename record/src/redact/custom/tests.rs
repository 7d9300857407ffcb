#![allow(clippy::unwrap_used)]

use super::super::{Findings, Redactor};
use super::*;
use crate::json::parse;
use proptest::prelude::*;

fn redactor(patterns: &[(&str, &str)], allowed: &[&str]) -> Redactor {
    let patterns = patterns.iter().map(|(name, regex)| Pattern::new(name, regex, Severity::Low).unwrap());
    let allowed = allowed.iter().map(|regex| Allowed::tokens(regex).unwrap());
    Redactor::with(Custom::new(patterns.collect(), allowed.collect()))
}

fn found(redactor: &Redactor, json: &str) -> Vec<(String, String)> {
    let mut findings = Findings::default();
    redactor.scan(&parse(json).unwrap(), &mut findings);
    findings.iter().map(|found| (found.kind.to_string(), found.sample.clone())).collect()
}

#[test]
fn a_match_is_masked_in_texts_names_and_numbers() {
    let redactor = redactor(&[("badge", r"\bB-\d{4}\b"), ("account", r"\b77\d{4}\b")], &[]);
    assert_eq!(redactor.text("of B-1234, B-12345 and B-9999"), "of ****, B-12345 and ****");
    assert_eq!(redactor.named("agent B-1234"), "agent ****");
    assert_eq!(redactor.person("B-1234"), "****");
    assert_eq!(redactor.id("550e8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000");
    let value = r#"{"B-0001":{"of":["B-1234"]},"n":771234,"m":7712345}"#;
    let summary = redactor.summary_input(&parse(value).unwrap()).unwrap();
    assert_eq!(summary, r#"{"****":{"of":["****"]},"n":****,"m":7712345}"#);
    let expected = [("badge", "****"), ("account", "****")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(found(&redactor, value), expected);
}

#[test]
fn an_id_that_a_pattern_matches_is_masked() {
    let redactor = redactor(&[("session", "^550e8400-.*")], &[]);
    assert_eq!(redactor.id("550e8400-e29b-41d4-a716-446655440000"), "****");
    assert_eq!(redactor.id("650e8400-e29b-41d4-a716-446655440000"), "650e8400-e29b-41d4-a716-446655440000");
}

#[test]
fn only_the_group_secret_is_masked_and_what_stands_before_it_is_in_the_sample() {
    let redactor = redactor(&[("badge", r"badge (no )?(?P<secret>\d+)")], &[]);
    assert_eq!(redactor.text("badge no 12 and badge 7."), "badge no **** and badge ****.");
    let samples = ["badge no ****", "badge ****"].map(|sample| ("badge".to_owned(), sample.to_owned()));
    assert_eq!(found(&redactor, r#""badge no 12 and badge 7.""#), samples);
}

#[test]
fn what_is_encoded_is_matched_as_it_reads() {
    let redactor = redactor(&[("badge", r"badge=B-\d{4}")], &[]);
    assert_eq!(redactor.text("q=badge%3DB%2D1234&x"), "q=****&x");
}

#[test]
fn a_match_that_a_mask_reaches_into_is_masked_with_all_of_it() {
    for (pattern, text, masked) in [
        (r"EMP-\d{3}-\d{2}-\d{4}-[a-z]+", "is EMP-123-45-6789-xy.", "is ****."),
        // A part of a key, its name, and what lies over the end of it.
        ("acme", "sk-acmeQ7Wm2Zx9Lk4Tn8Vb3Yc6Hd1 x", "**** x"),
        ("(?i)password", "my password=hunter22 x", "my **** x"),
        ("hunter[0-9]+ x", "my password=hunter22 x", "my ****"),
        ("for bob@", "mail for bob@example.com now", "mail **** now"),
    ] {
        let redactor = redactor(&[("mine", pattern)], &[]);
        assert_eq!(redactor.text(text), masked, "{pattern}");
        assert_eq!(redactor.text(masked), masked, "{pattern}");
    }
}

#[test]
fn an_allowed_token_is_readable_and_no_finding() {
    let token = "h4Kp9Zr2Vx6Mn8Qc1Tb5Yd7Lf3";
    let allowed = Custom::new(Vec::new(), vec![Allowed::token(token).unwrap()]);
    let by_text = Redactor::with(allowed);
    let by_regex = redactor(&[], &["h4Kp9[A-Za-z0-9]+"]);
    for redactor in [by_text, by_regex] {
        for text in
            [format!("build {token} failed"), format!("build={token}"), format!("{{\"build\": \"{token}\"}}")]
        {
            assert_eq!(redactor.text(&text), text);
            assert!(found(&redactor, &serde_json::to_string(&text).unwrap()).is_empty(), "{text}");
        }
        // Neither a credential's name nor a format is an exception's, nor a longer token.
        for text in [
            format!("token={token}"),
            format!("{{\"api_key\": \"{token}\"}}"),
            format!("sk-{token}"),
            format!("x{token}"),
            format!("{token}zz-9"),
        ] {
            let masked = redactor.text(&text);
            assert!(
                masked.contains("****") || text.ends_with("zz-9") && masked == text,
                "{text} -> {masked}"
            );
        }
        assert_eq!(found(&redactor, &format!("{{\"api_key\":\"{token}\"}}"))[0].0, "credential_field");
    }
}

#[test]
fn what_was_found_before_keeps_its_severity_while_its_pattern_is_there() {
    let mut findings = Findings::default();
    redactor(&[("badge", "B-1")], &[]).add_known(&mut findings, "badge", "****".into());
    assert_eq!(findings.severity(), Severity::Low);
    Redactor::new().add_known(&mut findings, "badge", "****".into());
    assert_eq!(findings.iter().map(|found| &*found.kind).collect::<Vec<_>>(), ["badge", "unknown_secret"]);
}

proptest! {
    /// Whatever the operator's patterns are, what halod masks by itself is not readable with them.
    #[test]
    fn patterns_uncover_nothing(
        pattern in "[a-z0-9@.:=]{1,3}|[a-z]\\.\\+|\\[a-m0-5\\]\\+|\\\\S\\+",
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "sk-q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1", "password=hunter22", "4111 1111 1111 1111", "bob@example.com", "tel: 030 555 0134",
                "https://u:pw9x@h/", "and", "x", ", ", " ", "\n", "%70assword%3Dzz81", "eyJhbGciOi.x", "B-1",
            ]),
            1..6,
        ),
    ) {
        let Ok(pattern) = Pattern::new("mine", &pattern, Severity::Low) else { return Ok(()) };
        let custom = Redactor::with(Custom::new(vec![pattern], Vec::new()));
        let text = parts.concat();
        let (plain, both) = (Redactor::new().text(&text).into_owned(), custom.text(&text).into_owned());
        for secret in ["9Lk4Tn8Vb3Yc6", "hunter22", "4111 1111", "bob@", "030 555", "pw9x", "zz81"] {
            prop_assert!(plain.contains(secret) || !both.contains(secret), "{text}: {plain} -> {both}");
        }
        prop_assert_eq!(custom.text(&both), &*both);
    }
}

#[test]
fn an_expression_that_is_none_is_told_in_one_line_with_what_to_do() {
    for (expression, said) in [
        ("(abc", "it is no regular expression: unclosed group; put \\ before a sign that means itself"),
        (
            "(?<=x)y",
            "look-around, including look-ahead and look-behind, is not supported; write what stands before",
        ),
        (r"(a)\1", "backreferences are not supported; write the alternatives out"),
        ("", "it is empty"),
        ("a*", "it matches the empty text"),
        (r"\b", "it matches the empty text"),
        (".", "it matches a part of `****`"),
        (r"\w{50}{50}", "it takes more than 256 KiB when it is compiled"),
        (&"a".repeat(1001), "at most 1000 bytes"),
    ] {
        let wrong = Pattern::new("x", expression, Severity::High).unwrap_err();
        assert_eq!(wrong.field, Some("regex"));
        assert!(wrong.what.contains(said) && !wrong.what.contains('\n'), "{expression}: {wrong}");
    }
}

#[test]
fn what_operators_write_fits() {
    for expression in [
        r"\bEMP-\d{6}\b",
        r"(?i)badge\s*(no\.?|number)?\s*[:#]?\s*(?P<secret>\d{5,8})",
        r"[A-Z]{2}\d{2}[ ]?(\d{4}[ ]?){3}\d{2}",
        r"(?i)\b(project|codename)\s+(falcon|osprey|kestrel)\b",
        r"corp_[A-Za-z0-9_-]{32,128}",
        r"\S+@corp\.example",
    ] {
        assert!(Pattern::new("mine", expression, Severity::Low).is_ok(), "{expression}");
    }
}

#[test]
fn names_are_those_of_types() {
    for (name, said) in [
        ("", "write 1 to 64 characters"),
        ("Badge", "write 1 to 64 characters"),
        ("a-b", "write 1 to 64 characters"),
        ("api_key", "is a type of halod's own findings"),
        ("unknown_secret", "is a type of halod's own findings"),
        ("credential_field", "is a type of halod's own findings"),
    ] {
        let wrong = Pattern::new(name, "a", Severity::High).unwrap_err();
        assert_eq!(wrong.field, Some("name"));
        assert!(wrong.what.contains(said), "{name}: {wrong}");
    }
}

#[test]
fn what_the_entropy_rule_never_sees_is_not_allowed() {
    for (text, said) in
        [("short", "less than 24 characters, and this has 5"), ("a.b", "'.' is none"), ("é", "'é' is none")]
    {
        let wrong = Allowed::token(text).unwrap_err();
        assert!(wrong.field.is_none() && wrong.what.contains(said), "{text}: {wrong}");
    }
    assert!(Allowed::tokens(".*").unwrap_err().what.contains("every token"));
    assert!(Allowed::tokens("[A-Za-z0-9_-]{24,").unwrap_err().what.contains("no regular expression"));
    assert!(Allowed::tokens("build-[0-9a-z]{20}").is_ok());
}
