//! `ExportTraceServiceRequest` in binary protobuf, read in place.
//!
//! Accepts what prost with opentelemetry-proto's types accepts (the tests hold the two against each
//! other), and of a request that prost refuses the spans that are whole: fields in any order, the last of a repeated scalar wins, a repeated
//! embedded message is merged, unknown fields and groups are skipped. Every string is validated
//! once, and borrowed where it is UTF-8; fields that halod does not keep (links, entity references) are still checked.

mod logs;

pub(super) use logs::record_at;
pub use logs::{log_places, logs};

use super::ids::{self, BadId};
use super::model::{AnyValue, KeyValue, Rejected, ResourceSpans, ScopeSpans, Span, SpanEvent, Traces};
use super::place::{Bytes, Keep, SpanPlace, Written, keep};
use super::schema;
use super::wire::{FIXED32, FIXED64, LEN, Reader, VARINT, key, tags};
use super::{DecodeError, MAX_MESSAGES, Signal};
use halod_record::charge;
use std::borrow::Cow;
use std::cell::Cell;

/// Decodes a traces request.
///
/// # Errors
/// When the bytes are not such a request; [`DecodeError::WrongSignal`] when they are one of logs or
/// metrics. A span that can't be used is no error: it is left out and counted in `rejected`.
pub fn traces(bytes: &[u8]) -> Result<Traces<'_>, DecodeError> {
    decode(bytes)
}

/// Decodes a traces request, of whose spans only the places are kept.
///
/// # Errors
/// As [`traces`].
pub fn span_places(bytes: &[u8]) -> Result<Traces<'_, SpanPlace<'_>>, DecodeError> {
    decode(bytes)
}

/// The span that was at a place.
pub(super) fn span_at(bytes: &[u8]) -> Result<Span<'_>, DecodeError> {
    let messages = Cell::new(MAX_MESSAGES);
    let read = span(Reader::new(bytes, &messages), 0)?;
    read.map_err(|_| DecodeError::Truncated { offset: 0 })
}

fn decode<'a, S: Keep<'a, Item = Span<'a>>>(bytes: &'a [u8]) -> Result<Traces<'a, S>, DecodeError> {
    let mut traces = Traces { resource_spans: Vec::new(), rejected: Rejected::default() };
    let messages = Cell::new(MAX_MESSAGES);
    match request(Reader::new(bytes, &messages), &mut traces) {
        Err(error @ (DecodeError::TooMany { .. } | DecodeError::Exhausted(_))) => Err(error),
        Err(error) => Err(schema::other_signal(bytes, Signal::Traces).unwrap_or(error)),
        // A gauge's name and description sit where the ids of a span do: such a request decodes,
        // but into spans of which none has usable ids.
        Ok(()) if traces.rejected.items > 0 && is_empty(&traces) => {
            schema::other_signal(bytes, Signal::Traces).map_or(Ok(traces), Err)
        }
        Ok(()) => Ok(traces),
    }
}

/// Checks that the bytes are a request of the given signal, and counts its items: spans, log
/// records or metric data points.
///
/// # Errors
/// As [`traces`].
pub fn skeleton(bytes: &[u8], signal: Signal) -> Result<usize, DecodeError> {
    schema::count(bytes, signal).map_err(|error| schema::other_signal(bytes, signal).unwrap_or(error))
}

fn is_empty<S>(traces: &Traces<'_, S>) -> bool {
    traces.resource_spans.iter().all(|resource| resource.scopes.iter().all(|scope| scope.spans.is_empty()))
}

fn request<'a, S: Keep<'a, Item = Span<'a>>>(
    mut r: Reader<'a, '_>,
    traces: &mut Traces<'a, S>,
) -> Result<(), DecodeError> {
    while let Some(field) = r.key()? {
        match field {
            RESOURCE_SPANS => {
                let at = traces.resource_spans.len();
                let resource = resource_spans(r.message()?, at, &mut traces.rejected)?;
                charge::push(&mut traces.resource_spans, resource)?;
            }
            other => r.unknown(other, tags(&[1]), "ExportTraceServiceRequest")?,
        }
    }
    Ok(())
}
const RESOURCE_SPANS: u32 = key(1, LEN);

fn resource_spans<'a, S: Keep<'a, Item = Span<'a>>>(
    mut r: Reader<'a, '_>,
    at: usize,
    rejected: &mut Rejected,
) -> Result<ResourceSpans<'a, S>, DecodeError> {
    const RESOURCE: u32 = key(1, LEN);
    const SCOPE_SPANS: u32 = key(2, LEN);
    const SCHEMA_URL: u32 = key(3, LEN);
    let mut out = ResourceSpans { resource: Vec::new(), scopes: Vec::new() };
    while let Some(field) = r.key()? {
        match field {
            RESOURCE => resource(r.message()?, &mut out.resource)?,
            SCOPE_SPANS => {
                let place = Place { resource: at, scope: out.scopes.len() };
                let scope = scope_spans(r.message()?, place, rejected)?;
                charge::push(&mut out.scopes, scope)?;
            }
            SCHEMA_URL => drop(r.utf8()?),
            other => r.unknown(other, tags(&[1, 2, 3]), "ResourceSpans")?,
        }
    }
    Ok(out)
}

fn resource<'a>(mut r: Reader<'a, '_>, attributes: &mut Vec<KeyValue<'a>>) -> Result<(), DecodeError> {
    const ATTRIBUTES: u32 = key(1, LEN);
    const DROPPED: u32 = key(2, VARINT);
    const ENTITY_REFS: u32 = key(3, LEN);
    while let Some(field) = r.key()? {
        match field {
            ATTRIBUTES => {
                let offset = r.offset();
                let pair = key_value(r.message()?)?;
                // Whose the spans are stands here: of two damaged names one must not become the other.
                if matches!(pair.key, Cow::Owned(_)) || matches!(pair.value, AnyValue::Str(Cow::Owned(_))) {
                    return Err(DecodeError::Utf8 { offset });
                }
                charge::push(attributes, pair)?;
            }
            DROPPED => drop(r.varint()?),
            ENTITY_REFS => schema::check(r.message()?, &schema::ENTITY_REF)?,
            other => r.unknown(other, tags(&[1, 2, 3]), "Resource")?,
        }
    }
    Ok(())
}

/// Where in the request a span is, for the message of a rejection.
#[derive(Clone, Copy)]
struct Place {
    resource: usize,
    scope: usize,
}

fn scope_spans<'a, S: Keep<'a, Item = Span<'a>>>(
    mut r: Reader<'a, '_>,
    place: Place,
    rejected: &mut Rejected,
) -> Result<ScopeSpans<'a, S>, DecodeError> {
    const SCOPE: u32 = key(1, LEN);
    const SPANS: u32 = key(2, LEN);
    const SCHEMA_URL: u32 = key(3, LEN);
    let mut out = ScopeSpans { scope_name: Cow::default(), scope_version: Cow::default(), spans: Vec::new() };
    let (mut seen, mut hint) = (0usize, 0);
    while let Some(field) = r.key()? {
        match field {
            SCOPE => scope(r.message()?, &mut out.scope_name, &mut out.scope_version)?,
            SPANS => {
                let message = r.message()?;
                if out.spans.is_empty() {
                    // Spans of one batch are alike; a span shorter than this is not worth a guess.
                    charge::reserve(&mut out.spans, 1 + r.remaining() / message.remaining().max(64))?;
                }
                let at = Bytes { bytes: message.rest(), written: Written::Protobuf };
                let kept = keep(|| {
                    Ok::<_, DecodeError>(span(message, hint)?.map(|span| {
                        hint = span.attributes.len();
                        (span, at)
                    }))
                });
                let why = match confined(kept)? {
                    Ok(Ok(span)) => {
                        charge::push(&mut out.spans, span)?;
                        None
                    }
                    Ok(Err(bad)) => Some(bad.0.to_owned()),
                    Err(error) => Some(error.to_string()),
                };
                if let Some(why) = why {
                    let Place { resource, scope } = place;
                    rejected.add(|| {
                        format!("resource_spans[{resource}].scope_spans[{scope}].spans[{seen}]: {why}")
                    });
                }
                seen += 1;
            }
            SCHEMA_URL => drop(r.utf8()?),
            other => r.unknown(other, tags(&[1, 2, 3]), "ScopeSpans")?,
        }
    }
    Ok(out)
}

fn scope<'a>(
    mut r: Reader<'a, '_>,
    name: &mut Cow<'a, str>,
    version: &mut Cow<'a, str>,
) -> Result<(), DecodeError> {
    const NAME: u32 = key(1, LEN);
    const VERSION: u32 = key(2, LEN);
    const ATTRIBUTES: u32 = key(3, LEN);
    const DROPPED: u32 = key(4, VARINT);
    while let Some(field) = r.key()? {
        match field {
            NAME => *name = r.string()?,
            VERSION => *version = r.string()?,
            ATTRIBUTES => schema::check(r.message()?, &schema::KEY_VALUE)?,
            DROPPED => drop(r.varint()?),
            other => r.unknown(other, tags(&[1, 2, 3, 4]), "InstrumentationScope")?,
        }
    }
    Ok(())
}

/// What a span or log record costs that can't be decoded: only itself, since its length is known, unless it is
/// the request that asks for too much.
fn confined<T>(decoded: Result<T, DecodeError>) -> Result<Result<T, DecodeError>, DecodeError> {
    match decoded {
        Err(error @ (DecodeError::TooMany { .. } | DecodeError::Exhausted(_))) => Err(error),
        decoded => Ok(decoded),
    }
}

/// One span; the inner error is about this span alone. `hint` is how many attributes the span
/// before it had.
fn span<'a>(mut r: Reader<'a, '_>, hint: usize) -> Result<Result<Span<'a>, BadId>, DecodeError> {
    const TRACE_ID: u32 = key(1, LEN);
    const SPAN_ID: u32 = key(2, LEN);
    const TRACE_STATE: u32 = key(3, LEN);
    const PARENT: u32 = key(4, LEN);
    const NAME: u32 = key(5, LEN);
    const KIND: u32 = key(6, VARINT);
    const START: u32 = key(7, FIXED64);
    const END: u32 = key(8, FIXED64);
    const ATTRIBUTES: u32 = key(9, LEN);
    const DROPPED_ATTRIBUTES: u32 = key(10, VARINT);
    const EVENTS: u32 = key(11, LEN);
    const DROPPED_EVENTS: u32 = key(12, VARINT);
    const LINKS: u32 = key(13, LEN);
    const DROPPED_LINKS: u32 = key(14, VARINT);
    const STATUS: u32 = key(15, LEN);
    const FLAGS: u32 = key(16, FIXED32);

    let mut out = Span::default();
    let (mut trace, mut id, mut parent): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut dropped = [0u32; 3];
    while let Some(field) = r.key()? {
        match field {
            ATTRIBUTES => {
                let message = r.message()?;
                if out.attributes.is_empty() {
                    // Bounded by what the rest can hold, so that a tiny span cannot claim much.
                    charge::reserve(&mut out.attributes, 1 + hint.min(r.remaining() / 8))?;
                }
                charge::push(&mut out.attributes, key_value(message)?)?;
            }
            TRACE_ID => trace = r.bytes()?,
            SPAN_ID => id = r.bytes()?,
            TRACE_STATE => drop(r.utf8()?),
            PARENT => parent = r.bytes()?,
            NAME => out.name = r.string()?,
            KIND => out.kind = r.varint()? as i32,
            START => out.start_time_unix_nano = r.fixed64()?,
            END => out.end_time_unix_nano = r.fixed64()?,
            DROPPED_ATTRIBUTES => dropped[0] = r.varint()? as u32,
            EVENTS => charge::push(&mut out.events, event(r.message()?)?)?,
            DROPPED_EVENTS => dropped[1] = r.varint()? as u32,
            LINKS => schema::check(r.message()?, &schema::LINK)?,
            DROPPED_LINKS => dropped[2] = r.varint()? as u32,
            STATUS => status(r.message()?, &mut out)?,
            FLAGS => out.flags = r.fixed32()?,
            other => r.unknown(other, 0x1_fffe, "Span")?,
        }
    }
    out.dropped = dropped.into_iter().map(u64::from).sum();
    Ok(with_ids(out, trace, id, parent))
}

fn with_ids<'a>(mut span: Span<'a>, trace: &[u8], id: &[u8], parent: &[u8]) -> Result<Span<'a>, BadId> {
    span.trace_id = ids::trace(trace)?;
    span.span_id = ids::span(id)?;
    span.parent_span_id = ids::parent(parent)?;
    Ok(span)
}

fn event<'a>(mut r: Reader<'a, '_>) -> Result<SpanEvent<'a>, DecodeError> {
    const TIME: u32 = key(1, FIXED64);
    const NAME: u32 = key(2, LEN);
    const ATTRIBUTES: u32 = key(3, LEN);
    const DROPPED: u32 = key(4, VARINT);
    let mut out = SpanEvent::default();
    while let Some(field) = r.key()? {
        match field {
            TIME => out.time_unix_nano = r.fixed64()?,
            NAME => out.name = r.string()?,
            ATTRIBUTES => charge::push(&mut out.attributes, key_value(r.message()?)?)?,
            DROPPED => drop(r.varint()?),
            other => r.unknown(other, tags(&[1, 2, 3, 4]), "Span.Event")?,
        }
    }
    Ok(out)
}

fn status<'a>(mut r: Reader<'a, '_>, out: &mut Span<'a>) -> Result<(), DecodeError> {
    const MESSAGE: u32 = key(2, LEN);
    const CODE: u32 = key(3, VARINT);
    while let Some(field) = r.key()? {
        match field {
            MESSAGE => out.status_message = r.string()?,
            CODE => out.status_code = r.varint()? as i32,
            other => r.unknown(other, tags(&[2, 3]), "Status")?,
        }
    }
    Ok(())
}

#[inline]
fn key_value<'a>(mut r: Reader<'a, '_>) -> Result<KeyValue<'a>, DecodeError> {
    const KEY: u32 = key(1, LEN);
    const VALUE: u32 = key(2, LEN);
    /// Meant for profiles; elsewhere its presence is to be ignored (`common.proto`).
    const KEY_STRINDEX: u32 = key(3, VARINT);
    let mut name = Cow::Borrowed("");
    let mut value = AnyValue::Empty;
    while let Some(field) = r.key()? {
        match field {
            KEY => name = r.string()?,
            VALUE => any_value(r.message()?, &mut value)?,
            KEY_STRINDEX => drop(r.varint()?),
            other => r.unknown(other, tags(&[1, 2, 3]), "KeyValue")?,
        }
    }
    Ok(KeyValue { key: name, value })
}

/// Merges into `out`: of different arms the last wins, lists of one kind are joined.
fn any_value<'a>(mut r: Reader<'a, '_>, out: &mut AnyValue<'a>) -> Result<(), DecodeError> {
    const STRING: u32 = key(1, LEN);
    const BOOL: u32 = key(2, VARINT);
    const INT: u32 = key(3, VARINT);
    const DOUBLE: u32 = key(4, FIXED64);
    const ARRAY: u32 = key(5, LEN);
    const KVLIST: u32 = key(6, LEN);
    const BYTES: u32 = key(7, LEN);
    /// Meant for profiles; elsewhere the value counts as empty (`common.proto`).
    const STRING_STRINDEX: u32 = key(8, VARINT);
    while let Some(field) = r.key()? {
        match field {
            STRING => *out = AnyValue::Str(r.string()?),
            BOOL => *out = AnyValue::Bool(r.varint()? != 0),
            INT => *out = AnyValue::Int(r.varint()? as i64),
            DOUBLE => *out = AnyValue::Double(f64::from_bits(r.fixed64()?)),
            ARRAY => array(r.message()?, out)?,
            KVLIST => kvlist(r.message()?, out)?,
            BYTES => *out = AnyValue::Bytes(Cow::Borrowed(r.bytes()?)),
            STRING_STRINDEX => {
                r.varint()?;
                *out = AnyValue::Empty;
            }
            other => r.unknown(other, tags(&[1, 2, 3, 4, 5, 6, 7, 8]), "AnyValue")?,
        }
    }
    Ok(())
}

fn array<'a>(mut r: Reader<'a, '_>, out: &mut AnyValue<'a>) -> Result<(), DecodeError> {
    const VALUES: u32 = key(1, LEN);
    let mut values = match std::mem::take(out) {
        AnyValue::Array(values) => values,
        _ => Vec::new(),
    };
    while let Some(field) = r.key()? {
        match field {
            VALUES => {
                let mut value = AnyValue::Empty;
                any_value(r.message()?, &mut value)?;
                charge::push(&mut values, value)?;
            }
            other => r.unknown(other, tags(&[1]), "ArrayValue")?,
        }
    }
    *out = AnyValue::Array(values);
    Ok(())
}

fn kvlist<'a>(mut r: Reader<'a, '_>, out: &mut AnyValue<'a>) -> Result<(), DecodeError> {
    const VALUES: u32 = key(1, LEN);
    let mut values = match std::mem::take(out) {
        AnyValue::KvList(values) => values,
        _ => Vec::new(),
    };
    while let Some(field) = r.key()? {
        match field {
            VALUES => charge::push(&mut values, key_value(r.message()?)?)?,
            other => r.unknown(other, tags(&[1]), "KeyValueList")?,
        }
    }
    *out = AnyValue::KvList(values);
    Ok(())
}

#[cfg(test)]
mod tests;
