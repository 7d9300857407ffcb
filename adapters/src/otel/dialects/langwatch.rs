//! LangWatch's SDKs: `langwatch.*`. Contents are wrapped: `{"type": "text", "value": ...}`.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, own, shared};

/// How the names of the rows begin whose values are wrapped.
pub(in crate::otel) const PREFIX: &str = "langwatch.";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("langwatch.span.type", LangwatchType),
    own("langwatch.input", Input),
    own("langwatch.output", Output),
    own("langwatch.metrics", UsageObject),
    own("langwatch.contexts", Output),
    own("langwatch.rag.contexts", Output),
    shared("langwatch.thread.id", Session),
    shared("langwatch.user.id", Principal),
    shared("langwatch.customer.id", Tenant),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: LangwatchType,
    only: "*",
    kinds: &[
        ("llm", Kind::Generate),
        ("tool", Kind::Tool),
        ("agent", Kind::Agent),
        ("rag", Kind::Retrieve),
        ("chain", Kind::Boundary("chain")),
        ("workflow", Kind::Boundary("workflow")),
        ("guardrail", Kind::Guard),
        ("evaluation", Kind::Guard),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table = Table { name: "langwatch", rows: ROWS, ..Table::EMPTY };
