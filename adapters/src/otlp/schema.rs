//! The shapes of OTLP's messages as tables, for what is checked but not kept: links, entity
//! references, and whole logs and metrics requests.
//!
//! A message is a table indexed by tag. Source: opentelemetry-proto 1.11 `*.proto`.

use super::wire::{FIXED32, FIXED64, LEN, Reader, VARINT};
use super::{DecodeError, Signal};
use std::cell::Cell;

#[derive(Debug)]
pub(super) struct Message {
    name: &'static str,
    /// Indexed by tag.
    fields: &'static [Field],
    /// Whether this is what the signal's `partial_success` counts.
    item: bool,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    /// Not of this message: skipped, whatever its wire type.
    No,
    Varint,
    Fixed64,
    Fixed32,
    Str,
    Bytes,
    /// Repeated numbers, of which prost takes both forms.
    PackedVarint,
    PackedFixed64,
    Msg(&'static Message),
}
use Field::{Bytes, Fixed32, Fixed64, Msg, No, PackedFixed64, PackedVarint, Str, Varint};

const fn message(name: &'static str, fields: &'static [Field]) -> Message {
    Message { name, fields, item: false }
}

const fn item(name: &'static str, fields: &'static [Field]) -> Message {
    Message { name, fields, item: true }
}

#[rustfmt::skip]
static ANY_VALUE: Message = message(
    "AnyValue",
    &[No, Str, Varint, Varint, Fixed64, Msg(&ARRAY), Msg(&KEY_VALUE_LIST), Bytes, Varint],
);
static ARRAY: Message = message("ArrayValue", &[No, Msg(&ANY_VALUE)]);
static KEY_VALUE_LIST: Message = message("KeyValueList", &[No, Msg(&KEY_VALUE)]);
pub(super) static KEY_VALUE: Message = message("KeyValue", &[No, Str, Msg(&ANY_VALUE), Varint]);
static SCOPE: Message = message("InstrumentationScope", &[No, Str, Str, Msg(&KEY_VALUE), Varint]);
pub(super) static ENTITY_REF: Message = message("EntityRef", &[No, Str, Str, Str, Str]);
static RESOURCE: Message = message("Resource", &[No, Msg(&KEY_VALUE), Varint, Msg(&ENTITY_REF)]);

static TRACES: Message = message("ExportTraceServiceRequest", &[No, Msg(&RESOURCE_SPANS)]);
static RESOURCE_SPANS: Message = message("ResourceSpans", &[No, Msg(&RESOURCE), Msg(&SCOPE_SPANS), Str]);
static SCOPE_SPANS: Message = message("ScopeSpans", &[No, Msg(&SCOPE), Msg(&SPAN), Str]);
#[rustfmt::skip]
static SPAN: Message = item(
    "Span",
    &[
        No, Bytes, Bytes, Str, Bytes, Str, Varint, Fixed64, Fixed64, Msg(&KEY_VALUE), Varint, Msg(&EVENT),
        Varint, Msg(&LINK), Varint, Msg(&STATUS), Fixed32,
    ],
);
static EVENT: Message = message("Span.Event", &[No, Fixed64, Str, Msg(&KEY_VALUE), Varint]);
pub(super) static LINK: Message =
    message("Span.Link", &[No, Bytes, Bytes, Str, Msg(&KEY_VALUE), Varint, Fixed32]);
static STATUS: Message = message("Status", &[No, No, Str, Varint]);

static LOGS: Message = message("ExportLogsServiceRequest", &[No, Msg(&RESOURCE_LOGS)]);
static RESOURCE_LOGS: Message = message("ResourceLogs", &[No, Msg(&RESOURCE), Msg(&SCOPE_LOGS), Str]);
static SCOPE_LOGS: Message = message("ScopeLogs", &[No, Msg(&SCOPE), Msg(&LOG_RECORD), Str]);
#[rustfmt::skip]
static LOG_RECORD: Message = item(
    "LogRecord",
    &[
        No, Fixed64, Varint, Str, No, Msg(&ANY_VALUE), Msg(&KEY_VALUE), Varint, Fixed32, Bytes, Bytes, Fixed64,
        Str,
    ],
);

static METRICS: Message = message("ExportMetricsServiceRequest", &[No, Msg(&RESOURCE_METRICS)]);
static RESOURCE_METRICS: Message =
    message("ResourceMetrics", &[No, Msg(&RESOURCE), Msg(&SCOPE_METRICS), Str]);
static SCOPE_METRICS: Message = message("ScopeMetrics", &[No, Msg(&SCOPE), Msg(&METRIC), Str]);
#[rustfmt::skip]
static METRIC: Message = message(
    "Metric",
    &[
        No, Str, Str, Str, No, Msg(&GAUGE), No, Msg(&SUM), No, Msg(&HISTOGRAM), Msg(&EXPONENTIAL_HISTOGRAM),
        Msg(&SUMMARY), Msg(&KEY_VALUE),
    ],
);
static GAUGE: Message = message("Gauge", &[No, Msg(&NUMBER)]);
static SUM: Message = message("Sum", &[No, Msg(&NUMBER), Varint, Varint]);
static HISTOGRAM: Message = message("Histogram", &[No, Msg(&HISTOGRAM_POINT), Varint]);
static EXPONENTIAL_HISTOGRAM: Message =
    message("ExponentialHistogram", &[No, Msg(&EXPONENTIAL_POINT), Varint]);
static SUMMARY: Message = message("Summary", &[No, Msg(&SUMMARY_POINT)]);
#[rustfmt::skip]
static NUMBER: Message = item(
    "NumberDataPoint",
    &[No, No, Fixed64, Fixed64, Fixed64, Msg(&EXEMPLAR), Fixed64, Msg(&KEY_VALUE), Varint],
);
#[rustfmt::skip]
static HISTOGRAM_POINT: Message = item(
    "HistogramDataPoint",
    &[
        No, No, Fixed64, Fixed64, Fixed64, Fixed64, PackedFixed64, PackedFixed64, Msg(&EXEMPLAR),
        Msg(&KEY_VALUE), Varint, Fixed64, Fixed64,
    ],
);
#[rustfmt::skip]
static EXPONENTIAL_POINT: Message = item(
    "ExponentialHistogramDataPoint",
    &[
        No, Msg(&KEY_VALUE), Fixed64, Fixed64, Fixed64, Fixed64, Varint, Fixed64, Msg(&BUCKETS), Msg(&BUCKETS),
        Varint, Msg(&EXEMPLAR), Fixed64, Fixed64, Fixed64,
    ],
);
static BUCKETS: Message = message("Buckets", &[No, Varint, PackedVarint]);
#[rustfmt::skip]
static SUMMARY_POINT: Message = item(
    "SummaryDataPoint",
    &[No, No, Fixed64, Fixed64, Fixed64, Fixed64, Msg(&QUANTILE), Msg(&KEY_VALUE), Varint],
);
static QUANTILE: Message = message("ValueAtQuantile", &[No, Fixed64, Fixed64]);
static EXEMPLAR: Message =
    message("Exemplar", &[No, No, Fixed64, Fixed64, Bytes, Bytes, Fixed64, Msg(&KEY_VALUE)]);

const fn root(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
    }
}

/// Counts the items of a request, having checked all of it.
pub(super) fn count(bytes: &[u8], signal: Signal) -> Result<usize, DecodeError> {
    let mut items = 0;
    // Nothing is kept of what is counted, so its number needs no bound.
    let messages = Cell::new(u32::MAX);
    walk(Reader::new(bytes, &messages), root(signal), &mut items)?;
    Ok(items)
}

/// Checks one embedded message.
pub(super) fn check(r: Reader<'_, '_>, message: &Message) -> Result<(), DecodeError> {
    walk(r, message, &mut 0)
}

/// When bytes that are no request of the `expected` signal are a whole request of another one: the
/// error that says so (checklist row H12). The three share their outer field numbers, but a span, a
/// log record and a metric give the same numbers different wire types.
pub(super) fn other_signal(bytes: &[u8], expected: Signal) -> Option<DecodeError> {
    // Metrics first: a request of gauges only is also one of spans, with ids that are none.
    [Signal::Metrics, Signal::Logs, Signal::Traces]
        .into_iter()
        .filter(|signal| *signal != expected)
        .find(|signal| count(bytes, *signal).is_ok_and(|items| items > 0))
        .map(|found| DecodeError::WrongSignal { expected, found })
}

fn walk(mut r: Reader<'_, '_>, message: &Message, items: &mut usize) -> Result<(), DecodeError> {
    *items += usize::from(message.item);
    while let Some(key) = r.key()? {
        let (tag, wire) = (key >> 3, key & 7);
        let field = message.fields.get(tag as usize).copied().unwrap_or(No);
        match (field, wire) {
            (Varint | PackedVarint, VARINT) => drop(r.varint()?),
            (Fixed64 | PackedFixed64, FIXED64) => drop(r.fixed64()?),
            (Fixed32, FIXED32) => drop(r.fixed32()?),
            (Str, LEN) => drop(r.utf8()?),
            (Bytes, LEN) => drop(r.bytes()?),
            (PackedVarint | PackedFixed64, LEN) => packed(r.packed()?, field)?,
            (Msg(inner), LEN) => walk(r.message()?, inner, items)?,
            (No, _) => r.unknown(key, 0, message.name)?,
            _ => return Err(DecodeError::WireType { offset: r.offset(), tag, message: message.name }),
        }
    }
    Ok(())
}

fn packed(mut r: Reader<'_, '_>, field: Field) -> Result<(), DecodeError> {
    while r.remaining() > 0 {
        match field {
            PackedVarint => drop(r.varint()?),
            _ => drop(r.fixed64()?),
        }
    }
    Ok(())
}
