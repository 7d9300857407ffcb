//! Log records: coding agents' actions, and content that is joined to its span.

use crate::support::chains::{assert_verified, of_tenant, records};
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::{Halod, halod_verify};
use crate::support::http::{Answer, JSON, PROTOBUF};
use crate::support::random::Random;
use crate::support::tree::Tree;
use crate::support::{chains, root, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

const LOGS: &str = "/v1/logs";
const GRPC_LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

fn capture(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn logs_of(case: &str) -> Vec<u8> {
    capture(&format!("adapters/golden/otel_logs/{case}"))
}

fn post(to: SocketAddr, path: &str, kind: &str, body: &[u8]) -> std::io::Result<Answer> {
    crate::support::http::Http::connect(to)?.post(path, &[("content-type", kind)], body)
}

/// Posts and demands full success.
fn taken(halod: &Halod, path: &str, kind: &str, body: &[u8]) {
    let answer = post(halod.http, path, kind, body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(matches!(answer.text().as_str(), "" | "{}"), "{}", answer.text());
}

/// Posts from another thread, as it may have to wait.
fn later(halod: &Halod, path: &'static str, body: &[u8]) -> JoinHandle<std::io::Result<Answer>> {
    let (to, body) = (halod.http, body.to_vec());
    std::thread::spawn(move || post(to, path, PROTOBUF, &body))
}

fn await_hold(halod: &Halod) {
    wait_until("the request waits", Duration::from_secs(20), || {
        halod.metric("halod_otlp_waiting_requests", "") == 1
    });
}

/// A daemon with this `join_wait`.
fn start(dir: &Path, join_wait: &str) -> Halod {
    let file = dir.join("halod.yaml");
    std::fs::write(&file, format!("receivers:\n  otlp:\n    join_wait: {join_wait}\n")).unwrap();
    Halod::start_with(&dir.join("records"), &["--config", file.to_str().unwrap()])
}

fn all(dir: &Path) -> Vec<Value> {
    chains::files(dir).iter().flat_map(|file| records(file)).collect()
}

/// How many records there are of each tool and outcome.
fn counts(records: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let text = |path| record.pointer(path).and_then(Value::as_str).unwrap_or("?");
        *counts.entry(format!("{} {}", text("/action/tool"), text("/outcome/status"))).or_default() += 1;
    }
    counts
}

fn no_conflicts(halod: &Halod) {
    assert_eq!(halod.metric("halod_records_conflict_total", ""), 0);
}

/// Log records that were filtered, sealed and recognised: all that there were.
fn accounted(halod: &Halod) -> [u64; 3] {
    let of = |outcome: &str| halod.items_of("receiver=\"otlp\",signal=\"logs\"", outcome);
    let ended = ["filtered", "sealed", "duplicate"].map(of);
    assert_eq!(of("received"), ended.iter().sum::<u64>());
    ended
}

#[test]
fn coding_agents_logs_are_what_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    for round in 0..2 {
        taken(&halod, LOGS, JSON, &logs_of("claude-code.json"));
        taken(&halod, LOGS, JSON, &logs_of("gemini-cli.json"));
        taken(&halod, LOGS, JSON, &logs_of("codex.json"));
        let before = accounted(&halod);
        let mut grpc = Grpc::connect(halod.grpc).unwrap();
        let answer = grpc.send(GRPC_LOGS, &[], &frame(0, &logs_of("claude-code-defaults.pb"))).unwrap();
        assert_eq!(answer.code, 0, "{}", answer.message);
        // Those about hooks and connections, and withheld answers, tell of no action.
        let after = accounted(&halod);
        let new: [u64; 3] = std::array::from_fn(|at| after[at] - before[at]);
        assert_eq!(new, [[57, 23, 0], [57, 0, 23]][round]);
    }
    no_conflicts(&halod);
    assert_eq!(halod.sealed(), halod.duplicates(), "the second sending is recognised");
    assert!(halod.terminate().success());
    let mut counts = BTreeMap::<(String, &str, &str), usize>::new();
    for record in all(dir.path()) {
        let text = |path| record.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
        let status = match text("/outcome/status").as_str() {
            "ok" => "ok",
            "error" => "error",
            _ => "denied",
        };
        let tool = text("/action/tool");
        let kind = match tool.as_str() {
            "model.generate" => "model",
            tool if tool.starts_with("decide:") => "decision",
            tool if tool.starts_with("agent.") => "step",
            _ => "tool",
        };
        *counts.entry((text("/source/dialect"), kind, status)).or_default() += 1;
    }
    // Two runs of Claude Code did the same.
    let expected = [
        ("claude_code", "decision", "ok", 14),
        ("claude_code", "model", "ok", 16),
        ("claude_code", "step", "ok", 10),
        ("claude_code", "tool", "error", 6),
        ("claude_code", "tool", "ok", 8),
        ("codex", "decision", "denied", 1),
        ("codex", "decision", "ok", 2),
        ("codex", "model", "error", 1),
        ("codex", "model", "ok", 1),
        ("codex", "step", "ok", 3),
        ("codex", "tool", "denied", 1),
        ("codex", "tool", "error", 1),
        ("codex", "tool", "ok", 1),
        ("gemini_cli", "model", "ok", 5),
        ("gemini_cli", "step", "ok", 6),
        ("gemini_cli", "tool", "error", 2),
        ("gemini_cli", "tool", "ok", 2),
    ];
    let expected = expected.map(|(dialect, kind, status, n)| ((dialect.to_owned(), kind, status), n));
    assert_eq!(counts, BTreeMap::from(expected));
    assert_verified(dir.path());
}

#[test]
fn a_decision_and_its_call_share_a_call_id() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    taken(&halod, LOGS, JSON, &logs_of("codex.json"));
    assert!(halod.terminate().success());
    let records = all(dir.path());
    let of = |tool: &str, call: &str| {
        let ours = |r: &&Value| r["action"]["tool"] == tool && r["data"]["call_id"] == call;
        records.iter().find(ours).unwrap_or_else(|| panic!("{tool} {call}"))
    };
    assert_eq!(of("decide:shell", "call_1")["action"]["authorization"]["decision"], "human_approved");
    assert_eq!(of("decide:shell", "call_1")["action"]["authorization"]["approver"], "user");
    assert_eq!(of("shell", "call_1")["outcome"]["status"], "ok");
    assert_eq!(of("decide:shell", "call_3")["action"]["authorization"]["decision"], "denied");
    assert_eq!(of("shell", "call_3")["outcome"]["status"], "denied");
    let step = "mcp__acme__lookup_customer";
    assert_eq!(of(step, "call_2")["outcome"]["status"], "error");
    assert_eq!(of(step, "call_2")["session_id"], "conv-7");
}

/// The capture whose content is in its logs alone: two requests of logs, and the spans.
struct EventOnly {
    logs: Vec<u8>,
    spans: Vec<u8>,
}

/// Model calls in it, of which three failed, and what else its spans are recorded as.
const CALLS: [(&str, usize); 3] =
    [("model.embed ok", 1), ("model.generate error", 3), ("model.generate ok", 5)];

impl EventOnly {
    fn read() -> Self {
        Self {
            logs: logs_of("genai-openai-eventonly.pb"),
            spans: capture("adapters/golden/otel/genai-openai-eventonly.pb"),
        }
    }
}

fn expected(content: usize) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> =
        CALLS.iter().map(|(tool, count)| ((*tool).to_owned(), *count)).collect();
    if content > 0 {
        counts.insert("agent.content ok".to_owned(), content);
    }
    counts
}

/// The model calls all have their messages, and those that succeeded their answers.
fn calls_have_content(records: &[Value]) {
    let calls = records.iter().filter(|r| r["action"]["tool"] == "model.generate");
    for call in calls {
        assert!(call.pointer("/action/input/hash").is_some(), "{call}");
        assert!(call.pointer("/outcome/hash").is_some(), "{call}");
        assert_eq!(call.pointer("/data/undisclosed"), None, "{call}");
    }
}

#[test]
fn content_that_comes_first_is_in_its_calls_record() {
    let (dir, sent) = (tempfile::tempdir().unwrap(), EventOnly::read());
    let halod = start(dir.path(), "8s");
    let waiting = later(&halod, LOGS, &sent.logs);
    await_hold(&halod);
    taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
    let answer = waiting.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(accounted(&halod), [0, 8, 0], "what spans took is sealed with them");
    let chains = dir.path().join("records");
    assert_eq!(counts(&all(&chains)), expected(0));
    calls_have_content(&all(&chains));
    // Sent again, the content has its place already and the spans say nothing new without it.
    taken(&halod, LOGS, PROTOBUF, &sent.logs);
    taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
    no_conflicts(&halod);
    assert!(halod.terminate().success());
    // After a restart nothing is remembered of it; the chain says it.
    let halod = start(dir.path(), "100ms");
    taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
    taken(&halod, LOGS, PROTOBUF, &sent.logs);
    no_conflicts(&halod);
    assert!(halod.terminate().success());
    assert_eq!(counts(&all(&chains)), expected(0));
    assert_verified(&chains);
}

#[test]
fn content_that_comes_last_is_linked_to_its_call() {
    let (dir, sent) = (tempfile::tempdir().unwrap(), EventOnly::read());
    let halod = start(dir.path(), "500ms");
    for _ in 0..2 {
        taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
        taken(&halod, LOGS, PROTOBUF, &sent.logs);
    }
    no_conflicts(&halod);
    assert!(halod.terminate().success());
    let chains = dir.path().join("records");
    let records = all(&chains);
    assert_eq!(counts(&records), expected(8));
    let ids = |content: bool, path: &str| -> BTreeSet<String> {
        let ours = records.iter().filter(|r| (r["action"]["tool"] == "agent.content") == content);
        ours.filter_map(|r| r.pointer(path).and_then(Value::as_str)).map(str::to_owned).collect()
    };
    assert_eq!(ids(true, "/parent_id").len(), 8);
    assert!(ids(true, "/parent_id").is_subset(&ids(false, "/record_id")));
    assert_verified(&chains);
}

#[test]
fn content_told_twice_is_sealed_once() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "8s");
    let (spans, logs) = (capture("adapters/golden/otel/genai-openai.pb"), logs_of("genai-openai.pb"));
    let waiting = later(&halod, LOGS, &logs);
    await_hold(&halod);
    taken(&halod, "/v1/traces", PROTOBUF, &spans);
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    taken(&halod, LOGS, PROTOBUF, &logs);
    assert!(halod.terminate().success());
    assert_eq!(counts(&all(&dir.path().join("records"))), expected(0));
}

/// Captures of which both signals are here, and the records of content beside those of the spans: of
/// one that tells the same in the older form in its logs and in the newer one in its spans.
const BOTH: [(&str, usize); 6] = [
    ("genai-anthropic", 0),
    ("genai-openai", 0),
    ("google-adk", 0),
    ("google-genai", 0),
    ("ms-agent-framework", 4),
    ("openai-v2-latest", 0),
];

#[test]
fn what_both_signals_tell_is_told_once() {
    for (case, content) in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let halod = start(dir.path(), "8s");
        let (spans, logs) =
            (capture(&format!("adapters/golden/otel/{case}.pb")), logs_of(&format!("{case}.pb")));
        let waiting = later(&halod, LOGS, &logs);
        await_hold(&halod);
        taken(&halod, "/v1/traces", PROTOBUF, &spans);
        assert_eq!(waiting.join().unwrap().unwrap().status, 200);
        taken(&halod, LOGS, PROTOBUF, &logs);
        taken(&halod, "/v1/traces", PROTOBUF, &spans);
        no_conflicts(&halod);
        assert!(halod.terminate().success());
        let records = all(&dir.path().join("records"));
        let told = records.iter().filter(|r| r["action"]["tool"] == "agent.content").count();
        assert_eq!(told, content, "{case}: {:?}", counts(&records));
        assert_verified(&dir.path().join("records"));
    }
}

#[test]
fn messages_of_the_older_conventions_make_up_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "8s");
    let waiting = later(&halod, LOGS, &logs_of("openai-v2.pb"));
    await_hold(&halod);
    taken(&halod, "/v1/traces", PROTOBUF, &capture("adapters/golden/otel/openai-v2.pb"));
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    // What was withheld is neither waited for nor told, which the sender is warned of.
    let answer = post(halod.http, LOGS, PROTOBUF, &logs_of("openai-v2-nocontent.pb")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("nothing in this request is an agent's action"), "{}", answer.text());
    assert!(halod.terminate().success());
    let records = all(&dir.path().join("records"));
    let of = |tool: &str| {
        counts(&records).into_iter().filter(|(name, _)| name.starts_with(tool)).map(|(_, n)| n).sum::<usize>()
    };
    assert_eq!((of("model.generate"), of("agent.content")), (6, 0));
    calls_have_content(&records);
    assert_verified(&dir.path().join("records"));
}

#[test]
fn a_hold_ends_without_its_spans() {
    let sent = EventOnly::read();
    for wait in ["100ms", "0s"] {
        let dir = tempfile::tempdir().unwrap();
        let halod = start(dir.path(), wait);
        taken(&halod, LOGS, PROTOBUF, &sent.logs);
        let chains = dir.path().join("records");
        assert_eq!(counts(&all(&chains)), BTreeMap::from([("agent.content ok".to_owned(), 8)]));
        taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
        no_conflicts(&halod);
        assert!(halod.terminate().success());
        assert_eq!(counts(&all(&chains)), expected(8));
        assert_verified(&chains);
    }
}

#[test]
fn a_drain_answers_what_waits() {
    let (dir, sent) = (tempfile::tempdir().unwrap(), EventOnly::read());
    let mut halod = start(dir.path(), "8s");
    let waiting = later(&halod, LOGS, &sent.logs);
    await_hold(&halod);
    halod.signal(Signal::TERM);
    let answer = waiting.join().unwrap().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(halod.wait_within(Duration::from_secs(20)).code(), Some(0));
    let chains = dir.path().join("records");
    assert_eq!(counts(&all(&chains)), BTreeMap::from([("agent.content ok".to_owned(), 8)]));
    assert_verified(&chains);
}

#[test]
fn a_kill_while_content_waits_loses_nothing_that_was_answered() {
    let (dir, sent) = (tempfile::tempdir().unwrap(), EventOnly::read());
    let chains = dir.path().join("records");
    let halod = start(dir.path(), "8s");
    let waiting = later(&halod, LOGS, &sent.logs);
    await_hold(&halod);
    halod.kill9();
    assert!(waiting.join().unwrap().is_err(), "it was not answered");
    // So it is sent again, and its spans as well.
    let halod = start(dir.path(), "8s");
    let waiting = later(&halod, LOGS, &sent.logs);
    await_hold(&halod);
    taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    halod.kill9();
    let halod = start(dir.path(), "8s");
    halod_verify(&chains);
    assert_eq!(counts(&all(&chains)), expected(0));
    calls_have_content(&all(&chains));
    assert!(halod.terminate().success());
    assert_verified(&chains);
}

/// Every call is there once, and so is its content: in its record, or in one under it.
fn calls_and_content_are_whole(records: &[Value]) {
    let mut calls = counts(records);
    calls.remove("agent.content ok");
    assert_eq!(calls, expected(0));
    let tree = Tree::of(records);
    for call in records.iter().filter(|r| r["action"]["tool"] == "model.generate") {
        let under = |r: &&Value| {
            r["action"]["tool"] == "agent.content" && tree.parent(r).is_some_and(|parent| parent == call)
        };
        let told = records.iter().filter(under).collect::<Vec<_>>();
        let inside = call.pointer("/action/input/hash").is_some();
        assert_eq!(told.len() + usize::from(inside), 1, "{call}\n{told:?}");
    }
}

#[test]
fn kills_at_any_moment_lose_no_content_and_repeat_none() {
    let sent = EventOnly::read();
    let mut random = Random::new("logs");
    for _ in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let chains = dir.path().join("records");
        let halod = start(dir.path(), "40ms");
        let posts = [(LOGS, &sent.logs), ("/v1/traces", &sent.spans)];
        let first = posts.map(|(path, body)| later(&halod, path, body));
        std::thread::sleep(Duration::from_micros(random.between(1, 60_000)));
        halod.kill9();
        let answers = first.map(|thread| thread.join().unwrap().is_ok_and(|answer| answer.status == 200));
        let halod = start(dir.path(), "40ms");
        // What was not answered is sent again, and now and then what was.
        for (answered, (path, body)) in answers.into_iter().zip(posts) {
            if !answered || random.next().is_multiple_of(2) {
                taken(&halod, path, PROTOBUF, body);
            }
        }
        no_conflicts(&halod);
        assert!(halod.terminate().success());
        halod_verify(&chains);
        let records = all(&chains);
        calls_and_content_are_whole(&records);
    }
}

#[test]
fn a_span_that_was_sealed_without_its_content_gets_it_linked() {
    let (dir, sent) = (tempfile::tempdir().unwrap(), EventOnly::read());
    let chains = dir.path().join("records");
    let halod = start(dir.path(), "8s");
    taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
    halod.kill9();
    // Its logs were not answered; here they wait, because nothing is remembered of the spans.
    let halod = start(dir.path(), "8s");
    let waiting = later(&halod, LOGS, &sent.logs);
    await_hold(&halod);
    taken(&halod, "/v1/traces", PROTOBUF, &sent.spans);
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    no_conflicts(&halod);
    assert!(halod.terminate().success());
    assert_eq!(counts(&all(&chains)), expected(8));
    assert_verified(&chains);
}

fn record(name: &str, attributes: Value) -> Value {
    json!({ "timeUnixNano": "1795335000000000001", "eventName": name, "attributes": attributes })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn request(resource: Value, records: Vec<Value>) -> Vec<u8> {
    let scopes = json!([{ "logRecords": records }]);
    json!({ "resourceLogs": [{ "resource": { "attributes": resource }, "scopeLogs": scopes }] })
        .to_string()
        .into_bytes()
}

#[test]
fn a_log_record_has_its_tenant_as_a_span_has() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let name = "codex.tool_result";
    let own = record(name, json!([attribute("tenant.id", "of-record")]));
    let bare = record(name, json!([attribute("call_id", "2")]));
    taken(&halod, LOGS, JSON, &request(json!([attribute("tenant.id", "of-resource")]), vec![own.clone()]));
    let headers = [("content-type", JSON), ("x-tenant-id", "of-header")];
    let body = request(json!([]), vec![own, bare.clone()]);
    let answer = halod.connect().post(LOGS, &headers, &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    taken(&halod, LOGS, JSON, &request(json!([]), vec![bare]));
    assert!(halod.terminate().success());
    for tenant in [Some("of-resource"), Some("of-record"), Some("of-header"), None] {
        assert_eq!(of_tenant(dir.path(), tenant).len(), 1, "{tenant:?}");
    }
}

#[test]
fn a_record_that_cannot_be_used_is_refused_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let good = record("codex.tool_result", json!([attribute("call_id", "1")]));
    let bad = json!({ "traceId": "abcd", "eventName": "codex.tool_result" });
    let answer = post(halod.http, LOGS, JSON, &request(json!([]), vec![good, bad.clone()])).unwrap();
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &said["partialSuccess"]["rejectedLogRecords"]), (200, &json!("1")));
    let why = said["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(why.contains("log_records[1]: trace_id is not 16 bytes long"), "{why}");
    let answer = post(halod.http, LOGS, JSON, &request(json!([]), vec![bad])).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = post(halod.http, LOGS, PROTOBUF, &EventOnly::read().spans).unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("this is a traces request"), "{}", answer.text());
    assert_eq!(halod.sealed(), 1);
}
