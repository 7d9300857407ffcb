//! Counts of tokens, and of other units.

use super::read::{Body, Form};
use crate::fields::{count, text};
use crate::tokens::{Parts, inclusive, of_buckets};
use halod_record::event::{Fact, Usage};
use halod_record::fragment::Fragment;
use halod_record::json::Json;

const INPUT: [&str; 5] = ["input", "prompt_tokens", "input_tokens", "promptTokens", "inputTokens"];
const OUTPUT: [&str; 5] =
    ["output", "completion_tokens", "output_tokens", "completionTokens", "outputTokens"];
const TOTAL: [&str; 3] = ["total", "total_tokens", "totalTokens"];
const CACHE_READ: [&str; 7] = [
    "cache_read_input_tokens",
    "input_cached_tokens",
    "input_cache_read",
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "input_token_details.cache_read",
    "cached_content_token_count",
];
const CACHE_WRITE: [&str; 4] = [
    "cache_creation_input_tokens",
    "input_cache_creation",
    "input_cache_write",
    "input_token_details.cache_creation",
];
const REASONING: [&str; 5] = [
    "output_reasoning_tokens",
    "output_reasoning",
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "output_token_details.reasoning",
];

impl<'a> Body<'a> {
    /// Puts the sender's counts into the fragment. Counts of characters, milliseconds or the like are no tokens.
    pub(super) fn counts(
        &self,
        details: Option<&Json<'a>>,
        usage: Option<&Json<'a>>,
        fragment: &mut Fragment<'a>,
    ) {
        let objects = [details, usage, Some(self.json).filter(|_| self.form == Form::Row)];
        // Nobody counts nothing; a server fills it in.
        let least = i64::from(self.form == Form::Row);
        let told = |names: &[&str]| {
            objects
                .into_iter()
                .flatten()
                .find_map(|object| names.iter().find_map(|name| counted(object, name)))
                .filter(|count| *count >= least)
        };
        let unit = objects.into_iter().flatten().find_map(|object| text(object, "unit"));
        if let Some(unit) = unit.filter(|unit| !unit.eq_ignore_ascii_case("tokens")) {
            let counts = [
                ("usage_input", told(&INPUT)),
                ("usage_output", told(&OUTPUT)),
                ("usage_total", told(&TOTAL)),
            ];
            let told = counts.into_iter().filter_map(|(key, count)| Some((key, u64::try_from(count?).ok()?)));
            fragment.facts.extend(told.map(|(key, count)| (key, Fact::Number(count))));
            fragment.facts.push(("usage_unit", Fact::Label(unit)));
            return;
        }
        let usage = Usage {
            input_tokens: told(&INPUT),
            output_tokens: told(&OUTPUT),
            total_tokens: told(&TOTAL),
            cache_read_tokens: told(&CACHE_READ),
            cache_write_tokens: told(&CACHE_WRITE),
            reasoning_tokens: told(&REASONING),
            ..Usage::default()
        };
        // Its own buckets exclude each other. In a provider's form, which it takes as well, parts are within.
        let bucket = |name: &str| objects.into_iter().flatten().any(|object| object.get(name).is_some());
        let provider = |names: &[&str]| {
            names.iter().skip(1).any(|name| details.is_some_and(|of| of.get(name).is_some()))
        };
        let parts = |own: &str, names: &[&str]| {
            if bucket(own) && !provider(names) { of_buckets(&usage) } else { Parts::Within }
        };
        let (input, output) = (parts("input", &INPUT), parts("output", &OUTPUT));
        let (usage, unclear) = inclusive(usage, input, output);
        fragment.usage = usage;
        fragment.facts.extend(unclear);
    }
}

/// A count under a name, or within another object.
fn counted(object: &Json<'_>, name: &str) -> Option<i64> {
    match name.split_once('.') {
        Some((outer, inner)) => {
            object.get(outer).and_then(|inside| count(inside, inner)).or_else(|| count(object, name))
        }
        None => count(object, name),
    }
    .filter(|count| *count >= 0)
}
