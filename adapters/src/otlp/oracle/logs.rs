//! The same for logs.

use super::super::ids;
use super::super::model::{LogRecord, Logs, ResourceLogs, ScopeLogs};
use super::{any_value, attributes, id, key_values, resource, scope, text, value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1 as proto;
use proptest::collection::vec;
use proptest::prelude::*;

fn record(record: &proto::LogRecord) -> Result<LogRecord<'static>, ids::BadId> {
    let (trace_id, span_id) = ids::context(&record.trace_id, &record.span_id)?;
    Ok(LogRecord {
        time_unix_nano: record.time_unix_nano,
        observed_time_unix_nano: record.observed_time_unix_nano,
        severity_number: record.severity_number,
        severity_text: record.severity_text.clone().into(),
        body: value(record.body.as_ref()),
        attributes: key_values(&record.attributes),
        dropped: record.dropped_attributes_count.into(),
        flags: record.flags,
        trace_id,
        span_id,
        event_name: record.event_name.clone().into(),
    })
}

/// What our decoders should return for `request`.
pub(in super::super) fn logs(request: &ExportLogsServiceRequest) -> Logs<'static> {
    let mut out = Logs::default();
    for (at_resource, resource) in request.resource_logs.iter().enumerate() {
        let mut scopes = Vec::new();
        for (at_scope, scope) in resource.scope_logs.iter().enumerate() {
            let info = scope.scope.clone().unwrap_or_default();
            let mut of_scope = ScopeLogs {
                scope_name: info.name.into(),
                scope_version: info.version.into(),
                records: Vec::new(),
            };
            for (at, one) in scope.log_records.iter().enumerate() {
                let place = format!("resource_logs[{at_resource}].scope_logs[{at_scope}].log_records[{at}]");
                match record(one) {
                    Ok(record) => of_scope.records.push(record),
                    Err(bad) => out.rejected.add(|| format!("{place}: {}", bad.0)),
                }
            }
            scopes.push(of_scope);
        }
        let resource = resource.resource.as_ref().map(|resource| key_values(&resource.attributes));
        out.resource_logs.push(ResourceLogs { resource: resource.unwrap_or_default(), scopes });
    }
    out
}

fn any_record() -> impl Strategy<Value = proto::LogRecord> {
    let ids = (prop_oneof![Just(Vec::new()), id(16)], prop_oneof![Just(Vec::new()), id(8)]);
    let numbers = (any::<u64>(), any::<u64>(), 0..25i32, any::<u32>(), any::<u32>());
    let body = proptest::option::of(any_value());
    (ids, numbers, text(), text(), body, attributes()).prop_map(
        |((trace_id, span_id), numbers, severity_text, event_name, body, attributes)| {
            let (time_unix_nano, observed_time_unix_nano, severity_number, dropped, flags) = numbers;
            proto::LogRecord {
                time_unix_nano,
                observed_time_unix_nano,
                severity_number,
                severity_text,
                body,
                attributes,
                dropped_attributes_count: dropped,
                flags,
                trace_id,
                span_id,
                event_name,
            }
        },
    )
}

/// A random request, valid but for some of its ids.
pub(in super::super) fn any_logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scope_logs = (scope(), vec(any_record(), 0..4), text())
        .prop_map(|(scope, log_records, schema_url)| proto::ScopeLogs { scope, log_records, schema_url });
    let resource_logs =
        (resource(), vec(scope_logs, 0..3), text()).prop_map(|(resource, scope_logs, schema_url)| {
            proto::ResourceLogs { resource, scope_logs, schema_url }
        });
    vec(resource_logs, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}
