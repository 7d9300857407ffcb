//! `gen_ai.*` names that the conventions have left behind (semantic-conventions 1.26 to 1.36), and
//! those that OpenLLMetry used before them.

use crate::otel::table::Field::*;
use crate::otel::table::{Family, Kind, Marker, Other, Row, Side, Table, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("gen_ai.tool.call_id", ToolCallId),
    own("tool_arguments", Arguments),
    own("tool_response", Result),
    own("gen_ai.system", Provider),
    own("gen_ai.user", Principal),
    shared("llm.user", Principal),
    shared("llm.request.type", RequestType),
    shared("llm.vendor", Provider),
    shared("llm.response.model", Model),
    shared("llm.request.model", Model),
    own("gen_ai.prompt", InputMessages),
    own("gen_ai.completion", OutputMessages),
    own("gen_ai.usage.prompt_tokens", InputTokens),
    own("gen_ai.usage.completion_tokens", OutputTokens),
    shared("llm.usage.total_tokens", TotalTokens),
    own("gen_ai.usage.cache_read_input_tokens", CacheReadTokens),
    own("gen_ai.usage.cache_creation.input_tokens", CacheWriteTokens),
    own("gen_ai.usage.cache_creation_input_tokens", CacheWriteTokens),
    own("gen_ai.usage.cache_write_input_tokens", CacheWriteTokens),
    own("gen_ai.usage.reasoning_tokens", ReasoningTokens),
    shared("gen_ai.usage.details.reasoning_tokens", ReasoningTokens),
    shared("gen_ai.usage.details.cache_read_tokens", CacheReadTokens),
    shared("gen_ai.usage.details.cache_write_tokens", CacheWriteTokens),
];

/// What there was before operations, and still is beside them.
#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: RequestType,
    only: "*",
    kinds: &[
        ("chat", Kind::Generate),
        ("completion", Kind::Generate),
        ("embedding", Kind::Embed),
        ("rerank", Kind::Retrieve),
    ],
    other: Other::Unknown,
    names_span: true,
};

const FAMILIES: &[Family] = &[
    Family { prefix: "gen_ai.prompt.", item: "", skip: "", side: Side::Input },
    Family { prefix: "gen_ai.completion.", item: "", skip: "", side: Side::Output },
    Family { prefix: "llm.prompts.", item: "prompt.", skip: "", side: Side::Input },
    Family { prefix: "llm.completions.", item: "completion.", skip: "", side: Side::Output },
];

pub(super) const TABLE: Table =
    Table { name: "gen_ai.legacy", rows: ROWS, families: FAMILIES, ..Table::EMPTY };
