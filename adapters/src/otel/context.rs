//! A span that tells of no action itself, but that actions happened under.

use super::outcome::ERROR;
use super::{MAPPING, Resource, trace_flags, with_resource};
use crate::event::{Action, Agent, Content, Event, Origin, Outcome, Source, Status, Usage};
use crate::otlp::model::Span;
use std::borrow::Cow;

/// `span` as the boundary of the actions under it, for one that [`super::event`] makes nothing of.
#[must_use]
pub fn context<'a>(resource: &Resource<'a>, span: &'a Span<'a>) -> Event<'a> {
    let failed = span.status_code == ERROR;
    Event {
        action: Action::Boundary { verb: "context" },
        agent: with_resource(Agent::default(), resource),
        session: None,
        principal: None,
        tenant: None,
        input: Content::Undisclosed,
        outcome: Outcome {
            status: if failed { Status::Error } else { Status::Ok },
            result: Content::Undisclosed,
            error_type: None,
            error_text: None,
        },
        authorization: None,
        origin: Origin::Span {
            trace: span.trace_id,
            span: span.span_id,
            parent: span.parent_span_id,
            name: Cow::Borrowed(&span.name),
        },
        started: Some(span.start_time_unix_nano).filter(|time| *time != 0),
        ended: Some(span.end_time_unix_nano).filter(|time| *time != 0),
        usage: Usage::default(),
        source: Source { adapter: "otel", via: "OpenTelemetry spans", dialect: "otel", mapping: MAPPING },
        dropped: span.dropped,
        trace_flags: trace_flags(span.flags),
        facts: Vec::new(),
    }
}
