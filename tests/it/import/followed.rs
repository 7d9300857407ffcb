//! A log that is followed and imported, in either order, is sealed once: the oddities that logs have make no
//! difference, nor does it matter how the import comes in.

use super::rig::{Rig, Said, gzip};
use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::Halod;
use crate::support::wait_until;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn line(n: u64, agent: &str) -> Vec<u8> {
    let start = format!("203.0.113.9 - - [22/Nov/2026:08:11:{:02} +0000]", n % 60);
    format!("{start} \"POST /v1/chat/completions HTTP/1.1\" 200 {n} \"-\" \"{agent}\"\n").into_bytes()
}

/// A configuration that follows `log`, with further settings.
fn follows(rig: &Rig, log: &Path, more: &str) -> PathBuf {
    let settings = format!(
        "receivers:\n  file_log:\n    include: ['{}']\n    poll_interval: 50ms\n{more}storage: {{ min_free_disk_mib: 0 }}\n",
        log.display()
    );
    rig.file("halod.yaml", settings)
}

fn follow(rig: &Rig, config: &Path) -> Halod {
    Halod::start_with(&rig.chains(), &["--config", config.to_str().unwrap()])
}

/// Waits until all these lines were read.
fn await_lines(halod: &Halod, count: u64) {
    let items = |outcome: &str| {
        halod.metric("halod_receiver_items_total", &format!("receiver=\"file_log\",outcome=\"{outcome}\""))
    };
    wait_until("the log is followed", LIMIT, || {
        items("accepted") + items("filtered") + items("rejected") >= count
    });
}

/// What an import did: records that it sealed, that were there, and that contradict one.
fn counts(said: &Said) -> [u64; 3] {
    ["sealed", "known", "conflicts"].map(|name| said.count(name))
}

/// The records of lines, without what halod says by itself.
fn sealed(rig: &Rig) -> Vec<Value> {
    let all = files(&rig.chains()).into_iter().flat_map(|file| records(&file));
    all.filter(|record| record["source"]["adapter"] == "gateway").collect()
}

/// Follows a log, then imports it through the daemon, as the writer and packed; and imports another one so before
/// it is followed. All of its lines become records.
fn once(content: &[u8], count: u64) {
    let rig = Rig::new();
    let log = rig.file("access.log", content);
    let config = follows(&rig, &log, "");
    let halod = follow(&rig, &config);
    await_lines(&halod, count);
    let through = rig.import("gateway", std::slice::from_ref(&log), &[]);
    assert_eq!((through.code, counts(&through)), (Some(0), [0, count, 0]), "{}", through.errors);
    assert!(halod.terminate().success());
    let alone = rig.import("gateway", &[rig.file("access.log.2.gz", gzip(content))], &[]);
    assert_eq!((alone.code, counts(&alone)), (Some(0), [0, count, 0]), "{}", alone.errors);
    assert_eq!(sealed(&rig).len() as u64, count);

    let rig = Rig::new();
    let log = rig.file("access.log", content);
    let first = rig.import("gateway", std::slice::from_ref(&log), &[]);
    assert_eq!((first.code, counts(&first)), (Some(0), [count, 0, 0]), "{}", first.errors);
    let halod = follow(&rig, &follows(&rig, &log, ""));
    await_lines(&halod, count);
    wait_until("all of it is known", LIMIT, || halod.duplicates() >= count);
    assert!(halod.terminate().success());
    assert_eq!(sealed(&rig).len() as u64, count);
    assert_verified(&rig.chains());
}

#[test]
fn a_line_behind_nuls_is_sealed_once() {
    once(&[line(0, "agent"), vec![0; 5000], line(1, "agent"), line(2, "agent")].concat(), 3);
}

#[test]
fn a_line_of_more_than_a_megabyte_is_sealed_once() {
    once(&[line(0, "agent"), line(1, &"x".repeat(1_200_000)), line(2, "agent")].concat(), 3);
}
