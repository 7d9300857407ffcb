//! The current names of semantic-conventions-genai.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Name, Needs, Other, Row, Table, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    shared("gen_ai.operation.name", Operation),

    shared("gen_ai.tool.name", ToolName),
    shared("gen_ai.tool.call.id", ToolCallId),
    shared("gen_ai.tool.type", ToolMark),
    shared("gen_ai.tool.description", ToolMark),
    own("gen_ai.tool.call.arguments", Arguments),
    own("gen_ai.tool.call.result", Result),
    shared("gen_ai.prompt.name", Target),
    shared("gen_ai.data_source.id", Target),
    shared("server.address", ServerAddress),

    shared("gen_ai.response.model", Model),
    shared("gen_ai.request.model", Model),
    own("gen_ai.provider.name", Provider),
    shared("gen_ai.response.id", ResponseId),

    shared("gen_ai.conversation.id", Session),
    shared("session.id", Session),
    shared("gen_ai.agent.id", AgentId),
    shared("gen_ai.agent.name", AgentName),
    shared("gen_ai.workflow.name", AgentName),
    shared("gen_ai.agent.version", AgentVersion),
    shared("service.name", ServiceName),
    shared("service.version", ServiceVersion),
    shared("user.id", Principal),
    shared("enduser.id", Principal),
    shared("tenant.id", Tenant),
    shared("halo.purpose", Purpose),
    shared("halo.region", Region),
    shared("halo.decision", Decided),
    shared("halo.approver", DecidedBy),

    shared("error.type", ErrorType),
    shared("error.message", ErrorText),
    shared("rpc.response.status_code", RpcStatus),
    shared("exception.type", ExceptionType),
    shared("exception.message", ExceptionMessage),

    own("gen_ai.input.messages", InputMessages),
    own("gen_ai.output.messages", OutputMessages),
    own("gen_ai.system_instructions", SystemInstructions),

    shared("gen_ai.usage.input_tokens", InputTokens),
    shared("gen_ai.usage.output_tokens", OutputTokens),
    shared("gen_ai.usage.total_tokens", TotalTokens),
    shared("gen_ai.usage.cache_read.input_tokens", CacheReadTokens),
    shared("gen_ai.usage.cache_write.input_tokens", CacheWriteTokens),
    shared("gen_ai.usage.reasoning.output_tokens", ReasoningTokens),
    shared("gen_ai.response.finish_reasons", FinishReason),

    shared("gen_ai.evaluation.name", Evaluation),
    shared("gen_ai.evaluation.explanation", Output),
];

/// The operations of the convention, then the names that others put there: LiteLLM (`acompletion`),
/// Semantic Kernel (`chat.completions`), Gemini CLI (`llm_call`), OpenLIT (`agent`, `image`), the
/// OpenAI Agents SDK's instrumentations (`handoff`, `guardrail_check`).
#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: Operation,
    only: "*",
    kinds: &[
        ("chat", Kind::Generate),
        ("execute_tool", Kind::Tool),
        ("text_completion", Kind::Generate),
        ("generate_content", Kind::Generate),
        ("embeddings", Kind::Embed),
        ("invoke_agent", Kind::Boundary("invoke")),
        ("create_agent", Kind::Boundary("create")),
        ("invoke_workflow", Kind::Boundary("workflow")),
        ("plan", Kind::Boundary("plan")),
        ("retrieval", Kind::Retrieve),
        ("search_memory", Kind::Retrieve),
        ("create_memory", Kind::Memory),
        ("update_memory", Kind::Memory),
        ("upsert_memory", Kind::Memory),
        ("delete_memory", Kind::Memory),
        ("create_memory_store", Kind::Memory),
        ("delete_memory_store", Kind::Memory),
        ("completion", Kind::Generate),
        ("acompletion", Kind::Generate),
        ("atext_completion", Kind::Generate),
        ("responses", Kind::Generate),
        ("aresponses", Kind::Generate),
        ("response", Kind::Generate),
        ("generate", Kind::Generate),
        ("anthropic_messages", Kind::Generate),
        ("llm_call", Kind::Generate),
        ("chat.completions", Kind::Generate),
        ("chat.streaming_completions", Kind::Generate),
        ("text.completions", Kind::Generate),
        ("text.streaming_completions", Kind::Generate),
        ("image", Kind::Generate),
        ("image_generation", Kind::Generate),
        ("audio", Kind::Generate),
        ("transcription", Kind::Generate),
        ("speech", Kind::Generate),
        ("speech_generation", Kind::Generate),
        ("embedding", Kind::Embed),
        ("aembedding", Kind::Embed),
        ("rerank", Kind::Retrieve),
        ("arerank", Kind::Retrieve),
        ("tool_call", Kind::Tool),
        ("tool", Kind::Tool),
        ("agent", Kind::Boundary("invoke")),
        ("workflow", Kind::Boundary("workflow")),
        ("handoff", Kind::Boundary("handoff")),
        ("agent_handoff", Kind::Boundary("handoff")),
        ("guardrail_check", Kind::Guard),
        ("guardrail", Kind::Guard),
        ("evaluate", Kind::Guard),
        ("evaluation", Kind::Guard),
    ],
    other: Other::Step,
    names_span: false,
};

/// The verdict of an evaluator, whatever the sender calls the operation.
pub(super) const EVALUATION: Marker = Marker {
    field: Evaluation,
    only: "*",
    kinds: &[("*", Kind::Guard)],
    other: Other::Unknown,
    names_span: false,
};

const fn name(pattern: &'static str, kind: Kind, needs: Needs) -> Name {
    Name { pattern, kind, needs }
}

/// A span's name starts with its operation; of the legacy conventions it is often all there is.
#[rustfmt::skip]
const NAMES: &[Name] = &[
    name("execute_tool", Kind::Tool, Needs::Known),
    name("execute_tool *", Kind::Tool, Needs::Known),
    name("invoke_agent", Kind::Boundary("invoke"), Needs::Known),
    name("invoke_agent *", Kind::Boundary("invoke"), Needs::Known),
    name("create_agent", Kind::Boundary("create"), Needs::Known),
    name("create_agent *", Kind::Boundary("create"), Needs::Known),
    name("invoke_workflow", Kind::Boundary("workflow"), Needs::Known),
    name("invoke_workflow *", Kind::Boundary("workflow"), Needs::Known),
    name("chat", Kind::Generate, Needs::Model),
    name("chat *", Kind::Generate, Needs::Model),
    name("text_completion", Kind::Generate, Needs::Model),
    name("text_completion *", Kind::Generate, Needs::Model),
    name("generate_content", Kind::Generate, Needs::Model),
    name("generate_content *", Kind::Generate, Needs::Model),
    name("embeddings", Kind::Embed, Needs::Model),
    name("embeddings *", Kind::Embed, Needs::Model),
];

pub(super) const TABLE: Table = Table { name: "gen_ai", rows: ROWS, names: NAMES, ..Table::EMPTY };
