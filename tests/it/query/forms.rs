//! In what form answers come: what records say acts on no terminal and no spreadsheet.

use super::{chains, query};
use crate::support::clients::python;
use crate::support::halod::BINARY;
use serde_json::Value;
use std::io::Read;
use std::process::{Command, Stdio};

/// A line that looks like a record, whose tool and summary are this text.
fn record(text: &str, data: &str) -> String {
    let text = Value::from(text).to_string();
    format!(
        r#"{{"action":{{"input":{{"summary":{text}}},"tool":{text},"type":"tool_call"}},"data":{{{data}}},"integrity":{{"hash":"ab"}},"session_id":"s","ts":"2026-10-05T10:00:01Z"}}"#
    )
}

const HOSTILE: [&str; 8] = [
    "=HYPERLINK(\"http://x\")",
    "+1+cmd|' /C calc'!A0",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{202e}gnp.exe\u{2066}",
    "line\r\nbreak, \"quoted\"",
    "\u{0}\u{9b}31m\u{ad}\u{200b}",
    "東京\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "-2",
];

fn hostile() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<String> = (0..400).map(|n| format!("\"k{n:03}\":{n}")).collect();
    let deep = format!("\"deep\":{}{}", "[".repeat(900), "]".repeat(900));
    let mut lines: Vec<Vec<u8>> =
        HOSTILE.iter().map(|text| record(text, "\"=x\":\"@y\"").into_bytes()).collect();
    lines.push(record("many", &many.join(",")).into_bytes());
    lines.push(record("deep", &deep).into_bytes());
    lines.push(record("twice", "\"a\":1,\"a\":2").into_bytes());
    lines.push(format!(" {}\r", record("crlf", "")).into_bytes());
    lines.push(b"   \r".to_vec());
    lines.push(record("t\\u006frn", "").into_bytes()[..60].to_vec());
    lines.push(b"{\"bad\":\"\xff\"}".to_vec());
    lines.push(b"[1]".to_vec());
    lines.push(record("last", "").replace("last", "l\\u0061st").into_bytes());
    std::fs::write(dir.path().join("x.jsonl"), lines.join(&b'\n')).unwrap();
    dir
}

#[test]
fn a_table_of_hostile_records_acts_on_no_terminal() {
    let dir = hostile();
    let answer = query(&["--columns", "line,tool,input,data.=x"], dir.path());
    assert_eq!(answer.code, 0, "{}", answer.notes);
    let acts = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{ad}')
    };
    assert!(!answer.out.contains(acts), "{:?}", answer.out);
    for shown in ["\\u{1b}[2J", "\\u{202e}gnp.exe", "line\\r\\nbreak", "東京"] {
        assert!(answer.out.contains(shown), "{shown}: {}", answer.out);
    }
    assert!(answer.out.contains("13 of 13 records matched"), "{}", answer.out);
    assert!(answer.out.contains("3 lines are no complete records"), "{}", answer.out);
}

#[test]
fn what_is_written_with_escapes_is_found() {
    let dir = hostile();
    for (tool, line) in [("last", 17), ("crlf", 12), ("-2", 8), ("line\r\nbreak, \"quoted\"", 5)] {
        let answer = query(&["--json", &format!("--tool={tool}")], dir.path());
        assert!(answer.out.contains(&format!("\"line\":{line},")), "{tool}: {} {}", answer.out, answer.notes);
        assert_eq!(answer.out.lines().count(), 1);
    }
    for line in query(&["--json"], dir.path()).out.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok() || line.contains("[[[["), "{line}");
    }
}

/// Reads CSV with Python's reader.
fn csv(text: &str) -> Vec<Vec<String>> {
    let script = "import csv,io,json,sys; print(json.dumps(list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(), newline='')))))";
    let mut command = python().command("python");
    let mut child = command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run python");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn csv_has_all_of_data_and_no_formula() {
    let dir = hostile();
    let answer = query(&["--csv"], dir.path());
    assert!(answer.notes.starts_with("13 of 13 records matched"), "{}", answer.notes);
    let rows = csv(&answer.out);
    assert_eq!(rows.len(), 14);
    let column =
        |name: &str| rows[0].iter().position(|head| head == name).unwrap_or_else(|| panic!("{name}"));
    for (row, text) in rows[1..].iter().zip(HOSTILE) {
        let guarded = format!("'{text}");
        let own = &row[column("tool")];
        assert!(*own == text && !text.starts_with(['=', '+']) || *own == guarded, "{own}");
        assert_eq!(row[column("data.=x")], "'@y");
    }
    let formula = |cell: &String| cell.starts_with(['=', '+', '@', '\t', '\r']);
    assert!(!rows.iter().flatten().any(formula));
    // 256 members have a column, and the last one has all others.
    assert_eq!(rows[0].iter().filter(|head| head.starts_with("data.")).count(), 256);
    let many = &rows[9];
    let told = rows[0]
        .iter()
        .zip(many)
        .filter(|(head, cell)| head.starts_with("data.k") && !cell.is_empty())
        .count();
    let others = many[column("data")].split("; ").count();
    assert_eq!(told + others, 400);
    assert_eq!(rows[11][column("data")], "a=2", "of two the last counts");
}

#[test]
fn csv_of_real_chains_has_a_column_for_each_member() {
    let dir = chains();
    let answer = query(&["--csv", "--tool", "model.generate"], dir);
    let rows = csv(&answer.out);
    let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
    let json = query(&["--json", "--tool", "model.generate"], dir);
    assert_eq!(json.out.lines().count(), rows.len() - 1);
    for (line, row) in json.out.lines().zip(&rows[1..]) {
        let told: Value = serde_json::from_str(line).unwrap();
        let record = &told["record"];
        assert_eq!(row[column("record_id")], record["record_id"].as_str().unwrap());
        assert_eq!(row[column("data")], "", "every member has its column");
        for (key, value) in record["data"].as_object().unwrap() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let cell = &row[column(&format!("data.{key}"))];
            assert!(*cell == text || *cell == format!("'{text}"), "{key}: {cell} {text}");
        }
    }
}

/// A chain is never held in memory, whatever is asked.
#[test]
fn memory_does_not_grow_with_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.jsonl");
    let line = record(&"lorem ipsum ".repeat(80), "\"n\":1") + "\n";
    std::fs::write(&path, line.repeat(60_000)).unwrap();
    assert!(path.metadata().unwrap().len() > 100 << 20);
    for arguments in
        [&["--json"][..], &["--csv"], &["--columns", "input"], &["--count", "tool,day", "--json"]]
    {
        let mut child = Command::new(BINARY);
        let child =
            child.arg("query").args(arguments).arg(&path).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        let (mut out, mut peak, mut buffer) = (child.stdout.take().unwrap(), 0, vec![0; 1 << 20]);
        let status = format!("/proc/{}/status", child.id());
        while out.read(&mut buffer).unwrap() > 0 {
            let told = std::fs::read_to_string(&status).unwrap_or_default();
            let own = told.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak = peak.max(own.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0));
        }
        assert!(child.wait().unwrap().success(), "{arguments:?}");
        // The program itself, which is large in a debug build, is among it.
        assert!(peak < 140 << 10, "{arguments:?}: {peak} KiB");
    }
}
