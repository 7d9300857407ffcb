//! One tenant floods, and another sends a span now and then.
//!
//! Latencies are printed, never asserted. As the project's notes state them:
//! `HALOD_FLOOD=64x1000,2000x3 cargo test --release --locked --test it attacks::flood -- --nocapture`

use crate::support::chains::assert_verified;
use crate::support::halod::Halod;
use crate::support::http::{Http, PROTOBUF};
use crate::support::spans::{request, span};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many clients flood with requests of how many spans; how many requests the quiet tenant sends, how often.
struct Size {
    clients: u32,
    spans: u64,
    requests: u64,
    rounds: u32,
}

impl Size {
    fn wanted() -> Self {
        let text = std::env::var("HALOD_FLOOD").unwrap_or_else(|_| "8x100,20x1".into());
        let numbers: Vec<u64> =
            text.split([',', 'x']).map(|n| n.parse().expect("CLIENTSxSPANS,REQUESTSxROUNDS")).collect();
        let [clients, spans, requests, rounds] = numbers[..] else { panic!("four numbers: {text}") };
        Self { clients: clients as u32, spans, requests, rounds: rounds as u32 }
    }
}

/// A request of many spans of which another one is made without encoding it again.
pub struct Template {
    body: Vec<u8>,
    families: Vec<usize>,
}

impl Template {
    pub fn new(tenant: &str, spans: u64) -> Self {
        const MARK: u32 = 0xf00d_cafe;
        let body = request(Some(tenant), (0..spans).map(|n| span(MARK, n)).collect());
        let families: Vec<usize> = memchr::memmem::find_iter(&body, &MARK.to_be_bytes()).collect();
        assert_eq!(families.len() as u64, spans);
        Self { body, families }
    }

    pub fn of(&mut self, family: u32) -> &[u8] {
        for &at in &self.families {
            self.body[at..at + 4].copy_from_slice(&family.to_be_bytes());
        }
        &self.body
    }
}

/// Sends until told to stop; what is refused comes again.
fn flood(http: SocketAddr, spans: u64, next: &AtomicU32, stop: &AtomicBool, sealed: &AtomicU64) {
    let mut template = Template::new("flood", spans);
    let mut connection = Http::connect(http).expect("connect");
    while !stop.load(Relaxed) {
        let body = template.of(next.fetch_add(1, Relaxed));
        let answer = connection.post("/v1/traces", &[("content-type", PROTOBUF)], body).expect("an answer");
        match answer.status {
            200 => drop(sealed.fetch_add(spans, Relaxed)),
            503 | 429 => std::thread::sleep(Duration::from_millis(50)),
            other => panic!("{other}: {}", answer.text()),
        }
    }
}

/// How long each request of the quiet tenant took, in order of length.
fn quiet(http: SocketAddr, family: u32, requests: u64) -> Vec<Duration> {
    let mut connection = Http::connect(http).expect("connect");
    let mut took: Vec<Duration> = (0..requests)
        .map(|n| {
            let body = request(Some("quiet"), vec![span(family, n)]);
            let begun = Instant::now();
            let answer = connection.export(&body).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            begun.elapsed()
        })
        .collect();
    took.sort();
    took
}

fn show(what: &str, took: &[Duration]) -> Duration {
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    println!("{what}: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
    at(99)
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort();
    of[of.len() / 2]
}

#[test]
fn one_tenants_flood_leaves_the_other_served() {
    let Size { clients, spans, requests, rounds } = Size::wanted();
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let (next, sealed) = (AtomicU32::new(1), AtomicU64::new(0));
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let family = 0xaa00_0000 + 2 * round;
        alone.push(show("alone", &quiet(halod.http, family, requests)));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| flood(halod.http, spans, &next, &stop, &sealed));
            }
            // What waits has to gather first.
            std::thread::sleep(Duration::from_secs(1));
            let (before, begun) = (sealed.load(Relaxed), Instant::now());
            let took = quiet(halod.http, family + 1, requests);
            let rate = (sealed.load(Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
            stop.store(true, Relaxed);
            beside.push(show("beside the flood", &took));
            println!("the flood: {rate:.0} spans a second");
            let longest = *took.last().unwrap();
            assert!(longest < Duration::from_secs(5), "{longest:?}");
        });
    }
    println!("medians of p99: alone {:?}, beside the flood {:?}", median(alone), median(beside));
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}
