//! A captured record, the telemetry and the transcript of one call are one action and its corroborations.

use super::{calls, golden, golden_calls, hook};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::{BINARY, Halod};
use crate::support::http::JSON;
use crate::support::{root, wait_until};
use halod_record::time::rfc3339;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Calls of ten minutes, so that whatever else is told of a call in a test happens meanwhile.
fn long(event: &str) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    event["duration_ms"] = 600_000.into();
    event.to_string()
}

/// Every time in an OTLP/JSON export is `at`.
fn today(value: &mut Value, at: u64) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if key.ends_with("imeUnixNano") {
                    *value = at.to_string().into();
                } else {
                    today(value, at);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| today(item, at)),
        _ => {}
    }
}

/// What Claude Code's telemetry says of the session of the golden events.
fn telemetry(halod: &Halod, at: u64) {
    let folder = root().join("tests/corpus/claude-code");
    for (file, path) in [
        ("013-post_v1_logs.json", "/v1/logs"),
        ("014-post_v1_logs.json", "/v1/logs"),
        ("016-post_v1_logs.json", "/v1/logs"),
        ("019-post_v1_logs.json", "/v1/logs"),
    ] {
        let mut body: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        today(&mut body, at);
        let answer =
            halod.connect().post(path, &[("content-type", JSON)], body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{file}: {}", answer.text());
    }
}

/// By the tool's own name: telemetry does not say the server.
fn tools(records: &[Value]) -> BTreeMap<String, usize> {
    let mut tools = BTreeMap::new();
    for ((tool, _), count) in calls(records) {
        *tools.entry(tool.rsplit("__").next().unwrap().to_owned()).or_default() += count;
    }
    tools
}

fn check(dir: &Path, first: &str) {
    let records = of_tenant(dir, None);
    let of_hooks: BTreeMap<_, _> = {
        let mut tools = BTreeMap::new();
        for ((tool, _), count) in golden_calls() {
            *tools.entry(tool.rsplit("__").next().unwrap().to_owned()).or_default() += count;
        }
        tools
    };
    let mut all = tools(&records);
    assert_eq!(all.remove("model.generate"), Some(8));
    let all: BTreeMap<String, usize> = all.into_iter().fold(BTreeMap::new(), |mut all, (tool, count)| {
        *all.entry(tool).or_default() += count;
        all
    });
    if first == "hook" {
        assert_eq!(all, of_hooks);
    }
    assert_eq!(all.values().sum::<usize>(), 7, "{all:?}");
    let joined: Vec<&Value> = records.iter().filter(|r| r["data"].get("corroborates").is_some()).collect();
    let by_hook = joined.iter().filter(|r| r["source"]["adapter"] == "hook").count();
    assert_eq!(by_hook, if first == "hook" { 0 } else { 7 });
    assert!(joined.iter().all(|r| r["data"].get("contradicts").is_none()), "{joined:?}");
    assert!(joined.len() >= 7);
    assert_verified(dir);
}

#[test]
fn telemetry_after_hooks_corroborates_them() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let at = now();
    golden().iter().for_each(|event| hook(dir.path(), &long(event)));
    telemetry(&halod, at);
    wait_until("nothing is held", Duration::from_secs(60), || halod.metric("halod_items_in_flight", "") == 0);
    assert!(halod.terminate().success());
    check(dir.path(), "hook");
}

#[test]
fn hooks_after_telemetry_corroborate_it() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    telemetry(&halod, now());
    golden().iter().for_each(|event| hook(dir.path(), &long(event)));
    wait_until("nothing is held", Duration::from_secs(60), || halod.metric("halod_items_in_flight", "") == 0);
    assert!(halod.terminate().success());
    check(dir.path(), "otel");
}

/// The events that hooks would have said of a transcript's calls.
fn events(transcript: &str) -> Vec<String> {
    let lines: Vec<Value> = transcript.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let blocks = |line: &Value| line["message"]["content"].as_array().cloned().unwrap_or_default();
    let mut events = Vec::new();
    for line in &lines {
        for asked in blocks(line).iter().filter(|block| block["type"] == "tool_use") {
            let answers = lines.iter().flat_map(blocks).find(|block| block["tool_use_id"] == asked["id"]);
            let answer = answers.unwrap();
            let mut event = json!({
                "session_id": line["sessionId"], "tool_name": asked["name"], "tool_input": asked["input"],
                "tool_use_id": asked["id"], "hook_event_name": "PostToolUse", "tool_response": answer["content"],
            });
            if answer["is_error"] == true {
                event["hook_event_name"] = "PostToolUseFailure".into();
                event["error"] = answer["content"].clone();
            }
            events.push(event.to_string());
        }
    }
    events
}

#[test]
fn a_transcript_corroborates_what_hooks_said() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("records");
    let golden = root().join("adapters/golden/transcript/claude-code.live.jsonl");
    let text = std::fs::read_to_string(golden).unwrap();
    let halod = Halod::start(&dir);
    let events = events(&text);
    assert!(!events.is_empty());
    // Everything in it was written before the hooks said that it had ended.
    let now: String = rfc3339(now()).map(char::from).iter().collect();
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line.get("timestamp").is_some() {
            line["timestamp"] = now.as_str().into();
        }
        format!("{line}\n")
    });
    let lines: String = lines.collect();
    events.iter().for_each(|event| hook(&dir, &long(event)));
    let file = place.path().join("session.jsonl");
    std::fs::write(&file, lines).unwrap();
    let mut command = Command::new(BINARY);
    let out = command.args(["import", "claude-code"]).arg(&file).arg("--dir").arg(&dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(halod.terminate().success());
    let records = of_tenant(&dir, None);
    let tools: usize =
        calls(&records).into_iter().filter(|((tool, _), _)| tool != "model.generate").map(|(_, n)| n).sum();
    assert_eq!(tools, events.len(), "{records:?}");
    let joined = records.iter().filter(|r| r["data"]["joined_by"] == "tool_call_id").count();
    assert_eq!(joined, events.len());
    assert_verified(&dir);
}
