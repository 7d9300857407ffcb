//! The names and ids of a record: what its sender chose, masked and bounded.
//!
//! They come from fields that are known to hold identifiers, so they are masked by the patterns of
//! secrets but not for looking random: `claude-3-5-sonnet-20241022` stays readable. All of them are
//! made before a line is written, because `findings` stands before some of them.

use super::build::Builder;
use super::hash;
use super::own;
use super::redact::{Findings, Redactor};
use super::sameness;
use super::vocabulary::Words;
use crate::event::{Event, Fact};
use std::borrow::Cow;

/// Characters (code points) kept of any name or id that a sender chose.
pub(super) const MAX_NAME: usize = 256;

#[derive(Debug)]
pub(super) struct Names<'e> {
    pub(super) tool: Cow<'e, str>,
    pub(super) scope: Option<Cow<'e, str>>,
    pub(super) approver: Option<Cow<'e, str>>,
    pub(super) agent_id: Cow<'e, str>,
    pub(super) agent: Cow<'e, str>,
    pub(super) model: Option<Cow<'e, str>>,
    pub(super) version: Option<Cow<'e, str>>,
    pub(super) call_id: Option<Cow<'e, str>>,
    pub(super) error_type: Option<Cow<'e, str>>,
    pub(super) finish_reason: Option<Cow<'e, str>>,
    pub(super) response_id: Option<Cow<'e, str>>,
    pub(super) principal: Option<Cow<'e, str>>,
    pub(super) session: Cow<'e, str>,
    /// The event's facts, masked, in the order of their keys.
    pub(super) facts: Vec<(&'static str, Fact<'e>)>,
}

impl<'e> Names<'e> {
    /// What is found in names that go into `data` is added to `findings`, and of no others, as the
    /// reference does.
    pub(super) fn of(
        event: &'e Event<'e>,
        words: &'e Words<'e>,
        trace: Option<&[u8; 16]>,
        builder: &Builder,
        covered: bool,
        findings: &mut Findings,
    ) -> Self {
        let redactor = &builder.redactor;
        let facts = facts(event, redactor, covered, findings);
        // Of an agent and a session.
        let masked = |text: &'e str| {
            let masked = redactor.id(text);
            if builder.hash_only { redactor.pseudonym(masked) } else { masked }
        };
        let id = |text: &'e str| bounded(masked(text));
        // As it will be read: masks may take away what hides a name.
        let agent_of = |text: &'e str| bounded(own::claimed_agent(masked(text)));
        let label = |text: &'e str| bounded(redactor.label(text));
        let person = |text: &'e str| bounded(redactor.person(text));
        let mut datum = |text: Option<&'e str>, mask: &dyn Fn(&'e str) -> Cow<'e, str>| {
            text.map(|raw| {
                let masked = mask(raw);
                if masked != raw {
                    redactor.scan_name(raw, findings);
                }
                bounded(masked)
            })
        };
        let agent = &event.agent;
        let named = agent.name.as_deref().or(agent.id.as_deref()).unwrap_or("unknown");
        Self {
            facts,
            tool: bounded(own::claimed_tool(redactor.label(&words.tool))),
            scope: words.scope.as_deref().map(label),
            approver: event.authorization.as_ref().and_then(|by| by.approver.as_deref()).map(person),
            agent_id: agent_of(agent.id.as_deref().unwrap_or(named)),
            agent: agent_of(named),
            model: words.model.map(id),
            version: agent.version.as_deref().map(id),
            call_id: datum(words.call_id, &|raw| redactor.id(raw)),
            // What is prose is the error's text.
            error_type: datum(event.outcome.error_type.as_deref(), &|raw| redactor.label(raw))
                .filter(|kind| !(covered && kind.contains(char::is_whitespace))),
            finish_reason: datum(event.usage.finish_reason.as_deref(), &|raw| redactor.label(raw)),
            response_id: datum(event.usage.response_id.as_deref(), &|raw| redactor.id(raw)),
            principal: event.principal.as_deref().map(person),
            session: match (event.session.as_deref(), trace) {
                (Some(session), _) => id(session),
                (None, Some(trace)) => Cow::Owned(hex(trace)),
                (None, None) => Cow::Borrowed("unknown"),
            },
        }
    }
}

/// What a store says of how an action ended, in its sender's words.
const MESSAGE: &str = "status_message";

/// The event's facts, masked and bounded; of a repeated key the first. What is found in them is added to
/// `findings`: they go into `data`, but for a message where the operator wants content as hashes alone (`covered`).
fn facts<'e>(
    event: &'e Event<'e>,
    redactor: &Redactor,
    covered: bool,
    findings: &mut Findings,
) -> Vec<(&'static str, Fact<'e>)> {
    let mut facts: Vec<_> = event
        .facts
        .iter()
        .map(|(key, fact)| {
            let mut named = |raw: &'e str, masked: Cow<'e, str>| {
                // What is found in the name of a parent is a finding of the parent's.
                if masked != raw && !sameness::leaves_out(key, false) {
                    redactor.scan_name(raw, findings);
                }
                bounded(masked)
            };
            let fact = match fact {
                Fact::Number(number) => Fact::Number(*number),
                Fact::Flag(flag) => Fact::Flag(*flag),
                Fact::Id(raw) => Fact::Id(named(raw, redactor.id(raw))),
                Fact::Label(raw) => Fact::Label(named(raw, redactor.label(raw))),
                Fact::Labels(all) => {
                    Fact::Labels(all.iter().map(|raw| named(raw, redactor.label(raw))).collect())
                }
                Fact::Address(raw) => Fact::Address(named(raw, redactor.person(raw))),
                Fact::Text(raw) => Fact::Text(named(raw, redactor.text(raw))),
            };
            (*key, fact)
        })
        .collect();
    facts.retain(|(key, _)| !(covered && *key == MESSAGE));
    facts.sort_by_key(|(key, _)| *key);
    facts.dedup_by_key(|(key, _)| *key);
    facts
}

/// Cuts a name to [`MAX_NAME`] characters; `…~` and the start of the whole one's SHA-256 then keep two
/// long ones apart. What is cut and hashed is masked already.
pub(super) fn bounded(name: Cow<'_, str>) -> Cow<'_, str> {
    // No string of at most MAX_NAME bytes has more characters than that.
    if name.len() <= MAX_NAME {
        return name;
    }
    match name.char_indices().nth(MAX_NAME) {
        None => name,
        // Cut before: a name that waited on disk comes here again.
        Some((at, _)) if is_mark(&name[at..]) => name,
        Some((at, _)) => {
            let digest = hex(&hash::sha256(name.as_bytes()));
            Cow::Owned([&name[..at], "…~", &digest[..16]].concat())
        }
    }
}

fn is_mark(end: &str) -> bool {
    end.strip_prefix("…~").is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    hash::write_hex(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}
