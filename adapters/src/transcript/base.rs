//! The module has what the rows of every client share.

use super::join::Of;
use crate::fields::{nanos, text};
use halod_record::charge;
use halod_record::event::{
    self, Agent, Authorization, Content, Decision, Event, Fact, Keyed, Origin, Outcome, Source, Status, Usage,
};
use halod_record::json::Json;
use halod_record::time::rfc3339;
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// The lines of one action.
pub(super) struct Action<'r, 'a> {
    pub(super) of: Of,
    /// By what the client knows it.
    pub(super) id: Cow<'a, str>,
    /// The session, as lines before these told it.
    pub(super) context: &'r Json<'a>,
    /// The time when a model was asked, in Unix nanoseconds.
    asked: Option<u64>,
    /// By their times.
    pub(super) lines: Vec<&'r Json<'a>>,
}

impl<'r, 'a> Action<'r, 'a> {
    pub(super) fn of(row: &'r Json<'a>) -> Result<Self, Unusable> {
        let no_row = || {
            Unusable::new("", "not a line of a transcript: no JSON object, or one with too many tool calls")
        };
        let of = text(row, "of").and_then(|of| Of::named(&of)).ok_or_else(no_row)?;
        let id = text(row, "id").ok_or_else(no_row)?;
        let Some(Json::Array(lines)) = row.get("lines") else { return Err(no_row()) };
        let mut lines: Vec<&Json<'a>> = list(lines.iter());
        // All are written alike, so that they sort by time.
        lines.sort_by_key(|line| line.get("timestamp").and_then(Json::as_str).unwrap_or_default());
        let asked = row.get("asked").and_then(|asked| match asked {
            Json::Int(nanos) => u64::try_from(*nanos).ok(),
            _ => None,
        });
        Ok(Self { of, id, context: row.get("context").unwrap_or(&Json::Null), asked, lines })
    }

    /// The event of an action that has these ids, as far as all are alike.
    pub(super) fn event(
        &self,
        action: event::Action<'a>,
        (space, id): (&'static str, Vec<Cow<'a, str>>),
        source: Source,
    ) -> Event<'a> {
        let ended = self.lines.last().and_then(|line| time(line));
        let mut event = Event {
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
            origin: Origin::Keyed(Keyed { space, id, parent: None }),
            started: self.asked.filter(|asked| ended.is_some_and(|ended| *asked <= ended)),
            ended,
            usage: Usage::default(),
            source,
            dropped: 0,
            trace_flags: None,
            facts: Vec::new(),
        };
        // A transcript that has grown says more of the same action: which is the newer account is told by its last line.
        let changed = event.ended.map(rfc3339);
        event.facts.extend(changed.map(|at| {
            let at: String = at.map(char::from).iter().collect();
            ("changed_at", Fact::Label(at.into()))
        }));
        event
    }
}

/// The time when a line was written.
pub(super) fn time(line: &Json<'_>) -> Option<u64> {
    nanos(line.get("timestamp"))
}

/// A tool by its name, and its MCP server where the name tells that it has one.
pub(crate) fn tool<'a>(name: Cow<'a, str>, call_id: Option<Cow<'a, str>>) -> event::Action<'a> {
    let split = name.strip_prefix("mcp__").and_then(|rest| rest.split_once("__"));
    let parts = split.map(|(server, tool)| (server.to_owned(), tool.to_owned()));
    match parts {
        Some((server, tool)) if !server.is_empty() && !tool.is_empty() => {
            event::Action::Tool { name: tool.into(), mcp_server: Some(server.into()), call_id }
        }
        _ => event::Action::Tool { name, mcp_server: None, call_id },
    }
}

/// The text of a content: itself, or that of its blocks.
pub(super) fn words(content: &Json<'_>) -> Option<String> {
    match content {
        Json::Str(text) => {
            charge::take(text.as_bytes().len()).ok()?;
            Some(text.to_lossy().into_owned())
        }
        Json::Array(blocks) => {
            let texts = || blocks.iter().filter_map(|block| block.get("text")?.as_str());
            let size = texts().map(|text| text.len() + 1).sum();
            charge::take(size).ok()?;
            let mut words = String::with_capacity(size);
            for text in texts() {
                if !words.is_empty() {
                    words.push('\n');
                }
                words.push_str(text);
            }
            (!words.is_empty()).then_some(words)
        }
        _ => None,
    }
}

/// Without the members whose names are given, at its top: opaque texts that only the provider can read, and that
/// look like secrets.
pub(super) fn without<'a>(value: &Json<'a>, names: &[&str]) -> Json<'a> {
    match value {
        Json::Object(members) => {
            let kept =
                members.iter().filter(|(key, _)| !key.as_str().is_some_and(|key| names.contains(&key)));
            Json::Object(list(kept.map(|(key, value)| (key.clone(), value.clone()))))
        }
        value => value.clone(),
    }
}

/// The first items, as many as there is room for.
pub(super) fn list<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::new();
    for item in items {
        if charge::push(&mut list, item).is_err() {
            break;
        }
    }
    list
}

/// The outcome of something that was refused, by a human or by a rule that somebody made.
pub(super) fn deny(event: &mut Event<'_>, human: bool) {
    event.outcome.status = Status::Denied;
    let approver = human.then_some(Cow::Borrowed("user"));
    event.authorization = Some(Authorization { decision: Decision::Denied, approver });
}
