//! The bodies of the fuzz targets of OTLP; a test of the usual suite runs these bodies as well.

use halo_adapters::otel;
use halo_adapters::otlp::model::{Logs, Traces};
use halo_adapters::otlp::{Signal, json, protobuf};
use std::hint::black_box;

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

fn spans(traces: &Traces<'_>) -> usize {
    traces.resource_spans.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.spans.len()).sum()
}

fn records(logs: &Logs<'_>) -> usize {
    logs.resource_logs.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.records.len()).sum()
}

/// A message that decodes and passes the check of its shape, which is stricter about texts and items, has as
/// many items in it as the check counts.
pub(crate) fn otlp_protobuf(data: &[u8]) {
    if let Ok(traces) = protobuf::traces(data) {
        let all = spans(&traces) + traces.rejected.items as usize;
        assert!(!protobuf::skeleton(data, Signal::Traces).is_ok_and(|count| count != all));
    }
    if let Ok(logs) = protobuf::logs(data) {
        let all = records(&logs) + logs.rejected.items as usize;
        assert!(!protobuf::skeleton(data, Signal::Logs).is_ok_and(|count| count != all));
    }
    for signal in SIGNALS {
        let _ = black_box(protobuf::skeleton(data, signal));
    }
}

pub(crate) fn otlp_json(data: &[u8]) {
    if let Ok(traces) = json::traces(data)
        && traces.rejected.items == 0
    {
        assert_eq!(json::skeleton(data, Signal::Traces), Ok(spans(&traces)));
    }
    if let Ok(logs) = json::logs(data)
        && logs.rejected.items == 0
    {
        assert_eq!(json::skeleton(data, Signal::Logs), Ok(records(&logs)));
    }
    for signal in SIGNALS {
        let _ = black_box(json::skeleton(data, signal));
    }
}

/// Whatever decodes can be mapped.
pub(crate) fn otel_event(data: &[u8]) {
    let names = ["tenant.id".to_owned(), "halo.subject.id".to_owned()];
    for traces in [protobuf::traces(data), json::traces(data)].into_iter().flatten() {
        for resource in &traces.resource_spans {
            let context = otel::Resource::new(&resource.resource);
            let _ = black_box(otel::tenant_claim(&names, &resource.resource));
            let scopes =
                resource.scopes.iter().flat_map(|scope| scope.spans.iter().map(move |span| (scope, span)));
            for (scope, span) in scopes {
                let _ = black_box(otel::tenant_claim(&names, &span.attributes));
                if let Some(event) = otel::event(&context, &scope.scope_name, span) {
                    assert_eq!(event.source.adapter, "otel");
                }
            }
        }
    }
}

/// Whatever decodes can be mapped, and put together where it belongs together.
pub(crate) fn otel_log(data: &[u8]) {
    for logs in [protobuf::logs(data), json::logs(data)].into_iter().flatten() {
        let mut parts = Vec::new();
        for group in &logs.resource_logs {
            let resource = otel::logs::Resource::new(&group.resource);
            for scope in &group.scopes {
                for record in &scope.records {
                    match otel::logs::item(&resource, &scope.scope_name, record) {
                        Some(otel::logs::Item::Event(event)) => assert_eq!(event.source.adapter, "otel"),
                        Some(otel::logs::Item::Part(part)) => parts.push(*part),
                        None => {}
                    }
                }
            }
        }
        drop(black_box(otel::logs::assemble(parts)));
    }
}
