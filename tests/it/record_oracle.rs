//! Whole records beside the reference's: what both write about the same action.

use crate::support::reference;
use halod_record::build::Builder;
use halod_record::draft::{GENESIS, Scratch};
use halod_record::event::{Action, Agent, Content, Event, Origin, Outcome, Source, Status, Usage};
use halod_record::json::parse;
use halod_record::tenant::Tenant;
use halod_record::time;
use serde_json::{Value, json};

const KEY: &str = "sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM: &str = "session_01HZX3Q9V7W2K8M4N6P0R5T1Y2";

/// What is different from one case to the next; the rest is the same.
fn cases() -> Vec<Value> {
    let inputs = [
        json!("what is the weather"),
        json!(format!("my key is {KEY}, write to bob@example.com")),
        json!({"query": "orders of zoe.mueller@example.com", "limit": 10}),
        json!({"password": "hunter2", "user": "amy", "nested": {"api_key": KEY}}),
        json!({"file_path": "/srv/app/config.yaml", "cwd": "/opt/app", "token": 17}),
        json!([{"role": "user", "content": "call 555-123-4567 or pay with 4111 1111 1111 1111"}]),
        json!({"a": [1, 2.5, null, true, {"b": "123-45-6789"}]}),
        json!({}),
        json!([]),
        json!(""),
        json!(12),
        json!({"text": "x".repeat(500)}),
        json!("*** Begin Patch\n*** Update File: src/main.rs\n+let key = \"AKIAIOSFODNN7EXAMPLE\";\n"),
        json!({"url": "https://api.example.com/v1/users", "authorization": "Bearer abcdefghijklmnopqrstuvwxyz"}),
        json!({"iban": "DE89370400440532013000", "host": "10.1.2.3"}),
    ];
    let outcomes = [
        json!({"result": "4 orders"}),
        json!({"result": {"orders": [{"id": 1, "email": "carl@example.com"}, {"id": 2}], "secret": "hush"}}),
        json!({"result": {"path": "/etc/passwd", "lines": ["a", "", "b"], "rate": 1.5, "ok": true}}),
        json!({"result": format!("the key {KEY} again")}),
        json!({"error": "RateLimitError: 429 for bob@example.com"}),
        json!({"error": format!("invalid key {KEY}\nin file x")}),
    ];
    let names = [
        json!({"session": "sess-77", "agent": {"id": "support", "name": "Support Agent"}, "error_type": "RateLimitError", "call_id": "call_1"}),
        json!({"session": RANDOM, "agent": {"id": RANDOM, "name": "agent amy@example.com"}, "error_type": "timeout", "call_id": "0af7651916cd43dd8448eb211c80319c"}),
        json!({"session": KEY, "agent": {"id": "0af7651916cd43dd8448eb211c80319c", "name": KEY}, "error_type": format!("bad key {KEY}"), "call_id": "call_2"}),
    ];
    let mut cases = Vec::new();
    for (at, input) in inputs.iter().enumerate() {
        for (nth, outcome) in outcomes.iter().enumerate() {
            for summaries in [true, false] {
                let mut case = names[(at + nth) % names.len()].clone();
                let map = case.as_object_mut().unwrap();
                map.extend(outcome.as_object().unwrap().clone());
                map.insert("input".into(), input.clone());
                map.insert("summaries".into(), summaries.into());
                cases.push(case);
            }
        }
    }
    cases
}

fn ours(case: &Value) -> Value {
    let input = case["input"].to_string();
    let result = case.get("result").map(Value::to_string);
    let text = |key: &str| case[key].as_str().map(|text| text.to_owned().into());
    let name = |key: &str| case["agent"][key].as_str().map(|text| text.to_owned().into());
    let event = Event {
        action: Action::Tool { name: "lookup".into(), mcp_server: None, call_id: text("call_id") },
        agent: Agent { id: name("id"), name: name("name"), version: None },
        session: text("session"),
        // It is masked, and no finding: the cases of the reference have none.
        principal: Some("dan@example.com AKIAIOSFODNN7EXAMPLE".into()),
        tenant: None,
        input: Content::Value(parse(&input).unwrap()),
        outcome: Outcome {
            status: if case.get("error").is_some() { Status::Error } else { Status::Ok },
            result: result
                .as_deref()
                .map_or(Content::Undisclosed, |text| Content::Value(parse(text).unwrap())),
            error_type: text("error_type"),
            error_text: text("error"),
        },
        authorization: None,
        origin: Origin::Span { trace: [7; 16], span: [1; 8], parent: None, name: "x".into() },
        started: None,
        ended: None,
        usage: Usage::default(),
        source: Source { adapter: "otel", via: "test", dialect: "gen_ai", mapping: "1" },
        dropped: 0,
        trace_flags: None,
        facts: Vec::new(),
    };
    let builder = Builder::new(case["summaries"] == false);
    let draft = builder.draft(&event, &Tenant::Local, &mut Scratch::default());
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1_800_000_000_000_000_000), &mut line);
    serde_json::from_slice(&line).unwrap()
}

/// The parts that are to be equal; `findings` apart.
fn common(record: &Value) -> Value {
    let parts = [
        "/action/input/hash",
        "/outcome",
        "/severity",
        "/agent/id",
        "/agent/name",
        "/session_id",
        "/data/pii_types",
        "/data/error_type",
        "/data/call_id",
    ];
    parts.iter().map(|part| (*part, record.pointer(part).cloned().unwrap_or_default())).collect::<Value>()
}

/// A finding that the reference repeats counts once: see [`a_finding_is_said_once`].
fn findings(record: &Value) -> Vec<Value> {
    let mut once = Vec::new();
    for finding in record["findings"].as_array().unwrap() {
        if !once.contains(finding) {
            once.push(finding.clone());
        }
    }
    once
}

#[test]
fn records_say_what_the_references_say() {
    let cases = cases();
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    let answers = reference::ask_python("records.py", &[], &(lines.join("\n") + "\n"));
    assert_eq!(answers.lines().count(), cases.len());
    let (mut wrong, mut summaries, mut found) = (Vec::new(), 0, Vec::new());
    for (case, answer) in cases.iter().zip(answers.lines()) {
        let (theirs, ours): (Value, Value) = (serde_json::from_str(answer).unwrap(), ours(case));
        if case["summaries"] == true {
            assert_eq!(findings(&ours), findings(&theirs), "{case}");
            found = findings(&ours);
        } else {
            // The same without samples; the case before this one is its twin.
            found.iter_mut().for_each(|finding| drop(finding.as_object_mut().unwrap().remove("sample")));
            assert_eq!(ours["findings"], Value::from(found.clone()), "{case}");
        }
        if common(&ours) != common(&theirs) {
            wrong.push(format!("{case}\n  ours:   {}\n  theirs: {}", common(&ours), common(&theirs)));
        }
        let summary = |record: &Value| record.pointer("/action/input/summary").cloned();
        // A string is summarised as it is; anything else as JSON, where the reference writes Python.
        if case["input"].is_string() {
            assert_eq!(summary(&ours), summary(&theirs), "{case}");
        }
        assert_eq!(summary(&ours).is_some(), summary(&theirs).is_some(), "{case}");
        summaries += usize::from(summary(&ours).is_some());
        assert!(!ours.to_string().contains(KEY), "{ours}");
        assert_eq!(ours["principal"]["human_id"], "dan@example.com AKIA****");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(summaries > cases.len() / 3, "{summaries} summaries");
}

/// Deliberately different: what is in an input and in its error's text is one finding.
#[test]
fn a_finding_is_said_once() {
    let case = json!({
        "input": format!("use {KEY}"), "error": format!("bad {KEY}"), "session": "s", "agent": {"id": "a"},
        "error_type": "auth", "call_id": "1", "summaries": true,
    });
    let theirs: Value =
        serde_json::from_str(&reference::ask_python("records.py", &[], &format!("{case}\n"))).unwrap();
    let one = json!({"type": "api_key", "severity": "CRITICAL", "sample": "sk-p****"});
    assert_eq!(theirs["findings"], json!([one, one]));
    assert_eq!(ours(&case)["findings"], json!([one]));
}
