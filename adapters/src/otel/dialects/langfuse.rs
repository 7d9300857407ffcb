//! Langfuse's OpenTelemetry SDKs (Python 3 and later, JavaScript 4 and later).

use crate::otel::read::Found;
use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, own, shared};
use crate::otlp::model::Span;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("langfuse.observation.type", Observation),
    own("langfuse.observation.model.name", Model),
    own("langfuse.observation.input", Input),
    own("langfuse.observation.output", Output),
    own("langfuse.observation.level", Outcome),
    own("langfuse.observation.status_message", ErrorText),
    own("langfuse.observation.usage_details", UsageObject),
    shared("langfuse.observation.metadata.finish_reason", FinishReason),
    shared("langfuse.session.id", Session),
    shared("langfuse.user.id", Principal),
    shared("langfuse.trace.metadata.tenant", Tenant),
    shared("langfuse.trace.metadata.tenant_id", Tenant),
];

/// A `span` is what a Langfuse SDK makes of anything that is not said to be more; an `event` is a
/// point in time within a trace.
#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: Observation,
    only: "*",
    kinds: &[
        ("generation", Kind::Generate),
        ("tool", Kind::Tool),
        ("agent", Kind::Agent),
        ("chain", Kind::Boundary("chain")),
        ("embedding", Kind::Embed),
        ("retriever", Kind::Retrieve),
        ("guardrail", Kind::Guard),
        ("evaluator", Kind::Guard),
        ("event", Kind::Boundary("event")),
    ],
    other: Other::Step,
    names_span: true,
};

/// The Python SDK up to 3.3 called a generation a span.
fn adjust(kind: Kind, found: &Found<'_>, _: &Span<'_>) -> Kind {
    let model = || found.row(Model).is_some_and(|row| row.key == "langfuse.observation.model.name");
    match kind {
        Kind::Boundary("step") if model() => Kind::Generate,
        _ => kind,
    }
}

pub(super) const TABLE: Table = Table { name: "langfuse", rows: ROWS, adjust: Some(adjust), ..Table::EMPTY };
