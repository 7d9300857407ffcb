//! A model's answer, or why there is none.

use super::super::base::{Action, list, time, without};
use super::{SOURCE, SPACE, call_of, class_of, error_of, kind, payload};
use crate::fields::{count, text};
use crate::provider::normalised;
use crate::tokens::{Parts, inclusive};
use halod_record::event::{Action as Kind, Content, Event, Status, Usage};
use halod_record::json::Json;
use std::borrow::Cow;

/// The members that only the provider can read, and those that Codex notes for itself.
const OPAQUE: [&str; 2] = ["encrypted_content", "internal_chat_message_metadata_passthrough"];

fn generate<'a>(action: &Action<'_, 'a>) -> Kind<'a> {
    let provider = text(action.context, "provider").and_then(normalised);
    Kind::Generate { provider, model: text(action.context, "model") }
}

pub(super) fn answer<'a>(action: &Action<'_, 'a>, session: Cow<'a, str>) -> Event<'a> {
    let id = vec!["response".into(), session, action.id.clone()];
    let mut event = action.event(generate(action), (SPACE, id), SOURCE);
    let items = action.lines.iter().filter_map(|line| payload(line, "response_item"));
    let is_part =
        |item: &&Json<'a>| matches!(kind(item), Some("message" | "reasoning")) || call_of(item).is_some();
    let told: Vec<Json<'a>> = list(items.filter(is_part).map(|item| without(item, &OPAQUE)));
    if !told.is_empty() {
        event.outcome.result = Content::Value(Json::Array(told));
    }
    let record = action.lines.iter().find_map(|line| payload(line, "token_usage_record"));
    let counted =
        action.lines.iter().find_map(|line| payload(line, "event_msg")?.get("info")?.get("last_token_usage"));
    if let Some(counted) = record.and_then(|record| record.get("usage")).or(counted) {
        let usage = Usage {
            input_tokens: count(counted, "input_tokens"),
            output_tokens: count(counted, "output_tokens"),
            total_tokens: count(counted, "total_tokens"),
            cache_read_tokens: count(counted, "cached_input_tokens"),
            cache_write_tokens: count(counted, "cache_write_input_tokens"),
            reasoning_tokens: count(counted, "reasoning_output_tokens"),
            ..Usage::default()
        };
        let (usage, unclear) = inclusive(usage, Parts::Within, Parts::Within);
        event.usage = usage;
        event.facts.extend(unclear);
    }
    event.usage.response_id = record.and_then(|record| text(record, "response_id"));
    event
}

pub(super) fn failure<'a>(action: &Action<'_, 'a>, session: Cow<'a, str>) -> Event<'a> {
    let id = vec!["error".into(), session, action.id.clone()];
    let mut event = action.event(generate(action), (SPACE, id), SOURCE);
    event.outcome.status = Status::Error;
    let error = action.lines.iter().find_map(|line| error_of(payload(line, "event_msg")?));
    event.outcome.error_type = error.and_then(class_of).map(|class| Cow::Owned(class.to_owned()));
    event.outcome.error_text = error.and_then(|error| text(error, "message"));
    event.ended = action.lines.first().and_then(|line| time(line));
    event
}
