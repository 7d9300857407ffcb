//! OpenInference (Arize Phoenix and its instrumentations).
//!
//! `tool.parameters` is the schema of the parameters in every capture, so it is not read as the
//! arguments: those are `input.value`.

use crate::otel::read::Found;
use crate::otel::table::Field::*;
use crate::otel::table::{Family, Kind, Marker, Other, Row, Side, Table, own, shared};
use crate::otlp::model::Span;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("openinference.span.kind", OpenInferenceKind),
    own("tool_call.function.name", ToolName),
    shared("tool.name", LooseToolName),
    own("tool_call.id", ToolCallId),
    shared("tool.id", ToolCallId),
    own("tool_call.function.arguments", Arguments),
    shared("input.value", Input),
    shared("input.mime_type", InputMime),
    shared("output.value", Output),
    shared("output.mime_type", OutputMime),
    own("llm.response.model_name", Model),
    own("llm.model_name", Model),
    own("llm.request.model_name", Model),
    own("embedding.model_name", Model),
    own("reranker.model_name", Model),
    own("llm.invocation_parameters", Parameters),
    own("embedding.invocation_parameters", Parameters),
    own("llm.provider", Provider),
    own("llm.system", Provider),
    shared("agent.name", AgentName),
    shared("graph.node.id", AgentName),
    shared("metadata", Metadata),
    own("llm.prompts", InputMessages),
    own("reranker.query", Input),
    own("llm.token_count.prompt", InputTokens),
    own("llm.token_count.completion", OutputTokens),
    own("llm.token_count.total", TotalTokens),
    own("llm.token_count.prompt_details.cache_read", CacheReadTokens),
    own("llm.token_count.prompt_details.cache_write", CacheWriteTokens),
    own("llm.token_count.completion_details.reasoning", ReasoningTokens),
    own("llm.finish_reason", FinishReason),
    shared("metadata.usage.cached_prompt_tokens", CacheReadTokens),
    shared("metadata.usage.cached_creation_tokens", CacheWriteTokens),
    shared("openinference.project.name", Project),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: OpenInferenceKind,
    only: "*",
    kinds: &[
        ("LLM", Kind::Generate),
        ("TOOL", Kind::Tool),
        ("CHAIN", Kind::Boundary("chain")),
        ("AGENT", Kind::Agent),
        ("EMBEDDING", Kind::Embed),
        ("RETRIEVER", Kind::Retrieve),
        ("RERANKER", Kind::Retrieve),
        ("GUARDRAIL", Kind::Guard),
        ("EVALUATOR", Kind::Guard),
        ("PROMPT", Kind::Boundary("prompt")),
    ],
    other: Other::Step,
    names_span: true,
};

const FAMILIES: &[Family] = &[
    Family { prefix: "llm.input_messages.", item: "message.", skip: "", side: Side::Input },
    Family { prefix: "llm.output_messages.", item: "message.", skip: "", side: Side::Output },
    Family { prefix: "llm.choices.", item: "completion.", skip: "", side: Side::Output },
    Family { prefix: "embedding.embeddings.", item: "embedding.", skip: "vector", side: Side::Input },
    Family { prefix: "retrieval.documents.", item: "document.", skip: "", side: Side::Output },
    Family { prefix: "reranker.input_documents.", item: "document.", skip: "", side: Side::Input },
    Family { prefix: "reranker.output_documents.", item: "document.", skip: "", side: Side::Output },
];

/// LlamaIndex marks the helper that puts a request together as the model call itself.
fn adjust(kind: Kind, _: &Found<'_>, span: &Span<'_>) -> Kind {
    match kind {
        Kind::Generate if span.name.ends_with("_prepare_chat_with_tools") => Kind::Boundary("step"),
        _ => kind,
    }
}

pub(super) const TABLE: Table =
    Table { name: "openinference", rows: ROWS, families: FAMILIES, adjust: Some(adjust), ..Table::EMPTY };
