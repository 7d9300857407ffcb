//! What each fuzz target does with its bytes. The stable tests of `adapters` run the same functions
//! over the seeds and their mutations.

use halo_adapters::event::{Content, Event, Status};
use halo_adapters::gateway::{self, Format, Line, Place, Reader, Rules, Spec};
use halo_adapters::otlp::model::{Logs, Traces};
use halo_adapters::otlp::{Signal, json, protobuf};
use halo_adapters::{json as value, otel};
use std::hint::black_box;
use std::sync::LazyLock;

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

fn spans(traces: &Traces<'_>) -> usize {
    traces.resource_spans.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.spans.len()).sum()
}

fn records(logs: &Logs<'_>) -> usize {
    logs.resource_logs.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.records.len()).sum()
}

/// What decodes also passes the check of its shape, and has as many items there.
pub(crate) fn otlp_protobuf(data: &[u8]) {
    if let Ok(traces) = protobuf::traces(data) {
        let all = spans(&traces) + traces.rejected.items as usize;
        assert_eq!(protobuf::skeleton(data, Signal::Traces), Ok(all));
    }
    if let Ok(logs) = protobuf::logs(data) {
        let all = records(&logs) + logs.rejected.items as usize;
        assert_eq!(protobuf::skeleton(data, Signal::Logs), Ok(all));
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
            for span in resource.scopes.iter().flat_map(|scope| &scope.spans) {
                let _ = black_box(otel::tenant_claim(&names, &span.attributes));
                if let Some(event) = otel::event(&context, span) {
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

pub(crate) fn json_value(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match value::parse(text) {
        Ok(parsed) => drop(black_box(parsed.clone())),
        Err(error) => assert!(error.offset <= text.len() && error.line >= 1 && error.column >= 1),
    }
}

/// Made once: an expression takes longer to compile than to meet a line.
static TEXT_READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
    let texts =
        [Format::Combined, Format::Traefik, Format::Haproxy, Format::Envoy, Format::Alb, Format::Litellm];
    let regex = Spec::regex(r#"^(?P<client>\S+) .*\[(?P<time>[^\]]+)\] "(?P<request>.*)" (?P<status>\S+)"#);
    let specs = texts.map(Spec::from).into_iter().chain(regex);
    specs.map(|spec| Reader::new(spec, Rules::all())).collect()
});

static JSON_READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
    let map = [("path", "request.uri"), ("status", "response.status"), ("duration_ms", "latencies.request")];
    let specs = Format::ALL.map(Spec::from).into_iter().chain(Spec::json(map));
    specs.map(|spec| Reader::new(spec, Rules::default())).collect()
});

/// Every line comes to something in every format of text.
pub(crate) fn gateway_text(data: &[u8]) {
    gateway_lines(data, &TEXT_READERS);
}

/// The same of JSON.
pub(crate) fn gateway_json(data: &[u8]) {
    gateway_lines(data, &JSON_READERS);
}

fn gateway_lines(data: &[u8], readers: &[Reader]) {
    let lines: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    let _ = black_box(gateway::detect(&lines));
    for (at, line) in lines.iter().enumerate() {
        let place = Place { file: "a.log", identity: &["1", "2"], offset: at as u64 };
        for reader in readers {
            if let Ok(Line::Event(event)) = reader.line(line, &place) {
                gateway_event(&event);
            }
        }
    }
}

/// What a record is made of can be read.
fn gateway_event(event: &Event<'_>) {
    assert_eq!(event.source.adapter, "gateway");
    assert!(event.facts.iter().any(|(key, _)| *key == "offset"));
    assert_ne!(event.input, Content::Undisclosed);
    assert!(
        event.outcome.status == Status::Ok
            || event.outcome.error_text.is_some()
            || event.outcome.error_type.is_some()
    );
}
