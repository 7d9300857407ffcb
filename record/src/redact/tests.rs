//! The differences to the reference, each with both outputs; and what must always hold.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::json::parse;

fn types(text: &str) -> Vec<(Cow<'static, str>, String)> {
    let mut findings = Findings::default();
    Redactor::new().scan_text(text, &mut findings);
    findings.iter().map(|finding| (finding.kind.clone(), finding.sample.clone())).collect()
}

fn found(json: &str) -> Vec<String> {
    let mut findings = Findings::default();
    Redactor::new().scan(&parse(json).unwrap(), &mut findings);
    findings.iter().map(|finding| finding.kind.to_string()).collect()
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
    for name in [
        "claude-3-5-sonnet-20241022",
        "mcp__github__create_pull_request_review_comment_v2",
        "risk-assessment-orchestrator-v2",
        "task-planner-with-long-term-memory",
        "open /srv/agent/src/CheckoutForm/PaymentMethodSelector.tsx failed",
        "renamed getInvoiceTotalsByCustomerV2 in tests/test_invoice_rounding_half_even_2026.py",
        "AWSCredentialsProviderChainFactory",
        "pod checkout-service-7d9f8b6c5d-x2x9q is pending",
        "s3://acme-data-lake-raw-123456789012-us-east-1/2026",
        "feature/JIRA-1234-add-payment-method-selector",
        "/tmp/sessions/01234567-89ab-cdef-0123-456789abcdef/log",
        "deployed checkout-service-release-1a2b3c4d",
        "\"tool_call_id\": \"call_q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P\"",
        "run_id=run-01234567-89ab-cdef-0123-456789abcdef",
    ] {
        assert_eq!((&*redactor.named(name), &*redactor.text(name)), (name, name));
        assert_eq!(types(name), []);
    }
    let key = format!("risk-{}", "aB3dE5gH".repeat(4));
    assert_eq!(redactor.named(&key), "risk-a****");
    for (hidden, masked) in [
        // No field for ids, no issuer's shape.
        ("note: call_q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P", "note: cal****"),
        ("request_id=q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P", "req****"),
        // What lets somebody in, and a hash behind a word.
        ("/password-reset/01234567-89ab-cdef-0123-456789abcdef", "/pa****"),
        ("acme_0123456789abcdef0123456789abcdef", "acm****"),
        ("getInvoiceTotalsByCustomer7x2", "get****"),
        ("QxzRtkLmnGhjWqpZzxKkw", "QxzRtkLmnGhjWqpZzxKkw"),
        ("QxzRtkLmnGhjWqpZzxKkwBdf", "Qxz****"),
        // A credential's name decides before any shape.
        ("api_key: getInvoiceTotalsByCustomerV2", "api_key: ****"),
    ] {
        assert_eq!(redactor.text(hidden), masked);
    }
}

#[track_caller]
fn stored(rows: &[(&str, &str)]) {
    let redactor = Redactor::new();
    for (given, expected) in rows {
        let masked = redactor.text(given);
        assert_eq!(masked, *expected, "{given}");
        assert_eq!(redactor.text(&masked), masked, "{given} again");
        assert_eq!(types(given).is_empty(), given == expected, "{given}: {:?}", types(given));
    }
}

#[test]
fn people_of_other_countries_are_masked() {
    stored(&[
        ("+49 30 5550 1234, +14155550123", "***-***-1234, ***-***-0123"),
        ("call +33 1 55 50 12 34 or +91 98765 43210.", "call ***-***-1234 or ***-***-3210."),
        ("Tel.: 030 / 5550 1234; order 0305550123", "Tel.: ***-***-1234; order 0305550123"),
        ("\"customerPhone\": \"(020) 7946 0958\"", "\"customerPhone\": \"***-***-0958\""),
        ("mobile_number=07700900123&x=1", "mobile_number=***-***-0123&x=1"),
        ("2223000048400011, 30569309025904", "****0011, ****5904"),
        ("6212345678901232 3530-1113-3330-0000", "****1232 ****0000"),
        ("2223000048400012 30569309025905", "2223000048400012 30569309025905"),
        ("123.45.6789 or SSN: 123456789", "***-**-6789 or SSN: ***-**-6789"),
        (
            "anna@m\u{fc}nchen.de, \u{7528}\u{6237}@\u{4f8b}\u{5b50}.\u{5e7f}\u{544a}",
            "a****@m\u{fc}nchen.de, \u{7528}****@\u{4f8b}\u{5b50}.\u{5e7f}\u{544a}",
        ),
        ("anna@xn--e1aybc.xn--p1ai", "a****@xn--e1aybc.xn--p1ai"),
        ("fd12:3456:789a::1 and fd00::", "fd12:**** and fd00::"),
        (
            "order 4711000123 of 2025-11-30, offset +0200, x+123456789",
            "order 4711000123 of 2025-11-30, offset +0200, x+123456789",
        ),
        ("hotel 12345678, telemetry 123456789", "hotel 12345678, telemetry 123456789"),
    ]);
}

#[test]
fn encoded_text_is_read_as_a_reader_decodes_it() {
    stored(&[
        (
            "POST /cb?data=%7B%22password%22%3A%22fuchs-54%22%7D",
            "POST /cb?data=%7B%22password%22%3A%22****%22%7D",
        ),
        ("user%3Dzoe%26password%3Dgabel-55", "user%3Dzoe%26password%3D****"),
        ("mail bob%40example.com", "mail b****@example.com"),
        ("&lt;token&gt;zaun-48&lt;/token&gt;", "&lt;token&gt;****&lt;/token&gt;"),
        ("{&quot;api_key&quot;:&quot;a b&quot;}", "{&quot;api_key&quot;:&quot;****&quot;}"),
        ("api_key&#61;zaun-48", "api_key&#61;****"),
        ("\\u0022client_secret\\u0022:\\u0022a b\\u0022", "\\u0022client_secret\\u0022:\\u0022****\\u0022"),
        ("password\u{ff1d}\u{ff48}\u{ff55}\u{ff4e}", "password\u{ff1d}****"),
        ("\u{ff14}111 1111 1111 1111", "****1111"),
        ("4111\u{2011}1111\u{2011}1111\u{2011}1111", "****1111"),
        ("DE89\u{2009}3704\u{2009}0044\u{2009}0532\u{2009}0130\u{2009}00", "DE****"),
        ("415\u{2013}555\u{2013}2671", "***-***-2671"),
        ("100%25 &amp; more, caf\u{e9} \u{2013} 4711", "100%25 &amp; more, caf\u{e9} \u{2013} 4711"),
    ]);
}

/// Values of fields for ids, and of lists that go on.
#[test]
fn ids_and_cursors_of_json_stay_readable() {
    let redactor = Redactor::new();
    for json in [
        r#"{"tool_call_id":"call_q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P","id":"toolu_01q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P"}"#,
        r#"{"responseId":"chatcmpl-q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P5Rg0J","n":1}"#,
        r#"{"next_page_token":"page-2","pageToken":"4"}"#,
    ] {
        assert_eq!(found(json), [""; 0], "{json}");
        assert_eq!(redactor.summary_input(&parse(json).unwrap()).unwrap(), json);
    }
    for (json, kind) in [
        (r#"{"id":"q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P5Rg0J"}"#, "high_entropy_secret"),
        (r#"{"note":"call_q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P"}"#, "high_entropy_secret"),
        (r#"{"id":"sk-q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P"}"#, "api_key"),
        (r#"{"next_page_token":"q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P5Rg0J"}"#, "high_entropy_secret"),
        (r#"{"refresh_token":"page-2"}"#, "credential_field"),
    ] {
        assert_eq!(found(json), [kind], "{json}");
    }
}

/// The shares that `ARCHITECTURE.md` states, from a generator with a fixed seed.
#[test]
fn random_keys_are_no_words() {
    const ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (letters, length, most) in [(62, 12, 400), (62, 16, 90), (62, 20, 20)].into_iter().chain([
        (62, 24, 20),
        (62, 32, 2),
        (64, 24, 24),
        (64, 32, 2),
        (36, 24, 2),
    ]) {
        let mut passed = 0;
        for _ in 0..30_000 {
            let alphabet = if letters == 36 { &b"abcdefghijklmnopqrstuvwxyz0123456789"[..] } else { ALNUM };
            let pick = |_| char::from(alphabet[(next() >> 33) as usize % letters]);
            let key: String = (0..length).map(pick).collect();
            let found = |strict: bool| {
                let mut spans = Vec::new();
                entropy::find(&format!("/srv/data/files/{key}"), strict, &mut spans);
                !spans.is_empty()
            };
            passed += usize::from(found(true) && !found(false));
        }
        println!("{letters} characters, {length} long: {passed} of 30,000");
        assert!(passed <= most, "{letters} {length}: {passed}");
    }
}

#[test]
fn a_connection_strings_sample_shows_no_other_secret() {
    // The reference: `sqlserver://h;user=a;password=b`.
    let expected = ("db_conn".into(), "sqlserver://h;user=a;password=****".to_owned());
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
    assert_eq!(findings.iter().map(|finding| &*finding.kind).collect::<Vec<_>>(), ["api_key"]);
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
    assert!(found(arguments).contains(&"credential_field".to_owned()));
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

#[test]
fn base64_of_json_and_passwords_is_masked_when_it_holds_something() {
    use data_encoding::{BASE64, BASE64URL_NOPAD};
    for (content, kind, sample) in [
        ("zoe:insel-gabel-36", "basic_auth", "zoe:****"),
        ("{\"password\": \"insel gabel\"}", "password", "password\": \"****"),
        ("{\"apiKey\":\"x7-abc\",\"n\":1}", "credential_text", "\"apiKey\":\"****"),
        ("[{\"to\":\"bob@example.com\"}]", "email", "b****@example.com"),
    ] {
        for encoded in [BASE64.encode(content.as_bytes()), BASE64URL_NOPAD.encode(content.as_bytes())] {
            let text = format!("see {encoded}, then");
            assert!(!Redactor::new().text(&text).contains(&encoded[4..]), "{text}");
            // As a name, or in a path, nothing is masked for looking random.
            assert_eq!(Redactor::new().named(&encoded), "****", "{content}");
            assert_eq!(Redactor::new().named(&format!("/v1/{encoded}/x")), "/v1/****/x", "{content}");
            assert!(types(&text).contains(&(kind.into(), sample.to_owned())), "{:?}", types(&text));
        }
    }
    // A scheme's name and its value are one finding.
    let header = format!("Authorization: Basic {}", BASE64.encode(b"zoe:insel-gabel-36"));
    assert_eq!(types(&header).iter().filter(|(kind, _)| kind == "basic_auth").count(), 1);
}

#[test]
fn base64_without_a_finding_stays_as_it_was() {
    use data_encoding::BASE64;
    let json = BASE64.encode(b"{\"page\":2,\"sort\":\"asc\"}");
    let image = BASE64.encode(&[&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[7; 300]].concat());
    let svg = BASE64.encode(b"<svg xmlns=\"http://www.w3.org/2000/svg\" style=\"a:b\"/>");
    for text in [
        json.as_str(),
        &image,
        &svg,
        "Zm9vOmJhcg==",
        "UHJvZHVjdDo0NzEx",
        "MDQ6VXNlcjU4MzIzMQ==",
        "aHR0cHM6Ly9leGFtcGxlLmNvbS9h",
    ] {
        assert_eq!(Redactor::new().named(text), text, "{text}");
        assert!(
            types(text).iter().all(|(kind, _)| kind == "high_entropy_secret"),
            "{text} {:?}",
            types(text)
        );
    }
}

#[test]
fn what_shows_nothing_is_no_value() {
    // The reference's row reads on behind it, and masks more than the last four digits of a card.
    let value = parse("{\"x password=\u{feff}\":6011935747361}").unwrap();
    assert_eq!(Redactor::new().summary_input(&value).unwrap(), "{\"x password=****");
}

#[test]
fn a_members_name_tells_a_number_of_a_person() {
    let redactor = Redactor::new();
    for (json, kind, masked) in [
        (r#"{"phone":"030 5550 1234"}"#, "phone", r#"{"phone":"***-***-1234"}"#),
        (
            r#"{"customer":{"mobilePhone":"0171/5550134"}}"#,
            "phone",
            r#"{"customer":{"mobilePhone":"***-***-0134"}}"#,
        ),
        (r#"{"fax_number":"(030) 5550-1234"}"#, "phone", r#"{"fax_number":"***-***-1234"}"#),
        (r#"{"ssn":"123456789"}"#, "ssn", r#"{"ssn":"***-**-6789"}"#),
        (r#"{"args":"{\"tel\":\"030 5550 1234\"}"}"#, "phone", r#"{"args":"{\"tel\":\"***-***-1234\"}"}"#),
    ] {
        // In JSON inside of a text, the text tells it as well.
        let mut kinds = found(json);
        kinds.dedup();
        assert_eq!(kinds, [kind], "{json}");
        let value = parse(json).unwrap();
        assert_eq!(redactor.summary_input(&value).unwrap(), masked);
        assert_eq!(redactor.json(&value), masked);
        let outcome = redactor.summary_outcome(&value).unwrap();
        assert!(!outcome.contains("555") && !outcome.contains("12345"), "{outcome}");
    }
    assert_eq!(found(r#"{"phone":3055501234}"#), ["phone"]);
    for json in [
        r#"{"order":"030 5550 1234"}"#,
        r#"{"telling":"030 5550 1234"}"#,
        r#"{"phones":2}"#,
        r#"{"phone":"12 34"}"#,
        r#"{"phone":"030 5550 1234 and more of it"}"#,
        r#"{"hotel":"030 5550 1234"}"#,
    ] {
        assert!(found(json).is_empty(), "{json} {:?}", found(json));
    }
}
