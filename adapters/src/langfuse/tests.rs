#![allow(clippy::unwrap_used)]

use super::*;
use halod_record::event::{Action, Content, Fact, Keyed, Origin, Status};
use halod_record::json::parse;

fn action(kind: &str, body: &str) -> (Option<Kind>, bool, bool) {
    let text = format!(r#"{{"type":"{kind}","body":{body}}}"#);
    let event = parse(&text).unwrap();
    let fragment = fragment(&event).unwrap().unwrap();
    (fragment.kind, fragment.opens, fragment.closes)
}

#[test]
fn kinds_of_events() {
    let body = r#"{"id":"o","traceId":"t"}"#;
    let ended = r#"{"id":"o","traceId":"t","endTime":"2026-11-25T10:00:00Z"}"#;
    for (kind, is, opens) in [
        ("generation-create", Kind::Generate, true),
        ("generation-update", Kind::Generate, false),
        ("span-create", Kind::Step, true),
        ("span-update", Kind::Step, false),
        ("agent-create", Kind::Boundary("invoke"), true),
        ("tool-create", Kind::Tool, true),
        ("guardrail-create", Kind::Guard, true),
    ] {
        assert_eq!(action(kind, body), (Some(is), opens, false), "{kind}");
        assert_eq!(action(kind, ended), (Some(is), opens, true), "{kind}");
    }
    assert_eq!(action("event-create", body), (Some(Kind::Boundary("event")), true, true));
    assert_eq!(action("observation-update", body), (None, false, false));
    let typed = r#"{"id":"o","type":"RETRIEVER"}"#;
    assert_eq!(action("observation-create", typed), (Some(Kind::Retrieve), true, false));
    assert_eq!(action("span-create", r#"{"id":"o","model":"m"}"#).0, Some(Kind::Generate));
    assert_eq!(action("trace-create", r#"{"id":"t"}"#), (Some(Kind::Trace), true, false));
    let score = r#"{"traceId":"t","name":"n","value":1}"#;
    assert_eq!(action("score-create", score), (Some(Kind::Guard), true, true));
}

#[test]
fn what_is_no_event_says_why() {
    for (text, field) in [
        ("1", "type"),
        (r#"{"type":"span-create"}"#, "body"),
        (r#"{"type":"nothing-create","body":{}}"#, "type"),
        (r#"{"type":"span","body":{}}"#, "type"),
        (r#"{"type":"span-create","body":{}}"#, "body.id"),
        (r#"{"type":"score-create","body":{"name":"x"}}"#, "body.value"),
        (r#"{"type":"score-create","body":{"value":1}}"#, "body.name"),
        (r#"{"type":"score-update","body":{"id":"1"}}"#, "type"),
    ] {
        let event = parse(text).unwrap();
        assert_eq!(fragment(&event).unwrap_err().field, field, "{text}");
    }
    let log = parse(r#"{"type":"sdk-log","body":{}}"#).unwrap();
    assert_eq!(fragment(&log), Ok(None));
}

fn read(text: &str) -> Fragment<'static> {
    let event: &'static Json<'static> = Box::leak(Box::new(parse(text).unwrap().into_owned()));
    fragment(event).unwrap().unwrap()
}

#[test]
fn a_span_is_a_step_whatever_it_is_named() {
    let span = |name: &str, input: &str| {
        read(&format!(r#"{{"type":"span-create","body":{{"id":"o","name":"{name}"{input}}}}}"#))
    };
    let with = r#","input":{"a":1}"#;
    for (name, input) in
        [("build_prompt", with), ("lookup_order", with), ("lookup_order", ""), ("my own step", with)]
    {
        let event = span(name, input).event();
        assert_eq!(event.action, Action::Boundary { verb: "step" }, "{name}");
        assert!(event.facts.contains(&("name", Fact::Label(name.to_owned().into()))));
    }
    let tool = read(r#"{"type":"tool-create","body":{"id":"o","name":"lookup_order"}}"#).event().action;
    assert!(matches!(tool, Action::Tool { name, .. } if name == "lookup_order"));
    let mcp = span("mcp__acme__issue_refund", "").event().action;
    assert!(
        matches!(mcp, Action::Tool { name, mcp_server: Some(server), .. } if name == "issue_refund" && server == "acme")
    );
}

#[test]
fn levels_and_messages() {
    let told = |more: &str| read(&format!(r#"{{"type":"span-update","body":{{"id":"o",{more}}}}}"#)).event();
    let failed = told(r#""level":"ERROR","statusMessage":"no""#);
    assert_eq!((failed.outcome.status, failed.outcome.error_text.as_deref()), (Status::Error, Some("no")));
    let warned = told(r#""level":"WARNING","statusMessage":"hm""#);
    assert_eq!(warned.outcome.status, Status::Ok);
    assert!(warned.facts.contains(&("level", Fact::Label("WARNING".into()))));
    assert!(warned.facts.contains(&("status_message", Fact::Text("hm".into()))));
}

#[test]
fn a_row_that_came_as_a_span_is_that_span() {
    let row = parse(
        r#"{"id":"0202020202020202","traceId":"01010101010101010101010101010101","type":"TOOL","name":"x",
            "parentObservationId":"0303030303030303"}"#,
    )
    .unwrap();
    let event = observation(&row, None).unwrap().unwrap();
    let Origin::Span { trace, span, parent, .. } = event.origin else { unreachable!("it has a span's ids") };
    assert_eq!((trace, span, parent), ([1; 16], [2; 8], Some([3; 8])));
    let row = parse(r#"{"id":"o","trace_id":"t","type":"TOOL","name":"x"}"#).unwrap();
    let event = observation(&row, None).unwrap().unwrap();
    let Origin::Keyed(Keyed { id, parent, .. }) = event.origin else { unreachable!("it has ids of its own") };
    assert_eq!((id.join("/"), parent.unwrap().join("/")), ("observation/o".into(), "trace/t".into()));
    for text in ["[]", "null", "{}", r#"{"id":"o","type":"X"}"#, r#"{"type":"TOOL"}"#] {
        assert!(observation(&parse(text).unwrap(), None).is_err(), "{text}");
    }
}

#[test]
fn scores_judge_what_they_name() {
    let score =
        |more: &str| read(&format!(r#"{{"type":"score-create","body":{{"id":"s","name":"n",{more}}}}}"#));
    let whole =
        score(r#""value":0.25,"traceId":"t","observationId":"o","comment":"ok","dataType":"NUMERIC""#);
    assert_eq!(whole.parent.as_ref().unwrap().join("/"), "observation/o");
    assert!(whole.facts.contains(&("score", Fact::Label("0.25".into()))));
    assert!(matches!(&whole.result, Content::Value(Json::Object(told)) if told.len() == 2));
    let number = score(r#""value":3,"traceId":"t""#);
    assert_eq!(number.parent.unwrap().join("/"), "trace/t");
    assert!(number.facts.contains(&("score", Fact::Number(3))));
    let span = score(
        r#""value":"good","traceId":"01010101010101010101010101010101","observationId":"0202020202020202""#,
    );
    assert_eq!(span.parent.unwrap()[0], "span");
    // Without an id it is known by what it says.
    let anonymous = |value: u32| {
        read(&format!(r#"{{"type":"score-create","body":{{"name":"n","traceId":"t","value":{value}}}}}"#)).id
    };
    assert_eq!(anonymous(1), anonymous(1));
    assert_ne!(anonymous(1), anonymous(2));
}

#[test]
fn counts_are_of_tokens_with_their_parts_within() {
    let told = |usage: &str| {
        read(&format!(r#"{{"type":"generation-create","body":{{"id":"o","model":"m",{usage}}}}}"#)).event()
    };
    for (usage, input, output) in [
        (r#""usage":{"input":40,"output":9,"unit":"TOKENS"}"#, Some(40), Some(9)),
        (r#""usage":{"promptTokens":40,"completionTokens":9}"#, Some(40), Some(9)),
        (
            r#""usageDetails":{"input":86,"output":5,"input_cached_tokens":14,"output_reasoning_tokens":2}"#,
            Some(100),
            Some(7),
        ),
        (
            r#""usageDetails":{"input":86,"output":5,"cache_read_input_tokens":10,"cache_creation_input_tokens":4}"#,
            Some(100),
            Some(5),
        ),
        (
            r#""usageDetails":{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":14}}"#,
            Some(100),
            Some(7),
        ),
        // The same in both forms, as its SDKs send it.
        (
            r#""usage":{"input":100,"output":7},"usageDetails":{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":14}}"#,
            Some(100),
            Some(7),
        ),
        // A total shows that a sender does otherwise.
        (
            r#""usageDetails":{"input":100,"output":7,"input_cached_tokens":14,"total":107}"#,
            Some(100),
            Some(7),
        ),
        (r#""usage":{"input":1200,"output":300,"unit":"CHARACTERS"}"#, None, None),
        (r#""usage":{"input":5000,"unit":"MILLISECONDS"}"#, None, None),
        (r#""usage":{"input":3,"total":3,"unit":"IMAGES"}"#, None, None),
    ] {
        let counted = told(usage).usage;
        assert_eq!((counted.input_tokens, counted.output_tokens), (input, output), "{usage}");
    }
    let other = told(r#""usage":{"input":1200,"output":300,"unit":"CHARACTERS"}"#).facts;
    assert!(other.contains(&("usage_input", Fact::Number(1200))));
    assert!(other.contains(&("usage_unit", Fact::Label("CHARACTERS".into()))));
    let around =
        read(r#"{"type":"span-create","body":{"id":"o","name":"x","usage":{"input":7,"output":2}}}"#).event();
    assert_eq!(
        (around.usage.input_tokens, around.facts.contains(&("sum_input_tokens", Fact::Number(7)))),
        (None, true)
    );
}
