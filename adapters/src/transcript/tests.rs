#![allow(clippy::unwrap_used, clippy::panic)]

use super::join::{Joiner, Line};
use super::{Client, event};
use halod_record::event::{Action, Content, Event, Fact, Keyed, Origin, Status};
use halod_record::json::parse;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const CLAUDE: &str = include_str!("../../golden/transcript/claude-code.fork.jsonl");
const CODEX: &str = include_str!("../../golden/transcript/codex.kinds.jsonl");
const OLD: &str = include_str!("../../golden/transcript/codex.old.jsonl");

/// Calls `each` with what comes of lines.
fn read<'l>(
    client: Client,
    room: usize,
    lines: impl IntoIterator<Item = &'l str>,
    mut each: impl FnMut(Result<Event<'_>, String>),
) -> u64 {
    let mut joiner = Joiner::new(client, room);
    let mut aside = 0;
    let mut joined = Vec::new();
    for (at, line) in lines.into_iter().enumerate() {
        aside += u64::from(joiner.push(line.as_bytes(), at) == Line::Aside);
        joined.extend(std::iter::from_fn(|| joiner.due(false)));
    }
    joined.extend(std::iter::from_fn(|| joiner.due(true)));
    aside += joiner.left();
    assert!(joiner.is_empty());
    for row in joined {
        let text = String::from_utf8(row.text).unwrap();
        each(event(client, &parse(&text).unwrap()).map_err(|why| why.to_string()));
    }
    aside
}

fn id(event: &Event<'_>) -> String {
    match &event.origin {
        Origin::Keyed(Keyed { id, .. }) => id.join(" / "),
        other => panic!("{other:?}"),
    }
}

/// All that each action tells, by its id; how often one came that was there.
fn told<'l>(
    client: Client,
    room: usize,
    lines: impl IntoIterator<Item = &'l str>,
) -> (BTreeMap<String, String>, usize) {
    let (mut all, mut again) = (BTreeMap::new(), 0);
    read(client, room, lines, |event| {
        if let Ok(event) = event {
            again += usize::from(all.insert(id(&event), format!("{event:?}")).is_some());
        }
    });
    (all, again)
}

fn ids(told: &BTreeMap<String, String>) -> BTreeSet<&String> {
    told.keys().collect()
}

fn only(client: Client, lines: &[&str], check: impl FnOnce(&Event<'_>)) {
    let mut checks = Some(check);
    read(client, usize::MAX, lines.iter().copied(), |event| {
        let check = checks.take().unwrap_or_else(|| panic!("{event:?} comes besides"));
        check(&event.unwrap());
    });
    assert!(checks.is_none(), "nothing came");
}

fn fact<'e>(event: &'e Event<'_>, key: &str) -> Option<&'e Fact<'e>> {
    event.facts.iter().find(|(known, _)| *known == key).map(|(_, fact)| fact)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With room for all of it, a transcript tells the same however its lines are ordered and repeated.
    #[test]
    fn an_order_and_repetitions_change_nothing(
        order in Just((0..CLAUDE.lines().count()).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let lines: Vec<&str> = CLAUDE.lines().collect();
        let (whole, _) = told(Client::ClaudeCode, usize::MAX, lines.iter().copied());
        let mixed = order.iter().map(|at| lines[*at]).chain(again.iter().map(|at| *at.get(&lines)));
        prop_assert_eq!(told(Client::ClaudeCode, usize::MAX, mixed), (whole, 0));
    }

    /// Of a piece come actions of the whole, each once; with little room some come in parts, under their own ids.
    #[test]
    fn a_piece_tells_of_no_other_actions(
        from in 0..40_usize,
        length in 1..60_usize,
        room in prop::sample::select(vec![0, 2_000, 20_000, usize::MAX]),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        for (client, text) in [(Client::ClaudeCode, CLAUDE), (Client::Codex, CODEX), (Client::Codex, OLD)] {
            let lines: Vec<&str> = text.lines().collect();
            let (whole, none) = told(client, usize::MAX, lines.iter().copied());
            prop_assert_eq!(none, 0);
            let piece = &lines[from.min(lines.len() - 1)..lines.len().min(from.min(lines.len() - 1) + length)];
            let repeated = again.iter().map(|at| *at.get(piece));
            let (told, twice) = told(client, room, piece.iter().copied().chain(repeated));
            prop_assert!(ids(&told).is_subset(&ids(&whole)), "{:?}", ids(&told).difference(&ids(&whole)));
            prop_assert!(room != usize::MAX || twice == 0);
        }
    }

    /// A transcript that has grown tells of what it told before, and more.
    #[test]
    fn what_was_told_is_told_again(cut in 1..80_usize) {
        for (client, text) in [(Client::ClaudeCode, CLAUDE), (Client::Codex, CODEX), (Client::Codex, OLD)] {
            let lines: Vec<&str> = text.lines().collect();
            let (before, _) = told(client, usize::MAX, lines.iter().copied().take(cut));
            let (after, _) = told(client, usize::MAX, lines.iter().copied());
            prop_assert!(ids(&before).is_subset(&ids(&after)));
        }
    }

    #[test]
    fn any_text_is_taken_set_aside_or_given_back(lines in prop::collection::vec(".{0,80}", 0..20)) {
        for client in [Client::ClaudeCode, Client::Codex] {
            read(client, 100, lines.iter().map(String::as_str), |event| drop(event));
        }
    }
}

const ASKS: &str = r#"{"type":"assistant","uuid":"u1","sessionId":"s","timestamp":"2026-01-01T00:00:01.000Z","message":{"id":"m1","model":"claude-x","content":[{"type":"tool_use","id":"t1","name":"mcp__a__b","input":{"x":1}}],"usage":{"input_tokens":3,"output_tokens":1}}}"#;

#[test]
fn a_call_without_a_result_is_unfinished_and_one_with_it_is_not() {
    let mut statuses = Vec::new();
    read(Client::ClaudeCode, usize::MAX, [ASKS], |event| statuses.push(event.unwrap().outcome.status));
    assert_eq!(statuses, [Status::Ok, Status::Unfinished]);
    let answer = r#"{"type":"user","timestamp":"2026-01-01T00:00:02.000Z","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"done"}]}}"#;
    read(Client::ClaudeCode, usize::MAX, [ASKS, answer], |event| {
        let event = event.unwrap();
        if let Action::Tool { name, mcp_server, call_id } = &event.action {
            assert_eq!(
                (name.as_ref(), mcp_server.as_deref(), call_id.as_deref()),
                ("b", Some("a"), Some("t1"))
            );
            assert_eq!(event.outcome.status, Status::Ok);
            assert_eq!(event.ended.unwrap() - event.started.unwrap(), 1_000_000_000);
        }
    });
}

#[test]
fn the_result_of_a_call_that_is_not_there_is_rejected() {
    let answer = r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"done"}]}}"#;
    let mut why = Vec::new();
    read(Client::ClaudeCode, usize::MAX, [answer], |event| why.extend(event.err()));
    assert_eq!(why, ["tool_use_id: the result of a tool call that is not in the file"]);
    let output =
        r#"{"type":"response_item","payload":{"type":"function_call_output","call_id":"c","output":"x"}}"#;
    let begin = r#"{"type":"session_meta","payload":{"id":"s","cli_version":"1"}}"#;
    why.clear();
    read(Client::Codex, usize::MAX, [output], |event| why.extend(event.err()));
    read(Client::Codex, usize::MAX, [begin, output], |event| why.extend(event.err()));
    assert!(why[0].starts_with("session_meta:") && why[1].starts_with("call_id:"), "{why:?}");
}

#[test]
fn usage_is_that_of_the_line_that_counts_most() {
    let more = ASKS.replace(r#""output_tokens":1"#, r#""output_tokens":9"#).replace("t1", "t2");
    read(Client::ClaudeCode, usize::MAX, [ASKS, &more, ASKS], |event| {
        let event = event.unwrap();
        if matches!(event.action, Action::Generate { .. }) {
            assert_eq!(event.usage.output_tokens, Some(9));
        }
    });
}

#[test]
fn what_only_the_provider_can_read_is_left_out() {
    let line = r#"{"type":"assistant","uuid":"u","message":{"id":"m","content":[{"type":"thinking","thinking":"hm","signature":"c2VjcmV0"}]}}"#;
    only(Client::ClaudeCode, &[line], |event| {
        let Content::Value(told) = &event.outcome.result else { panic!("{event:?}") };
        let told = format!("{told:?}");
        assert!(told.contains("hm") && !told.contains("c2VjcmV0"), "{told}");
    });
}

#[test]
fn calls_of_two_answers_may_have_one_id() {
    let other = ASKS.replace("\"m1\"", "\"m2\"").replace("\"u1\"", "\"u2\"");
    let (told, again) = told(Client::ClaudeCode, usize::MAX, [ASKS, &other]);
    let tools: Vec<_> = told.keys().filter(|id| id.starts_with("tool")).collect();
    assert_eq!((tools, again), (vec![&"tool / m1 / t1".to_owned(), &"tool / m2 / t1".to_owned()], 0));
}

#[test]
fn what_claude_code_says_itself_is_no_answer() {
    let said = r#"{"type":"assistant","uuid":"u","message":{"id":"m","model":"<synthetic>","content":[{"type":"text","text":"No response requested."}]}}"#;
    assert_eq!(read(Client::ClaudeCode, usize::MAX, [said], |event| panic!("{event:?}")), 1);
    let limit = said.replace("\"uuid\"", "\"isApiErrorMessage\":true,\"error\":\"rate_limit\",\"uuid\"");
    only(Client::ClaudeCode, &[&limit], |event| {
        assert_eq!(event.outcome.error_type.as_deref(), Some("rate_limit"));
        assert_eq!(event.outcome.status, Status::Error);
    });
}

#[test]
fn tools_of_the_provider_are_told_with_the_answer() {
    let line = r#"{"type":"assistant","uuid":"u","message":{"id":"m","content":[{"type":"server_tool_use","id":"s1","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"s1","content":{"type":"web_search_tool_result_error","error_code":"max_uses_exceeded"}}]}}"#;
    let mut tools = 0;
    read(Client::ClaudeCode, usize::MAX, [line], |event| {
        let event = event.unwrap();
        if matches!(event.action, Action::Tool { .. }) {
            tools += 1;
            assert_eq!(event.outcome.status, Status::Error);
            assert_eq!(event.outcome.error_type.as_deref(), Some("max_uses_exceeded"));
        }
    });
    assert_eq!(tools, 1);
}

const BEGIN: &str = r#"{"timestamp":"2026-01-01T00:00:00.000Z","type":"session_meta","payload":{"id":"s","cli_version":"1"}}"#;

fn codex_call(output: &str, between: &str) -> Vec<String> {
    let line = |at: u32, kind: &str, payload: &str| {
        format!(r#"{{"timestamp":"2026-01-01T00:00:0{at}.000Z","type":"{kind}","payload":{payload}}}"#)
    };
    let mut lines = vec![
        BEGIN.to_owned(),
        line(
            1,
            "response_item",
            r#"{"type":"local_shell_call","call_id":"c","status":"completed","action":{"type":"exec","command":["ls"]}}"#,
        ),
    ];
    if !between.is_empty() {
        lines.push(line(2, "event_msg", between));
    }
    lines.push(line(
        3,
        "response_item",
        &format!(r#"{{"type":"function_call_output","call_id":"c","output":{output}}}"#),
    ));
    lines
}

#[test]
fn how_a_call_of_codex_ended_is_told_by_its_output_or_beside_it() {
    for (output, between, status) in [
        (r#""fine""#, "", Status::Ok),
        (r#""Exit code: 2\nOutput:\nno""#, "", Status::Error),
        (r#"{"content":"no","success":false}"#, "", Status::Error),
        (r#""no""#, r#"{"type":"exec_command_end","call_id":"c","exit_code":1}"#, Status::Error),
        (r#""no""#, r#"{"type":"mcp_tool_call_end","call_id":"c","result":{"Err":"gone"}}"#, Status::Error),
        (
            r#""no""#,
            r#"{"type":"mcp_tool_call_end","call_id":"c","result":{"Ok":{"isError":true}}}"#,
            Status::Error,
        ),
        (
            r#""yes""#,
            r#"{"type":"mcp_tool_call_end","call_id":"c","result":{"Ok":{"isError":false}}}"#,
            Status::Ok,
        ),
        (r#""exec command rejected by user""#, "", Status::Denied),
        (
            r#""no""#,
            r#"{"type":"item_completed","item":{"type":"CommandExecution","id":"c","status":"declined"}}"#,
            Status::Denied,
        ),
    ] {
        let lines = codex_call(output, between);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        only(Client::Codex, &lines, |event| {
            assert_eq!(event.outcome.status, status, "{output} {between}");
            let Action::Tool { name, .. } = &event.action else { panic!("{event:?}") };
            assert_eq!(name, "local_shell");
        });
    }
}

#[test]
fn a_sub_agent_is_named() {
    let line = ASKS.replace(
        "\"uuid\"",
        "\"isSidechain\":true,\"agentId\":\"a1\",\"attributionAgent\":\"Explore\",\"uuid\"",
    );
    read(Client::ClaudeCode, usize::MAX, [line.as_str()], |event| {
        let event = event.unwrap();
        assert_eq!((event.agent.id.as_deref(), event.agent.name.as_deref()), (Some("a1"), Some("Explore")));
        assert_eq!(fact(&event, "sidechain"), Some(&Fact::Flag(true)));
        assert_eq!(event.session.as_deref(), Some("s"));
    });
}

#[test]
fn a_line_of_more_tool_calls_than_one_may_tell_of_is_given_back() {
    let call = |n: usize| format!(r#"{{"type":"tool_use","id":"t{n}","name":"n"}}"#);
    let line = |calls: usize| {
        let calls: Vec<String> = (0..calls).map(call).collect();
        format!(r#"{{"type":"assistant","uuid":"u","message":{{"id":"m","content":[{}]}}}}"#, calls.join(","))
    };
    for (calls, became) in [(500, Line::Taken), (2_000, Line::Unread)] {
        let mut joiner = Joiner::new(Client::ClaudeCode, usize::MAX);
        assert_eq!(joiner.push(line(calls).as_bytes(), 0), became);
    }
}
