//! Records of the native door beside what the reference's `build()` makes of the same fields.

use crate::support::reference;
use halod_record::build::Builder;
use halod_record::draft::{GENESIS, Scratch};
use halod_record::json::parse;
use halod_record::native::{Capture, read};
use halod_record::tenant::Tenant;
use halod_record::time;
use serde_json::{Map, Value, json};

const KEY: &str = "sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM: &str = "session_01HZX3Q9V7W2K8M4N6P0R5T1Y2";
const HEX: &str = "0af7651916cd43dd8448eb211c80319c";
const UUID: &str = "7931cdc0-8d81-4914-8ee6-bb0145c0dd18";

fn inputs() -> Vec<Value> {
    vec![
        json!("what is the weather"),
        json!(format!("my key is {KEY}, write to bob@example.com")),
        json!({"query": "orders of zoe.mueller@example.com", "limit": 10}),
        json!({"password": "hunter2", "user": "amy", "nested": {"api_key": KEY}}),
        json!({"file_path": "/srv/app/config.yaml", "token": 17, "rate": 2.5, "big": 12345678901234567890u64}),
        json!([{"role": "user", "content": "call 555-123-4567 or pay with 4111 1111 1111 1111"}]),
        json!({}),
        json!(""),
        json!(false),
        json!({"deep": [[[[[[[[[["x"]]]]]]]]]], "text": "y".repeat(9000)}),
    ]
}

fn outcomes() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"status": "ok"}),
        json!({"status": "denied"}),
        json!({"value": null}),
        json!({"value": "4 orders"}),
        json!({"value": {"is_error": true, "text": format!("bad {KEY}")}}),
        json!({"value": {"status": "error"}}),
        json!({"value": {"exit_code": "2", "out": ["a", "", "b"], "email": "carl@example.com"}}),
        json!({"status": "error", "value": {"orders": [{"id": 1, "secret": "hush"}], "path": "/etc/passwd"}}),
        json!({"error": "RateLimitError: 429 for bob@example.com"}),
        json!({"status": "denied", "error": format!("policy says no to {KEY}")}),
    ]
}

/// The rest of a record, in variants that each touch a rule of the final scrub.
fn contexts() -> Vec<Value> {
    vec![
        json!({}),
        json!({
            "session_id": "s-1", "agent": "bot", "subject": "acme", "threats": "prompt_injection",
            "data": {"region": "eu-central-1", "cross_region": true, "purpose": "support", "zdr": true, "attempt": 2},
        }),
        json!({
            "session_id": RANDOM, "subject": {"id": "acme", "name": format!("Acme {KEY} bob@example.com")},
            "agent": {"id": RANDOM, "name": "amy@example.com", "version": "1.4.2", "model": "gpt-4o-mini-2024-07-18",
                "model_version": "2024-07-18"},
            "principal": {"human_id": "amy@example.com", "creator_id": format!("c {KEY}"), "service_account": "svc-1",
                "role_scope": "call 555-123-4567 from 10.1.2.3"},
            "threats": ["jailbreak", {"type": "exfiltration", "ref": HEX}, {"type": RANDOM, "ref": RANDOM}],
            "verification": {"status": "blocked", "verifier": "gate", "policy_ref": UUID, "checked_at": "2026-11-25T08:00:00Z"},
        }),
        json!({
            "session_id": HEX, "agent": {"id": UUID, "name": "x", "model": KEY, "version": KEY},
            "principal": {"human_id": KEY}, "parent_id": UUID,
            "threats": [{"type": format!("leak of {KEY}"), "ref": KEY}],
            "verification": {"status": "modified", "verifier": "bob@example.com", "policy_ref": RANDOM},
            "data": {"purpose": format!("refund for bob@example.com {KEY} {}", "p".repeat(600)), "ticket": KEY, "api_key": "short",
                "mail": "zoe@example.com", "card": 4111111111111111u64, "score": 0.25, "whole": 3.0, "far": 9007199254740993u64,
                "list": ["a", "bob@example.com", 2, true], "password": 1234, "tokens": 17, "secret": ["one", 2], "cross_region": 0},
        }),
        json!({
            "authority": {
                "snapshot_id": HEX, "captured_at": "2026-11-25T08:00:00Z", "scope": format!("refunds {KEY}"),
                "workspace": {"path_hash": HEX, "git_remote_hash": "sha256:0af7651916cd43dd8448eb211c80319c0af7651916cd43dd8448eb211c80319c",
                    "git_commit": HEX, "worktree_hash": HEX},
                "refs": [{"kind": "policy", "id": RANDOM, "uri": "https://example.com/p?x=1", "hash": HEX, "version": "2",
                    "loaded": true, "truncated": false, "shadowed_by": "other"}, {"kind": "tool"}],
                "omissions": [{"kind": "prompt", "reason": "mail bob@example.com", "hash": HEX}],
                "capture_limits": ["no prompts", RANDOM], "stale_if": [format!("{KEY} changes")],
            },
            "parent_id": HEX[..8].to_owned() + "-1111-4222-8333-444455556666",
        }),
        json!({"authority": {"snapshot_id": "snap-1", "same_as_previous": true}, "verification": {"status": "unverified"}}),
    ]
}

fn cases() -> Vec<Value> {
    let authorizations = [
        Value::Null,
        json!({"decision": "human_approved", "scope": "refunds", "approver": "amy@example.com"}),
        json!({"decision": "denied"}),
        json!({"scope": "mcp:github", "approver": format!("key {KEY}")}),
    ];
    let types = ["tool_call", "agent_message", "read", "write", "network"];
    let categories = ["security", "safety", "reliability", "privacy"];
    let (inputs, contexts) = (inputs(), contexts());
    let mut cases = Vec::new();
    for (at, outcome) in outcomes().iter().enumerate() {
        for (nth, context) in contexts.iter().enumerate() {
            for turn in 0..2 {
                let n = at * contexts.len() + nth + turn * 5;
                let mut action = Map::from_iter([
                    ("type".to_owned(), types[n % types.len()].into()),
                    ("category".to_owned(), categories[n % categories.len()].into()),
                ]);
                if n % 7 > 0 {
                    action.insert("input".into(), inputs[n % inputs.len()].clone());
                }
                if n % 5 > 0 {
                    action.insert("tool".into(), format!("tool_{nth}").into());
                }
                let authorization = &authorizations[n % authorizations.len()];
                if !authorization.is_null() {
                    action.insert("authorization".into(), authorization.clone());
                }
                let mut record = context.clone();
                record["key"] = format!("k-{n}").into();
                record["action"] = action.into();
                if !outcome.is_null() {
                    record["outcome"] = outcome.clone();
                }
                cases
                    .extend([true, false].map(|summaries| json!({"record": record, "summaries": summaries})));
            }
        }
    }
    cases
}

fn ours(case: &Value) -> Value {
    let text = case["record"].to_string();
    let builder = Builder::new(case["summaries"] == false);
    let record = read(parse(&text).unwrap(), &builder).unwrap_or_else(|wrong| panic!("{wrong:?}: {text}"));
    let tenant = Tenant::claimed(record.subject.id.as_deref().unwrap_or_default()).unwrap();
    let draft = builder.native(&record, &tenant, Capture::Captured, &mut Scratch::default());
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1_800_000_000_000_000_000), &mut line);
    serde_json::from_slice(&line).unwrap()
}

/// Without what differs by design: see `record_oracle` for the summary of an input and for findings.
fn common(mut record: Value) -> Value {
    for key in ["record_id", "ts", "integrity", "source"] {
        record.as_object_mut().unwrap().remove(key);
    }
    if let Some(summary) = record.pointer_mut("/action/input/summary") {
        *summary = true.into();
    }
    let findings = record["findings"].as_array_mut().unwrap();
    let mut once = Vec::new();
    for finding in std::mem::take(findings) {
        if !once.contains(&finding) {
            once.push(finding);
        }
    }
    *findings = once;
    // What the sender says of its own identity is a claim, which the daemon keeps apart from what it knows.
    let data = record.get_mut("data").and_then(Value::as_object_mut);
    if let Some(claimed) = data.and_then(|data| data.remove("claimed_account")) {
        record["principal"]["service_account"] = claimed;
    }
    record
}

#[test]
fn records_say_what_build_says() {
    let cases = cases();
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let answers = reference::ask_python("native_records.py", &[], &lines);
    assert_eq!(answers.lines().count(), cases.len());
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(answers.lines()) {
        let (theirs, ours) = (serde_json::from_str::<Value>(answer).unwrap(), ours(case));
        assert!(!ours.to_string().contains("FAKEabc"), "{ours}");
        let summary = |record: &Value| record.pointer("/action/input/summary").cloned();
        if case.pointer("/record/action/input").is_some_and(Value::is_string) {
            assert_eq!(summary(&ours), summary(&theirs), "{case}");
        }
        let (ours, theirs) = (common(ours), common(theirs));
        for key in theirs.as_object().unwrap().keys().chain(ours.as_object().unwrap().keys()) {
            if ours.get(key) != theirs.get(key) {
                wrong.push(format!(
                    "{key}\n  ours:   {}\n  theirs: {}\n  of {case}",
                    ours.get(key).unwrap_or(&Value::Null),
                    theirs.get(key).unwrap_or(&Value::Null)
                ));
            }
        }
    }
    assert!(cases.len() > 250, "{}", cases.len());
    wrong.dedup();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}

/// Deliberately different: names from known fields are no secrets because they look random.
#[test]
fn names_that_look_random_stay_readable() {
    let record = json!({
        "key": RANDOM, "action": {"type": "read", "category": "safety", "tool": "claude-3-5-sonnet-20241022",
            "authorization": {"scope": "model:claude-3-5-sonnet-20241022"}},
        "verification": {"status": "allowed", "verifier": "claude-3-5-sonnet-20241022"},
        "principal": {"service_account": RANDOM},
    });
    let case = json!({"record": record, "summaries": true});
    let theirs = reference::ask_python("native_records.py", &[], &format!("{case}\n"));
    let (theirs, ours) = (serde_json::from_str::<Value>(&theirs).unwrap(), common(ours(&case)));
    for (path, mask) in [
        ("/action/tool", "cla****"),
        ("/action/authorization/scope", "model:cla****"),
        ("/verification/verifier", "cla****"),
        ("/data/key", "ses****"),
        ("/principal/service_account", "ses****"),
    ] {
        assert_eq!(theirs.pointer(path).unwrap(), mask, "{path}");
        assert!(!ours.pointer(path).unwrap().as_str().unwrap().contains('*'), "{path}");
    }
}
