//! Senders that announce much and send little, or slowly: the room belongs to those who send.

use crate::protocol::client::{Fed, Feeder, H2, fed, grpc_request};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::grpc::{EXPORT, Grpc};
use crate::support::halod::Halod;
use crate::support::http::{Http, JSON, PROTOBUF};
use crate::support::spans::{request, span};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Longer than this nobody waits.
const PATIENCE: Duration = Duration::from_secs(5);

const DOORS: [&str; 5] = ["/v1/traces", "/litellm", "/runs/batch", "/api/public/ingestion", "/v1/records"];

/// What an honest sender had acknowledged, and how long it waited for it at most.
#[derive(Default)]
struct Honest {
    spans: u64,
    calls: u64,
    slowest: Duration,
    refused: u64,
}

impl Honest {
    /// Sends over HTTP, over gRPC, and as LiteLLM does: once. Whoever may send again does, for as long as nobody
    /// should wait longer.
    fn send(&mut self, halod: &Halod) {
        let began = Instant::now();
        let mut retry = |mut attempt: Box<dyn FnMut() -> bool + '_>| {
            while !attempt() {
                assert!(began.elapsed() < PATIENCE, "an honest sender is refused for {:?}", began.elapsed());
                self.refused += 1;
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        let mut next = || {
            self.spans += 1;
            request(Some("honest"), vec![span(0x51, self.spans)])
        };
        let body = next();
        retry(Box::new(|| {
            let answer = halod.connect().export(&body).unwrap();
            assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
            answer.status == 200
        }));
        self.slowest = self.slowest.max(began.elapsed());
        let began = Instant::now();
        let body = next();
        let mut grpc = Grpc::connect(halod.grpc).unwrap();
        retry(Box::new(|| {
            let answer = grpc.export(&body).unwrap();
            assert!(matches!(answer.code, 0 | 14), "{answer:?}");
            answer.code == 0
        }));
        self.slowest = self.slowest.max(began.elapsed());
        let began = Instant::now();
        let call = |n| json!({"id": format!("call-{n}"), "call_type": "completion", "model": "gpt-4o", "messages": "x".repeat(10_000)});
        let calls: Vec<_> = (self.calls..self.calls + 5).map(call).collect();
        let headers = [("content-type", JSON), ("x-tenant-id", "honest")];
        let answer = halod.connect().post("/litellm", &headers, json!(calls).to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "LiteLLM's batch is lost: {}", answer.text());
        self.calls += 5;
        self.slowest = self.slowest.max(began.elapsed());
    }

    fn assert_kept(&self, halod: Halod, dir: &tempfile::TempDir) {
        println!(
            "{} spans, {} calls; the slowest answer after {:?}; refused and sent again {} times; {} bodies cut; {} MiB",
            self.spans,
            self.calls,
            self.slowest,
            self.refused,
            halod.metric("halod_bodies_cut_total", ""),
            halod.peak_memory_mib(),
        );
        assert!(self.slowest < PATIENCE, "{:?}", self.slowest);
        assert!(halod.terminate().success());
        let records = of_tenant(dir.path(), Some("honest"));
        assert_eq!(records.len() as u64, self.spans + self.calls);
        assert_verified(dir.path());
    }
}

/// Streams of which only the five bytes before the message come.
struct Prefixes {
    runtime: tokio::runtime::Runtime,
    open: Vec<(H2, Vec<Feeder>)>,
}

impl Prefixes {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, open: Vec::new() }
    }

    fn open(&mut self, to: SocketAddr, streams: usize, length: u32) {
        let mut h2 = self.runtime.block_on(H2::tcp(to)).unwrap();
        let feeders = (0..streams).map(|_| {
            let (feeder, body): (Feeder, Fed) = fed();
            let prefix = [&[0], length.to_be_bytes().as_slice()].concat();
            feeder.send(Bytes::from(prefix)).unwrap();
            let answer = self.runtime.block_on(h2.begin(grpc_request(EXPORT, &[], body.boxed()))).unwrap();
            self.runtime.spawn(answer);
            feeder
        });
        let feeders = feeders.collect();
        self.open.push((h2, feeders));
    }
}

#[test]
fn heads_and_prefixes_alone_take_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let length = 64 << 20;
    let mut heads = Vec::new();
    for door in DOORS {
        for _ in 0..20 {
            let mut head = halod.connect();
            let kind = if door == "/v1/traces" { PROTOBUF } else { JSON };
            head.begin(door, &[("content-type", kind)], length).unwrap();
            heads.push(head);
        }
    }
    let mut prefixes = Prefixes::new();
    for _ in 0..8 {
        prefixes.open(halod.grpc, 32, u32::try_from(length).unwrap());
    }
    let mut honest = Honest::default();
    for _ in 0..20 {
        honest.send(&halod);
    }
    assert_eq!(honest.refused, 0, "there is room");
    assert!(halod.metric("halod_in_flight_bytes", "") < 8 << 20);
    drop((heads, prefixes));
    honest.assert_kept(halod, &dir);
}

/// A halod with 16 MiB of room for bodies of 8 MiB.
fn small() -> (tempfile::TempDir, tempfile::TempDir, Halod) {
    let (dir, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = config.path().join("halod.yaml");
    let doors = "grpc: { max_recv_msg_size_mib: 8 }, http: { max_request_body_size: 8388608 }";
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ {doors} }} }} }}\npipeline: {{ max_in_flight_mib: 16 }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    (dir, config, halod)
}

/// Sends nearly all of a body at once and the rest at 17 kB/s, again and again.
fn drip(to: SocketAddr, door: &str, stop: &AtomicBool, bodies: &AtomicU64) {
    const LENGTH: usize = 8 << 20;
    let most = vec![b' '; LENGTH - (1 << 20)];
    while !stop.load(Relaxed) {
        bodies.fetch_add(1, Relaxed);
        let Ok(mut slow) = Http::connect(to) else { continue };
        let kind = if door == "/v1/traces" { PROTOBUF } else { JSON };
        if slow.begin(door, &[("content-type", kind)], LENGTH).is_err() || slow.write(&most).is_err() {
            continue;
        }
        // It goes on when its room is taken: the connection stays, and so does the answer, until all has come.
        for _ in 0..20 {
            if stop.load(Relaxed) || slow.write(&[b' '; 1700]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn slow_bodies_lose_their_room_to_those_who_send() {
    let (dir, _config, halod) = small();
    let (stop, bodies) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut honest = Honest::default();
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        for door in DOORS {
            let (stop, bodies, to) = (&stop, &bodies, halod.http);
            scope.spawn(move || drip(to, door, stop, bodies));
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(15) {
            honest.send(&halod);
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready = halod.ask("/readyz").unwrap();
        assert_eq!(ready.0, 200, "{}", ready.1);
        drop(stopping);
    });
    println!("{} slow bodies", bodies.load(Relaxed));
    assert!(halod.metric("halod_bodies_cut_total", "") > 0);
    let said = halod.log().lines().filter(|line| line.contains("there is no room for more requests")).count();
    assert_eq!(said, 1, "at most once a minute:\n{}", halod.log());
    honest.assert_kept(halod, &dir);
}

/// Stops the others even when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
