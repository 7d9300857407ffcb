//! The differences to the reference, each with both outputs; and what must always hold.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::json::parse;

fn types(text: &str) -> Vec<(&'static str, String)> {
    let mut findings = Findings::default();
    Redactor::new().scan_text(text, &mut findings);
    findings.iter().map(|finding| (finding.kind, finding.sample.clone())).collect()
}

fn found(json: &str) -> Vec<&'static str> {
    let mut findings = Findings::default();
    Redactor::new().scan(&parse(json).unwrap(), &mut findings);
    findings.iter().map(|finding| finding.kind).collect()
}

/// Rows of `ARCHITECTURE.md`: what is given, what the reference makes of it, what halod makes of it.
#[test]
fn deliberate_differences_mask_more() {
    let key = "b12aB/A+a11bA/2b+B1aA2b/a1B+2aB1/bA2a+1b".get(..39).unwrap();
    let long = format!("password={}", "xY7!".repeat(80));
    let secret = format!("aws_secret_access_key={key}=");
    let rows: [(&str, &str, &str); 10] = [
        (&secret, &format!("{secret}****"), "aws_secret_access_key=****"),
        (&long, &format!("password=****{}", "xY7!".repeat(16)), "password=****"),
        ("邮箱bob@example.com", "邮箱bob@example.com", "邮箱b****@example.com"),
        ("XX00 BE68539007547034", "XX00 BE68539007547034", "XX00 BE****"),
        (
            "https://u:pw@git.example.com/x",
            "https://u:pw@git.example.com/x",
            "https://u:****@git.example.com/x",
        ),
        ("https://a.b/?sig=abc123", "https://a.b/?sig=abc123", "https://a.b/?sig=****"),
        (
            "Authorization: Basic dXNlcjpwYXNz",
            "Authorization: Basic dXNlcjpwYXNz",
            "Authorization: Basic ****",
        ),
        ("{\"api_key\": \"short\"", "{\"api_key\": \"short\"", "{\"api_key\": \"****\""),
        ("a\u{200b}@\u{200b}example.com", "a\u{200b}@\u{200b}example.com", "a****@example.com"),
        ("4222222222222.415-555-2671", "4222222222222.***-***-2671", "****2222.***-***-2671"),
    ];
    let redactor = Redactor::new();
    for (given, theirs, ours) in rows {
        assert_eq!(redactor.text(given), ours, "{given}");
        assert_ne!(theirs, ours);
    }
}

#[test]
fn names_are_readable_where_the_reference_masks_them() {
    let redactor = Redactor::new();
    for (name, theirs) in [
        ("claude-3-5-sonnet-20241022", "cla****"),
        ("mcp__github__create_pull_request_review_comment_v2", "mcp****"),
        ("risk-assessment-orchestrator-v2", "risk-a****"),
    ] {
        assert_eq!(redactor.named(name), name);
        assert_eq!(redactor.text(name), theirs);
    }
    let key = format!("risk-{}", "aB3dE5gH".repeat(4));
    assert_eq!(redactor.named(&key), "risk-a****");
}

#[test]
fn a_connection_strings_sample_shows_no_other_secret() {
    // The reference: `sqlserver://h;user=a;password=b`.
    let expected = ("db_conn", "sqlserver://h;user=a;password=****".to_owned());
    assert_eq!(types("sqlserver://h;user=a;password=b").first(), Some(&expected));
}

#[test]
fn a_secret_is_one_finding() {
    let token = "glpat-q7Wm2Zx9Lk4Tn8Vb3Yc6";
    let kinds = |text: &str| types(text).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    for (text, expected) in [
        ("sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789", &["api_key"][..]),
        ("postgres://u:hunter2@db.example.com/x", &["db_conn", "email"]),
        (r#"{"password": "hunter2", "#, &["password"]),
        ("https://a.example/?token=AKIAIOSFODNN7EXAMPLE&sig=abc", &["api_key", "url_query_secret"]),
        // A lesser finding inside a graver one does not stand for it.
        (r#"{"secret_access_key": "for bob@example.com", "#, &["email", "credential_text"]),
        // What the entropy rule finds as well is the reference's finding and ours.
        (token, &["high_entropy_secret", "provider_token"]),
        (
            &format!("{token} sk-proj-FAKEabcdefghijklmnopqrstuvwxyz"),
            &["api_key", "high_entropy_secret", "provider_token"],
        ),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
    let mut findings = Findings::default();
    Redactor::new().scan_name("sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789", &mut findings);
    assert_eq!(findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), ["api_key"]);
}

#[test]
fn a_number_that_reaches_into_a_token_leaves_none_of_it() {
    // What looks like an account here ends in the token's prefix.
    let text = r#"{"n"GB82f4Zx0Lps glpat-q7Wm2Zx9Lk4Tn8Vb3Yc6 and"#;
    let masked = Redactor::new().text(text).into_owned();
    assert_eq!(masked, r#"{"n"GB**** and"#);
}

#[test]
fn json_in_a_string_is_looked_into() {
    let arguments = r#"{"args":"{\"password\":\"hunter2\",\"n\":1}"}"#;
    let summary = Redactor::new().summary_input(&parse(arguments).unwrap()).unwrap();
    assert_eq!(summary, r#"{"args":"{\"password\":\"****\",\"n\":1}"}"#);
    assert!(found(arguments).contains(&"credential_field"));
    let text = r#""{\"auth\": {\"pass\": \"x y z\"}}""#;
    assert_eq!(
        Redactor::new().summary_input(&parse(text).unwrap()).unwrap(),
        r#"{"auth": {"pass": "****"}}"#
    );
}

#[test]
fn a_patch_without_file_lines_has_findings() {
    // The reference masks such a patch, and reports nothing.
    assert_eq!(found("\"*** Begin Patch\\nmail bob@example.com\""), ["email"]);
}

#[test]
fn summaries_are_compact_json_within_their_cap() {
    let redactor = Redactor::new();
    let summary = |json: &str| redactor.summary_input(&parse(json).unwrap());
    let outcome = |json: &str| redactor.summary_outcome(&parse(json).unwrap());
    assert_eq!(
        summary(r#"{"a": [1, 2.50, null, true], "b": "x"}"#).unwrap(),
        r#"{"a":[1,2.5,null,true],"b":"x"}"#
    );
    assert_eq!(summary("\"plain text\"").unwrap(), "plain text");
    assert_eq!(summary("\"\""), None);
    assert_eq!(summary(&format!("\"{}\"", "字 ".repeat(300))).unwrap().chars().count(), MAX_SUMMARY);
    assert_eq!(outcome(r#"{"ok": true, "text": "done", "path": "/a/b.c"}"#).unwrap(), "True done");
    assert_eq!(outcome("null"), None);
}

#[test]
fn a_long_text_is_cut_outside_of_secrets_and_stays_as_it_is() {
    let redactor = Redactor::new();
    for tail in ["x".repeat(9000), format!("sk-{}", "a1B2".repeat(2000)), "bob@example.com ".repeat(600)] {
        let text = format!("{}{tail}", "plain words ".repeat(5455));
        let masked = redactor.text(&text);
        assert!(masked.chars().count() <= MAX_TEXT, "{}", masked.chars().count());
        assert!(masked.ends_with("more characters withheld]"), "{}", &masked[masked.len() - 60..]);
        assert_eq!(redactor.text(&masked), masked);
    }
}

#[test]
fn findings_know_their_severity_and_personal_data() {
    let mut findings = Findings::default();
    Redactor::new().scan_text("bob@example.com 123-45-6789 10.0.0.1", &mut findings);
    assert_eq!(findings.severity(), Severity::High);
    assert_eq!(findings.pii_types().collect::<Vec<_>>(), ["email", "ssn"]);
    let mut written = Vec::new();
    findings.write(true, &mut written);
    assert!(written.starts_with(br#"[{"sample":"***-**-6789","severity":"HIGH","type":"ssn"},"#));
    let mut many = Findings::default();
    let text: String = (0..60).map(|n| format!("u@x{n}.com ")).collect();
    Redactor::new().scan_text(&text, &mut many);
    assert_eq!(many.iter().count(), MAX_PER_TYPE);
}

#[test]
fn one_call_says_what_two_say() {
    let redactor = Redactor::new();
    let patch = r#"["*** Begin Patch\n*** Update File: a.b\npassword=\n*** End Patch"]"#;
    let deep = format!("{}{{\"bob@example.com\":1}}{}", "[".repeat(8), "]".repeat(8));
    for json in [
        r#"{"a":"plain","b":[1,2.5,null,"{\"n\":1}"]}"#,
        r#"{"a":"bob@example.com","pass":"x","c":["sk-aaaaaaaaaaaaaaaaaaaaaaaa"]}"#,
        r#"{"a":"see password","b":":x"}"#,
        "\"some text\"",
        "\"mail bob@example.com\"",
        "4111111111111111",
        patch,
        &deep,
    ] {
        let value = parse(json).unwrap();
        let (mut one, mut two) = (Findings::default(), Findings::default());
        let summary = redactor.scan_and_summarise(&value, &mut one);
        redactor.scan(&value, &mut two);
        assert_eq!((summary, one), (redactor.summary_input(&value), two), "{json}");
    }
}
