//! LangSmith's OpenTelemetry export (LangChain, LangGraph).

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, own};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("langsmith.span.kind", LangsmithKind),
    own("langsmith.trace.name", EntityName),
    own("langsmith.metadata.ls_model_name", Model),
    own("langsmith.metadata.ls_provider", Provider),
    own("langsmith.metadata.session_id", Session),
    own("langsmith.metadata.thread_id", Session),
    own("langsmith.metadata.conversation_id", Session),
    own("langsmith.metadata.lc_agent_name", AgentName),
    own("langsmith.metadata.user_id", Principal),
    own("langsmith.metadata.tenant", Tenant),
    own("langsmith.metadata.tenant_id", Tenant),
    own("langsmith.metadata.usage_metadata", UsageObject),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: LangsmithKind,
    only: "*",
    kinds: &[
        ("llm", Kind::Generate),
        ("tool", Kind::Tool),
        ("chain", Kind::Boundary("chain")),
        ("retriever", Kind::Retrieve),
        ("embedding", Kind::Embed),
        ("prompt", Kind::Boundary("prompt")),
        ("parser", Kind::Boundary("step")),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table =
    Table { name: "langsmith", rows: ROWS, frameworks: &["langchain"], ..Table::EMPTY };
