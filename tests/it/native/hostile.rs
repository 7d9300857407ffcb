//! Bodies that nobody sends by accident.

#[path = "../../../adapters/fuzz/native.rs"]
mod fuzz;

use super::{JSON, fates, post, record, write};
use crate::fuzzed::exercise;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::random::Random;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

const LEAST: &str = r#""key":"k","action":{"type":"read","category":"safety""#;

#[test]
fn bad_bodies_are_refused_for_good_and_seal_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let bomb = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..80 {
            encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let plain: &[(&str, &str)] = &[];
    let cases = vec![
        (plain, vec![], 400),
        (plain, b"   ".to_vec(), 400),
        (plain, b"[{".to_vec(), 400),
        (plain, b"\xff\xfe".to_vec(), 400),
        (plain, b"\xef\xbb\xbf{}".to_vec(), 400),
        (plain, format!("[{{{LEAST}}}}},").into_bytes(), 400),
        (plain, "[".repeat(1_000_000).into_bytes(), 400),
        (
            plain,
            format!("{{{LEAST},\"input\":{}1{}}}}}", "[".repeat(2000), "]".repeat(2000)).into_bytes(),
            400,
        ),
        (plain, format!("{{{LEAST},\"input\":[{}1]}}}}", "1,".repeat(2_000_000)).into_bytes(), 400),
        (plain, format!("[{}{{}}]", "{},".repeat(10_000)).into_bytes(), 400),
        (&[("content-encoding", "gzip")], b"not gzip".to_vec(), 400),
        (&[("content-encoding", "gzip")], bomb, 413),
        (&[("content-encoding", "br")], b"x".to_vec(), 415),
    ];
    for (headers, body, status) in cases {
        let answer = post(&halod, JSON, headers, &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), None, "{shown}");
        assert!(answer.body.len() < 4000, "{shown}");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(post(&halod, content_type, &[], record("k", "acme").to_string().as_bytes()).status, 415);
    }
    // Only what is valid of ten thousand, told in a bounded answer.
    let many: Vec<Value> = (0..10_000).map(|n| json!({"a": n, "b": n, "c": n})).collect();
    let answer = post(&halod, JSON, &[], Value::from(many).to_string().as_bytes());
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 4 << 20, "{}", answer.body.len());
    assert!(halod.peak_memory_mib() < 1024, "{} MiB", halod.peak_memory_mib());
    // And it goes on.
    assert_eq!(fates(&write(&halod, &record("k-1", "acme"), 200)), ["sealed"]);
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some("acme")).len(), 1);
    assert_verified(dir.path());
}

/// What the fuzzer does, on every seed and some thousands of mutations of it.
#[test]
fn the_fuzz_target_holds() {
    assert!(exercise(&["tests/fuzz/seeds/native"], 3_000, fuzz::native) >= 3);
}

/// Damaged requests of every kind: an answer each, never one that asks to send the same again, and
/// whatever is sealed of them verifies.
#[test]
fn damaged_records_never_break_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut random = Random::new("damaged_records_never_break_a_chain");
    let good = Value::from(vec![record("k-1", "acme"), record("k-2", "initech")]).to_string().into_bytes();
    let mut http = halod.connect();
    for _ in 0..400 {
        let mut body = good.clone();
        for _ in 0..random.between(1, 4) {
            let at = random.between(0, body.len() as u64) as usize;
            match random.between(0, 4) {
                0 => body[at] = random.next() as u8,
                1 => drop(body.remove(at)),
                2 => body.insert(at, b"\"{}[],:0\\\xc3"[random.between(0, 10) as usize]),
                _ => {
                    let end = (at + random.between(1, 40) as usize).min(body.len());
                    let piece = body[at..end].to_vec();
                    body.splice(at..at, piece);
                }
            }
        }
        let answer = http.post("/v1/records", &[("content-type", JSON)], &body).expect("an answer");
        assert!(matches!(answer.status, 200 | 207 | 400), "{}: {}", answer.status, answer.text());
    }
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// What a sender writes is text, wherever it stands: nothing of it becomes a member of the line, a file's
/// name or a line of the log.
#[test]
fn text_stays_text() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let nasty = "x\"},\"integrity\":{\"hash\":\"0\n../../etc/passwd\u{202e}\u{0}\u{feff}";
    let mut sent = record("k-1", nasty);
    for place in [
        "/session_id",
        "/agent/name",
        "/action/tool",
        "/principal/human_id",
        "/threats/0/type",
        "/data/purpose",
    ] {
        *sent.pointer_mut(place).unwrap() = nasty.into();
    }
    sent["key"] = nasty.into();
    assert_eq!(fates(&write(&halod, &sent, 200)), ["sealed"]);
    assert_eq!(fates(&write(&halod, &sent, 200)), ["duplicate"]);
    assert!(halod.terminate().success());
    let chain = of_tenant(dir.path(), Some(nasty));
    assert_eq!(chain.len(), 1);
    assert_eq!(chain[0]["agent"]["name"], nasty);
    assert_verified(dir.path());
}
