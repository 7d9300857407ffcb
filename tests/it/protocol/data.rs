//! Rows D1 to D9: the data model, in both encodings.

use super::client::{JSON, Outcome, PROTOBUF, Post};
use super::{Case, Ctx, Expect, Target, http, steps};
use crate::support::grpc::frame;
use crate::support::spans::{attribute, text};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value as Arm,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span};
use prost::Message;
use serde_json::Value;

const INPUT: &str = "gen_ai.tool.call.arguments";

fn changed(c: &Ctx, change: impl Fn(&mut Span)) -> Post {
    Post::new(PROTOBUF, c.changed(1, |_, span| change(span)))
}

/// A good span, and the same one with other ids.
fn with_ids(c: &Ctx, trace: Vec<u8>, id: Vec<u8>) -> Post {
    let body = c.changed(2, |n, span| {
        if n == 2 {
            (span.trace_id, span.span_id) = (trace.clone(), id.clone());
        }
    });
    Post::new(PROTOBUF, body)
}

/// A span whose input is `value`.
fn valued(c: &Ctx, value: Option<AnyValue>) -> Post {
    changed(c, |span| {
        let pair = KeyValue { key: INPUT.into(), value: value.clone(), ..KeyValue::default() };
        span.attributes = [tool(), vec![pair]].concat();
    })
}

fn tool() -> Vec<KeyValue> {
    vec![
        attribute("gen_ai.operation.name", text("execute_tool")),
        attribute("gen_ai.tool.name", text("lookup_order")),
    ]
}

fn arm(value: Arm) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

/// A field that no version has yet, length-delimited.
fn unknown(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut bytes);
    bytes.extend_from_slice(b"\x03new");
    bytes
}

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

fn at(path: &'static str, record: &Value, wanted: &Value) -> Outcome<()> {
    let found = record.pointer(path).unwrap_or(&Value::Null);
    if found == wanted { Ok(()) } else { Err(format!("{path} is {found}, wanted {wanted}")) }
}

fn log(record: LogRecord) -> Post {
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![resource] };
    Post::new(PROTOBUF, request.encode_to_vec()).to("/v1/logs")
}

const OBSERVED: u64 = 1_760_000_000_000_000_000;

pub fn cases() -> Vec<Case> {
    let mut cases = ids_and_values();
    cases.extend(outcomes_and_times());
    cases
}

fn ids_and_values() -> Vec<Case> {
    use Expect::{Full, Partial};
    let pairs = || KeyValueList { values: vec![attribute("order", text("A-1042"))] };
    vec![
        http("D1", "a trace id of zeros", Partial(1), |c| with_ids(c, vec![0; 16], vec![1; 8])).keeps(1),
        http("D1", "a span id of zeros", Partial(1), |c| with_ids(c, vec![1; 16], vec![0; 8])).keeps(1),
        http("D1", "no ids", Partial(1), |c| with_ids(c, vec![], vec![])).keeps(1),
        http("D1", "long ids", Partial(1), |c| with_ids(c, vec![1; 32], vec![1; 16])).keeps(1),
        http("D1", "a span id of zeros in JSON", Expect::Refused(400), |c| {
            let (_, id) = crate::support::spans::key(&crate::support::spans::span(c.family, 1));
            Post::new(JSON, c.json().replace(&id, "0000000000000000"))
        })
        .keeps(0),
        http("D2", "an attribute twice: the later one holds", Full, |c| {
            changed(c, |span| {
                span.attributes = [tool(), vec![attribute("gen_ai.tool.name", text("later"))]].concat();
            })
        })
        .kept(1, |records| at("/action/tool", &records[0], &"later".into())),
        http("D2", "an attribute twice in JSON: the later one holds", Full, |c| {
            let again =
                r#"{"key":"gen_ai.tool.name","value":{"stringValue":"later"}},{"key":"gen_ai.tool.call"#;
            c.edited(r#"{"key":"gen_ai.tool.call"#, again)
        })
        .kept(1, |records| at("/action/tool", &records[0], &"later".into())),
        http("D3", "bytes", Full, |c| valued(c, arm(Arm::BytesValue(vec![0xfb, 0xff, 0])))).keeps(1),
        http("D3", "pairs", Full, move |c| valued(c, arm(Arm::KvlistValue(pairs())))).keeps(1),
        http("D3", "an array of everything", Full, move |c| {
            let values = [
                arm(Arm::BytesValue(vec![])),
                arm(Arm::KvlistValue(pairs())),
                arm(Arm::ArrayValue(ArrayValue::default())),
                arm(Arm::DoubleValue(f64::NAN)),
                Some(AnyValue::default()),
            ];
            valued(c, arm(Arm::ArrayValue(ArrayValue { values: values.into_iter().flatten().collect() })))
        })
        .keeps(1),
        http("D3", "empty", Full, |c| valued(c, Some(AnyValue::default()))).keeps(1),
        http("D3", "no value", Full, |c| valued(c, None)).keeps(1),
        http("D9", "an arm that no version has", Full, |c| {
            let pair = [field(1, INPUT.as_bytes()), field(2, &unknown(15))].concat();
            let mut span = crate::support::spans::span(c.family, 1).encode_to_vec();
            span.extend(field(9, &pair));
            let tenant = attribute("tenant.id", text(&c.tenant)).encode_to_vec();
            let resource = field(1, &field(1, &tenant));
            Post::new(PROTOBUF, field(1, &[resource, field(2, &field(2, &span))].concat()))
        })
        .keeps(1),
        http("D9", "an arm that no version has, in JSON", Full, |c| {
            c.edited(r#"{"intValue":"7"}"#, r#"{"futureValue":{"x":1}}"#)
        })
        .keeps(1),
        steps("D9", "fields that no version has, at every level", unknown_fields).keeps(1),
    ]
}

fn outcomes_and_times() -> Vec<Case> {
    use Expect::Full;
    let timed = |start, end| {
        move |c: &Ctx| changed(c, |span| (span.start_time_unix_nano, span.end_time_unix_nano) = (start, end))
    };
    vec![
        http("D4", "status 2 is an error", Full, |c| {
            changed(c, |span| span.status = Some(Status { code: 2, message: "no such order".into() }))
        })
        .kept(1, |records| at("/outcome/status", &records[0], &"error".into())),
        http("D4", "status 1 is none", Full, |c| {
            changed(c, |span| span.status = Some(Status { code: 1, message: String::new() }))
        })
        .kept(1, |records| at("/outcome/status", &records[0], &"ok".into())),
        http("D4", "status 2 in JSON is an error", Full, |c| c.edited(r#"{"code":1}"#, r#"{"code":2}"#))
            .kept(1, |records| at("/outcome/status", &records[0], &"error".into())),
        http("D4", "a status that is not known", Full, |c| {
            changed(c, |span| span.status = Some(Status { code: 77, message: String::new() }))
        })
        .keeps(1),
        http("D5", "an end before the start", Full, timed(OBSERVED, OBSERVED - 1_000_000_000)).kept(
            1,
            |records| {
                at("/data/started_at", &records[0], &"2025-10-09T08:53:20.000000Z".into())?;
                at("/data/ended_at", &records[0], &"2025-10-09T08:53:19.000000Z".into())
            },
        ),
        http("D5", "no times", Full, timed(0, 0)).keeps(1),
        http("D5", "times in the future", Full, timed(4_000_000_000_000_000_000, u64::MAX)).keeps(1),
        http("D6", "what the sender dropped", Full, |c| {
            changed(c, |span| {
                (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count) =
                    (1, 2, 3);
            })
        })
        .kept(1, |records| at("/data/dropped_by_sender", &records[0], &6.into())),
        http("D6", "flags, state and links do not disturb", Full, |c| {
            changed(c, |span| {
                (span.flags, span.trace_state) = (0x301, "vendor=1".into());
                let link = span::Link { trace_id: vec![3; 16], span_id: vec![4; 8], ..span::Link::default() };
                span.links = vec![link];
            })
        })
        .keeps(1),
        http("D7", "a log record without a time of its own", Full, |_| {
            log(LogRecord { observed_time_unix_nano: OBSERVED, ..LogRecord::default() })
        }),
        http("D8", "a log record's event_name", Full, |_| {
            log(LogRecord {
                event_name: "gen_ai.choice".into(),
                time_unix_nano: OBSERVED,
                ..LogRecord::default()
            })
        }),
        http("D8", "a log record's event.name among its attributes", Full, |_| {
            let attributes = vec![attribute("event.name", text("gen_ai.choice"))];
            log(LogRecord { attributes, time_unix_nano: OBSERVED, ..LogRecord::default() })
        }),
    ]
}

/// Request, resource, scope, span and value, each with a field of a number nobody uses.
fn unknown_fields(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let new = unknown(900);
    let tenant = [attribute("tenant.id", text(&ctx.tenant)).encode_to_vec(), new.clone()].concat();
    let resource = [field(1, &tenant), new.clone()].concat();
    let span = [crate::support::spans::span(ctx.family, 1).encode_to_vec(), new.clone()].concat();
    let scope = [field(1, &new), field(2, &span), new.clone()].concat();
    let group = [field(1, &resource), field(2, &scope), new.clone()].concat();
    let request = [field(1, &group), new].concat();
    let call = super::client::Call { path: super::grpc::TRACES, headers: vec![], body: frame(0, &request) };
    let seen = target.call(call)?;
    Expect::Full.grpc(&seen, target.strict).map_err(|why| format!("{why}; {}", seen.summary()))?;
    Ok(seen.summary())
}
