//! LiteLLM at halod: the real library and the real proxy, and a LiteLLM played by hand where it is about
//! what halod does when there is no room. LiteLLM sends everything once.

use crate::clients::{assert_nowhere, told};
use crate::support::api::{Api, Counts, account, counted, tools};
use crate::support::chains::{assert_verified, files, of_tenant};
use crate::support::clients::{litellm, text_of};
use crate::support::flaky::{Fate, Flaky};
use crate::support::halod::{Halod, halod_verify};
use crate::support::http::{Http, JSON};
use crate::support::room::fill;
use crate::support::{root, wait_until};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const TENANT: &str = "acme-corp";
/// The proxy imports all it has.
const START: Duration = Duration::from_secs(300);

/// What a user sets to have LiteLLM's calls logged to halod, and what keeps its batches whole.
fn environment(door: SocketAddr) -> [(&'static str, String); 7] {
    [
        ("OPENAI_API_KEY", "sk-FAKE".into()),
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True".into()),
        ("GENERIC_LOGGER_ENDPOINT", format!("http://{door}/litellm")),
        ("GENERIC_LOGGER_HEADERS", format!("x-tenant-id={TENANT}")),
        ("DEFAULT_FLUSH_INTERVAL_SECONDS", "3600".into()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{door}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("x-tenant-id={TENANT}")),
    ]
}

/// The chain says what was asked of the models and no tool, which LiteLLM does not see, but that it asked
/// for them.
fn check(dir: &Path, did: &Counts, said: &Value) -> Vec<Value> {
    let mut records = of_tenant(dir, Some(TENANT));
    // Its OpenTelemetry callback has a second span of each call that came off.
    records.retain(|record| record["action"]["type"] != "agent_message");
    assert_eq!(&counted(&records), did, "{}", told(&records));
    assert_eq!(files(dir).len(), 1, "all of it is one tenant's");
    for secret in said["secrets"].as_array().unwrap() {
        assert_nowhere(dir, secret.as_str().unwrap());
    }
    assert!(!tools(said).is_empty());
    assert_verified(dir);
    records
}

fn library(callback: &str, fates: &[Fate]) -> (tempfile::TempDir, Vec<Value>, Value) {
    let dir = tempfile::tempdir().unwrap();
    let (halod, api) = (Halod::start(dir.path()), Api::start());
    let road = Flaky::before(halod.http, fates);
    let script = root().join("tests/clients/litellm_library.py");
    let mut command = litellm().script(&script, &[callback]);
    command
        .envs(environment(road.address))
        .env("OPENAI_BASE_URL", &api.url)
        .env("OTEL_EXPORTER", "otlp_http");
    let said = account(&text_of(command.output().expect("run python"), "litellm_library.py"));
    assert_eq!(road.left(), 0, "the client met everything on its road");
    assert!(halod.terminate().success());
    let records = check(dir.path(), &api.asked(), &said);
    (dir, records, said)
}

#[test]
fn the_library_by_its_generic_callback() {
    let (_dir, records, said) = library("generic_api", &[]);
    assert_eq!(records.len(), 5);
    for record in &records {
        assert_eq!(record["source"]["adapter"], "litellm");
        assert!(record["data"]["call_id"].is_string(), "{record}");
        assert_eq!(record["data"]["undisclosed"], Value::Null, "{record}");
        let model = record["action"]["tool"] == "model.generate";
        assert!(!model || record["session_id"] == said["session"], "{record}");
        if model && record["outcome"]["status"] == "ok" {
            assert_eq!(record["data"]["input_tokens"], 117, "{record}");
            assert_eq!(record["severity"], "CRITICAL", "a secret went in: {record}");
            assert!(record["data"]["cost"].as_str().unwrap().starts_with("0.0000"), "{record}");
        }
    }
    let failed: Vec<_> = records.iter().filter(|r| r["outcome"]["status"] == "error").collect();
    assert_eq!((failed.len(), &failed[0]["data"]["http_status"]), (1, &json!(429)));
}

#[test]
fn the_library_by_its_opentelemetry_callback() {
    let (_dir, records, _) = library("otel", &[]);
    assert!(records.iter().all(|record| record["source"]["adapter"] == "otel"));
}

/// It sends once: a batch whose answer is late or lost is sealed, once, all the same.
#[test]
fn a_late_or_lost_answer_loses_and_doubles_nothing() {
    for fate in [Fate::Slow(Duration::from_secs(3)), Fate::Lost] {
        library("generic_api", &[fate]);
    }
}

/// The proxy as a process, with its configuration; killed when dropped.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _config: tempfile::TempDir,
}

impl Proxy {
    /// It tells of its calls by `callback`.
    fn start(halod: &Halod, api: &Api, calls: u64, callback: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let config = std::fs::read_to_string(root().join("tests/clients/litellm_proxy.yaml")).unwrap();
        let config = config.replace("callbacks: [generic_api]", &format!("callbacks: [{callback}]"));
        std::fs::write(dir.path().join("config.yaml"), config).unwrap();
        let child = litellm()
            .command("litellm")
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--config"])
            .arg(dir.path().join("config.yaml"))
            .envs(environment(halod.http))
            .env("FAKE_URL", &api.url)
            .env("OTEL_EXPORTER", "otlp_http")
            // The batch is full, and sent, with the last call.
            .env("DEFAULT_BATCH_SIZE", calls.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the proxy");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut proxy = Self { child, address, _config: dir };
        wait_until("the proxy answers", START, || {
            assert!(proxy.child.try_wait().unwrap().is_none(), "the proxy ended");
            let alive = || Http::connect(proxy.address)?.get("/health/liveliness");
            alive().is_ok_and(|answer| answer.status == 200)
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an agent behind the proxy does, until `sealed` says that all of it is; one of its calls is refused by the
/// proxy itself.
fn behind_a_proxy(callback: &str, sealed: impl Fn(&Halod, &Path, usize) -> bool) -> (Vec<Value>, Value) {
    const CALLS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let (halod, api) = (Halod::start(dir.path()), Api::start());
    let proxy = Proxy::start(&halod, &api, CALLS as u64, callback);
    let mut command = litellm().script(&root().join("tests/clients/litellm_traffic.py"), &[]);
    command
        .env("OPENAI_BASE_URL", format!("http://{}/v1", proxy.address))
        .env("OPENAI_API_KEY", "sk-1234-FAKEmaster");
    let said = account(&text_of(command.output().expect("run python"), "litellm_traffic.py"));
    wait_until("every call is sealed", Duration::from_secs(60), || sealed(&halod, dir.path(), CALLS));
    drop(proxy);
    assert!(halod.terminate().success());
    let mut did = api.asked();
    *did.entry(("model.generate".into(), "error".into())).or_default() += 1;
    let records = check(dir.path(), &did, &said);
    assert_eq!(records.len(), CALLS);
    let of_user = |record: &&Value| record["principal"]["human_id"] == said["user"];
    assert!(records.iter().filter(of_user).count() >= 3, "{}", told(&records));
    (records, said)
}

#[test]
fn the_proxy() {
    let (records, _) = behind_a_proxy("generic_api", |halod, _, calls| halod.sealed() == calls as u64);
    assert!(records.iter().all(|record| record["data"]["route"].is_string()));
}

/// Each call that came off has two spans, that of the call and that of what the provider was asked.
#[test]
fn the_proxy_by_its_opentelemetry_callback() {
    let (records, said) = behind_a_proxy("otel", |_, dir, calls| {
        let records = of_tenant(dir, Some(TENANT));
        records.iter().filter(|record| record["action"]["type"] != "agent_message").count() == calls
    });
    for record in &records {
        let (data, model) = (&record["data"], record["agent"]["model"].as_str().unwrap());
        assert!(data["parent_span_id"].is_string(), "below the proxy's own request: {record}");
        if record["outcome"]["status"] == "error" {
            let (why, class) = match model {
                "no-such-model" => ("Invalid model name", "ProxyModelNotFoundError"),
                _ => ("refused as asked", "RateLimitError"),
            };
            assert!(record["outcome"]["summary"].as_str().unwrap().contains(why), "{record}");
            assert_eq!(data["error_type"], class, "{record}");
        } else if record["action"]["tool"] == "model.generate" {
            assert_eq!(model, "gpt-4o-mini", "{record}");
            assert_eq!(record["principal"]["human_id"], said["user"], "{record}");
            assert_eq!(
                (&data["input_tokens"], &data["output_tokens"]),
                (&json!(117), &json!(42)),
                "{record}"
            );
            assert_eq!(record["action"]["authorization"]["scope"], "model:openai", "{record}");
        }
    }
}

/// A payload like the real ones, of about `size` bytes.
fn payload(id: &str, size: usize) -> Value {
    json!({
        "id": id, "litellm_call_id": format!("call-{id}"), "call_type": "acompletion", "status": "success",
        "model": "openai/gpt-4o-mini", "custom_llm_provider": "openai", "trace_id": "sess-77",
        "startTime": 1795336686.549854, "endTime": 1795336691.512113, "prompt_tokens": 1,
        "messages": [{"role": "user", "content": "x".repeat(size)}], "response": {}, "metadata": {}
    })
}

fn payloads(ids: std::ops::Range<u32>, size: usize) -> Vec<u8> {
    let all: Vec<_> = ids.map(|id| payload(&id.to_string(), size)).collect();
    serde_json::to_vec(&all).unwrap()
}

/// A daemon with room for one MiB, and `receivers` in its configuration.
fn small(receivers: &str) -> (tempfile::TempDir, Halod) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("halod.yaml");
    let text = format!(
        "pipeline: {{ max_in_flight_mib: 1 }}\nreceivers:\n  {receivers}\n  otlp:\n    protocols:\n      \
         grpc: {{ endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 1 }}\n      \
         http: {{ endpoint: '127.0.0.1:0', max_request_body_size: 1048576 }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let halod = Halod::start_with(&dir.path().join("records"), &["--config", config.to_str().unwrap()]);
    (dir, halod)
}

fn post(halod: &Halod, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let answer = halod.connect().post("/litellm", headers, body).unwrap();
    let text = answer.text();
    (answer.status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}: {text}", answer.status)))
}

const FROM_ACME: [(&str, &str); 2] = [("content-type", JSON), ("x-tenant-id", TENANT)];

#[test]
fn a_batch_waits_for_room_and_nothing_is_lost() {
    let (dir, halod) = small("litellm: { wait: 5m }");
    let filled = fill(&halod, &dir.path().join("records"));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let halod = &halod;
                    move || post(halod, &FROM_ACME, &payloads(n * 10..n * 10 + 10, 10_000))
                })
            })
            .collect();
        // Whoever sends again is refused meanwhile.
        let refused =
            halod.connect().post("/v1/traces", &[("content-type", JSON)], &[b' '; 100_000]).unwrap();
        assert_eq!(refused.status, 503);
        assert!(senders.iter().all(|sender| !sender.is_finished()), "there is no room yet");
        drop(filled);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    for (status, body) in answers {
        assert_eq!((status, &body["sealed"]), (200, &json!(10)), "{body}");
    }
    assert!(halod.terminate().success());
    let records = dir.path().join("records");
    assert_eq!(of_tenant(&records, Some(TENANT)).len(), 80);
    assert_verified(&records);
}

#[test]
fn what_is_refused_becomes_one_gap_record() {
    let (dir, halod) = small("litellm: { wait: 0s }\n  gap_interval: 1h");
    let filled = fill(&halod, &dir.path().join("records"));
    let body = payloads(0..10, 10_000);
    for _ in 0..5 {
        let (status, answer) = post(&halod, &FROM_ACME, &body);
        assert_eq!((status, &answer["error"]["code"]), (503, &json!("full")));
    }
    drop(filled);
    wait_until("there is room again", Duration::from_secs(60), || {
        post(&halod, &FROM_ACME, &payloads(0..1, 10)).0 == 200
    });
    assert!(halod.terminate().success());
    let records = of_tenant(&dir.path().join("records"), Some(TENANT));
    let gaps: Vec<_> = records.iter().filter(|r| r["action"]["tool"] == "halod.gap").collect();
    assert_eq!((records.len(), gaps.len()), (2, 1));
    let data = &gaps[0]["data"];
    let requests = data["requests"].as_u64().unwrap();
    assert!(requests >= 5 && data["litellm.full"] == requests, "{data}");
    assert!(data["bytes"].as_u64().unwrap() >= 5 * body.len() as u64, "{data}");
    assert_verified(&dir.path().join("records"));
}

#[test]
fn bad_items_spoil_no_others_and_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let bad =
        format!("[{}, null, {{\"id\":\"\"}}, [1], {{\"id\": oops}}, {}]", payload("a", 10), payload("b", 10));
    let (status, answer) = post(&halod, &FROM_ACME, bad.as_bytes());
    assert_eq!((status, &answer["sealed"]), (200, &json!(2)));
    let places: Vec<_> =
        answer["rejected"].as_array().unwrap().iter().map(|r| r["item"].as_u64().unwrap()).collect();
    assert_eq!(places, [1, 2, 3, 4], "{answer}");
    let (_, again) = post(&halod, &FROM_ACME, bad.as_bytes());
    assert_eq!((&again["sealed"], &again["duplicate"]), (&json!(0), &json!(2)));
    let lines = format!("{}\n{{oops\n\n{}\n", payload("a", 10), payload("c", 10));
    let (status, answer) = post(&halod, &FROM_ACME, lines.as_bytes());
    assert_eq!((status, &answer["sealed"], &answer["rejected"][0]["item"]), (200, &json!(1), &json!(1)));
    let (status, answer) = post(&halod, &FROM_ACME, payload("d", 10).to_string().as_bytes());
    assert_eq!((status, &answer["sealed"]), (200, &json!(1)));
    assert!(halod.terminate().success());
    let records = of_tenant(dir.path(), Some(TENANT));
    let gap = records.last().unwrap();
    assert_eq!((&gap["action"]["tool"], &gap["data"]["items"]), (&json!("halod.gap"), &json!(9)));
    assert_eq!(records.len(), 5);
    assert_verified(dir.path());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn hostile_bodies_are_answered_for_good_and_harm_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let gzipped = ("content-encoding", "gzip");
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let many = format!("[{}1]", "1,".repeat(200_000));
    let bomb = gzip(&vec![b' '; 65 << 20]);
    let good = payloads(0..2, 100);
    type Headers<'a> = Vec<(&'a str, &'a str)>;
    let cases: Vec<(&str, Headers<'_>, &[u8], u16)> = vec![
        ("nothing", vec![], b"", 400),
        ("blank", vec![], b"  \n ", 400),
        ("no JSON", vec![], b"hello", 400),
        ("cut", vec![], &good[..good.len() - 10], 400),
        ("not UTF-8", vec![], b"[{\"id\":\"\xff\"}]", 400),
        ("no items of use", vec![], b"[1,null]", 400),
        ("deep", vec![], deep.as_bytes(), 400),
        ("many", vec![], many.as_bytes(), 400),
        ("bomb", vec![gzipped], &bomb, 413),
        ("not gzip", vec![gzipped], &good, 400),
        ("unknown coding", vec![("content-encoding", "br")], &good, 415),
        ("tenant too long", vec![("x-tenant-id", LONG)], &good, 400),
        ("no items", vec![], b"[]", 200),
    ];
    for (what, headers, body, expected) in cases {
        let (status, answer) = post(&halod, &headers, body);
        assert_eq!(status, expected, "{what}: {answer}");
        assert!(status == 200 || answer["error"]["message"].is_string(), "{what}: {answer}");
    }
    let mut large = halod.connect();
    large.begin("/litellm", &[], (64 << 20) + 1).unwrap();
    drop(large);
    assert_eq!(halod.connect().get("/litellm").unwrap().status, 405);
    let (status, answer) = post(&halod, &[gzipped], &gzip(&good));
    assert_eq!((status, &answer["sealed"]), (200, &json!(2)));
    assert_eq!(halod.connect().post("/litellm/", &[], &good).unwrap().status, 200);
    assert!(halod.alive() && halod.peak_memory_mib() < 384, "{} MiB", halod.peak_memory_mib());
    assert!(halod.terminate().success());
    halod_verify(dir.path());
    assert_verified(dir.path());
}

const LONG: &str = {
    const BYTES: [u8; 600] = [b'x'; 600];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

#[test]
fn what_was_answered_outlives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let body = payloads(0..50, 1000);
    assert_eq!(post(&halod, &FROM_ACME, &body).0, 200);
    halod.kill9();
    let halod = Halod::start(dir.path());
    let (_, again) = post(&halod, &FROM_ACME, &body);
    assert_eq!((&again["sealed"], &again["duplicate"]), (&json!(0), &json!(50)));
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some(TENANT)).len(), 50);
    assert_verified(dir.path());
}
