#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::{OtlpState, logs};
use super::*;
use crate::ingest::Ingest;
use crate::ingest::claim::{HeaderClaim, TenantRule};
use crate::pipeline::intake::Intake;
use crate::receivers::stats::Counters;
use halo_adapters::otel::logs::Piece;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::model::{AnyValue, KeyValue, Span};
use halod_record::build::Builder;
use halod_record::draft::GENESIS;
use halod_record::event::Agent;
use halod_record::ids::RecordId;
use halod_record::json::{Json, parse};
use halod_record::time;
use serde_json::Value;
use std::sync::Arc;

const FOREVER: Duration = Duration::from_secs(3600);

struct Bench {
    state: OtlpState,
    ingest: Arc<Ingest>,
    drain: watch::Sender<bool>,
}

fn bench(wait: Duration, room: usize) -> Bench {
    let (drain, draining) = watch::channel(false);
    let joins = ContentJoin::new(wait, room, draining);
    let counters = Counters::default();
    let state = OtlpState::new(TenantRule::default(), joins, Arc::default(), Arc::clone(&counters.otlp));
    let intake = Intake::new(std::sync::mpsc::channel().0, usize::MAX, Arc::default());
    let ingest = Ingest::of_files(intake, Arc::new(Builder::new(false)), Arc::clone(&counters.import));
    Bench { state, ingest: Arc::new(ingest), drain }
}

fn key(span: u8, tenant: Option<&str>) -> Key {
    let tenant = tenant.map_or(Tenant::Local, |id| Tenant::Subject(id.into()));
    Key { tenant, span: ([1; 16], [span; 8]) }
}

fn message(text: &str) -> Content<'static> {
    Content::Value(Json::Object(vec![("content".into(), Json::Str(text.to_owned().into()))]))
}

/// Parts of the span `key`, each at its time.
fn parts(key: &Key, pieces: &[(u64, Piece<'static>)]) -> Vec<Part<'static>> {
    let part = |(time, piece): &(u64, Piece<'static>)| Part {
        trace: key.span.0,
        span: key.span.1,
        time: *time,
        piece: piece.clone(),
        agent: Agent::default(),
        session: None,
        principal: None,
        source: halod_record::event::Source { adapter: "otel", via: "v", dialect: "d", mapping: "2" },
    };
    pieces.iter().map(part).collect()
}

impl Bench {
    fn share(&self, key: &Key, pieces: &[(u64, Piece<'static>)]) -> Share {
        logs::share(key.clone(), parts(key, pieces), &mut self.request()).unwrap()
    }

    fn request(&self) -> RequestBuilder {
        RequestBuilder::new(Arc::clone(&self.ingest), HeaderClaim::Absent, self.ingest.intake.owed(), 0)
    }

    fn asked(&self, key: &Key) -> Share {
        self.share(key, &[(1, Piece::Message(message("asked")))])
    }

    fn answered(&self, key: &Key) -> Share {
        self.share(key, &[(2, Piece::Choice(message("answered")))])
    }

    fn hold(&self, shares: Vec<Share>) -> ContentWait<'_> {
        self.state.joins.wait_for_spans(shares)
    }

    /// The draft of a span that came by itself, and what is to be settled.
    fn span(&self, key: &Key, attributes: &[(&str, &str)], status: i32) -> (Draft, Joined) {
        let pair = |(key, value): &(&str, &str)| KeyValue {
            key: (*key).to_owned().into(),
            value: AnyValue::Str((*value).to_owned().into()),
        };
        let base = [("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "m")];
        let span = Span {
            trace_id: key.span.0,
            span_id: key.span.1,
            attributes: base.iter().chain(attributes).map(pair).collect(),
            status_code: status,
            end_time_unix_nano: 2,
            ..Span::default()
        };
        let event = otel::event(&Resource::default(), "", &span).unwrap();
        let mut joined = Joined::default();
        let draft = joined.draft(&self.state.joins, event, &key.tenant, &mut self.request());
        (draft, joined)
    }

    /// As [`Self::span`], and sealed.
    fn sealed(&self, key: &Key) -> Draft {
        let (draft, joined) = self.span(key, &[], 0);
        joined.settle(true);
        draft
    }

    fn assert_idle(&self) {
        let table = self.state.joins.table();
        assert!(table.held.is_empty() && table.bytes == 0, "{table:?}");
    }
}

fn record(draft: &Draft) -> Value {
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
    serde_json::from_slice(&line).unwrap()
}

#[tokio::test]
async fn a_span_takes_what_waits_for_it() {
    let bench = bench(FOREVER, 1 << 20);
    let key = key(2, Some("acme"));
    let hold = bench.hold(vec![bench.asked(&key), bench.answered(&key)]);
    let (draft, joined) = bench.span(&key, &[], 0);
    let mut end = asked_by_hand(hold.end());
    assert!(end.pending(), "not answered before the span is on disk");
    joined.settle(true);
    assert!(end.ready().is_empty(), "all of it is in the span's record");
    bench.assert_idle();
    let sealed = record(&draft);
    for path in ["/action/input/hash", "/outcome/hash"] {
        assert!(sealed.pointer(path).is_some(), "{sealed}");
    }
    assert_eq!(sealed.pointer("/data/undisclosed"), None);
    let expected = parse(r#"[{"content":"asked"}]"#).unwrap();
    let hash = halod_record::hash::input_hash_with(&expected, &mut Vec::new()).0;
    let hash = String::from_utf8(halod_record::hash::hex(&hash).to_vec()).unwrap();
    assert_eq!(sealed.pointer("/action/input/hash").unwrap(), &format!("sha256:{hash}"));
}

#[tokio::test]
async fn the_order_of_requests_makes_no_difference() {
    let key = key(2, None);
    // Two of one time, so that time alone does not order them.
    let pieces = [
        (1, Piece::Message(message("be brief"))),
        (2, Piece::Message(message("first"))),
        (2, Piece::Message(message("second"))),
        (3, Piece::Choice(message("done"))),
    ];
    let mut lines = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let bench = bench(FOREVER, 1 << 20);
        let holds: Vec<_> =
            order.iter().map(|&at| bench.hold(vec![bench.share(&key, &pieces[at..=at])])).collect();
        let draft = bench.sealed(&key);
        for hold in holds {
            assert!(hold.end().await.is_empty());
        }
        lines.push(record(&draft).to_string());
    }
    assert!(lines.iter().all(|line| *line == lines[0]), "{lines:#?}");
}

#[tokio::test]
async fn a_hold_that_ends_alone_has_a_record_of_its_own() {
    let bench = bench(Duration::from_millis(1), 1 << 20);
    let key = key(2, Some("acme"));
    let alone = bench.hold(vec![bench.asked(&key)]).end().await;
    bench.assert_idle();
    let sealed = record(&alone[0]);
    let span = RecordId::of_span(&key.tenant, &key.span.0, &key.span.1).to_string();
    assert_eq!(sealed["action"]["tool"], "agent.content");
    assert_eq!(sealed["action"]["type"], "agent_message");
    assert_eq!(sealed["parent_id"], *span);
    assert!(sealed.pointer("/action/input/hash").is_some() && sealed.pointer("/outcome/hash").is_none());
    assert_eq!(record(&bench.asked(&key).draft), sealed, "told again it is the same record");
}

#[tokio::test]
async fn after_its_span_content_waits_for_nothing() {
    let bench = bench(FOREVER, 1 << 20);
    let (before, key) = (key(2, None), key(3, None));
    bench.sealed(&before);
    drop(bench.hold(Vec::new()));
    bench.sealed(&key);
    assert_eq!(bench.hold(vec![bench.asked(&key)]).end().await.len(), 1);
    bench.assert_idle();
    // Spans from before anybody told content in logs are not remembered.
    assert!(asked_by_hand(bench.hold(vec![bench.asked(&before)]).end()).pending());
}

#[tokio::test]
async fn a_request_that_is_sent_twice_at_once_tells_its_content_once() {
    let key = key(2, None);
    let lines = [1, 2].map(|times| {
        let bench = bench(FOREVER, 1 << 20);
        let holds: Vec<_> = (0..times).map(|_| bench.hold(vec![bench.asked(&key)])).collect();
        let (draft, joined) = bench.span(&key, &[], 0);
        joined.settle(true);
        for hold in holds {
            assert!(asked_by_hand(hold.end()).ready().is_empty());
        }
        record(&draft)
    });
    assert_eq!(lines[0], lines[1]);
}

#[tokio::test]
async fn what_its_span_could_not_seal_is_sealed_alone() {
    let bench = bench(FOREVER, 1 << 20);
    let key = key(2, None);
    let hold = bench.hold(vec![bench.asked(&key)]);
    let (_, joined) = bench.span(&key, &[], 0);
    joined.settle(false);
    assert_eq!(hold.end().await.len(), 1, "refused");
    let key = self::key(3, None);
    let hold = bench.hold(vec![bench.asked(&key)]);
    drop(bench.span(&key, &[], 0));
    assert_eq!(hold.end().await.len(), 1, "its sender left");
}

#[tokio::test]
async fn a_span_keeps_its_own_content() {
    let bench = bench(FOREVER, 1 << 20);
    let (same, other, failed) = (key(2, None), key(3, None), key(4, None));
    for (key, text, alone) in [(&same, r#"[{"content":"asked"}]"#, 0), (&other, r#"["other"]"#, 1)] {
        let hold = bench.hold(vec![bench.asked(key)]);
        let (draft, joined) = bench.span(key, &[("gen_ai.input.messages", text)], 0);
        let (bare, _) = self::bench(Duration::ZERO, 0).span(key, &[("gen_ai.input.messages", text)], 0);
        assert_eq!(record(&draft), record(&bare));
        joined.settle(true);
        assert_eq!(hold.end().await.len(), alone, "{text}");
    }
    // Of a failed call the outcome is the error: an answer is told beside it.
    let hold = bench.hold(vec![bench.asked(&failed), bench.answered(&failed)]);
    let (draft, joined) = bench.span(&failed, &[("error.type", "429")], 2);
    joined.settle(true);
    assert!(record(&draft).pointer("/action/input/hash").is_some());
    assert_eq!(hold.end().await.len(), 1);
}

#[tokio::test]
async fn tenants_do_not_meet() {
    let bench = bench(FOREVER, 1 << 20);
    let hold = bench.hold(vec![bench.asked(&key(2, Some("acme")))]);
    let draft = bench.sealed(&key(2, Some("initech")));
    assert_eq!(record(&draft).pointer("/action/input"), None);
    assert!(asked_by_hand(hold.end()).pending());
    bench.assert_idle();
}

#[tokio::test]
async fn holds_have_bounds() {
    let probe = bench(FOREVER, 1 << 20);
    let weight = probe.asked(&key(2, None)).bytes;
    let small = bench(FOREVER, weight + weight / 2);
    let first = small.hold(vec![small.asked(&key(2, None))]);
    assert_eq!(small.hold(vec![small.asked(&key(3, None))]).end().await.len(), 1, "no room");
    drop(first);
    small.assert_idle();
    let many: Vec<_> =
        (0..20).map(|n| probe.share(&key(2, None), &[(n, Piece::Message(message("m")))])).collect();
    let mut hold = asked_by_hand(probe.hold(many).end());
    assert!(hold.pending());
    probe.sealed(&key(2, None));
    assert_eq!(hold.ready().len(), 20 - Table::SHARES, "of one span");
    let off = bench(Duration::ZERO, 1 << 20);
    assert_eq!(off.hold(vec![off.asked(&key(2, None))]).end().await.len(), 1);
    off.sealed(&key(2, None));
    assert_eq!(off.state.joins.table().recent.iter().count(), 0, "nothing is remembered");
}

#[tokio::test]
async fn a_drain_ends_every_hold() {
    let bench = bench(FOREVER, 1 << 20);
    let hold = bench.hold(vec![bench.asked(&key(2, None))]);
    let mut end = asked_by_hand(hold.end());
    assert!(end.pending());
    bench.drain.send(true).unwrap();
    assert_eq!(end.ready().len(), 1);
    assert_eq!(bench.hold(vec![bench.asked(&key(3, None))]).end().await.len(), 1, "and none begins");
    bench.assert_idle();
}

/// xorshift64*: the same choices in every run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

/// Whatever the order of requests, spans, refusals, ends of holds and senders that leave: content
/// whose request is answered is in the sealed record of its span or in one of its own, not in both.
#[tokio::test]
async fn content_is_sealed_once_in_any_order() {
    for seed in 1..300 {
        let mut choose = Choices(seed);
        let room = [300_000, 5_000][choose.below(2)];
        let bench = bench(FOREVER, room);
        let mut holds: Vec<(Vec<[u8; 16]>, ContentWait<'_>)> = Vec::new();
        let mut spans: Vec<Joined> = Vec::new();
        let (mut answered, mut alone, mut joined) = (Vec::new(), Vec::new(), Vec::new());
        let mut end = async |(ids, mut hold): (Vec<[u8; 16]>, ContentWait<'_>)| {
            hold.withdraw();
            alone.extend(hold.end().await.iter().map(|draft| *draft.id().bytes()));
            answered.extend(ids);
        };
        let mut settle = |span: Joined, sealed: bool| {
            if sealed {
                joined.extend(span.taken.iter().filter_map(Taken::id));
            }
            span.settle(sealed);
        };
        for step in 0..60 {
            let key = key(1 + choose.below(4) as u8, None);
            match choose.below(8) {
                0..=2 => {
                    let pieces = [
                        (step, Piece::Message(message(&format!("m{step}")))),
                        (step, Piece::Choice(message(&format!("c{step}")))),
                    ];
                    let share = bench.share(&key, &pieces[choose.below(2)..]);
                    let other = bench
                        .share(&self::key(5, None), &[(step, Piece::Message(message(&format!("x{step}"))))]);
                    let ids = [&share, &other].map(|share| *share.draft.id().bytes()).to_vec();
                    holds.push((ids, bench.hold(vec![share, other])));
                }
                3 => spans.push(bench.span(&key, &[], 0).1),
                4 | 5 if !spans.is_empty() => {
                    let span = spans.swap_remove(choose.below(spans.len()));
                    settle(span, choose.below(3) > 0);
                }
                // Ends only when no span has it in hand: it would wait for that.
                6 if !holds.is_empty() && spans.is_empty() => {
                    end(holds.swap_remove(choose.below(holds.len()))).await;
                }
                7 if !holds.is_empty() => drop(holds.swap_remove(choose.below(holds.len()))),
                _ => {}
            }
        }
        spans.drain(..).for_each(|span| settle(span, true));
        for hold in holds {
            end(hold).await;
        }
        bench.assert_idle();
        for id in &answered {
            let places = (alone.iter().filter(|other| *other == id).count(), joined.contains(id));
            assert!(matches!(places, (1, false) | (0, true)), "seed {seed}: {places:?}");
        }
    }
}

/// A future that is asked by hand whether it is done.
struct Asked<F>(std::pin::Pin<Box<F>>);

fn asked_by_hand<F: Future>(future: F) -> Asked<F> {
    Asked(Box::pin(future))
}

impl<F: Future> Asked<F> {
    fn poll(&mut self) -> std::task::Poll<F::Output> {
        self.0.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    fn pending(&mut self) -> bool {
        self.poll().is_pending()
    }

    fn ready(&mut self) -> F::Output {
        match self.poll() {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("not done"),
        }
    }
}
