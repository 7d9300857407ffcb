#![allow(clippy::panic)]

use super::*;
use halod_record::json::parse;

fn payload(members: &str) -> Event<'static> {
    let text = format!(r#"{{"id":"c-1","litellm_call_id":"l-1","status":"success",{members}}}"#);
    let text: &'static str = Box::leak(text.into_boxed_str());
    event(&parse(text).unwrap_or_else(|error| panic!("{error}: {text}")))
        .ok()
        .flatten()
        .unwrap_or_else(|| panic!("{text}"))
}

fn fact<'e>(event: &'e Event<'_>, key: &str) -> Option<&'e Fact<'e>> {
    event.facts.iter().find(|(name, _)| *name == key).map(|(_, fact)| fact)
}

#[test]
fn call_types_say_what_was_done() {
    let model = r#""model":"openai/m","custom_llm_provider":"openai""#;
    for (call_type, expected) in [
        ("acompletion", "Generate { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("responses", "Generate { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("aimage_generation", "Generate { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("pass_through_endpoint", "Generate { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("_arealtime", "Generate { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("arun_thread", "Generate { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("aembedding", "Embed { provider: Some(\"openai\"), model: Some(\"m\") }"),
        ("rerank", "Retrieve { name: \"m\" }"),
        ("amoderation", "Guard { name: \"m\" }"),
        ("asend_message", "Boundary { verb: \"invoke\" }"),
        ("acreate_batch", "Other { name: \"acreate_batch\" }"),
        ("create_thread", "Other { name: \"create_thread\" }"),
    ] {
        let event = payload(&format!(r#""call_type":"{call_type}",{model}"#));
        assert_eq!(format!("{:?}", event.action), expected, "{call_type}");
        assert_eq!(fact(&event, "operation"), Some(&Fact::Label(call_type.into())));
    }
}

#[test]
fn an_mcp_call_is_the_tool() {
    let event = payload(
        r#""call_type":"call_mcp_tool","model":"MCP: kb-search","metadata":{"mcp_tool_call_metadata":
        {"name":"search","arguments":{"q":1},"mcp_server_name":"kb","namespaced_tool_name":"kb/search"}},
        "response":{"content":[{"type":"text","text":"no"}],"isError":true}"#,
    );
    let tool = Action::Tool { name: "search".into(), mcp_server: Some("kb".into()), call_id: None };
    assert_eq!(event.action, tool);
    assert_eq!(event.input, Content::Value(parse(r#"{"q":1}"#).unwrap_or(Json::Null)));
    assert_eq!(event.outcome.status, Status::Error);
    assert!(matches!(&event.outcome.result, Content::Value(result) if result.get("content").is_some()));
}

#[test]
fn who_was_refused_is_told_from_what_failed() {
    let failed = |error: &str| {
        payload(&format!(r#""status":"failure","error_str":"no","call_type":"completion",{error}"#))
    };
    for (error, status) in [
        (r#""error_information":{"error_code":"429","error_class":"RateLimitError"}"#, Status::Error),
        (r#""error_information":{"error_code":"401","error_class":"AuthenticationError"}"#, Status::Denied),
        (r#""error_information":{"error_code":"400","error_class":"BudgetExceededError"}"#, Status::Denied),
        (r#""status_fields":{"guardrail_status":"guardrail_intervened"}"#, Status::Denied),
        (r#""error_information":null"#, Status::Error),
    ] {
        assert_eq!(failed(error).outcome.status, status, "{error}");
    }
    let guarded = r#""guardrail_information":[{"guardrail_name":"a","guardrail_status":"success"},
        {"guardrail_name":"pii","guardrail_status":"guardrail_intervened"}]"#;
    let event = failed(guarded);
    let denied = Authorization { decision: Decision::Denied, approver: Some("pii".into()) };
    assert_eq!((event.outcome.status, event.authorization), (Status::Denied, Some(denied)));
    assert_eq!(payload(guarded).outcome.status, Status::Ok, "it changed the content, and the call went on");
}

#[test]
fn content_that_litellm_kept_back_is_undisclosed() {
    for members in [
        r#""messages":null,"response":null"#,
        r#""messages":"redacted-by-litellm","response":"redacted-by-litellm""#,
        r#""messages":[{"content":"redacted-by-litellm","role":"assistant"}],
           "response":{"id":"r","choices":[{"message":{"content":"redacted-by-litellm"}}]}"#,
        r#""messages":{},"response":{"output":[{"content":[{"text":"redacted-by-litellm"}]}]}"#,
        r#""model":"m""#,
    ] {
        let event = payload(members);
        assert_eq!(
            (event.input, event.outcome.result),
            (Content::Undisclosed, Content::Undisclosed),
            "{members}"
        );
    }
    let hidden = payload(r#""messages":[{"content":"redacted-by-litellm"},{"content":"the plan"}]"#);
    assert_ne!(hidden.input, Content::Undisclosed, "a caller can't hide content by saying that it is");
}

#[test]
fn the_key_says_whose_call_it_is() {
    let event = payload(
        r#""end_user":"user-1","session_id":"s-1","trace_id":"t-1","metadata":{"user_api_key_team_id":"team-1",
        "user_api_key_org_id":"org-1","user_api_key_user_id":"dev-1","user_api_key_alias":"bot"}"#,
    );
    assert_eq!(event.tenant.as_deref(), Some("org-1"));
    assert_eq!((event.principal.as_deref(), event.session.as_deref()), (Some("user-1"), Some("s-1")));
    assert_eq!(fact(&event, "key_user"), Some(&Fact::Label("dev-1".into())));
    assert_eq!(fact(&event, "trace_id"), Some(&Fact::Id("t-1".into())));
    let event = payload(
        r#""metadata":{"user_api_key_user_id":"default_user_id","requester_metadata":{"tenant":"x"}}"#,
    );
    assert_eq!((event.tenant, event.principal), (None, None));
    // Without a proxy, whom the caller told the provider; with one, whom its key says over the key's own user.
    let asked = |members: &'static str| payload(members).principal.map(Cow::into_owned);
    assert_eq!(asked(r#""model_parameters":{"user":"user-1"}"#).as_deref(), Some("user-1"));
    assert_eq!(
        asked(r#""model_parameters":{"user":"user-1"},"metadata":{"user_api_key_user_id":"dev-1"}"#)
            .as_deref(),
        Some("user-1")
    );
    assert_eq!(
        asked(r#""end_user":"user-2","model_parameters":{"user":"user-1"}"#).as_deref(),
        Some("user-2")
    );
    assert_eq!(asked(r#""model_parameters":{"user":""}"#), None);
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    for text in ["null", "[]", "\"x\"", "{}", r#"{"id":""}"#, r#"{"id":null,"status":"success"}"#] {
        assert!(event(&parse(text).unwrap_or(Json::Null)).is_err(), "{text}");
        assert!(spend_row(&parse(text).unwrap_or(Json::Null)).is_err(), "{text}");
    }
}

/// What decides whether a line is the same call's: id, times and status.
#[test]
fn a_row_is_the_payloads_call() {
    let event = payload(
        r#""call_type":"acompletion","startTime":1795336686.549854,"endTime":1795336691.512113,"response_cost":0.5,
        "end_user":"u","metadata":{"user_api_key_team_id":"t"}"#,
    );
    let text = r#"{"request_id":"c-1","call_type":"acompletion","startTime":"2026-11-22T08:38:06.549Z","spend":0.5,
        "endTime":"2026-11-22T08:38:11.512000+00:00","status":"success","team_id":"t","end_user":"u",
        "metadata":"{\"status\":\"success\"}","messages":"{}","response":"{}","request_tags":"[\"prod\"]"}"#;
    let row =
        spend_row(&parse(text).unwrap_or(Json::Null)).ok().flatten().unwrap_or_else(|| panic!("{text}"));
    assert_eq!((&row.origin, row.started, row.ended), (&event.origin, event.started, event.ended));
    assert_eq!((&row.tenant, &row.principal), (&event.tenant, &event.principal));
    assert_eq!((row.outcome.status, fact(&row, "cost")), (event.outcome.status, fact(&event, "cost")));
    assert_eq!(fact(&row, "tags"), Some(&Fact::Labels(vec!["prod".into()])));
    assert_ne!(row.source.dialect, event.source.dialect);
}

#[test]
fn tokens_are_found_where_the_payload_has_them() {
    let call = r#""call_type":"responses","model":"m""#;
    for (members, expected) in [
        (r#""prompt_tokens":34,"completion_tokens":4,"total_tokens":38"#, [Some(34), Some(4), Some(38)]),
        (
            r#""total_tokens":38,"response":{"id":"r","usage":{"input_tokens":34,"output_tokens":4}}"#,
            [Some(34), Some(4), Some(38)],
        ),
        (
            r#""metadata":{"usage_object":{"prompt_tokens":34,"completion_tokens":4}},"response":{"usage":{"prompt_tokens":1}}"#,
            [Some(34), Some(4), None],
        ),
        (
            r#""metadata":{"usage_object":{}},"response":{"usage":{"prompt_tokens":34,"completion_tokens":4}}"#,
            [Some(34), Some(4), None],
        ),
        // Anthropic's own form has what the cache gave beside the input.
        (
            r#""response":{"usage":{"input_tokens":30,"cache_read_input_tokens":4,"output_tokens":4}}"#,
            [Some(34), Some(4), None],
        ),
        (r#""response":{"choices":[]}"#, [None, None, None]),
    ] {
        let usage = payload(&format!("{call},{members}")).usage;
        assert_eq!([usage.input_tokens, usage.output_tokens, usage.total_tokens], expected, "{members}");
    }
    let failed = payload(&format!(
        r#""error_str":"no",{call},"metadata":{{"status":"failure"}},"response":{{"usage":{{"input_tokens":34}}}}"#
    ));
    assert_eq!(failed.usage.input_tokens, None);
}

#[test]
fn an_id_that_says_that_there_is_none_is_none() {
    for (id, expected) in
        [(r#""None""#, None), ("null", None), (r#""""#, None), (r#""null""#, None), (r#""r-1""#, Some("r-1"))]
    {
        let event = payload(&format!(r#""call_type":"completion","response":{{"id":{id},"choices":[]}}"#));
        assert_eq!(event.usage.response_id.as_deref(), expected, "{id}");
    }
}
