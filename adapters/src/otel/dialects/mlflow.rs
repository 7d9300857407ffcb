//! MLflow tracing: every value is JSON.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, encoded, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("mlflow.spanType", MlflowType),
    encoded("mlflow.spanInputs", Input),
    encoded("mlflow.spanOutputs", Output),
    own("mlflow.llm.model", Model),
    own("mlflow.llm.provider", Provider),
    own("mlflow.chat.tokenUsage", UsageObject),
    shared("mlflow.trace.session", Session),
    shared("mlflow.trace.user", Principal),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: MlflowType,
    only: "*",
    kinds: &[
        ("CHAT_MODEL", Kind::Generate),
        ("LLM", Kind::Generate),
        ("TOOL", Kind::Tool),
        ("AGENT", Kind::Agent),
        ("CHAIN", Kind::Boundary("chain")),
        ("WORKFLOW", Kind::Boundary("workflow")),
        ("TASK", Kind::Boundary("step")),
        ("EMBEDDING", Kind::Embed),
        ("RETRIEVER", Kind::Retrieve),
        ("RERANKER", Kind::Retrieve),
        ("MEMORY", Kind::Retrieve),
        ("GUARDRAIL", Kind::Guard),
        ("EVALUATOR", Kind::Guard),
    ],
    other: Other::Step,
    names_span: true,
};

pub(super) const TABLE: Table = Table { name: "mlflow", rows: ROWS, ..Table::EMPTY };
