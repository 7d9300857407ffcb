//! Each call is one action, however its accounts are split, ordered and repeated, and whatever their ids.
//! `HALOD_CALLS_MINUTES=N` makes worlds for so long; `HALOD_CALLS_SEED=N` makes one again.

use super::*;
use halod_record::call::arrange::arrange;
use halod_record::event::{Fact, Keyed};
use halod_record::fold::{Actions, End};
use halod_record::json::Json;
use std::time::Instant;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// What is told of some calls, and what is true of them: the tool and how it ended.
#[derive(Default)]
struct World {
    events: Vec<Event<'static>>,
    truth: Vec<(String, bool)>,
    spans: u64,
}

/// What the accounts of one call share.
struct Told {
    session: String,
    trace: [u8; 16],
    from: u64,
    to: u64,
}

impl Told {
    fn event(
        &self,
        action: Action<'static>,
        scope: &'static str,
        failed: bool,
        dice: &mut Dice,
    ) -> Event<'static> {
        // Clocks differ, by less than what is taken for one time.
        let skew = dice.below(400) * 1_000_000;
        Event {
            action,
            agent: Agent::default(),
            session: Some(self.session.clone().into()),
            principal: None,
            tenant: None,
            input: if dice.coin() { Content::Value(Json::str("hello")) } else { Content::Undisclosed },
            outcome: Outcome {
                status: if failed { Status::Error } else { Status::Ok },
                result: Content::Undisclosed,
                error_type: None,
                error_text: None,
            },
            authorization: None,
            origin: Origin::Span { trace: self.trace, span: [0; 8], parent: None, name: "x".into() },
            started: Some(self.from + skew),
            ended: Some(self.to + skew),
            usage: Usage::default(),
            source: Source { adapter: "otel", via: "test", dialect: "gen_ai", mapping: "3" },
            dropped: 0,
            trace_flags: None,
            facts: vec![(halod_record::call::SCOPE, Fact::Label(scope.into()))],
        }
    }
}

impl World {
    fn span(&mut self, mut event: Event<'static>, parent: Option<u64>) -> u64 {
        self.spans += 1;
        if let Origin::Span { span, parent: above, .. } = &mut event.origin {
            *span = self.spans.to_be_bytes();
            *above = parent.map(u64::to_be_bytes);
        }
        self.events.push(event);
        self.spans
    }

    /// A model call, told by some of: an SDK, what it calls, a gateway.
    fn model(&mut self, told: &Told, response: Option<&str>, by: [bool; 3], may_fail: bool, dice: &mut Dice) {
        let mut failed = false;
        let mut any = false;
        let model = ["gpt-4o", "gpt-4o-2024-08-06"][dice.below(2) as usize];
        let mut outer = None;
        for (scope, tells) in ["sdk", "http", "gateway"].into_iter().zip(by) {
            if !tells {
                continue;
            }
            // The last of an answer without an id is found by nothing.
            if response.is_none() && any && (scope == "gateway" || outer.is_none()) {
                continue;
            }
            any = true;
            let fails = may_fail && dice.below(3) == 0;
            failed |= fails;
            let action = Action::Generate { provider: None, model: Some(model.into()) };
            let mut event = told.event(action, scope, fails, dice);
            event.usage.response_id = response.map(|id| id.to_owned().into());
            match scope {
                "sdk" => outer = Some(self.span(event, None)),
                "http" => {
                    self.span(event, outer);
                }
                _ => {
                    self.spans += 1;
                    let call = format!("call-{}", self.spans);
                    event.source =
                        Source { adapter: "litellm", via: "x", dialect: "litellm.payload", mapping: "3" };
                    event.origin = Origin::Keyed(Keyed {
                        space: "litellm",
                        id: vec![call.clone().into()],
                        parent: None,
                    });
                    event.facts = vec![("call_id", Fact::Id(call.into()))];
                    self.events.push(event);
                }
            }
        }
        self.truth.push(("model.generate".into(), failed));
    }

    /// Attempts below one wrapper, each a call.
    fn attempts(&mut self, told: &Told, dice: &mut Dice) {
        let action = || Action::Generate { provider: None, model: Some("gpt-4o".into()) };
        let wrapper = told.event(action(), "sdk", false, dice);
        let wrapper = self.span(wrapper, None);
        for _ in 0..2 {
            let attempt = told.event(action(), "http", false, dice);
            self.span(attempt, Some(wrapper));
            self.truth.push(("model.generate".into(), false));
        }
    }

    /// A tool call, told by some of: a client, the server below it, a log record.
    fn tool(&mut self, told: &Told, call_id: &str, dice: &mut Dice) {
        let name = ["pay", "find"][dice.below(2) as usize];
        let (mut failed, mut any, mut outer) = (false, false, None);
        for scope in ["client", "server", "log"] {
            if any && dice.coin() {
                continue;
            }
            any = true;
            let fails = dice.below(3) == 0;
            failed |= fails;
            let action = Action::Tool {
                name: name.into(),
                mcp_server: (scope == "server").then(|| "kb".into()),
                call_id: Some(call_id.to_owned().into()),
            };
            let mut event = told.event(action, scope, fails, dice);
            match scope {
                "client" => outer = Some(self.span(event, None)),
                "server" => {
                    self.span(event, outer);
                }
                _ => {
                    self.spans += 1;
                    let identity = Json::Int(self.spans as i64);
                    event.origin = Origin::Log { trace: None, span: None, name: "x".into(), identity };
                    self.events.push(event);
                }
            }
        }
        self.truth.push((name.into(), failed));
    }

    fn new(dice: &mut Dice) -> Self {
        let mut world = Self::default();
        let masked = |n: u64| format!("sk-proj-FAKE0000aaaabbbbccccddddeeeeffff{n:04}");
        for n in 0..1 + dice.below(7) {
            // Far from the others, so that an id may come again.
            let from = START + n * 100 * SECOND;
            let told = Told {
                session: ["s-1", "s-2"][dice.below(2) as usize].into(),
                trace: [dice.below(3) as u8 + 1; 16],
                from,
                to: from + (1 + dice.below(9)) * SECOND,
            };
            let first = dice.below(3) as usize;
            let mut by = [dice.coin(), dice.coin(), dice.coin()];
            by[first] = true;
            match dice.below(6) {
                // An id of more than 16 accounts joins none, which is a test of its own: none is told of so often.
                0 => world.model(&told, Some(&format!("chatcmpl-213-{}", n / 5)), by, true, dice),
                1 => world.model(&told, Some(&masked(n)), by, true, dice),
                2 => world.model(&told, None, by, true, dice),
                3 => world.attempts(&told, dice),
                4 => {
                    // A cache repeats the answer, or the provider its id, at one time: the same tell of both.
                    let id = format!("chatcmpl-{}", n / 2);
                    for _ in 0..2 {
                        world.model(&told, Some(&id), by, false, dice);
                    }
                }
                _ => world.tool(
                    &told,
                    &format!("{}{}", ["call_1", "toolu_9"][dice.below(2) as usize], n / 5),
                    dice,
                ),
            }
        }
        world
    }

    /// Seals what is told in some order, split somehow, some of it again, with restarts; returns the actions.
    fn sealed(&self, dice: &mut Dice) -> Vec<(String, bool)> {
        let dir = tempfile::tempdir().unwrap();
        let builder = Builder::new(false);
        let draft = |event| builder.draft(event, &Tenant::Local, &mut Scratch::default());
        let mut order: Vec<&Event<'_>> = self.events.iter().collect();
        let again = dice.below(4) as usize;
        order.extend(self.events.iter().take(again));
        dice.shuffle(&mut order);
        let mut store = open(dir.path());
        while !order.is_empty() {
            let taken = (1 + dice.below(order.len() as u64)) as usize;
            let mut drafts: Vec<Draft> = order.drain(..taken).map(draft).collect();
            arrange(&mut drafts);
            let work = commit(&mut store, drafts);
            assert_eq!((work.sealed + work.duplicate, work.conflict), (taken as u32, 0));
            if dice.below(4) == 0 {
                drop(store);
                if dice.coin() {
                    std::fs::remove_dir_all(dir.path().join(".halod/index")).unwrap();
                }
                store = open(dir.path());
            }
        }
        let mut actions = Actions::default();
        chain(dir.path(), "local").iter().for_each(|line| actions.push(line.as_bytes()));
        let of_tool = |tool: &str| tool.rsplit("__").next().unwrap_or(tool).to_owned();
        let calls = actions.actions().iter().filter(|action| action.is_call);
        let mut calls: Vec<_> =
            calls.map(|action| (of_tool(&action.tool), action.end == End::Error)).collect();
        calls.sort();
        calls
    }
}

fn hold(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let world = World::new(&mut dice);
    let mut truth = world.truth.clone();
    truth.sort();
    for _ in 0..3 {
        let sealed = world.sealed(&mut dice);
        assert_eq!(sealed, truth, "HALOD_CALLS_SEED={seed}: {:#?}", world.events);
    }
}

#[test]
fn every_call_is_one_action_in_any_split_order_and_repetition() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("HALOD_CALLS_SEED") {
        return hold(seed);
    }
    let minutes = number("HALOD_CALLS_MINUTES");
    let start = Instant::now();
    let mut seed = if minutes.is_some() { START ^ std::process::id() as u64 } else { 1 };
    let mut worlds = 0;
    while minutes.map_or(worlds < 40, |minutes| start.elapsed() < Duration::from_secs(60 * minutes)) {
        hold(seed);
        (seed, worlds) = (seed + 1, worlds + 1);
    }
    println!("{worlds} worlds");
}

#[test]
fn without_the_switch_only_accounts_of_one_batch_are_joined() {
    let told = Told { session: "s".into(), trace: [1; 16], from: START, to: START + SECOND };
    let mut world = World::default();
    world.model(&told, Some("chatcmpl-1"), [true, true, false], false, &mut Dice(7));
    let builder = Builder::new(false);
    let drafts = || -> Vec<Draft> {
        let draft = |event| builder.draft(event, &Tenant::Local, &mut Scratch::default());
        world.events.iter().map(draft).collect()
    };
    let corroborations = |in_one_batch: bool| {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { join_calls: false, ..settings(dir.path()) };
        let mut store = Store::open(settings, Arc::new(OsDisk)).unwrap().0;
        for mut batch in if in_one_batch {
            vec![drafts()]
        } else {
            drafts().into_iter().map(|draft| vec![draft]).collect()
        } {
            arrange(&mut batch);
            commit(&mut store, batch);
        }
        chain(dir.path(), "local").iter().filter(|line| line.contains("corroborates:")).count()
    };
    assert_eq!((corroborations(true), corroborations(false)), (1, 0));
}

#[test]
fn sessions_of_one_name_are_each_tenants_own() {
    let told = Told { session: "s".into(), trace: [1; 16], from: START, to: START + SECOND };
    let mut world = World::default();
    world.model(&told, None, [true, false, false], false, &mut Dice(7));
    let builder = Builder::new(false);
    let keys = |tenant: &Tenant| -> Vec<u64> {
        let draft = builder.draft(&world.events[0], tenant, &mut Scratch::default());
        draft.call().unwrap().index_keys().collect()
    };
    let (ours, theirs) = (keys(&tenant("a")), keys(&tenant("b")));
    assert!(!ours.is_empty() && ours.iter().all(|key| !theirs.contains(key)));
}

#[test]
fn an_id_that_stands_for_many_calls_joins_none_and_is_not_remembered_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let told = Told { session: "s".into(), trace: [1; 16], from: START, to: START + SECOND };
    let mut world = World::default();
    for _ in 0..100 {
        let action = Action::Generate { provider: None, model: Some("gpt-4o".into()) };
        let mut event = told.event(action, "sdk", false, &mut Dice(7));
        event.usage.response_id = Some("chatcmpl-123".into());
        world.span(event, None);
    }
    let builder = Builder::new(false);
    let drafts: Vec<Draft> = world
        .events
        .iter()
        .map(|event| builder.draft(event, &Tenant::Local, &mut Scratch::default()))
        .collect();
    let keys: Vec<u64> = drafts[0].call().unwrap().index_keys().collect();
    assert_eq!(commit(&mut store, drafts).sealed, 100);
    assert!(chain(dir.path(), "local").iter().all(|line| !line.contains("corroborates")));
    for key in keys {
        let mut offsets = Vec::new();
        store.index.candidates(key, &mut offsets).unwrap();
        assert!(offsets.len() <= super::super::joins::MOST + 1, "{}", offsets.len());
    }
}
