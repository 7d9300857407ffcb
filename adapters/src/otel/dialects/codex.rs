//! OpenAI Codex' own spans: hundreds a turn, of its inner workings. Its log records tell of each call
//! once and exactly, so of the spans only a turn is kept.

use crate::otel::read::Found;
use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Row, Table, own, shared};
use crate::otlp::model::Span;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Of a turn it is the conversation, of most spans a number of the operating system's.
    shared("thread.id", LooseSession),
    own("codex.turn.token_usage.input_tokens", InputTokens),
    own("codex.turn.token_usage.output_tokens", OutputTokens),
    own("codex.turn.token_usage.total_tokens", TotalTokens),
    own("codex.turn.token_usage.cached_input_tokens", CacheReadTokens),
    own("codex.turn.token_usage.cache_write_input_tokens", CacheWriteTokens),
    own("codex.turn.token_usage.reasoning_output_tokens", ReasoningTokens),
];

fn adjust(_: Kind, found: &Found<'_>, span: &Span<'_>) -> Kind {
    match span.name.as_ref() {
        "session_task.turn" => Kind::Boundary("turn"),
        // A convention's word about a call says more than the scope.
        _ if found.has(Operation) => Kind::Boundary("step"),
        _ => Kind::Nothing,
    }
}

/// Its tracers are named after its programs.
const SCOPES: &[&str] =
    &["codex_exec", "codex_cli_rs", "codex_tui", "codex_app_server", "codex_mcp_server", "codex"];

pub(super) const TABLE: Table =
    Table { name: "codex", rows: ROWS, scopes: SCOPES, adjust: Some(adjust), ..Table::EMPTY };
