//! Rows that say no tenant: what came live, or was imported with its traces, is known wherever it is.

use super::fixture::Fixture;
use super::ids;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::{root, wait_until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

fn case(name: &str) -> PathBuf {
    root().join("tests/cases").join(name)
}

/// Langfuse's SDK tells the tenant in the metadata of its traces; an export of observations alone leaves it out.
#[test]
fn observations_alone_are_known_in_the_chain_of_their_live_traces() {
    let fixture = Fixture::new();
    let config = fixture.file("halod.yaml", "receivers: { hold: { wait: 1s } }\n");
    let halod = Halod::start_with(&fixture.chains(), &["--config", config.to_str().unwrap()]);
    for number in 1..4 {
        let file = format!("tests/corpus/langfuse-py-v2/{number:03}-post_api_public_ingestion.json");
        let body = std::fs::read(root().join(file)).unwrap();
        let json = [("content-type", "application/json")];
        assert_eq!(halod.connect().post("/api/public/ingestion", &json, &body).unwrap().status, 207);
    }
    wait_until("nothing is held any more", Duration::from_secs(60), || {
        halod.metric("halod_items_in_flight", "") == 0
    });
    let before = ids(&fixture.chains());
    let export = [case("33-live-then-observations-only").join("observations.json")];
    let said = fixture.import("langfuse", &export, &[]);
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert_eq!((said.count("known"), said.count("known_elsewhere")), (12, 12), "{}", said.report);
    assert_eq!(ids(&fixture.chains()), before, "{}", said.report);
    // Also after a restart, and by the command alone.
    assert!(halod.terminate().success());
    let said = fixture.import("langfuse", &export, &[]);
    assert_eq!((said.count("sealed"), said.count("known_elsewhere")), (0, 12), "{}", said.report);
    assert_verified(&fixture.chains());
}

#[test]
fn a_dry_run_knows_what_is_sealed() {
    let fixture = Fixture::new();
    let export = [case("158-dry-run").join("o.csv")];
    let counts = |dry: bool| {
        let said = fixture.import("langfuse", &export, if dry { &["--dry-run"] } else { &[] });
        assert_eq!(said.code, Some(0), "{}", said.errors);
        (said.count("sealed"), said.count("known"))
    };
    assert_eq!([counts(true), counts(false), counts(true)], [(5, 0), (5, 0), (0, 5)]);
    // A daemon on the directory is no hindrance.
    let halod = Halod::start(&fixture.chains());
    assert_eq!(counts(true), (0, 5));
    assert!(halod.terminate().success());
}

fn rows(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

/// The result says whose chains were written to.
#[test]
fn the_result_names_the_chains() {
    let fixture = Fixture::new();
    let trace = |id: &str, tenant: Value| json!({"id": id, "timestamp": "2026-11-22T08:11:00Z", "name": "t", "userId": "u-1", "tags": [], "metadata": {"tenant": tenant}});
    let observation = |id: &str, trace: &str| {
        json!({"id": id, "traceId": trace, "type": "GENERATION", "name": "g", "model": "gpt-4o",
            "startTime": "2026-11-22T08:11:00Z", "endTime": "2026-11-22T08:11:01Z"})
    };
    let traces = fixture.file("traces.jsonl", rows(&[trace("t1", json!("acme")), trace("t2", Value::Null)]));
    let observations = fixture.file(
        "observations.jsonl",
        rows(&[observation("o1", "t1"), observation("o2", "t1"), observation("o3", "t2")]),
    );
    let both = fixture.import("langfuse", &[observations.clone(), traces.clone()], &["--dry-run"]);
    assert_eq!(both.report["sealed_for"], json!({"": 2, "acme": 3}), "{}", both.report);
    let mut command = std::process::Command::new(crate::support::halod::BINARY);
    command.args(["import", "langfuse"]).args([&observations, &traces]).arg("--dir").arg(fixture.chains());
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("sealed 5 records (the local chain 2, acme 3); 0 sealed before;"), "{said}");
    // What the file of traces said holds for a later file of observations alone.
    let alone = fixture.import("langfuse", &[observations], &[]);
    assert_eq!((alone.count("sealed"), alone.count("known_elsewhere")), (0, 0), "{}", alone.report);
    assert_eq!(of_tenant(&fixture.chains(), Some("acme")).len(), 3);
}

/// Scores lie in another file than what says whose they are, and are placed by it however long that file is.
#[test]
fn what_a_file_says_of_traces_holds_for_the_next_one() {
    let fixture = Fixture::new();
    let observation = |n: u32| {
        let metadata = if n == 9_999 { json!({"tenant": "acme"}) } else { json!({}) };
        let trace = if n == 9_999 { "theirs" } else { "nobodys" };
        json!({"id": format!("o{n}"), "traceId": trace, "type": "TOOL", "name": "find", "metadata": metadata,
            "startTime": "2026-11-22T08:11:00Z", "input": "x".repeat(80)})
    };
    let score = json!({"id": "s", "traceId": "theirs", "name": "tone", "value": 1, "dataType": "NUMERIC",
        "timestamp": "2026-11-22T08:12:00Z"});
    let observations = fixture.file("a.jsonl", rows(&(0..10_000).map(observation).collect::<Vec<_>>()));
    let scores = fixture.file("b.jsonl", rows(&[score]));
    let said = fixture.import("langfuse", &[observations, scores], &[]);
    assert_eq!(said.report["sealed_for"], json!({"": 9_999, "acme": 2}), "{}", said.errors);
}
