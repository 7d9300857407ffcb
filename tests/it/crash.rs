//! kill -9 at random moments under load.
//!
//! Senders behave as real exporters do: what was not acknowledged is sent again, now and then
//! something that was acknowledged too. At the end every span is sealed exactly once.

use crate::support::chains::{assert_exactly, assert_verified, files, spans};
use crate::support::grpc::Grpc;
use crate::support::halod::{Halod, configured, halod, halod_verify};
use crate::support::http::Http;
use crate::support::random::Random;
use crate::support::spans::{SpanKey, key, request, span};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ROUNDS: usize = 50;
const SENDERS: u32 = 8;
const TENANTS: [Option<&str>; 6] =
    [Some("acme"), Some("initech"), Some("Ünïcode"), Some("a/b"), Some("x.y"), None];

/// Batches each sender may make in a round: enough to be under load at any moment of it, few
/// enough that verifying every chain after every round stays cheap.
const BATCHES_A_ROUND: usize = 40;

/// What the senders share.
#[derive(Default)]
struct Stage {
    /// Where halod listens now: gRPC, HTTP, and which start of it this is.
    doors: Mutex<Option<(SocketAddr, SocketAddr, usize)>>,
    /// Batches that each sender may have made by now.
    allowed: AtomicUsize,
    /// No more new batches: stop when everything is acknowledged.
    closing: AtomicBool,
    acknowledged: Mutex<BTreeSet<SpanKey>>,
    refused: AtomicUsize,
}

struct Batch {
    keys: Vec<SpanKey>,
    bytes: Vec<u8>,
}

enum Connection {
    Http(Http),
    Grpc(Grpc),
}

impl Connection {
    fn open(sender: u32, grpc: SocketAddr, http: SocketAddr) -> Option<Self> {
        if sender.is_multiple_of(2) {
            Http::connect(http).ok().map(Self::Http)
        } else {
            Grpc::connect(grpc).ok().map(Self::Grpc)
        }
    }

    /// `None` when the connection broke: then nothing is known about the batch.
    fn send(&mut self, bytes: &[u8]) -> Option<bool> {
        match self {
            Self::Http(http) => {
                let answer = http.export(bytes).ok()?;
                assert!(matches!(answer.status, 200 | 503), "{}: {}", answer.status, answer.text());
                Some(answer.status == 200)
            }
            Self::Grpc(grpc) => {
                let answer = grpc.export(bytes).ok()?;
                assert!(matches!(answer.code, 0 | 14), "{}: {}", answer.code, answer.message);
                Some(answer.code == 0)
            }
        }
    }
}

/// One sender's life; returns every span it made.
fn sender(id: u32, stage: &Stage) -> Vec<SpanKey> {
    let mut random = Random::seeded(u64::from(id) + 1);
    let (mut made, mut waiting, mut done) = (Vec::new(), VecDeque::<Batch>::new(), Vec::<Batch>::new());
    let mut batches = 0;
    let mut connection: Option<(usize, Connection)> = None;
    loop {
        if stage.closing.load(Ordering::SeqCst) && waiting.is_empty() {
            return made;
        }
        let Some((grpc, http, start)) = *stage.doors.lock().unwrap() else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        if connection.as_ref().is_none_or(|(of, _)| *of != start) {
            connection = Connection::open(id, grpc, http).map(|c| (start, c));
        }
        let Some((_, open)) = &mut connection else { continue };
        if waiting.is_empty() && batches < stage.allowed.load(Ordering::SeqCst) {
            batches += 1;
            waiting.push_back(batch(id, &mut made, &mut random));
        } else if waiting.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if random.next().is_multiple_of(10) && !done.is_empty() {
            let again = random.between(0, done.len() as u64) as usize;
            waiting.push_back(done.swap_remove(again));
        }
        let Some(next) = waiting.pop_front() else { continue };
        match open.send(&next.bytes) {
            Some(true) => {
                stage.acknowledged.lock().unwrap().extend(next.keys.iter().cloned());
                done.push(next);
            }
            Some(false) => {
                stage.refused.fetch_add(1, Ordering::SeqCst);
                waiting.push_back(next);
            }
            None => {
                connection = None;
                waiting.push_back(next);
            }
        }
    }
}

fn batch(sender: u32, made: &mut Vec<SpanKey>, random: &mut Random) -> Batch {
    let tenant = TENANTS[random.between(0, TENANTS.len() as u64) as usize];
    // Mostly few spans; now and then so many that a kill may cut their write in two.
    let size = if random.next().is_multiple_of(16) { 300 } else { random.between(1, 6) };
    let first = made.len() as u64;
    let spans: Vec<_> = (first..first + size).map(|n| span(0xD0 + sender, n)).collect();
    let keys: Vec<SpanKey> = spans.iter().map(key).collect();
    made.extend(keys.iter().cloned());
    Batch { keys, bytes: request(tenant, spans) }
}

/// After a kill nothing is wrong with a chain but that its last line may be cut.
fn only_torn(dir: &Path) {
    let out = halod(&["verify"], &[dir.to_owned()]);
    let said = String::from_utf8_lossy(&out.stdout);
    for line in said.lines().filter(|line| line.contains("FAIL")) {
        let torn = "FAIL: lines that are not complete records: 1; the hash chain of the others is intact";
        assert!(line.contains(torn), "{said}");
    }
    let chains = !files(dir).is_empty();
    assert!(out.status.code().is_some_and(|code| code < 2 || !chains && code == 3), "{}: {said}", out.status);
}

/// A restart completes what the kill cut, before anyone may send: every chain verifies, and now and
/// then (it takes a while) every span that was ever acknowledged is looked up.
fn recovered(dir: &Path, stage: &Stage, round: usize) {
    if !files(dir).is_empty() {
        halod_verify(dir);
    }
    if round % 10 == 9 {
        let sealed = spans(dir);
        let acknowledged = stage.acknowledged.lock().unwrap();
        let lost: Vec<_> = acknowledged.iter().filter(|key| sealed.get(*key) != Some(&1)).take(5).collect();
        assert!(lost.is_empty(), "round {round}: acknowledged and not there once: {lost:?}");
    }
}

#[test]
fn fifty_kills_under_load_lose_nothing_and_repeat_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new("crash");
    let stage = Arc::new(Stage::default());
    let senders: Vec<JoinHandle<Vec<SpanKey>>> = (0..SENDERS)
        .map(|id| {
            let stage = Arc::clone(&stage);
            std::thread::spawn(move || sender(id, &stage))
        })
        .collect();
    let open = |halod: &Halod, round| {
        *stage.doors.lock().unwrap() = Some((halod.grpc, halod.http, round));
    };
    // Journals small enough to be emptied into the chains under load, and of changing size.
    let configs: Vec<_> = [1, 2, 64].iter().map(|mib| configured(0, *mib)).collect();
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let config = &configs[random.between(0, 3) as usize].1;
        if round % 5 == 4 {
            // Killed again while it recovers, perhaps before it listens.
            Halod::start_and_kill(
                dir.path(),
                &["--config", config],
                Duration::from_micros(random.between(0, 40_000)),
            );
        }
        let halod = Halod::start_with(dir.path(), &["--config", config]);
        recovered(dir.path(), &stage, round);
        stage.allowed.fetch_add(BATCHES_A_ROUND, Ordering::SeqCst);
        open(&halod, round);
        std::thread::sleep(Duration::from_micros(random.between(1_000, 400_000)));
        // The doors stay where they were: senders meet a dead halod, as real ones do.
        halod.kill9();
        *stage.doors.lock().unwrap() = None;
        only_torn(dir.path());
    }
    let killed = begun.elapsed();
    let halod = Halod::start(dir.path());
    stage.closing.store(true, Ordering::SeqCst);
    open(&halod, ROUNDS);
    let made: Vec<SpanKey> = senders.into_iter().flat_map(|s| s.join().unwrap()).collect();
    assert!(halod.terminate().success());
    let refused = stage.refused.load(Ordering::SeqCst);
    println!("{} spans, {refused} refusals, {ROUNDS} kills in {killed:?}", made.len());
    assert!(made.len() > ROUNDS * SENDERS as usize, "there was load");
    // Every span was acknowledged by now, so this is "acknowledged, and once" for each of them.
    assert_exactly(dir.path(), made);
    assert_verified(dir.path());
}
