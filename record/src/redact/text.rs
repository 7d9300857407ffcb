//! Working on one text: what was found where, and the text with it masked.

use super::table::{Mask, Row};
use crate::charge;

/// Where something was found, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Up to here it stays as it is: a name, and what joins it to what is masked.
    pub(super) kept: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end, kept: start }
    }
}

/// Adds a place, unless there is no room for it.
pub(super) fn add(spans: &mut Vec<Span>, span: Span) {
    let _ = charge::push(spans, span);
}

/// Replaces each place in `text` by what `mask` writes; `None` when that changes nothing.
pub(super) fn replace(text: &str, spans: &[Span], mask: Mask) -> Option<String> {
    if spans.is_empty() || charge::take(text.len()).is_err() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for span in spans {
        out.push_str(text.get(done..span.kept).unwrap_or_default());
        mask(text.get(span.kept..span.end).unwrap_or_default(), &mut out);
        done = span.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (out != text).then_some(out)
}

/// Replaces each place in `text`, but for what is kept of it, by the mask beside it.
pub(super) fn replace_each(text: &str, places: &[Span], shown: &[super::Encoded]) -> Option<String> {
    if places.is_empty() || charge::take(text.len()).is_err() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (place, what) in places.iter().zip(shown) {
        out.push_str(text.get(done..place.kept).unwrap_or_default());
        out.push_str(&what.mask);
        done = place.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (out != text).then_some(out)
}

/// Applies rows one after the other, each to what the one before left; `masked` is what is left of
/// `text` so far. `adjust` says what of a row's matches is masked.
pub(super) fn apply(
    text: &str,
    mut masked: Option<String>,
    rows: impl Iterator<Item = &'static Row>,
    spans: &mut Vec<Span>,
    adjust: impl Fn(&Row, &str, &mut Vec<Span>),
) -> Option<String> {
    for row in rows {
        let left = masked.as_deref().unwrap_or(text);
        spans.clear();
        (row.find)(left, spans);
        adjust(row, left, spans);
        masked = replace(left, spans, row.mask).or(masked);
    }
    masked
}

/// Sorts `spans`, and makes one of those that overlap.
pub(super) fn join(spans: &mut Vec<Span>) {
    spans.sort_unstable_by_key(|span| span.start);
    spans.dedup_by(|span, last| {
        let overlap = span.start < last.end;
        if overlap {
            last.end = last.end.max(span.end);
        }
        overlap
    });
}

/// Drops what overlaps one of `known`; both go from left to right.
pub(super) fn keep_outside(spans: &mut Vec<Span>, known: &[Span]) {
    let mut known = known.iter().peekable();
    spans.retain(|span| {
        while known.next_if(|known| known.end <= span.start).is_some() {}
        known.peek().is_none_or(|known| known.start >= span.end)
    });
}
