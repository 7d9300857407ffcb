//! What comes again in another form of a store's: it is known, it says more, or it contradicts.

use super::fixture::{Fixture, Said};
use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::Halod;
use crate::support::{root, wait_until};
use halod_record::fold::{Actions, End};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

fn case(name: &str, files: &[&str]) -> Vec<PathBuf> {
    files.iter().map(|file| root().join("tests/cases").join(name).join(file)).collect()
}

/// Sealed, known, in conflict.
fn counts(said: &Said) -> [u64; 3] {
    assert_eq!(said.code, Some(0), "{}", said.errors);
    ["sealed", "known", "conflicts"].map(|name| said.count(name))
}

fn all(fixture: &Fixture) -> Vec<Value> {
    files(&fixture.chains()).iter().flat_map(|file| records(file)).collect()
}

/// How the action ended that an observation tells of, by all its accounts.
fn end_of(fixture: &Fixture, observation: &str) -> (End, usize) {
    let mut actions = Actions::default();
    for file in files(&fixture.chains()) {
        std::fs::read(file).unwrap().split(|byte| *byte == b'\n').for_each(|line| actions.push(line));
    }
    let record = all(fixture).into_iter().find(|record| record["data"]["observation_id"] == observation);
    let id = record.unwrap()["record_id"].as_str().unwrap().to_owned();
    let action = actions.actions().iter().find(|action| action.id.to_string() == id).unwrap();
    (action.end, action.accounts.len())
}

#[test]
fn both_layouts_of_one_bucket_tell_each_observation_once() {
    let fixture = Fixture::new();
    let folder = case("39-lf-blob-both-layouts", &["prj-1"]);
    assert_eq!(counts(&fixture.import("langfuse", &folder, &[])), [6, 5, 0]);
    assert_eq!(counts(&fixture.import("langfuse", &folder, &[])), [0, 11, 0]);
    assert_verified(&fixture.chains());
}

/// An export was made in the middle of a call; the next one has its end.
#[test]
fn a_call_that_ended_later_is_amended() {
    let fixture = Fixture::new();
    let [first, second] =
        ["w1.jsonl", "w2.jsonl"].map(|file| case("43-lf-unfinished-then-finished", &[file]));
    assert_eq!(counts(&fixture.import("langfuse", &first, &[])), [5, 0, 0]);
    assert_eq!(end_of(&fixture, "ob-gen1"), (End::Unfinished, 0));
    assert_eq!(counts(&fixture.import("langfuse", &second, &[])), [1, 4, 0]);
    assert_eq!(end_of(&fixture, "ob-gen1"), (End::Ok, 1));
    let update = all(&fixture).pop().unwrap();
    assert_eq!(
        (&update["action"]["tool"], &update["data"]["output_tokens"]),
        (&"agent.update".into(), &30.into())
    );
    let both = [first.clone(), second.clone()].concat();
    assert_eq!(counts(&fixture.import("langfuse", &both, &[])), [0, 10, 0]);
    // The other way round the earlier export says nothing new.
    let fixture = Fixture::new();
    assert_eq!(counts(&fixture.import("langfuse", &second, &[])), [5, 0, 0]);
    assert_eq!(counts(&fixture.import("langfuse", &first, &[])), [0, 5, 0]);
    assert_verified(&fixture.chains());
}

#[test]
fn what_the_store_writes_itself_changes_no_action() {
    let fixture = Fixture::new();
    let [first, second] =
        ["w1.jsonl", "w2.jsonl"].map(|file| case("45-lf-store-changed-its-own-columns", &[file]));
    assert_eq!(counts(&fixture.import("langfuse", &first, &[])), [5, 0, 0]);
    assert_eq!(counts(&fixture.import("langfuse", &second, &[])), [0, 5, 0]);
}

fn generation(output: &str) -> Value {
    json!({"id": "g1", "traceId": "tr-1", "type": "GENERATION", "name": "x", "model": "m", "input": "ask",
        "startTime": "2026-10-05T10:00:00.000Z", "endTime": "2026-10-05T10:00:01.000Z", "output": output,
        "usageDetails": {"input": 5, "output": 2, "total": 7}, "level": "DEFAULT", "metadata": {}})
}

/// Sends a generation as Langfuse's SDK tells of it.
fn live(fixture: &Fixture) -> Halod {
    let config = fixture.file("halod.yaml", "receivers: { hold: { wait: 1s } }\n");
    let halod = Halod::start_with(&fixture.chains(), &["--config", config.to_str().unwrap()]);
    let at = "2026-10-05T10:00:01.000Z";
    let event =
        |id: &str, kind: &str, body: Value| json!({"id": id, "type": kind, "timestamp": at, "body": body});
    let batch = json!({"batch": [
        event("e1", "trace-create", json!({"id": "tr-1", "name": "t", "timestamp": "2026-10-05T10:00:00.000Z"})),
        event("e2", "generation-create", generation("the answer")),
    ]});
    let headers = [("content-type", "application/json")];
    let body = serde_json::to_vec(&batch).unwrap();
    assert_eq!(halod.connect().post("/api/public/ingestion", &headers, &body).unwrap().status, 207);
    wait_until("nothing is held any more", Duration::from_secs(60), || {
        halod.metric("halod_items_in_flight", "") == 0
    });
    halod
}

#[test]
fn an_export_that_contradicts_what_came_live_is_a_conflict() {
    let fixture = Fixture::new();
    let halod = live(&fixture);
    let same = fixture.file("same.json", json!([generation("the answer")]).to_string());
    let spelled =
        fixture.file("spelled.json", json!([generation("{\"content\": \"the answer\"}")]).to_string());
    for file in [same, spelled] {
        assert_eq!(counts(&fixture.import("langfuse", &[file], &[])), [0, 1, 0]);
    }
    let other = case("197-live-then-export-with-another-output", &["o.json"]);
    assert_eq!(counts(&fixture.import("langfuse", &other, &[])), [1, 0, 1]);
    assert_eq!(counts(&fixture.import("langfuse", &other, &[])), [0, 1, 0]);
    assert!(halod.terminate().success());
    let conflict = all(&fixture).pop().unwrap();
    let first = all(&fixture).into_iter().find(|record| record["record_id"] == conflict["conflicts_with"]);
    assert_eq!(first.unwrap()["action"]["tool"], "model.generate");
    assert_verified(&fixture.chains());
}

/// The store changed its row after it was exported: whichever version comes first, none is lost and none contradicts.
#[test]
fn versions_of_a_row_amend_each_other_in_their_order() {
    let changed = |key: &str, at: &str, mut row: Value| {
        row[key] = at.into();
        row.to_string()
    };
    let score = |value: f64| {
        json!({"id": "s1", "traceId": "tr-1", "name": "tone", "value": value, "dataType": "NUMERIC",
            "timestamp": "2026-10-05T10:00:05Z"})
    };
    for key in ["updatedAt", "event_ts", "updated_at"] {
        let fixture = Fixture::new();
        let write = |name: &str, at: &str, output: &str, value: f64| {
            let rows = [changed(key, at, generation(output)), changed(key, at, score(value))];
            vec![fixture.file(name, rows.join("\n"))]
        };
        let old = write("old.jsonl", "2026-10-05 10:00:06.000", "a draft", 0.5);
        let new = write("new.jsonl", "2026-10-05 10:05:00.000", "the answer", 0.75);
        assert_eq!(counts(&fixture.import("langfuse", &old, &[])), [2, 0, 0], "{key}");
        assert_eq!(counts(&fixture.import("langfuse", &new, &[])), [2, 0, 0], "{key}");
        for known in [&old, &new, &old] {
            assert_eq!(counts(&fixture.import("langfuse", known, &[])), [0, 2, 0], "{key}");
        }
        let update = all(&fixture)
            .into_iter()
            .find(|record| record["data"]["changed_at"] == "2026-10-05T10:05:00.000000Z");
        assert_eq!(update.unwrap()["action"]["tool"], "agent.update");
        assert_verified(&fixture.chains());
        // Another one of the newer's time contradicts it, and not the older one.
        let other = write("other.jsonl", "2026-10-05 10:05:00.000", "a lie", 1.0);
        assert_eq!(counts(&fixture.import("langfuse", &other, &[])), [2, 0, 2], "{key}");
        assert_eq!(counts(&fixture.import("langfuse", &other, &[])), [0, 2, 0], "{key}");
        // The newer one first; and another one of the same time contradicts it.
        let fixture = Fixture::new();
        assert_eq!(counts(&fixture.import("langfuse", &new, &[])), [2, 0, 0], "{key}");
        assert_eq!(counts(&fixture.import("langfuse", &old, &[])), [0, 2, 0], "{key}");
        assert_eq!(counts(&fixture.import("langfuse", &other, &[])), [2, 0, 2], "{key}");
        assert_verified(&fixture.chains());
    }
}
