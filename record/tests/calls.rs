//! Golden lines of what `docs/calls.md` states: they change only with the format. `UPDATE_EXPECT=1` writes them.
#![allow(clippy::unwrap_used)]

use halod_record::build::Builder;
use halod_record::call::arrange::arrange;
use halod_record::call::role::Role;
use halod_record::call::{Call, SCOPE, SealedCall};
use halod_record::draft::{Draft, GENESIS, Scratch};
use halod_record::event::{Action, Agent, Content, Event, Fact, Origin, Outcome, Source, Status, Usage};
use halod_record::json::Json;
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;

const STARTED: u64 = 1_700_000_000_000_000_000;

fn span(id: u8, parent: Option<u8>, action: Action<'static>, scope: &'static str) -> Event<'static> {
    let parent = parent.map(|parent| [parent; 8]);
    Event {
        action,
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
        origin: Origin::Span { trace: [1; 16], span: [id; 8], parent, name: "x".into() },
        started: Some(STARTED),
        ended: Some(STARTED + 1_000_000),
        usage: Usage::default(),
        source: Source { adapter: "otel", via: "test", dialect: "gen_ai", mapping: "3" },
        dropped: 0,
        trace_flags: None,
        facts: vec![(SCOPE, Fact::Label(scope.into()))],
    }
}

/// A model call told by two instrumentations, which differ in how it ended, and a tool call told by a span and a log
/// record.
fn events() -> [Event<'static>; 4] {
    let model = || Action::Generate { provider: Some("openai".into()), model: Some("gpt-4o".into()) };
    let tool = || Action::Tool { name: "lookup".into(), mcp_server: None, call_id: Some("call_1".into()) };
    let mut events = [
        span(2, None, model(), "an.instrumentation"),
        span(3, Some(2), model(), "an.sdk"),
        span(4, None, tool(), "an.agent"),
        span(5, None, tool(), "an.agent"),
    ];
    let [first, second, _, log] = &mut events;
    first.usage.response_id = Some("chatcmpl-1".into());
    second.usage.response_id = Some("chatcmpl-1".into());
    second.outcome.status = Status::Error;
    second.outcome.error_text = Some("timed out".into());
    log.origin = Origin::Log { trace: Some([1; 16]), span: None, name: "x".into(), identity: Json::str("x") };
    events
}

/// Each draft in the role that it has beside those before it.
fn lines() -> Vec<u8> {
    let builder = Builder::new(false);
    let mut drafts: Vec<Draft> =
        events().iter().map(|event| builder.draft(event, &Tenant::Local, &mut Scratch::default())).collect();
    arrange(&mut drafts);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for draft in &drafts {
        let role = draft.call().and_then(Call::first).and_then(|(first, reason)| {
            let mut sealed = lines.iter().filter_map(|line| SealedCall::read(line, &Tenant::Local));
            Some(Role::beside(&sealed.find(|sealed| sealed.call.id() == first)?, reason))
        });
        let mut line = Vec::new();
        role.map_or_else(|| draft.clone(), |role| draft.in_role(&role)).seal(
            &GENESIS,
            &rfc3339(STARTED),
            &mut line,
        );
        lines.push(line);
    }
    lines.concat()
}

#[test]
fn lines_are_as_they_were() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/calls.jsonl");
    let lines = lines();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    assert_eq!(String::from_utf8(lines).unwrap(), std::fs::read_to_string(path).unwrap());
}
