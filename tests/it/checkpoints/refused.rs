//! A witness that refuses every checkpoint as inconsistent (422): what it shows of the log decides whether that is signed on.

use super::{Place, await_covered, check};
use crate::support::halod::Halod;
use crate::support::wait_until;
use halod_evidence::note::{Checkpoint, Kind, SignedNote, Signer};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// The key of a witness, and where it refuses everything and shows this of every log.
fn refusing(shown: Option<String>) -> (String, String) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Signer::of(Kind::Cosignature, "w.example/refuses", pkcs8.as_ref()).unwrap().key().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            while let Some(is_asked_why) = request(&mut reader) {
                let (status, body) = match &shown {
                    Some(note) if is_asked_why => ("200 OK", note.as_str()),
                    None if is_asked_why => ("404 Not Found", ""),
                    _ => ("422 Unprocessable Entity", ""),
                };
                let length = body.len();
                let _ = write!(
                    reader.get_mut(),
                    "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"
                );
            }
        }
    });
    (key, url)
}

/// Reads a request; tells whether it asks what the witness has.
fn request(reader: &mut BufReader<TcpStream>) -> Option<bool> {
    let (mut length, mut first) = (0_u64, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if first.is_empty() {
            first.clone_from(&line);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    Some(first.starts_with("GET ") && first.contains("/checkpoint "))
}

fn log_of(halod: &Halod) -> Value {
    serde_json::from_str::<Value>(&halod.ask("/status").unwrap().1).unwrap()["log"].clone()
}

/// A log with some checkpoints, and its key.
fn signed() -> (Place, Signer) {
    let mut place = Place::new();
    let halod = place.start();
    for records in 1..=2 {
        place.seal(&halod, "acme", 1);
        await_covered(&halod, &place, records);
    }
    halod.terminate();
    let pkcs8 = fs::read(place.chains().join(".halod/log/key.p8")).unwrap();
    (place, Signer::new("logs.example.com/agents", &pkcs8).unwrap())
}

/// Runs a daemon beside a witness that refuses and shows this; what `/status` says of the log once that was asked.
fn beside(place: &Place, shown: Option<String>) -> (Halod, Value) {
    let (key, url) = refusing(shown);
    place.configure(&format!(", witnesses: [{{ vkey: '{key}', url: '{url}' }}]"));
    let halod = place.start();
    wait_until("the witness is asked why", Duration::from_secs(60), || {
        let log = log_of(&halod);
        !log["halted"].is_null() || log["witnesses"].to_string().contains("inconsistent")
    });
    let log = log_of(&halod);
    (halod, log)
}

fn note(signer: &Signer, size: u64, root: u8) -> String {
    let checkpoint = Checkpoint { origin: signer.key().name().into(), size, root: [root; 32] };
    signer.sign(&checkpoint.text()).unwrap()
}

#[test]
fn what_the_log_signed_itself_ends_its_signing() {
    let (place, signer) = signed();
    let newest = Checkpoint::parse(&SignedNote::parse(&place.note()).unwrap().text).unwrap();
    // Another tree of this size, and one of more entries.
    let (halod, log) = beside(&place, Some(note(&signer, newest.size, 7)));
    assert!(log["halted"].as_str().unwrap().contains("contradicts what it saw"), "{log}");
    let evidence = place.chains().join(".halod/log/contradiction.json");
    assert!(halod.terminate().success());
    let (code, findings) = check(&evidence, &["--key", &place.key()]);
    assert!(code == 1 && findings[0].contains("two histories were signed"), "{findings:?}");
    let (halod, log) = beside(&place, Some(note(&signer, newest.size + 9, 7)));
    assert!(log["halted"].as_str().unwrap().contains("put back to an older copy"), "{log}");
    assert!(halod.terminate().success());
    // Where nothing is shown, the witness' word stands.
    let (halod, log) = beside(&place, None);
    assert!(log["halted"].as_str().unwrap().contains("contradicts what it saw"), "{log}");
    assert!(halod.terminate().success());
}

#[test]
fn a_witness_that_is_wrong_ends_nothing() {
    let (mut place, _) = signed();
    let stranger = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let stranger = Signer::new("logs.example.com/agents", stranger.as_ref()).unwrap();
    for shown in [place.note(), note(&stranger, 99, 7), "no note".into()] {
        let (mut halod, log) = beside(&place, Some(shown));
        assert!(log["halted"].is_null(), "{log}");
        place.seal(&halod, "acme", 1);
        assert!(halod.alive());
        assert!(halod.terminate().success());
    }
    assert!(!place.chains().join(".halod/log/contradiction.json").exists());
}
