//! Laminar: `lmnr.*`.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, encoded, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("lmnr.span.type", LaminarType),
    encoded("lmnr.span.input", Input),
    encoded("lmnr.span.output", Output),
    shared("lmnr.association.properties.session_id", Session),
    shared("lmnr.association.properties.user_id", Principal),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: LaminarType,
    only: "*",
    kinds: &[
        ("LLM", Kind::Generate),
        ("CACHED", Kind::Boundary("cached")),
        ("TOOL", Kind::Tool),
        ("PIPELINE", Kind::Boundary("chain")),
        ("EXECUTOR", Kind::Agent),
        ("*EVALUATOR", Kind::Guard),
        ("EVALUATION", Kind::Guard),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table = Table { name: "laminar", rows: ROWS, ..Table::EMPTY };
