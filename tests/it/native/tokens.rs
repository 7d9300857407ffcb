//! Who may send, for whom, and who may say `captured`.

use super::{JSON, fates, post, record};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::python;
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::Halod;
use crate::support::root;
use halod_client::{Client, ClientError};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;

const BOUND: &str = "token-of-acme-2f9c41d07be8";
const CAPTURES: &str = "token-that-captures-77aa0cd1";
const ANY: &str = "token-for-any-tenant-0b5e9f22";

/// A configuration with three tokens, beside the directory.
fn configured(dir: &Path) -> String {
    let digest =
        |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!(
        "receivers:\n  native:\n    tokens:\n      \"{}\": acme\n      \"{}\": acme, captured\n      \"{}\": \"*\"\n",
        digest(BOUND),
        digest(CAPTURES),
        digest(ANY)
    );
    let file = dir.join("halod.yaml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn send(halod: &Halod, token: Option<&str>, records: Vec<Value>) -> (u16, Value) {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    let answer = post(halod, JSON, &headers, Value::from(records).to_string().as_bytes());
    if answer.status == 401 {
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[test]
fn a_token_says_for_whom_and_whether_captured() {
    let dir = tempfile::tempdir().unwrap();
    let settings = tempfile::tempdir().unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", &configured(settings.path())]);
    for token in [None, Some("wrong"), Some("")] {
        let (status, said) = send(&halod, token, vec![record("k-0", "acme")]);
        assert_eq!((status, &said["code"]), (401, &16.into()), "{said}");
    }
    let mut unnamed = record("k-1", "");
    unnamed.as_object_mut().unwrap().remove("subject");
    let batch = vec![record("k-2", "acme"), record("k-3", "initech"), unnamed];
    let (status, said) = send(&halod, Some(BOUND), batch);
    assert_eq!((status, fates(&said)), (207, vec!["sealed", "rejected", "sealed"]));
    let error = &said["results"][1]["errors"][0];
    assert_eq!(error["field"], "records[1].subject.id");
    assert!(error["message"].as_str().unwrap().starts_with("permission denied"), "{error}");
    let (status, _) = send(&halod, Some(CAPTURES), vec![record("k-4", "acme")]);
    assert_eq!(status, 200);
    let (status, _) = send(&halod, Some(ANY), vec![record("k-5", "initech"), record("k-6", "acme")]);
    assert_eq!(status, 200);
    // The header is a claim like the record's own.
    let bearer = format!("Bearer {BOUND}");
    let headers = [("authorization", bearer.as_str()), ("x-tenant-id", "initech")];
    let mut unnamed = record("k-7", "");
    unnamed.as_object_mut().unwrap().remove("subject");
    let answer = post(&halod, JSON, &headers, unnamed.to_string().as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    // gRPC asks as well.
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let path = "/halo.ingest.v1.RecordService/Write";
    assert_eq!(grpc.send(path, &[], &frame(0, &[])).unwrap().code, 16);
    assert_eq!(grpc.send(path, &[("authorization", &bearer)], &frame(0, &[])).unwrap().code, 0);
    // OTLP has its own rules.
    assert_eq!(halod.connect().export(&[]).unwrap().status, 200);

    let log = halod.log();
    assert!(halod.terminate().success());
    for token in [BOUND, CAPTURES, ANY] {
        assert!(!log.contains(token), "a token is in the log");
    }
    let captures = |tenant| {
        let chain = of_tenant(dir.path(), Some(tenant));
        chain
            .iter()
            .map(|record| record["source"]["capture"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(captures("acme"), ["ingested", "ingested", "captured", "ingested"]);
    assert_eq!(captures("initech"), ["ingested"]);
    assert_verified(dir.path());
}

/// A token that was read from a file has its line break; nobody is asked without it, or shown it.
#[test]
fn a_token_with_a_line_break_is_an_error_that_does_not_show_it() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let endpoint = format!("http://{}", halod.http);
    let example = |name: &str| root().join("examples").join(name);
    for token in [format!("{ANY}\n"), format!("{ANY}\nx-tenant-id: acme"), format!("{ANY}\r")] {
        let mut by_node = Command::new("node");
        by_node.arg(example("record.mjs")).args([&endpoint, &token]);
        let by_python = python().script(&example("record.py"), &[&endpoint, &token]);
        for mut command in [by_node, by_python] {
            let out = command.output().expect("run the example");
            let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
            assert!(!out.status.success() && said.contains("line break"), "{said}");
            assert!(!said.contains(ANY), "{said}");
        }
        let client = Client::new(&endpoint).unwrap().with_token(token);
        let error = client.record(&[record("k", "acme")]).unwrap_err();
        assert!(matches!(error, ClientError::Token { .. }), "{error}");
    }
    assert_eq!(halod.sealed(), 0);
    assert!(halod.terminate().success());
}
