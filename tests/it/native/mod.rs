//! The native door: records that applications state themselves, from every language that is promised.

mod grpc;
mod hostile;
mod tokens;

use crate::support::chains::{assert_verified, files, of_tenant, records};
use crate::support::clients::{python, text_of};
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::{Halod, halod_verify};
use crate::support::http::{Answer, Http};
use crate::support::room::fill;
use crate::support::{root, wait_until};
use flate2::Compression;
use flate2::write::GzEncoder;
use halod_client::{Client, ClientError, Fate};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const JSON: &str = "application/json";

/// A record with every section.
fn record(key: &str, subject: &str) -> Value {
    json!({
        "key": key, "subject": subject, "session_id": "s-1",
        "agent": {"id": "support", "name": "Support", "version": "1.4.2", "model": "gpt-4o"},
        "action": {"type": "tool_call", "category": "security", "tool": "lookup", "input": {"order": 77},
            "authorization": {"decision": "allowed", "scope": "orders"}},
        "outcome": {"value": {"shipped": true}},
        "principal": {"human_id": "zoe@example.com"},
        "authority": {"snapshot_id": "snap-1", "refs": [{"kind": "policy", "id": "p-1"}]},
        "verification": {"status": "allowed", "verifier": "gate"},
        "threats": [{"type": "prompt_injection", "ref": "t-1"}],
        "data": {"region": "eu", "cross_region": false, "purpose": "support", "attempt": 1},
        "started_at": "2026-11-25T08:00:00Z", "ended_at": "2026-11-25T08:00:01Z",
    })
}

fn post(halod: &Halod, content_type: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = [&[("content-type", content_type)], headers].concat();
    halod.connect().post("/v1/records", &headers, body).expect("an answer")
}

/// Posts JSON and demands the status.
fn write(halod: &Halod, body: &Value, status: u16) -> Value {
    let answer = post(halod, JSON, &[], body.to_string().as_bytes());
    assert_eq!(answer.status, status, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn fates(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect()
}

/// The heads that an answer tells are the ends of the chain files.
fn assert_heads(dir: &Path, answer: &Value) {
    let heads = answer["heads"].as_array().unwrap();
    assert!(!heads.is_empty());
    for head in heads {
        let chain = of_tenant(dir, head["subject"].as_str());
        let last = chain.last().unwrap();
        assert_eq!(last["integrity"]["hash"], head["hash"]);
        assert_eq!(head["records"], chain.len());
    }
}

#[test]
fn both_examples_seal_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let endpoint = format!("http://{}", halod.http);
    let example = |name: &str| root().join("examples").join(name);
    let by_python = python().script(&example("record.py"), &[&endpoint]).output().expect("run python");
    let by_node = Command::new("node").arg(example("record.mjs")).arg(&endpoint).output().expect("run node");
    let said = [text_of(by_python, "record.py"), text_of(by_node, "record.mjs")];
    assert!(halod.terminate().success());
    let chain = of_tenant(dir.path(), Some("acme-corp"));
    assert_eq!(chain.len(), 2);
    for (n, (said, record)) in said.iter().zip(&chain).enumerate() {
        let id = record["record_id"].as_str().unwrap();
        let hash = record["integrity"]["hash"].as_str().unwrap();
        assert_eq!(*said, format!("sealed: {id}\nhead: acme-corp {} {hash}\n", n + 1));
        assert_eq!(record["source"]["capture"], "ingested");
    }
    for example in ["record.py", "record.mjs"] {
        let lines = std::fs::read_to_string(root().join("examples").join(example)).unwrap().lines().count();
        assert!(lines < 40, "{example}: {lines} lines");
    }
    assert_verified(dir.path());
}

/// Both examples wait for a halod that is away.
#[test]
fn the_examples_try_again() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let endpoint = format!("http://{port}");
    let start = |mut command: Command| {
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("run it")
    };
    let script = python().script(&root().join("examples/record.py"), &[&endpoint]);
    let mut node = Command::new("node");
    node.arg(root().join("examples/record.mjs")).arg(&endpoint);
    let running = [start(script), start(node)];
    std::thread::sleep(Duration::from_millis(500));
    let halod = Halod::start_with(dir.path(), &["--http", &port]);
    for child in running {
        let said = text_of(child.wait_with_output().unwrap(), "an example");
        assert!(said.starts_with("sealed: "), "{said}");
    }
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some("acme-corp")).len(), 2);
    assert_verified(dir.path());
}

#[test]
fn one_array_and_lines_plain_and_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let lines = |from: usize| {
        let records = (from..from + 3).map(|n| record(&format!("k-{n}"), "acme").to_string());
        records.collect::<Vec<_>>().join("\n").into_bytes()
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let one = serde_json::to_string_pretty(&record("k-0", "acme")).unwrap();
    let array = Value::from(vec![record("k-1", "acme"), record("k-2", "initech")]).to_string();
    for (content_type, coding, body, count) in [
        ("application/json", None, one.into_bytes(), 1),
        ("application/json; charset=utf-8", None, array.into_bytes(), 2),
        ("application/x-ndjson", None, lines(10), 3),
        ("application/jsonl", Some("gzip"), gzip(&lines(20)), 3),
        ("application/json", Some("zstd"), zstd(&lines(30)), 3),
        ("application/json", None, b"[]".to_vec(), 0),
    ] {
        let coding: Vec<_> = coding.map(|coding| ("content-encoding", coding)).into_iter().collect();
        let answer = post(&halod, content_type, &coding, &body);
        assert_eq!(answer.status, 200, "{content_type}: {}", answer.text());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(fates(&answer), vec!["sealed"; count]);
        if count > 0 {
            assert_heads(dir.path(), &answer);
        }
    }
    assert_eq!(halod.items("native", "sealed"), 12);
    assert!(halod.terminate().success());
    let chain = of_tenant(dir.path(), Some("acme"));
    assert_eq!((chain.len(), of_tenant(dir.path(), Some("initech")).len()), (11, 1));
    let first = &chain[0];
    assert_eq!(first["principal"]["human_id"], "zoe@example.com");
    assert_eq!(first["data"]["duration_ms"], 1000);
    assert_verified(dir.path());
}

#[test]
fn each_record_of_a_batch_is_told_what_became_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut other = record("k-1", "acme");
    other["outcome"] = json!({"error": "boom"});
    let mut child = record("k-2", "acme");
    child["parent"] = "k-1".into();
    let mut wrong = record("k-3", "acme");
    wrong["action"]["type"] = "tool-call".into();
    let batch = json!([record("k-1", "acme"), wrong, other, child, record("k-1", "acme"), record("k-9", "")]);
    let answer = write(&halod, &batch, 207);
    assert_eq!(fates(&answer), ["sealed", "rejected", "conflict", "sealed", "duplicate", "sealed"]);
    let results = &answer["results"];
    let error = json!({
        "field": "records[1].action.type",
        "message": "must be one of tool_call, agent_message, read, write, network",
    });
    assert_eq!(results[1]["errors"], json!([error]));
    assert_eq!(results[2]["conflicts_with"], results[0]["record_id"]);
    assert_eq!(results[4]["record_id"], results[0]["record_id"]);
    let subjects: Vec<_> = answer["heads"].as_array().unwrap().iter().map(|head| &head["subject"]).collect();
    assert_eq!(subjects, [&json!("acme"), &Value::Null]);
    assert_heads(dir.path(), &answer);
    // The same again seals nothing, and tells the same.
    let again = write(&halod, &batch, 207);
    assert_eq!(fates(&again), ["duplicate", "rejected", "duplicate", "duplicate", "duplicate", "duplicate"]);
    for at in [0, 2, 3, 4, 5] {
        assert_eq!(again["results"][at]["record_id"], results[at]["record_id"]);
    }
    assert_eq!(again["heads"], answer["heads"]);
    // None is valid.
    let none = write(&halod, &json!([{"key": "x"}, 7]), 400);
    assert_eq!(fates(&none), ["rejected", "rejected"]);
    assert_eq!(none["results"][1]["errors"][0]["field"], "records[1]");
    assert_eq!(["sealed", "duplicate", "rejected"].map(|end| halod.items("native", end)), [4, 6, 4]);
    assert!(halod.terminate().success());
    let chain = of_tenant(dir.path(), Some("acme"));
    assert_eq!(chain.len(), 3);
    assert_eq!(chain[2]["parent_id"], chain[0]["record_id"]);
    assert_eq!(chain[1]["conflicts_with"], chain[0]["record_id"]);
    assert_verified(dir.path());
}

/// A receipt is a promise: what it names is there after kill -9, and its heads are in the chain.
#[test]
fn a_receipt_outlives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut promised = Vec::new();
    for round in 0..4 {
        let halod = Halod::start(dir.path());
        for n in 0..5 {
            let key = format!("k-{round}-{n}");
            promised.push(write(&halod, &json!([record(&key, "acme"), record(&key, "initech")]), 200));
        }
        halod.kill9();
    }
    let halod = Halod::start(dir.path());
    for (n, answer) in promised.iter().enumerate() {
        let key = format!("k-{}-{}", n / 5, n % 5);
        let again = write(&halod, &json!([record(&key, "acme"), record(&key, "initech")]), 200);
        assert_eq!(fates(&again), ["duplicate"; 2]);
        for head in answer["heads"].as_array().unwrap() {
            let chain = of_tenant(dir.path(), head["subject"].as_str());
            let at = head["records"].as_u64().unwrap() as usize;
            assert_eq!(chain[at - 1]["integrity"]["hash"], head["hash"]);
        }
    }
    assert_eq!(of_tenant(dir.path(), Some("acme")).len(), 20);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
    halod_verify(dir.path());
}

/// Many senders at once, by both calls of the Rust client, each sending some of the others' records too.
#[test]
fn many_senders_seal_everything_once() {
    const SENDERS: usize = 8;
    const BATCHES: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let client = Arc::new(Client::new(&format!("http://{}", halod.http)).unwrap());
    let sender = |id: usize| {
        let client = Arc::clone(&client);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut receipts = Vec::new();
            for batch in 0..BATCHES {
                let tenant = ["acme", "initech", ""][batch % 3];
                let shared = record(&format!("shared-{batch}"), tenant);
                let records = [shared, record(&format!("{id}-{batch}"), tenant)];
                let receipt = if id.is_multiple_of(2) {
                    client.record(&records)
                } else {
                    runtime.block_on(client.record_async(&records))
                };
                receipts.push(receipt.expect("a receipt"));
            }
            receipts
        })
    };
    let receipts: Vec<_> =
        (0..SENDERS).map(sender).collect::<Vec<_>>().into_iter().flat_map(|t| t.join().unwrap()).collect();
    let fates = |fate| receipts.iter().flat_map(|r| &r.results).filter(|result| result.fate == fate).count();
    assert_eq!(fates(Fate::Sealed), BATCHES + SENDERS * BATCHES);
    assert_eq!(fates(Fate::Duplicate), SENDERS * BATCHES - BATCHES);
    assert!(halod.terminate().success());
    let all: Vec<Value> = files(dir.path()).iter().flat_map(|file| records(file)).collect();
    let ids: BTreeSet<_> = all.iter().map(|record| record["record_id"].as_str().unwrap()).collect();
    assert_eq!((all.len(), ids.len()), (fates(Fate::Sealed), fates(Fate::Sealed)));
    // Each head that anybody was told is the hash at its place.
    for head in receipts.iter().flat_map(|receipt| &receipt.heads) {
        let chain = of_tenant(dir.path(), head.subject.as_deref());
        assert_eq!(chain[head.records as usize - 1]["integrity"]["hash"], *head.hash);
    }
    assert_verified(dir.path());
}

/// A server that answers each connection with the next of `answers`, then nothing.
fn scripted(answers: Vec<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let mut sink = [0; 4096];
            while std::io::Read::read(&mut stream, &mut sink).is_ok_and(|read| read > 0) {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn the_client_waits_where_it_is_asked_to_and_gives_up_where_nothing_helps() {
    const WAIT: &str = "HTTP/1.1 503 x\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const DONE: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 25\r\nconnection: close\r\n\r\n{\"results\":[],\"heads\":[]}";
    const NO: &str = "HTTP/1.1 401 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for blocking in [true, false] {
        let call = |answers: Vec<&'static str>| {
            let client = Client::new(&format!("http://{}", scripted(answers))).unwrap();
            if blocking { client.record(&[]) } else { runtime.block_on(client.record_async(&[])) }
        };
        // Asked to wait, cut off, then taken.
        assert!(call(vec![WAIT, "", DONE]).unwrap().results.is_empty());
        assert!(matches!(call(vec![NO]), Err(ClientError::Refused { status: 401, .. })));
    }
}

/// A refusal of the whole comes with the time to come back, and nothing of it is sealed.
#[test]
fn a_full_halod_asks_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let settings = tempfile::tempdir().unwrap();
    let file = settings.path().join("halod.yaml");
    let doors = "grpc: { max_recv_msg_size_mib: 1 }, http: { max_request_body_size: 1048576 }";
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ {doors} }} }} }}\npipeline: {{ max_in_flight_mib: 1 }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    let filled = fill(&halod, dir.path());
    let body = record("k-1", "acme").to_string();
    let answer = post(&halod, JSON, &[], body.as_bytes());
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let refused = grpc.send("/halo.ingest.v1.RecordService/Write", &[], &frame(0, &[0; 100_000])).unwrap();
    assert_eq!(refused.code, 14, "{}", refused.message);
    drop(filled);
    wait_until("there is room again", Duration::from_secs(30), || {
        post(&halod, JSON, &[], body.as_bytes()).status == 200
    });
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some("acme")).len(), 1);
}

#[test]
fn a_subject_may_come_with_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut without = record("k-1", "");
    without.as_object_mut().unwrap().remove("subject");
    let batch = Value::from(vec![without, record("k-2", "initech")]).to_string();
    let answer = post(&halod, JSON, &[("x-tenant-id", "acme")], batch.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut http = Http::connect(halod.http).unwrap();
    assert_eq!(http.get("/v1/records").unwrap().status, 405);
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some("acme")).len(), 1);
    assert_eq!(of_tenant(dir.path(), Some("initech")).len(), 1);
    assert_verified(dir.path());
}
