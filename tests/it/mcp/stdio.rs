//! Over standard input and output.

use super::{Peer, captured, known, proxy, told, wait_for};
use crate::clients::assert_nowhere;
use crate::support::chains::assert_verified;
use crate::support::halod::{Halod, halod_verify};
use crate::support::random::Random;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn calls_become_records_and_nothing_else_changes() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut peer = Peer::of(dir.path());
    peer.greet();
    assert_eq!(peer.call(1, "pay")["result"]["content"][0]["text"], "pay");
    assert_eq!(peer.call(2, "fail")["result"]["isError"], true);
    let secret = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff1234567890";
    peer.ask(3, "tools/call", &json!({"name": "pay", "arguments": {"api_key": secret}}));
    peer.say(r#"{"id":4,"method":"tools/call","params":{"name":"silent"}}"#);
    let (code, said) = peer.end();
    assert_eq!((code, said.as_str()), (Some(7), "as told\n"));
    let records = wait_for(dir.path(), 6);
    let expected = [
        ("agent.session_start", "ok"),
        ("mcp__acme__pay", "ok"),
        ("mcp__acme__fail", "error"),
        ("mcp__acme__pay", "ok"),
        ("mcp__acme__silent", "-"),
        ("agent.session_end", "ok"),
    ];
    assert_eq!(told(&records), expected.map(|(tool, status)| (tool.to_owned(), status.to_owned())));
    let call = &records[1];
    assert_eq!(call["action"]["authorization"]["scope"], "mcp:acme");
    assert_eq!(call["agent"]["name"], "agent");
    let data = &call["data"];
    assert_eq!(
        (&data["seq"], &data["transport"], &data["rpc_id"]),
        (&json!(2), &json!("stdio"), &json!("1"))
    );
    assert_eq!(records[4]["data"]["outcome"], "unknown");
    assert_eq!(records[5]["data"]["seq"], 6);
    assert!(records.iter().all(|record| record.get("conflicts_with").is_none()));
    assert_nowhere(dir.path(), secret);
    halod.terminate();
    halod_verify(dir.path());
    assert_verified(dir.path());
}

#[test]
fn every_byte_passes_whatever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    known(dir.path());
    let mut random = Random::new("bytes");
    let mut bytes: Vec<u8> = (0..3_000_000).map(|_| u8::try_from(random.between(0, 256)).unwrap()).collect();
    bytes.extend_from_slice(b"\xff\r\n\0no line break at the end");
    let mut child = proxy(dir.path(), &["--", "cat"]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let sends = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let out = child.wait_with_output().unwrap();
    sends.join().unwrap();
    assert!(out.status.success() && out.stdout == bytes);
}

#[test]
fn ends_and_signals_are_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    known(dir.path());
    let code = |arguments: &[&str]| {
        let out = proxy(dir.path(), arguments).stdin(Stdio::null()).output().unwrap();
        out.status.code()
    };
    assert_eq!(code(&["--", "sh", "-c", "exit 42"]), Some(42));
    assert_eq!(code(&["--", "sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(code(&["--", "/no/such/program"]), Some(127));
    assert_eq!(code(&["--", "/"]), Some(126));
    assert_eq!(code(&[]), Some(2));
    // The server is told, and says what that comes to; the client holds its streams open.
    let script = "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let mut peer = Peer::new(proxy(dir.path(), &["--", "sh", "-c", script]));
    assert_eq!(peer.hear(), "up\n");
    kill_process(Pid::from_child(&peer.child), Signal::TERM).unwrap();
    assert_eq!(peer.hear(), "told\n");
    assert_eq!(peer.child.wait().unwrap().code(), Some(3));
    // Who no longer listens is known to the other.
    let mut peer = Peer::new(proxy(dir.path(), &["--", "sh", "-c", "exec <&-; echo deaf; sleep 60"]));
    assert_eq!(peer.hear(), "deaf\n");
    let mut input = peer.input.take().unwrap();
    let deaf = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        input.write_all(b"x\n").is_err()
    });
    assert!(deaf, "a client learns that nobody reads");
    kill_process(Pid::from_child(&peer.child), Signal::TERM).unwrap();
    peer.child.wait().unwrap();
}

#[test]
fn without_a_daemon_ever_the_client_is_served_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut peer = Peer::of(dir.path());
    peer.greet();
    assert_eq!(peer.call(1, "pay")["id"], 1);
    let (code, said) = peer.end();
    assert_eq!(code, Some(7));
    assert!(said.contains("nothing that passes has a record for now"), "{said}");
    assert!(said.contains("3 records could neither be sent nor kept"), "{said}");
    let out = proxy(dir.path(), &["--strict", "--", "true"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn nothing_is_lost_or_doubled_while_daemons_are_killed() {
    const CALLS: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    known(dir.path());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new("daemons");
            while !over.load(Ordering::Relaxed) {
                let halod = Halod::start(dir.path());
                std::thread::sleep(Duration::from_millis(random.between(0, 300)));
                halod.kill9();
            }
        });
        let mut peer = Peer::of(dir.path());
        peer.greet();
        for id in 1..=CALLS {
            assert_eq!(peer.call(id, "pay")["id"], id);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(peer.end().0, Some(7));
        over.store(true, Ordering::Relaxed);
    });
    let halod = Halod::start(dir.path());
    let all = usize::try_from(CALLS).unwrap() + 2;
    wait_for(dir.path(), all);
    assert!(halod.terminate().success());
    let mut seen = BTreeMap::new();
    for record in captured(dir.path()) {
        *seen
            .entry((record["data"]["mcp_method"].to_string(), record["data"]["seq"].as_u64()))
            .or_insert(0) += 1;
    }
    assert!(seen.len() == all && seen.values().all(|count| *count == 1), "{seen:?}");
    halod_verify(dir.path());
    assert_verified(dir.path());
}
