#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ends;
mod meaning;

use super::*;
use crate::otlp::model::AnyValue;
use halod_record::event::{Content, Status};
use halod_record::json::Json;

fn pair(key: String, value: &str) -> KeyValue<'static> {
    KeyValue { key: key.into(), value: AnyValue::Str(value.to_owned().into()) }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_tenant_is_claimed_by_the_first_name_that_says_something() {
    let mut attributes = vec![
        pair("halo.subject.id".to_owned(), "second"),
        pair("tenant.id".to_owned(), "overridden"),
        pair("tenant.id".to_owned(), "first"),
        pair("tenant.id".to_owned(), ""),
    ];
    let claim = |wanted: &[&str], attributes: &[KeyValue<'_>]| {
        tenant_claim(&names(wanted), attributes).map(Cow::into_owned)
    };
    assert_eq!(claim(&["tenant.id", "halo.subject.id"], &attributes).as_deref(), Some("first"));
    assert_eq!(claim(&["halo.subject.id", "tenant.id"], &attributes).as_deref(), Some("second"));
    assert_eq!(claim(&["other"], &attributes), None);
    assert_eq!(claim(&[], &attributes), None);
    attributes.push(pair("langfuse.trace.metadata.tenant".to_owned(), "\"acme-corp\""));
    assert_eq!(claim(&["langfuse.trace.metadata.tenant"], &attributes).as_deref(), Some("acme-corp"));
    attributes.push(KeyValue { key: "number".into(), value: AnyValue::Int(42) });
    attributes.push(KeyValue { key: "flag".into(), value: AnyValue::Bool(true) });
    assert_eq!(claim(&["flag", "number"], &attributes).as_deref(), Some("42"));
}

#[test]
fn many_attributes_take_time_in_proportion() {
    let indexed = |at: u32| {
        [
            pair(format!("gen_ai.prompt.{}.content", at % 50_000), "x"),
            pair("gen_ai.request.model".to_owned(), "m"),
        ]
    };
    let mut attributes = vec![pair("gen_ai.operation.name".to_owned(), "chat")];
    attributes.extend((0..100_000).rev().flat_map(indexed));
    let span = Span { attributes, ..Span::default() };
    let event = event(&Resource::default(), "", &span).unwrap();
    let Content::Value(Json::Array(messages)) = event.input else { panic!("{:?}", event.input) };
    assert_eq!(messages.len(), 50_000);
}

#[test]
fn one_message_with_many_names_keeps_the_last_of_each() {
    let mut attributes = vec![pair("gen_ai.operation.name".to_owned(), "chat")];
    for round in ["first", "last"] {
        attributes.extend((0..50_000).map(|at| pair(format!("gen_ai.prompt.0.part{at}"), round)));
    }
    let span = Span { attributes, ..Span::default() };
    let event = event(&Resource::default(), "", &span).unwrap();
    let Content::Value(Json::Array(messages)) = event.input else { panic!("{:?}", event.input) };
    let Json::Object(parts) = &messages[0] else { panic!("{:?}", messages[0]) };
    assert_eq!(parts.len(), 50_000);
    assert!(parts.iter().all(|(_, value)| value.as_str() == Some("last")));
}

/// Keys and values of every dialect, for spans that nobody sends.
fn vocabulary() -> (Vec<&'static str>, Vec<&'static str>) {
    let keys = (0..).map_while(dialects::at).map(|entry| entry.key).collect();
    let kinds = dialects::MARKERS.iter().flat_map(|(marker, _)| marker.kinds);
    let values = kinds.map(|(kind, _)| kind.trim_matches('*'));
    let others =
        ["", "\"", "\"x\"", "[", "{}", "[1]", r#"{"error":1,"model":2,"tenant":[]}"#, "é", "-1", "1e999"];
    (keys, values.chain(others).collect())
}

#[test]
fn any_value_in_any_place_is_taken() {
    let (keys, values) = vocabulary();
    assert!(keys.len() > 150 && values.len() > 80);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    };
    let names =
        ["", " ", "execute_tool ", "*.mcp", "x.mcp", "é", "claude_code.x", "agent run", "chat é", "a.llm"];
    for _ in 0..20_000 {
        let mut attributes = Vec::new();
        for _ in 0..below(12) {
            let key = keys[below(keys.len())];
            let text = values[below(values.len())];
            let value = match below(12) {
                0 => AnyValue::Empty,
                1 => AnyValue::Bool(true),
                2 => AnyValue::Int(i64::MIN),
                3 => AnyValue::Double(f64::NAN),
                4 => AnyValue::Bytes(b"\xff".to_vec().into()),
                5 => AnyValue::Array(vec![AnyValue::Empty, AnyValue::Str(text.into())]),
                6 => AnyValue::KvList(vec![KeyValue { key: "error".into(), value: AnyValue::Int(1) }]),
                _ => AnyValue::Str(text.into()),
            };
            let key = match below(20) {
                0 => format!("{key}.0.role").into(),
                1 => format!("llm.input_messages.{}.message.", below(3)).into(),
                _ => key.into(),
            };
            attributes.push(KeyValue { key, value });
        }
        let events =
            vec![crate::otlp::model::SpanEvent { name: "exception".into(), ..Default::default() }; below(2)];
        let name = names[below(names.len())].into();
        let span =
            Span { name, attributes, events, kind: 2, status_code: below(3) as i32, ..Span::default() };
        let resource = Resource::new(&span.attributes);
        let explanation = explain(&resource, "", &span);
        assert_eq!(format!("{:?}", explanation.event), format!("{:?}", event(&resource, "", &span)));
        assert_eq!(explanation.event.is_none(), explanation.kind == "nothing");
    }
}

fn span(name: &'static str, attributes: &[(&'static str, &'static str)]) -> Span<'static> {
    let attributes = attributes.iter().map(|(key, value)| pair((*key).to_owned(), value)).collect();
    Span { name: name.into(), attributes, end_time_unix_nano: 1, ..Span::default() }
}

#[test]
fn a_span_is_explained_by_the_attributes_that_count() {
    let span = span(
        "openai.chat",
        &[
            ("gen_ai.system", "openai"),
            ("gen_ai.request.model", "asked for"),
            ("openinference.span.kind", "LLM"),
            ("gen_ai.response.model", "answered"),
            ("gen_ai.operation.name", "chat"),
            ("llm.input_messages.0.message.role", "user"),
            ("llm.input_messages.0.message.content", "x"),
            ("server.port", "443"),
        ],
    );
    let explanation = explain(&Resource::default(), "", &span);
    assert_eq!((explanation.dialect, explanation.kind.as_ref()), ("openinference", "generate"));
    let marker = Reason::Marker { key: "openinference.span.kind", value: "LLM".into() };
    assert_eq!(explanation.reason, marker);
    assert_eq!(explanation.unread, ["server.port"]);
    let fields: Vec<_> = explanation
        .fields
        .iter()
        .map(|source| (source.field.as_str(), source.key, source.beaten.as_slice()))
        .collect();
    let none: &[&str] = &[];
    let expected = [
        ("open_inference_kind", "openinference.span.kind", none),
        ("operation", "gen_ai.operation.name", none),
        ("model", "gen_ai.response.model", &["gen_ai.request.model"][..]),
        ("provider", "gen_ai.system", none),
        ("input", "llm.input_messages.", none),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_span_that_is_passed_over_is_explained_too() {
    let reason = |name, attributes: &[(&'static str, &'static str)]| {
        let span = span(name, attributes);
        let explanation = explain(&Resource::default(), "", &span);
        (explanation.event.is_some(), format!("{:?}", explanation.reason))
    };
    let unlisted = r#"UnlistedMarker { key: "mcp.method.name", value: "ping" }"#;
    assert_eq!(reason("GET", &[("http.route", "/")]), (false, "Silent".to_owned()));
    assert_eq!(reason("ping", &[("mcp.method.name", "ping")]), (false, unlisted.to_owned()));
    assert_eq!(reason("x", &[("app.model", "m")]), (true, r#"Looks { key: "app.model" }"#.to_owned()));
    let model = [("gen_ai.request.model", "m"), ("gen_ai.system", "openai")];
    assert_eq!(reason("x", &model), (true, r#"Model { key: "gen_ai.request.model" }"#.to_owned()));
}

/// The attributes by which a sender tells what the record has fields for.
#[test]
fn purpose_region_and_decision_are_stated_by_attributes_of_halo() {
    use halod_record::event::{Authorization, Decision};
    let told = |attributes: &[(&'static str, &'static str)]| {
        let call = [("gen_ai.operation.name", "execute_tool"), ("gen_ai.tool.name", "refund")];
        let span: &'static Span<'static> =
            Box::leak(Box::new(span("execute_tool refund", &[&call, attributes].concat())));
        let event = event(&Resource::default(), "", span).unwrap();
        (event.authorization, event.facts)
    };
    let (authorization, facts) = told(&[
        ("halo.purpose", "a refund of order 7"),
        ("halo.region", "eu-central-1"),
        ("halo.decision", "human_approved"),
        ("halo.approver", "amy@example.com"),
    ]);
    let approver = Some("amy@example.com".into());
    assert_eq!(authorization, Some(Authorization { decision: Decision::HumanApproved, approver }));
    assert!(facts.contains(&("purpose", Fact::Text("a refund of order 7".into()))), "{facts:?}");
    assert!(facts.contains(&("region", Fact::Label("eu-central-1".into()))), "{facts:?}");
    for (word, decision) in [("allowed", Decision::Allowed), ("denied", Decision::Denied)] {
        let (authorization, _) = told(&[("halo.decision", word)]);
        assert_eq!(authorization, Some(Authorization { decision, approver: None }));
    }
    assert_eq!(told(&[("halo.decision", "perhaps"), ("halo.approver", "amy")]).0, None);
    // They are put on every span: one that is no action stays none.
    let other = span("GET", &[("halo.purpose", "x"), ("halo.decision", "allowed"), ("http.route", "/")]);
    assert_eq!(event(&Resource::default(), "", &other), None);
}

#[test]
fn a_decision_before_an_action_is_told_with_who_made_it() {
    use halod_record::event::{Decision, Status};
    let decided = |name, attributes: &[(&'static str, &'static str)]| {
        let event = event(&Resource::default(), "", &span(name, attributes)).map(|event| {
            let authorization = event.authorization.as_ref();
            let by = authorization.and_then(|by| by.approver.as_deref()).map(str::to_owned);
            (event.outcome.status, authorization.map(|authorization| authorization.decision), by)
        });
        event.unwrap()
    };
    let asked = |decision, source| {
        let attributes = [("span.type", "tool.blocked_on_user"), ("decision", decision), ("source", source)];
        decided("claude_code.tool.blocked_on_user", &attributes)
    };
    let by = |source: &str| Some(source.to_owned());
    assert_eq!(
        asked("accept", "user_temporary"),
        (Status::Ok, Some(Decision::HumanApproved), by("user_temporary"))
    );
    assert_eq!(asked("accept", "config"), (Status::Ok, Some(Decision::Allowed), by("config")));
    assert_eq!(asked("reject", "user_reject"), (Status::Denied, Some(Decision::Denied), by("user_reject")));
    assert_eq!(asked("unknown", "unknown"), (Status::Ok, None, None));
    let hook = "haystack.agent.hook.human_in_the_loop.strategy";
    let verdict = "haystack.agent.hook.human_in_the_loop.strategy.decision";
    assert_eq!(decided(hook, &[(verdict, "confirm")]), (Status::Ok, Some(Decision::HumanApproved), None));
}

/// LangSmith's exporter writes OK when a run begins, and no later status overrules that.
#[test]
fn an_exception_under_an_explicit_ok_is_langsmiths_way_to_say_that_a_run_failed() {
    let exception = crate::otlp::model::SpanEvent { name: "exception".into(), ..Default::default() };
    for (marker, kind, status) in
        [("langsmith.span.kind", "llm", Status::Error), ("gen_ai.operation.name", "chat", Status::Ok)]
    {
        let mut span = span("ChatOpenAI", &[(marker, kind)]);
        span.events = vec![exception.clone()];
        span.status_code = 1;
        assert_eq!(event(&Resource::default(), "", &span).unwrap().outcome.status, status, "{marker}");
    }
}
