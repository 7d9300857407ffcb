//! What a report is made of, over HTTP: lines, parts, packed, as it grows.

use super::stage::{Chain, Server};
use crate::checkpoints::{Place, await_covered, check};
use crate::support::http::Http;
use crate::support::spans::{request, span};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;
use std::time::Instant;

fn meta(server: &Server, link: &str) -> Value {
    let answer = server.get(&format!("{link}/meta"), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn lines_come_as_they_lie_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::of(dir.path(), "acme", "acme", 450);
    let server = Server::start(dir.path(), &["--open"]);
    let link = server.link("acme.jsonl");
    let text = chain.text();
    let lines: Vec<&str> = text.lines().collect();
    for (query, first, count) in [
        ("", 1, 200),
        ("?from=1&n=1", 1, 1),
        ("?from=64&n=3", 64, 3),
        ("?from=65&n=2", 65, 2),
        ("?from=450", 450, 1),
        ("?from=301&n=99999", 301, 150),
    ] {
        let answer = server.get(&format!("{link}/records{query}"), &[]);
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.header("x-first"), Some(first.to_string().as_str()), "{query}");
        assert_eq!(answer.header("x-count"), Some(count.to_string().as_str()), "{query}");
        assert_eq!(answer.text().lines().collect::<Vec<_>>(), lines[first - 1..first - 1 + count], "{query}");
    }
    for (query, status) in [
        ("?from=451", 404),
        ("?from=0", 400),
        ("?from=x", 400),
        ("?n=0", 400),
        ("?from=99999999999999999999", 400),
    ] {
        assert_eq!(server.get(&format!("{link}/records{query}"), &[]).status, status, "{query}");
    }
    let told = meta(&server, &link);
    assert_eq!((&told["count"], &told["bytes"]), (&450.into(), &text.len().into()));
    assert_eq!((&told["subject"], &told["served"]["gate"]), (&"acme".into(), &"open".into()));
    chain.append("acme", "");
    std::fs::OpenOptions::new().append(true).open(&chain.path).unwrap();
    assert_eq!(meta(&server, &link)["count"], 451);
    // A line that is being written is not there yet.
    std::fs::write(&chain.path, format!("{}{{\"half", chain.text())).unwrap();
    let told = meta(&server, &link);
    assert_eq!((&told["count"], &told["bytes"]), (&451.into(), &(chain.text().len() - 6).into()));
    assert_eq!(
        told["head"],
        serde_json::from_str::<Value>(chain.text().lines().nth(450).unwrap()).unwrap()["integrity"]["hash"]
    );
}

#[test]
fn a_chain_comes_whole_in_parts_and_packed() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::of(dir.path(), "acme", "acme", 300);
    let server = Server::start(dir.path(), &["--open"]);
    let path = format!("{}/chain", server.link("acme.jsonl"));
    let text = chain.text();
    let whole = server.get(&path, &[]);
    assert_eq!((whole.status, whole.text()), (200, text.clone()));
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(server.get(&path, &[("if-none-match", &tag)]).status, 304);
    let packed = server.get(&path, &[("accept-encoding", "br, gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut plain = String::new();
    GzDecoder::new(&packed.body[..]).read_to_string(&mut plain).unwrap();
    assert!(plain == text && packed.body.len() < text.len() / 2);
    let part = server.get(&path, &[("range", "bytes=100-199"), ("accept-encoding", "gzip")]);
    assert_eq!((part.status, part.text()), (206, text[100..200].to_owned()));
    assert_eq!(part.header("content-range"), Some(format!("bytes 100-199/{}", text.len()).as_str()));
    let none = server.get(&path, &[("range", "bytes=99999999-")]);
    assert_eq!(
        (none.status, none.header("content-range")),
        (416, Some(format!("bytes */{}", text.len()).as_str()))
    );
    assert_eq!(server.get(&path, &[("range", "bytes=0-9"), ("if-range", &tag)]).status, 206);
    chain.append("acme", "");
    let changed = server.get(&path, &[("range", "bytes=0-9"), ("if-range", &tag)]);
    assert_eq!(
        (changed.status, changed.text()),
        (200, chain.text()),
        "a part of another state would not fit"
    );
    let head = Http::connect(server.address).unwrap().send("HEAD", &path, &[("connection", "close")], b"");
    assert!(head.is_err() || head.is_ok_and(|head| head.body.is_empty()));
}

#[test]
fn what_proves_a_record_is_checked_by_halod_check() {
    let place = Place::new();
    let halod = place.start();
    halod.export(&request(Some("acme"), (0..4).map(|n| span(1, n)).collect()));
    await_covered(&halod, &place, 4);
    let server = Server::start(&place.chains(), &["--open", "--publish-checkpoints"]);
    let link = server.link("acme.jsonl");
    let told = meta(&server, &link);
    assert_eq!(told["count"], 4);
    assert!(
        !told["slots"].as_array().unwrap().is_empty() && !told["checkpoints"].as_array().unwrap().is_empty()
    );
    let answer = server.get(&format!("{link}/proof/2?record=1"), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let file = place.path("two.halod-proof");
    std::fs::write(&file, &answer.body).unwrap();
    let (code, said) = check(&file, &["--key", &place.key()]);
    // It holds, and nobody outside has witnessed the checkpoint.
    assert_eq!((code, said), (3, Vec::new()));
    assert_eq!(server.get(&format!("{link}/proof/5"), &[]).status, 404);
    assert_eq!(server.get(&format!("{link}/proof/x"), &[]).status, 404);
    let published = server.get("/v1/checkpoints?subject=acme", &[("origin", "null")]);
    assert_eq!(published.header("access-control-allow-origin"), Some("*"));
    let listed: Value = serde_json::from_slice(&published.body).unwrap();
    let newest = listed["checkpoints"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&newest["count"], &newest["head"], &newest["subject"]),
        (&4.into(), &told["head"], &"acme".into())
    );
    assert_eq!(server.get("/v1/checkpoints", &[]).status, 400);
    halod.terminate();
    let closed = Server::start(&place.chains(), &["--open"]);
    assert_eq!(closed.get("/v1/checkpoints?subject=acme", &[]).status, 404);
}

/// The bound is for a debug build on a busy machine; a release build is to take less than 100 ms.
#[test]
fn a_thousand_chains_are_listed_quickly() {
    let dir = tempfile::tempdir().unwrap();
    (0..1000).for_each(|n| drop(Chain::of(dir.path(), &format!("t{n}"), &format!("t{n}"), 1)));
    let server = Server::start(dir.path(), &["--open"]);
    assert_eq!(server.chain("t999.jsonl")["status"], "served");
    let mut fastest = std::time::Duration::MAX;
    for _ in 0..8 {
        let begun = Instant::now();
        assert_eq!(server.console()["chains"].as_array().unwrap().len(), 1000);
        fastest = fastest.min(begun.elapsed());
    }
    println!("1,000 chains listed in {fastest:?}");
    assert!(fastest.as_millis() < 1000, "{fastest:?}");
}
