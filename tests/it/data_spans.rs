//! Spans of databases and HTTP clients, which are recorded below an agent's action where the operator says so.

use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::spans::{attribute, hex, request, span, text};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use std::path::Path;

fn start(dir: &Path, record: &str) -> Halod {
    let config = dir.join("halod.yaml");
    std::fs::write(&config, format!("receivers: {{ otlp: {{ record: {record} }} }}\n")).unwrap();
    Halod::start_with(&dir.join("records"), &["--config", config.to_str().unwrap()])
}

/// The tool call that is the `n`th span of a family.
fn tool(family: u32, n: u64) -> Span {
    span(family, 2 * n + 1)
}

/// A query below a span.
fn query(below: &Span, n: u8) -> Span {
    let mut query = tool(7, 1);
    query.trace_id.clone_from(&below.trace_id);
    query.parent_span_id.clone_from(&below.span_id);
    query.span_id = vec![n; 8];
    query.attributes =
        vec![attribute("db.system.name", text("postgresql")), attribute("db.query.text", text("SELECT 1"))];
    query
}

fn queries(dir: &Path) -> Vec<Value> {
    let mut records = of_tenant(&dir.join("records"), None);
    records.retain(|record| record["data"]["access"] == "database");
    records
}

fn ids(records: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = records.iter().filter_map(|record| record["data"]["span_id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_query_is_recorded_below_an_action() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "[actions, data]");
    let (action, other) = (tool(1, 0), tool(2, 0));
    // Below the action; below a span of no action below it; below nothing of an agent's.
    let mut between = query(&action, 2);
    between.attributes.clear();
    let mut alone = query(&action, 4);
    alone.parent_span_id.clear();
    halod.export(&request(
        None,
        vec![query(&action, 1), query(&between, 3), between, alone.clone(), query(&alone, 5), action.clone()],
    ));
    assert_eq!(ids(&queries(dir.path())), [hex(&[1; 8]), hex(&[3; 8])]);
    assert!(queries(dir.path()).iter().all(|query| query["parent_id"].is_string()));
    // Before the action that it is below: nothing is known of the first one's trace, and of the second's is.
    halod.export(&request(None, vec![query(&other, 6)]));
    assert_eq!(queries(dir.path()).len(), 2);
    let mut late = query(&action, 7);
    late.parent_span_id = vec![9; 8];
    halod.export(&request(None, vec![late]));
    assert_eq!(queries(dir.path()).len(), 3);
    // Here the trace's action comes in the same request, though not around it.
    let mut beside = query(&other, 8);
    beside.parent_span_id = vec![9; 8];
    beside.start_time_unix_nano = 1;
    halod.export(&request(None, vec![beside, other]));
    assert_eq!(queries(dir.path()).len(), 4);
    assert_eq!(halod.items("otlp", "filtered"), 4);
    assert!(halod.terminate().success());
    assert_verified(&dir.path().join("records"));
}

#[test]
fn without_being_asked_for_none_is() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "[actions]");
    let action = tool(1, 0);
    halod.export(&request(None, vec![query(&action, 1), action]));
    assert_eq!(queries(dir.path()).len(), 0);
    assert_eq!(halod.items("otlp", "filtered"), 1);
    assert!(halod.terminate().success());
}
