//! `ExportLogsServiceRequest` in binary protobuf (`logs.proto`).

use super::super::ids::{self, BadId};
use super::super::model::{LogRecord, Logs, Rejected, ResourceLogs, ScopeLogs};
use super::super::place::{Bytes, Keep, RecordPlace, Written, keep};
use super::super::schema;
use super::super::wire::{FIXED32, FIXED64, LEN, Reader, VARINT, key, tags};
use super::super::{DecodeError, MAX_MESSAGES, Signal};
use super::{any_value, confined, key_value, resource, scope};
use halod_record::charge;
use std::borrow::Cow;
use std::cell::Cell;

/// Decodes a logs request.
///
/// # Errors
/// When the bytes are not such a request; [`DecodeError::WrongSignal`] when they are one of traces
/// or metrics. A record with unusable ids is no error: it is left out and counted in `rejected`.
pub fn logs(bytes: &[u8]) -> Result<Logs<'_>, DecodeError> {
    decode(bytes)
}

/// Decodes a logs request, of whose records only the places are kept.
///
/// # Errors
/// As [`logs`].
pub fn log_places(bytes: &[u8]) -> Result<Logs<'_, RecordPlace<'_>>, DecodeError> {
    decode(bytes)
}

/// The record that was at a place.
pub(in super::super) fn record_at(bytes: &[u8]) -> Result<LogRecord<'_>, DecodeError> {
    let messages = Cell::new(MAX_MESSAGES);
    record(Reader::new(bytes, &messages))?.map_err(|_| DecodeError::Truncated { offset: 0 })
}

fn decode<'a, R: Keep<'a, Item = LogRecord<'a>>>(bytes: &'a [u8]) -> Result<Logs<'a, R>, DecodeError> {
    let mut logs = Logs { resource_logs: Vec::new(), rejected: Rejected::default() };
    let messages = Cell::new(MAX_MESSAGES);
    match request(Reader::new(bytes, &messages), &mut logs) {
        // What has another signal's messages in place of log records has none that can be used.
        Ok(()) if logs.rejected.items > 0 && is_empty(&logs) => {
            schema::other_signal(bytes, Signal::Logs).map_or(Ok(logs), Err)
        }
        Ok(()) => Ok(logs),
        Err(error @ (DecodeError::TooMany { .. } | DecodeError::Exhausted(_))) => Err(error),
        Err(error) => Err(schema::other_signal(bytes, Signal::Logs).unwrap_or(error)),
    }
}

fn is_empty<R>(logs: &Logs<'_, R>) -> bool {
    logs.resource_logs.iter().all(|resource| resource.scopes.iter().all(|scope| scope.records.is_empty()))
}

fn request<'a, R: Keep<'a, Item = LogRecord<'a>>>(
    mut r: Reader<'a, '_>,
    logs: &mut Logs<'a, R>,
) -> Result<(), DecodeError> {
    const RESOURCE_LOGS: u32 = key(1, LEN);
    while let Some(field) = r.key()? {
        match field {
            RESOURCE_LOGS => {
                let at = logs.resource_logs.len();
                let resource = resource_logs(r.message()?, at, &mut logs.rejected)?;
                charge::push(&mut logs.resource_logs, resource)?;
            }
            other => r.unknown(other, tags(&[1]), "ExportLogsServiceRequest")?,
        }
    }
    Ok(())
}

fn resource_logs<'a, R: Keep<'a, Item = LogRecord<'a>>>(
    mut r: Reader<'a, '_>,
    at: usize,
    rejected: &mut Rejected,
) -> Result<ResourceLogs<'a, R>, DecodeError> {
    const RESOURCE: u32 = key(1, LEN);
    const SCOPE_LOGS: u32 = key(2, LEN);
    const SCHEMA_URL: u32 = key(3, LEN);
    let mut out = ResourceLogs { resource: Vec::new(), scopes: Vec::new() };
    while let Some(field) = r.key()? {
        match field {
            RESOURCE => resource(r.message()?, &mut out.resource)?,
            SCOPE_LOGS => {
                let place = (at, out.scopes.len());
                let scope = scope_logs(r.message()?, place, rejected)?;
                charge::push(&mut out.scopes, scope)?;
            }
            SCHEMA_URL => drop(r.utf8()?),
            other => r.unknown(other, tags(&[1, 2, 3]), "ResourceLogs")?,
        }
    }
    Ok(out)
}

fn scope_logs<'a, R: Keep<'a, Item = LogRecord<'a>>>(
    mut r: Reader<'a, '_>,
    (resource, at): (usize, usize),
    rejected: &mut Rejected,
) -> Result<ScopeLogs<'a, R>, DecodeError> {
    const SCOPE: u32 = key(1, LEN);
    const RECORDS: u32 = key(2, LEN);
    const SCHEMA_URL: u32 = key(3, LEN);
    let mut out =
        ScopeLogs { scope_name: Cow::default(), scope_version: Cow::default(), records: Vec::new() };
    let mut seen = 0usize;
    while let Some(field) = r.key()? {
        match field {
            SCOPE => scope(r.message()?, &mut out.scope_name, &mut out.scope_version)?,
            RECORDS => {
                let message = r.message()?;
                let at_bytes = Bytes { bytes: message.rest(), written: Written::Protobuf };
                let kept = keep(|| Ok::<_, DecodeError>(record(message)?.map(|record| (record, at_bytes))));
                let why = match confined(kept)? {
                    Ok(Ok(record)) => {
                        charge::push(&mut out.records, record)?;
                        None
                    }
                    Ok(Err(bad)) => Some(bad.0.to_owned()),
                    Err(error) => Some(error.to_string()),
                };
                if let Some(why) = why {
                    rejected.add(|| {
                        format!("resource_logs[{resource}].scope_logs[{at}].log_records[{seen}]: {why}")
                    });
                }
                seen += 1;
            }
            SCHEMA_URL => drop(r.utf8()?),
            other => r.unknown(other, tags(&[1, 2, 3]), "ScopeLogs")?,
        }
    }
    Ok(out)
}

/// One record; the inner error is about this record alone.
fn record<'a>(mut r: Reader<'a, '_>) -> Result<Result<LogRecord<'a>, BadId>, DecodeError> {
    const TIME: u32 = key(1, FIXED64);
    const SEVERITY_NUMBER: u32 = key(2, VARINT);
    const SEVERITY_TEXT: u32 = key(3, LEN);
    const BODY: u32 = key(5, LEN);
    const ATTRIBUTES: u32 = key(6, LEN);
    const DROPPED: u32 = key(7, VARINT);
    const FLAGS: u32 = key(8, FIXED32);
    const TRACE_ID: u32 = key(9, LEN);
    const SPAN_ID: u32 = key(10, LEN);
    const OBSERVED: u32 = key(11, FIXED64);
    const EVENT_NAME: u32 = key(12, LEN);

    let mut out = LogRecord::default();
    let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
    while let Some(field) = r.key()? {
        match field {
            ATTRIBUTES => charge::push(&mut out.attributes, key_value(r.message()?)?)?,
            TIME => out.time_unix_nano = r.fixed64()?,
            OBSERVED => out.observed_time_unix_nano = r.fixed64()?,
            SEVERITY_NUMBER => out.severity_number = r.varint()? as i32,
            SEVERITY_TEXT => out.severity_text = r.string()?,
            BODY => any_value(r.message()?, &mut out.body)?,
            DROPPED => out.dropped = u64::from(r.varint()? as u32),
            FLAGS => out.flags = r.fixed32()?,
            TRACE_ID => trace = r.bytes()?,
            SPAN_ID => span = r.bytes()?,
            EVENT_NAME => out.event_name = r.string()?,
            other => r.unknown(other, tags(&[1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]), "LogRecord")?,
        }
    }
    Ok(ids::context(trace, span).map(|(trace_id, span_id)| LogRecord { trace_id, span_id, ..out }))
}
