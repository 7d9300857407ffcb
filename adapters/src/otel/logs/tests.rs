#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::otlp::json;
use crate::otlp::model::Logs;
use halod_record::event::{Action, Fact, Origin, Status};
use halod_record::json::Json;

/// A request of one record with these fields, from a scope of this name.
fn request(scope: &str, record: &str) -> String {
    format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"svc"}}}},
        {{"key":"service.instance.id","value":{{"stringValue":"i-1"}}}}]}},
        "scopeLogs":[{{"scope":{{"name":"{scope}"}},"logRecords":[{record}]}}]}}]}}"#
    )
}

fn attributes(pairs: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| {
        format!(r#"{{"key":"{key}","value":{{"stringValue":{}}}}}"#, serde_json::to_string(value).unwrap())
    };
    format!(r#""attributes":[{}]"#, pairs.iter().map(pair).collect::<Vec<_>>().join(","))
}

fn only<'a>(logs: &'a Logs<'a>) -> Option<Item<'a>> {
    let group = &logs.resource_logs[0];
    let scope = &group.scopes[0];
    item(&Resource::new(&group.resource), &scope.scope_name, &scope.records[0])
}

/// What becomes of a record, in a few words.
fn told(scope: &str, record: &str) -> String {
    let text = request(scope, record);
    let logs = json::logs(text.as_bytes()).unwrap();
    match only(&logs) {
        None => "nothing".to_owned(),
        Some(Item::Part(part)) => format!("{:?}", part.piece),
        Some(Item::Event(event)) => format!("{:?} {:?}", event.outcome.status, event.action),
    }
}

fn identity(record: &str) -> String {
    let text = request("s", record);
    let logs = json::logs(text.as_bytes()).unwrap();
    match only(&logs) {
        Some(Item::Event(event)) => match event.origin {
            Origin::Log { identity, .. } => format!("{identity:?}"),
            Origin::Span { .. } | Origin::Keyed(_) => panic!("of no log record"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_is_named_in_any_of_three_places() {
    let prompt = r#"Ok Boundary { verb: "prompt" }"#;
    let named = attributes(&[("event.name", "codex.user_prompt")]);
    for (scope, record, expected) in [
        ("s", r#"{"eventName":"codex.user_prompt"}"#.to_owned(), prompt),
        ("s", format!(r#"{{"eventName":"event src/a.rs:7",{named}}}"#), prompt),
        ("s", r#"{"body":{"stringValue":"claude_code.user_prompt"}}"#.to_owned(), prompt),
        ("com.anthropic.claude_code.events", r#"{"eventName":"user_prompt"}"#.to_owned(), prompt),
        ("s", r#"{"eventName":"user_prompt"}"#.to_owned(), "nothing"),
        ("s", r#"{"body":{"intValue":7}}"#.to_owned(), "nothing"),
        ("s", r#"{"eventName":"gen_ai.client.token.usage"}"#.to_owned(), "nothing"),
        ("s", "{}".to_owned(), "nothing"),
    ] {
        assert_eq!(told(scope, &record), expected, "{record}");
    }
}

#[test]
fn decisions_are_of_a_human_or_of_a_rule() {
    use halod_record::event::Decision::{Allowed, Denied, HumanApproved};
    for (decision, by, expected) in [
        ("accept", Some("config"), Some(Allowed)),
        ("accept", Some("hook"), Some(Allowed)),
        ("accept", Some("user_permanent"), Some(HumanApproved)),
        ("reject", Some("user_reject"), Some(Denied)),
        ("approved_for_session", Some("user"), Some(HumanApproved)),
        ("approved", Some("config"), Some(Allowed)),
        ("auto_accept", None, None),
        ("modify", None, Some(HumanApproved)),
        ("abort", Some("user"), Some(Denied)),
        ("unknown", Some("unknown"), None),
    ] {
        let by = by.map(Cow::Borrowed);
        let found = read::authorization(decision, by.clone());
        assert_eq!(found.as_ref().map(|found| found.decision), expected, "{decision} by {by:?}");
        assert!(found.is_none_or(|found| found.approver == by));
    }
}

#[test]
fn a_withheld_message_withholds_the_list() {
    let ids = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let message = |name: &str, body: &str| format!(r#"{{"eventName":"gen_ai.{name}",{ids},"body":{body}}}"#);
    let text = |text: &str| format!(r#"{{"stringValue":{}}}"#, serde_json::to_string(text).unwrap());
    let records = [
        message("system.message", &text(r#"{"content":"be brief"}"#)),
        message("user.message", "null"),
        message("choice", &text(r#"{"index":0,"message":{"tool_calls":[{"function":{"name":"f"}}]}}"#)),
    ];
    let texts: Vec<String> = records.iter().map(|record| request("s", record)).collect();
    let decoded: Vec<_> = texts.iter().map(|text| json::logs(text.as_bytes()).unwrap()).collect();
    let parts = |indices: &[usize]| -> Vec<Part<'_>> {
        let part = |at: &usize| match only(&decoded[*at]) {
            Some(Item::Part(part)) => *part,
            other => panic!("{other:?}"),
        };
        indices.iter().map(part).collect()
    };
    assert_eq!(
        parts(&[0, 1, 2]).iter().map(|part| part.piece.discloses()).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(assemble(parts(&[0, 1, 2])), (Content::Undisclosed, Content::Undisclosed));
    let (input, outcome) = assemble(parts(&[0]));
    let Content::Value(Json::Array(messages)) = input else { panic!("{input:?}") };
    assert_eq!(messages[0].get("role").and_then(Json::as_str), Some("system"));
    assert_eq!(messages[0].get("content").and_then(Json::as_str), Some("be brief"));
    assert_eq!(outcome, Content::Undisclosed);
}

#[test]
fn identities_differ_where_records_do() {
    let claude = |sequence: &str, time: &str| {
        let sequence = format!(r#"{{"key":"event.sequence","value":{{"intValue":"{sequence}"}}}}"#);
        let session = r#"{"key":"session.id","value":{"stringValue":"s"}}"#;
        identity(&format!(
            r#"{{"timeUnixNano":"{time}","eventName":"claude_code.api_request","attributes":[{session},{sequence}]}}"#
        ))
    };
    assert_eq!(claude("1", "5"), claude("1", "5"));
    assert_ne!(claude("1", "5"), claude("2", "5"));
    assert_ne!(claude("1", "5"), claude("1", "6"), "a resumed session counts anew");
    let codex = |time: &str, output: &str| {
        let pairs = attributes(&[("output", output), ("call_id", "c")]);
        identity(&format!(r#"{{"observedTimeUnixNano":"{time}","eventName":"codex.tool_result",{pairs}}}"#))
    };
    assert_eq!(codex("1", "a"), codex("1", "a"));
    assert_ne!(codex("1", "a"), codex("1", "b"));
    assert_ne!(codex("1", "a"), codex("2", "a"));
    assert!(codex("1", "a").contains("i-1"), "the process is part of it");
}

#[test]
fn a_call_lasts_from_its_end_back() {
    let pairs = attributes(&[("duration_ms", "2"), ("success", "false"), ("tool_name", "Read")]);
    let text = request(
        "s",
        &format!(r#"{{"timeUnixNano":"5000000","eventName":"claude_code.tool_result",{pairs}}}"#),
    );
    let logs = json::logs(text.as_bytes()).unwrap();
    let Some(Item::Event(event)) = only(&logs) else { panic!() };
    assert_eq!((event.started, event.ended), (Some(3_000_000), Some(5_000_000)));
    assert_eq!(event.outcome.status, Status::Error);
    assert!(matches!(event.action, Action::Tool { ref name, .. } if name == "Read"));
    // A duration that reaches before the beginning of time is none.
    let pairs = attributes(&[("duration_ms", "9223372036854775807")]);
    let text =
        request("s", &format!(r#"{{"timeUnixNano":"5","eventName":"claude_code.tool_result",{pairs}}}"#));
    let logs = json::logs(text.as_bytes()).unwrap();
    let Some(Item::Event(event)) = only(&logs) else { panic!() };
    assert_eq!((event.started, event.ended), (None, Some(5)));
}

#[test]
fn many_attributes_take_time_in_proportion() {
    let pairs: Vec<(String, String)> = (0..100_000).map(|at| (format!("k{at}"), "v".to_owned())).collect();
    let borrowed: Vec<(&str, &str)> =
        pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let record = format!(r#"{{"eventName":"codex.tool_result",{}}}"#, attributes(&borrowed));
    assert!(identity(&record).contains("k99999"));
}

fn events(scope: &str, pairs: &[(&str, &str)], check: impl FnOnce(&Event<'_>)) {
    let text = request(scope, &format!("{{{}}}", attributes(pairs)));
    let logs = json::logs(text.as_bytes()).unwrap();
    match only(&logs) {
        Some(Item::Event(event)) => check(&event),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_that_failed_is_a_failed_call() {
    let codex = |output: &'static str, status| {
        let pairs = [
            ("event.name", "codex.tool_result"),
            ("tool_name", "exec_command"),
            ("success", "true"),
            ("output", output),
        ];
        events("codex_otel.log_only", &pairs, |event| assert_eq!(event.outcome.status, status, "{output}"));
    };
    codex("Wall time: 0.0 seconds\nProcess exited with code 2\nOutput:\nls: no such file", Status::Error);
    codex("Exit code: 127\nWall time: 0 seconds\nOutput:\n", Status::Error);
    codex("Wall time: 0.0 seconds\nProcess exited with code 0\nOutput:\nExit code: 3", Status::Ok);
    codex("Process exited with code 0\nOutput:\n", Status::Ok);
    let gemini = |metadata: &'static str, status| {
        let pairs = [
            ("event.name", "gemini_cli.tool_call"),
            ("function_name", "run_shell_command"),
            ("success", "true"),
            ("metadata", metadata),
        ];
        events("gemini-cli", &pairs, |event| assert_eq!(event.outcome.status, status, "{metadata}"));
    };
    gemini(r#"{"exitCode":2}"#, Status::Error);
    gemini(r#"{"llmContent":"Command: ls\nStdout: (empty)\nExit Code: 2"}"#, Status::Error);
    gemini(r#"{"output":"Exit Code: 0"}"#, Status::Ok);
    let told = |metadata: &str, code: Option<&str>, text: Option<&str>| {
        let pairs = [("event.name", "gemini_cli.tool_call"), ("success", "true"), ("metadata", metadata)];
        events("gemini-cli", &pairs, |event| {
            let fact = event.facts.iter().find(|(key, _)| *key == "exit_code").map(|(_, fact)| fact);
            assert_eq!(fact, code.map(|code| Fact::Label(code.into())).as_ref(), "{metadata}");
            assert_eq!(event.outcome.error_text.as_deref(), text, "{metadata}");
        });
    };
    told(r#"{"exitCode":2,"isError":true}"#, Some("2"), None);
    told(
        r#"{"returnDisplay":"Exit Code: 127\nsh: not found"}"#,
        Some("127"),
        Some("Exit Code: 127\nsh: not found"),
    );
    told(r#"{"isError":true,"output":"not allowed"}"#, None, Some("not allowed"));
    told(r#"{"exitCode":0,"output":"done"}"#, None, None);
}

#[test]
fn coding_agents_count_tokens_as_everybody_does() {
    let usage = |pairs: &[(&str, &str)], expected: [Option<i64>; 2]| {
        events("s", pairs, |event| {
            assert_eq!([event.usage.input_tokens, event.usage.output_tokens], expected, "{pairs:?}");
        });
    };
    let claude = ("event.name", "claude_code.api_request");
    usage(
        &[
            claude,
            ("input_tokens", "321"),
            ("output_tokens", "42"),
            ("cache_read_tokens", "16"),
            ("cache_creation_tokens", "3"),
        ],
        [Some(340), Some(42)],
    );
    usage(
        &[claude, ("input_tokens", "321"), ("output_tokens", "42"), ("cache_read_tokens", "0")],
        [Some(321), Some(42)],
    );
    let gemini = ("event.name", "gemini_cli.api_response");
    usage(
        &[
            gemini,
            ("input_token_count", "321"),
            ("output_token_count", "42"),
            ("thoughts_token_count", "5"),
            ("cached_content_token_count", "16"),
        ],
        [Some(321), Some(47)],
    );
    let codex = [("event.name", "codex.sse_event"), ("event.kind", "response.completed")];
    usage(
        &[
            codex[0],
            codex[1],
            ("input_token_count", "321"),
            ("output_token_count", "42"),
            ("cached_token_count", "16"),
            ("tool_token_count", "363"),
        ],
        [Some(321), Some(42)],
    );
    events("s", &[claude, ("request_id", "req_1")], |event| {
        assert!(event.facts.contains(&("request_id", halod_record::event::Fact::Id("req_1".into()))));
    });
}

#[test]
fn mastras_logs_say_why_a_call_failed() {
    let told = |pairs: &[(&str, &str)]| told("@mastra/otel-exporter", &format!("{{{}}}", attributes(pairs)));
    let error = r#"Error Boundary { verb: "error" }"#;
    assert_eq!(told(&[("mastra.log.error", r#"{"name":"AI_APICallError","message":"Rate limit"}"#)]), error);
    assert_eq!(told(&[("mastra.log.errorId", "TOOL_EXECUTION_FAILED"), ("mastra.log.cause", "no")]), error);
    assert_eq!(told(&[("mastra.log.runId", "r")]), "nothing");
    assert_eq!(told(&[]), "nothing");
    events(
        "@mastra/otel-exporter",
        &[("mastra.log.error", r#"{"name":"E","message":"Rate limit"}"#)],
        |event| {
            assert_eq!(
                (event.outcome.error_type.as_deref(), event.outcome.error_text.as_deref()),
                (Some("E"), Some("Rate limit"))
            );
        },
    );
}

/// A stream is told of when it begins and twice when it ends: it is one call, that of the end which has the tokens.
#[test]
fn a_call_of_codex_is_told_by_the_end_of_its_stream() {
    let request = ("event.name", "codex.api_request");
    let end = ("event.name", "codex.sse_event");
    let completed = ("event.kind", "response.completed");
    let call = |pairs: &[(&str, &str)], model: Option<&str>, tokens, status| {
        events("codex_otel.log_only", pairs, |event| {
            let named = match &event.action {
                Action::Generate { model, .. } => model.as_deref(),
                _ => None,
            };
            assert_eq!(
                (named, event.usage.input_tokens, event.outcome.status),
                (model, tokens, status),
                "{pairs:?}"
            );
        });
    };
    let gpt = ("model", "gpt-5-codex");
    let named = Some("gpt-5-codex");
    call(&[request, gpt, ("endpoint", "/responses")], None, None, Status::Ok);
    call(&[request, gpt, ("http.response.status_code", "200")], None, None, Status::Ok);
    call(&[end, completed, gpt, ("input_token_count", "321")], named, Some(321), Status::Ok);
    call(&[end, completed, gpt, ("duration_ms", "2")], None, None, Status::Ok);
    // What is not streamed has no other end.
    call(&[request, gpt, ("endpoint", "/responses/compact")], named, None, Status::Ok);
    call(
        &[request, gpt, ("endpoint", "/responses"), ("http.response.status_code", "429")],
        named,
        None,
        Status::Error,
    );
    call(
        &[end, ("event.kind", "response.failed"), gpt, ("error.message", "overloaded")],
        named,
        None,
        Status::Error,
    );
    call(&[end, gpt, ("error.message", "idle timeout waiting for SSE")], named, None, Status::Error);
    // The stream went on after an event that could not be read.
    let delta = ("event.kind", "response.output_text.delta");
    call(&[end, delta, gpt, ("error.message", "expected value")], None, None, Status::Error);
}
