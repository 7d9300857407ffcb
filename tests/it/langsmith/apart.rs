//! Runs whose start and end are told apart, over a crash and by every path; and feedback on them.

use super::{begun, ended, form, id, items, post_form, records, send, whole};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::http::PROTOBUF;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

const TENANT: Option<&str> = Some("acme-corp");

fn taken(halod: &Halod, method: &str, path: &str, body: &Value) {
    let answer = send(halod, method, path, body);
    assert_eq!((answer.status, answer.text().as_str()), (202, "{}"), "{method} {path}");
}

fn check_order(record: &Value) {
    assert_eq!(record["action"]["tool"], "lookup_order", "{record}");
    assert_eq!(record["action"]["input"]["summary"], r#"{"order":"A-1042"}"#, "{record}");
    assert_eq!(record["outcome"]["status"], "ok", "{record}");
    assert_eq!(record["outcome"]["summary"], "shipped", "{record}");
    assert_eq!(record["session_id"], "t-1", "{record}");
    assert_eq!(record["data"]["ended_at"], "2026-11-22T08:11:40.500000Z", "{record}");
}

/// What was acknowledged outlives the process; start and end become one record.
#[test]
fn a_start_outlives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    taken(&halod, "POST", "/runs", &begun(&id(1), "tool", "lookup_order"));
    assert_eq!(halod.sealed(), 0);
    halod.kill9();
    let halod = Halod::start(dir.path());
    taken(&halod, "PATCH", &format!("/runs/{}", id(1)), &ended(&id(1)));
    taken(&halod, "PATCH", &format!("/runs/{}", id(1)), &ended(&id(1)));
    let sealed = of_tenant(dir.path(), TENANT);
    assert_eq!(sealed.len(), 1);
    check_order(&sealed[0]);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// By every path, in either order, one request or two.
#[test]
fn one_run_is_one_record_however_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let post = |n| begun(&id(n), "tool", "lookup_order");
    let patch = |n| ended(&id(n));
    let batch = |posts: Vec<Value>, patches: Vec<Value>| json!({"post": posts, "patch": patches});
    taken(&halod, "POST", "/runs/batch", &batch(vec![post(1)], vec![patch(1)]));
    taken(&halod, "POST", "/runs/batch", &batch(vec![], vec![patch(2)]));
    taken(&halod, "POST", "/runs/batch", &batch(vec![post(2)], vec![]));
    taken(&halod, "POST", "/api/v1/runs", &whole(&id(3), "lookup_order"));
    let parts = |n: u64| {
        let (mut post, mut patch) = (post(n), patch(n));
        let inputs = post.as_object_mut().unwrap().remove("inputs").unwrap();
        let outputs = patch.as_object_mut().unwrap().remove("outputs").unwrap();
        [
            (format!("post.{}", id(n)), post),
            (format!("post.{}.inputs", id(n)), inputs),
            (format!("attachment.{}.photo", id(n)), json!("not kept")),
            (format!("patch.{}", id(n)), patch),
            (format!("patch.{}.outputs", id(n)), outputs),
        ]
    };
    let (four, five) = (parts(4), parts(5));
    let form_of = |parts: &[(String, Value)]| {
        let parts: Vec<_> = parts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        form(&parts)
    };
    assert_eq!(post_form(&halod, &form_of(&four)).status, 202);
    for part in [&five[..3], &five[3..], &five[..3], &five[..]] {
        assert_eq!(post_form(&halod, &form_of(part)).status, 202);
    }
    let sealed = of_tenant(dir.path(), TENANT);
    assert_eq!(sealed.len(), 5, "{sealed:#?}");
    sealed.iter().for_each(check_order);
    assert_eq!(sealed.iter().filter(|r| r["data"]["attachments"] == 1).count(), 2);
    assert!(
        !std::fs::read_to_string(&crate::support::chains::files(dir.path())[0]).unwrap().contains("not kept")
    );
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// One that ends nowhere is sealed as it is; its end, when it comes after all, is a linked record.
#[test]
fn a_run_without_an_end_is_sealed_as_unfinished() {
    let dir = tempfile::tempdir().unwrap();
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("halod.yaml");
    std::fs::write(&file, "receivers:\n  hold:\n    wait: 1s\n").unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    taken(&halod, "POST", "/runs", &begun(&id(1), "tool", "lookup_order"));
    crate::support::wait_until("it is sealed", std::time::Duration::from_secs(60), || halod.sealed() == 1);
    taken(&halod, "PATCH", &format!("/runs/{}", id(1)), &ended(&id(1)));
    crate::support::wait_until("the end is sealed", std::time::Duration::from_secs(60), || {
        halod.sealed() == 2
    });
    let sealed = of_tenant(dir.path(), TENANT);
    assert_eq!(sealed[0]["data"]["unfinished"], true);
    assert_eq!(sealed[1]["data"]["amends"], sealed[0]["record_id"]);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// A verdict goes where the run went that it judges.
#[test]
fn feedback_is_linked_to_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    taken(&halod, "POST", "/runs", &whole(&id(1), "lookup_order"));
    let verdict = json!({
        "id": id(7), "run_id": id(1), "trace_id": id(1), "key": "correctness", "score": 0.25,
        "comment": "password=FAKE-Kx7vQ2mZ9pLw4tRb", "feedback_source": {"type": "model", "metadata": {}},
        "created_at": "2026-11-22T08:12:00+00:00",
    });
    taken(&halod, "POST", "/feedback", &verdict);
    let name = format!("feedback.{}", id(7));
    assert_eq!(post_form(&halod, &form(&[(&name, verdict)])).status, 202);
    let update = json!({"score": 1, "value": null});
    taken(&halod, "PATCH", &format!("/feedback/{}", id(7)), &update);
    let sealed = of_tenant(dir.path(), TENANT);
    let [run, verdict, change] = &sealed[..] else { panic!("{sealed:#?}") };
    assert_eq!(verdict["action"]["tool"], "correctness");
    assert_eq!(verdict["parent_id"], run["record_id"]);
    assert_eq!(verdict["data"]["score"], "0.25");
    assert!(!verdict.to_string().contains("FAKE-"), "{verdict}");
    // What changes a verdict is told beside it.
    assert_eq!(change["conflicts_with"], verdict["record_id"]);
    assert_eq!(records(dir.path()).len(), 3);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// One bad run spoils no other.
#[test]
fn a_run_that_cannot_be_used_keeps_no_other_from_being_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let parts = [
        ("post.1", json!({"id": "1", "run_type": "tool", "name": "good", "end_time": "2026-11-22T08:11:40"})),
        ("post.2", json!([])),
        ("post.3", json!({"id": "other"})),
        ("post.4.inputs", json!({})),
        (
            "post.5",
            json!({"id": "5", "name": "x", "end_time": 1, "extra": {"metadata": {"tenant": "x".repeat(600)}}}),
        ),
        ("what.6", json!({})),
        ("feedback.7", json!({"key": "no id"})),
    ];
    assert_eq!(post_form(&halod, &form(&parts)).status, 202);
    wait_until("the hold lets go", Duration::from_secs(20), || items(&halod, "in_flight") == 0);
    assert_eq!(["sealed", "rejected", "received"].map(|outcome| items(&halod, outcome)), [1, 6, 7]);
    let answer = post_form(&halod, &form(&parts[1..]));
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 400);
    assert!(said["detail"].as_str().unwrap().contains("post of a run: a run is an object"), "{said}");
    assert_eq!(of_tenant(dir.path(), None).len(), 1);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// With `LANGSMITH_OTEL_ENABLED` the SDK sends OTLP below the same address.
#[test]
fn otlp_below_the_same_address() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let body = request(TENANT, vec![span(1, 1)]);
    for path in ["/otel/v1/traces", "/langsmith/otel/v1/traces", "/api/v1/otel/v1/traces"] {
        let answer = halod.connect().post(path, &[("content-type", PROTOBUF)], &body).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    assert_eq!((halod.sealed(), halod.duplicates()), (1, 2));
    assert_eq!(of_tenant(dir.path(), TENANT).len(), 1);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}
