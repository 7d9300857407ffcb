//! OTLP requests, made with the published types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// A span's identity as it stands in a record: 32 and 16 hex digits.
pub type SpanKey = (String, String);

pub fn text(value: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(value.to_owned())) }
}

pub fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// The `n`th span of a `family`: always the same one, and no two pairs share an id. Model calls and
/// tool calls take turns.
pub fn span(family: u32, n: u64) -> Span {
    let mut trace_id = vec![0xa1; 16];
    trace_id[..4].copy_from_slice(&family.to_be_bytes());
    trace_id[8..].copy_from_slice(&(n / 8).to_be_bytes());
    let mut span_id = (n + 1).to_be_bytes().to_vec();
    span_id[0] = 0xb2;
    let end = 1_760_000_000_000_000_000 + n * 1_000_000;
    let (name, attributes) = if n.is_multiple_of(2) {
        (
            "chat gpt-4o-mini",
            vec![
                attribute("gen_ai.operation.name", text("chat")),
                attribute("gen_ai.provider.name", text("openai")),
                attribute("gen_ai.request.model", text("gpt-4o-mini")),
                attribute("gen_ai.conversation.id", text("conv-0001")),
                attribute("gen_ai.usage.input_tokens", AnyValue { value: Some(Value::IntValue(117)) }),
            ],
        )
    } else {
        (
            "execute_tool lookup_order",
            vec![
                attribute("gen_ai.operation.name", text("execute_tool")),
                attribute("gen_ai.tool.name", text("lookup_order")),
                attribute("gen_ai.tool.call.arguments", text(r#"{"order":"A-1042"}"#)),
                attribute("gen_ai.tool.call.result", text(r#"{"state":"shipped"}"#)),
            ],
        )
    };
    Span {
        trace_id,
        span_id,
        name: name.to_owned(),
        kind: 3,
        start_time_unix_nano: end - 250_000_000,
        end_time_unix_nano: end,
        attributes,
        ..Span::default()
    }
}

pub fn key(span: &Span) -> SpanKey {
    (hex(&span.trace_id), hex(&span.span_id))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// One resource's spans; the tenant, if any, as the resource attribute `tenant.id`.
pub fn resource(tenant: Option<&str>, spans: Vec<Span>) -> ResourceSpans {
    let mut attributes = vec![attribute("service.name", text("acme-support-agent"))];
    attributes.extend(tenant.map(|tenant| attribute("tenant.id", text(tenant))));
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

/// A whole request in protobuf.
pub fn request(tenant: Option<&str>, spans: Vec<Span>) -> Vec<u8> {
    ExportTraceServiceRequest { resource_spans: vec![resource(tenant, spans)] }.encode_to_vec()
}

/// The same in OTLP/JSON.
pub fn request_json(tenant: Option<&str>, spans: Vec<Span>) -> Vec<u8> {
    let request = ExportTraceServiceRequest { resource_spans: vec![resource(tenant, spans)] };
    serde_json::to_vec(&request).unwrap()
}
