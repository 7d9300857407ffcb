//! Counting each call once, though several records may tell of it.
//!
//! Instrumentations overlap: an SDK's own span inside that of an instrumentation, the client's and
//! the server's view of one tool call, a span and its log record. All are kept; where calls are
//! counted, a record counts when none of these tells of the same call before it:
//!
//! 1. its nearest ancestor that is of the same kind, on the same tool or model;
//! 2. a record with the same id of the provider's answer, or the same id of the tool call.
//!
//! Ids of tool calls are the sender's own, and some only count from one: give it the records of one
//! trace, or of one conversation.
//!
//! A call failed when the record that counts says so, or for a tool any record under its call id.

use halod_record::event::{Action, Event, Origin};
use std::collections::HashMap;
use std::hash::Hash;

/// What is counted. Boundaries, guards and unknown actions are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Generate,
    Embed,
    Tool,
    Retrieve,
}

/// One record, as far as counting is concerned. `I` is the identity of spans (or of records).
#[derive(Clone, Copy, Debug)]
pub struct Item<'a, I> {
    pub id: I,
    pub parent: Option<I>,
    /// `None` for what only stands between others.
    pub kind: Option<Kind>,
    /// The tool or the model.
    pub key: Option<&'a str>,
    pub response_id: Option<&'a str>,
    pub call_id: Option<&'a str>,
    pub failed: bool,
}

impl<'a> Item<'a, ([u8; 16], [u8; 8])> {
    /// The item of an event that came from a span; `None` for one of a log record.
    #[must_use]
    pub fn of(event: &'a Event<'_>) -> Option<Self> {
        let Origin::Span { trace, span, parent, .. } = &event.origin else { return None };
        let (kind, key, call_id) = match &event.action {
            Action::Generate { model, .. } => (Some(Kind::Generate), model.as_deref(), None),
            Action::Embed { model, .. } => (Some(Kind::Embed), model.as_deref(), None),
            Action::Tool { name, call_id, .. } => (Some(Kind::Tool), Some(name.as_ref()), call_id.as_deref()),
            Action::Retrieve { name } => (Some(Kind::Retrieve), Some(name.as_ref()), None),
            Action::Boundary { .. }
            | Action::Guard { .. }
            | Action::Decide { .. }
            | Action::Request { .. }
            | Action::Access { .. }
            | Action::Other { .. } => (None, None, None),
        };
        Some(Self {
            id: (*trace, *span),
            parent: parent.map(|parent| (*trace, parent)),
            kind,
            key,
            response_id: event.usage.response_id.as_deref(),
            call_id,
            failed: event.outcome.status.failed(),
        })
    }
}

/// How a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is no call.
    No,
    /// It tells of a call that the record at this place counts for.
    With(usize),
    /// It counts, as a call that came off or failed.
    Ok(Kind),
    Failed(Kind),
}

/// How each of `items` counts, in their order. Takes time in proportion, whatever the parents are.
#[must_use]
pub fn count<I: Copy + Eq + Hash>(items: &[Item<'_, I>]) -> Vec<Counted> {
    let places: HashMap<I, usize> = items.iter().enumerate().map(|(at, item)| (item.id, at)).collect();
    let order = parents_first(items, &places);
    // Of each record the nearest that is a call: itself, or else its ancestor's.
    let mut nearest: Vec<Option<usize>> = vec![None; items.len()];
    let mut counted = vec![Counted::No; items.len()];
    let mut by_response: HashMap<(Kind, &str), usize> = HashMap::new();
    let mut by_call: HashMap<&str, usize> = HashMap::new();
    for at in order {
        let Some(item) = items.get(at) else { continue };
        let parent = item.parent.and_then(|parent| places.get(&parent)).filter(|parent| **parent != at);
        let above = parent.and_then(|parent| nearest.get(*parent).copied().flatten());
        let Some(kind) = item.kind else {
            set(&mut nearest, at, above);
            continue;
        };
        set(&mut nearest, at, Some(at));
        let nested = above.filter(|above| {
            items.get(*above).is_some_and(|above| above.kind == Some(kind) && same_key(above.key, item.key))
        });
        let answered = item.response_id.and_then(|id| by_response.get(&(kind, id)).copied());
        let called = item.call_id.filter(|_| kind == Kind::Tool).and_then(|id| by_call.get(id).copied());
        let own = if item.failed { Counted::Failed(kind) } else { Counted::Ok(kind) };
        let first = called.or(answered).or(nested);
        // What it counts with may itself count with another.
        let first = first.map(|first| match counted.get(first) {
            Some(Counted::With(other)) => *other,
            _ => first,
        });
        if called.is_some()
            && item.failed
            && let Some(first) = first
        {
            set(&mut counted, first, Counted::Failed(kind));
        }
        set(&mut counted, at, first.map_or(own, Counted::With));
        let representative = first.unwrap_or(at);
        if let Some(id) = item.response_id {
            by_response.entry((kind, id)).or_insert(representative);
        }
        if let Some(id) = item.call_id.filter(|_| kind == Kind::Tool) {
            by_call.entry(id).or_insert(representative);
        }
    }
    counted
}

/// A call whose record leaves out the model is that around it all the same.
fn same_key(above: Option<&str>, own: Option<&str>) -> bool {
    match (above, own) {
        (Some(above), Some(own)) => above == own,
        _ => true,
    }
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

/// The places of all items, each after its parent; of parents in a circle, in some order.
fn parents_first<I: Copy + Eq + Hash>(items: &[Item<'_, I>], places: &HashMap<I, usize>) -> Vec<usize> {
    let mut order = Vec::with_capacity(items.len());
    let mut seen = vec![false; items.len()];
    let mut path = Vec::new();
    for start in 0..items.len() {
        let mut next = Some(start);
        while let Some(at) = next {
            match seen.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => break,
            }
            path.push(at);
            next = items.get(at).and_then(|item| item.parent).and_then(|parent| places.get(&parent).copied());
        }
        order.extend(path.drain(..).rev());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u32, parent: u32, kind: Option<Kind>, key: &'static str) -> Item<'static, u32> {
        let parent = (parent != 0).then_some(parent);
        Item { id, parent, kind, key: Some(key), response_id: None, call_id: None, failed: false }
    }

    #[test]
    fn nested_calls_of_one_kind_on_one_thing_count_once() {
        let items = [
            item(3, 2, Some(Kind::Generate), "m"),
            item(2, 1, None, ""),
            item(1, 0, Some(Kind::Generate), "m"),
            item(4, 1, Some(Kind::Generate), "other"),
            item(5, 1, Some(Kind::Tool), "m"),
            item(6, 5, Some(Kind::Generate), "m"),
        ];
        let (call, tool) = (Counted::Ok(Kind::Generate), Counted::Ok(Kind::Tool));
        // The last is below a tool: an agent of its own.
        assert_eq!(count(&items), [Counted::With(2), Counted::No, call, call, tool, call]);
    }

    #[test]
    fn the_views_of_a_caller_a_client_and_a_server_are_one_call() {
        let tool = |id, parent| item(id, parent, Some(Kind::Tool), "lookup_customer");
        let called = Item { call_id: Some("c"), ..tool(1, 9) };
        let again = Item { call_id: Some("d"), ..tool(5, 9) };
        let counted = count(&[tool(4, 3), tool(3, 2), item(2, 1, None, ""), called, again]);
        let one = Counted::Ok(Kind::Tool);
        assert_eq!(counted, [Counted::With(3), Counted::With(3), Counted::No, one, one]);
    }

    #[test]
    fn siblings_with_one_answer_count_once() {
        let mut items = [item(1, 9, Some(Kind::Generate), "m"), item(2, 9, Some(Kind::Generate), "m")];
        assert_eq!(count(&items), [Counted::Ok(Kind::Generate); 2]);
        items = items.map(|item| Item { response_id: Some("r"), ..item });
        assert_eq!(count(&items), [Counted::Ok(Kind::Generate), Counted::With(0)]);
    }

    #[test]
    fn a_tool_call_failed_when_any_of_its_records_says_so() {
        let mut items = [item(2, 1, Some(Kind::Tool), "x"), item(1, 0, Some(Kind::Tool), "lookup")];
        items = items.map(|item| Item { call_id: Some("c"), failed: item.id == 2, ..item });
        assert_eq!(count(&items), [Counted::With(1), Counted::Failed(Kind::Tool)]);
    }

    #[test]
    fn chains_and_circles_take_time_in_proportion() {
        let mut items: Vec<_> = (1..200_000).map(|id| item(id, id + 1, Some(Kind::Generate), "m")).collect();
        let counted = count(&items);
        assert_eq!(counted.iter().filter(|counted| **counted == Counted::Ok(Kind::Generate)).count(), 1);
        items.push(item(200_000, 1, Some(Kind::Generate), "m"));
        assert_eq!(count(&items).len(), items.len());
        assert_eq!(count(&[item(1, 1, Some(Kind::Tool), "t")]), [Counted::Ok(Kind::Tool)]);
    }
}
