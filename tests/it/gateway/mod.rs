//! Real gateways before a model's API, driven with calls of agents and with what else reaches a port: there
//! are as many records as the gateway itself counted requests, what the records say is what the clients saw,
//! and no key of a request is left anywhere.

mod counters;
mod proxies;
mod traffic;
mod wheels;

use crate::support::chains::{assert_verified, files};
use crate::support::clients::python;
use crate::support::halod::{Halod, halod};
use crate::support::{root, wait_until};
use counters::Counted;
use proxies::{Proxy, Upstreams, free_port};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use traffic::{Client, KEY, Sent, TRACE};

const ROUNDS: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);

/// The fake of the model's API, one that is dead and one that hangs.
struct Models {
    api: Child,
    to: Upstreams,
    _hang: TcpListener,
}

impl Models {
    fn start() -> Self {
        let mut command = python().script(&root().join("tests/clients/fake_openai.py"), &[]);
        let mut api =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(api.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        let model = url.trim().trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
        let hang = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = Upstreams { model, dead: free_port(), hang: hang.local_addr().unwrap() };
        Self { api, to, _hang: hang }
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        let _ = self.api.kill();
        let _ = self.api.wait();
    }
}

/// Drives `doors` of a proxy while halod follows its logs, and holds what halod made of them against the
/// logs, the clients and the proxy's own count, for which it is asked before it is stopped.
fn follow(proxy: Proxy, doors: &[SocketAddr], stop: Signal, count: fn(&Proxy) -> Vec<Counted>) {
    let place = tempfile::tempdir().unwrap();
    let (dir, config) = (place.path().join("records"), place.path().join("halod.yaml"));
    let include: Vec<String> = proxy.logs.iter().map(|(path, _)| path.display().to_string()).collect();
    let include = include.join(", ");
    fs::write(
        &config,
        format!(
            "receivers:\n  file_log: {{ include: [{include}], all: true, poll_interval: 100ms }}\n\
             storage: {{ min_free_disk_mib: 0, journal_size_mib: 4 }}\n"
        ),
    )
    .unwrap();
    let halod = Halod::start_with(&dir, &["--config", config.to_str().unwrap()]);
    let mut sent = Vec::new();
    for door in doors {
        let mut client = Client::new(*door, sent.len());
        for _ in 0..ROUNDS {
            client.round();
        }
        sent.extend(client.sent);
    }
    let counted = count(&proxy);
    let (logs_dir, logs) = proxy.stop(stop);
    let lines: u64 = logs.iter().map(|(path, _)| self::lines(path)).sum();
    let items = |outcome: &str| halod.items("file_log", outcome);
    let read = || ["sealed", "duplicate", "filtered", "rejected"].map(items).iter().sum::<u64>();
    wait_until("every line is read", LIMIT, || read() >= lines);
    let rejected = items("rejected");
    let others = rejected + items("filtered");
    assert!(halod.terminate().success());
    assert_verified(&dir);
    let all = of_requests(&dir);
    assert_eq!(all.len() as u64 + others, lines, "records, and lines that are none");
    for (path, format) in &logs {
        let theirs: Vec<&Value> =
            all.iter().filter(|record| record["data"]["file"] == *path.to_str().unwrap()).collect();
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        for Counted { what, requests, of } in &counted {
            let those = text.lines().filter(|line| of(line)).count() as u64;
            assert_eq!(those, *requests, "{}: lines, and requests by {what}", path.display());
        }
        let requests = text.lines().filter(|line| counted.iter().any(|counted| (counted.of)(line))).count();
        assert_eq!(theirs.len(), requests, "{}: records, and requests", path.display());
        compare(path, &theirs, &sent);
        check_agrees(path, format, theirs.len() as u64);
    }
    assert_eq!(rejected, 0, "of {lines} lines");
    assert_no_key(&dir);
    drop(logs_dir);
}

/// The records of requests, of chains that may be growing.
fn of_requests(dir: &Path) -> Vec<Value> {
    let whole = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let end = text.rfind('\n').unwrap_or(0);
        let records = text[..end].lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["source"]["adapter"] == "gateway").collect::<Vec<_>>()
    };
    files(dir).iter().flat_map(whole).collect()
}

fn lines(path: &Path) -> u64 {
    memchr::memchr_iter(b'\n', &fs::read(path).unwrap()).count() as u64
}

/// What the records of one log say, against what the clients saw.
fn compare(path: &Path, records: &[&Value], sent: &[Sent]) {
    let mut by_number: BTreeMap<usize, Vec<&Value>> = BTreeMap::new();
    for record in records {
        let said = record["data"]["path"].as_str().unwrap_or_default();
        let number =
            said.strip_prefix("/t").and_then(|rest| rest.split('/').next()).and_then(|n| n.parse().ok());
        if let Some(number) = number {
            by_number.entry(number).or_default().push(record);
        }
    }
    let none = Vec::new();
    for Sent { number, method, saw, ordinary } in sent {
        let of_it = by_number.get(number).unwrap_or(&none);
        let what = format!("{}: request {number}: {of_it:?}", path.display());
        assert!(of_it.len() <= 1 && (!ordinary || of_it.len() == 1), "{what}");
        let Some(record) = of_it.first() else { continue };
        assert_eq!(record["data"]["method"], *method, "{what}");
        let status = &record["data"]["http_status"];
        if let Some(saw) = saw {
            assert_eq!(status, saw, "{what}");
        }
        if let Some(trace) = record["data"]["trace_id"].as_str() {
            assert_eq!(trace, TRACE, "{what}");
        }
        let expected = match status.as_u64().unwrap() {
            401 | 403 | 407 => "denied",
            0 | 400.. => "error",
            _ => "ok",
        };
        assert_eq!(record["outcome"]["status"], expected, "{what}");
    }
    let ordinary = sent.iter().filter(|one| one.ordinary).count();
    assert!(by_number.len() >= ordinary, "{}", path.display());
}

/// `halod tail --check` comes to the same.
fn check_agrees(path: &Path, format: &str, records: u64) {
    let out = halod(&["tail", "--all", "--json", "--format", format, "--check"], &[path.to_owned()]);
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(told["lines"], lines(path), "{told}");
    assert_eq!(told["records"], records, "{told}");
}

/// No file below holds the key of a request.
fn assert_no_key(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_key(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(memchr::memmem::find(&bytes, KEY.as_bytes()).is_none(), "{}", path.display());
        }
    }
}

#[test]
fn nginx() {
    let models = Models::start();
    let proxy = proxies::nginx(models.to);
    let door = proxy.port;
    follow(proxy, &[door], Signal::QUIT, counters::nginx);
}

#[test]
fn apache() {
    let models = Models::start();
    let proxy = proxies::apache(models.to);
    let door = proxy.port;
    follow(proxy, &[door], Signal::TERM, counters::apache);
}

#[test]
fn caddy() {
    let models = Models::start();
    let proxy = proxies::caddy(models.to);
    let door = proxy.port;
    follow(proxy, &[door], Signal::TERM, counters::caddy);
}

/// One log with its own text and with JSON. It cuts what gets too long, in either.
#[test]
fn haproxy() {
    let models = Models::start();
    let (proxy, json) = proxies::haproxy(models.to);
    let door = proxy.port;
    follow(proxy, &[door, json], Signal::USR1, counters::haproxy);
}

/// Its own text and JSON, of the same requests.
#[test]
fn envoy() {
    let models = Models::start();
    let proxy = wheels::envoy(models.to);
    let door = proxy.port;
    follow(proxy, &[door], Signal::TERM, counters::envoy);
}

#[test]
fn traefik() {
    let models = Models::start();
    for format in ["common", "json"] {
        let proxy = wheels::traefik(models.to, format);
        let door = proxy.port;
        follow(proxy, &[door], Signal::TERM, counters::traefik);
    }
}
