//! Captured requests, sent again and again in every coding: what the captured program did is what the
//! chain says, once.

use super::{form_type, gzip, items, zstd};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::root;
use serde_json::Value;
use std::collections::BTreeMap;

fn capture(name: &str) -> (String, Vec<u8>) {
    let body = std::fs::read(root().join("adapters/golden/langsmith").join(name)).unwrap();
    let first = body.split(|byte| *byte == b'\r').next().unwrap();
    let boundary = std::str::from_utf8(first).unwrap().strip_prefix("--").unwrap();
    (form_type(boundary), body)
}

/// Calls by what they were and how they ended, as the model server and the tools counted them.
fn check(records: &[Value], traces: usize) {
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for record in records {
        let tool = record["action"]["tool"].as_str().unwrap();
        if tool != "agent.chain" {
            *seen.entry((tool, record["outcome"]["status"].as_str().unwrap())).or_default() += 1;
        }
    }
    let done = [
        (("agent.invoke", "ok"), 1),
        (("issue_refund", "error"), 1),
        (("lookup_customer", "ok"), 1),
        (("model.generate", "error"), 1),
        (("model.generate", "ok"), 4),
        (("search_kb", "ok"), 1),
    ];
    assert_eq!(seen, BTreeMap::from(done));
    let distinct: std::collections::BTreeSet<_> =
        records.iter().map(|r| r["data"]["trace_id"].to_string()).collect();
    assert_eq!(distinct.len(), traces);
}

fn replays(files: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let mut first = None;
    for round in 0..4 {
        for file in files {
            let (kind, body) = capture(file);
            let (coding, wire) = match round {
                0 => ("identity", body),
                1 => ("zstd", zstd(&body)),
                _ => ("gzip", gzip(&body)),
            };
            let headers = [("content-type", kind.as_str()), ("content-encoding", coding)];
            let answer = halod.connect().post("/runs/multipart", &headers, &wire).unwrap();
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
        if round == 0 {
            first = Some(halod.sealed());
            assert_eq!(items(&halod, "rejected") + items(&halod, "filtered"), 0);
        } else if round < 3 {
            assert_eq!(halod.sealed(), first.unwrap(), "round {round}");
        }
        if round == 2 {
            halod.kill9();
            halod = Halod::start(dir.path());
        }
    }
    assert_eq!(halod.sealed(), 0, "a restart forgets nothing");
    assert_eq!(halod.metric("halod_records_conflict_total", ""), 0);
    check(&of_tenant(dir.path(), Some("acme-corp")), 3);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

#[test]
fn runs_that_came_whole() {
    replays(&["whole-1.multipart", "whole-2.multipart"]);
}

#[test]
fn runs_that_came_apart() {
    replays(&["apart.multipart"]);
}
