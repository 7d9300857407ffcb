#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn int(n: i64) -> Json<'static> {
    Json::Int(n)
}

#[test]
fn numbers_keep_their_kind() {
    assert_eq!(parse("-0").unwrap(), int(0));
    assert_eq!(parse("-0.0").unwrap(), Json::Float(-0.0));
    assert_eq!(parse("1e400").unwrap(), Json::Float(f64::INFINITY));
    assert_eq!(parse("-Infinity").unwrap(), Json::Float(f64::NEG_INFINITY));
    assert_eq!(parse("9223372036854775808").unwrap(), Json::BigInt("9223372036854775808".into()));
    assert!(matches!(parse("NaN").unwrap(), Json::Float(f) if f.is_nan()));
    for bad in ["01", "1.", ".5", "+1", "1e", "1e+", "-", "--1", "0x1", "nan", "-NaN", "Infinit"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn strings_keep_lone_surrogates() {
    assert_eq!(parse(r#""\ud83d\ude00""#).unwrap(), Json::str("😀"));
    assert_eq!(parse(r#""\ud800x""#).unwrap(), Json::Str(Text::Wtf8([0xED, 0xA0, 0x80, b'x'].into())));
    let lone = parse(r#""\udc00\ud800\ud83d\ude00""#).unwrap();
    let Json::Str(text) = lone else { panic!("not a string") };
    assert_eq!(text.to_lossy(), "\u{FFFD}\u{FFFD}😀");
    for bad in [r#""\u12g4""#, r#""\x""#, "\"\u{1}\"", "\"abc", r#""\"#, r#""\ud800\uzzzz""#] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn errors_say_where() {
    let error = parse("{\n \"é\": tru}").unwrap_err();
    assert_eq!((error.problem, error.line, error.column), (Problem::ExpectedValue, 2, 7));
    assert_eq!(parse("[1 2]").unwrap_err().problem, Problem::ExpectedCommaOrEnd);
    assert_eq!(parse("1 2").unwrap_err().problem, Problem::ExtraData);
    assert_eq!(parse("[1,]").unwrap_err().problem, Problem::ExpectedValue);
    assert_eq!(parse("{\"a\":1,}").unwrap_err().problem, Problem::ExpectedKey);
    assert_eq!(parse("\u{feff}1").unwrap_err().problem, Problem::ExpectedValue);
    assert_eq!(parse("").unwrap_err().problem, Problem::ExpectedValue);
}

#[test]
fn a_repeated_key_keeps_its_place_and_takes_the_last_value() {
    let parsed = parse_with(r#"{"a":1,"b":{"x":1,"x":2},"a":3}"#, &Limits::PYTHON).unwrap();
    assert_eq!(parsed.duplicate, Some(Text::from("x")));
    let Json::Object(entries) = &parsed.value else { panic!("not an object") };
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0], (Text::from("a"), int(3)));
}

#[test]
fn many_keys_are_resolved_in_linear_time() {
    let mut text = String::from("{");
    for n in 0..200_000 {
        text.push_str(&format!("\"k{}\":{n},", n % 150_000));
    }
    text.push_str("\"end\":0}");
    let parsed = parse_with(&text, &Limits::PYTHON).unwrap();
    assert_eq!(parsed.duplicate, Some(Text::from("k0")));
    assert_eq!(parsed.value.get("k0"), Some(&int(150_000)));
}

#[test]
fn depth_and_digits_are_bounded() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(parse(&nested(992)).is_ok());
    assert_eq!(parse(&nested(993)).unwrap_err().problem, Problem::TooDeep { limit: 992 });
    assert!(parse(&nested(2_000_000)).is_err());
    assert!(parse(&"9".repeat(4300)).is_ok());
    assert_eq!(parse(&"9".repeat(4301)).unwrap_err().problem, Problem::IntegerTooLong { limit: 4300 });
}

#[test]
fn canonical_texts_are_recognised() {
    let canonical = |text: &str| parse_with(text, &Limits::PYTHON).unwrap().canonical;
    for yes in [
        "null",
        r#"{"a":1,"b":[true,"é\n\u0001\"\\"]}"#,
        "{\"😀\":1,\"\u{e000}\":2}",
        "[-1,0]",
        "\"\u{7f}/\"",
    ] {
        assert!(canonical(yes), "{yes}");
    }
    for no in [
        " 1",
        "1 ",
        "[1, 2]",
        r#"{"b":1,"a":1}"#,
        r#"{"a":1,"a":1}"#,
        "-0",
        "1.0",
        "9007199254740992",
        r#""\u00e9""#,
        r#""\u000a""#,
        r#""\u001F""#,
        r#""\/""#,
        r#""\ud800""#,
        "{\"\u{e000}\":1,\"😀\":2}",
        "[NaN]",
    ] {
        assert!(!canonical(no), "{no}");
    }
}

#[test]
fn utf16_order_puts_the_supplementary_planes_before_u_e000() {
    let order = |a: &str, b: &str| {
        assert_eq!(
            cmp_utf16(a.as_bytes(), b.as_bytes()),
            a.encode_utf16().collect::<Vec<_>>().cmp(&b.encode_utf16().collect()),
            "{a:?} {b:?}"
        );
    };
    for a in
        ["", "a", "é", "\u{d7ff}", "\u{e000}", "\u{f000}", "\u{ffff}", "😀", "\u{10ffff}", "a\u{e000}", "a😀"]
    {
        for b in [
            "",
            "a",
            "é",
            "\u{d7ff}",
            "\u{e000}",
            "\u{f000}",
            "\u{ffff}",
            "😀",
            "\u{10ffff}",
            "a\u{e000}",
            "a😀",
        ] {
            order(a, b);
        }
    }
}

proptest! {
    #[test]
    fn any_order_is_utf16_order(a in ".*", b in ".*") {
        let expected = a.encode_utf16().collect::<Vec<_>>().cmp(&b.encode_utf16().collect());
        prop_assert_eq!(cmp_utf16(a.as_bytes(), b.as_bytes()), expected);
    }

    #[test]
    fn agrees_with_serde_on_what_is_json(text in r#"[\[\]{},:"\\ntfeu0-9.\-+ é]{0,24}"#) {
        // serde_json refuses lone surrogates and overflowing floats, which Python takes.
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(parse(&text).is_ok());
        }
    }

    #[test]
    fn never_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn strings_survive(text in ".*") {
        let written = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(parse(&written).unwrap(), Json::Str(Text::from(text)));
    }
}

#[test]
fn an_owned_value_is_the_same_and_has_its_weight() {
    for text in [
        "null",
        "true",
        "-7",
        "123456789012345678901234567890",
        "1.5",
        r#""a\ud800b""#,
        r#"{"k":["x",{"y":[]}],"k2":"\u00e9"}"#,
    ] {
        let parsed = parse(text).unwrap();
        let owned = { parsed.clone().into_owned() };
        assert_eq!(parsed, owned);
        assert!(owned.weight() >= size_of::<Json<'_>>(), "{text}");
    }
    let one = parse(r#"["aaaaaaaaaa"]"#).unwrap().weight();
    let two = parse(r#"["aaaaaaaaaa","bbbbbbbbbb"]"#).unwrap().weight();
    assert_eq!(two - one, size_of::<Json<'_>>() + 10);
}

#[test]
fn a_text_of_too_many_values_stays_a_text() {
    let of = |values: usize| format!("[{}0]", "0,".repeat(values - 1));
    let most = Limits::EMBEDDED.values;
    assert!(parse_embedded(&of(most)).is_ok() && !is_left_unparsed(&of(most)));
    let error = parse_embedded(&of(most + 1)).unwrap_err();
    assert_eq!(error.problem, Problem::TooMany { limit: most });
    assert!(is_left_unparsed(&of(most + 1)) && parse(&of(most + 1)).is_ok());
    // Members count as well, and values of values.
    let nested = format!("{{\"a\":[{}[]]}}", "{\"b\":1},".repeat(most / 2));
    assert!(is_left_unparsed(&nested));
    for text in [
        "x".repeat(3 * most),
        format!("[{}", "0,".repeat(most / 2)),
        format!("[\"{}\"]", "x".repeat(3 * most)),
    ] {
        assert!(!is_left_unparsed(&text), "{}", &text[..10]);
    }
}
