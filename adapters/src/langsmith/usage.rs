//! Tokens, the reason of the end and the answer's id, wherever a run has them.

use super::read::{at, first, word};
use crate::fields::count as count_of;
use crate::tokens::{Parts, inclusive, of_schema};
use halod_record::event::{Fact, Usage};
use halod_record::json::Json;
use std::borrow::Cow;

/// Where the first message of a chat model's answer is.
const MESSAGE: [&str; 5] = ["outputs", "generations", "0", "0", "message"];

/// Where counts are, the more exact first: what LangChain makes of them in one form for all providers;
/// then the provider's own.
const PLACES: [&[&str]; 15] = [
    &["extra", "metadata", "usage_metadata"],
    &["outputs", "usage_metadata"],
    &["outputs", "generations", "0", "0", "message", "kwargs", "usage_metadata"],
    &["outputs", "message", "usage_metadata"],
    &["outputs", "kwargs", "usage_metadata"],
    &["outputs", "output", "kwargs", "usage_metadata"],
    &["extra", "metadata", "usage"],
    &["outputs", "output", "usage_metadata"],
    &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "token_usage"],
    &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "usage"],
    &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "tokenUsage"],
    &["outputs", "llm_output", "token_usage"],
    &["outputs", "llmOutput", "tokenUsage"],
    &["outputs", "usage"],
    // The sums of an exported run.
    &[],
];

const INPUT: [&[&str]; 3] = [&["input_tokens"], &["prompt_tokens"], &["promptTokens"]];
const OUTPUT: [&[&str]; 3] = [&["output_tokens"], &["completion_tokens"], &["completionTokens"]];
const TOTAL: [&[&str]; 2] = [&["total_tokens"], &["totalTokens"]];
const CACHE_READ: [&[&str]; 3] = [
    &["input_token_details", "cache_read"],
    &["prompt_tokens_details", "cached_tokens"],
    &["cache_read_input_tokens"],
];
const CACHE_WRITE: [&[&str]; 2] =
    [&["input_token_details", "cache_creation"], &["cache_creation_input_tokens"]];
const REASONING: [&[&str]; 2] =
    [&["output_token_details", "reasoning"], &["completion_tokens_details", "reasoning_tokens"]];

/// The usage, and what is not known of it.
pub(super) fn usage<'a>(run: &'a Json<'a>) -> (Usage<'a>, Option<(&'static str, Fact<'a>)>) {
    let places: Vec<_> = PLACES.iter().filter_map(|place| at(run, place)).collect();
    let count = |names: &[&[&str]]| {
        let of = |place: &&Json<'_>| {
            names.iter().find_map(|name| {
                let (last, above) = name.split_last()?;
                count_of(at(place, above)?, last)
            })
        };
        places.iter().find_map(of)
    };
    // Of LangChain's own form and OpenAI's the parts are within; Anthropic's has them beside.
    let input = places.first().map_or(Parts::Within, |place| of_schema(|key| place.get(key).is_some()));
    let usage = Usage {
        input_tokens: count(&INPUT),
        output_tokens: count(&OUTPUT),
        total_tokens: count(&TOTAL),
        cache_read_tokens: count(&CACHE_READ),
        cache_write_tokens: count(&CACHE_WRITE),
        reasoning_tokens: count(&REASONING),
        finish_reason: finish_reason(run),
        response_id: response_id(run),
    };
    inclusive(usage, input, Parts::Within)
}

fn finish_reason<'a>(run: &'a Json<'a>) -> Option<Cow<'a, str>> {
    first(
        run,
        &[
            &["outputs", "generations", "0", "0", "generation_info", "finish_reason"],
            &["outputs", "generations", "0", "0", "generationInfo", "finish_reason"],
            &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "finish_reason"],
            &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "stop_reason"],
            &["outputs", "choices", "0", "finish_reason"],
            &["outputs", "stop_reason"],
        ],
    )
}

/// The provider's id of its answer. LangChain makes ids of its own where it has none: `run-...`,
/// `lc_run--...`.
fn response_id<'a>(run: &'a Json<'a>) -> Option<Cow<'a, str>> {
    let own = |id: &Cow<'_, str>| !id.starts_with("run-") && !id.starts_with("lc_");
    let message = at(run, &MESSAGE);
    let of_message = |path: &[&str]| message.and_then(|message| at(message, path)).and_then(word).filter(own);
    of_message(&["kwargs", "response_metadata", "id"]).or_else(|| of_message(&["kwargs", "id"])).or_else(
        || {
            let outputs = run.get("outputs")?;
            let answer =
                ["choices", "stop_reason", "output_text"].iter().any(|key| outputs.get(key).is_some());
            let answer = answer || outputs.get("object").and_then(Json::as_str) == Some("response");
            if answer { outputs.get("id").and_then(word) } else { None }
        },
    )
}
