#![allow(clippy::unwrap_used)]

use super::*;
use halod_record::json::parse;

fn told(said: &str) -> Event<'_> {
    maybe(said).unwrap()
}

fn maybe(said: &str) -> Option<Event<'_>> {
    let capture = Capture { at: 10_000_000_000, id: "made-1", client: None };
    event(&parse(said).unwrap(), &capture).unwrap()
}

fn fact<'e>(event: &'e Event<'_>, key: &str) -> Option<&'e Fact<'e>> {
    event.facts.iter().find_map(|(known, fact)| (*known == key).then_some(fact))
}

#[test]
fn a_call_that_came_off() {
    let event = told(
        r#"{"session_id":"s","prompt_id":"p","hook_event_name":"PostToolUse","tool_name":"Bash","permission_mode":"default",
        "tool_input":{"command":"ls"},"tool_response":{"stdout":"a","stderr":""},"tool_use_id":"toolu_1","duration_ms":270}"#,
    );
    assert_eq!(
        event.action,
        Action::Tool { name: "Bash".into(), mcp_server: None, call_id: Some("toolu_1".into()) }
    );
    assert_eq!((event.session.as_deref(), event.agent.name.as_deref()), (Some("s"), Some("claude-code")));
    assert_eq!((event.started, event.ended), (Some(9_730_000_000), Some(10_000_000_000)));
    assert_eq!((event.source.adapter, event.source.via), ("hook", "Claude Code PostToolUse hook"));
    assert_eq!(event.outcome.status, Status::Ok);
    let Origin::Keyed(keyed) = &event.origin else { unreachable!() };
    assert_eq!(
        (keyed.space, &keyed.id[..]),
        ("claude_code.hook", &["tool", "s", "p", "toolu_1"].map(Into::into)[..])
    );
}

#[test]
fn what_became_of_a_call_is_one_thing_whatever_it_was() {
    let of = |name: &str, more: &str| {
        let said = format!(
            r#"{{"session_id":"s","prompt_id":"p","hook_event_name":"{name}","tool_name":"Bash","tool_input":{{}},"tool_use_id":"t"{more}}}"#
        );
        let event = told(&said);
        let by = event.authorization.map(|by| (by.decision, by.approver.map(Cow::into_owned)));
        (event.origin.clone().id(), event.outcome.status, by)
    };
    let (called, status, _) = of("PostToolUse", r#","tool_response":"x""#);
    assert_eq!(status, Status::Ok);
    let (failed, status, authorization) =
        of("PostToolUseFailure", r#","error":"Exit code 7","is_interrupt":false"#);
    assert_eq!((status, authorization), (Status::Error, None));
    let (refused, status, authorization) = of("PermissionDenied", r#","reason":"no""#);
    assert_eq!((status, authorization.unwrap().0), (Status::Denied, Decision::Denied));
    let (asked, status, _) = of("PreToolUse", "");
    assert_eq!(status, Status::Unknown);
    assert!(called == failed && called == refused && called != asked);
    let by_user = r#","error":"The user doesn't want to proceed with this tool use. STOP""#;
    let (_, status, authorization) = of("PostToolUseFailure", by_user);
    assert_eq!((status, authorization.unwrap().1.as_deref()), (Status::Denied, Some("user")));
}

trait Id {
    fn id(self) -> Vec<String>;
}

impl Id for Origin<'_> {
    fn id(self) -> Vec<String> {
        let Origin::Keyed(keyed) = self else { unreachable!() };
        keyed.id.into_iter().map(Cow::into_owned).collect()
    }
}

#[test]
fn an_event_without_an_id_has_the_one_that_was_made() {
    let event = told(r#"{"session_id":"s","hook_event_name":"SessionStart","source":"startup"}"#);
    assert_eq!(event.origin.clone().id(), ["event", "made-1"]);
    assert_eq!(event.action, Action::Boundary { verb: "session_start" });
    assert_eq!(fact(&event, "source"), Some(&Fact::Label("startup".into())));
    assert_eq!(event.input, Content::Undisclosed);
}

#[test]
fn clients_are_told_apart() {
    for (said, adapter, agent) in [
        (r#"{"hook_event_name":"SessionStart","model":"claude-x"}"#, "hook", "claude-code"),
        (
            r#"{"hook_event_name":"PostToolUse","tool_name":"Bash","turn_id":"t","model":"m"}"#,
            "codex_hook",
            "codex",
        ),
        (
            r#"{"hook_event_name":"SessionStart","timestamp":"2026-11-22T08:09:42Z"}"#,
            "gemini_hook",
            "gemini-cli",
        ),
        (r#"{"hook_event_name":"AfterTool","tool_name":"x"}"#, "gemini_hook", "gemini-cli"),
    ] {
        let event = told(said);
        assert_eq!((event.source.adapter, event.agent.name.as_deref()), (adapter, Some(agent)), "{said}");
    }
}

#[test]
fn tools_of_servers_are_known_by_them() {
    let name = |said: &str| {
        let event = told(said);
        let Action::Tool { name, mcp_server, .. } = event.action else { unreachable!() };
        (name.into_owned(), mcp_server.map(Cow::into_owned))
    };
    let of = |tool: &str, server: &str| (tool.to_owned(), Some(server.to_owned()));
    let post = r#"{"hook_event_name":"PostToolUse","tool_name":"mcp__a__b__c""#;
    assert_eq!(name(&format!("{post}}}")), of("b__c", "a"));
    assert_eq!(name(&format!(r#"{post},"mcp_server":{{"name":"a__b"}}}}"#)), of("c", "a__b"));
    let gemini = r#"{"hook_event_name":"AfterTool","tool_name":"mcp_kb_find","mcp_context":{"server_name":"kb","tool_name":"find"}}"#;
    assert_eq!(name(gemini), of("find", "kb"));
    let codex = r#"{"hook_event_name":"PostToolUse","tool_name":"Bash","turn_id":"t"}"#;
    assert_eq!(name(codex), ("exec_command".to_owned(), None));
}

#[test]
fn a_result_may_tell_of_a_failure() {
    for (response, failed) in [
        (r#"{"stdout":"","stderr":"x","interrupted":false}"#, false),
        (r#"{"llmContent":"Command: x\nExit Code: 2\nOutput: y","returnDisplay":"y"}"#, true),
        (r#"{"llmContent":"z","error":{"message":"no such file","type":"x"}}"#, true),
        (r#""Process exited with code 3\nOutput:\n""#, true),
        (r#"{"isError":true,"content":[]}"#, true),
        ("null", false),
    ] {
        let said =
            format!(r#"{{"hook_event_name":"PostToolUse","tool_name":"x","tool_response":{response}}}"#);
        let event = told(&said);
        assert_eq!(event.outcome.status.failed(), failed, "{response}");
    }
}

#[test]
fn what_others_tell_is_left_to_them_and_what_nobody_knows_is_kept() {
    for name in ["PostToolBatch", "MessageDisplay", "AfterModel", "BeforeModel"] {
        assert_eq!(maybe(&format!(r#"{{"hook_event_name":"{name}"}}"#)), None, "{name}");
    }
    let event = told(r#"{"hook_event_name":"FromTheFuture","session_id":"s","cwd":"/x","thing":1}"#);
    assert_eq!(event.action, Action::Other { name: "hook".into() });
    assert_eq!(event.input, Content::Value(parse(r#"{"thing":1}"#).unwrap()));
    assert_eq!(fact(&event, "hook_event"), Some(&Fact::Label("FromTheFuture".into())));
}

#[test]
fn what_is_no_event_is_refused() {
    let capture = Capture { at: 1, id: "x", client: None };
    for none in ["[]", "null", "{}", r#"{"hook_event_name":5}"#, r#"{"hook_event_name":" "}"#] {
        assert!(event(&parse(none).unwrap(), &capture).is_err(), "{none}");
    }
}
