#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::SocketAddr;

use serde_json::Value;

use super::*;
use crate::pipeline::intake::Intake;
use crate::pipeline::items::Divided;
use crate::receivers::stats::Counters;

struct Served {
    state: Arc<State>,
    address: SocketAddr,
    stats: Arc<Stats>,
    _runtime: tokio::runtime::Runtime,
}

fn served() -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let stats = Arc::new(Stats::default());
    let counters = Counters::default();
    let _filtered = counters.otlp.signals.traces.items.receive(Divided { filtered: 9, ..Divided::default() });
    let metrics = Metrics::new(&stats, &counters.otlp.filtered, SystemTime::now())
        .with(|registry| counters.register(registry));
    let state = Arc::new(State {
        reloads: Arc::default(),
        doors: vec![("otlp/grpc", "127.0.0.1:4317".into()), ("admin", address.to_string())],
        directory: "/var/lib/halod".into(),
        started: SystemTime::now(),
        starting: AtomicBool::new(false),
        stats: Arc::clone(&stats),
        checkpoints: Arc::default(),
        metrics,
        connections: ConnectionStats::default(),
        web: WebPolicy::default(),
        identities: None,
    });
    runtime.spawn(serve(listener.into(), None, Arc::clone(&state)));
    Served { state, address, stats, _runtime: runtime }
}

impl Served {
    /// Sends bytes as they are, returns the whole answer.
    fn raw(&self, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        self.ask_for(method, path, "*/*")
    }

    fn ask_for(&self, method: &str, path: &str, accept: &str) -> (u16, String, String) {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
        let answer = self.raw(&head);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    fn json(&self, path: &str) -> (u16, Value) {
        let (status, head, body) = self.ask("GET", path);
        assert!(head.contains("content-type: application/json"), "{head}");
        (status, serde_json::from_str(&body).unwrap())
    }
}

#[test]
fn alive_and_ready_are_different_questions() {
    let served = served();
    assert_eq!(served.json("/healthz").0, 200);
    assert_eq!(served.json("/readyz"), (200, json!({ "status": "ready" })));
    let stats = &served.stats;
    for flag in [&served.state.starting, &stats.poisoned, &stats.disk_low, &stats.stopping] {
        flag.store(true, Relaxed);
    }
    let reasons = ["starting", "poisoned", "disk_low", "draining"];
    assert_eq!(served.json("/readyz"), (503, json!({ "status": "not_ready", "reasons": reasons })));
    assert!(served.ask("GET", "/metrics").2.contains("\nhalod_ready 0\n"));
    assert_eq!(served.json("/healthz").0, 200);
}

#[test]
fn a_full_halod_says_for_how_long() {
    let served = served();
    assert!(served.ask("GET", "/metrics").2.contains("\nhalod_full_seconds 0.0\n"));
    let intake = Intake::new(std::sync::mpsc::channel().0, 100, Arc::clone(&served.stats));
    let held = intake.admit(100).unwrap();
    assert!(intake.admit(1).is_err());
    let ready = json!({ "status": "ready", "degraded": ["full"], "full_seconds": 0 });
    assert_eq!(served.json("/readyz"), (200, ready));
    assert_eq!(served.json("/status").1["full_seconds"], 0);
    drop(held);
    let metrics = served.ask("GET", "/metrics").2;
    assert!(metrics.contains("\nhalod_bodies_cut_total 0\n"), "{metrics}");
    let seconds = metrics.lines().find_map(|line| line.strip_prefix("halod_full_seconds ")).unwrap();
    assert!(seconds.parse::<f64>().unwrap() > 0.0, "{seconds}");
}

#[test]
fn status_tells_where_everything_is() {
    let served = served();
    served.stats.sealed.inc_by(3);
    let (status, body) = served.json("/status");
    assert_eq!(status, 200);
    assert_eq!(body["listening"]["otlp/grpc"], "127.0.0.1:4317");
    assert_eq!(body["listening"]["admin"], served.address.to_string());
    assert_eq!(body["directory"], "/var/lib/halod");
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(body["records"]["sealed"], 3);
    assert_eq!(served.json("/").1["ready"], true);
}

#[test]
fn metrics_are_prometheus_text() {
    let (status, head, body) = served().ask("GET", "/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let filtered = "\nhalod_items_total{receiver=\"otlp\",signal=\"traces\",outcome=\"filtered\"} 9\n";
    assert!(body.contains(filtered) && !body.contains("# EOF"), "{body}");
}

/// What Prometheus 2.42 and 3 send.
#[test]
fn who_asks_for_openmetrics_gets_it() {
    let served = served();
    for accept in [
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    ] {
        let (status, head, body) = served.ask_for("GET", "/metrics", accept);
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
        assert!(body.ends_with("\n# EOF\n"), "{body}");
        assert!(body.contains("\n# TYPE halod_items counter\n"), "{body}");
    }
    for accept in ["text/plain", "text/html, */*;q=0.1", "application/openmetrics-text;q=0, text/plain"] {
        let (_, head, _) = served.ask_for("GET", "/metrics", accept);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    }
}

#[test]
fn nothing_else_is_served() {
    let served = served();
    let (status, body) = served.json("/v1/traces");
    assert_eq!((status, &body["error"]), (404, &json!("no such path")));
    assert_eq!(served.json("/healthz/").0, 404);
    for method in ["POST", "DELETE", "OPTIONS"] {
        let (status, head, _) = served.ask(method, "/readyz");
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("allow: get, head"), "{head}");
    }
    let (status, _, body) = served.ask("HEAD", "/healthz");
    assert_eq!((status, body.as_str()), (200, ""));
}

#[test]
fn what_is_not_http_is_refused() {
    let served = served();
    assert!(served.raw("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let long = format!("GET /healthz HTTP/1.1\r\nx: {}", "y".repeat(2 * HEAD));
    assert!(served.raw(&long).starts_with("HTTP/1.1 431"));
    assert_eq!(served.json("/healthz").0, 200);
}
