//! Working on one text: what was found where, and the text with it masked.

use super::table::Row;
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

/// Replaces each place in `text`, but for what is kept of it, by what `mask` writes for it; `None` when that
/// changes nothing. The places in `moved`, which are in order, become the same places in what comes of it: one
/// that begins or ends inside of what is replaced has all of its mask.
pub(super) fn replace(
    text: &str,
    spans: &[Span],
    moved: &mut [Span],
    mut mask: impl FnMut(usize, &str, &mut String),
) -> Option<String> {
    if spans.is_empty() || charge::take(text.len()).is_err() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut edits = Vec::new();
    let mut done = 0;
    for (at, span) in spans.iter().enumerate() {
        out.push_str(text.get(done..span.kept).unwrap_or_default());
        let start = out.len();
        mask(at, text.get(span.kept..span.end).unwrap_or_default(), &mut out);
        if !moved.is_empty() {
            let _ = charge::push(&mut edits, Edit { from: (span.kept, span.end), to: (start, out.len()) });
        }
        done = span.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    if out == text {
        return None;
    }
    for place in moved {
        let (start, end) = (moved_to(place.start, true, &edits), moved_to(place.end, false, &edits));
        *place = Span::new(start, end.max(start));
    }
    Some(out)
}

/// What was replaced, and by what.
struct Edit {
    from: (usize, usize),
    to: (usize, usize),
}

/// Where the place `at` of a text is after `edits`; one inside of what was replaced is at an end of its mask.
fn moved_to(at: usize, start: bool, edits: &[Edit]) -> usize {
    // The last edit that begins before the place, or at it where something starts.
    let before = edits.partition_point(|edit| edit.from.0 < at || (start && edit.from.0 == at));
    let Some(edit) = before.checked_sub(1).and_then(|last| edits.get(last)) else { return at };
    let inside = at < edit.from.1 || (!start && at == edit.from.1);
    match (inside, start) {
        (true, true) => edit.to.0,
        (true, false) => edit.to.1,
        (false, _) => edit.to.1 + (at - edit.from.1),
    }
}

/// Applies rows one after the other, each to what the one before left; `masked` is what is left of
/// `text` so far. `adjust` says what of a row's matches is masked; `moved` is as in [`replace`].
pub(super) fn apply(
    text: &str,
    mut masked: Option<String>,
    rows: impl Iterator<Item = &'static Row>,
    spans: &mut Vec<Span>,
    moved: &mut [Span],
    adjust: impl Fn(&Row, &str, &mut Vec<Span>),
) -> Option<String> {
    for row in rows {
        let left = masked.as_deref().unwrap_or(text);
        spans.clear();
        (row.find)(left, spans);
        adjust(row, left, spans);
        masked = replace(left, spans, moved, |_, found, out| (row.mask)(found, out)).or(masked);
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
