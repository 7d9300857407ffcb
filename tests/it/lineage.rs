//! Parents over requests: `parent_id` names the nearest ancestor that was recorded before, and `data` says
//! what the span says.

use crate::support::chains::{files, halo_verify, of_tenant};
use crate::support::halod::Halod;
use crate::support::spans::{attribute, hex, request, span, text};
use crate::support::tree::Tree;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;

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

/// What a record did, and what its parent did.
type Pair = (String, Option<String>);

/// What each record did, and its parent: by `parent_id`, and as drawn from `data` as well.
fn tools(dir: &std::path::Path) -> (Vec<Pair>, Vec<Pair>) {
    let records = of_tenant(dir, Some("acme"));
    let tool = |record: &Value| record["action"]["tool"].as_str().unwrap().to_owned();
    let named = |record: &Value| records.iter().find(|other| other["record_id"] == record["parent_id"]);
    let tree = Tree::of(&records);
    let both = |record| {
        let (named, drawn) = (named(record).map(tool), tree.parent(record).map(tool));
        ((tool(record), named), (tool(record), drawn))
    };
    records.iter().map(both).unzip()
}

fn pair(tool: &str, parent: Option<&str>) -> Pair {
    (tool.to_owned(), parent.map(str::to_owned))
}

#[test]
fn a_whole_trace_has_its_parents_first() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let [http, agent, query, chat] = trace();
    // As exporters send: children first.
    halod.export(&request(Some("acme"), vec![chat, query, agent, http]));
    let all = vec![pair("agent.invoke", None), pair("model.generate", Some("agent.invoke"))];
    assert_eq!(tools(dir.path()), (all.clone(), all));
    assert!(halod.terminate().success());
    let verdict = halo_verify(&files(dir.path())[0]);
    assert!(verdict.contains("1 parent link(s) resolve"), "{verdict}");
}

#[test]
fn an_ancestor_that_comes_later_is_told_by_its_span() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let [http, agent, query, chat] = trace();
    let tool = Span { parent_span_id: agent.span_id.clone(), ..later(&chat) };
    halod.export(&request(Some("acme"), vec![tool.clone()]));
    halod.export(&request(Some("acme"), vec![chat.clone()]));
    halod.export(&request(Some("acme"), vec![query.clone()]));
    halod.export(&request(Some("acme"), vec![agent.clone(), http.clone()]));
    let last = Span { parent_span_id: agent.span_id.clone(), ..later(&tool) };
    halod.export(&request(Some("acme"), vec![last.clone()]));
    let (named, drawn) = tools(dir.path());
    let [tool_of, chat_of, agent_of, last_of] = &named[..] else { panic!("{named:?}") };
    assert_eq!([&tool_of.1, &chat_of.1, &agent_of.1], [&None; 3]);
    assert_eq!(last_of.1.as_deref(), Some("agent.invoke"), "this one came after it");
    assert_eq!(drawn[0].1.as_deref(), Some("agent.invoke"));
    // Between this one and its agent is a span that tells of no action.
    assert_eq!(drawn[1].1, None);
    let chat_of = &of_tenant(dir.path(), Some("acme"))[1];
    assert_eq!(chat_of["data"]["parent_span_id"], hex(&query.span_id));
    // Sent again in other company, nothing is new and nothing contradicts.
    halod.export(&request(Some("acme"), vec![chat, query, agent, http, last, tool]));
    assert_eq!((halod.sealed(), halod.metric("halod_records_conflict_total", "")), (4, 0));
    assert!(halod.terminate().success());
    let verdict = halo_verify(&files(dir.path())[0]);
    assert!(verdict.contains("1 parent link(s) resolve"), "{verdict}");
}

/// The same span under another id.
fn later(span: &Span) -> Span {
    let mut later = span.clone();
    later.span_id[7] += 10;
    later
}
