//! A real OpenTelemetry Collector as a sender: refused, cut off, and left without an answer, it sends
//! again until all is taken, and what it sends twice is sealed once.

use crate::support::chains::assert_verified;
use crate::support::clients::collector;
use crate::support::halod::Halod;
use crate::support::http::{Http, PROTOBUF};
use crate::support::root;
use crate::support::wait_until;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A Collector that tails a file of events; ends when dropped.
struct Collector {
    child: Child,
    events: File,
    dir: tempfile::TempDir,
    written: u64,
}

impl Collector {
    fn start(to: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let events = File::create(&path).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new(binary())
            .arg("--config")
            .arg(root().join("tests/clients/collector.yaml"))
            .env("EVENTS", &path)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{to}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start the Collector");
        Self { child, events, dir, written: 0 }
    }

    /// Further events: model calls of a coding agent, each with its own number.
    fn write(&mut self, events: u64) {
        let lines: String = (self.written..self.written + events).map(line).collect();
        self.events.write_all(lines.as_bytes()).unwrap();
        self.written += events;
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the Collector's log:\n{}", fs::read_to_string(self.dir.path().join("log")).unwrap());
        }
    }
}

/// The program that the package carries.
fn binary() -> PathBuf {
    let lib = collector().dir().join("lib");
    let python = fs::read_dir(&lib).unwrap().next().expect("lib/python3.x").unwrap().path();
    python.join("site-packages/otel_collector/bin/otelcol-contrib_linux_amd64")
}

fn line(n: u64) -> String {
    let (minute, second, milli) = (n / 60_000 % 60, n / 1000 % 60, n % 1000);
    let event = serde_json::json!({
        "event.name": "api_request",
        "event.timestamp": format!("2026-11-22T08:{minute:02}:{second:02}.{milli:03}Z"),
        "event.sequence": n,
        "session.id": "sess-77",
        "model": "claude-opus-4-8",
        "input_tokens": 1000 + n,
        "output_tokens": 42,
        "duration_ms": 178,
    });
    format!("{event}\n")
}

/// What a [`Relay`] does with a request.
#[derive(Clone, Copy)]
enum Way {
    /// Hands it on, and the answer back.
    Open(SocketAddr),
    /// Hands it on and loses the answer.
    Deaf(SocketAddr),
    /// Hangs up.
    Shut,
}

/// An address that stays while halods come and go behind it, and that can lose answers.
struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    way: Mutex<Way>,
    /// Requests without an answer.
    unanswered: AtomicU64,
}

impl Relay {
    fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { way: Mutex::new(way), unanswered: AtomicU64::new(0) });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    if state.pass(connection).is_none() {
                        state.unanswered.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        Self { address, state }
    }

    fn turn(&self, way: Way) {
        *self.state.way.lock().unwrap() = way;
    }

    fn unanswered(&self) -> u64 {
        self.state.unanswered.load(SeqCst)
    }
}

impl State {
    /// One request and its answer; `None` when there is none.
    fn pass(&self, connection: TcpStream) -> Option<()> {
        let mut connection = BufReader::new(connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (connection.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        let mut lines = head.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
        let mut body = vec![0; header("content-length")?.parse().ok()?];
        connection.read_exact(&mut body).ok()?;
        let way = *self.way.lock().unwrap();
        let (Way::Open(to) | Way::Deaf(to)) = way else { return None };
        let kept = ["content-type", "content-encoding"].map(|name| header(name).map(|value| (name, value)));
        let kept: Vec<(&str, &str)> = kept.into_iter().flatten().collect();
        let answer = Http::connect(to).ok()?.post(&path, &kept, &body).ok()?;
        let Way::Open(_) = way else { return None };
        let mut reply = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", answer.status).into_bytes();
        reply.extend(format!("content-length: {}\r\n", answer.body.len()).bytes());
        for name in ["content-type", "retry-after"] {
            reply.extend(
                answer.header(name).into_iter().flat_map(|v| format!("{name}: {v}\r\n").into_bytes()),
            );
        }
        reply.extend(b"\r\n");
        reply.extend(answer.body);
        connection.get_mut().write_all(&reply).ok()
    }
}

/// Log records that halod took, one sent twice counted twice.
fn taken(halod: &Halod) -> u64 {
    ["accepted", "filtered"]
        .map(|outcome| halod.metric("halod_receiver_log_records_total", &format!("outcome=\"{outcome}\"")))
        .iter()
        .sum()
}

/// All its memory for requests is spoken for: a request that is half there holds it.
#[test]
fn a_refused_collector_sends_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let limits = "receivers:\n  otlp:\n    protocols:\n      http:\n        max_request_body_size: 1048576\n      \
                  grpc:\n        max_recv_msg_size_mib: 1\npipeline:\n  max_in_flight_mib: 1\n";
    fs::write(file.path(), limits).unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", file.path().to_str().unwrap()]);
    let mut collector = Collector::start(halod.http);
    collector.write(50);
    wait_until("the first events are taken", LIMIT, || taken(&halod) == 50);
    let mut hog = halod.connect();
    hog.begin("/v1/traces", &[("content-type", PROTOBUF)], 1 << 20).unwrap();
    wait_until("the request is admitted", LIMIT, || halod.metric("halod_in_flight_bytes", "") > 0);
    collector.write(50);
    let refused = || halod.metric("halod_requests_refused_total", "");
    wait_until("the Collector is refused, and again", LIMIT, || refused() >= 2);
    assert_eq!(taken(&halod), 50);
    drop(hog);
    wait_until("all events are taken", LIMIT, || taken(&halod) == 100);
    assert!(halod.terminate().success());
}

#[test]
fn what_is_sent_again_for_want_of_an_answer_is_sealed_once() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let relay = Relay::start(Way::Deaf(halod.http));
    let mut collector = Collector::start(relay.address);
    collector.write(100);
    wait_until("answers are lost", LIMIT, || relay.unanswered() >= 2);
    relay.turn(Way::Open(halod.http));
    collector.write(100);
    wait_until("all events are taken", LIMIT, || taken(&halod) >= 300);
    assert!(halod.terminate().success());
}

#[test]
fn killed_and_started_again_it_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let relay = Relay::start(Way::Open(halod.http));
    let mut collector = Collector::start(relay.address);
    for _ in 0..3 {
        collector.write(100);
        wait_until("some events are taken", LIMIT, || taken(&halod) > 0);
        collector.write(100);
        halod.kill9();
        let before = relay.unanswered();
        relay.turn(Way::Shut);
        collector.write(100);
        wait_until("the Collector finds nobody", LIMIT, || relay.unanswered() > before);
        halod = Halod::start(dir.path());
        relay.turn(Way::Open(halod.http));
    }
    wait_until("all events are taken", LIMIT, || taken(&halod) >= 100);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}
