//! LlamaIndex' own OpenTelemetry integration: a span is named after a class and its method, a model is
//! named in the event with which its call begins, and a tool in what went into the step.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Name, Needs, Row, Table, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("llamaindex.run_id", Mark),
    own("llamaindex.step.input_summary", Summary),
    own("model_dict.model_name", Model),
    own("model_dict.class_name", ModelClass),
    shared("messages", Input),
    shared("prompt", Input),
    shared("err_str", ErrorText),
];

const fn name(pattern: &'static str, kind: Kind) -> Name {
    Name { pattern, kind, needs: Needs::Dialect }
}

/// The public methods: the private ones (`_get_query_embedding`, `_retrieve`) are called by them.
#[rustfmt::skip]
const NAMES: &[Name] = &[
    name("*.chat", Kind::Generate),
    name("*.achat", Kind::Generate),
    name("*.stream_chat", Kind::Generate),
    name("*.astream_chat", Kind::Generate),
    name("*.complete", Kind::Generate),
    name("*.acomplete", Kind::Generate),
    name("*.stream_complete", Kind::Generate),
    name("*.astream_complete", Kind::Generate),
    name("*.get_query_embedding", Kind::Embed),
    name("*.aget_query_embedding", Kind::Embed),
    name("*.get_text_embedding", Kind::Embed),
    name("*.aget_text_embedding", Kind::Embed),
    name("*.get_text_embedding_batch", Kind::Embed),
    name("*.aget_text_embedding_batch", Kind::Embed),
    name("*Tool.call", Kind::Tool),
    name("*Tool.acall", Kind::Tool),
    name("*Tool.__call__", Kind::Tool),
    name("*.retrieve", Kind::Retrieve),
    name("*.aretrieve", Kind::Retrieve),
    name("*Agent.run", Kind::Boundary("invoke")),
    name("*.run", Kind::Boundary("workflow")),
    name("*.query", Kind::Boundary("invoke")),
    name("*.aquery", Kind::Boundary("invoke")),
    name("*", Kind::Boundary("step")),
];

pub(super) const TABLE: Table = Table {
    name: "llamaindex",
    rows: ROWS,
    names: NAMES,
    scopes: &["llamaindex.opentelemetry.*"],
    ..Table::EMPTY
};
