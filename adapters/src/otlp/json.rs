//! `ExportTraceServiceRequest` and `ExportLogsServiceRequest` in OTLP/JSON.
//!
//! Rules (OTLP specification, "JSON Protobuf Encoding"; checklist rows J1-J12): ids in hex, enums
//! as integers, lowerCamelCase names only, unknown fields ignored, 64-bit integers as strings or
//! numbers, `null` is absent. A value that breaks a rule inside a span or log record loses that one,
//! elsewhere the request; so does a field that appears twice. What is no JSON loses the request.

mod logs;
mod reader;
mod scalar;

pub(super) use logs::record_at;
pub use logs::{log_places, logs};

use super::ids::{self, BadId};
use super::model::{AnyValue, KeyValue, Rejected, ResourceSpans, ScopeSpans, Span, SpanEvent, Traces};
use super::place::{Bytes, Keep, SpanPlace, Written, keep};
use super::{DecodeError, Signal};
use halod_record::charge;
use reader::{Fault, Kind, Reader, wrong};
use scalar::{base64, double, enumeration, hex, int64, uint32, uint64};
use std::borrow::Cow;

/// Decodes a traces request.
///
/// # Errors
/// When the text is not such a request; [`DecodeError::WrongSignal`] when it is one of logs or
/// metrics. A span that is illegal by itself is no error: it is left out and counted in `rejected`.
pub fn traces(text: &[u8]) -> Result<Traces<'_>, DecodeError> {
    decode(text)
}

/// Decodes a traces request, of whose spans only the places are kept.
///
/// # Errors
/// As [`traces`].
pub fn span_places(text: &[u8]) -> Result<Traces<'_, SpanPlace<'_>>, DecodeError> {
    decode(text)
}

/// The span that was at a place.
pub(super) fn span_at(text: &[u8]) -> Result<Span<'_>, DecodeError> {
    item_at(text, span)
}

/// The item that was at a place.
fn item_at<'a, T>(
    text: &'a [u8],
    read: impl Fn(&mut Reader<'a>) -> Result<Result<T, BadId>, Fault>,
) -> Result<T, DecodeError> {
    match read(&mut Reader::new(text)?) {
        Ok(Ok(item)) => Ok(item),
        Err(Fault::Body(error)) => Err(error),
        Ok(Err(_)) | Err(Fault::Value { .. }) => Err(DecodeError::Truncated { offset: 0 }),
    }
}

fn decode<'a, S: Keep<'a, Item = Span<'a>>>(text: &'a [u8]) -> Result<Traces<'a, S>, DecodeError> {
    let mut r = Reader::new(text)?;
    let mut traces = Traces { resource_spans: Vec::new(), rejected: Rejected::default() };
    outer(&mut r, Signal::Traces, |r| {
        let at = traces.resource_spans.len();
        let resource = resource_spans(r, at, &mut traces.rejected)?;
        Ok(charge::push(&mut traces.resource_spans, resource)?)
    })?;
    r.finish()?;
    Ok(traces)
}

/// Whether a text that decodes has members, and none that a request has: they are not known and ignored, so that
/// nothing of it was read.
#[must_use]
pub fn is_foreign(text: &[u8]) -> bool {
    let names = |name: &&str| memchr::memmem::find(text, ["\"", name, "\""].concat().as_bytes()).is_some();
    text.contains(&b'"') && !["resourceSpans", "resourceLogs", "resourceMetrics"].iter().any(names)
}

/// Checks that the text is a request of the given signal, and counts its items: spans, log records
/// or metric data points.
///
/// # Errors
/// As [`traces`].
pub fn skeleton(text: &[u8], signal: Signal) -> Result<usize, DecodeError> {
    let levels: &[Level] = match signal {
        Signal::Traces => &[Level::List(&["scopeSpans"]), Level::List(&["spans"])],
        Signal::Logs => &[Level::List(&["scopeLogs"]), Level::List(&["logRecords"])],
        Signal::Metrics => &[
            Level::List(&["scopeMetrics"]),
            Level::List(&["metrics"]),
            Level::One(&["gauge", "sum", "histogram", "exponentialHistogram", "summary"]),
            Level::List(&["dataPoints"]),
        ],
    };
    let mut r = Reader::new(text)?;
    let mut items = 0;
    outer(&mut r, signal, |r| count(r, levels, &mut items))?;
    r.finish()?;
    Ok(items)
}

/// One step from a request down to its items.
enum Level {
    List(&'static [&'static str]),
    One(&'static [&'static str]),
}

fn count(r: &mut Reader<'_>, levels: &[Level], items: &mut usize) -> Result<(), Fault> {
    match levels.split_first() {
        Some((Level::List(fields), rest)) => r.message(fields, |r, _| r.list(|r| count(r, rest, items))),
        Some((Level::One(fields), rest)) => r.message(fields, |r, _| count(r, rest, items)),
        None => {
            if !matches!(r.kind()?, Kind::Object | Kind::Null) {
                return Err(wrong("must be an object"));
            }
            *items += 1;
            Ok(r.skip()?)
        }
    }
}

/// The request itself: calls `each` at every element of the list that the signal's requests are.
fn outer<'a>(
    r: &mut Reader<'a>,
    signal: Signal,
    mut each: impl FnMut(&mut Reader<'a>) -> Result<(), Fault>,
) -> Result<(), DecodeError> {
    const FIELDS: [(&str, Signal); 3] = [
        ("resourceSpans", Signal::Traces),
        ("resourceLogs", Signal::Logs),
        ("resourceMetrics", Signal::Metrics),
    ];
    let (mut present, mut other, mut element) = (false, None, 0usize);
    let read = r.message(&[FIELDS[0].0, FIELDS[1].0, FIELDS[2].0], |r, index| match FIELDS.get(index) {
        Some((_, found)) if *found != signal => {
            other = Some(*found);
            Ok(r.skip()?)
        }
        _ => {
            present = true;
            r.list(|r| {
                each(r)?;
                element += 1;
                Ok(())
            })
        }
    });
    match (read, other) {
        (Err(Fault::Body(error)), _) => Err(error),
        (Err(Fault::Value { field, problem }), _) => {
            let path = if present { format!("element {element}: {field}") } else { field.to_owned() };
            Err(DecodeError::Field { path, problem })
        }
        (Ok(()), Some(found)) if !present => Err(DecodeError::WrongSignal { expected: signal, found }),
        (Ok(()), _) => Ok(()),
    }
}

fn resource_spans<'a, S: Keep<'a, Item = Span<'a>>>(
    r: &mut Reader<'a>,
    at: usize,
    rejected: &mut Rejected,
) -> Result<ResourceSpans<'a, S>, Fault> {
    let mut out = ResourceSpans { resource: Vec::new(), scopes: Vec::new() };
    r.message(&["resource", "scopeSpans"], |r, field| match field {
        0 => r.message(&["attributes"], |r, _| key_values(r, &mut out.resource)),
        _ => r.list(|r| {
            let scope = scope_spans(r, (at, out.scopes.len()), rejected)?;
            Ok(charge::push(&mut out.scopes, scope)?)
        }),
    })?;
    Ok(out)
}

fn scope_spans<'a, S: Keep<'a, Item = Span<'a>>>(
    r: &mut Reader<'a>,
    (resource, scope): (usize, usize),
    rejected: &mut Rejected,
) -> Result<ScopeSpans<'a, S>, Fault> {
    let mut out = ScopeSpans { scope_name: Cow::default(), scope_version: Cow::default(), spans: Vec::new() };
    r.message(&["scope", "spans"], |r, field| match field {
        0 => r.message(&["name", "version"], |r, field| {
            *if field == 0 { &mut out.scope_name } else { &mut out.scope_version } = r.string()?;
            Ok(())
        }),
        _ => items(r, rejected, &mut out.spans, span, |seen| {
            format!("resource_spans[{resource}].scope_spans[{scope}].spans[{seen}]")
        }),
    })?;
    Ok(out)
}

/// A list of spans or log records: one that is wrong by itself is left out.
fn items<'a, K: Keep<'a>>(
    r: &mut Reader<'a>,
    rejected: &mut Rejected,
    out: &mut Vec<K>,
    read: impl Fn(&mut Reader<'a>) -> Result<Result<K::Item, BadId>, Fault>,
    place: impl Fn(usize) -> String,
) -> Result<(), Fault> {
    let mut seen = 0usize;
    r.list(|r| {
        let start = r.clone();
        let kept = keep(|| {
            let at = |r: &Reader<'a>| Bytes { bytes: start.text_to(r), written: Written::Json };
            Ok(read(r)?.map(|item| (item, at(r))))
        });
        match kept {
            Ok(Ok(item)) => charge::push(out, item)?,
            Ok(Err(bad)) => rejected.add(|| format!("{}: {}", place(seen), bad.0)),
            Err(Fault::Value { field, problem }) => {
                rejected.add(|| format!("{}: {field} {problem}", place(seen)));
                *r = start;
                r.skip()?;
            }
            Err(Fault::Body(error @ DecodeError::TooDeep { .. })) => {
                rejected.add(|| format!("{}: {error}", place(seen)));
                *r = start;
                r.skip()?;
            }
            Err(body) => return Err(body),
        }
        seen += 1;
        Ok(())
    })
}

fn span<'a>(r: &mut Reader<'a>) -> Result<Result<Span<'a>, BadId>, Fault> {
    const FIELDS: [&str; 16] = [
        "traceId",
        "spanId",
        "traceState",
        "parentSpanId",
        "flags",
        "name",
        "kind",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "attributes",
        "droppedAttributesCount",
        "events",
        "droppedEventsCount",
        "links",
        "droppedLinksCount",
        "status",
    ];
    let mut out = Span::default();
    let (mut trace, mut id, mut parent) = (Vec::new(), Vec::new(), Vec::new());
    r.message(&FIELDS, |r, field| {
        match FIELDS.get(field).copied().unwrap_or_default() {
            "traceId" => trace = hex(r)?,
            "spanId" => id = hex(r)?,
            "traceState" => drop(r.string()?),
            "parentSpanId" => parent = hex(r)?,
            "flags" => out.flags = uint32(r)?,
            "name" => out.name = r.string()?,
            "kind" => out.kind = enumeration(r)?,
            "startTimeUnixNano" => out.start_time_unix_nano = uint64(r)?,
            "endTimeUnixNano" => out.end_time_unix_nano = uint64(r)?,
            "attributes" => key_values(r, &mut out.attributes)?,
            "events" => r.list(|r| Ok(charge::push(&mut out.events, event(r)?)?))?,
            "links" => r.list(link)?,
            "status" => status(r, &mut out)?,
            // The three counts of what the sender dropped.
            _ => out.dropped += u64::from(uint32(r)?),
        }
        Ok(())
    })?;
    Ok(with_ids(out, &trace, &id, &parent))
}

fn with_ids<'a>(mut span: Span<'a>, trace: &[u8], id: &[u8], parent: &[u8]) -> Result<Span<'a>, BadId> {
    span.trace_id = ids::trace(trace)?;
    span.span_id = ids::span(id)?;
    span.parent_span_id = ids::parent(parent)?;
    Ok(span)
}

fn event<'a>(r: &mut Reader<'a>) -> Result<SpanEvent<'a>, Fault> {
    let mut out = SpanEvent::default();
    r.message(&["timeUnixNano", "name", "attributes", "droppedAttributesCount"], |r, field| {
        match field {
            0 => out.time_unix_nano = uint64(r)?,
            1 => out.name = r.string()?,
            2 => key_values(r, &mut out.attributes)?,
            _ => drop(uint32(r)?),
        }
        Ok(())
    })?;
    Ok(out)
}

/// Checked, not kept.
fn link(r: &mut Reader<'_>) -> Result<(), Fault> {
    r.message(&["traceId", "spanId", "traceState", "attributes", "flags"], |r, field| match field {
        0 | 1 => hex(r).map(drop),
        2 => r.string().map(drop),
        3 => key_values(r, &mut Vec::new()),
        _ => uint32(r).map(drop),
    })
}

fn status<'a>(r: &mut Reader<'a>, out: &mut Span<'a>) -> Result<(), Fault> {
    r.message(&["message", "code"], |r, field| {
        match field {
            0 => out.status_message = r.string()?,
            _ => out.status_code = enumeration(r)?,
        }
        Ok(())
    })
}

fn key_values<'a>(r: &mut Reader<'a>, out: &mut Vec<KeyValue<'a>>) -> Result<(), Fault> {
    r.list(|r| {
        let mut pair = KeyValue { key: Cow::Borrowed(""), value: AnyValue::Empty };
        r.message(&["key", "value"], |r, field| {
            match field {
                0 => pair.key = r.string()?,
                _ => pair.value = any_value(r)?,
            }
            Ok(())
        })?;
        Ok(charge::push(out, pair)?)
    })
}

/// Of several arms the last wins, as in the binary encoding.
fn any_value<'a>(r: &mut Reader<'a>) -> Result<AnyValue<'a>, Fault> {
    const FIELDS: [&str; 8] = [
        "stringValue",
        "boolValue",
        "intValue",
        "doubleValue",
        "arrayValue",
        "kvlistValue",
        "bytesValue",
        "stringValueStrindex",
    ];
    let mut out = AnyValue::Empty;
    r.message(&FIELDS, |r, field| {
        out = match field {
            0 => AnyValue::Str(r.string()?),
            1 => AnyValue::Bool(r.bool()?),
            2 => AnyValue::Int(int64(r)?),
            3 => AnyValue::Double(double(r)?),
            4 => {
                let mut values = Vec::new();
                r.message(&["values"], |r, _| r.list(|r| Ok(charge::push(&mut values, any_value(r)?)?)))?;
                AnyValue::Array(values)
            }
            5 => {
                let mut values = Vec::new();
                r.message(&["values"], |r, _| key_values(r, &mut values))?;
                AnyValue::KvList(values)
            }
            6 => AnyValue::Bytes(Cow::Owned(base64(r)?)),
            // Meant for profiles; elsewhere the value counts as empty (`common.proto`).
            _ => {
                r.skip()?;
                AnyValue::Empty
            }
        };
        Ok(())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests;
