//! What each refusal is told as, over HTTP and over gRPC, by a real halod: one table on the wire, and in the metrics.

use super::client::{H2, JSON, PROTOBUF, Post, Seen, Sending, grpc_request, http1, whole};
use super::grpc::TRACES;
use crate::support::grpc::frame;
use crate::support::halod::{Halod, configured};
use crate::support::spans::{request, span};
use crate::support::wait_until;
use http::{HeaderValue, Method, Request};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

const WRITE: &str = "/halo.ingest.v1.RecordService/Write";

/// One refusal: its name in the metrics, its HTTP status and gRPC code, whether it says when to come back.
struct Row {
    reason: &'static str,
    http: (u16, Option<Post>),
    grpc: (i32, Option<Request<Sending>>),
    again: bool,
}

fn call(path: &str, headers: &[(&'static str, String)], message: &[u8]) -> Request<Sending> {
    grpc_request(path, headers, whole(frame(u8::from(!headers.is_empty()), message)))
}

fn row(reason: &'static str, http: (u16, Option<Post>), grpc: (i32, Option<Request<Sending>>)) -> Row {
    let again = matches!(http.0, 429 | 503);
    Row { reason, http, grpc, again }
}

/// What is refused whatever halod's state is.
fn always() -> Vec<Row> {
    let good = || request(Some("acme"), vec![span(0x7e, 1)]);
    let large = vec![0; (1 << 20) + 1];
    let page = |mut call: Request<Sending>| {
        call.headers_mut().insert("origin", HeaderValue::from_static("https://evil.org"));
        call
    };
    let mut put = call(TRACES, &[], &good());
    *put.method_mut() = Method::PUT;
    let unpacked = ("grpc-encoding", "br".to_owned());
    vec![
        row("media_type", (415, Some(Post::new("text/plain", good()))), (12, None)),
        row(
            "coding",
            (415, Some(Post::new(PROTOBUF, good()).with("content-encoding", "br"))),
            (12, Some(call(TRACES, &[unpacked], &good()))),
        ),
        row("method", (405, Some(Post::new(PROTOBUF, good()).method("PUT"))), (12, Some(put))),
        row(
            "unserved",
            (404, Some(Post::new(PROTOBUF, good()).to("/v1/trace"))),
            (12, Some(call("/a.B/C", &[], b""))),
        ),
        row("needs_http2", (505, Some(Post::new("application/grpc", good()).to(TRACES))), (12, None)),
        row(
            "undecodable",
            (400, Some(Post::new(PROTOBUF, b"no protobuf"))),
            (3, Some(call(TRACES, &[], b"no protobuf"))),
        ),
        row(
            "too_large",
            (413, Some(Post::new(PROTOBUF, large.clone()))),
            (8, Some(call(TRACES, &[], &large))),
        ),
        row(
            "unauthenticated",
            (401, Some(Post::new(JSON, "{}").to("/v1/records"))),
            (16, Some(call(WRITE, &[], b""))),
        ),
        row(
            "foreign_origin",
            (403, Some(Post::new(PROTOBUF, good()).with("origin", "https://evil.org"))),
            (7, Some(page(call(TRACES, &[], &good())))),
        ),
        row("foreign_host", (403, Some(Post::new(PROTOBUF, good()).with("host", "evil.org"))), (7, None)),
    ]
}

struct Asked<'a> {
    halod: &'a Halod,
    runtime: Runtime,
    counted: BTreeMap<&'static str, u64>,
}

impl<'a> Asked<'a> {
    fn new(halod: &'a Halod) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { halod, runtime, counted: BTreeMap::new() }
    }

    fn check(&mut self, row: Row) {
        let Row { reason, http: (status, post), grpc: (code, call), again } = row;
        if let Some(post) = post {
            let seen = http1(self.halod.http, &post.bytes()).unwrap();
            assert_eq!(seen.status, status, "{reason}: {}", seen.summary());
            assert_eq!(seen.header("retry-after").is_some(), again, "{reason}: {}", seen.summary());
            let said = seen.http_status(post.form()).unwrap();
            assert_eq!((said.code, said.has("RetryInfo")), (code, again), "{reason}: {}", seen.summary());
            *self.counted.entry(reason).or_default() += 1;
        }
        if let Some(call) = call {
            let seen: Seen = self
                .runtime
                .block_on(async { H2::tcp(self.halod.grpc).await?.exchange(call).await })
                .unwrap_or_else(|why| panic!("{reason}: {why}"));
            assert_eq!((seen.status, seen.code().unwrap()), (200, code), "{reason}: {}", seen.summary());
            let said = seen.grpc_status().unwrap();
            assert_eq!((said.code, said.has("RetryInfo")), (code, again), "{reason}: {}", seen.summary());
            assert_eq!(said.has("BadRequest"), reason == "undecodable", "{reason}: {}", seen.summary());
            *self.counted.entry(reason).or_default() += 1;
        }
    }

    /// Every refusal was counted by its reason, and nothing else was.
    fn counted(&self) {
        for (reason, times) in &self.counted {
            let label = format!("reason=\"{reason}\"");
            assert_eq!(self.halod.metric("halod_requests_total", &label), *times, "{reason}");
        }
        let refused = self.halod.metric("halod_requests_total", "outcome=\"refused\"");
        assert_eq!(refused, self.counted.values().sum::<u64>());
    }
}

fn start(place: &Path) -> Halod {
    let file = place.join("halod.yaml");
    let doors = "grpc: { max_recv_msg_size_mib: 1 }, http: { max_request_body_size: 1048576 }";
    let token = "0".repeat(64);
    let text = format!(
        "receivers:\n  otlp: {{ protocols: {{ {doors} }} }}\n  native: {{ tokens: {{ '{token}': acme }} }}\n\
         limits: {{ per_tenant: {{ records_per_second: 1 }} }}\nstorage: {{ max_tenants: 1 }}\n"
    );
    std::fs::write(&file, text).unwrap();
    Halod::start_with(&place.join("records"), &["--config", file.to_str().unwrap()])
}

#[test]
fn each_refusal_has_its_code_and_is_counted_by_its_name() {
    let place = tempfile::tempdir().unwrap();
    let halod = start(place.path());
    let mut asked = Asked::new(&halod);
    always().into_iter().for_each(|row| asked.check(row));
    let flood = |family| request(Some("acme"), (0..100).map(|n| span(family, n)).collect());
    asked.check(row(
        "tenant_rate",
        (429, Some(Post::new(PROTOBUF, flood(0x7f)))),
        (8, Some(call(TRACES, &[], &flood(0x80)))),
    ));
    let other = request(Some("other"), vec![span(0x81, 1)]);
    asked.check(row(
        "too_many_tenants",
        (503, Some(Post::new(PROTOBUF, other.clone()))),
        (14, Some(call(TRACES, &[], &other))),
    ));
    asked.counted();
    assert!(halod.terminate().success());
}

#[test]
fn a_full_disk_asks_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (_config, config) = configured(1 << 30, 4);
    let halod = Halod::start_unready(dir.path(), &["--config", &config]);
    wait_until("readiness falls", Duration::from_secs(20), || halod.ready() == 503);
    let mut asked = Asked::new(&halod);
    let good = request(Some("acme"), vec![span(0x82, 1)]);
    asked.check(row(
        "disk_low",
        (503, Some(Post::new(PROTOBUF, good.clone()))),
        (14, Some(call(TRACES, &[], &good))),
    ));
    asked.counted();
}
