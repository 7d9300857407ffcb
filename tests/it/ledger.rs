//! The two ledgers of `/metrics`, after everything that a sender may do at every door.
//!
//! ```text
//! requests received = answered + refused + abandoned + in flight
//! items received    = sealed + duplicate + filtered + rejected + refused + abandoned + in flight
//! ```

use crate::import::fixture::{observation, said};
use crate::support::chains::assert_verified;
use crate::support::clients::promtool;
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::{BINARY, Halod};
use crate::support::http::{Http, JSON, PROTOBUF};
use crate::support::root;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const RECEIVERS: [&str; 8] =
    ["otlp", "native", "litellm", "langfuse", "langsmith", "openai_agents", "file_log", "import"];
const REQUEST_ENDS: [&str; 3] = ["answered", "refused", "abandoned"];
const ITEM_ENDS: [&str; 6] = ["sealed", "duplicate", "filtered", "rejected", "refused", "abandoned"];

/// Samples by their names and labels, from one scrape.
pub struct Scrape(Vec<(String, BTreeMap<String, String>, f64)>);

impl Scrape {
    pub fn of(halod: &Halod) -> Self {
        let (status, text) = halod.ask("/metrics").unwrap();
        assert_eq!(status, 200);
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').expect(line).split("\",").filter(|part| !part.is_empty());
            let label = |part: &str| {
                let (key, value) = part.split_once("=\"").expect(line);
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            };
            (name.to_owned(), labels.map(label).collect(), value.parse().expect(line))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).map(sample).collect())
    }

    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let fits = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(key, value)| of.get(*key).is_some_and(|own| own == value))
        };
        let ours: Vec<f64> =
            self.0.iter().filter(|(own, of, _)| own == name && fits(of)).map(|(.., value)| *value).collect();
        assert!(!ours.is_empty(), "no {name} with {labels:?}");
        ours.iter().sum::<f64>() as u64
    }

    fn items(&self, receiver: &str, outcome: &str) -> u64 {
        self.sum("halod_items_total", &[("receiver", receiver), ("outcome", outcome)])
    }

    fn requests(&self, receiver: &str, outcome: &str) -> u64 {
        self.sum("halod_requests_total", &[("receiver", receiver), ("outcome", outcome)])
    }

    /// Both equations, for each receiver and over all; and that nobody is counted in two series of a family.
    pub fn assert_balanced(&self) {
        for receiver in RECEIVERS {
            let of = [("receiver", receiver)];
            let told: BTreeMap<&str, u64> =
                ITEM_ENDS.into_iter().map(|end| (end, self.items(receiver, end))).collect();
            let open = self.sum("halod_items_in_flight", &of);
            let received = self.sum("halod_items_received_total", &of);
            assert_eq!(
                received,
                told.values().sum::<u64>() + open,
                "items of {receiver}: {told:?}, {open} open"
            );
            assert_eq!(self.sum("halod_items_total", &of), told.values().sum::<u64>(), "{receiver}");

            let told: BTreeMap<&str, u64> =
                REQUEST_ENDS.into_iter().map(|end| (end, self.requests(receiver, end))).collect();
            let open = self.sum("halod_requests_in_flight", &of);
            let received = self.sum("halod_requests_received_total", &of);
            assert_eq!(
                received,
                told.values().sum::<u64>() + open,
                "requests to {receiver}: {told:?}, {open} open"
            );
            let ended = self.sum("halod_requests_total", &of);
            assert_eq!(ended, told.values().sum::<u64>(), "{receiver}");
            assert_eq!(self.sum("halod_request_duration_seconds_count", &of), ended, "{receiver}");
        }
    }
}

/// A door over HTTP: where it is asked, and bodies of `items` items each that it takes, of which `n` makes one
/// unlike another; one with an item that is wrong beside one that is right.
struct Way {
    receiver: &'static str,
    path: &'static str,
    good: fn(u64) -> Value,
    mixed: Value,
    /// Its actions may be told in several messages: what the writer refuses stays in the hold.
    holds: bool,
}

fn ways() -> Vec<Way> {
    fn call(n: u64) -> Value {
        json!({"id": format!("call-{n}"), "call_type": "acompletion", "model": "gpt-4o", "status": "success",
            "startTime": 1_795_336_686.5, "endTime": 1_795_336_691.5})
    }
    fn agent_span(n: u64) -> Value {
        json!({"object": "trace.span", "id": format!("span_{n}"), "trace_id": "trace_1", "parent_id": null,
            "started_at": "2026-11-25T10:00:00+00:00", "ended_at": "2026-11-25T10:00:01+00:00",
            "span_data": {"type": "function", "name": "lookup", "input": "{}", "output": "1"}, "error": null})
    }
    fn run(n: u64) -> Value {
        json!({"id": format!("0af76519-16cd-43dd-8448-{n:012}"), "name": "lookup", "run_type": "tool",
            "start_time": "2026-11-25T08:00:00Z", "end_time": "2026-11-25T08:00:01Z", "inputs": {"a": 1},
            "outputs": {"b": 2}})
    }
    fn observation(n: u64) -> Value {
        json!({"id": format!("e-{n}"), "timestamp": "2026-11-25T10:00:00Z", "type": "generation-create", "body":
            {"id": format!("o{n}"), "model": "gpt-4o", "output": "yes", "startTime": "2026-11-25T10:00:00Z",
                "endTime": "2026-11-25T10:00:01Z"}})
    }
    fn record(n: u64) -> Value {
        json!({"key": format!("k-{n}"), "action": {"type": "read", "category": "safety"}})
    }
    fn spans(n: u64, id: Option<&str>) -> Value {
        let span = |id: &str, attribute: &str| {
            json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": id, "name": "chat",
                "attributes": [{"key": attribute, "value": {"stringValue": "chat"}}]})
        };
        let good = span(&format!("{:016x}", 0xb7ad_6b71_0000_0000 + n), "gen_ai.operation.name");
        let other = id.map(|id| span(id, "gen_ai.operation.name"));
        // One that tells of no action comes with each.
        let plain = span(&format!("{:016x}", 0xc7ad_6b71_0000_0000 + n), "http.request.method");
        let all: Vec<Value> = [good, plain].into_iter().chain(other).collect();
        json!({"resourceSpans": [{"scopeSpans": [{"spans": all}]}]})
    }
    vec![
        Way {
            receiver: "litellm",
            path: "/litellm",
            good: |n| json!([call(n)]),
            mixed: json!([call(900), 1]),
            holds: false,
        },
        Way {
            receiver: "openai_agents",
            path: "/v1/traces/ingest",
            good: |n| json!({"data": [agent_span(n)]}),
            mixed: json!({"data": [agent_span(900), {}, {"object": "trace.score", "id": "s"}]}),
            holds: false,
        },
        Way {
            receiver: "langsmith",
            path: "/runs/batch",
            good: |n| json!({"post": [run(n)]}),
            mixed: json!({"post": [run(900), 2]}),
            holds: true,
        },
        Way {
            receiver: "langfuse",
            path: "/api/public/ingestion",
            good: |n| json!({"batch": [observation(n)]}),
            mixed: json!({"batch": [observation(900), 1, {"type": "sdk-log", "id": "2", "body": {"log": "x"}}]}),
            holds: true,
        },
        Way {
            receiver: "native",
            path: "/v1/records",
            good: |n| json!([record(n)]),
            mixed: json!([record(900), {}]),
            holds: false,
        },
        Way {
            receiver: "otlp",
            path: "/v1/traces",
            good: |n| spans(n, None),
            mixed: spans(900, Some("0000000000000000")),
            holds: false,
        },
        // Spans that come to a path of another receiver's are that receiver's.
        Way {
            receiver: "langfuse",
            path: "/api/public/otel/v1/traces",
            good: |n| spans(50_000 + n, None),
            mixed: spans(50_900, Some("0000000000000000")),
            holds: false,
        },
    ]
}

fn post(http: std::net::SocketAddr, path: &str, tenant: &str, body: &[u8]) -> u16 {
    let headers = [("content-type", JSON), ("x-tenant-id", tenant)];
    Http::connect(http).unwrap().post(path, &headers, body).unwrap().status
}

/// Everything that is answered at once.
fn plain(halod: &Halod, way: &Way) {
    let ask = |body: &Value| post(halod.http, way.path, "acme", body.to_string().as_bytes());
    for n in 0..3 {
        assert!((200..300).contains(&ask(&(way.good)(n))), "{}", way.path);
    }
    assert!((200..300).contains(&ask(&(way.good)(1))), "{}", way.path);
    assert!((200..300).contains(&ask(&way.mixed)), "{}", way.path);
    assert_eq!(post(halod.http, way.path, "acme", b"{nonsense"), 400, "{}", way.path);
    let mut connection = halod.connect();
    let headers = [("content-type", JSON), ("x-tenant-id", "acme"), ("content-encoding", "br")];
    assert_eq!(connection.post(way.path, &headers, b"[]").unwrap().status, 415, "{}", way.path);
}

/// The chain of one tenant, held by somebody else.
fn hold_chain(dir: &Path, tenant: &str) -> File {
    let lock =
        OpenOptions::new().append(true).create(true).open(dir.join(format!("{tenant}.jsonl.lock"))).unwrap();
    lock.lock().unwrap();
    lock
}

/// A sender that leaves while the writer waits for the chain.
fn leave(halod: &Halod, way: &Way) {
    let before = halod.requests(way.receiver, "abandoned");
    let body = (way.good)(100).to_string();
    let headers = [("content-type", JSON), ("x-tenant-id", "held")];
    let mut connection = halod.connect();
    connection.begin(way.path, &headers, body.len()).unwrap();
    connection.write(body.as_bytes()).unwrap();
    let open = || halod.items(way.receiver, "in_flight") > 0 && halod.requests(way.receiver, "in_flight") > 0;
    wait_until("the writer has it", LIMIT, open);
    std::thread::sleep(Duration::from_millis(50));
    Scrape::of(halod).assert_balanced();
    drop(connection);
    wait_until("it is abandoned", LIMIT, || halod.requests(way.receiver, "abandoned") == before + 1);
    // A body that breaks off is no request of which anything is known.
    let mut connection = halod.connect();
    connection.begin(way.path, &headers, 1000).unwrap();
    connection.write(b"[").unwrap();
    wait_until("it is begun", LIMIT, || halod.requests(way.receiver, "in_flight") > 0);
    drop(connection);
    wait_until("it is abandoned too", LIMIT, || halod.requests(way.receiver, "abandoned") == before + 2);
}

fn settings(dir: &Path, log: &Path) -> String {
    let text = format!(
        "receivers:\n  hold: {{ wait: 2s }}\n  otlp: {{ join_wait: 8s }}\n  file_log:\n    include: ['{}']\n    \
         poll_interval: 50ms\n    max_log_size: 300\nstorage: {{ min_free_disk_mib: 1 }}\n",
        log.display()
    );
    let file = dir.join("halod.yaml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn import(chains: &Path, tenant: &str, file: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["import", "langfuse"]).arg(file).arg("--dir").arg(chains).args(["--tenant", tenant]);
    command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Two lines that are of agents' requests, one that is of another and one that is of none.
fn access_log(path: &Path) {
    let line = |request: &str, n: u64| {
        format!("127.0.0.1 - - [22/Nov/2026:08:29:59 +0000] \"{request} HTTP/1.1\" 200 {n} \"-\" \"x\"\n")
    };
    let asked = "POST /v1/chat/completions";
    let lines = [line(asked, 1), line("GET /v1/models", 2), line(asked, 3)];
    let text =
        [lines[0].as_bytes(), b"\xff\xfe nonsense\n", lines[1].as_bytes(), lines[2].as_bytes()].concat();
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(&text).unwrap();
}

/// gRPC: good, again, damaged, of a method that there is not; content in logs that waits for its spans, whose
/// sender leaves; data points, which come to nothing.
fn over_grpc(halod: &Halod) {
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let body = request(Some("acme"), vec![span(0xE1, 1), span(0xE1, 2)]);
    for _ in 0..2 {
        assert_eq!(grpc.export(&body).unwrap().code, 0);
    }
    assert_eq!(grpc.export(&[0xff; 9]).unwrap().code, 3);
    assert_eq!(grpc.send("/halo.ingest.v1.RecordService/Write", &[], &frame(0, &[0xff; 9])).unwrap().code, 3);
    assert_eq!(grpc.send("/nobody.serves/This", &[], &frame(0, b"")).unwrap().code, 12);
    let gauge = json!({"name": "g", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": "1"}]}});
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]});
    assert_eq!(post(halod.http, "/v1/metrics", "acme", body.to_string().as_bytes()), 200);

    let logs = fs::read(root().join("adapters/golden/otel_logs/genai-openai-eventonly.pb")).unwrap();
    let mut connection = halod.connect();
    connection.begin("/v1/logs", &[("content-type", PROTOBUF)], logs.len()).unwrap();
    connection.write(&logs).unwrap();
    wait_until("content waits", LIMIT, || halod.metric("halod_otlp_waiting_requests", "") == 1);
    Scrape::of(halod).assert_balanced();
    drop(connection);
    wait_until("it is given up", LIMIT, || halod.metric("halod_otlp_waiting_requests", "") == 0);
    assert!(halod.items_of("receiver=\"otlp\",signal=\"logs\"", "abandoned") > 0);
}

#[test]
fn both_ledgers_add_up_whatever_senders_do() {
    let place = tempfile::tempdir().unwrap();
    let (dir, log) = (place.path().join("records"), place.path().join("access.log"));
    let config = settings(place.path(), &log);
    let halod = Halod::start_with(&dir, &["--config", &config]);
    Scrape::of(&halod).assert_balanced();
    let ways = ways();
    ways.iter().for_each(|way| plain(&halod, way));
    over_grpc(&halod);
    access_log(&log);
    let good = place.path().join("good.jsonl");
    fs::write(&good, (0..3).map(|n| format!("{}\n", observation(n))).collect::<String>() + "{}\n").unwrap();
    for _ in 0..2 {
        let out = import(&dir, "acme", &good).output().unwrap();
        assert_eq!(said(&out).count("rejected"), 1, "{}", said(&out).errors);
    }
    wait_until("the log is read", LIMIT, || halod.items("file_log", "received") >= 4);
    wait_until("nothing is in flight", LIMIT, || halod.items_of("", "in_flight") == 0);
    let before = Scrape::of(&halod);
    before.assert_balanced();
    for receiver in RECEIVERS {
        assert!(before.items(receiver, "sealed") > 0, "{receiver}");
        assert!(before.items(receiver, "rejected") + before.items(receiver, "filtered") > 0, "{receiver}");
        assert_eq!(before.items(receiver, "refused"), 0, "{receiver}");
        assert!(receiver == "file_log" || before.items(receiver, "duplicate") > 0, "{receiver}");
    }
    let exactly = |scrape: &Scrape, receiver| ITEM_ENDS.map(|end| scrape.items(receiver, end));
    assert_eq!(exactly(&before, "litellm"), [4, 1, 0, 1, 0, 0]);
    assert_eq!(exactly(&before, "openai_agents"), [4, 1, 1, 1, 0, 0]);
    assert_eq!(exactly(&before, "langsmith"), [4, 1, 0, 1, 0, 0]);
    assert_eq!(exactly(&before, "native"), [4, 1, 0, 1, 0, 0]);
    // Events, and the spans that came to its path: each request of these has one that tells of no action.
    assert_eq!(exactly(&before, "langfuse"), [4 + 4, 1 + 1, 1 + 5, 1 + 1, 0, 0]);
    assert_eq!(exactly(&before, "import"), [3, 3, 0, 2, 0, 0]);
    assert_eq!(exactly(&before, "file_log"), [2, 0, 1, 1, 0, 0]);
    assert_eq!(
        before.sum("halod_items_total", &[("receiver", "langfuse"), ("signal", "traces")]),
        4 + 1 + 5 + 1
    );
    assert_eq!(before.sum("halod_items_total", &[("receiver", "otlp"), ("signal", "metrics")]), 1);
    let refused = |scrape: &Scrape, receiver: &str, reason: &str| {
        let labels = [("receiver", receiver), ("outcome", "refused"), ("reason", reason)];
        scrape.sum("halod_requests_total", &labels)
    };
    for way in &ways {
        let (undecodable, ways) = if way.receiver == "langfuse" { (2, 2) } else { (1, 1) };
        let grpc = u64::from(matches!(way.receiver, "otlp" | "native"));
        assert_eq!(refused(&before, way.receiver, "undecodable"), undecodable + grpc, "{}", way.receiver);
        assert_eq!(refused(&before, way.receiver, "coding"), ways, "{}", way.receiver);
    }
    assert_eq!(refused(&before, "otlp", "unserved"), 1);
    while_a_chain_is_held(&halod, &dir, &ways, &good);
    assert!(halod.terminate().success());
    assert_verified(&dir);
}

/// Senders that leave, and senders that are refused.
fn while_a_chain_is_held(halod: &Halod, dir: &Path, ways: &[Way], file: &Path) {
    for way in ways.iter().filter(|way| way.receiver != "langfuse") {
        let body = (way.good)(700).to_string();
        assert!((200..300).contains(&post(halod.http, way.path, "held", body.as_bytes())), "{}", way.path);
    }
    let before = Scrape::of(halod);
    before.assert_balanced();
    let lock = hold_chain(dir, "held");
    ways.iter().for_each(|way| leave(halod, way));
    let http = halod.http;
    let waiting: Vec<_> = ways
        .iter()
        .map(|way| {
            let (path, body) = (way.path, (way.good)(101).to_string());
            std::thread::spawn(move || (path, post(http, path, "held", body.as_bytes())))
        })
        .collect();
    let importing = import(dir, "held", file).spawn().unwrap();
    for waiting in waiting {
        let (path, status) = waiting.join().unwrap();
        assert_eq!(status, 503, "{path}");
    }
    wait_until("the import is refused", LIMIT, || halod.requests("import", "refused") > 0);
    let held = Scrape::of(halod);
    held.assert_balanced();
    lock.unlock().unwrap();
    assert_eq!(said(&importing.wait_with_output().unwrap()).count("sealed"), 3);
    // What the hold kept of refused requests is sealed now.
    wait_until("nothing is in flight", LIMIT, || halod.items_of("", "in_flight") == 0);
    let after = Scrape::of(halod);
    after.assert_balanced();
    for way in ways {
        let new = |end| after.items(way.receiver, end) - before.items(way.receiver, end);
        let filtered = new("filtered");
        let [left, refused] = [after.requests(way.receiver, "abandoned"), new("refused")];
        match way.receiver {
            // Both of its ways: of the events nothing is lost, of the spans the refused one is.
            "langfuse" => assert_eq!((left, refused, filtered), (4, 2, 2)),
            "otlp" => assert_eq!((left, refused, filtered), (3, 2, 2)),
            _ => assert_eq!((left, refused, filtered), (2, u64::from(!way.holds) * 2, 0), "{}", way.receiver),
        }
    }
}

/// Of a request that is refused all items are, also those that were sealed before that: when it comes again they
/// are duplicates.
#[test]
fn what_was_sealed_of_a_refused_request_is_a_duplicate_when_it_comes_again() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("records");
    let halod = Halod::start(&dir);
    halod.export(&request(Some("held"), vec![span(0xE3, 0)]));
    // Messages one after the other are one message.
    let parts = [("free", 1..4), ("held", 4..6)]
        .map(|(tenant, numbers)| request(Some(tenant), numbers.map(|n| span(0xE3, n)).collect()));
    let body = parts.concat();
    let lock = hold_chain(&dir, "held");
    assert_eq!(halod.connect().export(&body).unwrap().status, 503);
    lock.unlock().unwrap();
    let scrape = Scrape::of(&halod);
    scrape.assert_balanced();
    assert_eq!(ITEM_ENDS.map(|end| scrape.items("otlp", end)), [1, 0, 0, 0, 5, 0]);
    halod.export(&body);
    let scrape = Scrape::of(&halod);
    scrape.assert_balanced();
    assert_eq!(ITEM_ENDS.map(|end| scrape.items("otlp", end)), [3, 3, 0, 0, 5, 0]);
    assert_eq!((halod.sealed(), halod.duplicates()), (6, 3), "records");
    assert!(halod.terminate().success());
}

/// What Prometheus itself says of the text.
#[test]
fn promtool_finds_nothing_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    halod.export(&request(Some("acme"), vec![span(0xE2, 1)]));
    let text = halod.ask("/metrics").unwrap().1;
    let mut promtool = promtool()
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start promtool");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    assert!(halod.terminate().success());
}

/// The disk, the connections and the build are told.
#[test]
fn the_place_and_the_build_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = settings(dir.path(), &dir.path().join("none.log"));
    let halod = Halod::start_with(&dir.path().join("records"), &["--config", &config]);
    let first = Http::connect(halod.http).unwrap();
    let mut second = Http::connect(halod.http).unwrap();
    assert_eq!(second.get("/nothing").unwrap().status, 404);
    let open = || halod.metric("halod_connections", "door=\"otlp/http\"");
    wait_until("both are open", LIMIT, || open() == 2);
    drop((first, second));
    wait_until("both are closed", LIMIT, || open() == 0);
    let scrape = Scrape::of(&halod);
    assert_eq!(scrape.sum("halod_connections_accepted_total", &[("door", "otlp/http")]), 2);
    assert!(scrape.sum("halod_connections_limit", &[("door", "otlp/grpc")]) > 0);
    assert!(scrape.sum("halod_connections", &[("door", "admin")]) >= 1, "it is this one");
    assert_eq!(scrape.sum("halod_disk_floor_bytes", &[]), 1 << 20);
    assert!(scrape.sum("halod_disk_free_bytes", &[]) > 1 << 20);
    let build = [("version", env!("CARGO_PKG_VERSION")), ("revision", env!("HALOD_BUILD_REVISION"))];
    assert_eq!(scrape.sum("halod_build_info", &build), 1);
    assert!(scrape.sum("process_start_time_seconds", &[]) > 1_700_000_000);
    assert!(halod.terminate().success());
}
