//! What a hostile sender, a hostile neighbour, a careless operator and a failing machine may try, against
//! a real halod with kills and restarts.

mod chains;
mod connections;
mod directory;
mod files;
pub mod flood;
mod limits;
pub mod memory;
mod notices;
mod rates;
mod redaction;
mod slices;
mod slow;
mod subjects;
mod unread;
mod windows;

use crate::support::halod::Halod;
use crate::support::http::{Answer, PROTOBUF};
use crate::support::reference::ask_python;
use serde_json::{Value, json};
use std::path::Path;

/// A trace export of one tenant's spans, whatever the answer.
fn send(halod: &Halod, tenant: Option<&str>, family: u32, spans: std::ops::Range<u64>) -> Answer {
    let spans = spans.map(|n| crate::support::spans::span(family, n)).collect();
    let body = crate::support::spans::request(tenant, spans);
    halod.connect().post("/v1/traces", &[("content-type", PROTOBUF)], &body).expect("an answer")
}

/// What the reference's recorder says to each order (`tests/clients/recorder.py`).
fn recorder(dir: &Path, orders: &[Value]) -> Vec<String> {
    let input: String = orders.iter().map(|order| format!("{order}\n")).collect();
    let said = ask_python("recorder.py", &[dir], &input);
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One record by the reference's recorder.
fn record(dir: &Path, subject: &str, tool: &str, ts: Option<&str>) -> String {
    recorder(dir, &[json!(["append", subject, tool, ts])]).remove(0)
}
