//! OpenTelemetry spans as agent actions, in every dialect that agents speak.
//!
//! `dialects` holds the tables of names; `read` fills slots from them in one pass; `action` decides
//! what kind of thing a span is, and `outcome` and `usage` how it ended and what it cost. What a
//! sender keeps to itself is [`Content::Undisclosed`], which is not the same as empty.

mod access;
mod action;
mod content;
mod dialects;
mod explain;
pub mod logs;
mod loose;
mod nest;
mod outcome;
mod provider;
mod read;
mod table;
mod usage;

pub use access::access;
pub use explain::{Explanation, FieldSource, Reason, explain};

use crate::MAPPING;
use crate::otlp::model::{KeyValue, Span};
use action::{Decision, Why};
use halod_record::event::{Action, Agent, Content, Event, Fact, Origin, Source, Status, UNMAPPED};
use halod_record::json::{Json, Text};
use read::Found;
use std::borrow::Cow;
use table::{Field, Kind};

/// What a resource says about the spans under it. Read it once for all of them: a resource may have
/// as many attributes as its sender likes.
#[derive(Clone, Debug, Default)]
pub struct Resource<'a> {
    agent: Agent<'a>,
    /// The service, or the project where the service has no name.
    service_name: Option<Cow<'a, str>>,
    service_version: Option<Cow<'a, str>>,
    session: Option<Cow<'a, str>>,
    principal: Option<Cow<'a, str>>,
    tenant: Option<Cow<'a, str>>,
}

impl<'a> Resource<'a> {
    #[must_use]
    pub fn new(attributes: &'a [KeyValue<'a>]) -> Self {
        let found = Found::of_attributes(attributes);
        // SDKs call a service without a name `unknown_service:<process>`.
        let named = |name: &Cow<'_, str>| !name.starts_with("unknown_service");
        let service = found.text(Field::ServiceName).filter(named);
        Self {
            agent: agent(&found),
            service_name: service.or_else(|| found.text(Field::Project)),
            service_version: found.text(Field::ServiceVersion),
            session: found.text(Field::Session),
            principal: found.text(Field::Principal),
            tenant: found.text(Field::Tenant),
        }
    }
}

/// The agent action that `span`, written under `scope`, tells of; `None` when it tells of none.
///
/// The event's `tenant` is what the span's dialect calls one, if it does; what an operator has
/// chosen to go by is [`tenant_claim`].
#[must_use]
pub fn event<'a>(resource: &Resource<'a>, scope: &'a str, span: &'a Span<'a>) -> Option<Event<'a>> {
    let mut found = Found::of_span(scope, span);
    let decision = action::decide(&found, span);
    event_of(&decision, &mut found, resource, span)
}

fn event_of<'a>(
    decision: &Decision,
    found: &mut Found<'a>,
    resource: &Resource<'a>,
    span: &'a Span<'a>,
) -> Option<Event<'a>> {
    let action = action::of(decision, found, resource, span)?;
    let (input, result) = match action {
        Action::Tool { .. } => match found.tool_content() {
            (Content::Undisclosed, result) => (printed_input(found), result),
            told => told,
        },
        Action::Boundary { .. } => found.boundary_content(),
        _ => (found.input(), found.output()),
    };
    let mut agent = agent(found);
    if agent.name.is_none() {
        agent.name = action::agent(decision, found, span);
    }
    let (mut usage, unclear) =
        usage::of(found, Some(span), matches!(decision.kind, Kind::Generate | Kind::Embed));
    let outcome = outcome::of(decision, found, result, usage.finish_reason.as_deref(), span);
    let mut facts = facts(decision, found, span, [&input, &outcome.result], outcome.status);
    facts.extend(unclear);
    match action {
        Action::Generate { .. } | Action::Embed { .. } => {}
        // What is around calls tells their sum; some of these tell of one call.
        Action::Boundary { verb: "attempt" | "stream" | "usage" } => {}
        Action::Boundary { .. } => facts.extend(usage.take_sums()),
        // An id in a tool's result is of what the tool is about.
        _ => usage.response_id = None,
    }
    Some(Event {
        action,
        agent: with_resource(agent, resource),
        session: session(found).or_else(|| resource.session.clone()),
        principal: principal(found).or_else(|| resource.principal.clone()),
        tenant: tenant(found).or_else(|| resource.tenant.clone()),
        input,
        outcome,
        authorization: outcome::authorization(decision, found),
        origin: Origin::Span {
            trace: span.trace_id,
            span: span.span_id,
            parent: span.parent_span_id,
            name: Cow::Borrowed(&span.name),
        },
        started: Some(span.start_time_unix_nano).filter(|time| *time != 0),
        ended: Some(span.end_time_unix_nano).filter(|time| *time != 0),
        usage,
        source: Source {
            adapter: "otel",
            via: "OpenTelemetry GenAI spans",
            dialect: dialect(decision, found),
            mapping: MAPPING,
        },
        dropped: span.dropped,
        trace_flags: trace_flags(span.flags),
        facts,
    })
}

/// What went into a tool of LlamaIndex, as it prints that.
fn printed_input<'a>(found: &Found<'a>) -> Content<'a> {
    let printed = action::printed_arguments(found).map(|text| Content::Value(Json::Str(Text::from(text))));
    printed.unwrap_or(Content::Undisclosed)
}

/// Whose a span is, by its own words and its resource's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose<'a> {
    pub session: Option<Cow<'a, str>>,
    pub principal: Option<Cow<'a, str>>,
    /// What its dialect calls a tenant.
    pub tenant: Option<Cow<'a, str>>,
}

/// The same that the event of a span says of whose it is, also of a span that tells of no action.
#[must_use]
pub fn whose<'a>(resource: &Resource<'a>, scope: &str, span: &'a Span<'a>) -> Whose<'a> {
    let found = Found::of_span(scope, span);
    Whose {
        session: session(&found).or_else(|| resource.session.clone()),
        principal: principal(&found).or_else(|| resource.principal.clone()),
        tenant: tenant(&found).or_else(|| resource.tenant.clone()),
    }
}

/// What else a record says of a span: of a step of the sender's own what it is called, the ids by which
/// others name the same call, and what was told under names that no table maps.
fn facts<'a>(
    decision: &Decision,
    found: &Found<'a>,
    span: &'a Span<'a>,
    [input, result]: [&Content<'a>; 2],
    status: Status,
) -> Vec<(&'static str, Fact<'a>)> {
    let mut facts = Vec::new();
    if decision.is_other() || decision.is_step() {
        let told = |text: &'a str| (!text.is_empty()).then(|| Fact::Label(text.into()));
        facts.extend(told(&span.name).map(|name| ("span_name", name)));
    }
    if action::is_attempt(found, span) {
        facts.push(("attempt", Fact::Flag(true)));
    }
    let mut id = |key, field| facts.extend(found.text(field).map(|id| (key, Fact::Id(id))));
    id("call_id", Field::GatewayCall);
    id("request_id", Field::RequestId);
    id("mcp_session", Field::McpSession);
    facts.extend(found.text(Field::Purpose).map(|purpose| ("purpose", Fact::Text(purpose))));
    facts.extend(found.text(Field::Region).map(|region| ("region", Fact::Label(region))));
    let silent = *input == Content::Undisclosed || *result == Content::Undisclosed && !status.failed();
    let calls = !matches!(decision.kind, Kind::Boundary(_) | Kind::Agent);
    if decision.is_other() || calls && silent {
        let unmapped = loose::unmapped(&span.attributes, decision.is_other());
        if !unmapped.is_empty() {
            facts.push((UNMAPPED, Fact::Labels(unmapped)));
        }
    }
    facts
}

fn session<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    let of_turn =
        || found.text(Field::LooseSession).filter(|id| found.is_told_in("codex") && id.contains('-'));
    found
        .text(Field::Session)
        .or_else(|| particular(found, &["thread_id", "session_id", "conversation_id"]))
        .or_else(of_turn)
}

fn principal<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    found.text(Field::Principal).or_else(|| particular(found, &["user_id"]))
}

/// The sender's own particulars, where it has some.
fn particular<'a>(found: &Found<'a>, names: &[&str]) -> Option<Cow<'a, str>> {
    if found.has(Field::Metadata) { found.member(Field::Metadata, names) } else { None }
}

/// The flags of the trace context, which older senders leave at zero, together with all else that
/// `flags` could say (`trace.proto`, `SpanFlags`).
fn trace_flags(flags: u32) -> Option<u8> {
    (flags != 0).then_some((flags & 0xff) as u8)
}

/// The tenant that the span's dialect names, by an attribute or among the sender's own particulars.
fn tenant<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    found.text(Field::Tenant).or_else(|| particular(found, &["tenant", "tenant_id", "customer_id"]))
}

/// The dialect that an event is told in; `unknown` where no table explains it.
fn dialect(decision: &Decision, found: &Found<'_>) -> &'static str {
    let unknown = decision.is_other() || matches!(decision.why, Why::LooseTool);
    if unknown && found.seen == 0 { "unknown" } else { found.dialect(decision.dialect) }
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

#[cfg(test)]
mod tests;
