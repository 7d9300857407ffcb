//! What a call cost, in tokens.

use super::read::Found;
use super::table::Field;
use crate::otlp::model::AnyValue;
use halod_record::event::Usage;
use halod_record::json::Json;

/// The names under which senders put a count into one object of all of them.
#[rustfmt::skip]
const COUNTS: [(&str, Field); 20] = [
    ("input_tokens", Field::InputTokens),
    ("output_tokens", Field::OutputTokens),
    ("total_tokens", Field::TotalTokens),
    ("input", Field::InputTokens),
    ("output", Field::OutputTokens),
    ("total", Field::TotalTokens),
    ("prompt_tokens", Field::InputTokens),
    ("completion_tokens", Field::OutputTokens),
    ("inputTokens", Field::InputTokens),
    ("outputTokens", Field::OutputTokens),
    ("totalTokens", Field::TotalTokens),
    ("cache_read_input_tokens", Field::CacheReadTokens),
    ("input_cached_tokens", Field::CacheReadTokens),
    ("prompt_tokens_details.cached_tokens", Field::CacheReadTokens),
    ("input_token_details.cache_read", Field::CacheReadTokens),
    ("cache_creation_input_tokens", Field::CacheWriteTokens),
    ("input_token_details.cache_creation", Field::CacheWriteTokens),
    ("output_reasoning_tokens", Field::ReasoningTokens),
    ("completion_tokens_details.reasoning_tokens", Field::ReasoningTokens),
    ("output_token_details.reasoning", Field::ReasoningTokens),
];

pub(super) fn of<'a>(found: &Found<'a>) -> Usage<'a> {
    let object = if found.has(Field::UsageObject) { found.json(Field::UsageObject) } else { None };
    let count = |field| match (found.int(field), &object) {
        (None, Some(object)) => counted(object, field),
        (count, _) => count,
    };
    Usage {
        input_tokens: count(Field::InputTokens),
        output_tokens: count(Field::OutputTokens),
        total_tokens: count(Field::TotalTokens),
        cache_read_tokens: count(Field::CacheReadTokens),
        cache_write_tokens: count(Field::CacheWriteTokens),
        reasoning_tokens: count(Field::ReasoningTokens),
        finish_reason: found.finish_reason(),
        response_id: response_id(found),
    }
}

fn counted(object: &Json<'_>, field: Field) -> Option<i64> {
    let get = |key: &str| match key.split_once('.') {
        // Langfuse keeps the nested form of a provider flat.
        Some((outer, inner)) => {
            object.get(outer).and_then(|inside| inside.get(inner)).or_else(|| object.get(key))
        }
        None => object.get(key),
    };
    COUNTS.iter().filter(|(_, counted)| *counted == field).find_map(|(key, _)| match get(key)? {
        Json::Int(count) => Some(*count),
        _ => None,
    })
}

/// The provider's own id of its answer. An id that a tool or a list has is none.
fn response_id<'a>(found: &Found<'a>) -> Option<std::borrow::Cow<'a, str>> {
    match found.value(Field::ResponseId)? {
        AnyValue::Str(_) => found.text(Field::ResponseId),
        _ => None,
    }
}
