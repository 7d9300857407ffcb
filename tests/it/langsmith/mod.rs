//! LangSmith's SDKs at a real halod, and what their API may be sent.

mod agents;
mod apart;
mod hostile;
mod keys;
mod replay;
mod traces;

use crate::support::halod::Halod;
use crate::support::http::{Answer, JSON};
use crate::support::wait_until;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// The boundary of the forms that tests write.
const BOUNDARY: &str = "----LangSmithFormBoundary0123";

/// A form of parts of JSON.
fn form(parts: &[(&str, Value)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let content = content.to_string();
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\
             Content-Type: application/json; length={}\r\n\r\n",
            content.len()
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn form_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary={boundary}")
}

/// Posts a form that [`form`] made.
fn post_form(halod: &Halod, body: &[u8]) -> Answer {
    let kind = form_type(BOUNDARY);
    halod.connect().post("/runs/multipart", &[("content-type", &kind)], body).expect("an answer")
}

fn send(halod: &Halod, method: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    halod.connect().send(method, path, &[("content-type", JSON)], body.as_bytes()).expect("an answer")
}

/// A run as it begins.
fn begun(id: &str, kind: &str, name: &str) -> Value {
    json!({
        "id": id, "trace_id": id, "run_type": kind, "name": name, "session_name": "desk",
        "start_time": "2026-11-22T08:11:39.730472+00:00", "inputs": {"order": "A-1042"},
        "extra": {"metadata": {"thread_id": "t-1", "tenant": "acme-corp"}},
    })
}

/// What is new of it at its end.
fn ended(id: &str) -> Value {
    json!({"id": id, "trace_id": id, "end_time": "2026-11-22T08:11:40.5", "outputs": {"state": "shipped"}})
}

/// A run of which all is known.
fn whole(id: &str, name: &str) -> Value {
    let mut run = begun(id, "tool", name);
    run.as_object_mut().unwrap().extend(ended(id).as_object().unwrap().clone());
    run
}

fn id(n: u64) -> String {
    format!("01a2024f-9552-774a-b546-{n:012x}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn items(halod: &Halod, outcome: &str) -> u64 {
    // What the hold lets go of is counted a moment after the answer, maybe between two looks.
    let mut all = 0;
    wait_until("only LangSmith's were sent", Duration::from_secs(20), || {
        all = halod.items("langsmith", outcome);
        all == halod.items_of("", outcome)
    });
    all
}

/// Every record of a directory.
fn records(dir: &Path) -> Vec<Value> {
    crate::support::chains::files(dir).iter().flat_map(|file| crate::support::chains::records(file)).collect()
}
