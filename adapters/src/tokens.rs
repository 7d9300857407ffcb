//! What a number of tokens means: `input_tokens` is all that went in, what came from a cache or went into
//! one among it, and `output_tokens` all that came out, what was spent on reasoning among it.
//!
//! So the OpenTelemetry conventions have it, and OpenAI's answers. Others count the parts beside it.

use halod_record::event::{Fact, Usage};

/// How a sender counts the parts of a number that have numbers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Within it.
    Within,
    /// Beside it: they are not part of the number.
    Beside,
    /// It does not say.
    Unstated,
}

/// The same usage, with the parts counted within. `total`, where it is told, decides what nobody states:
/// it is the sum of all that was counted once.
pub(crate) fn inclusive(
    mut usage: Usage<'_>,
    input: Parts,
    output: Parts,
) -> (Usage<'_>, Option<(&'static str, Fact<'static>)>) {
    let told = |count: Option<i64>| count.filter(|count| *count > 0).unwrap_or(0);
    let cached = told(usage.cache_read_tokens).saturating_add(told(usage.cache_write_tokens));
    let reasoning = told(usage.reasoning_tokens);
    let (sent, answered) = (told(usage.input_tokens), told(usage.output_tokens));
    // Nothing is larger than the whole that it is a part of.
    let input = if cached > sent && usage.input_tokens.is_some() { Parts::Beside } else { input };
    let output = if reasoning > answered && usage.output_tokens.is_some() { Parts::Beside } else { output };
    let (input, output) = match usage.total_tokens {
        Some(total) => by_total(total, [sent, answered], [cached, reasoning], [input, output]),
        None => (input, output),
    };
    let add = |count: &mut Option<i64>, part: i64| {
        if let Some(count) = count {
            *count = count.saturating_add(part);
        }
    };
    if input == Parts::Beside {
        add(&mut usage.input_tokens, cached);
    }
    if output == Parts::Beside {
        add(&mut usage.output_tokens, reasoning);
    }
    let unclear = input == Parts::Unstated && cached > 0 || output == Parts::Unstated && reasoning > 0;
    (usage, unclear.then_some(("token_parts", Fact::Label("unstated".into()))))
}

/// How the parts must be counted for the numbers to add up to the total, where just one way does.
fn by_total(
    total: i64,
    [sent, answered]: [i64; 2],
    [cached, reasoning]: [i64; 2],
    stated: [Parts; 2],
) -> (Parts, Parts) {
    use Parts::{Beside, Within};
    let plain = sent.saturating_add(answered);
    let ways = [
        ((Within, Within), plain),
        ((Beside, Within), plain.saturating_add(cached)),
        ((Within, Beside), plain.saturating_add(reasoning)),
        ((Beside, Beside), plain.saturating_add(cached).saturating_add(reasoning)),
    ];
    let parts = cached > 0 || reasoning > 0;
    // A part of none is counted either way.
    let differs = |(input, output): (Parts, Parts)| {
        (cached > 0 || input == Within) && (reasoning > 0 || output == Within)
    };
    let mut fitting = ways.into_iter().filter(|(way, sum)| *sum == total && differs(*way));
    match (fitting.next(), fitting.next()) {
        // Anthropic's schema has no total, and who makes one adds up only what it calls input and output.
        (Some((way, _)), None) if parts && way != (Within, Within) => way,
        (Some((way, _)), None) if parts => {
            let settled = |stated, way| if stated == Parts::Unstated { way } else { stated };
            (settled(stated[0], way.0), settled(stated[1], way.1))
        }
        _ => (stated[0], stated[1]),
    }
}

/// How the parts are counted in buckets that are documented to exclude each other (Langfuse's): beside, unless
/// the total shows that the sender does otherwise, since it is the sum of all buckets.
pub(crate) fn of_buckets(usage: &Usage<'_>) -> Parts {
    let told = |count: Option<i64>| count.unwrap_or(0);
    let sum = told(usage.input_tokens).saturating_add(told(usage.output_tokens));
    if usage.total_tokens == Some(sum) { Parts::Within } else { Parts::Beside }
}

/// How the parts of an object with both are counted: OpenAI's has `prompt_tokens` or details within, and
/// Anthropic's counts of the cache stand beside `input_tokens`.
pub(crate) fn of_schema(has: impl Fn(&str) -> bool) -> Parts {
    let anthropic = has("cache_read_input_tokens") || has("cache_creation_input_tokens");
    let nested = has("input_tokens_details") || has("input_token_details") || has("prompt_tokens_details");
    if anthropic && has("input_tokens") && !has("prompt_tokens") && !nested {
        Parts::Beside
    } else {
        Parts::Within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage([input, output, total, read, written, reasoning]: [i64; 6]) -> Usage<'static> {
        let told = |count: i64| (count >= 0).then_some(count);
        Usage {
            input_tokens: told(input),
            output_tokens: told(output),
            total_tokens: told(total),
            cache_read_tokens: told(read),
            cache_write_tokens: told(written),
            reasoning_tokens: told(reasoning),
            ..Usage::default()
        }
    }

    #[test]
    fn parts_are_counted_within() {
        use Parts::{Beside, Unstated, Within};
        for (numbers, [input, output], expected, unclear) in [
            ([17_903, 5, -1, 17_817, -1, -1], [Within, Within], [17_903, 5], false),
            ([86, 5, -1, 17_817, -1, -1], [Beside, Within], [17_903, 5], false),
            ([86, 5, 17_908, 17_817, -1, -1], [Unstated, Within], [17_903, 5], false),
            // The total shows that a sender does otherwise than is documented of it.
            ([17_903, 5, 17_908, 17_817, -1, -1], [Unstated, Within], [17_903, 5], false),
            // More than the whole can't be a part of it.
            ([3, 5, -1, 17, 2, -1], [Within, Within], [22, 5], false),
            ([10, 4, -1, -1, -1, 9], [Within, Within], [10, 13], false),
            ([321, 42, 368, 16, -1, 5], [Within, Within], [321, 47], false),
            ([321, 42, -1, 16, -1, 5], [Within, Beside], [321, 47], false),
            ([100, 4, -1, 7, -1, -1], [Unstated, Unstated], [100, 4], true),
            ([100, 4, -1, 0, 0, 0], [Unstated, Unstated], [100, 4], false),
            ([100, 4, 104, -1, -1, -1], [Beside, Beside], [100, 4], false),
            ([i64::MAX, 4, -1, 7, -1, -1], [Beside, Within], [i64::MAX, 4], false),
        ] {
            let (usage, mark) = inclusive(usage(numbers), input, output);
            assert_eq!([usage.input_tokens, usage.output_tokens], expected.map(Some), "{numbers:?}");
            assert_eq!(mark.is_some(), unclear, "{numbers:?}");
        }
        let (none, mark) = inclusive(usage([-1, -1, -1, 7, -1, 3]), Beside, Beside);
        assert_eq!((none.input_tokens, none.output_tokens, mark), (None, None, None));
    }

    #[test]
    fn schemas_are_told_apart() {
        let of = |keys: &[&str]| of_schema(|key| keys.contains(&key));
        assert_eq!(of(&["input_tokens", "cache_read_input_tokens"]), Parts::Beside);
        assert_eq!(of(&["input_tokens", "cache_creation_input_tokens"]), Parts::Beside);
        assert_eq!(of(&["prompt_tokens", "cache_read_input_tokens"]), Parts::Within);
        assert_eq!(of(&["input_tokens", "input_tokens_details"]), Parts::Within);
        assert_eq!(of(&["input_tokens", "input_token_details", "cache_read_input_tokens"]), Parts::Within);
    }
}
