#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::{model::LogRecord, oracle, protobuf};
use super::*;
use proptest::prelude::*;
use prost::Message;

const IDS: &str = r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174""#;

/// A request with one span that has these fields after its ids.
fn one_span(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{IDS}{comma}{fields}}}]}}]}}]}}"#)
}

fn attribute(value: &str) -> String {
    one_span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#))
}

fn only(traces: &Traces<'_>) -> Span<'static> {
    assert_eq!(traces.rejected, Rejected::default());
    let span = &traces.resource_spans[0].scopes[0].spans[0];
    // The table below compares pieces of it after the text is gone.
    Span {
        name: span.name.clone().into_owned().into(),
        status_message: span.status_message.clone().into_owned().into(),
        attributes: Vec::new(),
        events: Vec::new(),
        ..*span
    }
}

fn value_of(text: &str) -> String {
    let traces = traces(text.as_bytes()).unwrap();
    assert_eq!(traces.rejected, Rejected::default(), "{text}");
    format!("{:?}", traces.resource_spans[0].scopes[0].spans[0].attributes[0].value)
}

/// Why the only span of the request was rejected.
fn rejection(text: &str) -> String {
    let traces = traces(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(traces.rejected.items, 1, "{text}");
    assert!(traces.resource_spans[0].scopes[0].spans.is_empty(), "{text}");
    traces.rejected.first_reason.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn equals_the_binary_encoding(request in oracle::any_request()) {
        let text = serde_json::to_string(&request).unwrap();
        let bytes = request.encode_to_vec();
        let json = traces(text.as_bytes());
        prop_assert_eq!(format!("{:?}", json), format!("{:?}", protobuf::traces(&bytes)));
        prop_assert_eq!(skeleton(text.as_bytes(), Signal::Traces), protobuf::skeleton(&bytes, Signal::Traces));
    }

    #[test]
    fn logs_equal_the_binary_encoding(request in oracle::any_logs()) {
        let text = serde_json::to_string(&request).unwrap();
        let bytes = request.encode_to_vec();
        prop_assert_eq!(format!("{:?}", logs(text.as_bytes())), format!("{:?}", protobuf::logs(&bytes)));
        prop_assert_eq!(skeleton(text.as_bytes(), Signal::Logs), protobuf::skeleton(&bytes, Signal::Logs));
    }

    #[test]
    fn damaged_text_is_never_accepted_as_other_json(
        request in oracle::any_request(), at in any::<usize>(), byte in any::<u8>(),
    ) {
        let mut text = serde_json::to_string(&request).unwrap().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        if traces(&text).is_ok() {
            prop_assert!(serde_json::from_slice::<Box<serde_json::value::RawValue>>(&text).is_ok());
        }
    }
}

#[test]
fn j1_ids_are_hex_of_either_case() {
    let text = one_span(r#""parentSpanId":"00000000000000aB""#);
    let span = only(&traces(text.as_bytes()).unwrap());
    assert_eq!(span.trace_id[..2], [0x5b, 0x8e]);
    assert_eq!(span.span_id, [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74]);
    assert_eq!(span.parent_span_id, Some([0, 0, 0, 0, 0, 0, 0, 0xab]));
    for parent in ["", "0000000000000000"] {
        let text = one_span(&format!(r#""parentSpanId":"{parent}""#));
        assert_eq!(only(&traces(text.as_bytes()).unwrap()).parent_span_id, None);
    }
}

#[test]
fn j1_a_wrong_id_rejects_its_span_only() {
    let good = format!("{{{IDS}}}");
    for (bad, reason) in [
        (r#"{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ="}"#, "traceId must be hex digits"),
        (r#"{"traceId":"5B8EFFF7","spanId":"EEE19B7EC3C1B174"}"#, "trace_id is not 16 bytes long"),
        (
            r#"{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"000000000000000"}"#,
            "spanId must be hex digits",
        ),
        (
            r#"{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"0000000000000000"}"#,
            "span_id is all zero",
        ),
        (
            r#"{"spanId":"EEE19B7EC3C1B174","links":[{"traceId":"\u00e9"}],"traceId":"5B8EFFF798038103D269B633813FC60C"}"#,
            "traceId must be hex digits",
        ),
        ("{}", "trace_id is not 16 bytes long"),
        ("null", "trace_id is not 16 bytes long"),
        ("7", " must be an object"),
    ] {
        let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{good},{bad},{good}]}}]}}]}}"#);
        let traces = traces(text.as_bytes()).unwrap();
        let scope = &traces.resource_spans[0].scopes[0];
        assert_eq!((scope.spans.len(), traces.rejected.items), (2, 1), "{bad}");
        let place = "resource_spans[0].scope_spans[0].spans[1]: ";
        let first = traces.rejected.first_reason.unwrap();
        assert!(first.starts_with(place) && first.contains(reason), "{bad}: {first}");
    }
}

#[test]
fn a_log_record_that_is_wrong_is_left_out() {
    let records =
        |records: &str| format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#);
    let good = r#"{"timeUnixNano":"1","observedTimeUnixNano":2,"severityNumber":9,"severityText":"INFO",
        "body":null,"eventName":"e","flags":1,"traceId":"","spanId":"0000000000000000","droppedAttributesCount":3}"#;
    for (bad, reason) in [
        (r#"{"traceId":"5B8EFFF7"}"#, "trace_id is not 16 bytes long"),
        (r#"{"spanId":"zz"}"#, "spanId must be hex digits"),
        (r#"{"severityNumber":"SEVERITY_NUMBER_INFO"}"#, "severityNumber"),
        (r#"{"flags":1,"flags":1}"#, "flags appears twice"),
        ("[]", " must be an object"),
    ] {
        let text = records(&format!("{good},{bad},{good}"));
        let logs = logs(text.as_bytes()).unwrap();
        assert_eq!((logs.resource_logs[0].scopes[0].records.len(), logs.rejected.items), (2, 1), "{bad}");
        let first = logs.rejected.first_reason.unwrap();
        let place = "resource_logs[0].scope_logs[0].log_records[1]: ";
        assert!(first.starts_with(place) && first.contains(reason), "{bad}: {first}");
    }
    let text = records(good);
    let logs = logs(text.as_bytes()).unwrap();
    let expected = LogRecord {
        time_unix_nano: 1,
        observed_time_unix_nano: 2,
        severity_number: 9,
        severity_text: "INFO".into(),
        dropped: 3,
        flags: 1,
        event_name: "e".into(),
        ..LogRecord::default()
    };
    assert_eq!(logs.resource_logs[0].scopes[0].records, [expected]);
}

#[test]
fn j2_enums_are_integers() {
    let text = one_span(r#""kind":3,"status":{"code":2.0,"message":"m"}"#);
    let span = only(&traces(text.as_bytes()).unwrap());
    assert_eq!((span.kind, span.status_code, span.status_message.as_ref()), (3, 2, "m"));
    for bad in [
        r#""kind":"SPAN_KIND_CLIENT""#,
        r#""kind":"3""#,
        r#""status":{"code":"STATUS_CODE_ERROR"}"#,
        r#""kind":1.5"#,
        r#""kind":3000000000"#,
    ] {
        rejection(&one_span(bad));
    }
}

#[test]
fn j3_j4_snake_case_and_unknown_fields_are_ignored() {
    let text =
        one_span(r#""start_time_unix_nano":"x","futureField":{"a":[1,{"a":null,"a":NOT}]},"name":"n""#);
    assert!(traces(text.as_bytes()).is_err(), "an unknown field must still be JSON");
    let text = one_span(r#""start_time_unix_nano":"x","futureField":{"a":[1e9,{"a":"\ud800"}]},"name":"n""#);
    let span = only(&traces(text.as_bytes()).unwrap());
    assert_eq!((span.name.as_ref(), span.start_time_unix_nano), ("n", 0));
}

#[test]
fn j5_integers_as_strings_or_numbers() {
    for (number, value) in [
        ("1544712660000000000", 1_544_712_660_000_000_000),
        ("\"1544712660000000000\"", 1_544_712_660_000_000_000),
        ("7.0", 7),
        ("1e3", 1000),
        ("\"1e3\"", 1000),
        ("18446744073709551615", u64::MAX),
    ] {
        let text = one_span(&format!(r#""startTimeUnixNano":{number}"#));
        assert_eq!(only(&traces(text.as_bytes()).unwrap()).start_time_unix_nano, value, "{number}");
    }
    for bad in ["-1", "1.5", "\"\"", "\"x\"", "18446744073709551616", "true", "[]"] {
        let reason = rejection(&one_span(&format!(r#""startTimeUnixNano":{bad}"#)));
        assert!(reason.contains("startTimeUnixNano must be"), "{reason}");
    }
    assert_eq!(value_of(&attribute(r#"{"intValue":"-9223372036854775808"}"#)), format!("Int({})", i64::MIN));
    assert_eq!(value_of(&attribute(r#"{"intValue":-7.0}"#)), "Int(-7)");
    rejection(&attribute(r#"{"intValue":9223372036854775808}"#));
    let text = one_span(
        r#""droppedAttributesCount":1,"droppedEventsCount":"2","droppedLinksCount":4.0,"flags":257"#,
    );
    let span = only(&traces(text.as_bytes()).unwrap());
    assert_eq!((span.dropped, span.flags), (7, 257));
}

#[test]
fn j6_doubles() {
    for (text, value) in [
        ("\"NaN\"", "NaN"),
        ("\"Infinity\"", "inf"),
        ("\"-Infinity\"", "-inf"),
        ("\"2.5e1\"", "25.0"),
        ("-0.0", "-0.0"),
        ("3", "3.0"),
    ] {
        assert_eq!(value_of(&attribute(&format!(r#"{{"doubleValue":{text}}}"#))), format!("Double({value})"));
    }
    for bad in ["\"nan\"", "\"inf\"", "\"\"", "1e999", "\"+1\"", "{}"] {
        rejection(&attribute(&format!(r#"{{"doubleValue":{bad}}}"#)));
    }
}

#[test]
fn j7_null_is_absent() {
    for text in [
        r#"{"resourceSpans":null}"#,
        r#"{"resourceSpans":[null,{"resource":null,"scopeSpans":null},{"scopeSpans":[null,{"scope":null,"spans":null}]}]}"#,
    ] {
        assert_eq!(traces(text.as_bytes()).unwrap().rejected.items, 0);
    }
    let text = one_span(
        r#""name":null,"kind":null,"startTimeUnixNano":null,"attributes":null,"events":[null],"links":null,"status":null"#,
    );
    assert_eq!(only(&traces(text.as_bytes()).unwrap()).name, "");
    assert_eq!(value_of(&attribute("null")), "Empty");
    assert_eq!(value_of(&attribute(r#"{"stringValue":null,"intValue":1}"#)), "Int(1)");
}

#[test]
fn j8_j9_empty_forms_are_legal() {
    assert_eq!(traces(b" {} \n"), Ok(Traces::default()));
    for (text, value) in [
        ("{}", "Empty"),
        (r#"{"arrayValue":{}}"#, "Array([])"),
        (r#"{"kvlistValue":{}}"#, "KvList([])"),
        (r#"{"arrayValue":{"values":[{},null,{"intValue":1}]}}"#, "Array([Empty, Empty, Int(1)])"),
        (r#"{"futureValue":{}}"#, "Empty"),
        (r#"{"stringValueStrindex":3}"#, "Empty"),
    ] {
        assert_eq!(value_of(&attribute(text)), value, "{text}");
    }
}

#[test]
fn j10_bytes_are_base64_of_either_alphabet() {
    for text in ["+/8=", "-_8=", "-_8"] {
        assert_eq!(value_of(&attribute(&format!(r#"{{"bytesValue":"{text}"}}"#))), "Bytes([251, 255])");
    }
    rejection(&attribute(r#"{"bytesValue":"*"}"#));
}

#[test]
fn j11_a_field_that_appears_twice() {
    for bad in [
        r#""name":"a","name":"b""#,
        r#""name":null,"name":"b""#,
        r#""attributes":[{"key":"a","key":"b"}]"#,
        r#""na\u006de":"a","name":"b""#,
    ] {
        let reason = rejection(&one_span(bad));
        assert!(reason.contains("appears twice"), "{reason}");
    }
    for text in [
        r#"{"resourceSpans":[],"resourceSpans":[]}"#,
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a","key":"b"}]}}]}"#,
    ] {
        let error = traces(text.as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::Field { .. }), "{error}");
    }
}

#[test]
fn j12_depth_is_bounded_as_in_the_binary_encoding() {
    let nested = |levels: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(levels);
        let close = "]}}".repeat(levels);
        attribute(&format!(r#"{open}{{"intValue":1}}{close}"#))
    };
    let object = |levels: usize| {
        let open = r#"{"kvlistValue":{"values":[{"key":"k","value":"#.repeat(levels);
        attribute(&format!(r#"{open}{{"intValue":1}}{}"#, "}]}}".repeat(levels)))
    };
    for text in [nested(97), object(64), object(65)] {
        let traces = traces(text.as_bytes()).unwrap();
        assert_eq!(traces.rejected.items, 0);
    }
    // Only the span that is too deep is lost, as long as it is JSON of a sensible depth.
    for text in [nested(98), object(66), nested(300)] {
        let reason = rejection(&text);
        assert!(reason.contains("nested too deep"), "{reason}");
    }
    let error = traces(nested(10_000).as_bytes()).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { .. }), "{error}");
    let skipped = one_span(&format!(r#""unknown":{}{}"#, "[".repeat(10_000), "]".repeat(10_000)));
    assert!(matches!(traces(skipped.as_bytes()), Err(DecodeError::TooDeep { .. })));
}

#[test]
fn what_is_no_json_loses_the_request() {
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend_from_slice(b"{}");
    assert!(traces(&bom).unwrap_err().to_string().contains("byte order mark"));
    assert_eq!(traces(b"{\"a\":\"caf\xe9\"}"), Err(DecodeError::Utf8 { offset: 9 }));
    for text in [
        "",
        " ",
        "{} {}",
        "{}x",
        "[]",
        "null1",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12G4\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":[1 2]}",
        "{\"a\":[1,]}",
        "{\"a\":[",
        "{\"a\":\"",
        "{\"a\":",
        "{\"a\"",
        "{",
    ] {
        assert!(traces(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(
        traces(b"{\"resourceSpans\":[{},{\"a\":}]}").unwrap_err().to_string(),
        "not JSON at byte 26: a value cannot start like this"
    );
}

#[test]
fn strings_are_unescaped() {
    let text = one_span(r#""name":"\"\\\/\b\f\n\r\t\u00e9\ud83d\uDE00x""#);
    assert_eq!(only(&traces(text.as_bytes()).unwrap()).name, "\"\\/\u{8}\u{c}\n\r\té😀x");
    for (half, kept) in [
        (r"\ud800", "\u{fffd}"),
        (r"\udc00", "\u{fffd}"),
        (r"\ud800\u0041", "\u{fffd}A"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"nice \ud83d", "nice \u{fffd}"),
    ] {
        let text = one_span(&format!(r#""name":"{half}""#));
        assert_eq!(only(&traces(text.as_bytes()).unwrap()).name, kept, "{half}");
    }
}

#[test]
fn a_body_of_which_nothing_is_read_is_told_from_an_empty_one() {
    for (text, foreign) in [
        ("{}", false),
        (" {\n} ", false),
        (r#"{"resourceSpans":null}"#, false),
        (r#"{"x":1,"resourceSpans":[]}"#, false),
        (r#"{"timestamp":1795400000,"body":"refund issued"}"#, true),
        (r#"{"resource_spans":[{"scope_spans":[]}]}"#, true),
        (r#"{"ResourceSpans":[]}"#, true),
    ] {
        assert_eq!(traces(text.as_bytes()), Ok(Traces::default()), "{text}");
        assert_eq!(is_foreign(text.as_bytes()), foreign, "{text}");
    }
}

#[test]
fn h12_a_request_of_another_signal_is_told_apart() {
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}},{}]}]}]}"#;
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"dataPoints":[{},{}]}},{"gauge":{"dataPoints":[{}]}}]}]}]}"#;
    let wrong = |expected, found| DecodeError::WrongSignal { expected, found };
    assert_eq!(traces(logs.as_bytes()), Err(wrong(Signal::Traces, Signal::Logs)));
    assert_eq!(super::logs(one_span("").as_bytes()), Err(wrong(Signal::Logs, Signal::Traces)));
    assert_eq!(super::logs(metrics.as_bytes()), Err(wrong(Signal::Logs, Signal::Metrics)));
    assert_eq!(super::logs(logs.as_bytes()).map(|logs| logs.resource_logs[0].scopes[0].records.len()), Ok(2));
    assert_eq!(skeleton(metrics.as_bytes(), Signal::Logs), Err(wrong(Signal::Logs, Signal::Metrics)));
    assert_eq!(
        skeleton(one_span("").as_bytes(), Signal::Metrics),
        Err(wrong(Signal::Metrics, Signal::Traces))
    );
    assert_eq!(skeleton(logs.as_bytes(), Signal::Logs), Ok(2));
    assert_eq!(skeleton(metrics.as_bytes(), Signal::Metrics), Ok(3));
    assert_eq!(skeleton(b"{}", Signal::Metrics), Ok(0));
    assert!(skeleton(br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[7]}]}]}"#, Signal::Logs).is_err());
    assert!(skeleton(br#"{"resourceLogs":{}}"#, Signal::Logs).is_err());
}

#[test]
fn a_hundred_thousand_attributes_are_read_in_one_go() {
    let pairs = vec![r#"{"key":"k","value":{"stringValue":"v"}}"#; 100_000].join(",");
    let text = one_span(&format!(r#""attributes":[{pairs}]"#));
    assert_eq!(
        traces(text.as_bytes()).unwrap().resource_spans[0].scopes[0].spans[0].attributes.len(),
        100_000
    );
}
