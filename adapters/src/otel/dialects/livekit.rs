//! LiveKit Agents: `lk.*` beside `gen_ai.*`. Of a model call's spans (`llm_node`, `llm_request`,
//! `llm_request_run`) the second is the call; the last is one attempt at it.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Name, Needs, Row, Table, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("lk.function_tool.name", ToolName),
    own("lk.function_tool.id", ToolCallId),
    own("lk.function_tool.arguments", Arguments),
    own("lk.function_tool.output", Result),
    own("lk.function_tool.is_error", Outcome),
    own("lk.agent_name", AgentName),
    own("lk.chat_ctx", Input),
    own("lk.user_input", Input),
    own("lk.response.text", Output),
    shared("gen_ai.usage.input_cached_tokens", CacheReadTokens),
    own("lk.pii.function_tool.arguments", Arguments),
    own("lk.pii.function_tool.output", Result),
    own("lk.pii.chat_ctx", Input),
    own("lk.pii.user_input", Input),
    own("lk.pii.response.text", Output),
];

#[rustfmt::skip]
const NAMES: &[Name] = &[
    Name { pattern: "agent_session", kind: Kind::Boundary("invoke"), needs: Needs::Dialect },
    Name { pattern: "agent_turn", kind: Kind::Boundary("step"), needs: Needs::Dialect },
    Name { pattern: "llm_node", kind: Kind::Boundary("step"), needs: Needs::Dialect },
    Name { pattern: "llm_request_run", kind: Kind::Boundary("attempt"), needs: Needs::Dialect },
];

pub(super) const TABLE: Table =
    Table { name: "livekit", rows: ROWS, names: NAMES, scopes: &["livekit-agents"], ..Table::EMPTY };
