//! gRPC's own services, by grpcio's clients of them: health agrees with readiness, reflection is enough to call by.

use crate::auth::Place;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::{grpcio, text_of};
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::{BINARY, Halod, configured};
use crate::support::root;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whoever has a stream open keeps halod from ending no longer than this.
const PROMPT: Duration = Duration::from_secs(5);

const SERVICES: [&str; 7] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "halo.ingest.v1.RecordService",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "opentelemetry.proto.collector.trace.v1.TraceService",
];

fn client(to: SocketAddr, arguments: &[&str]) -> Command {
    let address = to.to_string();
    let script = root().join("tests/clients/grpc_standard.py");
    grpcio().script(&script, &[&[address.as_str()], arguments].concat())
}

/// The health of halod as a whole and of each of its services, which is the same.
fn health(to: SocketAddr) -> String {
    let names = ["", SERVICES[0], SERVICES[3], SERVICES[4], SERVICES[5], SERVICES[6]];
    let out = client(to, &[&["check"], &names[..], &["somebody.Else"]].concat()).output().unwrap();
    let told: Value = serde_json::from_str(&text_of(out, "check")).unwrap();
    assert_eq!(told["somebody.Else"], "NOT_FOUND", "{told}");
    assert!(names.iter().all(|name| told[name] == told[""]), "{told}");
    told[""].as_str().unwrap().to_owned()
}

/// What the admin port, the command and gRPC say, if they agree.
fn agreed(halod: &Halod) -> bool {
    let ready = halod.ready() == 200;
    let mut command = Command::new(BINARY);
    let command = command.args(["healthcheck", "--admin", &halod.admin.to_string()]).output().unwrap();
    assert_eq!(command.status.success(), ready, "{}", String::from_utf8_lossy(&command.stderr));
    for door in [halod.grpc, halod.http] {
        assert_eq!(health(door), if ready { "SERVING" } else { "NOT_SERVING" });
    }
    ready
}

#[test]
fn health_is_what_readiness_says() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    assert!(agreed(&halod));
    let received = halod.metric("halod_requests_received_total", "transport=\"grpc\"");
    assert_eq!(received, 0, "probes are no requests of a receiver");
    assert!(halod.terminate().success());
    let dir = tempfile::tempdir().unwrap();
    // No disk has as much left.
    let (_config, config) = configured(1 << 30, 4);
    let halod = Halod::start_unready(dir.path(), &["--config", &config]);
    wait_until("readiness falls", Duration::from_secs(20), || halod.ready() == 503);
    assert!(!agreed(&halod));
}

/// Whoever probes has no credential, and reflection tells nothing of what was sent.
#[test]
fn health_and_reflection_ask_for_no_credential() {
    let place = Place::new();
    place.token("collector", &["--tenants", "acme"]);
    let halod = place.start("");
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let body = request(None, vec![span(0x83, 1)]);
    assert_eq!(grpc.export(&body).unwrap().code, 16, "telemetry needs one");
    assert_eq!(
        grpc.send("/a.B/C", &[], &frame(0, &[])).unwrap().code,
        16,
        "who is not known is told nothing"
    );
    assert!(agreed(&halod));
    let mut reader = Open::new(halod.grpc, &["linger"]);
    assert_eq!(reader.line(), SERVICES.len().to_string());
    drop(reader);
    assert!(halod.terminate().success());
}

/// A client that runs until the server ends its stream; its lines come one by one.
struct Open {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Open {
    fn new(to: SocketAddr, arguments: &[&str]) -> Self {
        let mut child = client(to, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watcher_is_told_of_the_drain_and_does_not_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let mut watcher = Open::new(halod.grpc, &["watch"]);
    let mut stranger = Open::new(halod.http, &["watch", "somebody.Else"]);
    let mut reader = Open::new(halod.grpc, &["linger"]);
    assert_eq!(watcher.line(), "SERVING");
    assert_eq!(stranger.line(), "SERVICE_UNKNOWN");
    assert_eq!(reader.line(), SERVICES.len().to_string());
    let began = Instant::now();
    halod.signal(Signal::TERM);
    assert_eq!(watcher.line(), "NOT_SERVING");
    for open in [&mut watcher, &mut stranger, &mut reader] {
        assert_eq!(open.line(), "ended");
    }
    assert_eq!(halod.wait_within(Duration::from_secs(60)).code(), Some(0));
    assert!(began.elapsed() < PROMPT, "streams held it {:?}", began.elapsed());
}

#[test]
fn reflection_is_enough_to_call_by() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let record = json!({"key": "k", "action": {"type": "read", "category": "safety"}});
    let text = |text: &str| json!({"string_value": text});
    let span = json!({
        "trace_id": "AQEBAQEBAQEBAQEBAQEBAQ==", "span_id": "AgICAgICAgI=", "name": "execute_tool ls",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": text("execute_tool")},
            {"key": "gen_ai.tool.name", "value": text("ls")},
        ],
    });
    let spans = json!({"resource_spans": [{"scope_spans": [{"spans": [span]}]}]});
    let metric = json!({"name": "m", "sum": {"data_points": [{"as_int": 1}]}});
    let metrics = json!({"resource_metrics": [{"scope_metrics": [{"metrics": [metric]}]}]});
    let calls = [
        json!({"service": SERVICES[3], "method": "Write", "request": {"records": [record]}}),
        json!({"service": SERVICES[6], "method": "Export", "request": spans}),
        json!({"service": SERVICES[5], "method": "Export", "request": metrics}),
        json!({"service": SERVICES[4], "method": "Export", "request": {"resource_logs": []}}),
    ];
    let mut python = client(halod.grpc, &["reflect"]);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = calls.iter().map(|call| format!("{call}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let told: Value = serde_json::from_str(&text_of(child.wait_with_output().unwrap(), "reflect")).unwrap();
    assert_eq!(told["services"], json!(SERVICES));
    let answers = told["answers"].as_array().unwrap();
    assert_eq!(answers[0]["results"][0]["status"], "STATUS_SEALED", "{told}");
    assert_eq!(answers[1], json!({}), "{told}");
    assert!(answers[2]["partialSuccess"]["errorMessage"].as_str().unwrap().contains("metrics"), "{told}");
    assert_eq!(answers[3], json!({}), "{told}");
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), None).len(), 2);
    assert_verified(dir.path());
}
