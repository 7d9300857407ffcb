//! `halod query`: what a reader of chains asks, and is answered.

mod follow;
mod forms;
mod verified;

use crate::support::halod::{Halod, halod};
use crate::support::{reference, root, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;
use std::time::Duration;

/// What was printed, and the exit code.
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) notes: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), notes: text(output.stderr) }
    }
}

pub(super) fn query(arguments: &[&str], path: &Path) -> Answer {
    let all: Vec<&str> = ["query"].iter().chain(arguments).copied().collect();
    halod(&all, &[path.to_owned()]).into()
}

/// Chains of what real clients sent, sealed by the daemon, and signed: some tenants, and many kinds of records.
pub(super) fn chains() -> &'static Path {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, chains) = MADE.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        let (config, chains) = (place.path().join("halod.yaml"), place.path().join("records"));
        std::fs::write(
            &config,
            "checkpoint: { interval: 1s }\nreceivers:\n  hold:\n    wait: 1s\n  otlp:\n    join_wait: 1s\n",
        )
        .unwrap();
        let halod = Halod::start_with(&chains, &["--config", config.to_str().unwrap()]);
        let index = std::fs::read(root().join("tests/corpus/index.json")).unwrap();
        let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
        for folder in &index {
            let place = root().join("tests/corpus").join(folder["folder"].as_str().unwrap());
            for request in folder["requests"].as_array().unwrap() {
                let text = |key: &str| request[key].as_str().unwrap();
                let body = std::fs::read(place.join(text("file"))).unwrap();
                let sent =
                    halod.connect().post(text("path"), &[("content-type", text("type"))], &body).unwrap();
                assert!((200..300).contains(&sent.status), "{}: {}", place.display(), sent.text());
            }
        }
        wait_until("nothing is held any more", Duration::from_secs(60), || {
            halod.metric("halod_items_in_flight", "") == 0
        });
        let signed = || halod.metric("halod_log_records_total", "") >= halod.sealed();
        wait_until("all is signed", Duration::from_secs(60), signed);
        assert!(halod.terminate().success());
        (place, chains)
    });
    chains
}

/// The places of records in an answer in JSON.
fn places(answer: &Answer) -> Vec<Value> {
    let place = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["record"].is_object(), "{line}");
        serde_json::json!([record["chain"], record["line"]])
    };
    answer.out.lines().map(place).collect()
}

/// The groups of a count in JSON, as the oracle names them.
fn groups(answer: &Answer, by: &str) -> Value {
    let group = |line: &str| {
        let told: Value = serde_json::from_str(line).unwrap();
        let key: Vec<&Value> = by.split(',').map(|name| &told[name]).collect();
        let parts: Vec<String> = key.iter().map(|value| value.to_string()).collect();
        (
            format!("[{}]", parts.join(", ")),
            serde_json::json!([told["calls"], told["failed"], told["records"]]),
        )
    };
    Value::Object(answer.out.lines().map(group).collect())
}

fn unescaped(groups: &Value) -> Vec<(Value, Value)> {
    let groups = groups.as_object().unwrap();
    let mut groups: Vec<_> =
        groups.iter().map(|(key, value)| (serde_json::from_str(key).unwrap(), value.clone())).collect();
    groups.sort_by_key(|(key, _): &(Value, Value)| key.to_string());
    groups
}

/// Every question is answered as by who reads each line with Python.
#[test]
fn answers_are_those_of_who_reads_every_line() {
    let dir = chains();
    let told = reference::ask_python("query_oracle.py", &[dir], "");
    let (mut asked, mut counted, mut wrong) = (0, 0, Vec::new());
    for line in told.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let arguments: Vec<&str> =
            case[0].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let answer = query(&[arguments.as_slice(), &["--json"]].concat(), dir);
        let is_right = if let Some(by) = arguments[0].strip_prefix("--count=") {
            counted += 1;
            unescaped(&groups(&answer, by)) == unescaped(&case[1])
        } else {
            asked += 1;
            let expected = case[1].as_array().unwrap();
            let code = if expected.is_empty() { 3 } else { 0 };
            let told = answer.notes.starts_with(&format!("{} of ", expected.len()));
            places(&answer) == *expected && answer.code == code && told
        };
        if !is_right {
            let out: String = answer.out.chars().take(600).collect();
            wrong.push(format!("{arguments:?}: {out}\n{}\nexpected {}", answer.notes, case[1]));
        }
    }
    assert!(asked >= 60 && counted >= 4, "{asked} questions, {counted} counts");
    assert!(wrong.is_empty(), "{} of {asked} and {counted}:\n{}", wrong.len(), wrong.join("\n"));
}

/// A record is printed as it lies in its chain.
#[test]
fn json_lines_have_the_record_byte_for_byte() {
    let dir = chains();
    let answer = query(&["--json", "--tool", "model.generate", "-n", "20"], dir);
    assert_eq!(answer.out.lines().count(), 20);
    for line in answer.out.lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        let chain =
            std::fs::read_to_string(dir.join(format!("{}.jsonl", told["chain"].as_str().unwrap()))).unwrap();
        let own = chain.lines().nth(told["line"].as_u64().unwrap() as usize - 1).unwrap();
        assert!(line.ends_with(&format!("\"record\":{own}}}")), "{line}");
    }
    assert!(answer.notes.contains("; the first 20 are shown"), "{}", answer.notes);
}

/// Of a chain of mapping 2, where every account of a call is a call, each call counts once.
#[test]
fn calls_of_old_chains_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let record = |n: u32, tool: &str, span: &str, parent: &str, more: &str, status: &str| {
        format!(
            r#"{{"action":{{"category":"safety","tool":"{tool}","type":"tool_call"}},"agent":{{"model":"m"}},"data":{{{more}"parent_span_id":"{parent}","span_id":"{span}","started_at":"2026-10-05T10:00:00Z","trace_id":"t"}},"integrity":{{"hash":"ab"}},"outcome":{{"status":"{status}"}},"record_id":"00000000-0000-8000-8000-{n:012}","source":{{"adapter":"otel","mapping":"2"}},"ts":"2026-10-05T10:00:01Z"}}"#
        )
    };
    let lines = [
        // A wrapper's call around a provider's, which stands first because it ended first.
        record(1, "model.generate", "b", "a", "", "ok"),
        record(2, "model.generate", "a", "", "", "ok"),
        // A client's and a server's account of one tool call, one of which failed.
        record(3, "lookup", "c", "a", r#""call_id":"x","#, "error"),
        record(4, "lookup", "d", "", r#""call_id":"x","#, "ok"),
        record(5, "lookup", "e", "", r#""call_id":"y","#, "ok"),
    ];
    let path = dir.path().join("old.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let counted = query(&["--json", "--count", "tool"], &path);
    assert_eq!(
        counted.out,
        "{\"tool\":\"lookup\",\"calls\":2,\"failed\":1,\"records\":3}\n\
         {\"tool\":\"model.generate\",\"calls\":1,\"failed\":0,\"records\":2}\n"
    );
    let newer = lines.map(|line| line.replace("\"mapping\":\"2\"", "\"mapping\":\"3\""));
    std::fs::write(&path, newer.join("\n")).unwrap();
    assert!(query(&["--json", "--count", "tool"], &path).out.contains(r#""calls":3,"failed":1,"records":3"#));
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let dir = chains();
    for (arguments, said) in [
        (&["--happened", "yesterday"][..], "\"yesterday\" is no time: write 2026-10-05"),
        (&["--sealed", "2026-10-06..2026-10-05"], "which is earlier"),
        (&["--status", "failed"], "it is one of ok, error, denied"),
        (&["--text", ""], "leave it out"),
        (&["--columns", "tools"], "\"tools\" is no column"),
        (&["--count", "by tool"], "is no column"),
        (&["--csv", "--json"], "cannot be used with"),
        (&["--follow", "--verify"], "cannot be used with"),
    ] {
        let answer = query(arguments, dir);
        assert!(answer.code == 2 && answer.out.is_empty() && answer.notes.contains(said), "{}", answer.notes);
    }
    let none = query(&[], &dir.join("none.jsonl"));
    assert!(none.code == 2 && none.notes.contains("cannot read"), "{}", none.notes);
}
