//! What web pages may do, at every door and at the admin port. A page can be opened by anybody on the machine that halod runs on.

use crate::support::halod::Halod;
use crate::support::http::{Answer, Http, PROTOBUF};
use crate::support::spans::{request, span};
use std::net::SocketAddr;

/// What any page may send without asking first.
const FORM: &str = "text/plain;charset=UTF-8";

/// Posts to a path of each receiver's that takes JSON.
fn doors(halod: &Halod, headers: &[(&str, &str)]) -> Vec<(&'static str, Answer)> {
    let bodies = [
        ("/v1/records", "{}"),
        ("/litellm", "[]"),
        ("/api/public/ingestion", r#"{"batch":[]}"#),
        ("/runs/batch", r#"{"post":[],"patch":[]}"#),
        ("/v1/traces/ingest", r#"{"data":[]}"#),
        ("/v1/traces", r#"{"resourceSpans":[]}"#),
    ];
    let answer = |body: &str, path| halod.connect().send("POST", path, headers, body.as_bytes()).unwrap();
    bodies.into_iter().map(|(path, body)| (path, answer(body, path))).collect()
}

fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    Http::connect(to).unwrap().send("GET", path, headers, b"").unwrap()
}

fn start(dir: &std::path::Path) -> Halod {
    let config = dir.join("halod.yaml");
    let text = "receivers:\n  otlp:\n    protocols:\n      grpc:\n      http:\n        cors: { allowed_origins: ['https://app.example.com'] }\n        \
                allowed_hosts: [halod.example.com]\n";
    std::fs::write(&config, text).unwrap();
    Halod::start_with(&dir.join("records"), &["--config", config.to_str().unwrap()])
}

#[test]
fn a_page_of_another_origin_may_not_send() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    let json = ("content-type", "application/json");
    for foreign in [
        ("origin", "https://evil.org"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.org"),
        ("host", "127.0.0.1.evil.org:4318"),
    ] {
        for (path, answer) in doors(&halod, &[json, foreign]) {
            assert_eq!(answer.status, 403, "{path} {foreign:?}: {}", answer.text());
            assert!(answer.text().contains("allowed_"), "it says how to allow it: {}", answer.text());
        }
        let told = get(halod.admin, "/status", &[foreign]);
        assert!(told.status == 403 && !told.text().contains("directory"), "{foreign:?}: {}", told.text());
    }
    // What a form sends is no JSON, whoever sends it.
    for (path, answer) in doors(&halod, &[("content-type", FORM)]) {
        assert_eq!(answer.status, 415, "{path}: {}", answer.text());
    }
    let asks = [("origin", "https://evil.org"), ("access-control-request-method", "POST")];
    let answer = halod.connect().send("OPTIONS", "/v1/traces", &asks, b"").unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
    assert_eq!(halod.sealed(), 0);
    assert!(halod.terminate().success());
}

#[test]
fn who_may_send_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    for headers in [
        &[("host", "localhost")][..],
        &[("host", "halod")],
        &[("host", "halod.example.com:4318")],
        &[("host", "[::1]:4318")],
        &[("sec-fetch-site", "same-origin")],
    ] {
        let headers: Vec<_> = headers.iter().copied().chain([("content-type", PROTOBUF)]).collect();
        let body = request(None, vec![span(1, 0)]);
        let answer = halod.connect().send("POST", "/v1/traces", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
        assert_eq!(get(halod.admin, "/readyz", &headers[..1]).status, 200, "{headers:?}");
    }
    // A page that may: its browser asks, then sends and reads.
    let page = ("origin", "https://app.example.com");
    let asks =
        [page, ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
    let answer = halod.connect().send("OPTIONS", "/v1/traces", &asks, b"").unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(page.1)));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    let answer = halod.connect().send(
        "POST",
        "/v1/traces",
        &[page, ("content-type", PROTOBUF)],
        &request(None, vec![span(1, 1)]),
    );
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(page.1)));
    assert_eq!(halod.sealed(), 2);
    assert!(halod.terminate().success());
}
