//! Pydantic AI and Logfire, which speak `gen_ai.*` with additions of their own.

use crate::otel::read::Found;
use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Name, Needs, Other, Row, Table, own, shared};
use crate::otlp::model::Span;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("logfire.span_type", LogfireType),
    own("pydantic_ai.all_messages", InputMessages),
    own("all_messages_events", InputMessages),
    own("final_result", OutputMessages),
    shared("agent_name", AgentName),
    shared("events", Input),
    shared("tool", LooseToolName),
    shared("arguments", Arguments),
];

const NAMES: &[Name] =
    &[Name { pattern: "agent run", kind: Kind::Boundary("invoke"), needs: Needs::Dialect }];

/// A span that is still open is sent ahead of itself under another id.
pub(super) const MARKER: Marker = Marker {
    field: LogfireType,
    only: "*",
    kinds: &[("pending_span", Kind::Nothing), ("start_span", Kind::Nothing)],
    other: Other::Unknown,
    names_span: false,
};

/// The end of a streamed answer is told by a log of no length beside the span of the call.
fn adjust(kind: Kind, found: &Found<'_>, _: &Span<'_>) -> Kind {
    match kind {
        Kind::Generate if found.text(LogfireType).as_deref() == Some("log") => Kind::Boundary("stream"),
        _ => kind,
    }
}

pub(super) const TABLE: Table =
    Table { name: "logfire", rows: ROWS, names: NAMES, adjust: Some(adjust), ..Table::EMPTY };
