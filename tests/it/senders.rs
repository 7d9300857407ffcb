//! Real exporters at a real halod: what they say they sent is what the chains hold.

use crate::support::chains::{assert_exactly, assert_verified, of_tenant};
use crate::support::clients::{npm, python, text_of};
use crate::support::halod::Halod;
use crate::support::root;
use crate::support::spans::SpanKey;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a client says it exported.
struct Account {
    said: Value,
    spans: Vec<Sent>,
}

#[derive(Clone)]
struct Sent {
    tenant: Option<String>,
    key: SpanKey,
    name: String,
    genai: bool,
    error: bool,
}

impl Account {
    fn parse(said: &str) -> Self {
        let said: Value = serde_json::from_str(said).expect("the client's account is JSON");
        assert_eq!(said["failed"], 0, "the client's exports failed");
        let text = |span: &Value, key: &str| span[key].as_str().map(str::to_owned);
        let sent = |span: &Value| Sent {
            tenant: text(span, "tenant"),
            key: (text(span, "trace").unwrap(), text(span, "span").unwrap()),
            name: text(span, "name").unwrap(),
            genai: span["genai"].as_bool().unwrap(),
            error: span["error"].as_bool().unwrap(),
        };
        let spans = said["spans"].as_array().unwrap().iter().map(sent).collect();
        Self { said, spans }
    }

    fn genai(&self) -> impl Iterator<Item = &Sent> {
        self.spans.iter().filter(|s| s.genai)
    }
}

/// Every span of an agent is sealed once, in its tenant's chain, with its own outcome; every other
/// span is counted as filtered; the second sending seals nothing.
fn check(halod: Halod, dir: &Path, account: &Account) {
    let sealed = account.genai().count();
    let filtered = account.spans.len() - sealed;
    assert!(sealed > 0);
    assert_eq!(halod.sealed(), sealed as u64);
    assert_eq!(halod.duplicates(), sealed as u64, "the second sending is recognised");
    assert_eq!(halod.metric("halod_records_conflict_total", ""), 0);
    assert_eq!(halod.items_of("signal=\"traces\"", "filtered"), 2 * filtered as u64);
    assert_exactly(dir, account.genai().map(|s| s.key.clone()));
    let mut tenants: BTreeMap<Option<String>, Vec<&Sent>> = BTreeMap::new();
    for sent in account.genai() {
        tenants.entry(sent.tenant.clone()).or_default().push(sent);
    }
    for (tenant, sent) in tenants {
        check_tenant(&of_tenant(dir, tenant.as_deref()), &sent);
    }
    assert!(halod.terminate().success());
    assert_verified(dir);
}

fn check_tenant(records: &[Value], sent: &[&Sent]) {
    assert_eq!(records.len(), sent.len());
    let records: BTreeMap<SpanKey, &Value> =
        records.iter().map(|r| (crate::support::chains::span_key(r).unwrap(), r)).collect();
    for sent in sent {
        let record = records[&sent.key];
        let tool = match sent.name.split(' ').next().unwrap() {
            "chat" => "model.generate",
            "embeddings" => "model.embed",
            "invoke_agent" => "agent.invoke",
            _ => "lookup_order",
        };
        assert_eq!(record["action"]["tool"], tool, "{record}");
        assert_eq!(record["outcome"]["status"], if sent.error { "error" } else { "ok" }, "{record}");
        if tool == "model.generate" {
            // The model that answered, where the sender says which.
            assert!(record["agent"]["model"].as_str().unwrap().starts_with("gpt-4o-mini"), "{record}");
            assert_eq!(record["action"]["authorization"]["scope"], "model:openai", "{record}");
        }
    }
}

fn python_sends(script: &str, arguments: &[&str]) -> Account {
    let script = root().join("tests/clients").join(script);
    let out = python().script(&script, arguments).output().expect("run python");
    Account::parse(&text_of(out, &script.display().to_string()))
}

fn sdk(protocol: &str, compression: &str) {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let door = if protocol == "grpc" { halod.grpc } else { halod.http };
    let account = python_sends("otlp_sender.py", &[protocol, &door.to_string(), compression]);
    check(halod, dir.path(), &account);
}

#[test]
fn python_sdk_over_grpc() {
    sdk("grpc", "none");
}

#[test]
fn python_sdk_over_grpc_gzipped() {
    sdk("grpc", "gzip");
}

#[test]
fn python_sdk_over_http() {
    sdk("http", "none");
}

#[test]
fn python_sdk_over_http_gzipped() {
    sdk("http", "gzip");
}

/// What the API was asked is what the chain says: refused calls are errors, tools are tools.
fn openai(protocol: &str) {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let door = if protocol == "grpc" { halod.grpc } else { halod.http };
    let account = python_sends("openai_agent.py", &[protocol, &door.to_string()]);
    let records = of_tenant(dir.path(), Some("acme-corp"));
    let count = |tool: &str, status: &str| {
        let alike = |r: &&Value| r["action"]["tool"] == tool && r["outcome"]["status"] == status;
        records.iter().filter(alike).count() as u64
    };
    let asked = |what: &str| account.said["asked"][what].as_u64().unwrap_or(0);
    assert_eq!(count("model.generate", "ok"), asked("chat 200") + asked("stream 200"));
    assert_eq!(count("model.generate", "error"), asked("chat 429") + asked("chat 500"));
    assert_eq!(count("model.embed", "ok"), asked("embeddings 200"));
    assert_eq!(count("lookup_order", "ok"), account.said["tools"].as_u64().unwrap());
    check(halod, dir.path(), &account);
}

#[test]
fn openai_instrumentation_over_grpc() {
    openai("grpc");
}

#[test]
fn openai_instrumentation_over_http() {
    openai("http");
}

#[test]
fn node_sdk_over_json() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let script = root().join("tests/clients/node_sender.mjs");
    let said = npm().run(&script, &[PathBuf::from(halod.http.to_string())], &[]);
    check(halod, dir.path(), &Account::parse(&said));
}
