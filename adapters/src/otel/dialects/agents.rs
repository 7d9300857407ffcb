//! Agent frameworks that speak `gen_ai.*` or OpenInference with spans of their own between: what those
//! are, so that none is taken for another call.

use crate::otel::read::Found;
use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, own, shared};
use crate::otlp::model::Span;

/// BeeAI tells each chunk of a streamed answer, and the failure of a call, by a child of the call's kind.
fn beeai(kind: Kind, _: &Found<'_>, span: &Span<'_>) -> Kind {
    match span.name.as_ref() {
        "new_token" => Kind::Nothing,
        "error" | "retry" => Kind::Boundary("error"),
        "start" | "success" | "finish" => Kind::Boundary("step"),
        _ => kind,
    }
}

pub(super) const BEEAI: Table = Table {
    name: "beeai",
    scopes: &["openinference.instrumentation.beeai"],
    adjust: Some(beeai),
    ..Table::EMPTY
};

/// Gemini CLI's spans have the conventions' names, and an OK whatever came of a tool: its log records tell.
pub(in crate::otel) const GEMINI_CLI: Table =
    Table { name: "gemini_cli", scopes: &["gemini-cli"], ..Table::EMPTY };

#[rustfmt::skip]
const AG2_ROWS: &[Row] = &[
    own("ag2.span.type", Ag2Type),
    own("ag2.usage.total_tokens", TotalTokens),
    shared("gen_ai.usage.thinking_tokens", ReasoningTokens),
];

/// `usage` is a further span beside each call's: what the call cost.
#[rustfmt::skip]
pub(super) const AG2_MARKER: Marker = Marker {
    field: Ag2Type,
    only: "*",
    kinds: &[
        ("llm", Kind::Generate),
        ("usage", Kind::Boundary("usage")),
        ("tool", Kind::Tool),
        ("agent", Kind::Boundary("invoke")),
        ("conversation", Kind::Boundary("workflow")),
        ("multi_conversation", Kind::Boundary("workflow")),
        ("speaker_selection", Kind::Boundary("step")),
        ("human_input", Kind::Boundary("prompt")),
        ("code_execution", Kind::Tool),
    ],
    other: Other::Step,
    names_span: false,
};

pub(super) const AG2: Table = Table { name: "ag2", rows: AG2_ROWS, ..Table::EMPTY };

#[rustfmt::skip]
const MASTRA_ROWS: &[Row] = &[
    own("mastra.span.type", MastraType),
    own("mastra.model_step.input", Input),
    own("mastra.model_step.output", Output),
    own("mastra.model_generation.input", Input),
    own("mastra.model_generation.output", Output),
    own("mastra.agent_run.input", Input),
    own("mastra.agent_run.output", Output),
    own("mastra.workflow_run.input", Input),
    own("mastra.workflow_run.output", Output),
    own("mastra.tool_call.input", Arguments),
    own("mastra.tool_call.output", Result),
    own("mastra.mcp_tool_call.input", Arguments),
    own("mastra.mcp_tool_call.output", Result),
    shared("mastra.metadata.sessionId", Session),
    shared("mastra.metadata.threadId", Session),
    shared("mastra.metadata.userId", Principal),
    shared("mastra.metadata.tenantId", Tenant),
];

/// `model_generation` is the loop around calls (`model_inference`, told as `chat`) and tools; a chunk is a
/// part of a streamed answer.
#[rustfmt::skip]
pub(super) const MASTRA_MARKER: Marker = Marker {
    field: MastraType,
    only: "*",
    kinds: &[
        ("model_inference", Kind::Generate),
        ("model_chunk", Kind::Nothing),
        ("tool_call", Kind::Tool),
        ("mcp_tool_call", Kind::McpTool),
        ("agent_run", Kind::Boundary("invoke")),
        ("model_generation", Kind::Boundary("generation")),
        ("workflow_run", Kind::Boundary("workflow")),
    ],
    other: Other::Step,
    names_span: false,
};

pub(super) const MASTRA: Table = Table { name: "mastra", rows: MASTRA_ROWS, ..Table::EMPTY };
