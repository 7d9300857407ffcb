//! How spans of all kinds of senders ended, what their numbers count, and whose word wins.

use super::meaning::told;
use super::*;
use halod_record::event::Usage;

#[test]
fn a_failure_is_seen_wherever_it_is_told() {
    let tool = ("gen_ai.tool.name", "pay");
    let result = |text: &'static str| ("gen_ai.tool.call.result", text);
    for (attributes, status, why) in [
        (
            &[tool, result(r#"{"success":false,"message":"card refused"}"#)][..],
            Status::Error,
            Some("card refused"),
        ),
        (&[tool, result(r#"{"success":0,"detail":"not done"}"#)], Status::Error, Some("not done")),
        (&[tool, result(r#"{"isError":true,"error":{"message":"gone"}}"#)], Status::Error, Some("gone")),
        (&[tool, result(r#"{"success":true}"#)], Status::Ok, None),
        (&[tool, result(r#"{"success":null}"#)], Status::Ok, None),
        (
            &[tool, ("haystack.tool.error", "?true"), result("Failed to invoke")],
            Status::Error,
            Some("Failed to invoke"),
        ),
        (
            &[
                tool,
                ("lk.function_tool.is_error", "?true"),
                ("lk.pii.function_tool.output", "An internal error"),
            ],
            Status::Error,
            Some("An internal error"),
        ),
        (
            &[("gen_ai.operation.name", "chat"), ("gen_ai.response.finish_reasons", r#"["error"]"#)],
            Status::Error,
            None,
        ),
    ] {
        let span = told("lib", "x", attributes);
        let outcome = span.event().unwrap().outcome;
        assert_eq!((outcome.status, outcome.error_text.as_deref()), (status, why), "{attributes:?}");
    }
    let mut failed = told("gcp.vertex.agent", "execute_tool pay", &[]);
    (failed.span.status_code, failed.span.status_message) = (2, "RuntimeError: card refused".into());
    assert_eq!(failed.status(), Status::Error);
}

#[test]
fn an_end_that_nobody_told_is_not_made_up() {
    let mut open = told("lib", "x", &[("gen_ai.operation.name", "invoke_agent")]);
    open.span.end_time_unix_nano = 0;
    assert_eq!(open.status(), Status::Unfinished);
    open.span.status_code = 2;
    assert_eq!(open.status(), Status::Error, "it failed before it ended");
    // The MCP SDK's client tells that an answer came.
    let mut sent = told("mcp-python-sdk", "MCP send tools/call pay", &[("mcp.method.name", "tools/call")]);
    assert_eq!(sent.status(), Status::Unknown);
    sent.span.status_code = 2;
    assert_eq!(sent.status(), Status::Error);
    let served = told("fastmcp", "tools/call pay", &[("mcp.method.name", "tools/call")]);
    assert_eq!(served.status(), Status::Ok);
    // Senders that leave the status unset, or set it, whatever came of the call.
    let claude = |kind: &'static str, more: &[(&str, &str)]| {
        let attributes = [&[("span.type", kind), ("gen_ai.tool.call.id", "toolu_1")][..], more].concat();
        told("com.anthropic.claude_code.tracing", "claude_code.tool", &attributes)
    };
    assert_eq!(claude("tool", &[("gen_ai.tool.name", "Bash")]).status(), Status::Unknown);
    assert_eq!(claude("tool", &[("gen_ai.tool.name", "Bash"), ("success", "?true")]).status(), Status::Ok);
    assert_eq!(claude("tool.execution", &[("success", "?true")]).status(), Status::Ok);
    assert_eq!(claude("tool.execution", &[("success", "?false")]).status(), Status::Error);
    assert_eq!(claude("tool.execution", &[]).kind(), "tool unnamed");
    let gemini = told(
        "gemini-cli",
        "tool_call",
        &[("gen_ai.operation.name", "tool_call"), ("gen_ai.tool.name", "read_file")],
    );
    assert_eq!(gemini.status(), Status::Unknown);
    assert_eq!(told("lib", "x", &[("gen_ai.tool.name", "pay")]).status(), Status::Ok, "unset means no fault");
}

fn counts(usage: &Usage<'_>) -> [Option<i64>; 5] {
    [
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cache_read_tokens,
        usage.reasoning_tokens,
    ]
}

#[test]
fn numbers_mean_the_same_in_every_dialect() {
    let call = ("gen_ai.operation.name", "chat");
    let all = |input, output, total, cached, reasoning| [input, output, total, cached, reasoning];
    for (name, attributes, expected) in [
        // As the conventions count, and OpenInference.
        (
            "x",
            &[call, ("gen_ai.usage.input_tokens", "#100"), ("gen_ai.usage.cache_read.input_tokens", "#16")][..],
            all(Some(100), None, None, Some(16), None),
        ),
        (
            "x",
            &[call, ("llm.token_count.prompt", "#100"), ("llm.token_count.prompt_details.cache_read", "#16")],
            all(Some(100), None, None, Some(16), None),
        ),
        // Parts that can't be within.
        (
            "x",
            &[call, ("gen_ai.usage.input_tokens", "#3"), ("gen_ai.usage.cache_read_input_tokens", "#16")],
            all(Some(19), None, None, Some(16), None),
        ),
        // Claude Code's own names are Anthropic's, those of the conventions beside them are the conventions'.
        (
            "claude_code.llm_request",
            &[("span.type", "llm_request"), ("input_tokens", "#321"), ("cache_read_tokens", "#16")],
            all(Some(337), None, None, Some(16), None),
        ),
        (
            "claude_code.llm_request",
            &[
                ("span.type", "llm_request"),
                ("input_tokens", "#321"),
                ("gen_ai.usage.input_tokens", "#337"),
                ("cache_read_tokens", "#16"),
            ],
            all(Some(337), None, None, Some(16), None),
        ),
        // Langfuse's buckets exclude each other; a provider's form, which it takes as well, does not.
        (
            "x",
            &[
                ("langfuse.observation.type", "generation"),
                (
                    "langfuse.observation.usage_details",
                    r#"{"input":86,"output":5,"input_cached_tokens":14,"output_reasoning_tokens":2}"#,
                ),
            ],
            all(Some(100), Some(7), None, Some(14), Some(2)),
        ),
        (
            "x",
            &[
                ("langfuse.observation.type", "generation"),
                (
                    "langfuse.observation.usage_details",
                    r#"{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":14}}"#,
                ),
            ],
            all(Some(100), Some(7), None, Some(14), None),
        ),
        // What it states wins over what an instrumentation within counted.
        (
            "x",
            &[
                ("langfuse.observation.type", "generation"),
                ("gen_ai.usage.input_tokens", "#361"),
                ("gen_ai.usage.output_tokens", "#414"),
                ("langfuse.observation.usage_details", r#"{"input":361,"output":53}"#),
            ],
            all(Some(361), Some(53), None, None, None),
        ),
        // Numbers where the payload has them.
        (
            "x",
            &[
                ("openinference.span.kind", "LLM"),
                ("output.value", r#"{"id":"r","usage":{"prompt_tokens":9,"completion_tokens":4}}"#),
            ],
            all(Some(9), Some(4), None, None, None),
        ),
        (
            "x",
            &[("openinference.span.kind", "TOOL"), ("output.value", r#"{"usage":{"prompt_tokens":9}}"#)],
            all(None, None, None, None, None),
        ),
        (
            "haystack.agent.step.llm",
            &[(
                "haystack.agent.step.llm.output",
                r#"{"replies":[{"meta":{"model":"m","usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2}}}}]}"#,
            )],
            all(Some(9), Some(4), None, Some(2), None),
        ),
        (
            "m",
            &[
                ("genkit:metadata:subtype", "model"),
                ("genkit:output", r#"{"finishReason":"stop","usage":{"inputTokens":9,"outputTokens":4}}"#),
            ],
            all(Some(9), Some(4), None, None, None),
        ),
        (
            "call_llm",
            &[
                ("gcp.vertex.agent.event_id", "e"),
                ("gen_ai.usage.output_tokens", "#368"),
                (
                    "gcp.vertex.agent.llm_response",
                    r#"{"usage_metadata":{"prompt_token_count":321,"candidates_token_count":42,"thoughts_token_count":5,"total_token_count":368}}"#,
                ),
            ],
            all(Some(321), Some(47), Some(368), None, Some(5)),
        ),
        (
            "x",
            &[
                ("langwatch.span.type", "llm"),
                ("langwatch.metrics", r#"{"type":"json","value":{"promptTokens":9,"completionTokens":4}}"#),
            ],
            all(Some(9), Some(4), None, None, None),
        ),
        (
            "x",
            &[
                ("mlflow.spanType", "CHAT_MODEL"),
                ("mlflow.llm.provider", "anthropic"),
                (
                    "mlflow.chat.tokenUsage",
                    r#"{"input_tokens":3,"output_tokens":4,"total_tokens":7,"cache_read_input_tokens":2}"#,
                ),
            ],
            all(Some(5), Some(4), Some(7), Some(2), None),
        ),
        (
            "x",
            &[
                call,
                ("gen_ai.usage.input_tokens", "#1"),
                ("gen_ai.usage.thinking_tokens", "#0"),
                ("gen_ai.usage.output_tokens", "#2"),
            ],
            all(Some(1), Some(2), None, None, Some(0)),
        ),
    ] {
        let span = told("lib", name, attributes);
        assert_eq!(counts(&span.usage()), expected, "{attributes:?}");
        assert_eq!(span.fact("token_parts"), None);
    }
    let unstated = told(
        "ai",
        "x",
        &[
            ("ai.operationId", "ai.generateText.doGenerate"),
            ("ai.usage.promptTokens", "#9"),
            ("ai.usage.cachedInputTokens", "#2"),
        ],
    );
    assert_eq!(unstated.fact("token_parts"), Some(Fact::Label("unstated".into())));
}

#[test]
fn what_is_around_calls_has_sums() {
    for (operation, summed) in
        [("invoke_agent", true), ("invoke_workflow", true), ("own", true), ("chat", false)]
    {
        let span =
            told("lib", "x", &[("gen_ai.operation.name", operation), ("gen_ai.usage.input_tokens", "#294")]);
        assert_eq!(span.usage().input_tokens, (!summed).then_some(294), "{operation}");
        assert_eq!(span.fact("sum_input_tokens"), summed.then_some(Fact::Number(294)), "{operation}");
    }
}

#[test]
fn what_langfuse_states_wins_over_what_an_instrumentation_wrote() {
    let span = told(
        "langfuse-sdk",
        "answer",
        &[
            ("langfuse.observation.type", "generation"),
            ("gen_ai.request.model", "inner"),
            ("langfuse.observation.model.name", "outer"),
            ("session.id", "inner"),
            ("langfuse.session.id", "outer"),
            ("user.id", "inner"),
            ("langfuse.user.id", "outer"),
            ("gen_ai.input.messages", r#"["inner"]"#),
            ("langfuse.observation.input", r#"["outer"]"#),
            ("gen_ai.output.messages", r#"["inner"]"#),
            ("langfuse.observation.output", r#"["outer"]"#),
        ],
    );
    let event = span.event().unwrap();
    let outer = Content::Value(Json::Array(vec![Json::str("outer")]));
    assert_eq!((&event.input, &event.outcome.result), (&outer, &outer));
    assert_eq!((event.session.as_deref(), event.principal.as_deref()), (Some("outer"), Some("outer")));
    assert_eq!(span.kind(), "generate outer");
    let tool = told(
        "langfuse-sdk",
        "pay",
        &[
            ("langfuse.observation.type", "tool"),
            ("gen_ai.tool.call.arguments", r#"["inner"]"#),
            ("langfuse.observation.input", r#"["outer"]"#),
        ],
    );
    assert_eq!(tool.event().unwrap().input, outer);
    // Said by nobody else, the conventions' word counts.
    let inner = told(
        "langfuse-sdk",
        "x",
        &[("langfuse.observation.type", "generation"), ("gen_ai.request.model", "inner")],
    );
    assert_eq!(inner.kind(), "generate inner");
}
