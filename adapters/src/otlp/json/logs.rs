//! `ExportLogsServiceRequest` in OTLP/JSON.

use super::super::ids::{self, BadId};
use super::super::model::{LogRecord, Logs, Rejected, ResourceLogs, ScopeLogs};
use super::super::place::{Keep, RecordPlace};
use super::super::{DecodeError, Signal};
use super::reader::{Fault, Reader};
use super::scalar::{enumeration, hex, uint32, uint64};
use super::{any_value, item_at, items, key_values, outer};
use halod_record::charge;
use std::borrow::Cow;

/// Decodes a logs request.
///
/// # Errors
/// When the text is not such a request; [`DecodeError::WrongSignal`] when it is one of traces or
/// metrics. A record that is illegal by itself is no error: it is left out and counted in
/// `rejected`.
pub fn logs(text: &[u8]) -> Result<Logs<'_>, DecodeError> {
    decode(text)
}

/// Decodes a logs request, of whose records only the places are kept.
///
/// # Errors
/// As [`logs`].
pub fn log_places(text: &[u8]) -> Result<Logs<'_, RecordPlace<'_>>, DecodeError> {
    decode(text)
}

/// The record that was at a place.
pub(in super::super) fn record_at(text: &[u8]) -> Result<LogRecord<'_>, DecodeError> {
    item_at(text, record)
}

fn decode<'a, R: Keep<'a, Item = LogRecord<'a>>>(text: &'a [u8]) -> Result<Logs<'a, R>, DecodeError> {
    let mut r = Reader::new(text)?;
    let mut logs = Logs { resource_logs: Vec::new(), rejected: Rejected::default() };
    outer(&mut r, Signal::Logs, |r| {
        let at = logs.resource_logs.len();
        let resource = resource_logs(r, at, &mut logs.rejected)?;
        Ok(charge::push(&mut logs.resource_logs, resource)?)
    })?;
    r.finish()?;
    Ok(logs)
}

fn resource_logs<'a, R: Keep<'a, Item = LogRecord<'a>>>(
    r: &mut Reader<'a>,
    at: usize,
    rejected: &mut Rejected,
) -> Result<ResourceLogs<'a, R>, Fault> {
    let mut out = ResourceLogs { resource: Vec::new(), scopes: Vec::new() };
    r.message(&["resource", "scopeLogs"], |r, field| match field {
        0 => r.message(&["attributes"], |r, _| key_values(r, &mut out.resource)),
        _ => r.list(|r| {
            let scope = scope_logs(r, (at, out.scopes.len()), rejected)?;
            Ok(charge::push(&mut out.scopes, scope)?)
        }),
    })?;
    Ok(out)
}

fn scope_logs<'a, R: Keep<'a, Item = LogRecord<'a>>>(
    r: &mut Reader<'a>,
    (resource, scope): (usize, usize),
    rejected: &mut Rejected,
) -> Result<ScopeLogs<'a, R>, Fault> {
    let mut out =
        ScopeLogs { scope_name: Cow::default(), scope_version: Cow::default(), records: Vec::new() };
    r.message(&["scope", "logRecords"], |r, field| match field {
        0 => r.message(&["name", "version"], |r, field| {
            *if field == 0 { &mut out.scope_name } else { &mut out.scope_version } = r.string()?;
            Ok(())
        }),
        _ => items(r, rejected, &mut out.records, record, |seen| {
            format!("resource_logs[{resource}].scope_logs[{scope}].log_records[{seen}]")
        }),
    })?;
    Ok(out)
}

fn record<'a>(r: &mut Reader<'a>) -> Result<Result<LogRecord<'a>, BadId>, Fault> {
    const FIELDS: [&str; 11] = [
        "timeUnixNano",
        "observedTimeUnixNano",
        "severityNumber",
        "severityText",
        "body",
        "attributes",
        "droppedAttributesCount",
        "flags",
        "traceId",
        "spanId",
        "eventName",
    ];
    let mut out = LogRecord::default();
    let (mut trace, mut span) = (Vec::new(), Vec::new());
    r.message(&FIELDS, |r, field| {
        match FIELDS.get(field).copied().unwrap_or_default() {
            "timeUnixNano" => out.time_unix_nano = uint64(r)?,
            "observedTimeUnixNano" => out.observed_time_unix_nano = uint64(r)?,
            "severityNumber" => out.severity_number = enumeration(r)?,
            "severityText" => out.severity_text = r.string()?,
            "body" => out.body = any_value(r)?,
            "attributes" => key_values(r, &mut out.attributes)?,
            "droppedAttributesCount" => out.dropped = u64::from(uint32(r)?),
            "flags" => out.flags = uint32(r)?,
            "traceId" => trace = hex(r)?,
            "spanId" => span = hex(r)?,
            _ => out.event_name = r.string()?,
        }
        Ok(())
    })?;
    Ok(ids::context(&trace, &span).map(|(trace_id, span_id)| LogRecord { trace_id, span_id, ..out }))
}
