//! Requests that are small on the wire and large when they are read.

use crate::support::chains::of_tenant;
use crate::support::halod::Halod;
use crate::support::http::{JSON, PROTOBUF};
use crate::support::spans::{attribute, request, span, text};
use crate::support::wait_until;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::io::Write;
use std::time::Duration;

/// What halod may take at most with the limit that it has by default, in MiB, beside the pages of its program.
pub const PEAK: u64 = 128 + 64 + 64;
/// What it may take when it is idle again.
pub const IDLE: u64 = 64;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A JSON list of so many empty lists, two bytes each with the comma.
fn list(values: usize) -> String {
    format!("[{}0]", "0,".repeat(values - 1))
}

/// A text that says more than may be read of it stays a text, which the record says, and a resend is the
/// same.
#[test]
fn a_json_text_of_millions_of_values_is_hashed_as_text() {
    const MIB: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut bomb = span(0xB0, 0);
    bomb.attributes.push(attribute("gen_ai.input.messages", text(&list(MIB << 19))));
    let body = gzip(&request(Some("acme"), vec![bomb]));
    assert!(body.len() < 300_000, "{}", body.len());
    for _ in 0..2 {
        let headers = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
        let answer = halod.connect().post("/v1/traces", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    println!("peak memory {} MiB", halod.peak_memory_mib());
    assert!(halod.peak_memory_mib() < PEAK, "{} MiB", halod.peak_memory_mib());
    assert_eq!((halod.sealed(), halod.duplicates()), (1, 1));
    assert!(halod.terminate().success());
    let record = of_tenant(dir.path(), Some("acme")).remove(0);
    assert_eq!(record["data"]["unparsed"], true);
    assert!(record["action"]["input"]["hash"].as_str().unwrap().starts_with("sha256:"));
}

/// So many of `item` in brackets.
fn many(item: &str, count: usize) -> String {
    format!("[{}{item}]", [item, ","].concat().repeat(count - 1))
}

/// A span of a tool's call that was given `value`.
fn tool(value: AnyValue) -> Vec<u8> {
    let mut bomb = span(0xB1, 0);
    bomb.attributes.push(attribute("gen_ai.operation.name", text("execute_tool")));
    bomb.attributes.push(attribute("gen_ai.tool.call.arguments", value));
    request(Some("acme"), vec![bomb])
}

fn message(body: String) -> Vec<u8> {
    let record = LogRecord {
        event_name: "gen_ai.user.message".to_owned(),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        body: Some(text(&body)),
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
        .encode_to_vec()
}

/// A body that is small on the wire, and takes dozens of times its length when it is read.
pub struct Bomb {
    pub name: &'static str,
    pub path: &'static str,
    pub kind: &'static str,
    pub body: Vec<u8>,
}

pub fn otlp_bombs() -> Vec<Bomb> {
    let empty = KeyValue { key: String::new(), value: None, ..KeyValue::default() };
    let list = AnyValue { value: Some(Value::KvlistValue(KeyValueList { values: vec![empty; 1_900_000] })) };
    let json = |path, name, body: String| Bomb { name, path, kind: JSON, body: body.into_bytes() };
    let span = r#""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708""#;
    let spans = |spans: String| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":{spans}}}]}}]}}"#);
    let value = format!(r#"{{"arrayValue":{{"values":{}}}}}"#, many("{}", 1_900_000));
    let attribute = format!(r#"{{{span},"attributes":[{{"key":"input.value","value":{value}}}]}}"#);
    vec![
        Bomb { name: "empty pairs", path: "/v1/traces", kind: PROTOBUF, body: tool(list) },
        Bomb {
            name: "JSON in a text",
            path: "/v1/traces",
            kind: PROTOBUF,
            body: tool(text(&many(r#"{"":0}"#, 49_000))),
        },
        Bomb {
            name: "controls in a text",
            path: "/v1/traces",
            kind: PROTOBUF,
            body: tool(text(&"\u{1}".repeat(30 << 20))),
        },
        Bomb {
            name: "a message in a log",
            path: "/v1/logs",
            kind: PROTOBUF,
            body: message("x".repeat(30 << 20)),
        },
        json("/v1/traces", "empty values", spans(format!("[{attribute}]"))),
        json("/v1/traces", "small spans", spans(many(&format!("{{{span}}}"), 400_000))),
        json("/v1/traces", "escapes", spans(format!(r#"[{{{span},"name":"{}"}}]"#, r"\n".repeat(15 << 20)))),
    ]
}

pub fn json_bombs() -> Vec<Bomb> {
    let dense = many(r#"{"":0}"#, 900_000);
    let named = |name, path, body: String| Bomb { name, path, kind: JSON, body: body.into_bytes() };
    let span = r#"{"object":"trace.span","id":"a","trace_id":"b","span_data":{"type":"function"}}"#;
    let run = r#"{"id":"00000000-0000-0000-0000-000000000001","name":"n","run_type":"tool"}"#;
    let part = |name: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let form = part("post.a", r#"{"id":"a"}"#) + &part("post.a.inputs", &dense) + "--b--";
    let record = |value: &str| {
        format!(
            r#"{{"key":"a","agent":{{"id":"b"}},"action":{{"type":"tool_call","tool":"t","input":{value}}}}}"#
        )
    };
    vec![
        named(
            "LiteLLM, a value",
            "/litellm",
            format!(r#"[{{"id":"a","call_type":"a","messages":{dense}}}]"#),
        ),
        named("LiteLLM, items", "/litellm", many("{}", 90_000)),
        named(
            "Agents, a value",
            "/v1/traces/ingest",
            format!(r#"{{"data":[{{"object":"trace.span","span_data":{dense}}}]}}"#),
        ),
        named("Agents, items", "/v1/traces/ingest", format!(r#"{{"data":{}}}"#, many(span, 200_000))),
        named(
            "Langfuse, a value",
            "/api/public/ingestion",
            format!(r#"{{"batch":[{{"id":"a","type":"span-create","body":{{"id":"b","input":{dense}}}}}]}}"#),
        ),
        named(
            "Langfuse, items",
            "/api/public/ingestion",
            format!(r#"{{"batch":{}}}"#, many("{}", 1_000_000)),
        ),
        named(
            "LangSmith, a value",
            "/runs/batch",
            format!(r#"{{"post":[{{"id":"a","inputs":{{"a":{dense}}}}}]}}"#),
        ),
        named("LangSmith, a project", "/sessions", format!(r#"{{"name":"a","extra":{dense}}}"#)),
        named("LangSmith, items", "/runs/batch", format!(r#"{{"post":{}}}"#, many(run, 200_000))),
        Bomb {
            name: "LangSmith, a part",
            path: "/runs/multipart",
            kind: "multipart/form-data; boundary=b",
            body: form.into_bytes(),
        },
        named("native, a value", "/v1/records", record(&dense)),
        named("native, items", "/v1/records", many("{}", 10_000)),
    ]
}

/// Sends the bomb to a halod of its own, on several connections at once.
fn explode(bomb: &Bomb) {
    const SENDERS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let body = gzip(&bomb.body);
    let send = || {
        let headers = [("content-type", bomb.kind), ("content-encoding", "gzip")];
        halod.connect().post(bomb.path, &headers, &body).unwrap()
    };
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| send().status)).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let Bomb { name, path, .. } = bomb;
    // What a sender makes halod hold is not the program's own file.
    let peak = halod.peak_memory_mib().saturating_sub(halod.file_memory_mib());
    println!("{path}, {name}: {} bytes, {answers:?}, {peak} MiB", body.len());
    let known = |status: &u16| matches!(status, 200 | 202 | 207 | 400 | 413 | 422 | 503);
    assert!(answers.iter().all(known), "{path}, {name}: {answers:?}");
    assert!(peak <= PEAK, "{path}, {name}: {peak} MiB");
    // Who is refused although nobody else holds anything is not told to try again.
    let alone = send().status;
    assert!(known(&alone) && alone != 503, "{path}, {name}: {alone}");
    let honest = halod.connect().export(&request(Some("quiet"), vec![span(0xB2, 0)])).unwrap();
    assert_eq!(honest.status, 200, "{}", honest.text());
    wait_until("idle memory", Duration::from_secs(30), || halod.memory_mib() < IDLE);
    assert!(halod.terminate().success());
}

/// What a request holds is charged before it is allocated, at every door that reads OTLP.
#[test]
fn otlp_takes_no_more_memory_than_is_admitted() {
    otlp_bombs().iter().for_each(explode);
}

/// The same at the doors that read JSON.
#[test]
fn json_takes_no_more_memory_than_is_admitted() {
    json_bombs().iter().for_each(explode);
}
