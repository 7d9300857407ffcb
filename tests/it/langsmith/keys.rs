//! API keys: who sends, and whose chain it is.

use super::{begun, ended, id, records, whole};
use crate::support::chains::{assert_verified, files, gap, of_tenant};
use crate::support::halod::Halod;
use crate::support::http::{Answer, JSON};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const KEY: &str = "lsv2_pt_2f9c41d07be8f3a1_acme";
const STRANGER: &str = "lsv2_pt_77aa0cd1b5e9f220_none";

/// A configuration with the key of initech, and the records beside it.
fn configured(place: &Path, more: &str) -> (PathBuf, String) {
    let digest: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "receivers:\n  gap_interval: 1h\n  langsmith: {{ keys: {{ \"{digest}\": initech }}{more} }}\n"
    );
    std::fs::write(place.join("halod.yaml"), text).unwrap();
    (place.join("records"), place.join("halod.yaml").to_str().unwrap().to_owned())
}

fn send(halod: &Halod, path: &str, key: Option<&str>, body: &[u8]) -> Answer {
    // The workspace, as the SDKs name it: a claim.
    let mut headers = vec![("content-type", JSON), ("x-tenant-id", "workspace")];
    headers.extend(key.map(|key| ("x-api-key", key)));
    halod.connect().post(path, &headers, body).unwrap()
}

#[test]
fn a_key_decides_whose_chain_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (dir, config) = configured(place.path(), ", require_key: true");
    let halod = Halod::start_with(&dir, &["--config", &config]);
    let spans = include_bytes!("../../../adapters/golden/otel/crewai.json");
    let run = whole(&id(1), "lookup_order").to_string();
    for key in [None, Some(STRANGER), Some(""), Some(&KEY[..KEY.len() - 1])] {
        for path in
            ["/runs", "/runs/batch", "/feedback", "/sessions", "/langsmith/otel/v1/traces", "/runs/x/y"]
        {
            let answer = send(&halod, path, key, run.as_bytes());
            let said: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(answer.status, 401, "{key:?} {path}");
            assert!(said["detail"].as_str().unwrap().contains("receivers.langsmith.keys"), "{said}");
        }
    }
    assert_eq!(halod.connect().get("/info").unwrap().status, 200, "asked before anything is sent");
    assert_eq!(halod.sealed(), 0);
    let taken = |path: &str, body: &Value| {
        let answer = send(&halod, path, Some(KEY), body.to_string().as_bytes());
        assert_eq!(answer.status, 202, "{path}: {}", answer.text());
    };
    taken("/runs", &serde_json::from_str(&run).unwrap());
    taken("/runs/batch", &json!({ "post": [begun(&id(2), "tool", "apart")], "patch": [ended(&id(2))] }));
    taken("/feedback", &json!({ "id": id(3), "run_id": id(1), "key": "correct", "score": 1 }));
    assert_eq!(send(&halod, "/otel/v1/traces", Some(KEY), spans).status, 200);
    assert_eq!(send(&halod, "/runs", Some(KEY), b"{").status, 400);
    let log = halod.log();
    assert!(halod.terminate().success());
    assert_eq!(files(&dir).len(), 1);
    let all = of_tenant(&dir, Some("initech"));
    let named = |tool: &str| all.iter().find(|record| record["action"]["tool"] == tool).unwrap();
    for tool in ["lookup_order", "apart"] {
        assert_eq!(named(tool)["data"]["claimed_tenant"], "acme-corp", "what the run's metadata say");
    }
    assert!(all.len() > 5, "spans and feedback are of the key's tenant too");
    assert_eq!(gap(&dir, Some("initech"))["requests"], 1, "strangers are told nothing of");
    for key in [KEY, STRANGER] {
        assert!(!log.contains(key) && all.iter().all(|record| !record.to_string().contains(key)));
    }
    assert_verified(&dir);
}

#[test]
fn a_stranger_is_believed_where_no_key_is_required() {
    let place = tempfile::tempdir().unwrap();
    let (dir, config) = configured(place.path(), "");
    let halod = Halod::start_with(&dir, &["--config", &config]);
    for (n, key) in [(1, None), (2, Some(STRANGER)), (3, Some(KEY))] {
        let run = whole(&id(n), "lookup_order").to_string();
        assert_eq!(send(&halod, "/runs", key, run.as_bytes()).status, 202);
    }
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(&dir, Some("workspace")).len(), 2);
    assert_eq!(of_tenant(&dir, Some("initech")).len(), 1);
    assert_eq!(records(&dir).len(), 3);
    assert_verified(&dir);
}
