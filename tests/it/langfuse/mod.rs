//! Langfuse's SDKs with their host at halod: what agents did is what the chain says, once, whatever
//! happens on the way.

mod clients;
mod doors;
mod hold;
mod scores;

use crate::support::chains::{files, of_tenant, records};
use crate::support::halod::Halod;
use crate::support::http::{Answer, JSON};
use crate::support::root;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TENANT: &str = "acme-corp";
const INGESTION: &str = "/api/public/ingestion";

/// What the corpus's agents put into their messages, to be found nowhere.
const SECRETS: [&str; 3] =
    ["sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678", "sk-lf-FAKE", "c2stbGYtRkFLRT"];

/// A records directory and a configuration beside it.
struct Place {
    dir: tempfile::TempDir,
    config: String,
}

impl Place {
    /// With these lines under `receivers:`.
    fn with(receivers: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("halod.yaml");
        let text = if receivers.is_empty() { String::new() } else { format!("receivers:\n{receivers}") };
        std::fs::write(&file, text).unwrap();
        let config = file.to_str().unwrap().to_owned();
        Self { dir, config }
    }

    /// With a short hold, so that what never closes is sealed while the test waits.
    fn hurried() -> Self {
        Self::with("  hold: { wait: 1s }\n")
    }

    fn records(&self) -> PathBuf {
        self.dir.path().join("records")
    }

    fn start(&self) -> Halod {
        Halod::start_with(&self.records(), &["--config", &self.config])
    }

    /// All records, in no order.
    fn all(&self) -> Vec<Value> {
        files(&self.records()).iter().flat_map(|file| records(file)).collect()
    }

    fn of_tenant(&self) -> Vec<Value> {
        of_tenant(&self.records(), Some(TENANT))
    }
}

fn capture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("adapters/golden/langfuse").join(name)).unwrap()
}

fn post(halod: &Halod, path: &str, body: &[u8]) -> Answer {
    halod.connect().post(path, &[("content-type", JSON)], body).expect("an answer")
}

/// Posts events to the ingestion API and demands that all are taken.
fn ingest(halod: &Halod, events: &[Value]) {
    let body = json!({ "batch": events, "metadata": {} }).to_string();
    ingested(&post(halod, INGESTION, body.as_bytes()), events.len());
}

fn ingested(answer: &Answer, events: usize) {
    assert_eq!(answer.status, 207, "{}", answer.text());
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["errors"], json!([]), "{said}");
    assert_eq!(said["successes"].as_array().unwrap().len(), events, "{said}");
    assert!(said["successes"].as_array().unwrap().iter().all(|item| item["status"] == 201), "{said}");
}

/// One event of an observation of trace `t`.
fn event(kind: &str, id: &str, second: u32, mut body: Value) -> Value {
    body["id"] = id.into();
    body["traceId"] = "t".into();
    json!({
        "id": format!("{kind}-{id}-{second}"),
        "type": kind,
        "timestamp": format!("2026-11-25T10:00:{second:02}Z"),
        "body": body,
    })
}

fn at(second: u32) -> String {
    format!("2026-11-25T10:00:{second:02}Z")
}

fn trace() -> Value {
    let body = json!({ "id": "t", "name": "Agent", "userId": "u", "sessionId": "s", "metadata": { "tenant": TENANT } });
    json!({ "id": "e", "type": "trace-create", "timestamp": at(0), "body": body })
}

/// Records by tool and status; updates and halod's own are not counted.
fn counts(records: &[Value]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for record in records {
        let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (tool, status) = (text("/action/tool"), text("/outcome/status"));
        if !matches!(tool.as_str(), "agent.update" | "agent.invoke") {
            *counts.entry(format!("{tool} {status}")).or_default() += 1;
        }
    }
    counts
}

fn tools<'r>(records: &'r [Value], tool: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["action"]["tool"] == tool).collect()
}

/// No secret is in any file of a directory, the hold's among them.
fn assert_nowhere(dir: &Path, secrets: &[&str]) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, secrets);
            continue;
        }
        // A socket is not.
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            let found = memchr::memmem::find(&bytes, secret.as_bytes());
            assert!(found.is_none(), "{secret} is in {}", path.display());
        }
    }
}
