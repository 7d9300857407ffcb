//! Senders that speak as halod: nobody else's words stand in a chain under its names.

use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use crate::support::spans::{attribute, request, span, text};
use crate::support::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Names that a reader of a chain takes for halod's.
const TOOLS: [&str; 4] = ["halod.gap", " Halod.torn_tail", "ha\u{200b}lod.clock", "corroborates:pay"];

fn post(halod: &Halod, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let answer = halod.connect().post(path, &[("content-type", JSON)], body.as_bytes()).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn all(dir: &Path) -> Vec<Value> {
    files(dir).iter().flat_map(|file| records(file)).collect()
}

fn names(records: &[Value]) -> Vec<[&str; 3]> {
    records
        .iter()
        .map(|record| {
            ["/action/tool", "/agent/id", "/agent/name"]
                .map(|path| record.pointer(path).and_then(Value::as_str).unwrap())
        })
        .collect()
}

#[test]
fn the_native_door_refuses_halods_names() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let with = |tool: &str, agent: Value| json!({"key": tool, "agent": agent, "action": {"type": "read", "category": "safety", "tool": tool}});
    for tool in TOOLS {
        let (status, answer) = post(&halod, "/v1/records", &with(tool, json!("support")));
        assert_eq!(status, 400, "{tool:?}: {answer}");
        let error = &answer["results"][0]["errors"][0];
        assert_eq!(error["field"], "records[0].action.tool", "{answer}");
        assert!(error["message"].as_str().unwrap().contains("are halod's own"), "{answer}");
    }
    for (agent, field) in [
        (json!("halod"), "records[0].agent.id"),
        (json!({"name": "HALOD"}), "records[0].agent.name"),
        (json!({"id": "\u{feff}halod", "name": "x"}), "records[0].agent.id"),
    ] {
        let (status, answer) = post(&halod, "/v1/records", &with("pay", agent));
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["results"][0]["errors"][0]["field"], field, "{answer}");
    }
    // Nor may anybody say where a record was made.
    let mut record = with("pay", json!("support"));
    record["source"] = json!({"adapter": "halod", "capture": "captured"});
    let (status, answer) = post(&halod, "/v1/records", &record);
    assert_eq!((status, &answer["results"][0]["errors"][0]["field"]), (400, &json!("records[0].source")));
    let (status, _) = post(&halod, "/v1/records", &with("pay", json!("halod-demo")));
    assert_eq!(status, 200);
    assert!(halod.terminate().success());
    assert_eq!(names(&all(dir.path())), [["pay", "halod-demo", "halod-demo"]]);
    assert_verified(dir.path());
}

/// Telemetry is taken as it comes: its sender could not mend it.
#[test]
fn telemetry_that_speaks_as_halod_is_marked() {
    let place = tempfile::tempdir().unwrap();
    let (dir, log, config) =
        (place.path().join("records"), place.path().join("gateway.log"), place.path().join("halod.yaml"));
    let lines: String = TOOLS.iter().map(|tool| json!({"time": "2026-11-25T08:00:00Z", "method": "POST", "path": "/x", "status": 200, "tool": tool}).to_string() + "\n").collect();
    fs::write(&log, lines).unwrap();
    let receivers = format!("  file_log: {{ include: ['{}'], poll_interval: 50ms }}\n", log.display());
    fs::write(&config, format!("receivers:\n{receivers}storage: {{ min_free_disk_mib: 0 }}\n")).unwrap();
    let halod = Halod::start_with(&dir, &["--config", config.to_str().unwrap()]);

    let spans = (0..).zip(TOOLS).map(|(n, tool)| {
        let mut span = span(5, 2 * n + 1);
        for attribute in &mut span.attributes {
            if attribute.key == "gen_ai.tool.name" {
                attribute.value = Some(text(tool));
            }
        }
        span.attributes.push(attribute("gen_ai.agent.name", text("halod")));
        span.attributes.push(attribute("gen_ai.agent.id", text("Halod ")));
        span
    });
    let spans: Vec<_> = spans.collect();
    halod.export(&request(None, spans.clone()));
    // Sent again, it is the same.
    halod.export(&request(None, spans));
    assert_eq!(halod.duplicates(), 4);

    let call = json!({"id": "call-1", "call_type": "acompletion", "model": "gpt-4o", "status": "success",
        "startTime": 1_795_336_686.5, "endTime": 1_795_336_691.5, "agent_id": "halod"});
    assert_eq!(post(&halod, "/litellm", &json!([call])).0, 200);
    let run = json!({"id": "0af76519-16cd-43dd-8448-eb211c80319c", "trace_id": "0af76519-16cd-43dd-8448-eb211c80319c",
        "dotted_order": "20261125T080000000000Z0af76519-16cd-43dd-8448-eb211c80319c", "name": "halod.gap",
        "run_type": "tool", "start_time": "2026-11-25T08:00:00Z", "end_time": "2026-11-25T08:00:01Z",
        "inputs": {"a": 1}, "outputs": {"b": 2}});
    assert_eq!(post(&halod, "/runs", &run).0, 202);
    wait_until("everything is sealed", LIMIT, || halod.sealed() >= 10);
    assert!(halod.terminate().success());

    let all = all(&dir);
    assert_eq!(all.len(), 10, "{all:?}");
    let mut said = names(&all);
    for [tool, id, name] in &said {
        assert!(!tool.to_lowercase().trim_start().starts_with("ha") && !tool.starts_with("corr"), "{tool:?}");
        assert!(!["halod", "Halod "].contains(id) && *name != "halod", "{id:?} {name:?}");
    }
    said.sort_unstable();
    let tools: Vec<&str> = said.iter().map(|[tool, ..]| *tool).filter(|tool| tool.contains("gap")).collect();
    assert_eq!(tools, ["claimed:halod.gap"; 3], "a log's, a span's and a run's");
    let agents =
        said.iter().filter(|[_, id, name]| *name == "claimed:halod" && id.starts_with("claimed:")).count();
    assert_eq!(agents, 5, "of four spans and LiteLLM's call: {said:?}");
    assert_verified(&dir);
}
