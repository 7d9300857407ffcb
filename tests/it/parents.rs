//! Parents of any spans of a trace, in any requests: `parent_id` only ever names an earlier record of the same
//! chain. From the bytes of a request to the chain's file, without a daemon.

use crate::support::chains::records;
use crate::support::spans::{attribute, hex, request, text};
use halod::ingest::claim::TenantRule;
use halod::receivers::otlp::preview::Preview;
use halod_chain::commit::Work;
use halod_chain::disk::OsDisk;
use halod_chain::store::{Settings, Store};
use halod_record::build::Builder;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const NOW: u64 = 1_800_000_000_000_000_000;

/// A span by what it says of itself; its number is its place.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// A number, also its own or one that is nowhere; 0 is none.
    parent: u64,
    recorded: bool,
    start: u64,
}

fn traces() -> impl Strategy<Value = Vec<Told>> {
    let told = (0..16_u64, any::<bool>(), 0..4_u64);
    prop::collection::vec(told.prop_map(|(parent, recorded, start)| Told { parent, recorded, start }), 1..13)
}

fn id(number: u64) -> Vec<u8> {
    (0xc3 << 56 | number).to_be_bytes().to_vec()
}

/// The spans of these numbers, which begin at 1, as one request.
fn body(trace: &[Told], numbers: &[u64]) -> Vec<u8> {
    let span = |number: &u64| {
        let told = trace[*number as usize - 1];
        // Each of a tool of its own: none is another's account.
        let attributes = [
            attribute("gen_ai.operation.name", text("execute_tool")),
            attribute("gen_ai.tool.name", text(&format!("tool-{number}"))),
        ];
        Span {
            trace_id: vec![0xd4; 16],
            span_id: id(*number),
            parent_span_id: if told.parent == 0 { Vec::new() } else { id(told.parent) },
            name: "a span".into(),
            start_time_unix_nano: 1_760_000_000_000_000_000 + told.start,
            attributes: told.recorded.then_some(attributes).into_iter().flatten().collect(),
            ..Span::default()
        }
    };
    request(None, numbers.iter().map(span).collect())
}

struct Halod {
    preview: Preview,
    store: Option<Store>,
    settings: Settings,
}

impl Halod {
    fn open(dir: &Path) -> Self {
        let settings = Settings {
            join_calls: true,
            traces: Arc::default(),
            directory: dir.into(),
            open_chains: 4,
            max_tenants: 10,
            new_chains: None,
            journal_size: 2 << 20,
            patience: Duration::ZERO,
            read_at_once: u64::MAX,
        };
        let mut halod = Self {
            preview: Preview::new(TenantRule::default(), Builder::new(false), false),
            store: None,
            settings,
        };
        halod.restart(false);
        halod
    }

    fn restart(&mut self, close: bool) {
        match self.store.take() {
            Some(store) if close => store.close().unwrap(),
            _ => {}
        }
        self.store = Some(Store::open(self.settings.clone(), Arc::new(OsDisk)).unwrap().0);
    }

    /// Seals the requests in one commit; how many records are new. Nothing is a contradiction.
    fn seal(&mut self, bodies: Vec<Vec<u8>>) -> usize {
        let drafts = |body: Vec<u8>| {
            self.preview.drafts(halo_adapters::otlp::Signal::Traces, false, body.into()).unwrap()
        };
        let mut works: Vec<Work> =
            bodies.into_iter().map(|body| Work { drafts: drafts(body), ..Work::default() }).collect();
        self.store.as_mut().unwrap().commit(&mut works, NOW).unwrap();
        assert!(works.iter().all(|work| work.conflict == 0 && work.failed.is_none()), "{works:?}");
        works.iter().map(|work| work.sealed as usize).sum()
    }
}

/// The parent of each recorded span, as the chain names it. Panics where that is no earlier record, where a
/// span has two, and where `data` does not say what the span says.
fn parents(dir: &Path, trace: &[Told]) -> BTreeMap<u64, Option<u64>> {
    let file = dir.join("local.jsonl");
    let records = if file.exists() { records(&file) } else { Vec::new() };
    let (mut numbers, mut parents) = (BTreeMap::new(), BTreeMap::new());
    for record in &records {
        let number = (1..=trace.len() as u64).find(|number| record["data"]["span_id"] == hex(&id(*number)));
        let number = number.unwrap_or_else(|| panic!("of no span: {record}"));
        let told = trace[number as usize - 1];
        let stated = if told.parent == 0 { Value::Null } else { hex(&id(told.parent)).into() };
        assert_eq!(record["data"]["parent_span_id"], stated, "{record}");
        let parent = record.get("parent_id").map(|id| {
            *numbers.get(id.as_str().unwrap()).unwrap_or_else(|| panic!("no earlier record: {record}"))
        });
        numbers.insert(record["record_id"].as_str().unwrap().to_owned(), number);
        assert_eq!(parents.insert(number, parent), None, "sealed twice: {record}");
    }
    parents
}

fn recorded(trace: &[Told], numbers: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    numbers.into_iter().filter(|number| trace[*number as usize - 1].recorded).collect()
}

/// The nearest ancestor of a span that is recorded, if it is another one.
fn nearest(trace: &[Told], of: u64) -> Option<u64> {
    let mut at = of;
    for _ in 0..=trace.len() {
        at = trace[at as usize - 1].parent;
        let told = trace.get(usize::try_from(at).ok()?.checked_sub(1)?)?;
        if told.recorded {
            return Some(at).filter(|at| *at != of);
        }
    }
    None
}

fn is_in_a_circle(trace: &[Told], of: u64) -> bool {
    let mut at = Some(of);
    (0..trace.len()).any(|_| {
        at = at.and_then(|at| nearest(trace, at));
        at == Some(of)
    })
}

/// Requests, each with the numbers of its spans, and how what came before it ended: in the same commit, in
/// another one, or with a store that was closed or dropped.
fn requests() -> impl Strategy<Value = Vec<(Vec<prop::sample::Index>, u8)>> {
    let numbers = prop::collection::vec(any::<prop::sample::Index>(), 1..10);
    prop::collection::vec((numbers, 0..6_u8), 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_parent_is_an_earlier_record_however_spans_are_sent(trace in traces(), requests in requests()) {
        let dir = tempfile::tempdir().unwrap();
        let mut halod = Halod::open(dir.path());
        let (mut sent, mut waiting, mut sealed) = (BTreeSet::new(), Vec::new(), 0);
        for (numbers, before) in requests {
            let numbers: Vec<u64> = numbers.iter().map(|at| at.index(trace.len()) as u64 + 1).collect();
            if before > 1 {
                sealed += halod.seal(std::mem::take(&mut waiting));
            }
            if before > 3 {
                halod.restart(before == 4);
            }
            waiting.push(body(&trace, &numbers));
            sent.extend(numbers);
        }
        sealed += halod.seal(waiting);
        let sent = recorded(&trace, sent);
        prop_assert_eq!(sealed, sent.len());
        let found = parents(dir.path(), &trace);
        prop_assert_eq!(found.keys().copied().collect::<BTreeSet<_>>(), sent);
        // No record is named that is none of the ancestors.
        for (number, parent) in found {
            let mut above = Some(number);
            let ancestors: BTreeSet<u64> = (0..trace.len()).filter_map(|_| {
                above = above.and_then(|at| nearest(&trace, at));
                above
            }).collect();
            prop_assert!(parent.is_none_or(|parent| ancestors.contains(&parent)), "{} {:?}", number, parent);
        }
    }

    #[test]
    fn in_one_request_every_ancestor_that_is_recorded_is_named(
        trace in traces(), more in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        order in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut numbers: Vec<u64> = (1..=trace.len() as u64).collect();
        numbers.extend(more.iter().map(|at| at.index(trace.len()) as u64 + 1));
        let turn = order.index(numbers.len());
        numbers.rotate_left(turn);
        let mut halod = Halod::open(dir.path());
        halod.seal(vec![body(&trace, &numbers)]);
        let found = parents(dir.path(), &trace);
        let all = recorded(&trace, numbers);
        prop_assert_eq!(&found.keys().copied().collect::<BTreeSet<_>>(), &all);
        let (circles, trees): (Vec<u64>, Vec<u64>) = all.into_iter().partition(|at| is_in_a_circle(&trace, *at));
        for number in trees {
            prop_assert_eq!(found[&number], nearest(&trace, number), "{}", number);
        }
        // Of each circle the one that was sealed first has none.
        let mut without = 0;
        for number in circles {
            match found[&number] {
                None => without += 1,
                parent => prop_assert_eq!(parent, nearest(&trace, number), "{}", number),
            }
        }
        prop_assert_eq!(without, circles_of(&trace));
    }
}

/// How many circles the recorded spans are said to be in.
fn circles_of(trace: &[Told]) -> usize {
    let in_circles =
        recorded(trace, 1..=trace.len() as u64).into_iter().filter(|at| is_in_a_circle(trace, *at));
    let least_of = |at: u64| {
        let mut next = Some(at);
        (0..trace.len())
            .filter_map(|_| {
                next = next.and_then(|at| nearest(trace, at));
                next
            })
            .min()
    };
    in_circles.filter_map(least_of).collect::<BTreeSet<_>>().len()
}
