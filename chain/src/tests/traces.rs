//! Traces whose tenant is said now or later, here or there: each span is sealed once over all chains, and what is apart
//! from its trace is disclosed.

use super::*;
use crate::traces::TraceTenants;
use halod_record::trace::{InTrace, Rank};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SENDER: [u8; 8] = [1; 8];
const TENANTS: [&str; 3] = ["", "a", "b"];

/// What happens to a store.
#[derive(Clone, Debug)]
enum Step {
    /// A span that says nothing is drafted, with a fallback of these.
    Silent {
        trace: u8,
        span: u8,
        fallback: usize,
    },
    /// A span states one of these.
    States {
        trace: u8,
        span: u8,
        tenant: usize,
    },
    /// What was drafted is sealed, in so many commits, the last drafted first.
    Commit {
        parts: usize,
    },
    /// halod is killed; what was drafted is lost.
    Kill,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let silent = (0..3_u8, 0..4_u8, 0..2_usize).prop_map(|(trace, span, fallback)| Step::Silent {
        trace,
        span,
        fallback,
    });
    let states =
        (0..3_u8, 4..6_u8, 1..3_usize).prop_map(|(trace, span, tenant)| Step::States { trace, span, tenant });
    prop_oneof![
        6 => silent,
        2 => states,
        4 => (1..3_usize).prop_map(|parts| Step::Commit { parts }),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ]
}

fn span(trace: u8, span: u8, at: &Tenant) -> Draft {
    let origin = Origin::Span { trace: [trace + 1; 16], span: [span + 1; 8], parent: None, name: "x".into() };
    let event = Event { origin, ..event_of("t") };
    Builder::new(false).draft(&event, at, &mut Scratch::default())
}

/// Places a silent span as those do who know what was said for its trace.
fn silent(traces: &TraceTenants, id: (u8, u8), fallback: &Tenant) -> Draft {
    let trace = traces.trace(SENDER, [id.0 + 1; 16]);
    let claimed = trace.claimed(Rank::Stated);
    trace.could_be_of(fallback);
    let mut draft = span(id.0, id.1, claimed.as_ref().unwrap_or(fallback));
    draft.place_in(InTrace::new(trace, claimed.is_some()));
    draft
}

/// Adds up what is disclosed of each trace.
fn disclose(traces: &TraceTenants, told: &mut BTreeMap<[u8; 16], u64>) {
    for trace in traces.take_due() {
        let disclosed = trace.tell().and_then(|disclosed| disclosed.records);
        *told.entry(trace.id()).or_default() += disclosed.unwrap_or(0);
        traces.tell(&trace, None);
    }
}

/// Every span of every chain, with the chains that have it.
fn sealed(dir: &Path) -> BTreeMap<String, Vec<&'static str>> {
    let mut found: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for tenant in TENANTS {
        let stem = if tenant.is_empty() { "local" } else { tenant };
        if dir.join(format!("{stem}.jsonl")).exists() {
            for line in chain(dir, stem) {
                let record: serde_json::Value = serde_json::from_str(&line).unwrap();
                let [trace, span] = ["trace_id", "span_id"].map(|key| record["data"][key].as_str().unwrap());
                found.entry(format!("{trace} {span}")).or_default().push(tenant);
            }
        }
    }
    found
}

fn hold(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let traces = Arc::<TraceTenants>::default();
        let settings = Settings { traces: Arc::clone(&traces), ..settings(dir.path()) };
        (Store::open(settings, Arc::new(OsDisk)).unwrap().0, traces)
    };
    let (mut store, mut traces) = start();
    let mut waiting: Vec<Draft> = Vec::new();
    let mut acknowledged = 0;
    let mut told: BTreeMap<[u8; 16], u64> = BTreeMap::new();
    let mut restarted = false;
    for step in steps {
        match step {
            Step::Silent { trace, span, fallback } => {
                waiting.push(silent(&traces, (*trace, *span), &tenant(TENANTS[*fallback])));
            }
            Step::States { trace, span: id, tenant: at } => {
                let at = tenant(TENANTS[*at]);
                traces.claim(&traces.trace(SENDER, [trace + 1; 16]), &at, Rank::Stated);
                // Spans that state something are told apart by it here: each says it of its own.
                waiting.push(span(*trace, id + 2 * u8::from(at == tenant("b")), &at));
            }
            Step::Commit { parts } => {
                let drafts: Vec<Draft> = std::mem::take(&mut waiting).into_iter().rev().collect();
                let size = drafts.len().div_ceil(*parts).max(1);
                let mut works: Vec<Work> = drafts
                    .chunks(size)
                    .map(|drafts| Work { drafts: drafts.to_vec(), ..Work::default() })
                    .collect();
                let all = drafts.len();
                store.commit(&mut works, NOW).unwrap();
                let done: u32 = works.iter().map(|work| work.sealed + work.duplicate).sum();
                assert_eq!(done as usize, all, "{steps:?}");
                assert!(works.iter().all(|work| work.conflict == 0), "{steps:?}");
                acknowledged += all;
                disclose(&traces, &mut told);
            }
            Step::Kill | Step::Close => {
                waiting.clear();
                restarted = true;
                if matches!(step, Step::Close) {
                    store.close().unwrap();
                }
                (store, traces) = start();
            }
        }
    }
    let found = sealed(dir.path());
    assert!(found.values().all(|chains| chains.len() == 1), "{found:?} after {steps:?}");
    assert!(acknowledged == 0 || !found.is_empty());
    if restarted {
        return;
    }
    disclose(&traces, &mut told);
    // Every span apart from the one tenant of its trace is told of.
    for trace in 1..4_u8 {
        let known = traces.trace(SENDER, [trace; 16]);
        let Some(owner) = known.claimed(Rank::Stated) else { continue };
        let prefix = format!("{trace:02x}");
        let apart = found
            .iter()
            .filter(|(key, chains)| key.starts_with(&prefix) && tenant(chains[0]) != owner)
            .count() as u64;
        let told = told.get(&[trace; 16]).copied().unwrap_or(0);
        assert_eq!(told, apart, "trace {trace} of {owner:?}: {found:?} after {steps:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn each_span_is_sealed_once_over_all_chains(steps in prop::collection::vec(step(), 1..40)) {
        hold(&steps);
    }
}

#[test]
fn two_drafts_of_one_span_in_one_commit_become_one_record() {
    hold(&[
        Step::Silent { trace: 0, span: 0, fallback: 0 },
        Step::States { trace: 0, span: 4, tenant: 1 },
        Step::Silent { trace: 0, span: 0, fallback: 0 },
        Step::Commit { parts: 2 },
    ]);
}

/// A span that comes again and says something else is a conflict in the chain that has it.
#[test]
fn a_contradiction_stands_in_the_chain_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let traces = Arc::clone(&store.settings.traces);
    commit(&mut store, vec![silent(&traces, (0, 0), &Tenant::Local)]);
    let trace = traces.trace(SENDER, [1; 16]);
    traces.claim(&trace, &tenant("a"), Rank::Stated);
    let origin = Origin::Span { trace: [1; 16], span: [1; 8], parent: None, name: "x".into() };
    let event = Event { origin, ..event_of("another") };
    let mut other = Builder::new(false).draft(&event, &tenant("a"), &mut Scratch::default());
    other.place_in(InTrace::new(trace, true));
    let work = commit(&mut store, vec![other]);
    assert_eq!((work.sealed, work.conflict), (1, 1));
    let lines = chain(dir.path(), "local");
    assert!(lines.len() == 2 && lines[1].contains("conflicts_with"), "{lines:?}");
    assert!(!dir.path().join("a.jsonl").exists());
}

#[test]
fn what_is_remembered_is_bounded_in_memory_and_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let traces = Arc::clone(&store.settings.traces);
    let id = |n: u64| -> [u8; 16] { (u128::from(n) << 64 | 1).to_be_bytes() };
    for n in 0..60_000_u64 {
        traces.claim(&traces.trace(SENDER, id(n)), &tenant(&format!("tenant-{n}")), Rank::Stated);
        if n % 1000 == 0 {
            // What is used again stays.
            assert!(traces.trace(SENDER, id(0)).claimed(Rank::Stated).is_some(), "{n}");
            commit(&mut store, vec![draft_of("a", n, "t")]);
        }
    }
    commit(&mut store, vec![draft_of("a", 1 << 40, "t")]);
    let bytes: u64 = ["0", "1"]
        .iter()
        .map(|name| std::fs::metadata(dir.path().join(".halod/claims").join(name)).unwrap().len())
        .sum();
    assert!(bytes < 4 << 20, "{bytes}");
    assert!(traces.trace(SENDER, id(1)).claimed(Rank::Stated).is_none(), "it is forgotten");
    assert!(traces.trace(SENDER, id(59_999)).claimed(Rank::Stated).is_some());
    drop(store);
    let again = Arc::<TraceTenants>::default();
    again.open(dir.path()).unwrap();
    assert_eq!(again.trace(SENDER, id(59_999)).claimed(Rank::Stated), Some(tenant("tenant-59999")));
    assert_eq!(again.trace(SENDER, id(0)).claimed(Rank::Stated), Some(tenant("tenant-0")));
}

#[test]
fn a_damaged_file_costs_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".halod/claims");
    let mut store = open(dir.path());
    let traces = Arc::clone(&store.settings.traces);
    for n in 1..4_u8 {
        traces.claim(&traces.trace(SENDER, [n; 16]), &tenant("a \" \u{1f600} b"), Rank::Stated);
        commit(&mut store, vec![draft_of("a", n.into(), "t")]);
    }
    drop(store);
    let file = ["0", "1"]
        .map(|name| path.join(name))
        .into_iter()
        .find(|file| std::fs::read(file).is_ok_and(|bytes| bytes.len() > 40));
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // One line is damaged, the last one cut short.
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 80;
    let end = bytes.len() - 5;
    bytes[second] = 0xff;
    bytes.truncate(end);
    std::fs::write(&file, &bytes).unwrap();
    let again = Arc::<TraceTenants>::default();
    again.open(dir.path()).unwrap();
    let known = |n: u8| again.trace(SENDER, [n; 16]).claimed(Rank::Stated).is_some();
    assert_eq!([known(1), known(2), known(3)].iter().filter(|known| **known).count(), 1);
}
