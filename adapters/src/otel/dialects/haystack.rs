//! Haystack's own tracer: a span's name says what it is, except of a pipeline's components, which
//! their type does.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Name, Needs, Other, Row, Table, own};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("haystack.component.type", HaystackType),
    own("haystack.component.name", EntityName),
    own("haystack.component.input", Input),
    own("haystack.component.output", Output),
    own("haystack.tool.name", LooseToolName),
    own("haystack.tool.call.id", ToolCallId),
    own("haystack.tool.error", Outcome),
    own("haystack.agent.step.tool.input", Arguments),
    own("haystack.agent.step.tool.output", Result),
    own("haystack.agent.step.llm.input", Input),
    own("haystack.agent.step.llm.output", Output),
    own("haystack.agent.input", Input),
    own("haystack.agent.output", Output),
    own("haystack.pipeline.input_data", Input),
    own("haystack.pipeline.output_data", Output),
    own("haystack.agent.hook.human_in_the_loop.strategy.decision", Verdict),
    own("haystack.agent.hook.human_in_the_loop.strategy.type", Approver),
];

#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: HaystackType,
    only: "*",
    kinds: &[
        ("*Generator", Kind::Generate),
        ("*Embedder", Kind::Embed),
        ("*Retriever", Kind::Retrieve),
        ("*Ranker", Kind::Retrieve),
        ("*Agent", Kind::Agent),
    ],
    other: Other::Step,
    names_span: false,
};

const fn name(pattern: &'static str, kind: Kind) -> Name {
    Name { pattern, kind, needs: Needs::Nothing }
}

#[rustfmt::skip]
const NAMES: &[Name] = &[
    name("haystack.agent.step.llm", Kind::Generate),
    name("haystack.agent.step.tool", Kind::Tool),
    name("haystack.agent.run", Kind::Boundary("invoke")),
    name("haystack.agent.step", Kind::Boundary("step")),
    name("haystack.agent.hook.human_in_the_loop.strategy", Kind::Boundary("approval")),
    name("haystack.pipeline.run", Kind::Boundary("workflow")),
    name("haystack.async_pipeline.run", Kind::Boundary("workflow")),
    name("haystack.component.run", Kind::Boundary("step")),
];

pub(super) const TABLE: Table =
    Table { name: "haystack", rows: ROWS, names: NAMES, frameworks: &["haystack"], ..Table::EMPTY };
