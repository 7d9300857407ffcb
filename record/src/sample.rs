//! An event that tests begin with.

use crate::event::{Action, Agent, Content, Event, Origin, Outcome, Source, Status, Usage};

/// A model call, a span of its own, that discloses nothing.
pub(crate) fn call() -> Event<'static> {
    Event {
        action: Action::Generate { provider: None, model: Some("m".into()) },
        agent: Agent::default(),
        session: None,
        principal: None,
        tenant: None,
        input: Content::Undisclosed,
        outcome: Outcome {
            status: Status::Ok,
            result: Content::Undisclosed,
            error_type: None,
            error_text: None,
        },
        authorization: None,
        origin: Origin::Span { trace: [1; 16], span: [2; 8], parent: None, name: "chat m".into() },
        started: Some(1),
        ended: Some(2),
        usage: Usage::default(),
        source: Source { adapter: "otel", via: "test", dialect: "gen_ai", mapping: "2" },
        dropped: 0,
        trace_flags: None,
        facts: Vec::new(),
    }
}
