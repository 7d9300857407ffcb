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

/// The nearest ancestor of a span that may have a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Above {
    Recorded(SpanKey),
    /// It is not in the request.
    Absent(SpanKey),
}

impl Above {
    fn key(self) -> SpanKey {
        let (Self::Recorded(key) | Self::Absent(key)) = self;
        key
    }
}

/// Bytes that the parents of one span take beside its [`SpanIds`], about.
pub(super) const BYTES: usize = 128;

/// What is known of a span as an ancestor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It was not told yet. An ancestor of a span that was is in a circle with it.
    Untold,
    Recorded,
    /// It has no record; which of its ancestors has was not asked.
    Filtered,
    /// It has no record, and this is its nearest ancestor that has or that is not in the request.
    Under(Option<Above>),
}

/// The spans of a request, and which record each stands under. Spans are told one by one, parents first.
#[derive(Debug)]
pub(super) struct Parents {
    spans: Vec<SpanIds>,
    /// For each span the first account of its parent, if that is in the request.
    parent: Vec<Option<usize>>,
    /// For each span the first account of itself: a span may be told twice.
    account: Vec<usize>,
    /// By first account.
    found: Vec<Found>,
    /// Whether any span has a parent.
    related: bool,
}

impl Parents {
    pub(super) fn new(spans: Vec<SpanIds>) -> Self {
        let related = spans.iter().any(|span| span.parent.is_some());
        let (mut parent, mut account) = (Vec::new(), Vec::new());
        if related {
            let mut first: HashMap<SpanKey, usize> = HashMap::with_capacity(spans.len());
            account =
                spans.iter().enumerate().map(|(at, span)| *first.entry(span.key).or_insert(at)).collect();
            parent = spans.iter().map(|span| first.get(&span.parent()?).copied()).collect();
        }
        let found = vec![Found::Untold; if related { spans.len() } else { 0 }];
        Self { spans, parent, account, found, related }
    }

    /// The places of the spans in the order of their start, each behind its parent. Of spans that start together the
    /// one that ended last comes first: it can only be the parent. Accounts of one span stand together.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut by_start: Vec<usize> = (0..self.spans.len()).collect();
        if !self.related {
            return by_start;
        }
        by_start.sort_by_key(|&at| (self.spans[at].started, Reverse(at)));
        // For each first account all of them, as a list through `next`, in the order of their start.
        let mut list = vec![None; self.spans.len()];
        let mut next = vec![None; self.spans.len()];
        for &at in by_start.iter().rev() {
            next[at] = list[self.account[at]].replace(at);
        }
        let accounts = |at: usize| std::iter::successors(Some(at), |&at| next[at]);
        let mut order = Vec::with_capacity(self.spans.len());
        let mut line = Vec::new();
        for at in by_start {
            // A span whose list is gone is behind its parent already, or is one of a circle.
            let mut up = list[self.account[at]].take();
            while let Some(span) = up {
                line.push(span);
                let parent = accounts(span).find_map(|at| self.parent[at]);
                up = parent.and_then(|parent| list[self.account[parent]].take());
            }
            order.extend(line.drain(..).rev().flat_map(accounts));
        }
        order
    }

    /// Takes note of the span at a place. One that is told twice is recorded if either account is.
    pub(super) fn tell(&mut self, at: usize, recorded: bool) {
        if !self.related {
            return;
        }
        let found = &mut self.found[self.account[at]];
        if recorded {
            *found = Found::Recorded;
        } else if *found == Found::Untold {
            *found = Found::Filtered;
        }
    }

    /// The place of the first account of a span, and that of the span around it, if that is in the request.
    pub(super) fn place(&self, at: usize) -> (usize, Option<usize>) {
        if !self.related {
            return (at, None);
        }
        (self.account[at], self.parent[at].filter(|parent| *parent != self.account[at]))
    }

    /// Whether any span has a parent.
    pub(super) fn are_there(&self) -> bool {
        self.related
    }

    /// The nearest ancestor of the span at a place that is recorded in this request or is not in it.
    pub(super) fn above(&mut self, at: usize) -> Option<Above> {
        let stated = self.spans[at].parent()?;
        let ancestor = match self.parent[at] {
            Some(parent) => self.nearest(self.account[parent]),
            None => Some(Above::Absent(stated)),
        };
        ancestor.filter(|above| above.key() != self.spans[at].key)
    }

    /// The span itself if it is recorded, else its nearest ancestor that is; each is walked past once.
    fn nearest(&mut self, mut at: usize) -> Option<Above> {
        let mut passed = Vec::new();
        let (nearest, settled) = loop {
            match self.found[at] {
                Found::Recorded => break (Some(Above::Recorded(self.spans[at].key)), true),
                Found::Under(ancestor) => break (ancestor, true),
                Found::Untold => break (None, false),
                Found::Filtered => {}
            }
            // Until more is known: a span that is met twice on the way up is in a circle.
            self.found[at] = Found::Under(None);
            passed.push(at);
            match self.parent[at] {
                Some(parent) => at = self.account[parent],
                None => break (self.spans[at].parent().map(Above::Absent), true),
            }
        };
        for at in passed {
            self.found[at] = if settled { Found::Under(nearest) } else { Found::Filtered };
        }
        nearest
    }

    /// Has the draft of the span at a place state its nearest ancestor.
    pub(super) fn move_under(&mut self, draft: &mut Draft, at: usize) {
        let ancestor = self.above(at).map(Above::key);
        if ancestor != self.spans[at].parent() {
            let id = |(trace, span): SpanKey| RecordId::of_span(draft.tenant(), &trace, &span);
            draft.move_under(ancestor.map(id));
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
        let mut parents = Parents::new(ids.clone());
        let mut out = Vec::new();
        for at in parents.order() {
            parents.tell(at, spans[at].2);
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
            let event = event(&Resource::default(), "", &span).unwrap();
            let mut draft = builder.draft(&event, &Tenant::Local, &mut Scratch::default());
            parents.move_under(&mut draft, at);
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
        // A span beside a circle has the one of it that is recorded above it.
        let beside = [(2, 5, false, 1), (3, 5, false, 0), (4, 2, true, 0), (5, 2, true, 0)];
        assert_eq!(settled(&beside), [(5, None), (4, Some(5))]);
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
