//! What the readers hold of bytes from outside is charged before it is allocated: the most that is on the
//! heap while a body is read is within what was taken for it.
//!
//! This is a binary of its own, because its allocator counts; one test, because it counts for all threads.

#![allow(clippy::unwrap_used)]

use halo_adapters::langsmith::form::told;
use halo_adapters::langsmith::multipart::{boundary, parts};
use halo_adapters::otlp::{Signal, json as otlp_json, protobuf};
use halo_adapters::{gateway, langfuse, langsmith, litellm, native, openai_agents, otel, transcript};
use halod_record::build::Builder;
use halod_record::charge::{Account, charged, passing};
use halod_record::draft::Scratch;
use halod_record::event::Event;
use halod_record::json::{Json, Most, parse, split};
use halod_record::tenant::Tenant;
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Bytes of a body: what is not charged of one shows, as a value takes many times its text.
const BODY: usize = 32 << 10;

/// What may be held beside: buffers of fixed size, stacks, what is cut to fit a record.
const BESIDE: usize = 160 << 10;

/// Pays for everything, to the byte.
struct Ledger(usize);

impl Account for Ledger {
    fn raise_to(&mut self, total: usize) -> Option<usize> {
        self.0 = total;
        Some(total)
    }
}

struct Reading {
    builder: Builder,
    logs: Vec<gateway::Reader>,
}

impl Reading {
    fn draft(&self, event: &Event<'_>) {
        drop(self.builder.draft(event, &Tenant::Local, &mut Scratch::default()));
    }

    fn event<E>(&self, event: Result<Option<Event<'_>>, E>) {
        if let Ok(Some(event)) = event {
            self.draft(&event);
        }
    }

    fn json(&self, body: &[u8]) {
        let Ok(text) = std::str::from_utf8(body) else { return };
        drop(split(text, &Most { items: 100_000, values: 2_000_000 }));
        let Ok(value) = parse(text) else { return };
        self.event(litellm::event(&value));
        self.event(openai_agents::item(&value));
        self.event(langsmith::run(&value));
        self.event(langsmith::feedback(&value));
        for client in [transcript::Client::ClaudeCode, transcript::Client::Codex] {
            self.event(transcript::event(client, &value).map(Some));
        }
        if let Ok(Some(fragment)) = langfuse::fragment(&value) {
            drop(self.builder.reduce(fragment, &mut Scratch::default()));
        }
        if let Ok(fragment) = langsmith::fragment(langsmith::Op::Post, &value) {
            drop(self.builder.reduce(fragment, &mut Scratch::default()));
        }
        if let Ok(record) = halod_record::native::read(value, &self.builder) {
            let capture = halod_record::native::Capture::Ingested;
            drop(self.builder.native(&record, &Tenant::Local, capture, &mut Scratch::default()));
        }
    }

    fn otlp(&self, body: &[u8]) {
        for traces in [protobuf::traces(body), otlp_json::traces(body)].into_iter().flatten() {
            for group in &traces.resource_spans {
                let resource = otel::Resource::new(&group.resource);
                let scopes =
                    group.scopes.iter().flat_map(|scope| scope.spans.iter().map(move |span| (scope, span)));
                for (scope, span) in scopes {
                    if let Some(event) = otel::event(&resource, &scope.scope_name, span) {
                        self.draft(&event);
                    }
                }
            }
        }
        for logs in [protobuf::logs(body), otlp_json::logs(body)].into_iter().flatten() {
            for group in &logs.resource_logs {
                let resource = otel::logs::Resource::new(&group.resource);
                for scope in &group.scopes {
                    for record in &scope.records {
                        match otel::logs::item(&resource, &scope.scope_name, record) {
                            Some(otel::logs::Item::Event(event)) => self.draft(&event),
                            Some(otel::logs::Item::Part(part)) => drop(otel::logs::assemble(vec![*part])),
                            None => {}
                        }
                    }
                }
            }
        }
        let _ = protobuf::skeleton(body, Signal::Metrics);
        let _ = otlp_json::skeleton(body, Signal::Metrics);
        drop(native::records::<halo_adapters::otlp::DecodeError>(body, |_| Ok(())));
    }

    /// What is kept of a large request, whose items are decoded one at a time.
    fn places(&self, body: &[u8]) {
        for traces in [protobuf::span_places(body), otlp_json::span_places(body)].into_iter().flatten() {
            for group in &traces.resource_spans {
                let resource = otel::Resource::new(&group.resource);
                for (scope, place) in
                    group.scopes.iter().flat_map(|scope| scope.spans.iter().map(move |span| (scope, span)))
                {
                    let _item = passing();
                    let span = place.read().unwrap();
                    if let Some(event) = otel::event(&resource, &scope.scope_name, &span) {
                        self.draft(&event);
                    }
                }
            }
        }
        for logs in [protobuf::log_places(body), otlp_json::log_places(body)].into_iter().flatten() {
            for place in logs.resource_logs.iter().flat_map(|group| &group.scopes).flat_map(|s| &s.records) {
                let _item = passing();
                drop(place.read().unwrap());
            }
        }
    }

    /// Lines of access logs, also where none of their format is known yet.
    fn gateway(&self, body: &[u8]) {
        {
            let _glance = passing();
            let _ = gateway::detect(&[body]);
        }
        for reader in &self.logs {
            let _line = passing();
            let identity = ["log", "chain"];
            let place = gateway::Place { file: "a.log", identity: &identity, offset: 0 };
            if let Ok(gateway::Line::Event(event)) = reader.line(body, &place) {
                self.draft(&event);
            }
        }
    }

    fn form(&self, body: &[u8]) {
        let boundary = boundary(b"multipart/form-data; boundary=b").unwrap();
        if let Ok(parts) = parts(body, &boundary) {
            drop(told(&parts));
        }
    }

    /// Reads `body`, and says by how much the heap went beyond what was charged.
    fn uncharged(&self, body: &[u8], read: Reader) -> usize {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let (Ledger(paid), done) = charged(Ledger(0), || read(self, body));
        done.unwrap();
        (HEAP.peak_usage() - before).saturating_sub(paid)
    }
}

type Reader = fn(&Reading, &[u8]);

const READERS: [(&str, Reader); 5] = [
    ("json", Reading::json),
    ("otlp", Reading::otlp),
    ("places", Reading::places),
    ("form", Reading::form),
    ("gateway", Reading::gateway),
];

/// Values that take much more memory than text.
const DENSE: [&str; 16] = [
    "0",
    "[]",
    "{}",
    "[0]",
    "[[[[0]]]]",
    r#"{"":0}"#,
    r#"{"b":0,"a":0}"#,
    r#"{"a":{"a":{"a":0}}}"#,
    r#""""#,
    r#""\n""#,
    r#""\ud800""#,
    r#""\u0001\u0001\u0001\u0001""#,
    r#""[[],[]]""#,
    r#""{\"a\":[0,0]}""#,
    "1e300",
    r#""a@b.co 4111111111111111""#,
];

fn listed(item: &str, bytes: usize) -> String {
    format!("[{}0]", format!("{item},").repeat(bytes / (item.len() + 1)))
}

/// As many keys, each of them once.
fn keyed(item: &str, bytes: usize) -> String {
    let mut out = String::from("{");
    for at in (0..).take_while(|at| at * (item.len() + 8) < bytes) {
        out.push_str(&format!("\"{:x}\":{item},", at ^ 0x2a5));
    }
    out + "\"\":0}"
}

/// The value where each of the doors takes content.
fn envelopes(value: &str) -> Vec<String> {
    let quoted = serde_json::to_string(value).unwrap();
    let item = |value: &str| {
        [
            format!(r#"{{"id":"a","call_type":"completion","messages":{value},"response":{value}}}"#),
            format!(
                r#"{{"object":"trace.span","id":"a","trace_id":"b","started_at":"2026-01-01T00:00:00Z","span_data":{{"type":"function","name":"f","input":{value},"output":{value}}}}}"#
            ),
            format!(
                r#"{{"id":"a","type":"generation-create","body":{{"id":"b","traceId":"c","input":{value},"metadata":{value},"statusMessage":{value},"level":"ERROR"}}}}"#
            ),
            format!(
                r#"{{"id":"00000000-0000-0000-0000-000000000001","name":"n","run_type":"tool","inputs":{{"input":{value}}},"outputs":{value},"error":{value},"start_time":"2026-01-01T00:00:00Z"}}"#
            ),
            format!(
                r#"{{"key":"a","agent":{{"id":"x","name":"n"}},"action":{{"type":"tool_call","category":"privacy","tool":"t","input":{value}}},"outcome":{{"status":"ok","value":{value}}},"data":{{"more":{value}}}}}"#
            ),
            format!(
                r#"{{"of":"tool","id":"t","lines":[{{"message":{{"content":[{{"type":"tool_use","id":"t","name":"n","input":{value}}},{{"type":"tool_result","tool_use_id":"t","is_error":true,"content":{value}}}]}}}}]}}"#
            ),
            format!(
                r#"{{"of":"model","id":"r","context":{{"session":"s"}},"lines":[{{"type":"response_item","payload":{{"type":"message","role":"assistant","content":{value}}}}}]}}"#
            ),
        ]
    };
    [value.to_owned()].into_iter().chain(item(value)).chain(item(&quoted)).collect()
}

/// A span, and a log record, whose contents are the value, in OTLP/JSON.
fn otlp_envelopes(value: &str) -> Vec<String> {
    let quoted = serde_json::to_string(value).unwrap();
    let attributes = format!(
        r#"[{{"key":"gen_ai.operation.name","value":{{"stringValue":"execute_tool"}}}},{{"key":"gen_ai.tool.name","value":{{"stringValue":"t"}}}},{{"key":"gen_ai.tool.call.arguments","value":{{"stringValue":{quoted}}}}},{{"key":"gen_ai.tool.call.result","value":{{"stringValue":{quoted}}}}}]"#
    );
    let ids = r#""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708""#;
    vec![
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{ids},"attributes":{attributes}}}]}}]}}]}}"#
        ),
        format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{ids},"eventName":"gen_ai.user.message","body":{{"stringValue":{quoted}}},"attributes":{attributes}}}]}}]}}]}}"#
        ),
    ]
}

/// Lists of OTLP's own messages, the smallest first.
fn otlp_lists(bytes: usize) -> Vec<String> {
    let ids = r#""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708""#;
    let list = |item: &str| listed(item, bytes).replace(",0]", "]");
    let span = |members: String| {
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{ids},{members}}}]}}]}}]}}"#)
    };
    let value = |value: String| span(format!(r#""attributes":[{{"key":"input.value","value":{value}}}]"#));
    vec![
        format!(r#"{{"resourceSpans":{}}}"#, list("{}")),
        format!(r#"{{"resourceSpans":[{{"scopeSpans":{}}}]}}"#, list("{}")),
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":{}}}]}}]}}"#, list(&format!("{{{ids}}}"))),
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":{}}}]}}]}}"#, list("{}")),
        span(format!(r#""attributes":{}"#, list("{}"))),
        span(format!(r#""events":{}"#, list("{}"))),
        span(format!(r#""attributes":{}"#, list(r#"{"key":"gen_ai.prompt.7.content"}"#))),
        value(format!(r#"{{"arrayValue":{{"values":{}}}}}"#, list("{}"))),
        value(format!(r#"{{"kvlistValue":{{"values":{}}}}}"#, list("{}"))),
        value(format!(r#"{{"bytesValue":"{}"}}"#, "A".repeat(bytes))),
        span(format!(r#""name":"{}""#, r"\n".repeat(bytes / 2))),
    ]
}

/// The same in protobuf: the tags of messages within each other, and the item that is repeated in the last.
fn protobuf_lists(bytes: usize) -> Vec<Vec<u8>> {
    let wrap = |tag: u8, body: &[u8]| {
        let mut out = vec![tag << 3 | 2];
        let mut length = body.len();
        while length > 127 {
            out.push(length as u8 | 128);
            length >>= 7;
        }
        out.push(length as u8);
        [out, body.to_vec()].concat()
    };
    let within = |path: &[u8], body: Vec<u8>| path.iter().rev().fold(body, |body, tag| wrap(*tag, &body));
    let many = |item: &[u8]| item.repeat(bytes / item.len());
    let ids = [wrap(1, &[1; 16]), wrap(2, &[2; 8])].concat();
    let span = |body: Vec<u8>| within(&[1, 2, 2], [ids.clone(), body].concat());
    let content = |body: Vec<u8>| span(wrap(9, &[wrap(1, b"input.value"), wrap(2, &body)].concat()));
    vec![
        many(&wrap(1, b"")),
        within(&[1], many(&wrap(2, b""))),
        within(&[1, 2], many(&wrap(2, b""))),
        within(&[1, 2], many(&wrap(2, &ids))),
        span(many(&wrap(9, b""))),
        span(many(&wrap(11, b""))),
        span(many(&wrap(9, &wrap(1, b"gen_ai.prompt.7.content")))),
        content(wrap(5, &many(&wrap(1, b"")))),
        content(wrap(6, &many(&wrap(1, b"")))),
        content(wrap(7, &vec![7; bytes])),
        content(wrap(1, &vec![1; bytes])),
        content(wrap(1, "a@b.co ".repeat(bytes / 7).as_bytes())),
        content(wrap(1, "\u{ad}x1B".repeat(bytes / 5).as_bytes())),
    ]
}

/// Long lines of access logs: as JSON, damaged JSON, and text.
fn access_lines(bytes: usize) -> Vec<String> {
    let request = |path: &str| format!("POST /v1/chat/completions?{path} HTTP/1.1");
    let json = |text: &str| {
        format!(
            r#"{{"time":"2026-11-22T08:11:00Z","method":"POST","path":"/v1/chat/completions","status":200,"user_agent":"{text}","request":"{}"}}"#,
            request(text)
        )
    };
    let text = |text: &str| {
        format!("203.0.113.9 - - [22/Nov/2026:08:11:00 +0000] \"{}\" 200 512 \"-\" \"{text}\"", request(text))
    };
    ["a".repeat(bytes), r"\x01".repeat(bytes / 4), "%41".repeat(bytes / 3), "\u{1}".repeat(bytes)]
        .iter()
        .flat_map(|value| [json(value), text(value)])
        .collect()
}

fn bodies(bytes: usize) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for item in DENSE {
        let value = listed(item, bytes);
        texts.extend(envelopes(&value));
        texts.extend(otlp_envelopes(&value));
        let value = keyed(item, bytes);
        texts.extend(otlp_envelopes(&value));
        texts.push(value);
    }
    texts.extend(otlp_lists(bytes));
    texts.extend(access_lines(bytes));
    texts.push(format!("[{{\"a\":\"{}\"}}]", r"\u0001".repeat(bytes / 6)));
    texts.push(format!(
        "--b\r\n{}",
        "Content-Disposition: form-data; name=\"post.a.inputs\"\r\n\r\nx\r\n--b\r\n".repeat(6000)
    ));
    texts.push(
        (0..6000)
            .map(|at| format!("--b\r\nContent-Disposition: form-data; name=post.{at}\r\n\r\nx\r\n"))
            .collect::<String>()
            + "--b--",
    );
    texts.into_iter().map(String::into_bytes).chain(protobuf_lists(bytes)).collect()
}

fn value() -> impl Strategy<Value = Json<'static>> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<i64>().prop_map(Json::Int),
        any::<f64>().prop_map(Json::Float),
        ".{0,8}".prop_map(|text| Json::Str(text.into())),
    ];
    leaf.prop_recursive(8, 4096, 64, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..64).prop_map(Json::Array),
            prop::collection::vec((".{0,4}".prop_map(Into::into), inner), 0..64).prop_map(Json::object),
        ]
    })
}

#[test]
fn nothing_is_held_that_is_not_charged() {
    let logs = gateway::Format::ALL.map(|format| gateway::Reader::new(format.into(), gateway::Rules::all()));
    let reading = Reading { builder: Builder::new(false), logs: logs.into() };
    let mut worst = 0;
    for body in bodies(BODY) {
        for (name, read) in READERS {
            let over = reading.uncharged(&body, read);
            let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            if over > BESIDE {
                println!("{name}: {over} bytes more than were charged for {shown}");
            }
            worst = worst.max(over);
        }
    }
    assert!(worst <= BESIDE, "{worst}");
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(32) });
    runner
        .run(&prop::collection::vec(value(), 1..40), |values| {
            let mut text = Vec::new();
            for value in values {
                if halod_record::canon::write(&value, &mut text).is_ok() {
                    text.push(b'\n');
                }
            }
            for (name, read) in READERS {
                let over = reading.uncharged(&text, read);
                prop_assert!(over <= BESIDE, "{name}: {over}");
            }
            Ok(())
        })
        .unwrap();
    println!("at most {worst} bytes beside what was charged");
}
