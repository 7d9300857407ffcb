//! A model's answer, or why there is none.

use super::super::base::{self, Action, list, without};
use super::{SOURCE, SPACE, blocks};
use crate::fields::{count, name, text};
use crate::tokens::{Parts, inclusive};
use halod_record::event::{Action as Kind, Content, Event, Fact, Status, Usage};
use halod_record::json::Json;
use std::borrow::Cow;

const PROVIDER: &str = "anthropic";

/// The members that only the provider can read: the signature of thinking, and thinking that is not shown.
const OPAQUE: [&str; 2] = ["signature", "data"];

pub(super) fn answer<'a>(action: &Action<'_, 'a>) -> Event<'a> {
    let messages = || action.lines.iter().filter_map(|line| line.get("message"));
    let model = messages().find_map(|message| text(message, "model"));
    let kind = Kind::Generate { provider: Some(Cow::Borrowed(PROVIDER)), model };
    let mut event = action.event(kind, (SPACE, vec!["message".into(), action.id.clone()]), SOURCE);
    let told: Vec<Json<'a>> = list(messages().flat_map(blocks).map(part));
    if !told.is_empty() {
        event.outcome.result = Content::Value(Json::Array(told));
    }
    let (usage, unclear) = inclusive(usage(messages()), Parts::Beside, Parts::Within);
    event.usage = Usage {
        finish_reason: messages().filter_map(|message| text(message, "stop_reason")).next_back(),
        response_id: messages().find_map(|message| text(message, "id")),
        ..usage
    };
    event.facts.extend(unclear);
    request(action, &mut event);
    event
}

fn part<'a>(block: &Json<'a>) -> Json<'a> {
    match block.get("type").and_then(Json::as_str) {
        Some("thinking" | "redacted_thinking") => without(block, &OPAQUE),
        _ => block.clone(),
    }
}

/// Of the lines that say what was counted, the last of those that count most.
fn usage<'m, 'a: 'm>(messages: impl Iterator<Item = &'m Json<'a>>) -> Usage<'a> {
    let counted = messages.filter_map(|message| message.get("usage"));
    let fullest = counted.max_by_key(|usage| count(usage, "output_tokens").unwrap_or(-1));
    let Some(usage) = fullest else { return Usage::default() };
    Usage {
        input_tokens: count(usage, "input_tokens"),
        output_tokens: count(usage, "output_tokens"),
        cache_read_tokens: count(usage, "cache_read_input_tokens"),
        cache_write_tokens: count(usage, "cache_creation_input_tokens"),
        ..Usage::default()
    }
}

/// A request that was not answered. Claude Code says so to its user in the model's place.
pub(super) fn failure<'a>(action: &Action<'_, 'a>) -> Event<'a> {
    let kind = Kind::Generate { provider: Some(Cow::Borrowed(PROVIDER)), model: None };
    let mut event = action.event(kind, (SPACE, vec!["error".into(), action.id.clone()]), SOURCE);
    event.outcome.status = Status::Error;
    // The telemetry tells the status in the first place, too.
    let said = |key: &str| action.lines.iter().find_map(|line| name(line, key));
    event.outcome.error_type = said("apiErrorStatus").or_else(|| said("error"));
    let content = action.lines.iter().find_map(|line| line.get("message")?.get("content"));
    event.outcome.error_text = content.and_then(base::words).map(Cow::Owned);
    request(action, &mut event);
    event
}

fn request<'a>(action: &Action<'_, 'a>, event: &mut Event<'a>) {
    let id = action.lines.iter().find_map(|line| text(line, "requestId"));
    event.facts.extend(id.map(|id| ("request_id", Fact::Id(id))));
}
