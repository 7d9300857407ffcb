//! One log record's attributes, by name, and what events of every agent have in common.

use super::super::content;
use super::super::trace_flags;
use super::{Item, Resource, source, spans};
use crate::otlp::model::{AnyValue, LogRecord};
use halod_record::charge;
use halod_record::event::{
    Action, Agent, Authorization, Content, Decision, Event, Origin, Outcome, Status, Usage,
};
use halod_record::json::{Json, Text};
use std::borrow::Cow;

/// What an attribute takes beside its value where it is a list of two.
const PAIR: usize = 128;

pub(super) struct Log<'x, 'a> {
    pub(super) record: &'a LogRecord<'a>,
    pub(super) resource: &'x Resource<'a>,
    /// The event's name as it was written.
    pub(super) name: &'a str,
    /// The name in its table.
    pub(super) short: &'x str,
}

impl<'a> Log<'_, 'a> {
    /// Of a key that appears twice the last value that is not empty, as for spans.
    pub(super) fn value(&self, key: &str) -> Option<&'a AnyValue<'a>> {
        let says = |value: &AnyValue<'_>| match value {
            AnyValue::Empty => false,
            AnyValue::Str(text) => !text.is_empty(),
            _ => true,
        };
        let found = self.record.attributes.iter().rev().find(|pair| pair.key == key && says(&pair.value));
        found.map(|pair| &pair.value)
    }

    pub(super) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.value(key).and_then(spans::text)
    }

    /// The first of `keys` that is there.
    pub(super) fn any(&self, keys: &[&str]) -> Option<Cow<'a, str>> {
        keys.iter().find_map(|key| self.text(key))
    }

    /// An integer, however it was encoded.
    pub(super) fn int(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            AnyValue::Int(int) => Some(*int),
            AnyValue::Double(double) if double.is_finite() && double.abs() < 9.0e15 => Some(*double as i64),
            AnyValue::Str(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A truth value: several agents write it as a string.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            AnyValue::Bool(bool) => Some(*bool),
            AnyValue::Str(text) if text == "true" => Some(true),
            AnyValue::Str(text) if text == "false" => Some(false),
            _ => None,
        }
    }

    /// Content, unless it is not there or is what stands for withheld content.
    pub(super) fn content(&self, key: &str) -> Content<'a> {
        match self.value(key) {
            Some(AnyValue::Str(text)) if matches!(text.as_ref(), "<REDACTED>" | "[REDACTED]") => {
                Content::Undisclosed
            }
            Some(value) => Content::Value(content::disclosed(value)),
            None => Content::Undisclosed,
        }
    }

    /// When it was written: the end of what it tells of. A time of zero is none (`logs.proto`).
    pub(super) fn time(&self) -> u64 {
        match self.record.time_unix_nano {
            0 => self.record.observed_time_unix_nano,
            time => time,
        }
    }

    /// An event with what every table fills alike; `session` is the name of that attribute.
    pub(super) fn event(&self, dialect: &'static str, session: &str, action: Action<'a>) -> Event<'a> {
        let session = self.text(session);
        let ended = Some(self.time()).filter(|time| *time != 0);
        let lasted = self.int("duration_ms").and_then(|ms| u64::try_from(ms).ok()?.checked_mul(1_000_000));
        let agent = Agent { version: self.text("app.version"), ..Agent::default() };
        Event {
            action,
            agent: super::super::with_resource(agent, &self.resource.shared),
            principal: self.any(&["user.id", "user.account_id", "user.account_uuid", "user.email"]),
            tenant: None,
            input: Content::Undisclosed,
            outcome: Outcome {
                status: Status::Ok,
                result: Content::Undisclosed,
                error_type: None,
                error_text: None,
            },
            authorization: None,
            origin: Origin::Log {
                trace: self.record.trace_id,
                span: self.record.span_id,
                name: Cow::Borrowed(self.name),
                identity: self.identity(session.as_deref()),
            },
            session,
            started: lasted.zip(ended).and_then(|(lasted, ended)| ended.checked_sub(lasted)),
            ended,
            usage: Usage::default(),
            source: source(dialect),
            dropped: self.record.dropped,
            trace_flags: trace_flags(self.record.flags),
            facts: Vec::new(),
        }
    }

    /// What tells the record from every other one: its place in its session where it has one. A
    /// session that is resumed may count from zero again, so the time belongs to it.
    fn identity(&self, session: Option<&str>) -> Json<'a> {
        let name = Json::str(self.name);
        let time = Json::Str(Text::from(self.time().to_string()));
        if let (Some(session), Some(sequence)) = (session, self.int("event.sequence")) {
            let session = Json::Str(Text::from(session.to_owned()));
            return Json::Array(vec![name, time, session, Json::Int(sequence)]);
        }
        let text = |text: &Option<Cow<'a, str>>| match text {
            Some(text) => Json::Str(Text::from(text.clone())),
            None => Json::Null,
        };
        if charge::take(self.record.attributes.len() * PAIR).is_err() {
            return Json::Null;
        }
        let attributes = self.record.attributes.iter();
        let pairs =
            attributes.map(|pair| Json::Array(vec![Json::str(&pair.key), content::plain(&pair.value)]));
        Json::Array(vec![
            name,
            time,
            text(&self.resource.shared.service_name),
            text(&self.resource.instance),
            Json::Array(pairs.collect()),
            content::plain(&self.record.body),
        ])
    }
}

/// An error of the class and in the words that were given.
pub(super) fn failed<'a>(
    result: Content<'a>,
    error_type: Option<Cow<'a, str>>,
    error_text: Option<Cow<'a, str>>,
) -> Outcome<'a> {
    Outcome { status: Status::Error, result, error_type, error_text }
}

/// A decision in its sender's words; `None` for words that are neither yes nor no. Who decided is
/// told apart from it: a human, or a rule that somebody made before.
pub(super) fn authorization<'a>(decision: &str, by: Option<Cow<'a, str>>) -> Option<Authorization<'a>> {
    let human = by.as_deref().is_some_and(|by| by.starts_with("user"));
    let decision = match decision {
        yes if yes.starts_with("accept") || yes.starts_with("approve") || yes.starts_with("allow") => {
            if human { Decision::HumanApproved } else { Decision::Allowed }
        }
        // Changed by a human before it ran.
        "modify" => Decision::HumanApproved,
        "reject" | "rejected" | "deny" | "denied" | "abort" | "timed_out" | "timedout" | "cancel" => {
            Decision::Denied
        }
        _ => return None,
    };
    Some(Authorization { decision, approver: by })
}

pub(super) fn denied(authorization: Option<&Authorization<'_>>) -> bool {
    authorization.is_some_and(|by| by.decision == Decision::Denied)
}

/// A step of an agent that carries content: `agent.<verb>`.
pub(super) fn boundary<'a>(mut event: Event<'a>, verb: &'static str, input: Content<'a>) -> Item<'a> {
    event.action = Action::Boundary { verb };
    event.input = input;
    Item::Event(Box::new(event))
}

/// A member of an object that is a string.
pub(super) fn member<'a>(object: Json<'a>, key: &str) -> Option<Cow<'a, str>> {
    let Json::Object(members) = object else { return None };
    members.into_iter().find(|(name, _)| name.as_str() == Some(key)).and_then(|(_, value)| match value {
        Json::Str(Text::Utf8(text)) if !text.is_empty() => Some(text),
        _ => None,
    })
}
