//! Requests of which nothing can be used: no success, whoever sends them.

use crate::support::backend::Backend;
use crate::support::chains::{assert_verified, gap};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The doors with a tee: where they are asked, something wrong, how many items that has, what it is answered,
/// and something right.
fn doors() -> Vec<(&'static str, &'static str, Value, u64, u16, Value)> {
    let run = |id: &str| {
        json!({"id": id, "name": "lookup", "run_type": "tool", "start_time": "2026-11-25T08:00:00Z",
            "end_time": "2026-11-25T08:00:01Z", "inputs": {"a": 1}, "outputs": {"b": 2}})
    };
    let call = json!({"id": "call-1", "call_type": "acompletion", "model": "gpt-4o", "status": "success",
        "startTime": 1_795_336_686.5, "endTime": 1_795_336_691.5});
    let trace = json!({"object": "trace", "id": "trace_1", "workflow_name": "support"});
    let event = json!({"id": "e-1", "timestamp": "2026-11-25T10:00:00Z", "type": "generation-create", "body":
        {"id": "o1", "traceId": "t1", "model": "gpt-4o", "output": "yes", "startTime": "2026-11-25T10:00:00Z",
            "endTime": "2026-11-25T10:00:01Z"}});
    let span = |id: &str| {
        json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": id, "name": "chat",
            "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]})
    };
    let spans = |id: &str| json!({"resourceSpans": [{"scopeSpans": [{"spans": [span(id)]}]}]});
    vec![
        ("litellm", "/litellm", json!([1, null]), 2, 400, json!([call, 1])),
        (
            "openai_agents",
            "/v1/traces/ingest",
            json!({"data": [1, {}]}),
            2,
            400,
            json!({"data": [trace, {}]}),
        ),
        ("langsmith", "/runs", json!([]), 1, 400, run("0af76519-16cd-43dd-8448-eb211c80319c")),
        ("langsmith", "/runs/batch", json!({"post": [1, 2, 3]}), 3, 400, json!({"post": [run("5"), 2]})),
        (
            "langfuse",
            "/api/public/ingestion",
            json!({"batch": [1, {}]}),
            2,
            207,
            json!({"batch": [event, 1]}),
        ),
        ("otlp", "/v1/traces", spans("0000000000000000"), 1, 400, spans("b7ad6b7169203331")),
    ]
}

#[test]
fn what_is_wholly_unusable_is_neither_passed_on_nor_a_success() {
    let backend = Backend::start(31);
    let place = tempfile::tempdir().unwrap();
    let (dir, config) = (place.path().join("records"), place.path().join("halod.yaml"));
    let tee = format!("tee: {{ endpoint: 'http://{}', timeout: 1s }}", backend.address);
    let teed = ["litellm", "openai_agents", "langsmith", "langfuse", "otlp"]
        .map(|door| format!("  {door}: {{ {tee} }}\n"));
    let text =
        format!("receivers:\n  gap_interval: 1h\n{}storage: {{ min_free_disk_mib: 0 }}\n", teed.concat());
    fs::write(&config, text).unwrap();
    let halod = Halod::start_with(&dir, &["--config", config.to_str().unwrap()]);
    let post = |path: &str, tenant: &str, body: &Value| {
        let headers = [("content-type", JSON), ("x-tenant-id", tenant)];
        halod.connect().post(path, &headers, body.to_string().as_bytes()).unwrap().status
    };
    let requests = |door: &str| halod.requests(door, "answered");
    let faults = |door: &str| halod.requests(door, "refused");
    let items = |door: &str, outcome: &str| halod.items(door, outcome);

    let mut all = 0;
    for (door, path, wrong, count, status, _) in doors() {
        let before = (faults(door), items(door, "rejected"));
        let tenant = path.trim_start_matches('/').replace('/', "-");
        assert_eq!(post(path, &tenant, &wrong), status, "{path}");
        assert_eq!((requests(door), faults(door) - before.0), (0, 1), "{path}: refused, and no success");
        assert_eq!(items(door, "rejected") - before.1, count, "{path}");
        all += count;
        let ended = ["sealed", "duplicate", "filtered", "rejected", "refused", "abandoned", "in_flight"];
        assert_eq!(items(door, "received"), ended.map(|end| items(door, end)).iter().sum::<u64>(), "{path}");
    }
    assert_eq!(all, 11);
    assert_eq!(halod.sealed(), 0);

    // What can be used in part is passed on whole, after all that could not be.
    for (door, path, .., right) in doors() {
        let before = requests(door);
        assert!((200..300).contains(&post(path, "acme", &right)), "{path}");
        assert_eq!(requests(door) - before, 1, "{path}");
    }
    let passed_on =
        |taken: usize| wait_until("requests are passed on", LIMIT, || backend.got().len() >= taken);
    passed_on(doors().len());
    assert!(halod.terminate().success());
    let mut got: Vec<Value> =
        backend.got().iter().map(|got| serde_json::from_slice(&got.body).unwrap()).collect();
    let mut sent: Vec<Value> = doors().into_iter().map(|(.., right)| right).collect();
    for requests in [&mut got, &mut sent] {
        requests.sort_by_key(ToString::to_string);
    }
    assert_eq!(got, sent);

    // Each is told in its tenant's chain, once.
    for (door, path, _, count, ..) in doors() {
        let told = gap(&dir, Some(&path.trim_start_matches('/').replace('/', "-")));
        let reasons: u64 =
            ["undecodable", "rejected"].iter().filter_map(|why| told[format!("{door}.{why}")].as_u64()).sum();
        assert_eq!((&told["requests"], reasons), (&json!(1), 1), "{path}: {told}");
        assert!(told["items"] == count || told["bytes"].as_u64() > Some(0), "{path}: {told}");
    }
    assert_verified(&dir);
}

/// The native door has no tee; its sender is told of each record.
#[test]
fn a_request_of_records_that_are_all_wrong_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let post = |body: &Value| {
        halod.connect().post("/v1/records", &[("content-type", JSON)], body.to_string().as_bytes()).unwrap()
    };
    let counts = || {
        let requests = |outcome: &str| halod.requests("native", outcome);
        let items = |outcome: &str| halod.items("native", outcome);
        [requests("answered"), requests("refused"), items("received"), items("rejected")]
    };
    let answer = post(&json!([{"key": "1"}, {}]));
    assert_eq!(answer.status, 400);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["results"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(counts(), [0, 1, 2, 2]);
    let good = json!({"key": "1", "action": {"type": "read", "category": "safety"}});
    assert_eq!(post(&json!([good, {}])).status, 207);
    assert_eq!(counts(), [1, 1, 4, 3]);
    assert_eq!(post(&json!([])).status, 200, "nothing was asked, and nothing is wrong");
    assert_eq!(counts(), [2, 1, 4, 3]);
    assert!(halod.terminate().success());
}
