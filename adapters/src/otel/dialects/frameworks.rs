//! Frameworks that speak `gen_ai.*` with a few names of their own, or with none but their own name
//! where that of the provider belongs.

use crate::otel::provider::raw_key;
use crate::otel::read::Found;
use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Name, Needs, Row, Table, own, shared};
use crate::otel::usage::WHOLE;
use crate::otlp::model::Span;

#[rustfmt::skip]
const ADK_ROWS: &[Row] = &[
    own("gcp.vertex.agent.event_id", Mark),
    own("gcp.vertex.agent.invocation_id", Mark),
    own("gcp.vertex.agent.tool_call_args", Arguments),
    own("gcp.vertex.agent.tool_response", Result),
    own("gcp.vertex.agent.llm_request", Input),
    own("gcp.vertex.agent.llm_response", Output),
    own("gcp.vertex.agent.session_id", Session),
];

/// Scopes of versions 1: their failed spans have no attributes.
const ADK_SCOPES: &[&str] = &["gcp.vertex.agent"];

/// Its spans before it had operations.
const ADK_NAMES: &[Name] = &[
    Name { pattern: "call_llm", kind: Kind::Generate, needs: Needs::Dialect },
    Name { pattern: "agent_run [*", kind: Kind::Boundary("invoke"), needs: Needs::Nothing },
    Name { pattern: "execute_tool *", kind: Kind::Tool, needs: Needs::Dialect },
    Name { pattern: "invocation", kind: Kind::Boundary("workflow"), needs: Needs::Dialect },
];

/// The agent development kit closes parallel tool calls with a span that is no call: they have
/// spans of their own.
fn merged_tools(kind: Kind, found: &Found<'_>, _: &Span<'_>) -> Kind {
    match kind {
        Kind::Tool if found.text(ToolName).as_deref() == Some("(merged tools)") => Kind::Nothing,
        _ => kind,
    }
}

pub(super) const GOOGLE_ADK: Table = Table {
    name: "google_adk",
    rows: ADK_ROWS,
    names: ADK_NAMES,
    frameworks: &["gcp.vertex.agent"],
    scopes: ADK_SCOPES,
    adjust: Some(merged_tools),
    ..Table::EMPTY
};

const STRANDS_ROWS: &[Row] = &[own("gen_ai.tool.status", Outcome), own("event_loop.cycle_id", Mark)];

pub(super) const STRANDS: Table =
    Table { name: "strands", rows: STRANDS_ROWS, frameworks: &["strands-agents"], ..Table::EMPTY };

pub(super) const AUTOGEN: Table =
    Table { name: "autogen", frameworks: &["autogen", "autogen-core"], ..Table::EMPTY };

pub(super) const MS_AGENT_FRAMEWORK: Table = Table {
    name: "ms_agent_framework",
    frameworks: &["microsoft.agent_framework", "microsoft.agents"],
    ..Table::EMPTY
};

#[rustfmt::skip]
const CREWAI_ROWS: &[Row] = &[
    own("crewai.agent.role", AgentName),
    own("crewai.agent.id", AgentId),
    own("crewai.task.description", Input),
    own("crewai.crew.result", Output),
];

const CREWAI_NAMES: &[Name] = &[
    Name { pattern: "crewai.workflow", kind: Kind::Boundary("workflow"), needs: Needs::Nothing },
    Name { pattern: "*.llm", kind: Kind::Generate, needs: Needs::Model },
    Name { pattern: "Crew *", kind: Kind::Boundary("workflow"), needs: Needs::Dialect },
    Name { pattern: "Flow *", kind: Kind::Boundary("workflow"), needs: Needs::Dialect },
    Name { pattern: "Task *", kind: Kind::Boundary("step"), needs: Needs::Dialect },
    Name { pattern: "Tool *", kind: Kind::Boundary("step"), needs: Needs::Dialect },
];

/// Its own telemetry marks points in a crew's life and names models and tools of agents that are defined;
/// none of its spans is a call.
fn crewai(kind: Kind, found: &Found<'_>, _: &Span<'_>) -> Kind {
    match kind {
        Kind::Nothing | Kind::Tool | Kind::Generate if found.by_scope && !found.has(Operation) => {
            Kind::Boundary("step")
        }
        _ => kind,
    }
}

pub(super) const CREWAI: Table = Table {
    name: "crewai",
    rows: CREWAI_ROWS,
    names: CREWAI_NAMES,
    frameworks: &["crewai"],
    scopes: &["crewai.telemetry"],
    adjust: Some(crewai),
    ..Table::EMPTY
};

/// Of the OpenAI Agents SDK's instrumentations.
#[rustfmt::skip]
const OPENAI_AGENTS_ROWS: &[Row] = &[
    own("gen_ai.guardrail.name", EntityName),
    own("gen_ai.guardrail.triggered", Verdict),
    own("gen_ai.handoff.from_agent", AgentName),
];

pub(super) const OPENAI_AGENTS: Table =
    Table { name: "openai_agents", rows: OPENAI_AGENTS_ROWS, frameworks: &["openai_agents"], ..Table::EMPTY };

/// Its second span of a call, `raw_gen_ai_request`, has what the provider was asked and answered, under
/// `llm.<provider>.*`; where the first is lost, it is all there is.
const LITELLM_ROWS: &[Row] = &[
    own("litellm.provider.model", QualifiedModel),
    own("litellm.call_id", GatewayCall),
    shared("metadata.user_api_key_end_user_id", Principal),
    shared("metadata.user_api_key_user_id", Principal),
    shared("metadata.user_api_key_org_id", Tenant),
    shared("metadata.user_api_key_team_id", Tenant),
];

/// What was asked, by what the answer has. A caller may have named it after the generation. A span with an answer
/// alone tells that nobody was asked: LiteLLM had the answer in its cache.
fn raw_request(kind: Kind, found: &Found<'_>, span: &Span<'_>) -> Kind {
    if !found.is_raw {
        return kind;
    }
    let has = |name: &str| {
        span.attributes.iter().any(|pair| raw_key(&pair.key).is_some_and(|(_, key)| key == name))
    };
    let asked = span.attributes.iter().any(|pair| raw_key(&pair.key).is_some_and(|(_, key)| key != WHOLE));
    match () {
        () if !asked => Kind::Boundary("step"),
        () if has("messages") || has("choices") || has("contents") => Kind::Generate,
        () if has("query") && (has("results") || has("documents")) => Kind::Retrieve,
        () if has("input") && (has("encoding_format") || has("data")) => Kind::Embed,
        () => Kind::Generate,
    }
}

/// What the span is called, unless its caller has a name for the generation.
pub(in crate::otel) const RAW_REQUEST: &str = "raw_gen_ai_request";

pub(super) const LITELLM: Table = Table {
    name: "litellm",
    rows: LITELLM_ROWS,
    scopes: &["litellm"],
    adjust: Some(raw_request),
    ..Table::EMPTY
};
