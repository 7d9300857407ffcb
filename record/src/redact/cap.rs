//! Where a text that is too long is cut.

use super::probe::token;
use super::text::{Span, add};
use super::{MAX_TEXT, Redactor, chars, entropy};

/// How far beyond the cut a match is looked for that starts before it.
const AHEAD: usize = 4096;

/// Characters kept free for the mark, so that text and mark are within the cap.
const MARK: usize = 64;

/// The part of `text` that is kept and the number of characters that are not.
pub(super) fn cut<'t>(redactor: &Redactor, text: &'t str) -> (&'t str, usize) {
    if text.len() <= MAX_TEXT || chars::first(text, MAX_TEXT).len() == text.len() {
        return (text, 0);
    }
    let end = clear(redactor, text, chars::first(text, MAX_TEXT - MARK).len());
    let kept = text.get(..end).unwrap_or_default();
    (kept, text.get(end..).map_or(0, |rest| rest.chars().count()))
}

/// The last place at or before `end` that is inside neither a match nor a token.
fn clear(redactor: &Redactor, text: &str, mut end: usize) -> usize {
    let near = chars::first(text, MAX_TEXT + AHEAD);
    let seen = redactor.probe.look(near);
    let mut spans: Vec<Span> = Vec::new();
    for row in seen.reference().chain(seen.additions()) {
        (row.find)(near, &mut spans);
    }
    entropy::find(near, true, &mut spans);
    redactor.custom.find(near, |_, found| found.iter().for_each(|span| add(&mut spans, *span)));
    // From the right: each span that moves the cut can uncover only spans that start before it.
    spans.sort_unstable_by_key(|span| std::cmp::Reverse(span.start));
    let bytes = text.as_bytes();
    let mut left = spans.as_slice();
    loop {
        if bytes.get(end).is_some_and(|&b| token(b)) {
            let head = bytes.get(..end).unwrap_or_default();
            end -= head.iter().rev().take_while(|b| token(**b)).count();
        }
        let Some(at) = left.iter().position(|span| span.start < end && end < span.end) else { return end };
        end = left.get(at).map_or(end, |span| span.start);
        left = left.get(at + 1..).unwrap_or_default();
    }
}

pub(super) fn marked(kept: &str, withheld: usize) -> String {
    format!("{kept} […{withheld} more characters withheld]")
}
