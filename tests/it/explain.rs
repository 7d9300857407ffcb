//! `halod explain`: what is shown is what is sealed.

use crate::support::chains::{files, of_tenant};
use crate::support::halod::{Halod, halod};
use crate::support::{root, spans};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

fn explain(file: &Path) -> (i32, String) {
    let out = halod(&["explain"], &[file.to_owned()]);
    let text = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (out.status.code().unwrap(), text)
}

/// The records shown, by their ids.
fn records(shown: &str) -> Vec<Value> {
    let mut records = Vec::new();
    let mut rest = shown;
    while let Some((_, after)) = rest.split_once("\n    {\n") {
        let (inside, after) = after.split_once("\n    }\n").unwrap();
        records.push(serde_json::from_str(&format!("{{{inside}}}")).unwrap());
        rest = after;
    }
    records
}

#[test]
fn the_records_shown_are_those_sealed() {
    let capture = root().join("examples/captures/openai-agent.pb");
    let (code, shown) = explain(&capture);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("gen_ai.response.model  (over gen_ai.request.model)"), "{shown}");
    assert!(shown.ends_with("in all: 6 model calls (2 failed), 1 embeddings (0 failed), 3 tool calls (1 failed), 0 retrievals (0 failed); 0 records tell of a call that another one tells of\n"), "{shown}");
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    halod.export(&std::fs::read(&capture).unwrap());
    assert!(halod.terminate().success());
    let mut sealed = of_tenant(dir.path(), None);
    sealed.iter_mut().for_each(|record| {
        let fields = record.as_object_mut().unwrap();
        fields.remove("integrity");
        fields.remove("ts");
    });
    let mut shown = records(&shown);
    let id = |record: &Value| record["record_id"].as_str().unwrap().to_owned();
    sealed.sort_by_key(id);
    shown.sort_by_key(id);
    assert_eq!(shown, sealed);
}

#[test]
fn every_form_of_a_capture_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let request = |n| spans::request_json(Some("acme"), vec![spans::span(0xE2, n)]);
    let lines = [request(0), b"\n".to_vec(), request(1), b"\n".to_vec()].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&lines).unwrap();
    for (name, bytes) in [("lines.json", lines.clone()), ("lines.json.gz", gzip.finish().unwrap())] {
        let (code, shown) = explain(&write(name, &bytes));
        assert_eq!(code, 0, "{shown}");
        assert_eq!(records(&shown).len(), 2, "{shown}");
    }
    let logs = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"nothing"},{"eventName":"codex.api_request","attributes":[{"key":"conversation.id","value":{"stringValue":"c"}}]}]}]}]}"#;
    let (code, shown) = explain(&write("logs.json", logs));
    assert!(
        code == 0 && shown.contains("nothing  (scope ): filtered") && records(&shown).len() == 1,
        "{shown}"
    );
}

#[test]
fn what_is_no_capture_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for (bytes, why) in [
        (&b"{\"a\":1}"[..], "neither resourceSpans nor resourceLogs"),
        (b"{\"resourceSpans\":[]}\n{\"resourceSpans\":5", "line 2: not JSON"),
        (b"\x0a\xff\xff", "no OTLP request"),
        (b"\x1f\x8b\x08\x00nonsense", "can't be read"),
    ] {
        let file = dir.path().join("capture");
        std::fs::write(&file, bytes).unwrap();
        let (code, said) = explain(&file);
        assert!(code == 2 && said.contains(why), "{code} {said}");
    }
    let (code, said) = explain(&dir.path().join("missing"));
    assert!(code == 2 && said.contains("can't be read"), "{code} {said}");
}

#[test]
fn a_chain_is_explained_by_what_joined_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let body = std::fs::read(root().join("tests/corpus/litellm-otel/003-post_v1_traces.pb")).unwrap();
    let answer = halod.connect().post("/v1/traces", &[("content-type", "application/x-protobuf")], &body);
    assert_eq!(answer.unwrap().status, 200);
    assert!(halod.metric("halod_corroborations_total", "reason=\"response_id\"") > 0);
    assert!(halod.terminate().success());
    let (code, shown) = explain(&files(dir.path())[0]);
    assert_eq!(code, 0, "{shown}");
    let joined =
        shown.lines().filter(|line| line.contains("corroborates:model.generate  ok  joined by")).count();
    assert_eq!(joined, 5, "{shown}");
    assert!(
        shown.contains("in all: 7 model calls (2 failed), 1 embeddings (0 failed), 0 tool calls"),
        "{shown}"
    );
}
