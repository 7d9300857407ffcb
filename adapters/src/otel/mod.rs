//! OpenTelemetry spans as agent actions: the current and legacy `gen_ai.*` names, and `mcp.*`.
//!
//! `rows` is the table of names; `read` fills its slots in one pass; `action` says what kind of
//! thing the span is. What a sender keeps to itself is [`Content::Undisclosed`], which is not
//! the same as empty.

mod action;
mod content;
mod context;
pub mod logs;
mod read;
mod rows;

use crate::event::{Action, Agent, Content, Event, Origin, Outcome, Source, Status, Usage};
use crate::otlp::model::{KeyValue, Span};
use read::Found;
use rows::Field;
use std::borrow::Cow;

pub use context::context;

/// Version of the mapping: raised whenever an event comes out differently.
const MAPPING: &str = "1";

/// `STATUS_CODE_UNSET` and `STATUS_CODE_ERROR` (`trace.proto`).
const UNSET: i32 = 0;
const ERROR: i32 = 2;

/// What a resource says about the spans under it. Read it once for all of them: a resource may have
/// as many attributes as its sender likes.
#[derive(Clone, Debug, Default)]
pub struct Resource<'a> {
    agent: Agent<'a>,
    service_name: Option<Cow<'a, str>>,
    service_version: Option<Cow<'a, str>>,
}

impl<'a> Resource<'a> {
    #[must_use]
    pub fn new(attributes: &'a [KeyValue<'a>]) -> Self {
        let found = Found::of_attributes(attributes);
        // SDKs call a service without a name `unknown_service:<process>`.
        let named = |name: &Cow<'_, str>| !name.starts_with("unknown_service");
        Self {
            agent: agent(&found),
            service_name: found.text(Field::ServiceName).filter(named),
            service_version: found.text(Field::ServiceVersion),
        }
    }
}

/// The agent action that `span` tells of; `None` when it tells of none.
///
/// The event's `tenant` is left empty: see [`tenant_claim`].
#[must_use]
pub fn event<'a>(resource: &Resource<'a>, span: &'a Span<'a>) -> Option<Event<'a>> {
    let mut found = Found::of_span(span);
    let action = action::of(&found, resource, span)?;
    let (input, result) = match action {
        Action::Tool { .. } => tool_content(&mut found),
        _ => (found.input(), found.output()),
    };
    Some(Event {
        action,
        agent: with_resource(agent(&found), resource),
        session: found.text(Field::Session),
        principal: found.text(Field::Principal),
        tenant: None,
        input,
        outcome: outcome(&found, result, span),
        authorization: None,
        origin: Origin::Span {
            trace: span.trace_id,
            span: span.span_id,
            parent: span.parent_span_id,
            name: Cow::Borrowed(&span.name),
        },
        started: Some(span.start_time_unix_nano).filter(|time| *time != 0),
        ended: Some(span.end_time_unix_nano).filter(|time| *time != 0),
        usage: usage(&found),
        source: Source {
            adapter: "otel",
            via: "OpenTelemetry GenAI spans",
            dialect: found.dialect(),
            mapping: MAPPING,
        },
        dropped: span.dropped,
    })
}

/// The tenant that `attributes` claim: the value of the first of `names` that is there and is a
/// string or an integer, and not empty. Ask a resource once, then each span whose resource is silent.
#[must_use]
pub fn tenant_claim<'a>(names: &[String], attributes: &'a [KeyValue<'a>]) -> Option<Cow<'a, str>> {
    let mut best: Option<(usize, Cow<'a, str>)> = None;
    for pair in attributes {
        let Some(rank) = names.iter().position(|name| *name == pair.key) else { continue };
        if best.as_ref().is_none_or(|(other, _)| rank <= *other)
            && let Some(value) = read::text(&pair.value)
        {
            best = Some((rank, value));
        }
    }
    best.map(|(_, value)| value)
}

fn agent<'a>(found: &Found<'a>) -> Agent<'a> {
    Agent {
        id: found.text(Field::AgentId),
        name: found.text(Field::AgentName),
        version: found.text(Field::AgentVersion),
    }
}

/// The span's agent, else the resource's, else the service as one. They are not mixed: the version
/// of a service is not that of an agent in it.
fn with_resource<'a>(span: Agent<'a>, resource: &Resource<'a>) -> Agent<'a> {
    let base = if span.id.is_some() || span.name.is_some() {
        span
    } else {
        Agent { version: span.version.or_else(|| resource.agent.version.clone()), ..resource.agent.clone() }
    };
    if base.name.is_some() {
        return base;
    }
    let name = resource.service_name.clone();
    let version = base.version.or_else(|| name.as_ref().and(resource.service_version.clone()));
    Agent { id: base.id, name, version }
}

/// A tool's arguments and result; in legacy events they are the bodies of two messages.
fn tool_content<'a>(found: &mut Found<'a>) -> (Content<'a>, Content<'a>) {
    let arguments = found.json(Field::Arguments).or_else(|| content::body(&found.messages, "content"));
    let result = found.json(Field::Result).or_else(|| content::body(&found.choices, "message"));
    let input = arguments.map_or_else(|| found.input(), Content::Value);
    let output = result.map_or_else(|| found.output(), Content::Value);
    (input, output)
}

fn outcome<'a>(found: &Found<'a>, result: Content<'a>, span: &'a Span<'a>) -> Outcome<'a> {
    // An exception that the sender went on from has an explicit status of OK.
    let failed = span.status_code == ERROR
        || found.value(Field::ErrorType).is_some()
        || found.exception && span.status_code == UNSET;
    if !failed {
        return Outcome { status: Status::Ok, result, error_type: None, error_text: None };
    }
    let message = Some(Cow::Borrowed(span.status_message.as_ref())).filter(|text| !text.is_empty());
    Outcome {
        status: Status::Error,
        result,
        error_type: [Field::ErrorType, Field::ExceptionType, Field::RpcStatus]
            .into_iter()
            .find_map(|field| found.text(field)),
        error_text: message.or_else(|| found.text(Field::ExceptionMessage)),
    }
}

fn usage<'a>(found: &Found<'a>) -> Usage<'a> {
    Usage {
        input_tokens: found.int(Field::InputTokens),
        output_tokens: found.int(Field::OutputTokens),
        total_tokens: found.int(Field::TotalTokens),
        cache_read_tokens: found.int(Field::CacheReadTokens),
        cache_write_tokens: found.int(Field::CacheWriteTokens),
        reasoning_tokens: found.int(Field::ReasoningTokens),
        finish_reason: found.finish_reason(),
    }
}

#[cfg(test)]
mod tests;
