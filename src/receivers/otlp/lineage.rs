//! Whose parent is whose: `parent_id` names the nearest ancestor that has a record.
//!
//! A span names its parent span, which may be none of an agent (an HTTP call, a database query) and so
//! have no record. Within a request the ancestors are looked up; records are then put parents first, as
//! `halo verify` reads them. An ancestor that has not arrived yet (parents end after their children) is
//! named all the same, by the id that its record would get, and [`Promised`] remembers that: should it
//! turn out to be no agent's action, it is recorded as the boundary that it was said to be.

use crate::record::draft::Draft;
use crate::record::ids::RecordId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A trace id and a span id.
pub(super) type SpanKey = ([u8; 16], [u8; 8]);

/// A span of a request: filtered, or the draft at a place.
#[derive(Debug)]
struct Entry {
    key: SpanKey,
    parent: Option<[u8; 8]>,
    draft: Option<usize>,
    started: u64,
}

/// The spans of one request.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    entries: Vec<Entry>,
    /// Whether there is anything to look up.
    children: bool,
}

impl Lineage {
    pub(super) fn add(&mut self, key: SpanKey, parent: Option<[u8; 8]>, draft: Option<usize>, started: u64) {
        self.children |= draft.is_some() && parent.is_some();
        self.entries.push(Entry { key, parent, draft, started });
    }

    /// Names the nearest recorded ancestor in each draft and puts parents first. Returns the drafts, and
    /// the ids of ancestors that were named but are not in this request.
    pub(super) fn settle(self, mut drafts: Vec<Draft>) -> (Vec<Draft>, Vec<(SpanKey, RecordId)>) {
        if !self.children {
            return (drafts, Vec::new());
        }
        let places: HashMap<SpanKey, usize> =
            self.entries.iter().enumerate().map(|(at, entry)| (entry.key, at)).collect();
        let mut nearest = Nearest { entries: &self.entries, places: &places, known: HashMap::new() };
        let mut promised = Vec::new();
        // For each draft, the draft that has to come before it.
        let mut before = vec![None; drafts.len()];
        for entry in &self.entries {
            let (Some(at), Some(parent)) = (entry.draft, entry.parent) else { continue };
            let Some(draft) = drafts.get_mut(at) else { continue };
            let ancestor = nearest.of((entry.key.0, parent));
            if ancestor != Some((entry.key.0, parent)) {
                draft.move_under(
                    ancestor.map(|(trace, span)| RecordId::of_span(draft.tenant(), &trace, &span)),
                );
            }
            let Some(ancestor) = ancestor else { continue };
            match places.get(&ancestor).and_then(|&place| self.entries.get(place)) {
                Some(entry) => before[at] = entry.draft,
                None => {
                    promised.push((ancestor, RecordId::of_span(draft.tenant(), &ancestor.0, &ancestor.1)));
                }
            }
        }
        (parents_first(drafts, &self.entries, &before), promised)
    }
}

/// Looks up ancestors, each once.
struct Nearest<'a> {
    entries: &'a [Entry],
    places: &'a HashMap<SpanKey, usize>,
    known: HashMap<SpanKey, Option<SpanKey>>,
}

impl Nearest<'_> {
    /// The span itself unless it was filtered, else its nearest ancestor that was not; `None` when there
    /// is none, or when spans are said to be their own ancestors.
    fn of(&mut self, mut key: SpanKey) -> Option<SpanKey> {
        let mut passed = Vec::new();
        let found = loop {
            if let Some(known) = self.known.get(&key) {
                break *known;
            }
            let entry = self.places.get(&key).and_then(|&place| self.entries.get(place));
            let Some(filtered) = entry.filter(|entry| entry.draft.is_none()) else { break Some(key) };
            // Until it is known better: who comes by again has gone in a circle.
            self.known.insert(key, None);
            passed.push(key);
            match filtered.parent {
                Some(parent) => key = (key.0, parent),
                None => break None,
            }
        };
        self.known.extend(passed.into_iter().map(|key| (key, found)));
        found
    }
}

/// The drafts in the order of their start, each after the one that `before` has for it. Of spans that
/// start together the one that ended last comes first: it can only be the parent.
fn parents_first(drafts: Vec<Draft>, entries: &[Entry], before: &[Option<usize>]) -> Vec<Draft> {
    let mut order: Vec<(u64, usize)> =
        entries.iter().filter_map(|entry| Some((entry.started, entry.draft?))).collect();
    order.sort_by_key(|&(started, at)| (started, std::cmp::Reverse(at)));
    let mut waiting: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(waiting.len());
    let mut line = Vec::new();
    for (_, at) in order {
        let mut next = Some(at);
        while let Some(at) = next
            && let Some(draft) = waiting.get_mut(at).and_then(Option::take)
        {
            line.push(draft);
            next = before.get(at).copied().flatten();
        }
        out.extend(line.drain(..).rev());
    }
    out
}

/// Ancestors that records name and that have not arrived, of all requests.
///
/// Bounded: of the last [`Promised::MAX`] at least are remembered, at most twice as many. What is
/// forgotten, by age or by a restart, stays a `parent_id` without a record if its span is filtered.
#[derive(Debug, Default)]
pub(super) struct Promised {
    recent: Mutex<[HashMap<SpanKey, RecordId>; 2]>,
}

impl Promised {
    const MAX: usize = 50_000;

    pub(super) fn add(&self, promised: Vec<(SpanKey, RecordId)>) {
        if promised.is_empty() {
            return;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *recent;
        for (key, id) in promised {
            if young.len() >= Self::MAX {
                std::mem::swap(young, old);
                young.clear();
            }
            young.insert(key, id);
        }
    }

    /// The id by which a record names this span as its parent.
    pub(super) fn id(&self, key: SpanKey) -> Option<RecordId> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find_map(|map| map.get(&key).copied())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::build::Builder;
    use crate::record::draft::{GENESIS, Scratch};
    use crate::record::tenant::Tenant;
    use crate::record::time;
    use halo_adapters::otel::{Resource, context};
    use halo_adapters::otlp::model::Span;

    /// Spans of one trace as (id, parent or 0, recorded, start), in the order of their arrival.
    fn settled(spans: &[(u64, u64, bool, u64)]) -> (Vec<(u64, Option<u64>)>, Vec<u64>) {
        let builder = Builder::new(false);
        let (mut lineage, mut drafts) = (Lineage::default(), Vec::new());
        for &(id, parent, recorded, start) in spans {
            let parent = (parent > 0).then(|| parent.to_be_bytes());
            let draft = recorded.then(|| {
                let span = Span {
                    trace_id: [7; 16],
                    span_id: id.to_be_bytes(),
                    parent_span_id: parent,
                    ..Span::default()
                };
                drafts.push(builder.draft(
                    &context(&Resource::default(), &span),
                    &Tenant::Local,
                    &mut Scratch::default(),
                ));
                drafts.len() - 1
            });
            lineage.add(([7; 16], id.to_be_bytes()), parent, draft, start);
        }
        let (drafts, promised) = lineage.settle(drafts);
        // Every line must still be a whole record after its parent was changed.
        let of = |id: &str| spans.iter().map(|span| span.0).chain(0..2000).find(|span| record(*span) == id);
        let lines = drafts.iter().map(|draft| {
            let mut line = Vec::new();
            draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
            let record: serde_json::Value = serde_json::from_slice(&line).unwrap();
            let parent = record.get("parent_id").map(|parent| of(parent.as_str().unwrap()).unwrap());
            assert!(draft.same_content(&line));
            (of(record["record_id"].as_str().unwrap()).unwrap(), parent)
        });
        (lines.collect(), promised.into_iter().map(|((_, span), _)| u64::from_be_bytes(span)).collect())
    }

    fn record(span: u64) -> String {
        let id = RecordId::of_span(&Tenant::Local, &[7; 16], &span.to_be_bytes());
        String::from_utf8(id.text().to_vec()).unwrap()
    }

    #[test]
    fn the_nearest_recorded_ancestor_is_the_parent() {
        // 1 agent > 2 http > 3 middleware > 4 model call; 5 under 2; children end first.
        let spans =
            [(4, 3, true, 40), (3, 2, false, 30), (5, 2, true, 50), (2, 1, false, 20), (1, 0, true, 10)];
        let (lines, promised) = settled(&spans);
        assert_eq!(lines, [(1, None), (4, Some(1)), (5, Some(1))]);
        assert_eq!(promised, [] as [u64; 0]);
    }

    #[test]
    fn under_filtered_roots_there_is_no_parent() {
        assert_eq!(settled(&[(2, 1, true, 2), (1, 0, false, 1)]).0, [(2, None)]);
    }

    #[test]
    fn an_ancestor_that_is_not_here_is_named_and_remembered() {
        let (lines, promised) = settled(&[(3, 2, true, 3), (2, 1, false, 2)]);
        assert_eq!((lines, promised), (vec![(3, Some(1))], vec![1]));
    }

    #[test]
    fn parents_come_first_even_if_their_clock_says_otherwise() {
        let spans = [(3, 2, true, 1), (2, 1, true, 5), (4, 1, true, 9), (1, 0, true, 9)];
        assert_eq!(settled(&spans).0, [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))]);
        let together = [(3, 2, true, 0), (2, 1, true, 0), (1, 0, true, 0)];
        assert_eq!(settled(&together).0, [(1, None), (2, Some(1)), (3, Some(2))]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(settled(&[(3, 2, true, 1), (2, 1, false, 1), (1, 2, false, 1)]).0, [(3, None)]);
        let recorded = settled(&[(1, 2, true, 1), (2, 1, true, 1), (3, 3, true, 1)]).0;
        assert_eq!(recorded.len(), 3);
    }

    #[test]
    fn long_lines_of_filtered_spans_are_walked_once() {
        let mut spans: Vec<_> = (2..1000).map(|id| (id, id - 1, false, id)).collect();
        spans.extend((1001..2000).map(|id| (id, id - 1001 + 1, true, id)));
        spans.push((1, 0, true, 1));
        let (lines, _) = settled(&spans);
        assert_eq!(lines.len(), 1000);
        assert!(lines.iter().skip(1).all(|(_, parent)| *parent == Some(1)));
    }

    #[test]
    fn promises_are_forgotten_in_time() {
        let promised = Promised::default();
        let id = RecordId::of_span(&Tenant::Local, &[1; 16], &[1; 8]);
        let key = |n: usize| ([1; 16], (n as u64).to_be_bytes());
        promised.add((0..Promised::MAX).map(|n| (key(n), id)).collect());
        assert_eq!(promised.id(key(0)), Some(id));
        promised.add((Promised::MAX..Promised::MAX * 2 + 1).map(|n| (key(n), id)).collect());
        assert_eq!(promised.id(key(0)), None);
        assert_eq!(promised.id(key(Promised::MAX)), Some(id));
    }
}
