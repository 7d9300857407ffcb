//! Langfuse: events of its ingestion API, and rows of its public API and exports.
//!
//! | what Langfuse calls it | record |
//! |---|---|
//! | `GENERATION`, and a `SPAN` with a model | `model.generate` |
//! | `EMBEDDING` | `model.embed` |
//! | `TOOL`, and a `SPAN` named `mcp__<server>__<tool>` | the tool |
//! | `SPAN` with the name of a tool that a generation of its batch lists | the tool |
//! | `SPAN` | `agent.step` |
//! | `RETRIEVER` | `retrieve:<name>` |
//! | `GUARDRAIL`, `EVALUATOR` | the guard or evaluator |
//! | `AGENT` | `agent.invoke` of that agent |
//! | `CHAIN`, `EVENT` | `agent.chain`, `agent.event` |
//! | trace | `agent.invoke` of the agent that it is named after |
//! | score | the evaluator that it is named after, under what it judges |
//!
//! The older SDKs have no type for tools, so a tool that they trace is a span like any other unit of work: a
//! step, and no evidence of a tool call.
//!
//! An action failed when its level is `ERROR`, or as its result says. Session, principal and tenant
//! come from the trace where an observation does not name them itself.
//!
//! An observation that came to Langfuse over OpenTelemetry has the ids of its span: an export of it is
//! the same action as the span.

mod read;
mod row;
mod tools;
mod usage;

pub use row::{is_deleted, observation, score, trace};
pub use tools::{call_by_name, tools};

use crate::MAPPING;
use crate::fields::{instant, text};
use halod_record::event::Source;
use halod_record::fragment::{Fragment, Kind};
use halod_record::json::Json;
use halod_record::unusable::Unusable;
use read::{Body, Form};

/// Whose ids they are.
const SPACE: &str = "langfuse";

const fn source(dialect: &'static str) -> Source {
    Source { adapter: "langfuse", via: "Langfuse traces", dialect, mapping: MAPPING }
}

/// Reads one event of an ingestion batch. `None` means that it tells of nothing that an agent did.
///
/// # Errors
/// It is no event, or says not what it is about.
pub fn fragment<'a>(event: &'a Json<'a>) -> Result<Option<Fragment<'a>>, Unusable> {
    let kind = text(event, "type").ok_or_else(|| Unusable::new("type", "expected the kind of the event"))?;
    let body = event.get("body").filter(|body| matches!(body, Json::Object(_)));
    let body = body.ok_or_else(|| Unusable::new("body", "expected an object"))?;
    let (of, create) = match kind.rsplit_once('-') {
        Some((of, "create")) => (of, true),
        Some((of, "update")) => (of, false),
        _ if kind == "sdk-log" => return Ok(None),
        _ => return Err(unknown()),
    };
    let body = Body { json: body, form: Form::Live, envelope: text(event, "id") };
    let said = instant(event.get("timestamp")).unwrap_or(0).saturating_mul(1000);
    let mut fragment = match of {
        "trace" => body.trace()?,
        "score" if create => body.score()?,
        _ => {
            let kind = match of {
                "observation" => text(body.json, "type").and_then(|kind| kind_of(&kind)),
                kind => Some(kind_of(kind).ok_or_else(unknown)?),
            };
            let mut fragment = body.observation(kind)?;
            fragment.opens = create;
            fragment.closes |= of == "event";
            fragment
        }
    };
    fragment.said = said;
    Ok(Some(fragment))
}

fn unknown() -> Unusable {
    Unusable::new("type", "not a kind of event that Langfuse has")
}

/// By the type of an observation, or the word before `-create`.
fn kind_of(name: &str) -> Option<Kind> {
    const KINDS: [(&str, Kind); 10] = [
        ("generation", Kind::Generate),
        ("span", Kind::Step),
        ("event", Kind::Boundary("event")),
        ("tool", Kind::Tool),
        ("agent", Kind::Boundary("invoke")),
        ("chain", Kind::Boundary("chain")),
        ("retriever", Kind::Retrieve),
        ("embedding", Kind::Embed),
        ("guardrail", Kind::Guard),
        ("evaluator", Kind::Guard),
    ];
    KINDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests;
