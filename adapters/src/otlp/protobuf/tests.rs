#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::oracle;
use super::*;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;

/// Values that hold NaN are unequal to themselves; their `Debug` forms are not.
fn shown(traces: &Traces<'_>) -> String {
    format!("{traces:?}")
}

/// What prost refuses, halod may take the rest of: of texts that are not UTF-8, of spans and log records that
/// are whole, and of values that are nested deeper.
fn agrees_with_prost(bytes: &[u8]) -> Result<(), TestCaseError> {
    let replaced = |error: &prost::DecodeError| {
        let why = error.to_string();
        why.contains("UTF-8") || why.contains("recursion limit")
    };
    let ours = traces(bytes);
    match (ExportTraceServiceRequest::decode(bytes), &ours) {
        (Ok(theirs), Ok(ours)) => prop_assert_eq!(shown(&oracle::traces(&theirs)), shown(ours)),
        (Err(_), Err(_)) | (Ok(_), Err(DecodeError::WrongSignal { .. })) => {}
        (Err(error), Ok(ours)) if ours.rejected.items > 0 || replaced(&error) => {}
        (theirs, _) => prop_assert!(false, "prost: {:?}, ours: {:?}", theirs, ours),
    }
    let theirs = ExportLogsServiceRequest::decode(bytes);
    let agree = |theirs: Result<(), prost::DecodeError>, ours: Result<usize, DecodeError>| match theirs {
        Err(error) if replaced(&error) => true,
        theirs => theirs.is_ok() == ours.is_ok(),
    };
    prop_assert!(agree(theirs.clone().map(drop), skeleton(bytes, Signal::Logs)), "as logs");
    match (theirs, logs(bytes)) {
        (Ok(theirs), Ok(ours)) => {
            prop_assert_eq!(format!("{:?}", oracle::logs(&theirs)), format!("{:?}", ours));
        }
        (Err(_), Err(_)) | (Ok(_), Err(DecodeError::WrongSignal { .. })) => {}
        (Err(error), Ok(ours)) if ours.rejected.items > 0 || replaced(&error) => {}
        (theirs, ours) => prop_assert!(false, "prost: {:?}, ours: {:?}", theirs, ours),
    }
    let metrics = ExportMetricsServiceRequest::decode(bytes).map(drop);
    prop_assert!(agree(metrics, skeleton(bytes, Signal::Metrics)), "as metrics");
    let spans = ExportTraceServiceRequest::decode(bytes).map(drop);
    prop_assert!(agree(spans, skeleton(bytes, Signal::Traces)), "as traces");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn decodes_what_prost_encodes(request in oracle::any_request()) {
        let bytes = request.encode_to_vec();
        agrees_with_prost(&bytes)?;
        let spans: usize = request.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum();
        prop_assert_eq!(skeleton(&bytes, Signal::Traces), Ok(spans));
    }

    #[test]
    fn decodes_logs_that_prost_encodes(request in oracle::any_logs()) {
        let bytes = request.encode_to_vec();
        agrees_with_prost(&bytes)?;
        let records: usize = request.resource_logs.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum();
        prop_assert_eq!(skeleton(&bytes, Signal::Logs), Ok(records));
    }

    #[test]
    fn agrees_with_prost_on_damaged_logs(request in oracle::any_logs(), edits in oracle::edits()) {
        agrees_with_prost(&oracle::edited(request.encode_to_vec(), &edits))?;
    }

    #[test]
    fn agrees_with_prost_on_damaged_bytes(request in oracle::any_request(), edits in oracle::edits()) {
        agrees_with_prost(&oracle::edited(request.encode_to_vec(), &edits))?;
    }

    #[test]
    fn agrees_with_prost_on_noise(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        agrees_with_prost(&bytes)?;
    }
}

/// A field of wire type LEN.
fn field(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    let mut len = inner.len();
    while len > 0x7f {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(inner);
    out
}

/// A request with one span that has these fields after its ids.
fn one_span(fields: &[u8]) -> Vec<u8> {
    let mut span = field(1, &[1; 16]);
    span.extend(field(2, &[2; 8]));
    span.extend_from_slice(fields);
    field(1, &field(2, &field(2, &span)))
}

fn only(bytes: &[u8]) -> Span<'_> {
    let mut traces = traces(bytes).unwrap();
    assert_eq!(traces.rejected, Rejected::default());
    traces.resource_spans.pop().unwrap().scopes.pop().unwrap().spans.pop().unwrap()
}

#[test]
fn an_empty_request_is_legal() {
    assert_eq!(traces(b""), Ok(Traces::default()));
    assert_eq!(skeleton(b"", Signal::Logs), Ok(0));
}

#[test]
fn the_last_scalar_wins_and_messages_merge() {
    let value = |bytes: &[u8]| field(2, bytes);
    let array = |item: u8| field(5, &field(1, &[3 << 3, item]));
    let mut pair = field(1, b"key");
    pair.extend(value(&array(1)));
    pair.extend(value(&array(2)));
    let mut fields = field(5, b"first");
    fields.extend(field(5, b"second"));
    fields.extend(field(9, &pair));
    let bytes = one_span(&fields);
    let span = only(&bytes);
    assert_eq!(span.name, "second");
    assert_eq!(span.attributes[0].value, AnyValue::Array(vec![AnyValue::Int(1), AnyValue::Int(2)]));
}

#[test]
fn unknown_fields_and_groups_are_skipped() {
    let mut fields = vec![17 << 3 & 0x7f | 0x80, 1, 5]; // field 17, varint
    fields.extend([0xa3, 1, 0x08, 7, 0x13, 0x14, 0xa4, 1]); // group 20 { 1: 7, group 2 {} }
    fields.extend(field(5, b"name"));
    let bytes = one_span(&fields);
    assert_eq!(only(&bytes).name, "name");
}

#[test]
fn a_bad_id_rejects_its_span_only() {
    let good = {
        let mut span = field(1, &[1; 16]);
        span.extend(field(2, &[2; 8]));
        span.extend(field(4, &[0; 8]));
        span
    };
    let mut short = field(1, &[1; 15]);
    short.extend(field(2, &[2; 8]));
    let mut zero = field(1, &[0; 16]);
    zero.extend(field(2, &[2; 8]));
    let mut parent = good.clone();
    parent.extend(field(4, &[1; 7]));
    let mut scope = Vec::new();
    for span in [&good, &short, &zero, &parent] {
        scope.extend(field(2, span));
    }
    let bytes = field(1, &field(2, &scope));
    let traces = traces(&bytes).unwrap();
    assert_eq!(traces.rejected.items, 3);
    assert_eq!(
        traces.rejected.first_reason.as_deref(),
        Some("resource_spans[0].scope_spans[0].spans[1]: trace_id is not 16 bytes long")
    );
    assert_eq!(traces.resource_spans[0].scopes[0].spans.len(), 1);
    assert_eq!(traces.resource_spans[0].scopes[0].spans[0].parent_span_id, None);
}

#[test]
fn a_bad_id_rejects_its_log_record_only() {
    let mut scope = field(2, &[]);
    scope.extend(field(2, &[field(9, &[0; 16]), field(10, &[])].concat()));
    scope.extend(field(2, &field(9, &[1; 15])));
    scope.extend(field(2, &[field(9, &[1; 16]), field(10, &[2; 9])].concat()));
    let bytes = field(1, &field(2, &scope));
    let logs = logs(&bytes).unwrap();
    let said = "resource_logs[0].scope_logs[0].log_records[2]: trace_id is not 16 bytes long";
    assert_eq!((logs.rejected.items, logs.rejected.first_reason.as_deref()), (2, Some(said)));
    let kept = &logs.resource_logs[0].scopes[0].records;
    assert_eq!(
        kept.iter().map(|record| (record.trace_id, record.span_id)).collect::<Vec<_>>(),
        [(None, None); 2]
    );
}

#[test]
fn errors_name_the_byte() {
    assert_eq!(traces(&[0x0a, 5, 0]), Err(DecodeError::Truncated { offset: 1 }));
    assert_eq!(
        traces(&[0x08, 0xff]),
        Err(DecodeError::WireType { offset: 1, tag: 1, message: "ExportTraceServiceRequest" })
    );
    assert_eq!(traces(&[0x10, 0xff]), Err(DecodeError::Truncated { offset: 1 }));
    let eleven = [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(traces(&eleven), Err(DecodeError::Varint { offset: 1 }));
    let latin = field(1, &field(2, &field(3, b"caf\xe9")));
    assert_eq!(traces(&latin), Err(DecodeError::Utf8 { offset: latin.len() - 4 }));
}

#[test]
fn a_text_that_was_cut_within_a_character_keeps_the_rest() {
    // An emoji's first bytes, half a surrogate pair as JavaScript writes it, and Latin-1.
    for (cut, kept) in [
        (&b"nice \xf0\x9f\x98"[..], "nice \u{fffd}"),
        (b"nice \xed\xa0\xbd", "nice \u{fffd}\u{fffd}\u{fffd}"),
        (b"caf\xe9 bar", "caf\u{fffd} bar"),
    ] {
        let mut fields = field(5, cut);
        fields.extend(field(9, &[field(1, cut), field(2, &field(1, cut))].concat()));
        fields.extend(field(15, &field(2, cut)));
        let bytes = one_span(&fields);
        let span = only(&bytes);
        assert_eq!((span.name.as_ref(), span.status_message.as_ref()), (kept, kept));
        let pair = KeyValue { key: kept.into(), value: AnyValue::Str(kept.into()) };
        assert_eq!(span.attributes, [pair]);
        let logs = field(1, &field(2, &field(2, &field(5, &field(1, cut)))));
        let logs = super::logs(&logs).unwrap();
        assert_eq!(logs.resource_logs[0].scopes[0].records[0].body, AnyValue::Str(kept.into()));
    }
}

#[test]
fn a_span_that_cant_be_decoded_costs_only_itself() {
    let good = [field(1, &[1; 16]), field(2, &[2; 8])].concat();
    let truncated = [&good[..], &[5 << 3 | 2, 9, 1]].concat();
    let wrong_type = [&good[..], &[7 << 3, 1]].concat();
    let no_key = [&good[..], &[0x07]].concat();
    for bad in [truncated, wrong_type, no_key] {
        let scope = [field(2, &good), field(2, &bad), field(2, &good)].concat();
        let bytes = field(1, &field(2, &scope));
        let traces = traces(&bytes).unwrap();
        assert_eq!(traces.resource_spans[0].scopes[0].spans.len(), 2);
        let Rejected { items, first_reason } = traces.rejected;
        let reason = first_reason.unwrap();
        assert!(items == 1 && reason.starts_with("resource_spans[0].scope_spans[0].spans[1]: "), "{reason}");
    }
    let bad = [field(6, &[1]), vec![1 << 3, 7]].concat();
    let scope = [field(2, &[]), field(2, &bad)].concat();
    let bytes = field(1, &field(2, &scope));
    let logs = super::logs(&bytes).unwrap();
    assert_eq!((logs.rejected.items, logs.resource_logs[0].scopes[0].records.len()), (1, 1));
}

/// The specification lets 64 levels through by default (`AttributeValueDepthLimit`); prost bounds them below.
#[test]
fn nesting_is_bounded_beyond_what_sdks_let_through() {
    let array = |inner: &[u8]| field(5, &field(1, inner));
    let object = |inner: &[u8]| field(6, &field(1, &[field(1, b"k"), field(2, inner)].concat()));
    let nested = |levels: usize, within: &dyn Fn(&[u8]) -> Vec<u8>| {
        let value = (0..levels).fold(vec![3 << 3, 1], |value, _| within(&value));
        one_span(&field(9, &field(2, &value)))
    };
    for (levels, within, fits) in [
        (1, &array as &dyn Fn(&[u8]) -> Vec<u8>, true),
        (97, &array, true),
        (98, &array, false),
        (5_000, &array, false),
        (64, &object, true),
        (65, &object, true),
        (66, &object, false),
    ] {
        let bytes = nested(levels, within);
        let traces = traces(&bytes).unwrap();
        assert_eq!((traces.rejected.items == 0, is_empty(&traces)), (fits, !fits), "{levels} levels");
    }
}

#[test]
fn a_request_of_another_signal_is_told_apart() {
    let string = field(1, b"hello");
    let mut record = vec![0x09, 1, 2, 3, 4, 5, 6, 7, 8]; // time_unix_nano
    record.extend(field(5, &string));
    let logs = field(1, &field(2, &field(2, &record)));
    let mut gauge = field(1, b"0123456789abcdef"); // a name as long as a trace id
    gauge.extend(field(2, b"short"));
    gauge.extend(field(5, &field(1, &[0x19, 1, 2, 3, 4, 5, 6, 7, 8])));
    let metrics = field(1, &field(2, &field(2, &gauge)));
    let spans = one_span(&field(5, b"name"));

    assert_eq!(super::logs(&logs).map(|logs| logs.resource_logs.len()), Ok(1));
    let wrong = |expected, found| DecodeError::WrongSignal { expected, found };
    assert_eq!(traces(&logs), Err(wrong(Signal::Traces, Signal::Logs)));
    assert_eq!(traces(&metrics), Err(wrong(Signal::Traces, Signal::Metrics)));
    assert_eq!(super::logs(&spans), Err(wrong(Signal::Logs, Signal::Traces)));
    assert_eq!(super::logs(&metrics), Err(wrong(Signal::Logs, Signal::Metrics)));
    assert_eq!(skeleton(&spans, Signal::Logs), Err(wrong(Signal::Logs, Signal::Traces)));
    assert_eq!(skeleton(&metrics, Signal::Logs), Err(wrong(Signal::Logs, Signal::Metrics)));
    assert_eq!(skeleton(&logs, Signal::Metrics), Err(wrong(Signal::Metrics, Signal::Logs)));
    assert_eq!(skeleton(&logs, Signal::Logs), Ok(1));
    assert_eq!(skeleton(&metrics, Signal::Metrics), Ok(1));
}

#[test]
fn a_hundred_thousand_attributes_are_read_in_one_go() {
    let mut pair = field(1, b"k");
    pair.extend(field(2, &field(1, b"v")));
    let mut fields = Vec::new();
    for _ in 0..100_000 {
        fields.extend(field(9, &pair));
    }
    let bytes = one_span(&fields);
    assert_eq!(only(&bytes).attributes.len(), 100_000);
}

#[test]
fn more_messages_than_memory_can_hold_are_refused() {
    let attributes = |count: u32| -> Vec<u8> {
        // A span of `count` empty attributes, its two ids, its scope and its resource.
        let mut span = vec![0x0a, 16];
        span.extend_from_slice(&[1; 16]);
        span.extend_from_slice(&[0x12, 8]);
        span.extend_from_slice(&[1; 8]);
        span.extend((0..count).flat_map(|_| [0x4a, 0x00]));
        let wrap = |tag: u8, inner: Vec<u8>| {
            let mut out = vec![tag];
            prost::encoding::encode_varint(inner.len() as u64, &mut out);
            out.extend(inner);
            out
        };
        wrap(0x0a, wrap(0x12, wrap(0x12, span)))
    };
    assert!(traces(&attributes(100_000)).is_ok());
    let bytes = attributes(crate::otlp::MAX_MESSAGES);
    let empty_records = field(1, &[0x12, 0x00].repeat(crate::otlp::MAX_MESSAGES as usize));
    assert_eq!(logs(&empty_records), Err(DecodeError::TooMany { limit: crate::otlp::MAX_MESSAGES }));
    assert_eq!(traces(&bytes), Err(DecodeError::TooMany { limit: crate::otlp::MAX_MESSAGES }));
}
