//! A real OpenTelemetry Collector as a sender: refused, cut off, and left without an answer, it sends
//! again until all is taken, and what it sends twice is sealed once.

use crate::auth::Place;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::collector;
use crate::support::halod::Halod;
use crate::support::http::{Answer, Http};
use crate::support::room::fill;
use crate::support::root;
use crate::support::wait_until;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The tokens that went into the first event's call: one more for each event tells them apart.
const FIRST: u64 = 1000;

/// A Collector that tails a file of events; ends when dropped.
struct Collector {
    child: Child,
    events: File,
    dir: tempfile::TempDir,
    written: u64,
}

impl Collector {
    fn start(to: SocketAddr) -> Self {
        Self::start_with(to, "none")
    }

    fn start_with(to: SocketAddr, token: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let events = File::create(&path).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new(binary())
            .arg("--config")
            .arg(root().join("tests/clients/collector.yaml"))
            .env("EVENTS", &path)
            .env("TOKEN", token)
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
        "input_tokens": FIRST + n,
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
}

/// An address that stays while halods come and go behind it, and that can lose answers.
struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    way: Mutex<Way>,
    /// Requests that were not taken, so far as the Collector knows.
    owed: Mutex<BTreeSet<Vec<u8>>>,
}

impl Relay {
    fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { way: Mutex::new(way), owed: Mutex::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.pass(connection));
            }
        });
        Self { address, state }
    }

    fn turn(&self, way: Way) {
        *self.state.way.lock().unwrap() = way;
    }

    fn owed(&self) -> usize {
        self.state.owed.lock().unwrap().len()
    }
}

impl State {
    /// Reads one request; answers it, or hangs up.
    fn pass(&self, connection: TcpStream) -> Option<()> {
        let mut connection = BufReader::new(connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (connection.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        let headers: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
        let mut body = vec![0; header("content-length")?.parse().ok()?];
        connection.read_exact(&mut body).ok()?;
        let kept = ["content-type", "content-encoding"].map(|name| header(name).map(|value| (name, value)));
        let kept: Vec<(&str, &str)> = kept.into_iter().flatten().collect();
        let Some(answer) = self.answer(&kept, &body) else {
            self.owed.lock().unwrap().insert(body);
            return None;
        };
        let mut reply = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", answer.status).into_bytes();
        reply.extend(format!("content-length: {}\r\n\r\n", answer.body.len()).bytes());
        reply.extend(answer.body);
        connection.get_mut().write_all(&reply).ok()?;
        self.owed.lock().unwrap().remove(&body);
        Some(())
    }

    /// halod's success, unless there is none or it is to be lost.
    fn answer(&self, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let way = *self.way.lock().unwrap();
        let (Way::Open(to) | Way::Deaf(to)) = way;
        let answer = Http::connect(to).ok()?.post("/v1/logs", headers, body).ok()?;
        (matches!(way, Way::Open(_)) && answer.status == 200).then_some(answer)
    }
}

/// Events in the chain, by their numbers; what is half written is not there yet.
fn sealed(dir: &Path) -> Vec<u64> {
    let Ok(text) = fs::read_to_string(dir.join("acme-corp.jsonl")) else { return Vec::new() };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let records = whole.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter_map(|record| record["data"]["input_tokens"].as_u64()).map(|n| n - FIRST).collect()
}

/// Every event that was written is in the chain, once.
fn assert_all_once(dir: &Path, collector: &Collector) {
    let mut sealed = sealed(dir);
    sealed.sort_unstable();
    assert_eq!(sealed, (0..collector.written).collect::<Vec<u64>>());
    let records = of_tenant(dir, Some("acme-corp"));
    for record in records.iter().filter(|r| r["data"]["input_tokens"].is_u64()) {
        assert_eq!(record["action"]["tool"], "model.generate", "{record}");
        assert_eq!(record["agent"]["model"], "claude-opus-4-8", "{record}");
        assert_eq!(record["session_id"], "sess-77", "{record}");
        assert_eq!(record["data"]["output_tokens"], 42, "{record}");
    }
    assert_verified(dir);
}

/// Requests that wait for a chain hold all the memory that there is for requests.
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
    wait_until("the first events are sealed", LIMIT, || halod.sealed() == 50);
    let refused = || halod.metric("halod_requests_total", "outcome=\"refused\",reason=\"full\"");
    let filled = fill(&halod, dir.path());
    let before = refused();
    collector.write(50);
    wait_until("the Collector is refused", LIMIT, || refused() > before);
    drop(filled);
    wait_until("all events are sealed", LIMIT, || sealed(dir.path()).len() == 100);
    assert!(halod.terminate().success());
    assert_all_once(dir.path(), &collector);
}

#[test]
fn its_bearer_token_is_its_identity() {
    let place = Place::new();
    let token = place.token("collector", &["--tenants", "acme-corp", "--receivers", "otlp"]);
    let halod = place.start("");
    let mut collector = Collector::start_with(halod.http, &token);
    collector.write(50);
    wait_until("all events are sealed", LIMIT, || halod.sealed() == 50);
    assert!(halod.terminate().success());
    assert_all_once(&place.records(), &collector);
    for record in of_tenant(&place.records(), Some("acme-corp")) {
        assert_eq!(record["principal"]["service_account"], "collector", "{record}");
    }
}

#[test]
fn what_is_sent_again_for_want_of_an_answer_is_sealed_once() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let relay = Relay::start(Way::Deaf(halod.http));
    let mut collector = Collector::start(relay.address);
    collector.write(100);
    wait_until("answers are lost", LIMIT, || halod.duplicates() > 0);
    relay.turn(Way::Open(halod.http));
    collector.write(100);
    wait_until("all is answered", LIMIT, || halod.sealed() == 200 && relay.owed() == 0);
    assert!(halod.terminate().success());
    assert_all_once(dir.path(), &collector);
}

#[test]
fn killed_and_started_again_it_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let relay = Relay::start(Way::Open(halod.http));
    let mut collector = Collector::start(relay.address);
    for _ in 0..3 {
        let before = sealed(dir.path()).len();
        collector.write(200);
        wait_until("some events are sealed", LIMIT, || sealed(dir.path()).len() > before);
        collector.write(100);
        halod.kill9();
        wait_until("the Collector finds nobody", LIMIT, || relay.owed() > 0);
        halod = Halod::start(dir.path());
        relay.turn(Way::Open(halod.http));
    }
    let all = collector.written as usize;
    wait_until("all is answered", LIMIT, || sealed(dir.path()).len() >= all && relay.owed() == 0);
    assert!(halod.terminate().success());
    assert_all_once(dir.path(), &collector);
}
