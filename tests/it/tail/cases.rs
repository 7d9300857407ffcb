//! Logs after public bug reports of people who ingest them: each shows what its lines must become. `tests/cases` has the
//! lines of those that need nothing but to be read.

use super::fixture::{Fixture, append, assert_intact, line};
use crate::support::halod::halod;
use crate::support::root;
use crate::support::wait_until;
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// What the check shows of a case, with its exit code.
fn checked(name: &str) -> (i32, Value) {
    let out =
        halod(&["tail", "--json", "--check"], &[root().join("tests/cases").join(name).join("access.log")]);
    (out.status.code().unwrap(), serde_json::from_slice(&out.stdout).unwrap())
}

/// The data of each record that is shown.
fn shown(told: &Value) -> Vec<Value> {
    let all = told["shown"].as_array().unwrap().iter();
    all.filter_map(|shown| shown.get("record").cloned()).collect()
}

fn data(name: &str, key: &str) -> Vec<Value> {
    let (code, told) = checked(name);
    assert_eq!((code, &told["rejected"]), (0, &0.into()), "{told}");
    shown(&told).iter().map(|record| record["data"][key].clone()).collect()
}

#[test]
fn what_kubernetes_puts_before_a_line_is_no_client_and_no_user() {
    assert_eq!(data("80-gw-cri-prefix", "client"), ["203.0.113.7"; 3]);
    let principals: Vec<_> =
        shown(&checked("80-gw-cri-prefix").1).iter().map(|record| record.get("principal").cloned()).collect();
    assert_eq!(principals, [None, None, None]);
}

#[test]
fn a_client_on_a_unix_socket_makes_requests() {
    assert_eq!(data("83-gw-uvicorn-uds", "path"), ["/v1/messages"; 2]);
}

#[test]
fn caddys_times_and_durations_are_read_as_text() {
    let name = "89-gw-caddy-time-duration-strings";
    assert_eq!(data(name, "duration_ms"), [500, 1234, 12]);
    assert_eq!(data(name, "ended_at"), ["2026-11-29T10:00:00.500000Z"; 3]);
}

#[test]
fn a_status_under_another_name_or_with_more_in_it_is_the_status() {
    assert_eq!(data("95-gw-status-not-understood", "http_status"), [502; 5]);
    let outcomes = shown(&checked("95-gw-status-not-understood").1);
    assert!(outcomes.iter().all(|record| record["outcome"]["status"] == "error"), "{outcomes:?}");
}

#[test]
fn a_log_that_does_not_say_what_was_requested_is_rejected() {
    let (code, told) = checked("97-gw-unknown-path-key");
    assert_eq!(
        (code, &told["records"], &told["filtered"], &told["rejected"]),
        (1, &0.into(), &0.into(), &5.into())
    );
}

#[test]
fn a_byte_order_mark_hides_no_request() {
    assert_eq!(data("98-gw-bom", "client"), ["203.0.113.7"; 2]);
}

#[test]
fn an_address_is_no_virtual_host() {
    let name = "104-gw-apache-two-addresses";
    assert_eq!(data(name, "host"), [Value::Null, Value::Null]);
    assert_eq!(data(name, "client"), ["10.9.8.7"; 2]);
    assert_eq!(data(name, "forwarded_for"), ["2001:db8:77:1::"; 2]);
}

/// 03-tail-identical-timeless-lines, with the receiver's defaults.
#[test]
fn identical_lines_without_a_time_are_sealed_or_told() {
    let fixture = Fixture::new("  file_log:\n    include: ['LOGS/litellm.log*']\n");
    let log = fixture.log("litellm.log");
    let request = "INFO:     203.0.113.7:0 - \"POST /v1/messages HTTP/1.1\" 200 OK\n";
    let halod = fixture.start();
    append(&log, request.repeat(5));
    let sealed = || halod.items("file_log", "sealed");
    wait_until("the first are sealed", Duration::from_secs(30), || sealed() == 5);
    fs::rename(&log, fixture.log("litellm.log.1")).unwrap();
    append(&log, request.repeat(8));
    wait_until("the others are sealed", Duration::from_secs(30), || sealed() == 8);
    let told = || fixture.said("litellm.log", "lines_known");
    wait_until("it is told", Duration::from_secs(30), || !told().is_empty());
    assert!(halod.terminate().success());
    let known: u64 = told().iter().map(|told| told["lines"].as_u64().unwrap()).sum();
    let requests = fixture.all().iter().filter(|record| record["source"]["adapter"] == "gateway").count();
    assert_eq!((requests, known), (8, 5));
    assert_intact(&fixture);
}

/// 12-tail-utf16.
#[test]
fn lines_of_a_log_in_utf_16_are_sealed() {
    let fixture = Fixture::new("  file_log:\n    include: ['LOGS/a.log']\n");
    let text: String = (1..6).map(line).collect();
    let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    append(&fixture.log("a.log"), [&b"\xff\xfe"[..], &wide].concat());
    let halod = fixture.start();
    fixture.await_numbers("a.log", 5);
    assert!(halod.terminate().success());
    fixture.assert_once("a.log", 1..6);
    assert_eq!(fixture.all().len(), 5);
    assert_intact(&fixture);
}
