//! GenAI instrumentation: events of the conventions, current (`*.operation.details`) and before 1.37
//! (one a message). They tell the content of a span's action.

use super::super::content;
use super::super::read::Found;
use super::super::table::Field;
use super::read::{Log, failed};
use super::{Item, Part, Piece, source};
use crate::otlp::model::AnyValue;
use halod_record::event::{Action, Content, Event};
use halod_record::json::{Json, Text};
use std::borrow::Cow;

const CURRENT: &str = "gen_ai.events";
const LEGACY: &str = "gen_ai.events.legacy";

pub(super) fn item<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    match log.short {
        "client.inference.operation.details" => Some(details(log)),
        "evaluation.result" => Some(evaluation(log)),
        "choice" => {
            let choice = message(log, None);
            part(log, &Found::of_attributes(&[]), Piece::Choice(choice), LEGACY)
        }
        "system.message" | "user.message" | "assistant.message" | "tool.message" => {
            let message = message(log, log.short.strip_suffix(".message"));
            part(log, &Found::of_attributes(&[]), Piece::Message(message), LEGACY)
        }
        _ => None,
    }
}

/// `None` without a span that it could belong to: a message by itself is no action.
fn part<'a>(
    log: &Log<'_, 'a>,
    found: &Found<'a>,
    piece: Piece<'a>,
    dialect: &'static str,
) -> Option<Item<'a>> {
    Some(Item::Part(Box::new(Part {
        trace: log.record.trace_id?,
        span: log.record.span_id?,
        time: log.time(),
        piece,
        agent: super::super::with_resource(super::super::agent(found), &log.resource.shared),
        session: found.text(Field::Session),
        principal: found.text(Field::Principal),
        source: source(dialect),
    })))
}

/// All about one model call: content for its span or, outside of one, the call itself.
fn details<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let mut found = Found::of_attributes(&log.record.attributes);
    let (input, outcome) = (found.input(), found.output());
    let whole = Piece::Whole { input: input.clone(), outcome: outcome.clone() };
    if let Some(part) = part(log, &found, whole, CURRENT) {
        return part;
    }
    let (provider, model) = (found.text(Field::Provider), found.text(Field::Model));
    let action = match found.text(Field::Operation).as_deref() {
        Some("embeddings" | "embedding") => Action::Embed { provider, model },
        _ => Action::Generate { provider, model },
    };
    let mut event = event(log, &found, action);
    event.input = input;
    match found.text(Field::ErrorType) {
        Some(class) => event.outcome = failed(outcome, Some(class), found.text(Field::ExceptionMessage)),
        None => event.outcome.result = outcome,
    }
    let (usage, unclear) = super::super::usage::of(&found, None, true);
    event.usage = usage;
    event.facts.extend(unclear);
    Item::Event(Box::new(event))
}

/// The verdict on the span it was written under.
fn evaluation<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let found = Found::of_attributes(&log.record.attributes);
    let name = log.text("gen_ai.evaluation.name").unwrap_or(Cow::Borrowed("evaluation"));
    let mut event = event(log, &found, Action::Guard { name });
    let said = ["score.label", "score.value", "explanation"].into_iter().filter_map(|key| {
        let value = log.value(&["gen_ai.evaluation.", key].concat())?;
        Some((Text::from(key), content::disclosed(value)))
    });
    let verdict: Vec<_> = said.collect();
    let result =
        if verdict.is_empty() { Content::Undisclosed } else { Content::Value(Json::Object(verdict)) };
    match found.text(Field::ErrorType) {
        Some(class) => event.outcome = failed(result, Some(class), None),
        None => event.outcome.result = result,
    }
    Item::Event(Box::new(event))
}

fn event<'a>(log: &Log<'_, 'a>, found: &Found<'a>, action: Action<'a>) -> Event<'a> {
    let event = log.event(CURRENT, "gen_ai.conversation.id", action);
    let agent = super::super::with_resource(super::super::agent(found), &log.resource.shared);
    let (session, principal) = (found.text(Field::Session), found.text(Field::Principal));
    Event { agent, session, principal, ..event }
}

/// A message, told in the record's body. One that lacks its text, or the arguments of the tool
/// calls it asks for, was withheld: only its outline is there.
fn message<'a>(log: &Log<'_, 'a>, role: Option<&str>) -> Content<'a> {
    let body = match &log.record.body {
        AnyValue::Str(text) => content::disclosed_text(text),
        body => content::plain(body),
    };
    let told = body.get("message").map_or_else(|| tells(&body), tells);
    match body {
        Json::Object(members) if told => {
            let mut entries = Vec::with_capacity(members.len() + 1);
            // First, so that a role in the body takes its place.
            entries.extend(role.map(|role| (Text::from("role"), Json::Str(Text::from(role.to_owned())))));
            entries.extend(members);
            Content::Value(Json::object(entries))
        }
        _ => Content::Undisclosed,
    }
}

fn tells(message: &Json<'_>) -> bool {
    let present = |value: Option<&Json<'_>>| !matches!(value, None | Some(Json::Null));
    let arguments = |call: &Json<'_>| present(call.get("function").and_then(|call| call.get("arguments")));
    present(message.get("content"))
        || matches!(message.get("tool_calls"), Some(Json::Array(calls)) if calls.iter().all(arguments))
}

/// The input and the outcome that `parts`, in order, amount to. A list of messages of which one is
/// withheld is not disclosed.
#[must_use]
pub fn assemble<'a>(parts: Vec<Part<'a>>) -> (Content<'a>, Content<'a>) {
    let (mut input, mut outcome) = (Content::Undisclosed, Content::Undisclosed);
    let (mut messages, mut choices) = (Some(Vec::new()), Some(Vec::new()));
    let add = |list: &mut Option<Vec<Json<'a>>>, one| match one {
        Content::Value(value) => list.iter_mut().for_each(|list| list.push(value.clone())),
        Content::Undisclosed | Content::Digest(_) => *list = None,
    };
    for part in parts {
        match part.piece {
            Piece::Message(message) => add(&mut messages, message),
            Piece::Choice(choice) => add(&mut choices, choice),
            Piece::Whole { input: all, outcome: answer } => {
                if all != Content::Undisclosed {
                    input = all;
                }
                if answer != Content::Undisclosed {
                    outcome = answer;
                }
            }
        }
    }
    let list = |list: Option<Vec<Json<'a>>>| match list {
        Some(list) if !list.is_empty() => Content::Value(Json::Array(list)),
        _ => Content::Undisclosed,
    };
    if input == Content::Undisclosed {
        input = list(messages);
    }
    if outcome == Content::Undisclosed {
        outcome = list(choices);
    }
    (input, outcome)
}
