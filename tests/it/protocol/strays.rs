//! Requests that come where nothing is received: what their sender is told, and what the log says.

use crate::support::grpc::{Grpc, frame};
use crate::support::halod::Halod;
use crate::support::http::{Http, PROTOBUF};
use crate::support::spans::{request, span};
use std::net::SocketAddr;

fn post(to: SocketAddr, path: &str, kind: &str) -> (u16, String) {
    let body = request(None, vec![span(0x404, 1)]);
    let answer = Http::connect(to).unwrap().send("POST", path, &[("content-type", kind)], &body).unwrap();
    (answer.status, answer.text())
}

const JSON: &str = "application/json";

#[test]
fn the_answer_says_where_to_send() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    for (path, kind, said) in [
        ("/", JSON, "/v1/traces, /v1/logs and /v1/metrics"),
        ("/v1/trace", JSON, "traces go to /v1/traces"),
        ("/v1/traces/v1/traces", PROTOBUF, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("/v1/traces/v1/logs", PROTOBUF, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("//v1/traces", JSON, "single slashes"),
        ("/otlp/v1/traces", JSON, "nothing before them"),
        ("/api/public", JSON, "LANGFUSE_HOST"),
        ("/ingestion", JSON, "LANGFUSE_HOST"),
        ("/api/v2/runs", JSON, "LANGSMITH_ENDPOINT"),
        ("/litellm/spend", JSON, "to /litellm"),
        ("/v1/chat/completions", JSON, "no model calls"),
        ("/readyz", JSON, "admin port"),
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", JSON, "application/grpc"),
    ] {
        // One address for everything: both doors say the same.
        for door in [halod.http, halod.grpc] {
            let (status, text) = post(door, path, kind);
            assert_eq!(status, 404, "{path}: {text}");
            assert!(text.contains(said), "{path}: {text}");
        }
    }
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let mut call = |path: &str| grpc.send(path, &[], &frame(0, &[])).unwrap();
    for (path, said) in [
        ("/v1/traces", "application/x-protobuf"),
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Import", "Export"),
        ("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", "Export"),
        ("/halo.ingest.v1.RecordService/Read", "Write"),
        ("/", "Export"),
    ] {
        let answer = call(path);
        let message = answer.message.replace("%20", " ");
        assert!(answer.code == 12 && message.contains(said), "{path}: {} {message}", answer.code);
    }
    // Telemetry at the admin port is at the wrong one.
    let (status, text) = post(halod.admin, "/v1/traces", JSON);
    assert!(status == 404 && text.contains(&halod.http.to_string()), "{text}");
    assert_eq!(halod.requests("otlp", "answered") + halod.requests("native", "answered"), 0);
    assert!(halod.terminate().success());
}

#[test]
fn the_log_says_who_sends_where() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF";
    for path in
        ["/v1/trace?token=hush", "/v1/trace?token=other", &format!("/hook/{secret}"), "/api/public/prompts"]
    {
        assert_eq!(post(halod.http, path, JSON).0, 404, "{path}");
    }
    (0..100).for_each(|n| assert_eq!(post(halod.http, &format!("/made/up/{n}"), JSON).0, 404));
    halod.await_log("/api/public/prompts");
    halod.await_log("/made/up/3");
    let log = halod.log();
    let told: Vec<&str> =
        log.lines().filter(|line| line.contains("nothing is received at this path")).collect();
    let of_trace: Vec<_> =
        told.iter().filter(|line| line.contains("/v1/trace ") || line.contains("/v1/trace\"")).collect();
    assert_eq!(of_trace.len(), 1, "once a minute, and without what is asked: {told:#?}");
    assert!(of_trace[0].contains("WARN") && of_trace[0].contains("127.0.0.1"), "{of_trace:?}");
    assert!(of_trace[0].contains("OTLP's traces go to /v1/traces"), "{of_trace:?}");
    assert!(!log.contains("hush") && !log.contains(secret), "{told:#?}");
    assert_eq!(told.len(), 20, "whoever makes up paths fills no log");
    assert_eq!(halod.metric("halod_requests_total", "reason=\"unserved\""), 104);
    assert!(halod.terminate().success());
}
