//! opentelemetry-proto's types as the test oracle: random requests, and what our decoders should
//! make of them.

mod logs;

pub(super) use logs::{any_logs, logs};

use super::ids;
use super::model::{AnyValue, KeyValue, ResourceSpans, ScopeSpans, Span, SpanEvent, Traces};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use proptest::collection::vec;
use proptest::prelude::*;

fn value(value: Option<&common::AnyValue>) -> AnyValue<'static> {
    match value.and_then(|value| value.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => AnyValue::Empty,
        Some(Value::StringValue(text)) => AnyValue::Str(text.clone().into()),
        Some(Value::BoolValue(bool)) => AnyValue::Bool(*bool),
        Some(Value::IntValue(int)) => AnyValue::Int(*int),
        Some(Value::DoubleValue(double)) => AnyValue::Double(*double),
        Some(Value::BytesValue(bytes)) => AnyValue::Bytes(bytes.clone().into()),
        Some(Value::ArrayValue(array)) => {
            AnyValue::Array(array.values.iter().map(|item| self::value(Some(item))).collect())
        }
        Some(Value::KvlistValue(list)) => AnyValue::KvList(key_values(&list.values)),
    }
}

fn key_values(list: &[common::KeyValue]) -> Vec<KeyValue<'static>> {
    list.iter()
        .map(|pair| KeyValue { key: pair.key.clone().into(), value: value(pair.value.as_ref()) })
        .collect()
}

fn span(span: &trace::Span) -> Result<Span<'static>, ids::BadId> {
    let status = span.status.clone().unwrap_or_default();
    Ok(Span {
        trace_id: ids::trace(&span.trace_id)?,
        span_id: ids::span(&span.span_id)?,
        parent_span_id: ids::parent(&span.parent_span_id)?,
        name: span.name.clone().into(),
        kind: span.kind,
        start_time_unix_nano: span.start_time_unix_nano,
        end_time_unix_nano: span.end_time_unix_nano,
        attributes: key_values(&span.attributes),
        events: span
            .events
            .iter()
            .map(|event| SpanEvent {
                time_unix_nano: event.time_unix_nano,
                name: event.name.clone().into(),
                attributes: key_values(&event.attributes),
            })
            .collect(),
        status_code: status.code,
        status_message: status.message.into(),
        dropped: [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count]
            .into_iter()
            .map(u64::from)
            .sum(),
        flags: span.flags,
    })
}

/// What our decoders should return for `request`.
pub(super) fn traces(request: &ExportTraceServiceRequest) -> Traces<'static> {
    let mut out = Traces::default();
    for (at_resource, resource) in request.resource_spans.iter().enumerate() {
        let mut scopes = Vec::new();
        for (at_scope, scope) in resource.scope_spans.iter().enumerate() {
            let mut spans = Vec::new();
            for (at, one) in scope.spans.iter().enumerate() {
                match span(one) {
                    Ok(span) => spans.push(span),
                    Err(bad) => out.rejected.add(|| {
                        format!(
                            "resource_spans[{at_resource}].scope_spans[{at_scope}].spans[{at}]: {}",
                            bad.0
                        )
                    }),
                }
            }
            let info = scope.scope.clone().unwrap_or_default();
            scopes.push(ScopeSpans {
                scope_name: info.name.into(),
                scope_version: info.version.into(),
                spans,
            });
        }
        let resource = resource.resource.as_ref().map(|resource| key_values(&resource.attributes));
        out.resource_spans.push(ResourceSpans { resource: resource.unwrap_or_default(), scopes });
    }
    out
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~]{0,12}",
        1 => "\\PC{0,6}",
        1 => Just("a\"\\\n\u{0}\u{1f600}".to_owned()),
    ]
}

fn any_value() -> impl Strategy<Value = common::AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(|text| Some(Value::StringValue(text))),
        1 => any::<bool>().prop_map(|bool| Some(Value::BoolValue(bool))),
        2 => any::<i64>().prop_map(|int| Some(Value::IntValue(int))),
        2 => proptest::num::f64::NORMAL.prop_map(|double| Some(Value::DoubleValue(double))),
        1 => vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Value::BytesValue(bytes))),
        1 => Just(None),
    ]
    .prop_map(|value| common::AnyValue { value });
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| Value::ArrayValue(common::ArrayValue { values })),
            vec((text(), proptest::option::of(inner)), 0..4).prop_map(|pairs| {
                let values = pairs.into_iter().map(|(key, value)| pair(key, value)).collect();
                Value::KvlistValue(common::KeyValueList { values })
            }),
        ]
        .prop_map(|value| common::AnyValue { value: Some(value) })
    })
}

fn pair(key: String, value: Option<common::AnyValue>) -> common::KeyValue {
    common::KeyValue { key, value, key_strindex: 0 }
}

fn attributes() -> impl Strategy<Value = Vec<common::KeyValue>> {
    vec(
        (text(), proptest::option::weighted(0.9, any_value())).prop_map(|(key, value)| pair(key, value)),
        0..5,
    )
}

fn id(len: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => vec(any::<u8>(), len),
        1 => Just(vec![0; len]),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn events() -> impl Strategy<Value = Vec<trace::span::Event>> {
    vec(
        (any::<u64>(), text(), attributes(), any::<u32>()).prop_map(
            |(time_unix_nano, name, attributes, dropped_attributes_count)| trace::span::Event {
                time_unix_nano,
                name,
                attributes,
                dropped_attributes_count,
            },
        ),
        0..3,
    )
}

fn links() -> impl Strategy<Value = Vec<trace::span::Link>> {
    vec(
        (id(16), id(8), text(), attributes(), any::<u32>()).prop_map(
            |(trace_id, span_id, trace_state, attributes, flags)| trace::span::Link {
                trace_id,
                span_id,
                trace_state,
                attributes,
                dropped_attributes_count: 0,
                flags,
            },
        ),
        0..2,
    )
}

fn any_span() -> impl Strategy<Value = trace::Span> {
    let ids = (id(16), id(8), prop_oneof![Just(Vec::new()), id(8)], text(), text());
    let numbers = (0..6i32, any::<u64>(), any::<u64>(), any::<[u32; 4]>());
    let status =
        proptest::option::of((text(), 0..3i32).prop_map(|(message, code)| trace::Status { message, code }));
    (ids, numbers, attributes(), events(), links(), status).prop_map(
        |(ids, numbers, attributes, events, links, status)| {
            let (trace_id, span_id, parent_span_id, trace_state, name) = ids;
            let (kind, start_time_unix_nano, end_time_unix_nano, counts) = numbers;
            trace::Span {
                trace_id,
                span_id,
                trace_state,
                parent_span_id,
                flags: counts[3],
                name,
                kind,
                start_time_unix_nano,
                end_time_unix_nano,
                attributes,
                dropped_attributes_count: counts[0],
                events,
                dropped_events_count: counts[1],
                links,
                dropped_links_count: counts[2],
                status,
            }
        },
    )
}

fn scope() -> impl Strategy<Value = Option<common::InstrumentationScope>> {
    proptest::option::of((text(), text(), attributes()).prop_map(|(name, version, attributes)| {
        common::InstrumentationScope { name, version, attributes, dropped_attributes_count: 1 }
    }))
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    proptest::option::of(attributes().prop_map(|attributes| Resource {
        attributes,
        dropped_attributes_count: 2,
        entity_refs: vec![common::EntityRef { r#type: "host".to_owned(), ..Default::default() }],
    }))
}

/// A random request, valid but for some of its ids.
pub(super) fn any_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope_spans = (scope(), vec(any_span(), 0..4), text())
        .prop_map(|(scope, spans, schema_url)| trace::ScopeSpans { scope, spans, schema_url });
    let resource_spans =
        (resource(), vec(scope_spans, 0..3), text()).prop_map(|(resource, scope_spans, schema_url)| {
            trace::ResourceSpans { resource, scope_spans, schema_url }
        });
    vec(resource_spans, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// One damage to a message.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    Repeat(usize, usize),
}

pub(super) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    // Keys and lengths of OTLP are small numbers: they hit more than random bytes do.
    let byte = prop_oneof![0..0x90u8, any::<u8>()];
    let edit = prop_oneof![
        4 => (any::<usize>(), byte.clone()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (any::<usize>(), byte).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        2 => any::<usize>().prop_map(Edit::Remove),
        1 => any::<usize>().prop_map(Edit::Cut),
        1 => (any::<usize>(), 0..40usize).prop_map(|(at, len)| Edit::Repeat(at, len)),
    ];
    vec(edit, 1..4)
}

fn edit(bytes: &mut Vec<u8>, edit: &Edit) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match *edit {
        Edit::Set(at, byte) => bytes[at % len] = byte,
        Edit::Insert(at, byte) => bytes.insert(at % len, byte),
        Edit::Remove(at) => drop(bytes.remove(at % len)),
        Edit::Cut(at) => bytes.truncate(at % len),
        Edit::Repeat(at, count) => {
            let start = at % len;
            let slice = bytes[start..(start + count).min(len)].to_vec();
            bytes.extend(slice);
        }
    }
}

/// A message with these damages.
pub(super) fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    edits.iter().for_each(|one| edit(&mut bytes, one));
    bytes
}
