//! Golden files of senders of JSON items: `golden/<format>/<case>.{json,jsonl}` is what was sent,
//! `<case>.events.json` what the adapter makes of it.
//!
//! `litellm/generic-api`, `litellm/proxy` and `openai_agents/native` are what real clients sent, without
//! the price lists and request headers that LiteLLM adds to every payload; the others are written from the
//! types of LiteLLM 1.106.2 and of the SDK 0.24.

use super::event::event_value;
use super::files::{as_recorded, directory};
use halo_adapters::count::{Counted, Item, Kind, count};
use halo_adapters::{litellm, openai_agents};
use halod_record::event::{Action, Event, Keyed, Origin, Status};
use halod_record::json::{Json, parse, split};
use halod_record::unusable::Unusable;
use serde_json::{Value, json};
use std::fs;

type Reads = for<'a> fn(&Json<'a>) -> Result<Option<Event<'a>>, Unusable>;

const CASES: &[(&str, Reads)] = &[
    ("litellm/by-hand.json", litellm::event),
    ("litellm/generic-api.json", litellm::event),
    ("litellm/proxy.jsonl", litellm::event),
    ("litellm/spend-rows.json", litellm::spend_row),
    ("openai_agents/by-hand.json", openai_agents::item),
    ("openai_agents/native.json", openai_agents::item),
];

/// Model calls that came off and that failed, embedding calls, tool calls that came off and that failed: as
/// the programs did them, as far as the sender tells.
#[rustfmt::skip]
const TRUTH: &[(&str, [usize; 5])] = &[
    // It sees model calls only: the program's three tools are its own.
    ("litellm/generic-api.json", [5, 2, 1, 0, 0]),
    // 12 that the providers refused, and one each with a wrong key and a wrong model.
    ("litellm/proxy.jsonl", [20, 14, 0, 0, 0]),
    ("openai_agents/native.json", [6, 1, 0, 4, 2]),
];

fn texts(text: &str) -> Vec<&str> {
    let most = halod_record::json::Most { items: 1000, values: 100_000 };
    let at = text.find("\"data\":").map(|at| at + "\"data\":".len());
    let list = match at {
        Some(at) if text.starts_with("{\"data\"") || text.starts_with("{\n \"data\"") => {
            text[at..].trim_end().strip_suffix('}').unwrap()
        }
        _ => text,
    };
    split(list, &most).unwrap().1
}

#[test]
fn events_are_as_recorded() {
    as_recorded(CASES.iter().map(|(case, reads)| {
        let path = directory(case);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{case}: {error}"));
        let items = texts(&text).iter().map(|item| told(*reads, item)).collect();
        (path.with_extension("events.json"), items)
    }));
}

fn told(reads: Reads, item: &str) -> Value {
    match reads(&parse(item).unwrap()) {
        Ok(Some(event)) => event_value(&event),
        Ok(None) => "filtered".into(),
        Err(unusable) => json!({ "rejected": unusable.to_string() }),
    }
}

#[test]
fn what_is_seen_is_what_was_done() {
    for (case, truth) in TRUTH {
        let reads = CASES.iter().find(|(name, _)| name == case).unwrap().1;
        let text = fs::read_to_string(directory(case)).unwrap();
        let values: Vec<_> = texts(&text).into_iter().map(|item| parse(item).unwrap()).collect();
        let events: Vec<_> = values.iter().filter_map(|value| reads(value).unwrap()).collect();
        let items: Vec<_> =
            events.iter().enumerate().map(|(at, event)| counted_item(at, event, &events)).collect();
        let mut seen = [0; 5];
        for counted in count(&items) {
            match counted {
                Counted::Ok(Kind::Generate) => seen[0] += 1,
                Counted::Failed(Kind::Generate) => seen[1] += 1,
                Counted::Ok(Kind::Embed) | Counted::Failed(Kind::Embed) => seen[2] += 1,
                Counted::Ok(Kind::Tool) => seen[3] += 1,
                Counted::Failed(Kind::Tool) => seen[4] += 1,
                _ => {}
            }
        }
        assert_eq!(seen, *truth, "{case}");
    }
}

/// The item of an event, its place being its id.
fn counted_item<'a>(at: usize, event: &'a Event<'_>, events: &[Event<'_>]) -> Item<'a, usize> {
    let (kind, key) = match &event.action {
        Action::Generate { model, .. } => (Some(Kind::Generate), model.as_deref()),
        Action::Embed { model, .. } => (Some(Kind::Embed), model.as_deref()),
        Action::Tool { name, .. } => (Some(Kind::Tool), Some(name.as_ref())),
        _ => (None, None),
    };
    let keyed = |event: &Event<'_>| match &event.origin {
        Origin::Keyed(Keyed { id, parent, .. }) => {
            let owned = |id: &[std::borrow::Cow<'_, str>]| id.join(" / ");
            (owned(id), parent.as_deref().map(owned))
        }
        _ => panic!("{event:?}"),
    };
    let parent = keyed(event).1.and_then(|parent| events.iter().position(|other| keyed(other).0 == parent));
    let response_id = event.usage.response_id.as_deref();
    Item { id: at, parent, kind, key, response_id, call_id: None, failed: event.outcome.status != Status::Ok }
}
