//! One chain's file that fails, while the others go on.

use super::send;
use crate::support::chains::{assert_verified, of_tenant, span_key};
use crate::support::clients::python;
use crate::support::halod::{Halod, configured};
use crate::support::root;
use crate::support::spans::{key, span};
use crate::support::wait_until;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Enough of another tenant's that a journal of 2 MiB begins both of its halves anew.
fn turn_the_journal(halod: &Halod, family: u32) {
    for n in 0..20 {
        assert_eq!(send(halod, Some("busy"), family, n * 200..(n + 1) * 200).status, 200);
    }
}

fn spans_of(dir: &Path, tenant: &str) -> Vec<crate::support::spans::SpanKey> {
    of_tenant(dir, Some(tenant)).iter().filter_map(span_key).collect()
}

/// `rm victim.jsonl` while halod runs: its tenant is served again after a while, with a notice; all others
/// at once, also at the end.
#[test]
fn a_removed_chain_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (_config, file) = configured(0, 2);
    let halod = Halod::start_with(dir.path(), &["--config", &file]);
    assert_eq!(send(&halod, Some("victim"), 1, 0..5).status, 200);
    std::fs::remove_file(dir.path().join("victim.jsonl")).unwrap();
    turn_the_journal(&halod, 2);
    halod.await_log("victim.jsonl");
    wait_until("the tenant is served again", Duration::from_secs(40), || {
        send(&halod, Some("victim"), 1, 5..6).status == 200
    });
    // What only the journal had is linked again by itself.
    wait_until("what was acknowledged is back", Duration::from_secs(40), || {
        spans_of(dir.path(), "victim").len() == 6
    });
    let chain = of_tenant(dir.path(), Some("victim"));
    assert!(chain.iter().any(|record| record["action"]["tool"] == "halod.chain_changed"), "{chain:?}");
    // The same just before the end.
    std::fs::remove_file(dir.path().join("victim.jsonl")).unwrap();
    assert!(halod.terminate().success());
    let halod = Halod::start_with(dir.path(), &["--config", &file]);
    assert_eq!(send(&halod, Some("busy"), 2, 0..1).status, 200);
    assert_eq!(halod.duplicates(), 1);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// A recorder that hangs while it holds a chain's lock: halod starts beside it, also after a crash, and
/// seals what waits when the lock is free.
#[test]
fn a_held_lock_holds_up_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("held"), 1, 0..5).status, 200);
    assert_eq!(send(&halod, Some("free"), 2, 0..5).status, 200);
    halod.kill9();
    // As if power had failed: what the journal alone has must wait for the lock.
    let path = dir.path().join("held.jsonl");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(path.metadata().unwrap().len() / 2).unwrap();
    let script = root().join("tests/clients/co_append.py");
    let mut holder = python()
        .script(&script, &["hold", dir.path().to_str().unwrap(), "held", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("start python");
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let begun = Instant::now();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("free"), 2, 0..6).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(holder.try_wait().unwrap().is_none(), "the lock was held all the while");
    holder.kill().unwrap();
    holder.wait().unwrap();
    // A line that was cut stays, and is no record.
    let sealed = || {
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let mut keys: Vec<_> = whole.filter_map(|record: serde_json::Value| span_key(&record)).collect();
        keys.sort();
        keys
    };
    let mut acknowledged: Vec<_> = (0..5).map(|n| key(&span(1, n))).collect();
    acknowledged.sort();
    wait_until("what was acknowledged is back", Duration::from_secs(40), || sealed() == acknowledged);
    assert!(halod.terminate().success());
    assert_eq!(sealed(), acknowledged);
}
