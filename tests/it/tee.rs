//! The tee: what was sealed is passed on as it came, and a backend that is down, slow or wrong costs
//! neither records nor answers.

use crate::support::backend::{Backend, Got, Says};
use crate::support::chains::{assert_exactly, assert_verified, files, records, spans};
use crate::support::clients::{python, text_of};
use crate::support::grpc::{EXPORT, Grpc, frame};
use crate::support::halod::{Halod, halod, halod_verify};
use crate::support::http::{JSON, PROTOBUF};
use crate::support::random::Random;
use crate::support::spans::{SpanKey, attribute, key, request, request_json, span, text};
use crate::support::{root, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Stands in credentials, and must nowhere else.
const SECRET: &str = "sk-lf-hunter2-0123456789";

/// A data directory and a configuration with a tee.
struct Place {
    dir: tempfile::TempDir,
    config: String,
}

impl Place {
    /// With a tee of the OTLP doors; `more` are further keys of it.
    fn new(endpoint: &str, more: &str) -> Self {
        Self::of("otlp", endpoint, more)
    }

    fn of(receiver: &str, endpoint: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("halod.yaml");
        let text = format!(
            "storage: {{ min_free_disk_mib: 0 }}\nreceivers:\n  {receiver}:\n    tee:\n      endpoint: {endpoint}\n      \
             timeout: 1s\n{more}"
        );
        fs::write(&config, text).unwrap();
        Self { config: config.to_str().unwrap().to_owned(), dir }
    }

    fn records(&self) -> PathBuf {
        self.dir.path().join("records")
    }

    fn start(&self) -> Halod {
        Halod::start_with(&self.records(), &["--config", &self.config])
    }

    fn queue(&self) -> PathBuf {
        self.records().join(".halod/tee/otlp")
    }

    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.queue()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "tee")).collect();
        files.sort();
        files
    }
}

fn to(backend: &Backend) -> String {
    format!("http://{}/otel", backend.address)
}

/// A request with so many bytes that no compression makes fewer, and the spans in it.
fn sized(n: u64, size: usize) -> (Vec<u8>, SpanKey) {
    let mut span = span(7, n);
    let noise: String = Random::seeded(n + 1).bytes(size / 2).iter().map(|b| format!("{b:02x}")).collect();
    span.attributes.push(attribute("noise", text(&noise)));
    let key = key(&span);
    (request(Some("acme"), vec![span]), key)
}

/// Sends the `n`th request, which must be answered with success.
fn send(halod: &Halod, n: u64) -> (Vec<u8>, SpanKey) {
    let (body, key) = sized(n, 100);
    halod.export(&body);
    (body, key)
}

fn drained(halod: &Halod) {
    wait_until("the queue is empty", LONG, || halod.metric("halod_tee_queue_requests", "receiver") == 0);
}

/// Requests that wait on disk.
fn queued(halod: &Halod) -> u64 {
    halod.metric("halod_tee_queue_requests", "place=\"disk\"")
}

fn dropped(halod: &Halod, why: &str) -> u64 {
    halod.metric("halod_tee_dropped_total", &format!("reason=\"{why}\""))
}

fn retried(halod: &Halod, why: &str) -> u64 {
    halod.metric("halod_tee_retried_total", &format!("reason=\"{why}\""))
}

fn bodies(got: &[Got]) -> Vec<Vec<u8>> {
    got.iter().map(|got| got.body.clone()).collect()
}

/// What arrived is what was sent, in order; the one that was on its way at a kill may be there twice.
fn assert_arrived(backend: &Backend, sent: &[Vec<u8>]) {
    let mut arrived = bodies(&backend.taken());
    arrived.dedup();
    assert_eq!(arrived.len(), sent.len());
    assert!(arrived == sent, "in order, byte for byte");
}

/// The chains are whole and have these spans once; halod ends in good order.
fn assert_sealed(place: &Place, halod: Halod, keys: Vec<SpanKey>) {
    assert!(halod.terminate().success());
    assert_exactly(&place.records(), keys);
    assert_verified(&place.records());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A request in every way that one may come, with what the backend must get of it.
fn every_way(
    halod: &Halod,
    n: u64,
    keys: &mut Vec<SpanKey>,
) -> Vec<(&'static str, Option<&'static str>, Vec<u8>)> {
    let basic = format!("Basic {SECRET}");
    let sender = [("authorization", basic.as_str()), ("x-api-key", SECRET), ("x-tenant-id", "beside")];
    let mut expected = Vec::new();
    let ways: [(&'static str, Option<&'static str>); 4] =
        [(PROTOBUF, None), (PROTOBUF, Some("gzip")), (JSON, Some("zstd")), (JSON, None)];
    for (i, (kind, coding)) in ways.into_iter().enumerate() {
        let span = span(1, n * 8 + i as u64);
        keys.push(key(&span));
        let plain = if kind == JSON {
            request_json(Some("acme"), vec![span])
        } else {
            request(Some("acme"), vec![span])
        };
        let body = match coding {
            Some("gzip") => gzip(&plain),
            Some(_) => zstd(&plain),
            None => plain,
        };
        let mut headers = vec![("content-type", kind), ("connection", "keep-alive, x-hop"), ("x-hop", "1")];
        headers.extend(sender);
        headers.extend(coding.map(|coding| ("content-encoding", coding)));
        let answer = halod.connect().post("/v1/traces?project=a%20b", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        expected.push((kind, coding, body));
    }
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    for (i, coding) in [(4, None), (5, Some("gzip"))] {
        let span = span(1, n * 8 + i);
        keys.push(key(&span));
        let plain = request(Some("acme"), vec![span]);
        let message = if coding.is_some() { gzip(&plain) } else { plain };
        let mut metadata = sender.to_vec();
        metadata.extend([("grpc-encoding", "gzip"), ("trace-bin", "AAAA")]);
        let body = frame(u8::from(coding.is_some()), &message);
        assert_eq!(grpc.send(EXPORT, &metadata, &body).unwrap().code, 0);
        expected.push((PROTOBUF, coding, message));
    }
    expected
}

#[test]
fn what_a_backend_missed_while_it_was_down_it_gets_as_it_came() {
    let backend = Backend::start(1);
    let (address, endpoint) = (backend.address, to(&backend));
    drop(backend);
    let place = Place::new(&endpoint, "      headers: { x-project: \"p-hunter2\", x-tenant-id: \"\" }\n");
    let halod = place.start();
    let (mut keys, mut expected) = (Vec::new(), Vec::new());
    for n in 0..10 {
        expected.extend(every_way(&halod, n, &mut keys));
    }
    // All of it was answered and is sealed, and the backend is still down.
    assert_exactly(&place.records(), keys.clone());
    wait_until("an attempt", LONG, || retried(&halod, "unreachable") > 0);
    wait_until("all is queued", LONG, || queued(&halod) == expected.len() as u64);
    let held = fs::read(&place.segments()[0]).unwrap();
    assert!(String::from_utf8_lossy(&held).contains(SECRET), "the one place where it may be");

    let backend = Backend::at(address);
    drained(&halod);
    let got = backend.got();
    assert_eq!(got.len(), expected.len(), "once each");
    for (got, (kind, coding, body)) in got.iter().zip(&expected) {
        assert!(got.body == *body, "byte for byte, in order");
        assert_eq!((got.method.as_str(), got.header("content-type")), ("POST", Some(*kind)));
        assert_eq!(got.header("content-encoding"), *coding);
        assert_eq!(got.header("authorization"), Some(format!("Basic {SECRET}").as_str()));
        assert_eq!((got.header("x-api-key"), got.header("x-project")), (Some(SECRET), Some("p-hunter2")));
        assert_eq!(got.header("host"), Some(address.to_string().as_str()));
        assert_eq!(got.header("content-length"), Some(body.len().to_string().as_str()));
        for absent in ["x-tenant-id", "x-hop", "connection", "te", "grpc-encoding", "trace-bin"] {
            assert_eq!(got.header(absent), None, "{absent}");
        }
        assert!(["/otel/v1/traces?project=a%20b", "/otel/v1/traces"].contains(&got.target.as_str()));
    }
    assert_eq!(halod.metric("halod_tee_forwarded_total", "receiver=\"otlp\""), expected.len() as u64);
    assert_eq!(halod.metric("halod_tee_offered_total", ""), expected.len() as u64);
    assert_eq!(halod.metric("halod_tee_queue_bytes", ""), 0);
    assert!(place.segments().is_empty(), "removed as delivered");
    let said = [halod.log(), halod.ask("/metrics").unwrap().1, halod.ask("/status").unwrap().1].concat();
    assert!(said.contains("the tee's backend takes requests again"), "{said}");
    assert_nowhere(&place, &said);
    assert_sealed(&place, halod, keys);
}

/// No secret is in what halod says and keeps.
fn assert_nowhere(place: &Place, said: &str) {
    assert!(!said.contains("hunter2"), "{said}");
    let mut open = vec![place.records()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            let held = fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&held).contains("hunter2"), "{}", path.display());
        }
    }
}

#[test]
fn a_backend_that_never_answers_keeps_nobody_waiting() {
    let backend = Backend::start(2);
    backend.otherwise(Says::Nothing);
    let place = Place::new(&to(&backend), "      max_attempts: 1000\n");
    let halod = place.start();
    let (sent, keys): (Vec<_>, Vec<_>) = (0..100).map(|n| send(&halod, n)).unzip();
    // Every one was answered and sealed, and not one of them by the backend.
    assert_exactly(&place.records(), keys.clone());
    assert_eq!(backend.taken().len(), 0);
    wait_until("an attempt", LONG, || retried(&halod, "timeout") > 0);
    backend.otherwise(Says::Status(200));
    drained(&halod);
    assert_arrived(&backend, &sent);
    assert_sealed(&place, halod, keys);
}

#[test]
fn failures_are_tried_again_and_refusals_are_not() {
    let (backend, elsewhere) = (Backend::start(3), Backend::start(4));
    let redirect: &'static str = format!("location: http://{}/v1/traces", elsewhere.address).leak();
    backend.script(&[
        Says::Status(500),
        Says::Status(503),
        Says::With(429, "retry-after: 3"),
        Says::Reset,
        Says::Reset,
        Says::Status(200),
        Says::Status(400),
        Says::With(307, redirect),
        Says::Status(401),
        Says::With(200, "connection: close"),
    ]);
    let place = Place::new(&to(&backend), "");
    let halod = place.start();
    let (sent, keys): (Vec<_>, Vec<_>) = (0..6).map(|n| send(&halod, n)).unzip();
    drained(&halod);
    let got = backend.got();
    let statuses: Vec<u16> = got.iter().map(|got| got.status).collect();
    assert_eq!(statuses, [500, 503, 429, 200, 400, 307, 401, 200, 200]);
    let which = [0, 0, 0, 0, 1, 2, 3, 4, 5].map(|n: usize| sent[n].clone());
    assert!(bodies(&got) == which, "in order");
    assert!(got[3].at.duration_since(got[2].at) >= Duration::from_secs(3), "Retry-After is obeyed");
    assert_eq!(elsewhere.got().len(), 0, "only the configured host is ever contacted");
    assert_eq!((dropped(&halod, "refused"), halod.metric("halod_tee_forwarded_total", "")), (3, 3));
    assert_eq!((retried(&halod, "failing"), retried(&halod, "unavailable")), (1, 1));
    // Of two resets the first met an old connection: that is no failure of the backend's.
    assert_eq!((retried(&halod, "throttled"), retried(&halod, "broken")), (1, 1));
    halod.await_log("a request is not passed on");
    assert_sealed(&place, halod, keys);
}

#[test]
fn a_request_that_the_backend_fails_on_does_not_keep_the_others() {
    let backend = Backend::start(5);
    backend.script(&[Says::Status(500), Says::Status(501), Says::Status(500)]);
    let place = Place::new(&to(&backend), "      max_attempts: 3\n");
    let halod = place.start();
    let (sent, keys): (Vec<_>, Vec<_>) = (0..3).map(|n| send(&halod, n)).unzip();
    drained(&halod);
    assert_arrived(&backend, &sent[1..]);
    assert_eq!(dropped(&halod, "failed"), 1);
    assert_sealed(&place, halod, keys);
}

#[test]
fn what_waits_for_too_long_is_dropped() {
    let backend = Backend::start(6);
    backend.otherwise(Says::Status(503));
    let place = Place::new(&to(&backend), "      max_age: 1s\n");
    let halod = place.start();
    let (_, keys): (Vec<_>, Vec<_>) = (0..5).map(|n| send(&halod, n)).unzip();
    drained(&halod);
    assert_eq!(dropped(&halod, "expired"), 5);
    assert_sealed(&place, halod, keys);
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let backend = Backend::start(7);
    let (address, endpoint) = (backend.address, to(&backend));
    drop(backend);
    let place = Place::new(&endpoint, "      queue_size_mib: 1\n");
    let halod = place.start();
    let (mut sent, mut keys) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let (body, key) = sized(n, 100_000);
        halod.export(&body);
        sent.push(body);
        keys.push(key);
    }
    let (body, key) = sized(30, 2 << 20);
    halod.export(&body);
    keys.push(key);
    wait_until("it is full", LONG, || dropped(&halod, "too_large") == 1);
    let lost = dropped(&halod, "full") as usize;
    assert!((20..30).contains(&lost), "{lost}");
    assert!(halod.metric("halod_tee_queue_bytes", "") <= 1 << 20);
    halod.await_log("the tee's queue is full");
    let backend = Backend::at(address);
    drained(&halod);
    assert_arrived(&backend, &sent[lost..]);
    assert_sealed(&place, halod, keys);
}

#[test]
fn a_backlog_outlives_restarts_and_kills() {
    let backend = Backend::start(8);
    let (address, endpoint) = (backend.address, to(&backend));
    let place = Place::new(&endpoint, "      max_attempts: 1000\n");
    let (mut sent, mut keys) = (Vec::new(), Vec::new());
    // Taken, not answered, and not there: one after the other, each ended in another way.
    let mut backend = Some(backend);
    for (round, says) in
        [Says::Status(200), Says::Nothing, Says::Nothing, Says::Status(503)].iter().enumerate()
    {
        if let Some(backend) = &backend {
            backend.otherwise(*says);
        }
        let halod = place.start();
        let before = queued(&halod);
        for n in 0..20 {
            let (body, key) = send(&halod, round as u64 * 100 + n);
            sent.push(body);
            keys.push(key);
        }
        // Answered a moment before: what is promised is what has reached the queue.
        wait_until("all is queued", LONG, || {
            let forwarded = halod.metric("halod_tee_forwarded_total", "");
            queued(&halod) + forwarded == before + 20
        });
        match round % 2 {
            0 => halod.kill9(),
            _ => assert!(halod.terminate().success()),
        }
        halod_verify(&place.records());
    }
    let before = backend.take().unwrap();
    let first = before.taken();
    drop(before);
    let halod = place.start();
    wait_until("an attempt", LONG, || retried(&halod, "unreachable") > 0);
    let backend = Backend::at(address);
    drained(&halod);
    let mut arrived = bodies(&first);
    arrived.extend(bodies(&backend.taken()));
    arrived.dedup();
    assert!(arrived == sent, "{} of {}, in order", arrived.len(), sent.len());
    assert_eq!(halod.metric("halod_tee_dropped_total", "receiver=\"otlp\""), 0);
    assert_sealed(&place, halod, keys);
}

#[test]
fn a_damaged_queue_costs_what_is_damaged() {
    let backend = Backend::start(9);
    let (address, endpoint) = (backend.address, to(&backend));
    drop(backend);
    let place = Place::new(&endpoint, "");
    let halod = place.start();
    let (sent, mut keys): (Vec<_>, Vec<_>) = (0..10).map(|n| send(&halod, n)).unzip();
    wait_until("all is queued", LONG, || queued(&halod) == 10);
    halod.kill9();
    let [segment] = &place.segments()[..] else { panic!("{:?}", place.segments()) };
    let mut bytes = fs::read(segment).unwrap();
    let at = bytes.windows(sent[4].len()).position(|window| window == sent[4]).unwrap();
    bytes[at + 3] ^= 1;
    // And cut off in the last one, as by a crash.
    bytes.truncate(bytes.len() - 5);
    fs::write(segment, bytes).unwrap();
    let halod = place.start();
    let (last, key) = send(&halod, 10);
    keys.push(key);
    let backend = Backend::at(address);
    drained(&halod);
    let mut expected = sent[..9].to_vec();
    expected.remove(4);
    expected.push(last);
    assert_arrived(&backend, &expected);
    assert_eq!(dropped(&halod, "damaged"), 2);
    halod.await_log("the tee's queue is damaged");
    assert_sealed(&place, halod, keys);
}

#[test]
fn a_certificate_must_be_one_that_is_trusted() {
    let tls = root().join("tests/it/tls");
    let backend = Backend::with_tls(&tls);
    let port = backend.address.port();
    let with = |host: &str, authority: &str| {
        let authority = tls.join(authority);
        let place = Place::new(
            &format!("https://{host}:{port}"),
            &format!("      ca_file: {}\n", authority.display()),
        );
        let halod = place.start();
        let (body, key) = send(&halod, u64::from(port));
        (place, halod, body, key)
    };
    // Signed by somebody else, or made out to somebody else: not a byte of a request is sent.
    for (host, authority) in [("localhost", "other.pem"), ("127.0.0.1", "ca.pem")] {
        let (place, halod, _, key) = with(host, authority);
        wait_until("an attempt", LONG, || retried(&halod, "unreachable") > 0);
        assert_eq!(backend.got().len(), 0);
        assert_sealed(&place, halod, vec![key]);
    }
    let (place, halod, body, key) = with("localhost", "ca.pem");
    drained(&halod);
    assert_arrived(&backend, &[body]);
    assert_eq!(backend.got()[0].header("host"), Some(format!("localhost:{port}").as_str()));
    assert_sealed(&place, halod, vec![key]);
}

#[test]
fn a_tee_that_cannot_work_keeps_halod_from_starting() {
    let place = Place::new("https://localhost", "      ca_file: missing.pem\n");
    let said = halod(&["validate", "--config", &place.config], &[]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("receivers.otlp.tee.ca_file: missing.pem can't be read as PEM"), "{said}");
    let out = halod(&["run", "--config", &place.config, "--dir"], &[place.records()]);
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
}

/// A door beside OTLP passes on at its own paths, to its own backend; what it is only asked, and what it
/// refuses, it does not pass on.
#[test]
fn langfuse_gets_what_langfuses_sdks_send() {
    let backend = Backend::start(11);
    let place = Place::of("langfuse", &format!("http://{}", backend.address), "");
    let halod = place.start();
    let basic = format!("Basic {SECRET}");
    let headers = |kind: &'static str| [("content-type", kind), ("authorization", basic.as_str())];
    let post = |path: &str, kind: &'static str, body: &[u8]| {
        halod.connect().post(path, &headers(kind), body).unwrap().status
    };
    let event = |kind: &str, body: Value| {
        let at = "2026-11-25T10:00:00.000Z";
        serde_json::json!({ "id": format!("e-{kind}"), "timestamp": at, "type": kind, "body": body })
    };
    let whole = serde_json::json!({
        "id": "o1", "traceId": "t1", "name": "answer", "model": "gpt-4o-mini", "output": "yes",
        "startTime": "2026-11-25T10:00:00.000Z", "endTime": "2026-11-25T10:00:01.000Z",
    });
    let batch = serde_json::json!({ "batch": [
        event("trace-create", serde_json::json!({ "id": "t1", "name": "support" })),
        event("generation-create", whole),
    ] });
    let batch = serde_json::to_vec_pretty(&batch).unwrap();
    assert_eq!(post("/api/public/ingestion", JSON, &batch), 207);
    let (spans, _) = sized(0, 100);
    assert_eq!(post("/api/public/otel/v1/traces", PROTOBUF, &spans), 200);
    // OTLP's own paths have no tee here.
    let (plain, _) = sized(1, 100);
    assert_eq!(post("/v1/traces", PROTOBUF, &plain), 200);
    assert_eq!(post("/api/public/ingestion", JSON, b"[not"), 400);
    assert_eq!(halod.connect().get("/api/public/health").unwrap().status, 200);
    drained(&halod);
    let got: Vec<_> = backend.got().into_iter().map(|got| (got.target, got.body)).collect();
    let expected = [("/api/public/ingestion", batch), ("/api/public/otel/v1/traces", spans)];
    assert_eq!(got, expected.map(|(path, body)| (path.to_owned(), body)));
    assert!(backend.got().iter().all(|got| got.header("authorization") == Some(basic.as_str())));
    assert_eq!(halod.metric("halod_tee_forwarded_total", "receiver=\"langfuse\""), 2);
    assert_nowhere(&place, &halod.log());
    assert!(halod.terminate().success());
    assert_verified(&place.records());
}

#[test]
fn what_waits_for_a_tee_that_is_gone_is_told() {
    let backend = Backend::start(10);
    let endpoint = to(&backend);
    drop(backend);
    let place = Place::new(&endpoint, "");
    let first = place.start();
    let (_, key) = send(&first, 0);
    wait_until("it is queued", LONG, || queued(&first) == 1);
    first.await_log("what is sealed is passed on");
    assert!(first.terminate().success());
    let without = Halod::start(&place.records());
    without.await_log("a tee that is no longer configured");
    assert_sealed(&place, without, vec![key]);
}

/// What a reader finds in a chain, whichever halod sealed it.
fn told(dir: &Path) -> BTreeSet<String> {
    let told = |record: &Value| {
        let at = |path| record.pointer(path).map(Value::to_string).unwrap_or_default();
        [
            "/subject/id",
            "/record_id",
            "/data/trace_id",
            "/data/span_id",
            "/action/tool",
            "/action/input/hash",
            "/outcome",
            "/data/parent_span_id",
        ]
        .map(at)
        .join(" ")
    };
    files(dir).iter().flat_map(|file| records(file)).map(|record| told(&record)).collect()
}

#[test]
fn a_second_halod_as_backend_has_the_same_chains() {
    let behind = tempfile::tempdir().unwrap();
    let second = Halod::start(behind.path());
    let place = Place::new(&format!("http://{}", second.http), "");
    let first = place.start();
    for (protocol, door, coding) in [("grpc", first.grpc, "gzip"), ("http", first.http, "gzip")] {
        let script = root().join("tests/clients/otlp_sender.py");
        let out = python().script(&script, &[protocol, &door.to_string(), coding]).output().unwrap();
        let said = text_of(out, "otlp_sender.py");
        assert!(said.contains("\"failed\": 0"), "{said}");
    }
    drained(&first);
    assert!(spans(&place.records()).len() > 800);
    assert_eq!(spans(&place.records()), spans(behind.path()));
    assert_eq!(told(&place.records()), told(behind.path()));
    assert_eq!(first.metric("halod_tee_dropped_total", "receiver=\"otlp\""), 0);
    for halod in [first, second] {
        assert!(halod.terminate().success());
    }
    assert_verified(&place.records());
    assert_verified(behind.path());
}
