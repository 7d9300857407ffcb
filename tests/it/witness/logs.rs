//! `halod witness` for logs: by the letter of the protocol, for a stranger's client, and killed at any moment.

use super::stage::{Log, ORIGIN, Witness};
use crate::support::clients::witness_log;
use crate::support::http::Http;
use crate::support::random::Random;
use data_encoding::BASE64;
use halod_evidence::contradiction::Contradiction;
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::witness::MAX_BYTES;
use halod_record::hash::{hex_text, sha256};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

#[test]
fn every_status_is_that_of_the_specification() {
    let (log, fork) = Log::pair(2);
    let witness = Witness::of(&log);
    let request = |old, size| log.request(old, size);
    let text = String::from_utf8(request(0, 3)).unwrap();
    let many =
        text.replace("old 0\n", &format!("old 0\n{}", format!("{}\n", BASE64.encode(&[7; 32])).repeat(64)));
    let unsigned = text.split("\u{2014} ").next().unwrap().to_owned();
    let steps = [
        ("no note", b"old 0\n\nx".to_vec(), 400),
        ("no size", text.replace("old 0", "old x").into_bytes(), 400),
        ("64 hashes", many.into_bytes(), 400),
        ("no signature", unsigned.into_bytes(), 400),
        ("another log", text.replace(ORIGIN, "halod.invalid/x").into_bytes(), 404),
        ("another key", Log::new().request(0, 3), 403),
        ("another text", text.replace("\n3\n", "\n4\n").into_bytes(), 403),
        ("a size that is not known", request(2, 3), 409),
        ("the first", request(0, 3), 200),
        ("the same old size", request(0, 7), 409),
        ("old above new", request(9, 7), 400),
        ("grown", request(3, 7), 200),
        ("nothing new", request(7, 7), 200),
        ("a fork of the same size", fork.request(7, 7), 422),
        ("a fork that was extended", fork.request(7, 9), 422),
        ("idle", request(7, 7), 200),
    ];
    for (what, body, status) in steps {
        let answer = witness.add(&body);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    let answer = witness.add(&request(3, 9));
    assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some("text/x.tlog.size"), "7\n"));
    let answer = witness.add(&vec![b'x'; MAX_BYTES + 1]);
    assert_eq!(answer.status, 413);
    // What was cosigned last is served, with both signatures.
    let path = format!("/{}/checkpoint", hex_text(&sha256(ORIGIN.as_bytes())));
    let served = SignedNote::parse(&witness.get(&path).text()).unwrap();
    assert_eq!(served.text, log.note(7).text);
    assert!(served.verify(log.key()).is_ok() && served.cosigned(&witness.key).is_ok());
    assert_eq!(witness.get(&format!("/{}/checkpoint", "0".repeat(64))).status, 404);
    // And so is what contradicts itself, to anybody.
    let (status, told) = witness.json(&format!("/v1/contradictions?origin={}", ORIGIN.replace('/', "%2F")));
    assert_eq!((status, &told["count"]), (200, &Value::from(2)));
    for found in told["contradictions"].as_array().unwrap() {
        let found = Contradiction::parse(&found.to_string()).unwrap();
        assert!(found.check(std::slice::from_ref(log.key())).is_ok());
    }
}

fn stranger(arguments: &[&str], journal: &Path) -> Output {
    let mut command = witness_log();
    let (verbs, rest) = arguments.split_at(2);
    command.args(verbs).arg(journal).args(rest).output().unwrap()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned()
}

/// A log and a client that others wrote are witnessed by halod, and their verifier takes the cosignature.
#[test]
fn a_strangers_log_is_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let journal = dir.path().join("journal");
    let made = stranger(&["log", "init"], &journal);
    assert!(made.status.success(), "{}", said(&made));
    let identity: Value = serde_json::from_slice(&made.stdout).unwrap();
    let identity = identity["identity"].as_str().unwrap();
    let public = data_encoding::HEXLOWER.decode(identity.as_bytes()).unwrap().try_into().unwrap();
    let key = VerifierKey::new(&format!("witness-log/{identity}"), public).unwrap();
    let place = tempfile::tempdir().unwrap();
    let witness = Witness::halod(place.path(), &["--name", "halod.example/w", "--log", &key.to_string()]);
    let (directory, vkey, url) = (path("directory.json"), witness.key.to_string(), witness.url());
    let mut add = witness_log();
    add.args(["directory", "add", &directory, "--vkey", &vkey, "--org", "acme", "--url", &url]);
    let added = add.output().unwrap();
    assert!(added.status.success(), "{}", said(&added));
    let (dossier, note) = (path("dossier.json"), path("note.txt"));
    for size in 1..4 {
        assert!(stranger(&["log", "append", "--intent", "hello"], &journal).status.success());
        // One organisation alone is no quorum to this client, so the exit code says 10.
        let options = [
            "witness",
            "submit",
            "--directory",
            &directory,
            "--out",
            &dossier,
            "--min",
            "1",
            "--allow-partial",
        ];
        let out = stranger(&options, &journal);
        assert!(said(&out).contains(&format!("1/1 witnesses cosigned size {size}")), "{}", said(&out));
    }
    let mut export = witness_log();
    export
        .args(["c2sp", "export", &dossier, "--directory", &directory, "--out", &note, "--sign-with"])
        .arg(&journal);
    let out = export.output().unwrap();
    assert!(out.status.success(), "{}", said(&out));
    let verify = || {
        let keys = ["--vkey", &vkey, "--vkey", &key.to_string()];
        witness_log().args(["c2sp", "verify", &note]).args(keys).output().unwrap()
    };
    let out = verify();
    assert!(out.status.success() && said(&out).contains("halod.example/w at unix"), "{}", said(&out));
    let text = std::fs::read_to_string(&note).unwrap();
    std::fs::write(&note, text.replace("\n3\n", "\n4\n")).unwrap();
    assert_eq!(verify().status.code(), Some(40));
}

/// kill -9 between and within requests: whatever was cosigned is of one history, and its sizes never fall.
#[test]
fn a_witness_that_is_killed_never_says_two_things() {
    let (log, fork) = Log::pair(0);
    let dir = tempfile::tempdir().unwrap();
    let key = log.key().to_string();
    let mut random = Random::new("killed");
    let mut cosigned: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut known = 0;
    for _ in 0..12 {
        let witness = Witness::halod(dir.path(), &["--log", &key]);
        let address = witness.address;
        let asks: Vec<(bool, u64)> =
            (0..8).map(|_| (random.between(0, 2) == 0, random.between(1, 13))).collect();
        let (log, fork) = (&log, &fork);
        let answers = std::thread::scope(|scope| {
            let asking = scope.spawn(move || {
                let (mut old, mut found) = (known, Vec::new());
                for (is_fork, more) in asks {
                    let size: u64 = (old + more).min(255);
                    let body = if is_fork { fork } else { log }.request(old, size);
                    let Ok(answer) =
                        Http::connect(address).and_then(|mut http| http.post("/add-checkpoint", &[], &body))
                    else {
                        break;
                    };
                    match answer.status {
                        200 => {
                            found.push((size, is_fork, answer.text()));
                            old = size;
                        }
                        409 => old = answer.text().trim().parse().unwrap(),
                        other => assert_eq!(other, 422, "{}", answer.text()),
                    }
                }
                found
            });
            std::thread::sleep(Duration::from_millis(random.between(0, 60)));
            witness.process.kill9();
            asking.join().unwrap()
        });
        for (size, is_fork, line) in answers {
            let mut note = if is_fork { fork } else { log }.note(size);
            note.signatures.push(halod_evidence::note::Signature::parse(line.trim_end()).unwrap());
            assert!(note.verify(log.key()).is_ok());
            let root = Checkpoint::parse(&note.text).unwrap().root.to_vec();
            assert!(size >= known, "{size} after {known}");
            known = size;
            assert_eq!(
                *cosigned.entry(size).or_insert_with(|| root.clone()),
                root,
                "two roots of size {size}"
            );
        }
    }
    // And it goes on with what it said last, or with what it had kept and not said any more.
    let witness = Witness::halod(dir.path(), &["--log", &key]);
    let answer = witness.add(&log.request(255, 255));
    let size = if answer.status == 409 { answer.text().trim().parse().unwrap() } else { 255 };
    assert!(size >= known, "{size} after {known}");
}

/// The race of the specification: of requests that grow the tree at the same time, none rolls another one back.
#[test]
fn requests_at_the_same_time_are_taken_one_after_the_other() {
    let log = Log::new();
    let witness = Witness::of(&log);
    assert_eq!(witness.add(&log.request(0, 1)).status, 200);
    let (log, witness) = (&log, &witness);
    let growing = |offset: u64| {
        move || {
            let (mut http, mut old, mut done) = (witness.connect(), 1, Vec::new());
            while old < 200 {
                let size = (old + offset).min(200);
                let answer = http.post("/add-checkpoint", &[], &log.request(old, size)).unwrap();
                old = match answer.status {
                    200 => {
                        done.push((old, size));
                        size
                    }
                    409 => answer.text().trim().parse().unwrap(),
                    other => panic!("{other}: {}", answer.text()),
                };
            }
            done
        }
    };
    let mut steps: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=8).map(|offset| scope.spawn(growing(offset))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    steps.sort_unstable();
    // Each step begins where another one ended: there was one order.
    assert_eq!(steps.first().map(|step| step.0), Some(1));
    assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:?}");
    assert_eq!(steps.last().map(|step| step.1), Some(200));
}
