#![allow(clippy::unwrap_used)]

use super::*;
use crate::hash::{hex, sha256};
use std::io::Write;

#[derive(Default)]
struct Seen {
    issues: Vec<Issue>,
    bytes: u64,
}

impl Observer for Seen {
    fn issue(&mut self, issue: &Issue) {
        self.issues.push(issue.clone());
    }

    fn progress(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

impl Seen {
    fn rules(&self) -> Vec<(u64, Rule)> {
        self.issues.iter().map(|issue| (issue.line, issue.rule)).collect()
    }
}

/// A chain of canonical lines, `more` of each line's number going before its `integrity`.
fn chain(count: u64, more: impl Fn(u64) -> String) -> Vec<String> {
    let mut prev = "0".repeat(64);
    let mut lines = Vec::new();
    for n in 1..=count {
        let head = format!(
            r#"{{"action":{{"category":"safety","type":"read"}}{},"integrity":{{"alg":"sha-256","canon":"rfc8785","#,
            more(n)
        );
        let tail = format!(
            r#""prev_hash":"{prev}"}},"record_id":"r{n}","schema_version":"0.1","session_id":"s","ts":"2026-01-01T00:00:00Z"}}"#
        );
        let hash =
            hex(&sha256(format!("{head}{tail}").as_bytes())).map(char::from).iter().collect::<String>();
        lines.push(format!(r#"{head}"hash":"{hash}",{tail}"#));
        prev = hash;
    }
    lines
}

fn plain(count: u64) -> Vec<String> {
    chain(count, |_| String::new())
}

fn verified(lines: &[String]) -> (Report, Seen) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut seen = Seen::default();
    let report = verify(file.path(), &mut seen).unwrap();
    assert_eq!(seen.bytes, text.len() as u64);
    (report, seen)
}

#[test]
fn a_long_chain_is_intact_over_many_chunks() {
    let lines = plain(5000);
    let (report, seen) = verified(&lines);
    assert_eq!((report.verdict(), report.records, seen.issues.len()), (Verdict::Intact, 5000, 0));
    assert!(
        lines
            .last()
            .unwrap()
            .contains(&hex(&report.head.unwrap()).map(char::from).iter().collect::<String>())
    );
}

#[test]
fn one_changed_byte_is_found_in_its_line() {
    for at in [1, 777, 3000] {
        let mut lines = plain(3000);
        lines[at - 1] = lines[at - 1].replace("safety", "privacy");
        let (report, seen) = verified(&lines);
        assert_eq!(report.broken_at, Some(at as u64));
        assert_eq!(seen.rules(), [(at as u64, Rule::Hash)]);
        assert_eq!(report.head, None);
    }
}

#[test]
fn a_missing_record_is_told_from_a_changed_one() {
    let mut lines = plain(10);
    lines.remove(4);
    let (report, seen) = verified(&lines);
    assert_eq!(seen.rules(), [(5, Rule::PrevHash)]);
    assert!(seen.issues[0].text.contains("intact over the predecessor"), "{}", seen.issues[0]);
    assert_eq!(report.verdict(), Verdict::Broken);
}

#[test]
fn torn_lines_do_not_break_the_chain() {
    let mut lines = plain(4);
    lines.insert(2, lines[2][..50].to_owned());
    lines.insert(1, String::new());
    let (report, seen) = verified(&lines);
    assert_eq!(seen.rules(), [(4, Rule::Json)]);
    assert_eq!((report.torn, report.broken_at, report.records), (1, None, 5));
    assert!(report.head.is_some());
}

#[test]
fn repeated_ids_and_unknown_parents_are_named() {
    let lines = chain(6, |n| match n {
        2 => r#","data":{}"#.to_owned(),
        _ => String::new(),
    });
    let again: Vec<String> = lines.iter().chain(&lines[1..3]).cloned().collect();
    let (report, seen) = verified(&again);
    assert_eq!(seen.rules(), [(7, Rule::PrevHash), (7, Rule::RepeatedId), (8, Rule::RepeatedId)]);
    assert!(seen.issues[1].text.contains(r#""r2" was already used in line 2"#), "{}", seen.issues[1]);
    assert_eq!(report.faults, 3);
}

#[test]
fn a_line_full_of_faults_is_told_in_part_and_counted_in_whole() {
    let findings = vec!["5"; 1000].join(",");
    let lines = chain(1, |_| format!(r#","findings":[{findings}]"#));
    let (report, seen) = verified(&lines);
    assert_eq!((report.faults, seen.issues.len()), (1000, 20));
    assert_eq!(report.broken_at, None);
}

#[test]
fn unreadable_paths_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Seen::default();
    assert!(matches!(verify(dir.path(), &mut seen), Err(VerifyError::Read { .. })));
    assert!(matches!(verify(&dir.path().join("none"), &mut seen), Err(VerifyError::Read { .. })));
}
