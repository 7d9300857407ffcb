//! What an answer says of the chain that it is from.

use super::{chains, query};
use crate::support::halod::halod;
use crate::support::reference;
use serde_json::Value;

/// `query --verify` says of every chain what `halod verify` says, and of what it found what it says without.
#[test]
fn verifying_on_the_way_gives_the_verdict_of_verify() {
    let dir = tempfile::tempdir().unwrap();
    let told = reference::ask_python("chains.py", &[dir.path()], "");
    let mut broken = 0;
    for line in told.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let path = dir.path().join(case[0].as_str().unwrap());
        let verified = halod(&["verify"], std::slice::from_ref(&path)).status.code().unwrap();
        let (with, without) = (query(&["--verify", "--json"], &path), query(&["--json"], &path));
        let expected = if verified == 1 || verified == 2 { verified } else { without.code };
        assert_eq!(with.code, expected, "{}: verify says {verified}: {}", path.display(), with.notes);
        assert_eq!(with.out, without.out, "{}", path.display());
        assert_eq!(with.notes.contains("BROKEN: line "), verified == 1, "{}: {}", path.display(), with.notes);
        broken += usize::from(verified == 1);
    }
    assert!(broken > 20, "{broken}");
}

/// Below an answer stands how far the log has signed the chain, or how far it was verified now.
#[test]
fn it_is_told_up_to_where_the_chain_is_known() {
    let dir = chains();
    let count = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().lines().count();
    let path = dir.join("local.jsonl");
    let answer = query(&["--tool", "model.generate"], &path);
    let (head, records) = (head_of(&path), count(&path));
    let signed = format!("signed its first {records} records, up to head {head}\n");
    assert!(
        answer.out.contains("local: not verified now; epoch ") && answer.out.contains(&signed),
        "{}",
        answer.out
    );
    let answer = query(&["--tool", "model.generate", "--verify"], &path);
    assert!(
        answer.out.contains(&format!("local: verified now: {records} records, up to head {head}\n")),
        "{}",
        answer.out
    );
    let alone = tempfile::tempdir().unwrap();
    std::fs::copy(&path, alone.path().join("local.jsonl")).unwrap();
    let answer = query(&["--tool", "model.generate"], alone.path());
    assert!(answer.out.contains("local: not verified now; no log signed it"), "{}", answer.out);
}

fn head_of(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["integrity"]["hash"].as_str().unwrap().to_owned()
}

/// A loss is told below what was found in its window, whatever else was asked for.
#[test]
fn losses_of_the_window_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let notice = |day: u32, tool: &str, status: &str| {
        format!(
            r#"{{"action":{{"tool":"{tool}","type":"agent_message"}},"integrity":{{"hash":"ab"}},"outcome":{{"status":"{status}"}},"source":{{"adapter":"halod"}},"ts":"2026-10-{day:02}T00:00:00Z"}}"#
        )
    };
    let lines = [
        notice(5, "halod.gap", "error"),
        notice(5, "halod.gap", "error"),
        notice(5, "halod.lines_known", "ok"),
        notice(6, "halod.torn_tail", "error"),
        notice(5, "pay", "error").replace("\"halod\"", "\"otel\""),
    ];
    let path = dir.path().join("x.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let day = query(&["--sealed", "2026-10-05", "--tool", "pay"], &path);
    assert!(day.out.contains("1 of 5 records matched"), "{}", day.out);
    assert!(day.out.contains("2 notices of losses lie in this window (halod.gap 2)"), "{}", day.out);
    let all = query(&["--tool", "nothing"], &path);
    assert!(all.code == 3 && all.out.contains("3 notices of losses"), "{}", all.out);
    assert!(!query(&["--sealed", "2026-10-07.."], &path).out.contains("notice"));
}
