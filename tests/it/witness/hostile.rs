//! Witnesses that hang, lie, or answer without end: the client says what is wrong, and takes no more than it said.

use super::client::client;
use super::stage::Log;
use halod::witness::client::{ClientError, CosignError, TIMEOUT};
use halod_evidence::cosigning::{Cosigning, Next};
use halod_evidence::note::{Kind, SignedNote, Signer};
use halod_evidence::witness::Request;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Answers each request on a port of its own with what `answer` makes of its body.
fn liar(answer: impl Fn(&[u8], &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut reader = BufReader::new(stream);
            while let Some(body) = request(&mut reader) {
                answer(&body, reader.get_mut());
            }
        }
    });
    url
}

/// The body of a request; `None` at the connection's end.
fn request(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &str) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

fn signer(name: &str) -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::of(Kind::Cosignature, name, pkcs8.as_ref()).unwrap()
}

type Outcome = Result<Next, CosignError<Infallible>>;

/// What becomes of a checkpoint of nine leaves at a witness with this key.
fn asked(url: &str, key: &Signer) -> Outcome {
    let log = Log::new();
    let mut cosigning = Cosigning::new(log.note(9), key.key().clone(), 4).unwrap();
    client(url).cosign(&mut cosigning, |from, to| Ok(log.proof(from, to))).map(|(next, _)| next)
}

fn failed(outcome: Outcome) -> ClientError {
    match outcome {
        Err(CosignError::Client(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lies_are_not_believed() {
    let (own, other) = (Arc::new(signer("w")), signer("w"));
    let text = |body: &[u8]| Request::parse(body).unwrap().note.text;
    let now = 1_700_000_000;
    // Of another key with the same name, and of another text by the right key.
    let url = liar(move |body, stream| {
        respond(stream, "200", "text/plain", &other.cosign(&text(body), now).unwrap().to_string());
    });
    assert!(matches!(asked(&url, &own), Ok(Next::Broken(_))));
    let key = Arc::clone(&own);
    let url = liar(move |_, stream| {
        let line = key.cosign(&Log::new().note(8).text, now).unwrap();
        respond(stream, "200", "text/plain", &line.to_string());
    });
    assert!(matches!(asked(&url, &own), Ok(Next::Broken(_))));
    // The truth, so that it is no accident that the others are refused.
    let key = Arc::clone(&own);
    let url = liar(move |body, stream| {
        let note: SignedNote = Request::parse(body).unwrap().note;
        respond(stream, "200", "text/plain", &key.cosign(&note.text, now).unwrap().to_string());
    });
    assert!(matches!(asked(&url, &own), Ok(Next::Done(_))));
}

#[test]
fn sizes_that_can_not_be_are_told() {
    let own = signer("w");
    let with =
        |kind: &'static str, body: &'static str| liar(move |_, stream| respond(stream, "409", kind, body));
    const SIZE: &str = "text/x.tlog.size";
    for (kind, body) in [
        (SIZE, "garbage\n"),
        (SIZE, ""),
        (SIZE, "4\n"),
        (SIZE, "-1\n"),
        (SIZE, "99999999999999999999999999\n"),
        ("text/html", "<html>409</html>"),
    ] {
        let outcome = asked(&with(kind, body), &own);
        assert!(matches!(outcome, Ok(Next::Broken(_))), "{body:?}: {outcome:?}");
    }
    for (body, size) in
        [("9223372036854775808\n", 1 << 63), ("18446744073709551615\n", u64::MAX), ("10\n", 10)]
    {
        assert!(matches!(asked(&with(SIZE, body), &own), Ok(Next::RolledBack(told)) if told == size));
    }
    // Another size each time, for ever.
    let turn = AtomicUsize::new(0);
    let url = liar(move |_, stream| {
        let size = turn.fetch_add(1, Ordering::Relaxed) % 4;
        respond(stream, "409", SIZE, &format!("{size}\n"));
    });
    assert!(matches!(asked(&url, &own), Ok(Next::Broken(_))));
    for (status, next) in [("422", Next::Forked), ("503", Next::Later(503)), ("429", Next::Later(429))] {
        let url = liar(move |_, stream| respond(stream, status, "text/plain", ""));
        assert_eq!(asked(&url, &own).unwrap(), next);
    }
    let url = liar(|_, stream| respond(stream, "301", "text/plain", ""));
    assert!(matches!(asked(&url, &own), Ok(Next::Broken(_))), "redirects are not followed");
}

/// However much a witness would say, the client stops listening.
#[test]
fn a_gigabyte_is_not_read() {
    let own = signer("w");
    for head in ["content-length: 1073741824", "transfer-encoding: chunked", "connection: close"] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&sent);
        let url = liar(move |_, stream| {
            stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
            let _ = write!(stream, "HTTP/1.1 200 x\r\n{head}\r\n\r\n");
            let piece = vec![b'x'; 1 << 16];
            let is_chunked = head.contains("chunked");
            for _ in 0..1 << 14 {
                let framed =
                    if is_chunked { [b"10000\r\n", &piece[..], b"\r\n"].concat() } else { piece.clone() };
                if stream.write_all(&framed).is_err() {
                    return;
                }
                counts.fetch_add(piece.len(), Ordering::Relaxed);
            }
        });
        assert!(matches!(failed(asked(&url, &own)), ClientError::TooLarge { .. }), "{head}");
        // What the system holds between the two, and no more: a loopback's buffers grow to some MiB.
        assert!(sent.load(Ordering::Relaxed) < 64 << 20, "{head}: {}", sent.load(Ordering::Relaxed));
    }
    // Nor are headers without end.
    let url = liar(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 x\r\n");
        while stream.write_all(format!("x: {}\r\n", "y".repeat(4096)).as_bytes()).is_ok() {}
    });
    assert!(matches!(failed(asked(&url, &own)), ClientError::Broken { .. }));
}

#[test]
fn a_witness_that_hangs_is_left() {
    let own = signer("w");
    let hangs = liar(|_, _| std::thread::sleep(Duration::from_secs(3600)));
    let drips = liar(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    std::thread::scope(|scope| {
        for url in [&hangs, &drips] {
            scope.spawn(|| {
                let begun = Instant::now();
                assert!(matches!(failed(asked(url, &own)), ClientError::Late { .. }));
                assert!(begun.elapsed() >= TIMEOUT, "it had its time");
            });
        }
    });
}

#[test]
fn nobody_there_is_told() {
    let own = signer("w");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let error = failed(asked(&url, &own));
    assert!(matches!(error, ClientError::Unreachable { .. }) && error.to_string().contains(&url), "{error}");
    // It answers, and no HTTP.
    let url = liar(|_, stream| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
    });
    assert!(matches!(failed(asked(&url, &own)), ClientError::Broken { .. }));
    // It closes the connection after each answer: the next request takes another one.
    let log = Log::new();
    let key = Arc::new(signer("w"));
    let signs = Arc::clone(&key);
    let url = liar(move |body, stream| {
        let text = Request::parse(body).unwrap().note.text;
        respond(stream, "200", "text/plain", &signs.cosign(&text, 1).unwrap().to_string());
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    let mut client = client(&url);
    for size in 1..4 {
        let mut cosigning = Cosigning::new(log.note(size), key.key().clone(), 0).unwrap();
        let next =
            client.cosign(&mut cosigning, |from, to| Ok::<_, Infallible>(log.proof(from, to))).unwrap().0;
        assert!(matches!(next, Next::Done(_)), "{next:?}");
    }
}
