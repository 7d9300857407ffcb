//! `halod hook`: what coding agents' hooks say becomes captured records, with a daemon and without one.

mod hostile;
mod install;
mod joined;
mod kept;
mod kills;
mod live;

use crate::clients::assert_nowhere;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::{BINARY, Halod, halod_verify};
use crate::support::{root, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// In every golden event that has one.
const SECRET: &str = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff1234567890";

/// What Claude Code's hooks said of one session.
fn golden() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("adapters/golden/hook/claude-code.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A call that came off, with an id of its own.
fn called(id: &str) -> String {
    json!({
        "session_id": "79801370-a84c-4470-8d3a-1cad2589fef0",
        "prompt_id": "4f718b32-781e-4983-9a2c-58dd266e6495",
        "hook_event_name": "PostToolUse",
        "tool_name": "Bash",
        "tool_input": { "command": format!("echo {id}") },
        "tool_response": { "stdout": id, "stderr": "" },
        "tool_use_id": format!("toolu_{id}"),
        "duration_ms": 3,
    })
    .to_string()
}

/// The command, with nothing of whoever runs the tests in its environment.
fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("hook").arg("--dir").arg(dir).args(arguments);
    command.env_remove("HALOD_DIR").env_remove("HALOD_SUBJECT");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(mut command: Command, event: &[u8]) -> Child {
    let mut child = command.spawn().unwrap();
    // Who refuses an event need not read it to its end.
    let _ = child.stdin.take().unwrap().write_all(event);
    child
}

/// Runs the hook on an event, under `--strict`.
fn strict(dir: &Path, event: &[u8]) -> Output {
    start(command(dir, &["--strict"]), event).wait_with_output().unwrap()
}

/// The same, of an event that has to come to its record. Nothing is printed.
fn hook(dir: &Path, event: &str) {
    let out = strict(dir, event.as_bytes());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && out.stdout.is_empty() && said.is_empty(), "{}: {said}", out.status);
}

/// Starts and ends a daemon, so that its rules are known.
fn known(dir: &Path, arguments: &[&str]) {
    assert!(Halod::start_with(dir, arguments).terminate().success());
}

/// What waits in the spool.
fn spooled(dir: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir.join(".halod/spool")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "rules.yaml" {
            text += &String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default());
        }
    }
    text
}

/// Runs a daemon until the spool is empty.
fn drained(dir: &Path, arguments: &[&str]) {
    let halod = Halod::start_with(dir, arguments);
    wait_until("the spool is empty", Duration::from_secs(60), || spooled(dir).is_empty());
    assert!(halod.terminate().success());
}

/// Calls by their tools and how they ended.
fn calls(records: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut calls = BTreeMap::new();
    for record in records.iter().filter(|record| record["action"]["type"] != "agent_message") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *calls.entry((text(&record["action"]["tool"]), text(&record["outcome"]["status"]))).or_default() += 1;
    }
    calls
}

/// Those of [`golden`].
fn golden_calls() -> BTreeMap<(String, String), usize> {
    let of = |tool: &str, status: &str| ((tool.to_owned(), status.to_owned()), 1);
    [
        of("Write", "ok"),
        of("Bash", "ok"),
        of("Edit", "ok"),
        of("mcp__acme__lookup_customer", "ok"),
        of("Bash", "error"),
        of("Read", "error"),
        of("mcp__acme__issue_refund", "error"),
    ]
    .into()
}

/// What records say apart from when that was and under which ids.
fn said(records: &[Value]) -> Vec<String> {
    let mut said: Vec<String> = records
        .iter()
        .map(|record| {
            let mut record = record.clone();
            for key in ["integrity", "ts", "record_id"] {
                record.as_object_mut().unwrap().remove(key);
            }
            for key in ["started_at", "ended_at"] {
                record["data"].as_object_mut().unwrap().remove(key);
            }
            record.to_string()
        })
        .collect();
    said.sort();
    said
}

#[test]
fn events_become_captured_records() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    golden().iter().for_each(|event| hook(dir.path(), event));
    assert_eq!(halod.items("captured", "sealed"), 18);
    assert!(spooled(dir.path()).is_empty());
    assert_eq!((halod.items("captured", "received"), halod.requests("captured", "answered")), (18, 18));
    // An agent whose hook is in two of its settings, as two commands, says everything twice: that is told.
    golden().iter().for_each(|event| hook(dir.path(), event));
    assert!(halod.terminate().success());
    let (again, first): (Vec<_>, Vec<_>) =
        of_tenant(dir.path(), None).into_iter().partition(|record| record.get("conflicts_with").is_some());
    assert_eq!((calls(&first), calls(&again)), (golden_calls(), golden_calls()));
    let records = of_tenant(dir.path(), None);
    for record in &records {
        assert_eq!(
            (&record["source"]["capture"], &record["source"]["adapter"]),
            (&"captured".into(), &"hook".into())
        );
        assert_eq!(record["session_id"], "79801370-a84c-4470-8d3a-1cad2589fef0");
    }
    let tools: Vec<&str> = records.iter().take(18).map(|r| r["action"]["tool"].as_str().unwrap()).collect();
    assert_eq!(&tools[..4], ["agent.session_start", "agent.prompt", "decide:Write", "Write"]);
    assert_eq!(&tools[16..], ["agent.stop", "agent.session_end"]);
    let refund = records.iter().find(|record| record["action"]["tool"] == "mcp__acme__issue_refund").unwrap();
    assert_eq!(refund["action"]["authorization"]["scope"], "mcp:acme");
    assert!(refund["outcome"]["summary"].as_str().unwrap().contains("card_not_refundable"));
    assert_nowhere(dir.path(), SECRET);
    halod_verify(dir.path());
    assert_verified(dir.path());
}

#[test]
fn a_subject_and_a_directory_may_be_in_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut command = Command::new(BINARY);
    command.args(["hook", "--strict"]).env("HALOD_DIR", dir.path()).env("HALOD_SUBJECT", "ACME");
    command.stdin(Stdio::piped());
    assert!(start(command, called("1").as_bytes()).wait().unwrap().success());
    hook(dir.path(), &called("2"));
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some("ACME")).len(), 1);
    assert_eq!(of_tenant(dir.path(), None).len(), 1);
}
