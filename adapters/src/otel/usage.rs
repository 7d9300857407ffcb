//! What a call cost, in tokens.

use super::read::Found;
use super::table::Field;
use crate::otlp::model::{AnyValue, Span};
use crate::tokens::{Parts, inclusive, of_buckets, of_schema};
use halod_record::event::{Fact, Usage};
use halod_record::json::{Json, Text};
use std::borrow::Cow;

/// The names under which senders put a count into one object of all of them.
#[rustfmt::skip]
const COUNTS: [(&str, Field); 45] = [
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
    ("promptTokens", Field::InputTokens),
    ("completionTokens", Field::OutputTokens),
    ("promptTokenCount", Field::InputTokens),
    ("candidatesTokenCount", Field::OutputTokens),
    ("totalTokenCount", Field::TotalTokens),
    ("cachedContentTokenCount", Field::CacheReadTokens),
    ("thoughtsTokenCount", Field::ReasoningTokens),
    ("prompt_token_count", Field::InputTokens),
    ("candidates_token_count", Field::OutputTokens),
    ("total_token_count", Field::TotalTokens),
    ("cached_content_token_count", Field::CacheReadTokens),
    ("thoughts_token_count", Field::ReasoningTokens),
    ("cache_read_input_tokens", Field::CacheReadTokens),
    ("cache_read_tokens", Field::CacheReadTokens),
    ("cachedContentTokens", Field::CacheReadTokens),
    ("cachedTokens", Field::CacheReadTokens),
    ("cacheReadInputTokens", Field::CacheReadTokens),
    ("input_cached_tokens", Field::CacheReadTokens),
    ("input_cache_read", Field::CacheReadTokens),
    ("prompt_tokens_details.cached_tokens", Field::CacheReadTokens),
    ("input_tokens_details.cached_tokens", Field::CacheReadTokens),
    ("input_token_details.cache_read", Field::CacheReadTokens),
    ("cache_creation_input_tokens", Field::CacheWriteTokens),
    ("cache_write_tokens", Field::CacheWriteTokens),
    ("input_cache_creation", Field::CacheWriteTokens),
    ("input_token_details.cache_creation", Field::CacheWriteTokens),
    ("output_reasoning_tokens", Field::ReasoningTokens),
    ("output_reasoning", Field::ReasoningTokens),
    ("reasoning_tokens", Field::ReasoningTokens),
    ("reasoningTokens", Field::ReasoningTokens),
    ("thoughtsTokens", Field::ReasoningTokens),
    ("completion_tokens_details.reasoning_tokens", Field::ReasoningTokens),
    ("output_tokens_details.reasoning_tokens", Field::ReasoningTokens),
    ("output_token_details.reasoning", Field::ReasoningTokens),
];

/// The usage, and what is not known of it. `calls` tells whether the span is of a model call itself.
pub(super) fn of<'a>(
    found: &Found<'a>,
    span: Option<&'a Span<'a>>,
    calls: bool,
) -> (Usage<'a>, Option<(&'static str, Fact<'static>)>) {
    let object = if found.has(Field::UsageObject) { found.json(Field::UsageObject) } else { None };
    let outright = found.row(Field::UsageObject).is_some_and(|row| row.outright);
    let answer = Answer::of(found)
        .or_else(|| if calls && !found.has(Field::InputTokens) { Answer::in_json(found) } else { None });
    // An object that has precedence has all of it: a number beside it is an inner instrumentation's.
    let sole =
        outright && object.as_ref().is_some_and(|object| counted(object, Field::InputTokens).is_some());
    let count = |field| {
        let own = || object.as_ref().and_then(|object| counted(object, field));
        let stated = || if sole { None } else { found.int(field) };
        let in_answer = || answer.as_ref().and_then(|answer| counted(answer.usage.as_ref()?, field));
        match () {
            () if outright => own().or_else(stated),
            // Versions 1 of Google's kit call the total the output.
            () if answer.as_ref().is_some_and(|answer| answer.exact) => in_answer().or_else(stated),
            () => stated().or_else(own).or_else(in_answer),
        }
    };
    let of_raw = |key| super::provider::raw(found, span?, key).and_then(super::read::text);
    let usage = Usage {
        input_tokens: count(Field::InputTokens),
        output_tokens: count(Field::OutputTokens),
        total_tokens: count(Field::TotalTokens),
        cache_read_tokens: count(Field::CacheReadTokens),
        cache_write_tokens: count(Field::CacheWriteTokens),
        reasoning_tokens: count(Field::ReasoningTokens),
        finish_reason: found.finish_reason().or_else(|| answer.as_ref()?.finish_reason.clone()),
        response_id: response_id(found).or_else(|| of_raw("id")).or_else(|| printed_id(&of_raw(WHOLE)?)),
    };
    let usage = match of_raw("usage").or_else(|| of_raw(WHOLE)) {
        Some(printed) if usage.input_tokens.is_none() => printed_usage(usage, &printed),
        _ => usage,
    };
    let (input, output) =
        parts(&usage, found, object.as_ref().or(answer.as_ref().and_then(|answer| answer.usage.as_ref())));
    inclusive(usage, input, output)
}

/// How the sender counts the parts, by the name under which it has the number, or by its object's schema.
fn parts(usage: &Usage<'_>, found: &Found<'_>, object: Option<&Json<'_>>) -> (Parts, Parts) {
    let row = |field| found.row(field).map_or("", |row| row.key);
    let object_row = row(Field::UsageObject);
    if let Some(object) = object
        && (object_row.starts_with("langfuse.") || !found.has(Field::InputTokens))
    {
        let has = |key: &str| object.get(key).is_some();
        return match object_row {
            // Its buckets exclude each other, unless they are given as a provider has them.
            _ if object_row.starts_with("langfuse.") && !has("prompt_tokens") && !has("input_tokens") => {
                (of_buckets(usage), of_buckets(usage))
            }
            "mlflow.chat.tokenUsage" => match found.text(Field::Provider) {
                Some(provider) if provider.eq_ignore_ascii_case("anthropic") => {
                    (Parts::Beside, Parts::Within)
                }
                Some(_) => (Parts::Within, Parts::Within),
                None => (Parts::Unstated, Parts::Within),
            },
            _ if has("prompt_token_count") || has("promptTokenCount") => (Parts::Within, Parts::Beside),
            _ => (of_schema(has), Parts::Within),
        };
    }
    match row(Field::InputTokens) {
        // Claude Code's own are Anthropic's.
        "input_tokens" => (Parts::Beside, Parts::Within),
        // They were each provider's own before version 6.
        "ai.usage.promptTokens" => (Parts::Unstated, Parts::Unstated),
        _ => (Parts::Within, Parts::Within),
    }
}

/// What a framework tells of a call inside the model's answer only.
struct Answer<'a> {
    usage: Option<Json<'a>>,
    finish_reason: Option<Cow<'a, str>>,
    model: Option<Cow<'a, str>>,
    /// The numbers in it are right where those beside it are not.
    exact: bool,
}

impl<'a> Answer<'a> {
    fn of(found: &Found<'a>) -> Option<Self> {
        let row = found.row(Field::Output)?.key;
        let word = |value: Option<&Json<'a>>| match value {
            Some(Json::Str(Text::Utf8(text))) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        match row {
            "haystack.agent.step.llm.output" | "haystack.component.output" => {
                let output = found.json(Field::Output)?;
                let Some(Json::Array(replies)) = output.get("replies") else {
                    return output.get("meta").map(|meta| Self::of_meta(meta, word));
                };
                Some(Self::of_meta(replies.first()?.get("meta")?, word))
            }
            "genkit:output" => {
                let output = found.json(Field::Output)?;
                let usage = output.get("usage").cloned();
                Some(Self {
                    usage,
                    finish_reason: word(output.get("finishReason")),
                    model: None,
                    exact: false,
                })
            }
            "gcp.vertex.agent.llm_response" => {
                let output = found.json(Field::Output)?;
                let usage = output.get("usage_metadata").cloned();
                let exact = usage.is_some();
                Some(Self { usage, finish_reason: word(output.get("finish_reason")), model: None, exact })
            }
            _ => None,
        }
    }

    /// A provider's whole answer, where that is what came out.
    fn in_json(found: &Found<'a>) -> Option<Self> {
        let field =
            [Field::Output, Field::OutputMessages].into_iter().find(|field| match found.value(*field) {
                Some(AnyValue::Str(text)) => text.trim_start().starts_with('{') && text.contains("\"usage"),
                _ => false,
            })?;
        let answer = found.json(field)?;
        let usage = ["usage", "usage_metadata", "usageMetadata"].iter().find_map(|key| answer.get(key))?;
        Some(Self { usage: Some(usage.clone()), finish_reason: None, model: None, exact: false })
    }

    fn of_meta(meta: &Json<'a>, word: impl Fn(Option<&Json<'a>>) -> Option<Cow<'a, str>>) -> Self {
        Self {
            usage: meta.get("usage").cloned(),
            finish_reason: word(meta.get("finish_reason")),
            model: word(meta.get("model")),
            exact: false,
        }
    }
}

/// The model that an answer says it is of.
pub(super) fn answered_by<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    Answer::of(found)?.model
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
        Json::Float(count) if count.fract() == 0.0 && (0.0..9e15).contains(count) => Some(*count as i64),
        _ => None,
    })
}

/// Under which name LiteLLM puts all of an answer that it has no parts of.
pub(super) const WHOLE: &str = "stringified_raw_response";

/// The id in what Python prints of an answer: `{'id': 'chatcmpl-1', ...}`.
fn printed_id<'a>(printed: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    let (id, _) = printed.strip_prefix("{'id': '")?.split_once('\'')?;
    (!id.is_empty()).then(|| Cow::Owned(id.to_owned()))
}

/// Counts in what Python prints of an answer's usage: `{'completion_tokens': 42, 'prompt_tokens': 109}`.
fn printed_usage<'a>(usage: Usage<'a>, printed: &str) -> Usage<'a> {
    let count = |names: &[&str]| {
        names.iter().find_map(|name| {
            let (_, rest) = printed.split_once(&["'", name, "': "].concat())?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest.get(..digits)?.parse().ok()
        })
    };
    Usage {
        input_tokens: count(&["prompt_tokens", "input_tokens"]),
        output_tokens: count(&["completion_tokens", "output_tokens"]),
        total_tokens: count(&["total_tokens"]),
        cache_read_tokens: count(&["cached_tokens", "cache_read_input_tokens"]),
        cache_write_tokens: count(&["cache_creation_input_tokens"]),
        reasoning_tokens: count(&["reasoning_tokens"]),
        ..usage
    }
}

/// The provider's own id of its answer. An id that a tool or a list has is none, nor is a gateway's own.
fn response_id<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    match found.value(Field::ResponseId)? {
        AnyValue::Str(_) => {
            let id = found.text(Field::ResponseId)?;
            (found.text(Field::GatewayCall).as_ref() != Some(&id)).then_some(id)
        }
        _ => None,
    }
}
