//! Stopping, and who may start.

use crate::protocol::client::{H2, fed, grpc_request};
use crate::support::chains::{assert_exactly, assert_verified};
use crate::support::frames::Peer;
use crate::support::grpc::EXPORT;
use crate::support::halod::{BINARY, Halod, halod_verify, run_arguments};
use crate::support::http::{Http, PROTOBUF};
use crate::support::spans::{key, request, span};
use crate::support::wait_until;
use bytes::Bytes;
use http_body_util::BodyExt;
use rustix::process::Signal;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A request whose head and half of its body are sent; the rest of the body.
fn half_sent(halod: &Halod, n: u64) -> (Http, Vec<u8>) {
    let body = request(Some("drained"), vec![span(0x50, n)]);
    let (first, rest) = body.split_at(body.len() / 2);
    let mut connection = halod.connect();
    connection.begin("/v1/traces", &[("content-type", PROTOBUF)], body.len()).unwrap();
    connection.write(first).unwrap();
    (connection, rest.to_vec())
}

/// Admitted requests hold a permit: this many bytes are in flight.
fn await_in_flight(halod: &Halod) {
    wait_until("the request is admitted", Duration::from_secs(10), || {
        halod.metric("halod_in_flight_bytes", "") > 0
    });
}

#[test]
fn sigterm_seals_and_answers_what_was_admitted() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let (mut connection, rest) = half_sent(&halod, 1);
    await_in_flight(&halod);
    halod.signal(Signal::TERM);
    wait_until("readiness says draining", Duration::from_secs(10), || halod.ready() != 200);
    assert!(halod.alive(), "it waits for what it admitted");
    connection.write(&rest).unwrap();
    let answer = connection.answer().expect("the admitted request is answered");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(halod.wait_within(Duration::from_secs(20)).code(), Some(0));
    assert_exactly(dir.path(), [key(&span(0x50, 1))]);
    assert_verified(dir.path());
}

#[test]
fn sigint_of_an_idle_daemon_is_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let idle = halod.connect();
    halod.export(&request(Some("drained"), vec![span(0x51, 1)]));
    let start = Instant::now();
    halod.signal(Signal::INT);
    assert_eq!(halod.wait_within(Duration::from_secs(20)).code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "an idle connection held it {:?}", start.elapsed());
    drop(idle);
    assert_verified(dir.path());
}

#[test]
fn a_second_signal_ends_it_at_once_and_nothing_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    halod.export(&request(Some("drained"), vec![span(0x52, 1)]));
    let (_connection, _rest) = half_sent(&halod, 2);
    await_in_flight(&halod);
    halod.signal(Signal::TERM);
    wait_until("readiness says draining", Duration::from_secs(10), || halod.ready() != 200);
    halod.signal(Signal::TERM);
    let start = Instant::now();
    let status = halod.wait_within(Duration::from_secs(20));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(!status.success(), "an aborted drain is no success");
    halod_verify(dir.path());
    let halod = Halod::start(dir.path());
    halod.export(&request(Some("drained"), vec![span(0x52, 1), span(0x52, 2)]));
    assert_eq!((halod.sealed(), halod.duplicates()), (1, 1));
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

#[test]
fn one_directory_has_one_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut second = Command::new(BINARY);
    run_arguments(&mut second, dir.path()).stdin(Stdio::null());
    let out = second.output().expect("run a second halod");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    let named = said.contains(&dir.path().display().to_string());
    assert!(named && said.contains("another halod"), "says which directory and why: {said}");
    halod.export(&request(Some("first"), vec![span(0x53, 1)]));
    assert!(halod.terminate().success());
    assert!(Halod::start(dir.path()).terminate().success(), "free again");
}

/// Peers that ask nothing, whatever they have said and whether they answer, hold nothing up.
#[test]
fn peers_without_requests_do_not_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let peers: Vec<_> = [halod.http, halod.grpc].map(|door| Peer::connect(door).unwrap()).into();
    let mut half = halod.connect();
    half.write(b"POST /v1/traces HTTP/1.1\r\nhost: ha").unwrap();
    let silent = halod.connect();
    wait_until("they are there", Duration::from_secs(10), || {
        halod.metric("halod_connections", "door=\"otlp") == 4
    });
    let start = Instant::now();
    halod.signal(Signal::TERM);
    assert_eq!(halod.wait_within(Duration::from_secs(60)).code(), Some(0));
    println!("it ended after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(8), "they held it {:?}", start.elapsed());
    drop((peers, half, silent));
}

/// What was refused already is read on, so that its sender sees the answer: not when halod stops.
#[test]
fn a_refused_body_that_drips_does_not_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let mut http = halod.connect();
    http.begin("/nowhere", &[("content-type", PROTOBUF)], 8 << 20).unwrap();
    // Fast enough at first not to be given up.
    http.write(&vec![0; 2 << 20]).unwrap();
    wait_until("it is under way", Duration::from_secs(10), || {
        halod.metric("halod_requests_in_flight", "") == 1
    });
    let start = Instant::now();
    halod.signal(Signal::TERM);
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(200));
        let _ = http.write(b"x");
    }
    assert_eq!(halod.wait_within(Duration::from_secs(60)).code(), Some(0));
    println!("it ended after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(10), "it held it {:?}", start.elapsed());
}

/// A body that drips is refused, and its sender told to send again.
#[test]
fn a_body_that_drips_does_not_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let (mut http, _) = half_sent(&halod, 1);
    let address = halod.grpc;
    let dripping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut h2 = H2::tcp(address).await.unwrap();
            let (feeder, body) = fed();
            let answer = h2.begin(grpc_request(EXPORT, &[], BodyExt::boxed(body))).await.unwrap();
            let drips = async {
                // A message of a MiB is announced.
                feeder.send(Bytes::from_static(&[0, 0, 16, 0, 0])).ok();
                loop {
                    feeder.send(Bytes::from(vec![0; 4096])).ok();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::select! { answer = answer => answer, () = drips => unreachable!() }
        })
    });
    wait_until("both are admitted", Duration::from_secs(10), || {
        halod.metric("halod_requests_in_flight", "") == 2
    });
    let start = Instant::now();
    halod.signal(Signal::TERM);
    for _ in 0..5 {
        // It goes on: a byte now and then.
        std::thread::sleep(Duration::from_millis(300));
        let _ = http.write(b"x");
    }
    let answer = http.answer().expect("it is answered");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
    let answer = dripping.join().unwrap().expect("it is answered");
    assert!(
        answer.code() == Ok(14) && answer.grpc_status().unwrap().has("RetryInfo"),
        "{}",
        answer.summary()
    );
    assert_eq!(halod.wait_within(Duration::from_secs(60)).code(), Some(0));
    println!("it ended after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(10), "they held it {:?}", start.elapsed());
}
