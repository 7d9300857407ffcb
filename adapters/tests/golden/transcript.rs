//! Golden files of transcripts: `golden/transcript/<client>.<case>.jsonl` is what Claude Code 2.1.197 and Codex CLI
//! 0.171.0 wrote when they ran against a model server of our own, paths replaced, long texts cut; `.events.json` what the
//! adapter makes of it. `codex.old` is `codex.resumed` as Codex wrote it before it had `token_usage_record`, by its
//! source.

use super::event::event_value;
use super::files::{as_recorded, directory, inputs};
use halo_adapters::transcript::join::{Joiner, Line};
use halo_adapters::transcript::{Client, event};
use halod_record::event::{Action, Event, Status};
use halod_record::json::parse;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    inputs(&directory("transcript"), ".events.json")
}

fn client(path: &Path) -> Client {
    match path.file_name().unwrap().to_str().unwrap().split('.').next() {
        Some("claude-code") => Client::ClaudeCode,
        Some("codex") => Client::Codex,
        other => panic!("{other:?}"),
    }
}

/// Calls `each` with every event of a case; how many lines tell of none.
fn walk(path: &Path, mut each: impl FnMut(Result<Event<'_>, String>)) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let mut joiner = Joiner::new(client(path), usize::MAX);
    let mut aside = 0;
    for (at, line) in text.lines().enumerate() {
        match joiner.push(line.as_bytes(), at) {
            Line::Taken => {}
            Line::Aside => aside += 1,
            Line::Unread => panic!("{}: line {at}", path.display()),
        }
    }
    while let Some(joined) = joiner.due(true) {
        let row = parse(std::str::from_utf8(&joined.text).unwrap()).unwrap();
        each(event(client(path), &row).map_err(|unusable| unusable.to_string()));
    }
    aside + joiner.left()
}

#[test]
fn events_are_as_recorded() {
    as_recorded(cases().into_iter().map(|path| {
        let mut events = Vec::new();
        let aside = walk(&path, |event| {
            events.push(event.map_or_else(|why| json!({ "rejected": why }), |event| event_value(&event)));
        });
        events.push(json!({ "filtered": aside }));
        (path.with_extension("events.json"), Value::Array(events))
    }));
}

/// Model calls that came off and that failed, tool calls that came off, that failed and that were denied: as the model
/// server and the tools counted them.
#[rustfmt::skip]
const TRUTH: &[(&str, [usize; 5])] = &[
    ("claude-code.live", [8, 0, 4, 3, 0]),
    ("claude-code.agent", [5, 0, 3, 2, 1]),
    ("claude-code.subagent", [2, 0, 1, 0, 0]),
    // All of `agent` again, and what was done after it went on in a session of its own.
    ("claude-code.fork", [11, 0, 3, 6, 2]),
    // Claude Code tried it twice and told of it once.
    ("claude-code.error", [0, 1, 0, 0, 0]),
    ("claude-code.hook", [5, 0, 1, 2, 3]),
    ("codex.live", [3, 0, 1, 1, 0]),
    ("codex.resumed", [10, 0, 4, 4, 0]),
    // Whether an MCP server's tool failed stands in lines that this version did not write.
    ("codex.old", [10, 0, 6, 2, 0]),
    // A command that still ran when the session ended was stopped then.
    ("codex.kinds", [7, 0, 4, 4, 0]),
    ("codex.error", [0, 1, 0, 0, 0]),
];

#[test]
fn what_is_seen_is_what_was_done() {
    for (case, truth) in TRUTH {
        let mut seen = [0; 5];
        walk(&directory("transcript").join(format!("{case}.jsonl")), |event| {
            let event = event.unwrap();
            let at = match (&event.action, event.outcome.status) {
                (Action::Generate { .. }, Status::Ok) => 0,
                (Action::Generate { .. }, Status::Error) => 1,
                (Action::Tool { .. }, Status::Ok) => 2,
                (Action::Tool { .. }, Status::Error) => 3,
                (Action::Tool { .. }, Status::Denied) => 4,
                other => panic!("{other:?}"),
            };
            seen[at] += 1;
        });
        assert_eq!(seen, *truth, "{case}");
    }
    assert_eq!(cases().len(), TRUTH.len());
}
