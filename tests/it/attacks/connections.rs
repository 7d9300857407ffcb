//! Peers that connect and ask nothing, or send what nobody needs: honest senders are served beside them.

use crate::protocol::client::{H2, whole};
use crate::support::chains::of_tenant;
use crate::support::clients::{python, text_of};
use crate::support::frames::{END_HEADERS, GOAWAY, HEADERS, PING, POST, Peer, RESET, SETTINGS, frame};
use crate::support::grpc::Grpc;
use crate::support::halod::Halod;
use crate::support::http::{Http, PROTOBUF};
use crate::support::root;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// Longer than this nobody waits.
const PATIENCE: Duration = Duration::from_secs(5);

fn body(n: u64) -> Vec<u8> {
    request(Some("honest"), vec![span(0x80, n)])
}

/// A halod whose HTTP door has these settings.
fn start(dir: &Path, settings: &str) -> Halod {
    let file = dir.join("halod.yaml");
    let text = format!("receivers: {{ otlp: {{ protocols: {{ grpc: , http: {{ {settings} }} }} }} }}\n");
    std::fs::write(&file, text).unwrap();
    Halod::start_with(&dir.join("records"), &["--config", file.to_str().unwrap()])
}

fn closed(halod: &Halod, reason: &str) -> u64 {
    let labels = ["door=\"otlp/http\"", &format!("reason=\"{reason}\"")];
    halod.metric_of("halod_connections_closed_total", &labels)
}

fn in_flight(halod: &Halod) -> u64 {
    halod.metric("halod_requests_in_flight", "")
}

/// One export on a connection of its own.
fn export(halod: &Halod, n: u64) -> Duration {
    let began = Instant::now();
    halod.export(&body(n));
    began.elapsed()
}

#[test]
fn http2_without_requests_is_closed_and_with_them_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "idle_timeout: 1s");
    let mut idle = Peer::connect(halod.http).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut h2 = H2::tcp(halod.http).await.unwrap();
        for n in 0..8 {
            let post = http::Request::post("http://halod/v1/traces").header("content-type", PROTOBUF);
            let answer = h2.begin(post.body(whole(body(n))).unwrap()).await.unwrap().await.unwrap();
            assert_eq!(answer.status, 200);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    });
    idle.await_end(LIMIT);
    assert!(idle.has(GOAWAY), "it is told");
    assert_eq!(closed(&halod, "idle"), 1);
    assert_eq!(halod.metric("halod_connections_accepted_total", "door=\"otlp/http\""), 2);
    assert!(halod.terminate().success());
}

/// What a real client does whose connection is closed between two of its requests.
#[test]
fn a_real_exporter_connects_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("halod.yaml");
    let keepalive = "keepalive: { server_parameters: { max_connection_idle: 1s } }";
    let text = format!("receivers: {{ otlp: {{ protocols: {{ http: , grpc: {{ {keepalive} }} }} }} }}\n");
    std::fs::write(&file, text).unwrap();
    let records = dir.path().join("records");
    let halod = Halod::start_with(&records, &["--config", file.to_str().unwrap()]);
    let script = root().join("tests/clients/idle_sender.py");
    let client = python().script(&script, &[&halod.grpc.to_string(), "3", "2.5"]).output().unwrap();
    text_of(client, "idle_sender.py");
    assert_eq!(of_tenant(&records, Some("idle")).len(), 3);
    let idle = ["door=\"otlp/grpc\"", "reason=\"idle\""];
    assert!(halod.metric_of("halod_connections_closed_total", &idle) >= 2, "it was closed between them");
    assert!(halod.terminate().success());
}

#[test]
fn a_connection_has_an_age_and_finishes_what_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "max_connection_age: 1s, max_connection_age_grace: 20s");
    let whole = body(1);
    let (first, rest) = whole.split_at(10);
    let mut busy = halod.connect();
    busy.begin("/v1/traces", &[("content-type", PROTOBUF)], whole.len()).unwrap();
    busy.write(first).unwrap();
    let mut idle = Peer::connect(halod.http).unwrap();
    idle.await_end(LIMIT);
    assert!(idle.has(GOAWAY));
    std::thread::sleep(Duration::from_millis(500));
    busy.write(rest).unwrap();
    let answer = busy.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    wait_until("both are counted", LIMIT, || closed(&halod, "age") == 2);
    assert!(halod.terminate().success());
}

/// Lets this process open so many files.
fn allow_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|now| now < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    }
}

#[test]
fn hundreds_of_idle_connections_close_the_door_to_nobody() {
    allow_files(4096);
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let busy = body(0);
    let mut held = halod.connect();
    held.begin("/v1/traces", &[("content-type", PROTOBUF)], busy.len()).unwrap();
    held.write(&busy[..10]).unwrap();
    // They never answer, and are never closed by their own: each has said hello.
    let mut idle = Vec::new();
    for _ in 0..1100 {
        idle.push(Peer::connect(halod.http).unwrap());
        idle.push(Peer::connect(halod.grpc).unwrap());
    }
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        slowest = slowest.max(export(&halod, 2 * n + 1));
        let began = Instant::now();
        let mut grpc = Grpc::connect(halod.grpc).unwrap();
        assert_eq!(grpc.export(&body(2 * n + 2)).unwrap().code, 0);
        slowest = slowest.max(began.elapsed());
    }
    println!("the slowest of 40 new connections took {slowest:?}");
    assert!(slowest < PATIENCE, "{slowest:?}");
    held.write(&busy[10..]).unwrap();
    assert_eq!(held.answer().unwrap().status, 200, "a request that was under way is finished");
    assert!(closed(&halod, "full") >= 76, "{}", closed(&halod, "full"));
    let limit = halod.metric("halod_connections_limit", "door=\"otlp/http\"");
    assert!(halod.metric("halod_connections", "door=\"otlp/http\"") <= limit);
    let log = halod.log();
    let told = log.lines().filter(|line| line.contains("full of connections")).count();
    let full = |door: &str| halod.metric_of("halod_connections_closed_total", &[door, "reason=\"full\""]);
    println!("{} and {} were closed for others", full("otlp/http"), full("otlp/grpc"));
    assert!((2..=4).contains(&told), "a line a minute and door: {told}\n{log}");
    drop(idle);
    assert!(halod.terminate().success());
}

/// Sends `one` again and again until the connection is closed.
fn flood(peer: &mut Peer, mut one: impl FnMut(u32) -> Vec<u8>) {
    let began = Instant::now();
    for n in 0.. {
        assert!(began.elapsed() < LIMIT, "the flood goes on after {n}");
        if peer.write(&one(n)).is_err() {
            return;
        }
    }
}

#[test]
fn floods_of_frames_without_use_end_their_connection() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let floods = [
        ("pings", frame(PING, 0, 0, &[0; 8]).repeat(10)),
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(10)),
        ("frames", frame(2, 0, 1, &[0, 0, 0, 0, 9]).repeat(10)),
    ];
    for (n, (reason, frames)) in floods.into_iter().enumerate() {
        let mut peer = Peer::connect(halod.http).unwrap();
        flood(&mut peer, |_| frames.clone());
        wait_until(reason, LIMIT, || closed(&halod, reason) == 1);
        assert!(export(&halod, n as u64) < PATIENCE);
    }
    // Streams that are begun and given up: by the library's bound where they come at once, else by halod's.
    let both = |n: u32| {
        let stream = 2 * n + 1;
        (frame(HEADERS, END_HEADERS, stream, POST), frame(RESET, 0, stream, &8_u32.to_be_bytes()))
    };
    let mut peer = Peer::connect(halod.http).unwrap();
    flood(&mut peer, |n| {
        (10 * n..10 * n + 10).map(both).map(|(one, other)| [one, other].concat()).collect::<Vec<_>>().concat()
    });
    let mut peer = Peer::connect(halod.http).unwrap();
    let began = Instant::now();
    for n in 0.. {
        assert!(began.elapsed() < 3 * LIMIT, "the flood goes on after {n}");
        let (one, other) = both(n);
        let sent = peer.write(&one);
        std::thread::sleep(Duration::from_micros(500));
        if sent.and_then(|()| peer.write(&other)).is_err() {
            println!("{n} streams were reset in {:?}", began.elapsed());
            break;
        }
    }
    wait_until("resets", LIMIT, || closed(&halod, "resets") == 1);
    assert!(export(&halod, 100) < PATIENCE);
    halod.await_log("more frames without use than may be");
    assert!(halod.terminate().success());
}

/// A connection from another of this machine's addresses.
fn from(address: &str, halod: &Halod) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(halod.http).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn an_address_has_a_bound_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path(), "max_connections_per_address: 8");
    // Of those that are idle the oldest is closed.
    let mut idle: Vec<Peer> = (0..9).map(|_| Peer::over(from("127.0.0.2", &halod)).unwrap()).collect();
    idle[0].await_end(LIMIT);
    wait_until("it is counted", LIMIT, || closed(&halod, "address") == 1);
    drop(idle);
    // On each a request is under way: there is none to close.
    let mut busy: Vec<Http> = (0..8).map(|_| halod.connect()).collect();
    for connection in &mut busy {
        connection.begin("/v1/traces", &[("content-type", PROTOBUF)], 1000).unwrap();
        connection.write(b"x").unwrap();
    }
    wait_until("they are admitted", LIMIT, || in_flight(&halod) == 8);
    assert!(halod.connect().export(&body(1)).is_err(), "a ninth is closed");
    assert_eq!(closed(&halod, "address"), 2);
    let mut other = Peer::over(from("127.0.0.3", &halod)).unwrap();
    other.write(&frame(PING, 0, 0, &[7; 8])).unwrap();
    other.finish();
    other.await_end(LIMIT);
    assert!(other.has(PING), "another address is served");
    drop(busy);
    wait_until("there is room again", LIMIT, || in_flight(&halod) == 0);
    assert_eq!(halod.connect().export(&body(2)).unwrap().status, 200);
    halod.await_log("an address has as many connections as it may");
    assert!(halod.terminate().success());
}
