//! Rows H1 to H13.

use super::fixture::{Answer, Call, Fixture, Post, Verdict, connect_h2, small_limits};
use super::fixture::{has_bad_request, has_retry_info, wait_for};
use super::sender::{JSON_SPAN, TOOL, frame, gzip, logs, metrics, span, tool_span, traces, zstd};
use crate::ingest::requests::Transport::Http;
use crate::net::limits::Limits;
use crate::pipeline::arriving::FIRST;
use crate::pipeline::refusal::Refusal;
use halo_adapters::otlp::Signal;
use http::{Method, Request};
use http_body_util::Full;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn one_tool() -> Vec<u8> {
    traces(&[], &[tool_span(1)])
}

fn is_full_success(answer: &Answer, content_type: &str) -> bool {
    let body: &[u8] = if content_type == "application/json" { b"{}" } else { b"" };
    answer.status == 200 && answer.header("content-type") == content_type && answer.body == body
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

#[test]
fn h1_h2_h4_every_path_and_encoding_on_http1_and_h2c() {
    let fixture = Fixture::new();
    for (path, body) in [("/v1/traces", one_tool()), ("/v1/logs", logs())] {
        // Nothing of these logs is an agent's action, which is told.
        let is_as_told = |answer: &Answer| match path {
            "/v1/logs" => answer.status == 200 && answer.body.starts_with(b"\x0a"),
            _ => is_full_success(answer, PROTOBUF),
        };
        assert!(is_as_told(&fixture.http(Post::protobuf(body.clone()).to(path))), "{path}");
        assert!(is_full_success(&fixture.http(Post::json("{}").to(path)), JSON), "{path}");
        let over_h2 = fixture.runtime.block_on(async {
            let mut client = connect_h2(fixture.addr).await;
            let request = Request::post(format!("http://halod{path}")).header("content-type", PROTOBUF);
            client.send(request.body(Full::new(body.into())).unwrap()).await
        });
        assert!(is_as_told(&over_h2), "{path}");
    }
    assert!(is_full_success(&fixture.http(Post::json(JSON_SPAN)), JSON));
    let warned = fixture.http(Post::protobuf(metrics()).to("/v1/metrics"));
    assert!(warned.status == 200 && warned.body.starts_with(b"\x0a"));
    let warned = fixture.http(Post::json("{}").to("/v1/metrics"));
    assert!(warned.json()["partialSuccess"]["errorMessage"].as_str().unwrap().contains("metrics"));
    assert!(warned.json()["partialSuccess"].get("rejectedDataPoints").is_none());
    assert_eq!(fixture.subjects().len(), 3);
}

#[test]
fn h1_both_protocols_share_one_door() {
    let fixture = Fixture::new();
    assert!(is_full_success(&fixture.http(Post::json(JSON_SPAN)), JSON));
    assert_eq!(fixture.export(&one_tool()).grpc_status(), 0);
    let grpc_over_http1 = fixture.http(Post::of("application/grpc", frame(0, &one_tool())));
    assert_eq!(grpc_over_http1.status, 505);
    assert!(grpc_over_http1.http_details().message.contains("HTTP/2"));
}

#[test]
fn h2_content_types_in_any_case_with_parameters() {
    let fixture = Fixture::new();
    for (sent, mirrored) in [
        ("application/json; charset=utf-8", JSON),
        ("Application/JSON ;charset=\"utf-8\"", JSON),
        ("APPLICATION/X-PROTOBUF", PROTOBUF),
        ("application/x-protobuf;v=1", PROTOBUF),
    ] {
        let body = if mirrored == JSON { JSON_SPAN.as_bytes().to_vec() } else { one_tool() };
        assert!(is_full_success(&fixture.http(Post::of(sent, body)), mirrored), "{sent}");
    }
}

#[test]
fn h3_h5_other_types_methods_and_paths() {
    let fixture = Fixture::new();
    let post = |content_type, path| Post::of(content_type, b"{}".to_vec()).to(path);
    let method = |method, content_type| Post { method, ..post(content_type, "/v1/traces") };
    for (request, status, code, encoding) in [
        (post("text/plain", "/v1/traces"), 415, 12, JSON),
        (post("application/protobuf", "/v1/traces"), 415, 12, JSON),
        (post("application/grpc-web", "/v1/traces"), 415, 12, JSON),
        (Post { headers: vec![], ..post("", "/v1/traces") }, 415, 12, JSON),
        (Post { headers: vec![("content-type", b"\xffjson")], ..post("", "/v1/traces") }, 415, 12, JSON),
        (method(Method::GET, PROTOBUF), 405, 12, PROTOBUF),
        (method(Method::PUT, JSON), 405, 12, JSON),
        (method(Method::DELETE, "text/html"), 405, 12, JSON),
        (post(JSON, "/"), 404, 12, JSON),
        (post(PROTOBUF, "/v1/traces/"), 404, 12, PROTOBUF),
        (post(PROTOBUF, "/v1development/profiles"), 404, 12, PROTOBUF),
    ] {
        let answer = fixture.http(request);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type"), encoding, "{status}");
        assert_eq!(answer.header("allow"), if status == 405 { "POST" } else { "" });
        assert_eq!(answer.header("retry-after"), "");
        let details = answer.http_details();
        assert!(details.code == code && !details.message.is_empty(), "{details:?}");
    }
}

#[test]
fn h4_partial_success_in_both_encodings() {
    let fixture = Fixture::new();
    let answer = fixture.http(Post::protobuf(traces(&[], &[tool_span(1), span(0, &[TOOL])])));
    assert_eq!(
        (answer.status.as_u16(), answer.body[0], answer.body[2], answer.body[3]),
        (200, 0x0a, 0x08, 1)
    );
    let two = JSON_SPAN.replacen(
        r#""spans":[{"#,
        r#""spans":[{"traceId":"00000000000000000000000000000000","spanId":"0102030405060708"},{"#,
        1,
    );
    let answer = fixture.http(Post::json(&two));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
}

#[test]
fn h6_what_cannot_be_decoded_is_a_bad_request() {
    let fixture = Fixture::new();
    let cut = one_tool().len() - 3;
    for request in [
        Post::protobuf(one_tool()[..cut].to_vec()),
        Post::protobuf(vec![0xff; 50]),
        Post::json(""),
        Post::json(&JSON_SPAN[..100]),
        Post::json("{} {}"),
        Post::json("[]"),
    ] {
        let answer = fixture.http(request);
        assert_eq!(answer.status, 400);
        let details = answer.http_details();
        assert!(details.code == 3 && has_bad_request(&details) && !has_retry_info(&details), "{details:?}");
    }
    let garbage = fixture.raw(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n");
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
}

#[test]
fn h7_transient_trouble_is_503_with_a_delay() {
    let fixture = Fixture::new();
    for (refusal, seconds) in [
        (Refusal::Full { limit: 1, retry_after: Duration::from_millis(1500) }, "2"),
        (Refusal::Stopping, "1"),
        (Refusal::Poisoned, "1"),
        (Refusal::DiskLow, "10"),
        (Refusal::ChainUnusable, "1"),
    ] {
        fixture.set(Verdict::Refuse(refusal));
        for request in [Post::protobuf(one_tool()), Post::json(JSON_SPAN)] {
            let answer = fixture.http(request);
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, seconds));
            let details = answer.http_details();
            assert!(details.code == 14 && has_retry_info(&details), "{details:?}");
        }
    }
}

#[test]
fn h8_gzip_and_zstd_work_and_other_encodings_are_refused() {
    let fixture = Fixture::new();
    let (packed, half) = (gzip(&one_tool()), one_tool().len() / 2);
    let members = [gzip(&one_tool()[..half]), gzip(&one_tool()[half..])].concat();
    let frames = [zstd(&one_tool()[..half]), zstd(&one_tool()[half..])].concat();
    let encoded = |encoding: &'static str, body: &[u8]| {
        let mut post = Post::protobuf(body.to_vec());
        post.headers.push(("content-encoding", encoding.as_bytes()));
        post
    };
    for (request, status) in [
        (encoded("gzip", &packed), 200),
        (encoded("GZIP", &packed), 200),
        (encoded("gzip", &members), 200),
        (encoded("identity", &one_tool()), 200),
        (encoded("gzip", &packed[..packed.len() - 5]), 400),
        (encoded("gzip", &one_tool()), 400),
        (encoded("gzip", b""), 400),
        (encoded("br", &one_tool()), 415),
        (encoded("zstd", &zstd(&one_tool())), 200),
        (encoded("Zstd", &frames), 200),
        (encoded("zstd", &packed), 400),
        (encoded("zstd", b""), 400),
        (encoded("deflate", &one_tool()), 415),
        (encoded("gzip, gzip", &packed), 415),
        (encoded("gz\u{ef}p", &packed), 415),
        (encoded("gzip", &packed).gzip(), 415),
    ] {
        let answer = fixture.http(request);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("accept-encoding"), if status == 415 { "gzip, zstd" } else { "" });
    }
    assert!(is_full_success(&fixture.http(Post::of(JSON, gzip(JSON_SPAN.as_bytes())).gzip()), JSON));
}

#[test]
fn h9_body_limit_declared_chunked_and_after_decompression() {
    let fixture = Fixture::new();
    let bomb = gzip(&vec![0; 3 << 20]);
    for request in [
        Post::protobuf(vec![0; 100_001]),
        Post::protobuf(gzip(&vec![0; 100_001])).gzip(),
        Post::of(JSON, bomb).gzip(),
    ] {
        let answer = fixture.http(request);
        assert_eq!(answer.status, 413);
        let details = answer.http_details();
        assert!(details.code == 8 && !has_retry_info(&details), "{details:?}");
        assert_eq!(answer.header("retry-after"), "");
    }
    let head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
    let chunked = fixture.raw(&[head.as_slice(), &chunk.repeat(10), b"0\r\n\r\n"].concat());
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    assert_eq!(fixture.intake.in_flight(), 0);
}

/// A sender that reads only after it has written everything, as most do, must not be reset.
#[test]
fn h9_a_refused_sender_gets_to_see_why() {
    let fixture = Fixture::with(Limits { body: 4 << 20, ..small_limits() });
    let head = |path: &str, length: usize, more: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n"
        )
    };
    // More than socket buffers hold, and less than what is read of a refused body.
    let body = vec![b' '; 7 << 20];
    for (path, more, status) in
        [("/v1/traces", "", 413), ("/nowhere", "", 404), ("/v1/traces", "content-encoding: br\r\n", 415)]
    {
        let more = format!("{more}connection: close\r\n");
        let answer = fixture.raw(&[head(path, body.len(), &more).as_bytes(), &body].concat());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    // Waits for leave to send its body, and is told at once that it has none.
    let expect = "expect: 100-continue\r\nconnection: close\r\n";
    let began = Instant::now();
    let answer = fixture.raw(head("/v1/traces", 1 << 30, expect).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413") && began.elapsed() < Duration::from_secs(5), "{answer}");
}

#[test]
fn h10_chunked_bodies_expectations_and_kept_connections() {
    let fixture = Fixture::new();
    let mut socket = TcpStream::connect(fixture.addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let read_until = |socket: &mut TcpStream, end: &str| {
        let mut text = String::new();
        let mut piece = [0; 512];
        while !text.ends_with(end) {
            let length = socket.read(&mut piece).unwrap();
            assert!(length > 0, "closed after {text:?}");
            text.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        text
    };
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for _ in 0..3 {
        write!(socket, "{head}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n").unwrap();
        assert!(read_until(&mut socket, "{}").starts_with("HTTP/1.1 200"));
    }
    write!(socket, "{head}expect: 100-continue\r\ncontent-length: 2\r\n\r\n").unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    write!(socket, "{{}}").unwrap();
    assert!(read_until(&mut socket, "{}").starts_with("HTTP/1.1 200"));
}

#[test]
fn h11_slow_senders_are_given_up() {
    let limits = Limits {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..small_limits()
    };
    let fixture = Fixture::with(limits);
    let began = Instant::now();
    assert_eq!(fixture.raw(b""), "", "a silent connection is closed");
    assert_eq!(fixture.raw(b"PRI"), "", "so is half a preface");
    let half_a_head = fixture.raw(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-a: b");
    assert!(half_a_head.is_empty() || half_a_head.starts_with("HTTP/1.1 408"), "{half_a_head}");
    let slow = fixture.raw(
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{",
    );
    assert!(slow.starts_with("HTTP/1.1 503") && slow.contains("retry-after: 1"), "{slow}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(fixture.intake.in_flight(), 0);
}

#[test]
fn h11_headers_are_bounded() {
    let fixture = Fixture::new();
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(40_000));
    assert!(fixture.raw(many.as_bytes()).starts_with("HTTP/1.1 431"));
    let long = "x".repeat(40_000);
    let refused = fixture.runtime.block_on(async {
        let mut client = connect_h2(fixture.addr).await;
        let call = Call { headers: vec![("x-long", &long)], ..Call::default() };
        client.begin(call.request()).await.map(|response| response.status().as_u16())
    });
    assert!(!matches!(refused, Ok(200)), "{refused:?}");
}

#[test]
fn h11_a_sender_that_leaves_halfway_holds_nothing() {
    let fixture = Fixture::new();
    let mut socket = TcpStream::connect(fixture.addr).unwrap();
    socket
        .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{")
        .unwrap();
    wait_for("the admission", || fixture.intake.in_flight() == FIRST);
    drop(socket);
    wait_for("its return", || fixture.intake.in_flight() == 0);
    assert!(is_full_success(&fixture.http(Post::json("{}")), JSON));
}

#[test]
fn h11_connections_wait_when_all_slots_are_taken() {
    let fixture = Fixture::with(Limits { connections: 1, ..small_limits() });
    let mut first = TcpStream::connect(fixture.addr).unwrap();
    first
        .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{")
        .unwrap();
    wait_for("the admission", || fixture.intake.in_flight() == FIRST);
    let mut second = TcpStream::connect(fixture.addr).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    assert!(second.read(&mut [0; 10]).is_err(), "not served while a request is under way");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[test]
fn h12_a_request_of_another_signal_is_detected() {
    let fixture = Fixture::new();
    for request in [
        Post::protobuf(logs()),
        Post::protobuf(metrics()),
        Post::protobuf(one_tool()).to("/v1/logs"),
        Post::protobuf(one_tool()).to("/v1/metrics"),
        Post::json(r#"{"resourceLogs":[]}"#),
        Post::json(JSON_SPAN).to("/v1/logs"),
    ] {
        let path = request.path;
        let answer = fixture.http(request);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.http_details().message.contains("sent to"), "{:?}", answer.http_details());
    }
    assert_eq!(fixture.subjects().len(), 0);
}

#[test]
fn h13_no_cross_origin_answers() {
    let fixture = Fixture::new();
    let mut preflight = Post { method: Method::OPTIONS, ..Post::json("") };
    preflight.headers.push(("origin", b"http://elsewhere"));
    preflight.headers.push(("access-control-request-method", b"POST"));
    let answer = fixture.http(preflight);
    assert_eq!(answer.status, 403);
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[test]
fn a_tenant_header_that_is_no_text_rejects_what_depends_on_it() {
    let fixture = Fixture::new();
    let mut post = Post::protobuf(one_tool());
    post.headers.push(("x-tenant-id", b"\xff\xfe"));
    let answer = fixture.http(post);
    assert_eq!(answer.status, 400);
    assert!(answer.http_details().message.contains("not UTF-8"));
    let mut post = Post::protobuf(traces(&[("tenant.id", "acme")], &[tool_span(1)]));
    post.headers.push(("x-tenant-id", b"\xff\xfe"));
    assert!(is_full_success(&fixture.http(post), PROTOBUF));
    let mut post = Post::protobuf(one_tool());
    post.headers.push(("x-tenant-id", "münchen".as_bytes()));
    assert!(is_full_success(&fixture.http(post), PROTOBUF));
    assert_eq!(fixture.subjects(), [Some("acme".to_owned()), Some("münchen".to_owned())]);
    assert_eq!((fixture.items(Signal::Traces, "tenant"), fixture.requests(Http)), (1, [2, 1, 0]));
}
