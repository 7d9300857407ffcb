//! `parent_id` over requests: the nearest ancestor that has a record.

use crate::support::chains::{files, halo_verify, of_tenant};
use crate::support::halod::Halod;
use crate::support::spans::{attribute, request, span, text};
use opentelemetry_proto::tonic::trace::v1::Span;

/// An HTTP call over an agent over a database query over a model call.
fn trace() -> [Span; 4] {
    let spans = [
        ("POST /chat", None),
        ("invoke_agent", Some("invoke_agent")),
        ("SELECT", None),
        ("chat", Some("chat")),
    ];
    let mut at = 0;
    let mut parent = Vec::new();
    spans.map(|(name, operation)| {
        at += 1;
        let attributes =
            operation.map(|name| attribute("gen_ai.operation.name", text(name))).into_iter().collect();
        let mut span =
            Span { name: name.into(), attributes, parent_span_id: parent.clone(), ..span(0xE1, 0) };
        span.span_id[7] = at;
        span.start_time_unix_nano += u64::from(at);
        parent.clone_from(&span.span_id);
        span
    })
}

fn tools(dir: &std::path::Path) -> Vec<(String, Option<String>)> {
    let records = of_tenant(dir, Some("acme"));
    let tool = |record: &serde_json::Value| record["action"]["tool"].as_str().unwrap().to_owned();
    let parent = |id: &str| records.iter().find(|record| record["record_id"] == id).map(tool);
    records
        .iter()
        .map(|record| {
            (tool(record), record["parent_id"].as_str().map(|id| parent(id).unwrap_or("nobody".into())))
        })
        .collect()
}

fn pair(tool: &str, parent: Option<&str>) -> (String, Option<String>) {
    (tool.to_owned(), parent.map(str::to_owned))
}

#[test]
fn a_whole_trace_has_its_parents_first() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let [http, agent, query, chat] = trace();
    // As exporters send: children first.
    halod.export(&request(Some("acme"), vec![chat, query, agent, http]));
    assert_eq!(tools(dir.path()), [pair("agent.invoke", None), pair("model.generate", Some("agent.invoke"))]);
    assert!(halod.terminate().success());
    let verdict = halo_verify(&files(dir.path())[0]);
    assert!(verdict.contains("1 parent link(s) resolve"), "{verdict}");
}

#[test]
fn ancestors_that_come_later_are_there_whatever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let [http, agent, query, chat] = trace();
    halod.export(&request(Some("acme"), vec![chat.clone()]));
    halod.export(&request(Some("acme"), vec![query.clone()]));
    halod.export(&request(Some("other"), vec![http.clone()]));
    halod.export(&request(Some("acme"), vec![agent.clone(), http.clone()]));
    let all = [
        pair("model.generate", Some("agent.context")),
        pair("agent.context", Some("agent.invoke")),
        pair("agent.invoke", None),
    ];
    assert_eq!(tools(dir.path()), all);
    assert_eq!(of_tenant(dir.path(), Some("other")).len(), 0);
    // Sent again in other company, nothing is new and nothing contradicts.
    halod.export(&request(Some("acme"), vec![chat, query, agent, http]));
    assert_eq!(tools(dir.path()), all);
    assert!(halod.terminate().success());
}
