//! Whose parent is whose, and in which order the spans of a request are drafted.
//!
//! A span names its parent span, which may be none of an agent (an HTTP call, a database query) and so
//! have no record. A request is therefore read twice: first the ids of all its spans, which are put parents
//! first; then the spans in that order, so that the nearest ancestor with a record is known when a span is
//! drafted, and is sealed before it. An ancestor that is not in the request is stated by the id that its
//! record has, if there is one: at sealing the chain says so, and the record names no parent otherwise.
//! What the span itself says stays in `data.parent_span_id`.

use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use std::cmp::Reverse;
use std::collections::HashMap;

/// A trace id and a span id.
pub(super) type SpanKey = ([u8; 16], [u8; 8]);

/// What the first reading takes of a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanIds {
    pub(super) key: SpanKey,
    pub(super) parent: Option<[u8; 8]>,
    /// Unix nanoseconds.
    pub(super) started: u64,
}

impl SpanIds {
    fn parent(&self) -> Option<SpanKey> {
        Some((self.key.0, self.parent?))
    }
}

/// Bytes that the order of one span takes beside its [`SpanIds`], about.
pub(super) const ORDER_BYTES: usize = 96;

/// The places of spans in the order of their start, each behind its parent. Of spans that start together the
/// one that ended last comes first: it can only be the parent. Accounts of one span stand together.
pub(super) fn parents_first(spans: &[SpanIds]) -> Vec<usize> {
    if spans.iter().all(|span| span.parent.is_none()) {
        return (0..spans.len()).collect();
    }
    let mut by_start: Vec<usize> = (0..spans.len()).collect();
    by_start.sort_by_key(|&at| (spans[at].started, Reverse(at)));
    // For each span its accounts, as a list through `next`, in the order of their start.
    let mut first: HashMap<SpanKey, usize> = HashMap::with_capacity(spans.len());
    let mut next = vec![None; spans.len()];
    for &at in by_start.iter().rev() {
        next[at] = first.insert(spans[at].key, at);
    }
    let accounts = |at: usize| std::iter::successors(Some(at), |&at| next[at]);
    let mut order = Vec::with_capacity(spans.len());
    let mut line = Vec::new();
    for at in by_start {
        // A span that is not there any more is behind its parent already, or is one of a circle.
        let mut up = first.remove(&spans[at].key);
        while let Some(span) = up {
            line.push(span);
            let parent = accounts(span).find_map(|at| spans[at].parent());
            up = parent.and_then(|parent| first.remove(&parent));
        }
        order.extend(line.drain(..).rev().flat_map(accounts));
    }
    order
}

/// Which records the spans of a request stand under, told span by span, parents first.
#[derive(Debug)]
pub(super) struct ParentResolver {
    /// By span, itself if it is recorded, else its nearest ancestor that is or that is not in the request. Empty
    /// where no span has a parent.
    nearest: HashMap<SpanKey, Option<SpanKey>>,
}

/// Has the draft of a span state the ancestor that was found for it.
pub(super) fn move_under(draft: &mut Draft, span: &SpanIds, ancestor: Option<SpanKey>) {
    if ancestor != span.parent() {
        draft.move_under(ancestor.map(|(trace, span)| RecordId::of_span(draft.tenant(), &trace, &span)));
    }
}

impl ParentResolver {
    pub(super) fn new(spans: &[SpanIds]) -> Self {
        let related = spans.iter().any(|span| span.parent.is_some());
        // A span whose parent was not told yet is in a circle, and has none.
        let unknown = spans.iter().filter(|_| related).map(|span| (span.key, None));
        Self { nearest: unknown.collect() }
    }

    /// The nearest ancestor of a span that is recorded in this request or is not in it.
    pub(super) fn of(&self, span: &SpanIds) -> Option<SpanKey> {
        let parent = span.parent()?;
        self.nearest.get(&parent).copied().unwrap_or(Some(parent)).filter(|ancestor| *ancestor != span.key)
    }

    /// Takes note of a span. One that is told twice is recorded if either account is.
    pub(super) fn add(&mut self, span: &SpanIds, recorded: bool) {
        let ancestor = if recorded { Some(span.key) } else { self.of(span) };
        if let Some(nearest) = self.nearest.get_mut(&span.key)
            && *nearest != Some(span.key)
        {
            *nearest = ancestor;
        }
    }
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
        let ids: Vec<SpanIds> = spans
            .iter()
            .map(|&(id, parent, _, started)| SpanIds {
                key: ([7; 16], id.to_be_bytes()),
                parent: (parent > 0).then(|| parent.to_be_bytes()),
                started,
            })
            .collect();
        // Every line must still be a whole record after its parent was changed.
        let of = |id: &str| spans.iter().map(|span| span.0).chain(0..2000).find(|span| record(*span) == id);
        let mut parents = ParentResolver::new(&ids);
        let mut out = Vec::new();
        for at in parents_first(&ids) {
            let ancestor = parents.of(&ids[at]);
            parents.add(&ids[at], spans[at].2);
            if !spans[at].2 {
                continue;
            }
            let span = Span {
                trace_id: ids[at].key.0,
                span_id: ids[at].key.1,
                parent_span_id: ids[at].parent,
                attributes: vec![KeyValue {
                    key: "gen_ai.operation.name".into(),
                    value: AnyValue::Str("chat".into()),
                }],
                ..Span::default()
            };
            let event = event(&Resource::default(), &span).unwrap();
            let mut draft = builder.draft(&event, &Tenant::Local, &mut Scratch::default());
            move_under(&mut draft, &ids[at], ancestor);
            let mut line = Vec::new();
            draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
            let record: serde_json::Value = serde_json::from_slice(&line).unwrap();
            let parent = record.get("parent_id").map(|parent| of(parent.as_str().unwrap()).unwrap());
            assert!(draft.same_content(&line));
            out.push((of(record["record_id"].as_str().unwrap()).unwrap(), parent));
        }
        out
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
        // Of a circle of records the first has none.
        let recorded = settled(&[(1, 2, true, 1), (2, 1, true, 1), (3, 3, true, 1)]);
        assert_eq!(recorded, [(3, None), (1, None), (2, Some(1))]);
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
