//! Golden files of hooks: `golden/hook/<client>.jsonl` has what the client's hooks said on standard input, an event a line,
//! paths replaced; `.events.json` what the adapter makes of it. Claude Code's are of 2.1.197 in a session of its own, and of 2.1.332, where one call was not allowed;
//! Codex' of 0.171.0 against a model server of our own; Gemini CLI's are written by its documentation.

use super::event::event_value;
use super::files::{as_recorded, directory, inputs};
use halo_adapters::hook::{Capture, event};
use halod_record::event::{Action, Status};
use halod_record::json::parse;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    inputs(&directory("hook"), ".events.json")
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn events_are_as_recorded() {
    as_recorded(cases().into_iter().map(|path| {
        let mut filtered = 0;
        let mut events = Vec::new();
        for (at, line) in lines(&path).iter().enumerate() {
            let said = parse(line).unwrap();
            let id = format!("made-{at}");
            let capture = Capture { at: 1_795_336_686_549_854_321, id: &id, client: None };
            match event(&said, &capture).unwrap() {
                Some(event) => events.push(event_value(&event)),
                None => filtered += 1,
            }
        }
        events.push(json!({ "filtered": filtered }));
        (path.with_extension("events.json"), Value::Array(events))
    }));
}

/// Calls that came off, that failed, and of which that is not told, as the clients and the tools counted them.
#[test]
fn every_call_is_told_once() {
    for (case, expected) in [
        ("claude-code", [4, 3, 0]),
        ("claude-code-332", [1, 1, 0]),
        ("codex", [0, 0, 2]),
        ("gemini", [2, 2, 0]),
    ] {
        let mut counts = [0; 3];
        for line in lines(&directory("hook").join(format!("{case}.jsonl"))) {
            let said = parse(&line).unwrap();
            let capture = Capture { at: 1, id: "x", client: None };
            let Some(event) = event(&said, &capture).unwrap() else { continue };
            assert_eq!(
                event.source.dialect.split('.').next(),
                Some(&*case.replace("-332", "").replace('-', "_").replace("gemini", "gemini_cli"))
            );
            let Action::Tool { .. } = event.action else { continue };
            match event.outcome.status {
                Status::Ok => counts[0] += 1,
                Status::Unknown => counts[2] += 1,
                _ => counts[1] += 1,
            }
        }
        assert_eq!(counts, expected, "{case}");
    }
}
