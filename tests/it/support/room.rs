//! A halod without room for more requests.

use super::halod::Halod;
use super::http::{Http, PROTOBUF};
use super::spans::{request, span};
use super::wait_until;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

const TENANT: &str = "filler";

/// Requests that have arrived and wait for a chain whose lock somebody else keeps: for 5 s at most, or until this
/// is dropped. A body that does not come would be cut.
pub struct Filled {
    _lock: File,
    _connections: Vec<Http>,
}

/// The room of a halod that is to be filled.
const ROOM: u64 = 1 << 20;

/// Fills the room of a halod on `dir` that has one MiB of it, so that a request with one span is refused.
pub fn fill(halod: &Halod, dir: &Path) -> Filled {
    halod.export(&request(Some(TENANT), vec![span(0xF1, 0)]));
    let lock = OpenOptions::new().append(true).create(true).open(dir.join(format!("{TENANT}.jsonl.lock")));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let refused = || halod.metric("halod_pipeline_refusals_total", "reason=\"full\"");
    let left = || ROOM - halod.metric("halod_in_flight_bytes", "");
    let mut connections = Vec::new();
    let mut next = 1;
    let mut send = |spans: u64| {
        let body = request(Some(TENANT), (next..next + spans).map(|n| span(0xF1, n)).collect());
        next += spans;
        let mut connection = halod.connect();
        connection.begin("/v1/traces", &[("content-type", PROTOBUF)], body.len()).unwrap();
        connection.write(&body).unwrap();
        connections.push(connection);
        std::thread::sleep(Duration::from_millis(20));
    };
    for (spans, at_least) in [(50, 500_000), (10, 230_000)] {
        wait_until("most of the room is taken", Duration::from_secs(30), || {
            send(spans);
            left() < at_least
        });
    }
    let before = refused();
    wait_until("the room is taken", Duration::from_secs(30), || {
        send(1);
        refused() > before
    });
    Filled { _lock: lock, _connections: connections }
}
