//! `mcp.*` of semantic-conventions-genai.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, own};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("mcp.method.name", McpMethod),
    own("mcp.tool.name", ToolName),
    own("mcp.resource.uri", Target),
    own("mcp.prompt.name", Target),
    own("mcp.session.id", McpSession),
    own("fastmcp.server.name", McpServer),
    own("mcp.server.name", McpServer),
];

/// Methods that only keep a connection going (`initialize`, `ping`, notifications, subscriptions)
/// are no agent's action.
#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: McpMethod,
    only: "*",
    kinds: &[
        ("tools/call", Kind::McpTool),
        ("resources/read", Kind::Retrieve),
        ("prompts/get", Kind::Retrieve),
        ("tools/list", Kind::Listing),
        ("resources/list", Kind::Listing),
        ("prompts/list", Kind::Listing),
        ("sampling/createMessage", Kind::Boundary("sample")),
        ("elicitation/create", Kind::Boundary("elicit")),
    ],
    other: Other::Nothing,
    names_span: false,
};

pub(super) const TABLE: Table = Table { name: "mcp", rows: ROWS, ..Table::EMPTY };
