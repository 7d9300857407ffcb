//! `halod verify` says of every chain what `halo verify` says.

use crate::support::reference;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn halod(args: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_halod")).args(args).arg(path).output().unwrap()
}

struct Case {
    file: String,
    right: i64,
    reference: i64,
    said: String,
    finding: Option<(u64, String)>,
}

fn cases(dir: &Path) -> Vec<Case> {
    let read = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        let finding =
            case[4].as_array().map(|at| (at[0].as_u64().unwrap(), at[1].as_str().unwrap().to_owned()));
        Case {
            file: case[0].as_str().unwrap().to_owned(),
            right: case[1].as_i64().unwrap(),
            reference: case[2].as_i64().unwrap(),
            said: case[3].as_str().unwrap().to_owned(),
            finding,
        }
    };
    reference::ask_python("chains.py", &[dir], "").lines().map(read).collect()
}

/// What is wrong with halod's verdict on one chain.
fn disagreement(case: &Case, path: &Path) -> Option<String> {
    let output = halod(&["verify", "--json"], path);
    let code = i64::from(output.status.code().unwrap());
    if code != case.right || case.reference != case.right {
        return Some(format!("halod exits {code}, halo {}, right is {}", case.reference, case.right));
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let issues = report["issues"].as_array().unwrap();
    let named = |(line, rule): &(u64, String)| {
        issues.iter().any(|issue| issue["line"] == *line && issue["rule"] == **rule)
    };
    match &case.finding {
        Some(finding) if !named(finding) => return Some(format!("{finding:?} is not among {issues:?}")),
        None if !issues.is_empty() => return Some(format!("unexpected {issues:?}")),
        _ => {}
    }
    // What both tell of single records, they tell of as many.
    for (rule, words) in [
        ("time", "is earlier than the previous"),
        ("repeated-id", ": duplicate record_id "),
        ("parent", "not found earlier in this chain"),
    ] {
        let ours = issues.iter().filter(|issue| issue["rule"] == rule).count();
        let theirs = case.said.matches(words).count();
        if ours != theirs && !case.said.starts_with("crash") {
            return Some(format!("{rule}: halod tells of {ours}, halo of {theirs}"));
        }
    }
    // The reference names four ways to fail; it stops at the first byte that is not UTF-8, and
    // nesting ends it at a depth that depends on Python's version.
    let nested = case.file.starts_with("deep-");
    if nested || case.said.starts_with("crash") || case.said.contains("not valid UTF-8") {
        return None;
    }
    let (torn, broken_at) = (report["torn"].as_u64().unwrap() > 0, !report["broken_at"].is_null());
    let kind = |words: &str| case.said.contains(words);
    let agrees = kind("sequence integrity gap") == broken_at
        && kind("are not complete records") == (torn && !broken_at)
        && (kind("do not match the record format") || kind("repeat a key"))
            == (code == 1 && !torn && !broken_at);
    (!agrees).then(|| format!("kind of failure: {report} against {}", case.said))
}

#[test]
fn every_chain_gets_the_references_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases(dir.path());
    assert!(cases.len() >= 60, "only {} chains", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            Some(format!("{}: {}", case.file, disagreement(case, &dir.path().join(&case.file))?))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} chains:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_text_names_line_rule_expected_and_found() {
    let dir = tempfile::tempdir().unwrap();
    cases(dir.path());
    let output = halod(&["verify"], &dir.path().join("edit-summary.jsonl"));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "line 2: hash: the stored hash is not the hash of the content (expected ";
    assert!(text.contains(expected) && text.contains(", found "), "{text}");
    assert!(text.contains("FAIL: the hash chain breaks at line 2"), "{text}");
}

#[test]
fn a_directory_is_its_chains() {
    let dir = tempfile::tempdir().unwrap();
    let verdict = |path: &Path| halod(&["verify"], path).status.code();
    assert_eq!(verdict(dir.path()), Some(3));
    assert_eq!(verdict(&dir.path().join("none.jsonl")), Some(2));
    let made = tempfile::tempdir().unwrap();
    cases(made.path());
    for (from, to, code) in [
        ("plain.jsonl", "a.jsonl", 0),
        ("edit-first.jsonl", ".hidden.jsonl", 0),
        ("edit-first.jsonl", "b.jsonl.lock", 0),
        ("empty.jsonl", "c.jsonl", 0),
        ("edit-first.jsonl", "d.jsonl", 1),
    ] {
        std::fs::copy(made.path().join(from), dir.path().join(to)).unwrap();
        assert_eq!(verdict(dir.path()), Some(code), "with {to}");
    }
}

/// The second reference verifier, which is weaker: it must accept whatever is intact.
#[test]
fn the_npm_verifier_accepts_what_is_intact() {
    let dir = tempfile::tempdir().unwrap();
    cases(dir.path());
    let script = "import {verifyLog} from 'halo-record';
        for (const path of process.argv.slice(1)) { const r = verifyLog(path); console.log(r.ok && !r.empty); }";
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-e", script]).current_dir(reference::node());
    for name in ["plain", "recorder", "crlf", "canonical", "unknown-fields", "edit-first", "drop-middle"] {
        command.arg(dir.path().join(format!("{name}.jsonl")));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>().join(" "),
        "true true true true true false false",
        "{problem}"
    );
}
