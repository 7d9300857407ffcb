//! The reference recorder and halod on one chain at the same time.

use crate::support::chains::{assert_exactly, assert_verified, of_tenant};
use crate::support::clients::{python, text_of};
use crate::support::halod::Halod;
use crate::support::root;
use crate::support::spans::{key, request, span};
use crate::support::wait_until;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn recorder(arguments: &[&str]) -> Command {
    python().script(&root().join("tests/clients/co_append.py"), arguments)
}

fn appending(dir: &Path, tenant: &str, count: usize) -> Child {
    recorder(&["append", dir.to_str().unwrap(), tenant, &count.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start python")
}

fn finish(child: Child) {
    text_of(child.wait_with_output().unwrap(), "co_append.py");
}

/// How many records the Python recorder has in a chain.
fn by_python(dir: &Path, tenant: &str) -> usize {
    of_tenant(dir, Some(tenant)).iter().filter(|r| r["action"]["tool"] == "python_tool").count()
}

#[test]
fn recorder_and_daemon_extend_one_chain_together() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let child = appending(dir.path(), "shared", 400);
    wait_until("the recorder starts", Duration::from_secs(20), || dir.path().join("shared.jsonl").exists());
    let mut connection = halod.connect();
    let mut sent = Vec::new();
    for n in 0..400 {
        let span = span(0xC0, n);
        sent.push(key(&span));
        let answer = connection.export(&request(Some("shared"), vec![span])).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    finish(child);
    finish(appending(dir.path(), "shared", 50));
    let last = span(0xC0, 400);
    sent.push(key(&last));
    halod.export(&request(Some("shared"), vec![last]));
    assert_eq!(by_python(dir.path(), "shared"), 450);
    assert_exactly(dir.path(), sent);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

#[test]
fn a_held_lock_stops_no_other_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    halod.export(&request(Some("held"), vec![span(0xC1, 0)]));
    let mut holder = recorder(&["hold", dir.path().to_str().unwrap(), "held", "4"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("start python");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "held");
    let waiting = std::thread::spawn({
        let http = halod.http;
        move || {
            let mut connection = crate::support::http::Http::connect(http).unwrap();
            connection.export(&request(Some("held"), vec![span(0xC1, 1)])).unwrap()
        }
    });
    let mut connection = halod.connect();
    let mut slowest = Duration::ZERO;
    for n in 0..100 {
        let start = Instant::now();
        let answer = connection.export(&request(Some("free"), vec![span(0xC2, n)])).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        slowest = slowest.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(holder.try_wait().unwrap().is_none(), "the lock was held all the while");
    assert!(slowest < Duration::from_secs(1), "another tenant waited {slowest:?}");
    // The held tenant's request waits for the lock, or is refused with a time to come back.
    let answer = waiting.join().unwrap();
    assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
    assert_eq!(answer.status == 503, answer.header("retry-after").is_some());
    assert!(holder.wait().unwrap().success());
    halod.export(&request(Some("held"), vec![span(0xC1, 1)]));
    let all = (0..2).map(|n| key(&span(0xC1, n))).chain((0..100).map(|n| key(&span(0xC2, n))));
    assert_exactly(dir.path(), all);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

#[test]
fn the_recorder_goes_on_when_the_daemon_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    let mut recorded = 0;
    for round in 0..3 {
        let halod = Halod::start(dir.path());
        let child = appending(dir.path(), "shared", 150);
        let mut connection = halod.connect();
        for n in 0..60 {
            let span = span(0xC3, round * 100 + n);
            let answer = connection.export(&request(Some("shared"), vec![span.clone()])).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            sent.push(key(&span));
        }
        halod.kill9();
        finish(child);
        finish(appending(dir.path(), "shared", 10));
        recorded += 160;
        assert_eq!(by_python(dir.path(), "shared"), recorded);
    }
    let halod = Halod::start(dir.path());
    halod.export(&request(Some("shared"), vec![span(0xC3, 0)]));
    assert_eq!((halod.sealed(), halod.duplicates()), (0, 1));
    assert!(halod.terminate().success());
    assert_exactly(dir.path(), sent);
    assert_verified(dir.path());
}
