//! What decoding and mapping cost per span, in nanoseconds: `cargo bench -p halo-adapters`.
//!
//! The fastest of many rounds, which on a shared machine is the figure that repeats. prost with
//! opentelemetry-proto's types decodes the same bytes for scale.
#![allow(clippy::unwrap_used)]

use halo_adapters::{otel, otlp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use std::hint::black_box;
use std::time::{Duration, Instant};

const SPANS: usize = 256;

fn main() {
    for (case, content) in [("no content", false), ("with messages", true)] {
        let request = request(content);
        let bytes = request.encode_to_vec();
        let text = serde_json::to_vec(&request).unwrap();
        println!("{case}: {} bytes a span as protobuf, {} as JSON", bytes.len() / SPANS, text.len() / SPANS);
        report("protobuf decode", || otlp::protobuf::traces(black_box(&bytes)).unwrap());
        report("protobuf skeleton", || {
            otlp::protobuf::skeleton(black_box(&bytes), otlp::Signal::Traces).unwrap()
        });
        report("prost decode", || ExportTraceServiceRequest::decode(black_box(&bytes[..])).unwrap());
        report("json decode", || otlp::json::traces(black_box(&text)).unwrap());
        let traces = otlp::protobuf::traces(&bytes).unwrap();
        let spans: Vec<_> =
            traces.resource_spans.iter().flat_map(|r| &r.scopes).flat_map(|s| &s.spans).collect();
        let resource = otel::Resource::new(&traces.resource_spans[0].resource);
        report("map to events", || {
            for span in &spans {
                black_box(otel::event(&resource, "", black_box(span)));
            }
        });
    }
}

/// The time of one round includes dropping what it made.
fn report<T>(what: &str, mut round: impl FnMut() -> T) {
    let end = Instant::now() + Duration::from_millis(600);
    let mut best = Duration::MAX;
    while Instant::now() < end {
        let start = Instant::now();
        drop(black_box(round()));
        best = best.min(start.elapsed());
    }
    println!("  {what:18} {:7.0} ns/span", best.as_nanos() as f64 / SPANS as f64);
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

/// Spans as the OpenAI instrumentation sends them: 14 attributes each.
fn request(content: bool) -> ExportTraceServiceRequest {
    let reasons = vec![AnyValue { value: Some(text("tool_calls")) }];
    let mut attributes = vec![
        pair("gen_ai.operation.name", text("chat")),
        pair("gen_ai.provider.name", text("openai")),
        pair("gen_ai.request.model", text("gpt-4o-mini")),
        pair("server.address", text("api.openai.com")),
        pair("server.port", Value::IntValue(443)),
        pair("gen_ai.request.temperature", Value::DoubleValue(0.2)),
        pair("gen_ai.request.max_tokens", Value::IntValue(200)),
        pair("gen_ai.response.finish_reasons", Value::ArrayValue(ArrayValue { values: reasons })),
        pair("gen_ai.response.model", text("gpt-4o-mini-2024-07-18")),
        pair("gen_ai.response.id", text("chatcmpl-667be543b02294b7624119ad")),
        pair("gen_ai.usage.input_tokens", Value::IntValue(109)),
        pair("gen_ai.usage.output_tokens", Value::IntValue(42)),
    ];
    if content {
        let question =
            "Please refund order A-1042; it arrived broken and I would like my money back. ".repeat(3);
        let input = format!(r#"[{{"role":"user","parts":[{{"type":"text","content":"{question}"}}]}}]"#);
        let output = r#"[{"role":"assistant","parts":[{"type":"tool_call","name":"lookup_customer","arguments":{"email":"a@example.com"}}],"finish_reason":"tool_call"}]"#;
        attributes.push(pair("gen_ai.input.messages", text(&input)));
        attributes.push(pair("gen_ai.output.messages", text(output)));
    } else {
        attributes.push(pair("gen_ai.conversation.id", text("conv-0001")));
        attributes.push(pair("openai.response.service_tier", text("default")));
    }
    let span = |at: usize| Span {
        trace_id: (at as u128 + 1).to_be_bytes().to_vec(),
        span_id: (at as u64 + 1).to_be_bytes().to_vec(),
        parent_span_id: vec![7; 8],
        name: "chat gpt-4o-mini".to_owned(),
        kind: 3,
        start_time_unix_nano: 1_795_335_373_133_344_093,
        end_time_unix_nano: 1_795_335_374_991_301_975,
        attributes: attributes.clone(),
        status: Some(Status::default()),
        ..Span::default()
    };
    let resource =
        vec![pair("service.name", text("support-agent")), pair("telemetry.sdk.language", text("python"))];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: resource, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() }],
            schema_url: String::new(),
        }],
    }
}
