//! Files that change under a request, readers that are slow, and a server that is killed.

use super::stage::{Chain, Server, done};
use crate::support::http::Http;
use crate::support::wait_until;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// More than the kernel takes of an answer that nobody reads.
fn large(dir: &std::path::Path, stem: &str) -> Chain {
    let mut chain = Chain::new(dir, stem);
    let text = "x".repeat(400_000);
    (0..40).for_each(|_| chain.append(stem, &text));
    chain
}

/// Asks for a chain once it was verified, and reads the first bytes of the answer.
fn begin(server: &Server, link: &str) -> (TcpStream, Vec<u8>) {
    wait_until("the chain is verified", Duration::from_secs(120), || {
        server.get(&format!("{link}/meta"), &[]).status == 200
    });
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
        .write_all(
            format!("GET {link}/chain HTTP/1.1\r\nhost: halod\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
    let mut first = vec![0; 4096];
    let read = stream.read(&mut first).unwrap();
    first.truncate(read);
    (stream, first)
}

fn rest(mut stream: TcpStream, mut first: Vec<u8>) -> Vec<u8> {
    let _ = stream.read_to_end(&mut first);
    let at = first.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    first.split_off(at)
}

#[test]
fn a_file_replaced_under_a_request_is_read_to_its_own_end() {
    let dir = tempfile::tempdir().unwrap();
    let chain = large(dir.path(), "acme");
    let before = chain.text();
    let server = Server::start(dir.path(), &["--open"]);
    let link = server.link("acme.jsonl");
    let (stream, first) = begin(&server, &link);
    let new = tempfile::tempdir().unwrap();
    let other = Chain::of(new.path(), "acme", "acme", 3);
    std::fs::copy(&other.path, dir.path().join("new")).unwrap();
    std::fs::rename(dir.path().join("new"), &chain.path).unwrap();
    assert!(rest(stream, first) == before.as_bytes(), "what was begun is whole");
    assert_eq!(server.get(&format!("{link}/chain"), &[]).text(), other.text(), "what comes then is new");
    // One that is cut off under a request breaks it off: no part passes for the whole.
    std::fs::write(&chain.path, &before).unwrap();
    let (stream, first) = begin(&server, &link);
    std::fs::File::options().write(true).open(&chain.path).unwrap().set_len(5000).unwrap();
    assert!(rest(stream, first).len() < before.len());
    assert_eq!(server.get(&format!("{link}/records?n=1"), &[]).status, 404, "nothing of it is whole now");
}

#[test]
fn slow_readers_hold_up_nobody_and_take_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    large(dir.path(), "acme");
    Chain::of(dir.path(), "zeta", "zeta", 3);
    let server = Server::start(dir.path(), &["--open"]);
    let (link, other) = (server.link("acme.jsonl"), server.link("zeta.jsonl"));
    drop(begin(&server, &link));
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let before = memory();
    // 16 MB each.
    let slow: Vec<_> = (0..40).map(|_| begin(&server, &link)).collect();
    for _ in 0..20 {
        assert_eq!(server.get(&format!("{other}/records"), &[]).status, 200);
    }
    let after = memory();
    assert!(after < before + 100, "{before} MiB, {after} MiB with {} slow readers", slow.len());
}

#[test]
fn a_server_that_is_killed_while_it_streams_leaves_all_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let chain = large(dir.path(), "acme");
    done(&["grant", "acme", "alice@shared.example"], dir.path());
    let before = chain.text();
    let server = Server::start(dir.path(), &["--open"]);
    let link = server.link("acme.jsonl");
    let (stream, first) = begin(&server, &link);
    drop(server);
    assert!(rest(stream, first).len() < before.len());
    assert!(chain.text() == before, "a reader changes no chain");
    let server = Server::start(dir.path(), &["--open"]);
    assert_eq!(server.link("acme.jsonl"), link);
    let again = Http::connect(server.address).unwrap().get(&format!("{link}/chain")).unwrap();
    assert!(again.body == before.as_bytes());
}
