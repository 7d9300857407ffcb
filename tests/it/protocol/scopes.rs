//! What halod does not understand, an operator sees at /metrics: by the scope that sent it.

use crate::support::halod::Halod;
use crate::support::spans::{attribute, span, text};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;

/// `spans` spans of nothing that an agent does, and one of a tool call.
fn scope(name: &str, n: u64, spans: u64) -> ScopeSpans {
    let plain = (1..=spans).map(|k| {
        let mut plain = span(0x90, 1000 * n + k);
        plain.attributes = vec![attribute("http.request.method", text("GET"))];
        plain.name = "GET /".into();
        plain
    });
    let scope = InstrumentationScope { name: name.into(), ..InstrumentationScope::default() };
    let spans = plain.chain([span(0x91, n)]).collect();
    ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }
}

#[test]
fn filtered_spans_are_counted_by_scope() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let send = |scopes: Vec<ScopeSpans>| {
        let resource = ResourceSpans { scope_spans: scopes, ..ResourceSpans::default() };
        halod.export(&ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec());
    };
    let filtered = |scope: &str| halod.metric("halod_filtered_total", &format!("scope=\"{scope}\""));
    send(vec![
        scope("acme.web", 1, 3),
        scope("", 2, 2),
        scope("odd\"\n\u{1b}[31m", 3, 1),
        scope("fine", 4, 0),
    ]);
    assert_eq!(filtered("acme.web"), 3);
    assert_eq!(filtered("unnamed"), 2);
    assert_eq!(filtered("odd\\\"__[31m"), 1);
    assert_eq!(filtered("fine"), 0);
    send((10..310).map(|n| scope(&format!("made.up.{n}"), n, 1)).collect());
    send(vec![scope("acme.web", 400, 4)]);
    assert_eq!(filtered("acme.web"), 7);
    assert_eq!(filtered("other"), 300 - 97);
    let (_, text) = halod.ask("/metrics").unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("halod_filtered_total{")).count(), 101);
    let labelled = halod.metric("halod_filtered_total", "signal=\"traces\"");
    assert_eq!(labelled, halod.items_of("signal=\"traces\"", "filtered"));
    assert_eq!(labelled, 3 + 2 + 1 + 300 + 4);
}
