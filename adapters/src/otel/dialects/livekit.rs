//! LiveKit Agents: `lk.*` beside `gen_ai.*`.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Name, Needs, Row, Table, own};

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
];

#[rustfmt::skip]
const NAMES: &[Name] = &[
    Name { pattern: "agent_session", kind: Kind::Boundary("invoke"), needs: Needs::Dialect },
    Name { pattern: "agent_turn", kind: Kind::Boundary("step"), needs: Needs::Dialect },
];

pub(super) const TABLE: Table = Table { name: "livekit", rows: ROWS, names: NAMES, ..Table::EMPTY };
