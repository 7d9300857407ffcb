//! The OpenAI Agents SDK with its own exporter at halod, on good and on bad ways.

use crate::clients::{assert_nowhere, told};
use crate::support::api::{Api, account, counted, tools};
use crate::support::chains::{assert_verified, files, of_tenant};
use crate::support::clients::{agents, text_of};
use crate::support::flaky::{Fate, Flaky};
use crate::support::halod::{Halod, halod_verify};
use crate::support::http::JSON;
use crate::support::root;
use crate::support::tree::Tree;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const TENANT: &str = "acme-corp";
const PATH: &str = "/v1/traces/ingest";

/// Runs the agent with its traces sent to `door`, and holds the chain against what it did, once `halod`
/// has ended.
fn run(door: SocketAddr, dir: &Path, end: impl FnOnce()) -> Vec<Value> {
    let api = Api::start();
    let script = root().join("tests/clients/openai_agents_traces.py");
    let mut command = agents().script(&script, &[&format!("http://{door}{PATH}")]);
    command.env("OPENAI_BASE_URL", &api.url).env("OPENAI_API_KEY", "sk-FAKE");
    let said = account(&text_of(command.output().expect("run python"), "openai_agents_traces.py"));
    end();
    let mut did = api.asked();
    did.extend(tools(&said));
    let records = of_tenant(dir, Some(TENANT));
    assert_eq!(counted(&records), did, "{}", told(&records));
    assert_eq!(files(dir).len(), 1, "what comes in later requests is the trace's tenant's too");
    for secret in said["secrets"].as_array().unwrap() {
        assert_nowhere(dir, secret.as_str().unwrap());
    }
    assert_verified(dir);
    records
}

#[test]
fn its_own_exporter() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let records = run(halod.http, dir.path(), || assert!(halod.terminate().success()));
    let tree = Tree::of(&records);
    for record in &records {
        assert_eq!(record["source"]["adapter"], "openai_agents_traces");
        let parent = tree.parent(record);
        let is_trace = record["data"]["workflow"] == "support";
        assert!(parent.is_some() != is_trace, "{record}");
        assert_eq!(
            (&record["session_id"], &record["principal"]["human_id"]),
            (&"sess-77".into(), &"user-4711".into())
        );
    }
    let traces = records.iter().filter(|record| record["data"]["workflow"] == "support");
    assert!(
        traces.clone().count() == 3
            && traces.clone().all(|trace| trace["principal"]["human_id"] == "user-4711")
    );
}

fn on_a_bad_way(fates: &[Fate]) -> (usize, u64) {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let way = Flaky::before(halod.http, fates);
    let mut duplicates = 0;
    run(way.address, dir.path(), || {
        duplicates = halod.duplicates();
        assert_eq!(halod.metric("halod_records_conflict_total", ""), 0);
        assert!(halod.terminate().success());
    });
    (way.seen(), duplicates)
}

#[test]
fn what_was_refused_for_a_while_comes_again() {
    let (requests, duplicates) = on_a_bad_way(&[Fate::Busy, Fate::Busy]);
    assert!(requests >= 4, "{requests}: two, and two again");
    assert_eq!(duplicates, 0);
}

#[test]
fn an_answer_that_was_lost_seals_nothing_twice() {
    let (_, duplicates) = on_a_bad_way(&[Fate::Lost, Fate::Dropped]);
    assert!(duplicates > 0);
}

#[test]
fn a_slow_answer_is_waited_for() {
    let (_, duplicates) = on_a_bad_way(&[Fate::Slow(Duration::from_secs(3))]);
    assert_eq!(duplicates, 0);
}

/// The first request of the capture, whole.
fn capture() -> Vec<u8> {
    std::fs::read(root().join("adapters/golden/openai_agents/native.json")).unwrap()
}

#[test]
fn hostile_bodies_are_answered_for_good_and_harm_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let good = capture();
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let many = format!("{{\"data\":[{}1]}}", "1,".repeat(2_000_000));
    let cases: [(&str, &[u8], u16); 10] = [
        ("nothing", b"", 400),
        ("no JSON", b"data", 400),
        ("no object", b"[]", 400),
        ("no data", b"{}", 400),
        ("data that is none", b"{\"data\":{}}", 400),
        ("items that are none", b"{\"data\":[1,null,{}]}", 400),
        ("cut", &good[..good.len() - 5], 400),
        ("not UTF-8", b"{\"data\":[\"\xff\"]}", 400),
        ("deep", deep.as_bytes(), 400),
        ("many", many.as_bytes(), 400),
    ];
    for (what, body, expected) in cases {
        let answer = halod.connect().post(PATH, &[("content-type", JSON)], body).unwrap();
        assert_eq!(answer.status, expected, "{what}: {}", answer.text());
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(said["error"]["type"], "invalid_request_error", "{what}: {said}");
    }
    assert_eq!(halod.connect().get(PATH).unwrap().status, 405);
    let answer = halod.connect().post(PATH, &[("content-type", JSON)], b"{\"data\":[]}").unwrap();
    assert_eq!(answer.status, 200);
    assert!(halod.alive() && halod.peak_memory_mib() < 384, "{} MiB", halod.peak_memory_mib());
    assert!(halod.terminate().success());
    halod_verify(dir.path());
    assert_verified(dir.path());
}

#[test]
fn what_was_answered_outlives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let send = |halod: &Halod| -> Value {
        let answer = halod.connect().post(PATH, &[("content-type", JSON)], &capture()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    };
    let sealed = send(&halod)["sealed"].as_u64().unwrap();
    halod.kill9();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod), json!({"sealed": 0, "duplicate": sealed, "conflict": 0, "rejected": []}));
    assert!(halod.terminate().success());
    // One of the captured traces claims no tenant.
    let records = [Some(TENANT), None].map(|tenant| of_tenant(dir.path(), tenant).len() as u64);
    assert_eq!((records[0] + records[1], records[0] > 0), (sealed, true));
    assert_verified(dir.path());
}
