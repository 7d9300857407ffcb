//! Firebase Genkit: `genkit:*`.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, encoded, own};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("genkit:metadata:subtype", GenkitType),
    own("genkit:name", QualifiedModel),
    encoded("genkit:input", Input),
    encoded("genkit:output", Output),
    own("genkit:state", Outcome),
    own("genkit:sessionId", Session),
    own("genkit:type", Mark),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: GenkitType,
    only: "*",
    kinds: &[
        ("model", Kind::Generate),
        ("tool", Kind::Tool),
        ("tool.v2", Kind::Tool),
        ("flow", Kind::Boundary("workflow")),
        ("agent", Kind::Agent),
        ("embedder", Kind::Embed),
        ("retriever", Kind::Retrieve),
        ("reranker", Kind::Retrieve),
        ("evaluator", Kind::Guard),
        ("prompt", Kind::Boundary("prompt")),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table = Table { name: "genkit", rows: ROWS, ..Table::EMPTY };
