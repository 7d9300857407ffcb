//! Who gets in: versions, protocols, certificates of clients, and who speaks without TLS.

use super::start;
use crate::protocol::client::{H2, whole};
use crate::support::certificates::{Authority, EVERY, Pair, Secured, client, connect};
use crate::support::clients::openssl;
use crate::support::grpc::{EXPORT, frame};
use crate::support::halod::Halod;
use crate::support::http::{Http, PROTOBUF};
use crate::support::spans::{request, span};
use crate::support::wait_until;
use bytes::Bytes;
use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

fn broken(halod: &Halod, reason: &str) -> u64 {
    halod.metric("halod_connections_broken_total", &format!("reason=\"{reason}\""))
}

fn body(n: u64) -> Vec<u8> {
    request(Some("acme"), vec![span(0x70, n)])
}

/// One handshake of openssl's client.
fn s_client(to: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = openssl();
    command.args(["s_client", "-brief", "-connect", &to.to_string()]).args(arguments);
    command.stdin(Stdio::null()).output().expect("run openssl")
}

#[test]
fn each_version_and_protocol_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (halod, _records) = start(dir.path(), &authority.server("server", 30).section(""));
    let trusts = &authority.own.certificate;
    let mut n = 0;
    for version in [&TLS12, &TLS13] {
        for protocols in [&["http/1.1"][..], &[]] {
            n += 1;
            let config = client(trusts, None, &[version], protocols);
            let mut http = Secured::connect(halod.http, &config).unwrap();
            assert_eq!(http.export(&body(n)).unwrap(), 200, "{version:?} {protocols:?}");
        }
        n += 1;
        let framed = Bytes::from(frame(0, &body(n)));
        let config = client(trusts, None, &[version], &["h2"]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let seen = runtime.block_on(async {
            let stream = connect(halod.grpc, &config).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let mut h2 = H2::over(stream).await.unwrap();
            let request = http::Request::post(format!("http://localhost{EXPORT}"));
            let request = request.header("content-type", "application/grpc").header("te", "trailers");
            h2.begin(request.body(whole(framed)).unwrap()).await.unwrap().await.unwrap()
        });
        assert_eq!(seen.code(), Ok(0), "{version:?}");
    }
    assert_eq!((halod.sealed(), broken(&halod, "handshake")), (n, 0));
    // Another library's word for it, and what is too old.
    let weak = ["-cipher", "ALL:@SECLEVEL=0"];
    assert!(s_client(halod.http, &["-tls1_2"]).status.success());
    let old = s_client(halod.http, &[&["-tls1_1"], &weak[..]].concat());
    assert!(!old.status.success(), "{}", String::from_utf8_lossy(&old.stdout));
    wait_until("it is counted", Duration::from_secs(10), || broken(&halod, "handshake") == 1);
    assert!(halod.terminate().success());
}

#[test]
fn a_door_may_ask_for_the_newest_version() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (halod, _records) =
        start(dir.path(), &authority.server("server", 30).section(", min_version: \"1.3\""));
    let of = |version| client(&authority.own.certificate, None, &[version], &["http/1.1"]);
    assert_eq!(Secured::connect(halod.http, &of(&TLS13)).unwrap().export(&body(1)).unwrap(), 200);
    assert!(Secured::connect(halod.http, &of(&TLS12)).is_err());
    assert!(halod.terminate().success());
}

#[test]
fn clients_need_a_certificate_where_the_door_asks_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let [authority, ours, theirs] =
        ["authority", "ours", "theirs"].map(|name| Authority::new(dir.path(), name));
    let asks = format!(", client_ca_file: {}", ours.own.certificate.display());
    let (halod, _records) = start(dir.path(), &authority.server("server", 30).section(&asks));
    let export = |shows: Option<&Pair>, n: u64| {
        let config = client(&authority.own.certificate, shows, EVERY, &["http/1.1"]);
        // With TLS 1.3 the client is done before it is refused.
        Secured::connect(halod.http, &config).and_then(|mut http| http.export(&body(n)))
    };
    // One that an authority below ours signed, with that authority's behind it.
    let below = ours.below("below");
    let chained = below.client("chained");
    let chain = [&chained.certificate, &below.own.certificate].map(|path| std::fs::read(path).unwrap());
    std::fs::write(&chained.certificate, chain.concat()).unwrap();
    assert_eq!(export(Some(&ours.client("one")), 1).unwrap(), 200);
    assert_eq!(export(Some(&chained), 2).unwrap(), 200);
    assert!(export(None, 3).is_err(), "without a certificate");
    assert!(export(Some(&theirs.client("other")), 4).is_err(), "another authority's");
    assert!(export(Some(&ours.server("not-a-client", 30)), 5).is_err(), "one for servers");
    wait_until("they are counted", Duration::from_secs(10), || broken(&halod, "handshake") == 3);
    assert_eq!(halod.sealed(), 2);
    halod.await_log("a TLS handshake failed");
    assert!(halod.terminate().success());
}

#[test]
fn who_speaks_otherwise_than_the_door_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (halod, _records) = start(dir.path(), &authority.server("server", 30).section(""));
    let answer = Http::connect(halod.http).unwrap().post("/v1/traces", &[("content-type", PROTOBUF)], &[]);
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (400, "this door speaks TLS; use https:// for it\n"));
    wait_until("it is counted", Duration::from_secs(10), || broken(&halod, "not_tls") == 1);
    assert!(halod.terminate().success());

    let records = tempfile::tempdir().unwrap();
    let halod = Halod::start(records.path());
    let config = client(&authority.own.certificate, None, EVERY, &["http/1.1"]);
    for _ in 0..3 {
        assert!(Secured::connect(halod.http, &config).is_err());
    }
    wait_until("they are counted", Duration::from_secs(10), || broken(&halod, "tls") == 3);
    let said = halod.log().lines().filter(|line| line.contains("speaks TLS where")).count();
    assert_eq!(said, 1, "{}", halod.log());
    assert!(halod.terminate().success());
}

/// Peers that begin no handshake, or a part of one, keep nobody else waiting, and are turned away.
#[test]
fn a_handshake_that_does_not_come_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (halod, _records) = start(dir.path(), &authority.server("server", 30).section(""));
    let mut silent: Vec<_> = (0..50).map(|_| Http::connect(halod.http).unwrap()).collect();
    for half in silent.iter_mut().step_by(2) {
        half.write(&[0x16, 3, 1]).unwrap();
    }
    // One who only looks whether the port is open is no failure.
    drop(Http::connect(halod.http).unwrap());
    let config = client(&authority.own.certificate, None, EVERY, &["http/1.1"]);
    for n in 0..10 {
        assert_eq!(Secured::connect(halod.http, &config).unwrap().export(&body(n)).unwrap(), 200);
    }
    assert_eq!(broken(&halod, "timeout"), 0, "they are still there");
    wait_until("they are turned away", Duration::from_secs(30), || broken(&halod, "timeout") == 50);
    drop(silent);
    assert_eq!(broken(&halod, "handshake"), 0);
    assert!(halod.terminate().success());
}

/// Whoever is in the middle of a handshake, or done with it and silent, does not hold a stop.
#[test]
fn stopping_waits_for_no_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (mut halod, _records) = start(dir.path(), &authority.server("server", 30).section(""));
    let mut half = Http::connect(halod.http).unwrap();
    half.write(&[0x16, 3, 1]).unwrap();
    let silent = Http::connect(halod.grpc).unwrap();
    let config = client(&authority.own.certificate, None, EVERY, &["h2"]);
    let done = Secured::connect(halod.grpc, &config).unwrap();
    wait_until("they are there", Duration::from_secs(10), || {
        halod.metric("halod_connections", "door=\"otlp") == 3
    });
    let began = Instant::now();
    halod.signal(Signal::TERM);
    assert_eq!(halod.wait_within(Duration::from_secs(60)).code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "they held it {:?}", began.elapsed());
    drop((half, silent, done));
}
