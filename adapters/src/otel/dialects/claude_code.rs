//! Claude Code's spans. A tool call is two of them under one call id: `tool` has its name,
//! `tool.execution` how it ended.
//!
//! Its names are everybody's (`span.type`, `model`, `success`), so they tell nothing of the
//! dialect; the names of its spans do.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, shared};

/// The event of a tool's span that has what came out.
pub(in crate::otel) const TOOL_OUTPUT: &str = "tool.output";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    shared("span.type", ClaudeType),
    shared("tool_use_id", ToolCallId),
    shared("tool_name", LooseToolName),
    shared(TOOL_OUTPUT, Result),
    shared("request_id", RequestId),
    shared("full_command", Input),
    shared("file_path", Input),
    shared("user_prompt", Input),
    shared("model", LooseModel),
    shared("input_tokens", InputTokens),
    shared("output_tokens", OutputTokens),
    shared("cache_read_tokens", CacheReadTokens),
    shared("cache_creation_tokens", CacheWriteTokens),
    shared("stop_reason", FinishReason),
    shared("success", Success),
    shared("error", ErrorText),
    shared("decision", Verdict),
    shared("source", Approver),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: ClaudeType,
    only: "claude_code.*",
    kinds: &[
        ("llm_request", Kind::Generate),
        ("tool", Kind::Tool),
        ("tool.execution", Kind::Tool),
        ("tool.blocked_on_user", Kind::Boundary("approval")),
        ("interaction", Kind::Boundary("invoke")),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table = Table { name: "claude_code", rows: ROWS, ..Table::EMPTY };
