//! The real SDKs, old and current, and what they sent before.

use super::*;
use crate::support::chains::assert_verified;
use crate::support::clients::{Python, langfuse_npm, langfuse2, langfuse5, text_of};
use crate::support::flaky::{Fate, Flaky};
use crate::support::wait_until;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// What every client's road may bring: refusals, lost answers, lost requests, patience.
const ROAD: [Fate; 4] = [Fate::Busy, Fate::Lost, Fate::Slow(Duration::from_millis(500)), Fate::Dropped];

#[test]
fn what_the_sdk_2_for_python_sent_is_sealed_once() {
    replayed(
        &["py-v2.1", "py-v2.2", "py-v2.3"],
        &[15, 13, 7],
        &[
            ("model.generate ok", 5),
            ("model.generate error", 2),
            ("lookup_customer ok", 1),
            ("search_kb ok", 1),
            ("issue_refund error", 1),
            ("mcp__acme__issue_refund error", 1),
            ("agent.event ok", 1),
            ("helpfulness ok", 1),
        ],
        2,
    );
}

#[test]
fn what_the_sdk_3_for_node_sent_is_sealed_once() {
    replayed(
        &["js-v3.1", "js-v3.2", "js-v3.3", "js-v3.4"],
        &[4, 4, 4, 2],
        &[
            ("model.generate ok", 1),
            ("model.generate error", 1),
            ("agent.step ok", 2),
            ("agent.step error", 1),
            ("agent.event ok", 1),
            ("helpful ok", 1),
        ],
        1,
    );
}

/// Posts a client's requests three times, the last time to a new process; `traces` are sealed as well.
fn replayed(requests: &[&str], events: &[usize], did: &[(&str, u64)], traces: u64) {
    let place = Place::hurried();
    let send = |halod: &Halod| {
        for (name, events) in requests.iter().zip(events) {
            let answer = post(halod, INGESTION, &capture(&format!("{name}.batch.json")));
            ingested(&answer, *events);
        }
    };
    let halod = place.start();
    send(&halod);
    let all = did.iter().map(|(_, n)| n).sum::<u64>() + traces;
    wait_until("everything is sealed", LONG, || halod.sealed() == all);
    send(&halod);
    let known = halod.duplicates();
    assert!(known > 0);
    assert!(halod.terminate().success());
    let halod = place.start();
    send(&halod);
    wait_until("everything is known", LONG, || halod.duplicates() >= all - traces);
    assert!(halod.terminate().success());
    let records = place.of_tenant();
    let expected: BTreeMap<String, u64> = did.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    assert_eq!(counts(&records), expected);
    assert_eq!(records.len() as u64, all, "all of it in the tenant's chain, and nothing twice");
    assert_eq!(files(&place.records()).len(), 1);
    assert_nowhere(&place.records(), &SECRETS);
    assert_verified(&place.records());
}

#[test]
fn what_the_current_sdk_for_python_sent_is_sealed_once() {
    let place = Place::with("");
    let halod = place.start();
    let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
    let mut sealed = 0;
    for _ in 0..2 {
        let body = capture("py-v5.1.pb.gz");
        let answer = halod.connect().post("/api/public/otel/v1/traces", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = post(&halod, "/api/public/scores", &capture("py-v5.2.score.json"));
        assert_eq!((answer.status, answer.text().as_str()), (202, r#"{"message":"Accepted"}"#));
        if sealed == 0 {
            // Nobody tells of the trace that the score is on.
            let is_there = || place.all().iter().any(|record| record["action"]["tool"] == "helpfulness");
            wait_until("the score is sealed", Duration::from_secs(60), is_there);
            sealed = halod.sealed();
        }
    }
    assert_eq!(halod.sealed(), sealed);
    assert!(halod.terminate().success());
    let all = place.all();
    let counts = counts(&all);
    for (what, n) in [
        ("model.generate ok", 5),
        ("model.generate error", 2),
        ("model.embed ok", 1),
        ("lookup_customer ok", 1),
        ("search_kb ok", 1),
        ("issue_refund error", 1),
        ("helpfulness ok", 1),
    ] {
        assert_eq!(counts.get(what), Some(&n), "{what}: {counts:?}");
    }
    assert_nowhere(&place.records(), &SECRETS);
    assert_verified(&place.records());
}

/// What a client makes of the tools that its agent calls.
#[derive(Clone, Copy, PartialEq)]
enum Tools {
    Typed,
    /// Spans like any other: the older SDKs have no type for tools.
    Spans,
}

/// What was done, where a tool call is told as a span: a step.
fn as_steps(did: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (what, n) in did {
        let (name, status) = what.split_once(' ').unwrap();
        let tool = ["lookup_order", "search_kb", "issue_refund"].contains(&name);
        *all.entry(if tool { format!("agent.step {status}") } else { what }).or_default() += n;
    }
    all
}

/// Runs a client against a road, and holds the chain against what it says it did.
fn live(fates: &[Fate], tools_are: Tools, run: impl FnOnce(&str) -> String, boundaries: &[&str]) {
    // Longer than a client takes from one message of an action to the next, with its retries.
    let wait = if fates.is_empty() { 3 } else { 15 };
    let place = Place::with(&format!("  hold: {{ wait: {wait}s }}\n"));
    let halod = place.start();
    let road = Flaky::before(halod.http, fates);
    let printed = run(&format!("http://{}", road.address));
    assert_eq!(road.left(), 0, "the client met everything on its road");
    let said: Value = serde_json::from_str(printed.lines().last().unwrap_or_default()).expect(&printed);
    let mut did: BTreeMap<String, u64> = serde_json::from_value(said["did"].clone()).unwrap();
    if tools_are == Tools::Spans {
        did = as_steps(did);
    }
    let all = did.values().sum::<u64>();
    wait_until("everything is sealed", LONG, || halod.sealed() > all);
    assert!(halod.terminate().success());
    let records = place.all();
    assert_eq!(counts(&records), did);
    for boundary in boundaries {
        assert_eq!(tools(&records, boundary).len(), 1, "{boundary}");
    }
    assert!(tools(&records, "agent.update").is_empty());
    for record in tools(&records, "model.generate") {
        assert_eq!(record["session_id"], said["session"], "{record}");
        assert_eq!(record["principal"]["human_id"], said["user"], "{record}");
        assert_eq!(record["agent"]["model"], "gpt-4o-mini");
        assert!(record["action"]["input"]["summary"].as_str().unwrap().contains("A-1042"));
    }
    for record in &records {
        // The API takes scores apart from spans, and these do not say whose they are.
        let apart = record["action"]["tool"] == "helpfulness" && record["subject"].is_null();
        assert!(apart || record["subject"]["id"] == TENANT, "{record}");
    }
    assert_nowhere(&place.records(), &SECRETS);
    assert_verified(&place.records());
}

fn python(env: &Python, script: &str, host: &str) -> String {
    let script = root().join("tests/clients").join(script);
    let mut command = env.script(&script, &[]);
    let command = command.env("LANGFUSE_HOST", host).env("LANGFUSE_BASE_URL", host);
    text_of(command.output().unwrap(), &script.display().to_string())
}

fn node(script: &str, host: &str) -> String {
    let script = root().join("tests/clients").join(script);
    langfuse_npm().run(&script, &[], &[("LANGFUSE_BASEURL", host), ("LANGFUSE_BASE_URL", host)])
}

#[test]
fn the_sdk_2_for_python() {
    live(&[], Tools::Spans, |host| python(langfuse2(), "langfuse_v2.py", host), &["agent.invoke"]);
}

#[test]
fn the_sdk_2_for_python_on_a_bad_road() {
    live(&ROAD, Tools::Spans, |host| python(langfuse2(), "langfuse_v2.py", host), &["agent.invoke"]);
}

#[test]
fn the_current_sdk_for_python() {
    live(&[], Tools::Typed, |host| python(langfuse5(), "langfuse_v5.py", host), &["agent.invoke"]);
}

#[test]
fn the_current_sdk_for_python_on_a_bad_road() {
    live(&ROAD[..2], Tools::Typed, |host| python(langfuse5(), "langfuse_v5.py", host), &["agent.invoke"]);
}

#[test]
fn the_sdk_3_for_node() {
    live(&[], Tools::Spans, |host| node("langfuse_v3.mjs", host), &["agent.invoke"]);
}

#[test]
fn the_sdk_3_for_node_on_a_bad_road() {
    live(&ROAD, Tools::Spans, |host| node("langfuse_v3.mjs", host), &["agent.invoke"]);
}

#[test]
fn the_current_sdk_for_node() {
    live(&[], Tools::Typed, |host| node("langfuse_otel.mjs", host), &["agent.invoke"]);
}

#[test]
fn the_current_sdk_for_node_on_a_bad_road() {
    live(&ROAD[..2], Tools::Typed, |host| node("langfuse_otel.mjs", host), &["agent.invoke"]);
}
