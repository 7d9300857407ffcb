//! Spring AI: `spring.ai.*` beside `gen_ai.*`; its own spans have the operation `framework`.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, own};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("spring.ai.kind", SpringType),
    own("spring.ai.tool.definition.name", LooseToolName),
    own("spring.ai.tool.call.arguments", Arguments),
    own("spring.ai.tool.call.result", Result),
    own("spring.ai.chat.client.conversation.id", Session),
    own("spring.ai.advisor.name", EntityName),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: SpringType,
    only: "*",
    kinds: &[
        ("tool_call", Kind::Tool),
        ("chat_client", Kind::Boundary("invoke")),
        ("advisor", Kind::Boundary("step")),
        ("vector_store", Kind::Retrieve),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table =
    Table { name: "spring_ai", rows: ROWS, frameworks: &["spring_ai"], ..Table::EMPTY };
