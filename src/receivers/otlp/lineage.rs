//! Whose parent is whose: a draft states the nearest ancestor that may have a record.
//!
//! A span names its parent span, which may be none of an agent (an HTTP call, a database query) and so
//! have no record. Within a request the ancestors are looked up; drafts are then put parents first, so that
//! they find their parents sealed. An ancestor that is not in the request is stated by the id that its
//! record has, if there is one: at sealing the chain says so, and the record names no parent otherwise.
//! What the span itself says stays in `data.parent_span_id`.

use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use std::collections::HashMap;

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

    /// Puts parents first, and has each draft state its nearest ancestor that is recorded in this request
    /// or is not in it.
    pub(super) fn settle(self, mut drafts: Vec<Draft>) -> Vec<Draft> {
        if !self.children {
            return drafts;
        }
        let mut places: HashMap<SpanKey, usize> = HashMap::with_capacity(self.entries.len());
        for (at, entry) in self.entries.iter().enumerate() {
            let place = places.entry(entry.key).or_insert(at);
            // A span that is told twice is recorded if either account is.
            if entry.draft.is_some() {
                *place = at;
            }
        }
        let mut nearest = Nearest { entries: &self.entries, places: &places, known: HashMap::new() };
        // For each draft, the draft that has to come before it.
        let mut before = vec![None; drafts.len()];
        for entry in &self.entries {
            let (Some(at), Some(parent)) = (entry.draft, entry.parent) else { continue };
            let Some(draft) = drafts.get_mut(at) else { continue };
            let ancestor = nearest.of((entry.key.0, parent)).filter(|ancestor| *ancestor != entry.key);
            if ancestor != Some((entry.key.0, parent)) {
                draft.move_under(
                    ancestor.map(|(trace, span)| RecordId::of_span(draft.tenant(), &trace, &span)),
                );
            }
            let place = ancestor.and_then(|ancestor| places.get(&ancestor));
            before[at] = place.and_then(|&place| self.entries.get(place)?.draft);
        }
        parents_first(drafts, &self.entries, &before)
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
    /// is none, or when filtered spans are said to be their own ancestors.
    fn of(&mut self, mut key: SpanKey) -> Option<SpanKey> {
        let mut passed = Vec::new();
        let found = loop {
            if let Some(known) = self.known.get(&key) {
                break *known;
            }
            let entry = self.places.get(&key).and_then(|&place| self.entries.get(place));
            let Some(filtered) = entry.filter(|entry| entry.draft.is_none()) else { break Some(key) };
            // Until more is known: a span that is met twice on the way up is in a circle.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halo_adapters::otel::{Resource, event};
    use halo_adapters::otlp::model::{AnyValue, KeyValue, Span};
    use halod_record::build::Builder;
    use halod_record::draft::{GENESIS, Scratch};
    use halod_record::tenant::Tenant;
    use halod_record::time;

    /// Spans of one trace as (id, parent or 0, recorded, start), in the order of their arrival.
    fn settled(spans: &[(u64, u64, bool, u64)]) -> Vec<(u64, Option<u64>)> {
        let builder = Builder::new(false);
        let (mut lineage, mut drafts) = (Lineage::default(), Vec::new());
        for &(id, parent, recorded, start) in spans {
            let parent = (parent > 0).then(|| parent.to_be_bytes());
            let draft = recorded.then(|| {
                let span = Span {
                    trace_id: [7; 16],
                    span_id: id.to_be_bytes(),
                    parent_span_id: parent,
                    attributes: vec![KeyValue {
                        key: "gen_ai.operation.name".into(),
                        value: AnyValue::Str("chat".into()),
                    }],
                    ..Span::default()
                };
                let event = event(&Resource::default(), &span).unwrap();
                drafts.push(builder.draft(&event, &Tenant::Local, &mut Scratch::default()));
                drafts.len() - 1
            });
            lineage.add(([7; 16], id.to_be_bytes()), parent, draft, start);
        }
        // Every line must still be a whole record after its parent was changed.
        let of = |id: &str| spans.iter().map(|span| span.0).chain(0..2000).find(|span| record(*span) == id);
        let lines = lineage.settle(drafts).into_iter().map(|draft| {
            let mut line = Vec::new();
            draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
            let record: serde_json::Value = serde_json::from_slice(&line).unwrap();
            let parent = record.get("parent_id").map(|parent| of(parent.as_str().unwrap()).unwrap());
            assert!(draft.same_content(&line));
            (of(record["record_id"].as_str().unwrap()).unwrap(), parent)
        });
        lines.collect()
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
        assert_eq!(settled(&spans), [(1, None), (4, Some(1)), (5, Some(1))]);
    }

    #[test]
    fn under_filtered_roots_there_is_no_parent() {
        assert_eq!(settled(&[(2, 1, true, 2), (1, 0, false, 1)]), [(2, None)]);
    }

    #[test]
    fn an_ancestor_that_is_not_here_is_stated() {
        assert_eq!(settled(&[(3, 2, true, 3), (2, 1, false, 2)]), [(3, Some(1))]);
        assert_eq!(settled(&[(3, 2, true, 3)]), [(3, Some(2))]);
    }

    #[test]
    fn a_span_that_is_told_twice_is_recorded_if_either_account_is() {
        for twice in [[(2, 1, true, 2), (2, 1, false, 2)], [(2, 1, false, 2), (2, 1, true, 2)]] {
            let spans = [&[(3, 2, true, 3)][..], &twice, &[(1, 0, true, 1)]].concat();
            assert_eq!(settled(&spans), [(1, None), (2, Some(1)), (3, Some(2))]);
        }
    }

    #[test]
    fn parents_come_first_even_if_their_clock_says_otherwise() {
        let spans = [(3, 2, true, 1), (2, 1, true, 5), (4, 1, true, 9), (1, 0, true, 9)];
        assert_eq!(settled(&spans), [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))]);
        let together = [(3, 2, true, 0), (2, 1, true, 0), (1, 0, true, 0)];
        assert_eq!(settled(&together), [(1, None), (2, Some(1)), (3, Some(2))]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(settled(&[(3, 2, true, 1), (2, 1, false, 1), (1, 2, false, 1)]), [(3, None)]);
        // Of a circle of records one comes before its parent, and loses it at sealing.
        let recorded = settled(&[(1, 2, true, 1), (2, 1, true, 1), (3, 3, true, 1)]);
        assert_eq!(recorded, [(3, None), (1, Some(2)), (2, Some(1))]);
        // Nor is anything its own parent by way of a filtered span.
        assert_eq!(settled(&[(1, 2, true, 1), (2, 1, false, 1)]), [(1, None)]);
    }

    #[test]
    fn long_lines_of_filtered_spans_are_walked_once() {
        let mut spans: Vec<_> = (2..1000).map(|id| (id, id - 1, false, id)).collect();
        spans.extend((1001..2000).map(|id| (id, id - 1001 + 1, true, id)));
        spans.push((1, 0, true, 1));
        let lines = settled(&spans);
        assert_eq!(lines.len(), 1000);
        assert!(lines.iter().skip(1).all(|(_, parent)| *parent == Some(1)));
    }
}
