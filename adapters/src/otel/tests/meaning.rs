//! What spans of all kinds of senders are.

use super::*;
use halod_record::event::{Action, Usage};

/// A span under a scope, with texts and numbers.
pub(super) struct Told {
    scope: &'static str,
    pub(super) span: Span<'static>,
}

fn value(text: &str) -> AnyValue<'static> {
    match text.strip_prefix('#') {
        Some(number) => AnyValue::Int(number.parse().unwrap()),
        None if text == "?true" || text == "?false" => AnyValue::Bool(text == "?true"),
        None => AnyValue::Str(text.to_owned().into()),
    }
}

/// `#7` stands for a number, `?true` for a truth value.
pub(super) fn told(scope: &'static str, name: &'static str, attributes: &[(&str, &str)]) -> Told {
    let pair = |(key, text): &(&str, &str)| KeyValue { key: (*key).to_owned().into(), value: value(text) };
    let attributes = attributes.iter().map(pair).collect();
    Told { scope, span: Span { name: name.into(), attributes, end_time_unix_nano: 1, ..Span::default() } }
}

impl Told {
    pub(super) fn event(&self) -> Option<Event<'_>> {
        event(&Resource::default(), self.scope, &self.span)
    }

    /// What kind of action it is, and its name where it has one.
    pub(super) fn kind(&self) -> String {
        match self.event().map(|event| event.action) {
            None => "nothing".to_owned(),
            Some(Action::Generate { model, .. }) => format!("generate {}", model.unwrap_or_default()),
            Some(Action::Embed { model, .. }) => format!("embed {}", model.unwrap_or_default()),
            Some(Action::Tool { name, mcp_server, .. }) => match mcp_server {
                Some(server) => format!("tool {server}/{name}"),
                None => format!("tool {name}"),
            },
            Some(Action::Retrieve { name }) => format!("retrieve {name}"),
            Some(Action::Boundary { verb }) => format!("agent.{verb}"),
            Some(Action::Other { .. }) => "activity".to_owned(),
            Some(Action::Guard { name }) => format!("guard {name}"),
            Some(other) => format!("{other:?}"),
        }
    }

    pub(super) fn fact(&self, key: &str) -> Option<Fact<'_>> {
        let event = self.event()?;
        event.facts.into_iter().find(|(known, _)| *known == key).map(|(_, fact)| fact)
    }

    pub(super) fn status(&self) -> Status {
        self.event().unwrap().outcome.status
    }

    pub(super) fn usage(&self) -> Usage<'_> {
        self.event().unwrap().usage
    }
}

#[test]
fn what_is_not_known_is_no_tool_call() {
    for (name, attributes, kind) in [
        // Of any dialect's model or tool only this much is known: that something went on.
        ("get_model_info", &[("model", "gpt-5-codex")][..], "activity"),
        ("llm.call", &[("my.llm.modelName", "m")], "activity"),
        ("handle", &[("tool_name", "exec")], "activity"),
        ("run tool", &[("app.tool", "search")], "activity"),
        // A tool's name under the name that all have for it, or with what it was given.
        ("Tool.execute", &[("tool.name", "bash")], "tool bash"),
        ("running tool {tool}", &[("tool", "search"), ("arguments", r#"{"q":1}"#)], "tool search"),
        ("step", &[("tool", "search")], "activity"),
        // Any `gen_ai.tool.*` is a tool call's.
        ("find_item", &[("gen_ai.tool.call.arguments", "{}")], "tool find_item"),
        ("find_item", &[("gen_ai.tool.call.result", "3")], "tool find_item"),
        ("find_item", &[("gen_ai.tool.call.id", "c1")], "tool find_item"),
        ("find_item", &[("gen_ai.tool.type", "function")], "tool find_item"),
        ("custom", &[("gen_ai.operation.name", "own"), ("gen_ai.tool.call.id", "c1")], "tool custom"),
        // A model is called when it was asked or answered, whoever provides it.
        ("ask", &[("gen_ai.request.model", "m"), ("gen_ai.usage.input_tokens", "#3")], "generate m"),
        ("ask", &[("gen_ai.response.model", "m"), ("gen_ai.input.messages", "[]")], "generate m"),
        ("ask", &[("gen_ai.request.model", "m"), ("gen_ai.response.id", "r")], "generate m"),
        ("ask", &[("gen_ai.request.model", "m"), ("gen_ai.prompt.0.content", "hi")], "generate m"),
        // Other words of the conventions are a step.
        ("ask", &[("gen_ai.usage.input_tokens", "#3")], "agent.step"),
        ("ask", &[("gen_ai.input.messages", "[]")], "agent.step"),
        ("ask", &[("gen_ai.request.temperature", "#1")], "agent.step"),
        ("ask", &[("gen_ai.request.model", "m")], "agent.step"),
        ("turn", &[("gen_ai.conversation.id", "s")], "agent.step"),
        // Who was behind it stands on the spans of any library.
        ("GET", &[("gen_ai.conversation.id", "s"), ("http.request.method", "GET")], "nothing"),
        ("SELECT", &[("gen_ai.agent.name", "a"), ("db.system", "postgresql")], "nothing"),
        ("GET", &[("session.id", "s"), ("user.id", "u")], "nothing"),
        ("x", &[("logfire.span_type", "span"), ("logfire.msg", "x")], "nothing"),
    ] {
        assert_eq!(told("some.library", name, attributes).kind(), kind, "{name} {attributes:?}");
    }
}

#[test]
fn what_no_table_maps_is_named_and_not_called_undisclosed() {
    let unmapped = |attributes: &[(&str, &str)]| match told("lib", "x", attributes).fact("unmapped") {
        Some(Fact::Labels(names)) => names.into_iter().map(Cow::into_owned).collect(),
        _ => Vec::new(),
    };
    let none: Vec<String> = Vec::new();
    let operation = ("gen_ai.operation.name", "chat");
    assert_eq!(
        unmapped(&[("app.model", "m"), ("app.prompt", "p"), ("x", "#1")]),
        ["app.model", "app.prompt", "x"]
    );
    assert_eq!(
        unmapped(&[operation, ("llm.openai.messages", "[]"), ("z.payload", "p")]),
        ["llm.openai.messages", "z.payload"]
    );
    assert_eq!(unmapped(&[operation, ("server.address", "a"), ("http.request.body.content", "x")]), none);
    assert_eq!(unmapped(&[operation, ("gen_ai.request.temperature", "#1"), ("retry.count", "#1")]), none);
    // What is told leaves nothing to look for elsewhere.
    let both =
        [operation, ("gen_ai.input.messages", "[]"), ("gen_ai.output.messages", "[]"), ("z.payload", "p")];
    assert_eq!(unmapped(&both), none);
    let span = told("my.scope", "my step", &[("app.model", "m")]);
    assert_eq!(span.fact("span_name"), Some(Fact::Label("my step".into())));
}

#[test]
fn spans_between_calls_are_what_their_dialects_say() {
    for (scope, name, attributes, kind) in [
        ("gcp.vertex.agent", "call_llm", &[][..], "generate "),
        ("gcp.vertex.agent", "execute_tool pay", &[], "tool pay"),
        ("gcp.vertex.agent", "agent_run [desk]", &[], "agent.invoke"),
        ("other", "execute_tool pay", &[], "nothing"),
        (
            "livekit-agents",
            "llm_node",
            &[("gen_ai.request.model", "m"), ("gen_ai.provider.name", "p")],
            "agent.step",
        ),
        (
            "livekit-agents",
            "llm_request_run",
            &[("gen_ai.request.model", "m"), ("gen_ai.provider.name", "p")],
            "agent.attempt",
        ),
        (
            "openinference.instrumentation.beeai",
            "new_token",
            &[("openinference.span.kind", "LLM")],
            "nothing",
        ),
        (
            "openinference.instrumentation.beeai",
            "error",
            &[("openinference.span.kind", "TOOL")],
            "agent.error",
        ),
        (
            "openinference.instrumentation.beeai",
            "pay",
            &[("openinference.span.kind", "TOOL"), ("tool.name", "pay")],
            "tool pay",
        ),
        (
            "ag2",
            "record_usage model_call",
            &[("ag2.span.type", "usage"), ("gen_ai.response.model", "m"), ("gen_ai.provider.name", "openai")],
            "agent.usage",
        ),
        (
            "@mastra/otel-exporter",
            "model_chunk A",
            &[("gen_ai.operation.name", "model_chunk"), ("mastra.span.type", "model_chunk")],
            "nothing",
        ),
        (
            "@mastra/otel-exporter",
            "model_generation m",
            &[("gen_ai.operation.name", "model_generation"), ("mastra.span.type", "model_generation")],
            "agent.generation",
        ),
        (
            "@mastra/otel-exporter",
            "chat m",
            &[
                ("gen_ai.operation.name", "chat"),
                ("mastra.span.type", "model_inference"),
                ("gen_ai.request.model", "m"),
            ],
            "generate m",
        ),
        (
            "langwatch",
            "support",
            &[("langwatch.span.type", "llm"), ("gen_ai.request.model", "m")],
            "generate m",
        ),
        ("langwatch", "pay", &[("langwatch.span.type", "tool")], "tool pay"),
        ("langwatch", "kb", &[("langwatch.span.type", "rag")], "retrieve kb"),
        ("langwatch", "x", &[("langwatch.span.type", "span")], "agent.step"),
        (
            "llamaindex.opentelemetry.tracer",
            "OpenAI.astream_chat",
            &[("model_dict.model_name", "m")],
            "generate m",
        ),
        (
            "llamaindex.opentelemetry.tracer",
            "OpenAIEmbedding.get_query_embedding",
            &[("model_dict.model_name", "m")],
            "embed m",
        ),
        ("llamaindex.opentelemetry.tracer", "OpenAIEmbedding._get_query_embedding", &[], "agent.step"),
        (
            "llamaindex.opentelemetry.tracer",
            "FunctionTool.acall",
            &[(
                "llamaindex.step.input_summary",
                "ToolCall(tool_name='pay', tool_kwargs={'a': \"tool_id='x'\"}, tool_id='c1')",
            )],
            "tool pay",
        ),
        ("codex_exec", "get_model_info", &[("model", "gpt-5-codex")], "nothing"),
        ("codex_exec", "handle_responses", &[("gen_ai.usage.input_tokens", "#3")], "nothing"),
        ("codex_exec", "session_task.turn", &[("model", "gpt-5-codex")], "agent.turn"),
        (
            "crewai.telemetry",
            "Crew Created",
            &[("crew_agents", "[]"), ("agent_model", "m")],
            "agent.workflow",
        ),
        ("crewai.telemetry", "Tool Usage", &[("tool_name", "pay")], "agent.step"),
        (
            "langsmith",
            "kb",
            &[("langsmith.span.kind", "retriever"), ("gen_ai.operation.name", "embeddings")],
            "retrieve kb",
        ),
        (
            "fastmcp",
            "tools/call pay",
            &[
                ("mcp.method.name", "tools/call"),
                ("fastmcp.server.name", "acme"),
                ("gen_ai.tool.name", "pay"),
            ],
            "tool acme/pay",
        ),
        (
            "mcp-python-sdk",
            "MCP send tools/call pay",
            &[("mcp.method.name", "tools/call")],
            "tool unknown/pay",
        ),
        (
            "mcp-python-sdk",
            "MCP send prompts/get greet",
            &[("mcp.method.name", "prompts/get")],
            "retrieve greet",
        ),
        (
            "mcp-python-sdk",
            "MCP send resources/read",
            &[("mcp.method.name", "resources/read")],
            "retrieve resources/read",
        ),
        (
            "litellm",
            "raw_gen_ai_request",
            &[("llm.openai.model", "m"), ("llm.openai.messages", "[]")],
            "generate m",
        ),
        (
            "litellm",
            "support",
            &[("llm.anthropic.model", "m"), ("llm.anthropic.content", "[]")],
            "generate m",
        ),
        (
            "litellm",
            "raw_gen_ai_request",
            &[("llm.None.model", "m"), ("llm.None.input", "[]"), ("llm.None.data", "[]")],
            "embed m",
        ),
        (
            "traceloop.tracer",
            "search_kb.tool",
            &[
                ("traceloop.span.kind", "tool"),
                ("traceloop.entity.name", "support"),
                ("gen_ai.tool.name", "support"),
            ],
            "tool search_kb",
        ),
    ] {
        assert_eq!(told(scope, name, attributes).kind(), kind, "{scope}: {name}");
    }
}

#[test]
fn a_call_is_told_once_where_its_id_says_so() {
    let span = told(
        "litellm",
        "x",
        &[
            ("gen_ai.operation.name", "acompletion"),
            ("gen_ai.response.id", "u-1"),
            ("litellm.call_id", "u-1"),
        ],
    );
    assert_eq!((span.usage().response_id, span.fact("call_id")), (None, Some(Fact::Id("u-1".into()))));
    let tool = told("langsmith", "t", &[("langsmith.span.kind", "tool"), ("gen_ai.response.id", "cus_8842")]);
    assert_eq!(tool.usage().response_id, None, "what a tool answers has an id of its own");
    let raw =
        told("litellm", "raw_gen_ai_request", &[("llm.openai.id", "chatcmpl-1"), ("llm.openai.model", "m")]);
    assert_eq!(raw.usage().response_id.as_deref(), Some("chatcmpl-1"));
    assert_eq!(raw.fact("attempt"), Some(Fact::Flag(true)));
    let whole = told(
        "litellm",
        "raw_gen_ai_request",
        &[
            ("llm.openai.messages", "[]"),
            ("llm.openai.stringified_raw_response", "{'id': 'chatcmpl-2', 'usage': {'prompt_tokens': 9}}"),
        ],
    );
    assert_eq!(
        (whole.usage().response_id.as_deref(), whole.usage().input_tokens),
        (Some("chatcmpl-2"), Some(9))
    );
    // Who has an answer and asked nobody had it in a cache.
    let cached = told(
        "litellm",
        "raw_gen_ai_request",
        &[("llm.openai.stringified_raw_response", "{'id': 'chatcmpl-2'}")],
    );
    assert!(matches!(cached.event().unwrap().action, Action::Boundary { .. }));
}

#[test]
fn langwatch_puts_the_provider_before_the_model() {
    let llm = |model: &'static str, more: &[(&str, &str)]| {
        let mut pairs = vec![("langwatch.span.type", "llm"), ("gen_ai.request.model", model)];
        pairs.extend_from_slice(more);
        match told("langwatch", "chat", &pairs).event().map(|event| event.action) {
            Some(Action::Generate { provider, model }) => {
                [provider, model].map(|name| name.unwrap_or_default().into_owned())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(llm("openai/gpt-4o-mini", &[]), ["openai", "gpt-4o-mini"]);
    assert_eq!(llm("vertex_ai/gemini-2.5-pro", &[]), ["gcp.vertex_ai", "gemini-2.5-pro"]);
    assert_eq!(llm("azure/eu/gpt-4o", &[]), ["azure.ai.openai", "eu/gpt-4o"]);
    assert_eq!(llm("gpt-4o-mini", &[]), ["", "gpt-4o-mini"]);
    // A slash of the model's own, and a provider that is told by itself.
    assert_eq!(llm("meta-llama/Llama-3", &[]), ["", "meta-llama/Llama-3"]);
    assert_eq!(llm("openai/gpt-oss", &[("gen_ai.provider.name", "groq")]), ["groq", "openai/gpt-oss"]);
    let elsewhere =
        told("s", "chat", &[("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "openai/o3")]);
    assert_eq!(elsewhere.kind(), "generate openai/o3");
}

/// Since version 7 the SDK has a runtime context, of which it tells what a user lets it, in place of metadata.
#[test]
fn vercels_runtime_context_says_whose_a_span_is() {
    let span = told(
        "gen_ai",
        "chat gpt-4o-mini",
        &[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", "gpt-4o-mini"),
            ("ai.settings.context.sessionId", "sess-77"),
            ("ai.settings.context.userId", "user-4711"),
            ("ai.settings.context.tenantId", "acme-corp"),
        ],
    );
    let event = span.event().unwrap();
    assert_eq!(event.session.as_deref(), Some("sess-77"));
    assert_eq!(event.principal.as_deref(), Some("user-4711"));
    assert_eq!(event.tenant.as_deref(), Some("acme-corp"));
}

#[test]
fn a_turn_of_codex_is_of_its_conversation() {
    let id = "01a22720-5791-7c20-b587-b972f2f970a2";
    let session = |scope, thread: &str| {
        let span =
            told(scope, "session_task.turn", &[("gen_ai.operation.name", "chat"), ("thread.id", thread)]);
        span.event().unwrap().session.map(Cow::into_owned)
    };
    assert_eq!(session("codex_exec", id).as_deref(), Some(id));
    assert_eq!(session("codex_exec", "#4"), None, "a thread of the operating system's");
    assert_eq!(session("opentelemetry.instrumentation", id), None);
}

#[test]
fn llamaindex_prints_what_went_into_a_tool() {
    let input = |summary: &'static str| {
        let pairs = [("llamaindex.step.input_summary", summary)];
        match told("llamaindex.opentelemetry.tracer", "FunctionTool.acall", &pairs)
            .event()
            .map(|event| event.input)
        {
            Some(Content::Value(Json::Str(text))) => text.as_str().map(str::to_owned),
            Some(Content::Undisclosed) => None,
            other => panic!("{other:?}"),
        }
    };
    let whole = "ToolCall(tool_name='pay', tool_kwargs={'a': \", tool_id='x'\", 'b': 129.5}, tool_id='c1')";
    assert_eq!(input(whole).as_deref(), Some("{'a': \", tool_id='x'\", 'b': 129.5}"));
    assert_eq!(input("ToolCall(tool_name='pay', tool_kwargs={}, tool_id='c1')").as_deref(), Some("{}"));
    assert_eq!(input("ToolCall(tool_name='pay', tool_kwargs={'a': 'much..."), None, "it was cut");
    assert_eq!(input("AgentInput(tool_kwargs={}, tool_id='c1')"), None);
}

#[test]
fn llamaindex_names_providers_by_their_classes() {
    let scope = |class: &'static str| {
        let pairs = [("model_dict.class_name", class), ("model_dict.model_name", "m")];
        match told("llamaindex.opentelemetry.tracer", "X.chat", &pairs).event().map(|event| event.action) {
            Some(Action::Generate { provider, .. }) => provider.map(Cow::into_owned),
            other => panic!("{other:?}"),
        }
    };
    for (class, provider) in [
        ("openai_llm", Some("openai")),
        ("OpenAIEmbedding", Some("openai")),
        ("Bedrock_Converse_LLM", Some("aws.bedrock")),
        ("MistralAI_LLM", Some("mistral_ai")),
        ("custom_llm", None),
        ("base_component", None),
    ] {
        assert_eq!(scope(class).as_deref(), provider, "{class}");
    }
}
