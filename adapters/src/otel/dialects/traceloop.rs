//! OpenLLMetry (Traceloop) and its decorators.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Name, Needs, Other, Row, Table, encoded, own, shared};

/// Association properties and the workflow's name stand on every span under a workflow, also on
/// those of other libraries, so they tell nothing of the dialect.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("traceloop.span.kind", TraceloopKind),
    own("traceloop.entity.name", EntityName),
    encoded("traceloop.entity.input", Input),
    encoded("traceloop.entity.output", Output),
    own("gen_ai.task.status", Outcome),
    shared("traceloop.association.properties.session_id", Session),
    shared("traceloop.association.properties.conversation_id", Session),
    shared("traceloop.association.properties.thread_id", Session),
    shared("traceloop.association.properties.user_id", Principal),
    shared("traceloop.association.properties.tenant", Tenant),
    shared("traceloop.association.properties.tenant_id", Tenant),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: TraceloopKind,
    only: "*",
    kinds: &[
        ("tool", Kind::Tool),
        ("agent", Kind::Agent),
        ("workflow", Kind::Boundary("workflow")),
        ("task", Kind::Boundary("step")),
        ("handoff", Kind::Boundary("handoff")),
        ("guardrail", Kind::Guard),
    ],
    other: Other::Step,
    names_span: false,
};

const fn name(pattern: &'static str, kind: Kind) -> Name {
    Name { pattern, kind, needs: Needs::Dialect }
}

/// Its MCP instrumentation names a request after its method and says nothing else about it.
#[rustfmt::skip]
const NAMES: &[Name] = &[
    name("resources/read.mcp", Kind::Retrieve),
    name("prompts/get.mcp", Kind::Retrieve),
    name("tools/list.mcp", Kind::Retrieve),
    name("resources/list.mcp", Kind::Retrieve),
    name("prompts/list.mcp", Kind::Retrieve),
    name("*.mcp", Kind::Nothing),
];

pub(super) const TABLE: Table =
    Table { name: "traceloop", rows: ROWS, names: NAMES, frameworks: &["langgraph"], ..Table::EMPTY };
