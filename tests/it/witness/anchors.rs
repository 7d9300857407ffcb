//! Anchors: the reference's own program at `halod witness`, and where halod differs from the reference's witness on purpose.

use super::stage::{Reference, Witness, halo};
use crate::support::clients::{python, text_of};
use crate::support::halod::BINARY;
use crate::support::http::{Answer, Http};
use crate::support::root;
use halod_evidence::note::{SignedNote, VerifierKey};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A chain of the reference's recorder.
pub fn chain(dir: &Path, tenant: &str, records: usize) -> PathBuf {
    let mut recorder = python().script(&root().join("tests/clients/co_append.py"), &["append"]);
    recorder.arg(dir).args([tenant, &records.to_string()]);
    text_of(recorder.output().unwrap(), "co_append.py");
    dir.join(format!("{tenant}.jsonl"))
}

/// `halo anchor CHAIN --remote URL --key KEY`.
pub fn remote(chain: &Path, url: &str, key: &str, more: &[&str]) -> Output {
    halo(&["anchor"]).arg(chain).args(["--remote", url, "--key", key]).args(more).output().unwrap()
}

pub fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned()
}

/// Sends an anchor.
pub fn post(address: SocketAddr, key: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {key}");
    Http::connect(address)
        .unwrap()
        .post("/anchor", &[("authorization", &authorization)], body.as_bytes())
        .unwrap()
}

pub fn anchor(subject: &str, count: u64, head: char) -> String {
    json!({ "subject": subject, "count": count, "head": head.to_string().repeat(64), "chain_root": "a".repeat(64) }).to_string()
}

/// The key of receipts, as `halod witness key` prints it.
fn receipts(dir: &Path) -> VerifierKey {
    let out = Command::new(BINARY).args(["witness", "key", "--receipts", "--dir"]).arg(dir).output().unwrap();
    assert!(out.status.success(), "{}", said(&out));
    String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
}

/// An identity and its token, in a file.
pub fn token(file: &Path, name: &str, tenants: &str) -> String {
    let mut command = Command::new(BINARY);
    command.args(["token", "new", name, "--tenants", tenants, "--receivers", "witness", "--file"]).arg(file);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", said(&out));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_references_client_anchors_and_checks_here() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let witness = Witness::halod(place.path(), &[]);
    let file = chain(dir.path(), "acme", 5);
    for more in [0, 3] {
        if more > 0 {
            chain(dir.path(), "acme", more);
        }
        let out = remote(&file, &witness.url(), "any", &[]);
        assert!(out.status.success() && said(&out).contains("subject=acme"), "{}", said(&out));
        // Once more is the same receipt.
        assert!(remote(&file, &witness.url(), "any", &[]).status.success());
    }
    let out = remote(&file, &witness.url(), "any", &["--check"]);
    assert!(out.status.success() && said(&out).contains("COMPLETE"), "{}", said(&out));
    assert_eq!(fs::read_to_string(place.path().join("witness.jsonl")).unwrap().lines().count(), 2);
    // A file of the witness' is one of the reference's.
    let out =
        halo(&["anchor"]).arg(&file).arg(place.path().join("witness.jsonl")).arg("--check").output().unwrap();
    assert!(out.status.success() && said(&out).contains("COMPLETE"), "{}", said(&out));
    // A chain that lost its end is not complete any more, and can't be anchored.
    let text = fs::read_to_string(&file).unwrap();
    let cut: Vec<&str> = text.lines().take(6).collect();
    fs::write(&file, cut.join("\n") + "\n").unwrap();
    let out = remote(&file, &witness.url(), "any", &["--check"]);
    assert!(out.status.code() == Some(1) && said(&out).contains("INCOMPLETE"), "{}", said(&out));
    let out = remote(&file, &witness.url(), "any", &[]);
    assert!(out.status.code() == Some(1) && said(&out).contains("409"), "{}", said(&out));
    // What was sealed anew has other heads: refused, and kept.
    fs::remove_file(&file).unwrap();
    chain(dir.path(), "acme", 8);
    assert!(said(&remote(&file, &witness.url(), "any", &[])).contains("409"));
    let (status, told) = witness.json("/v1/contradictions?subject=acme");
    assert_eq!((status, &told["count"]), (200, &json!(1)));
    let found = &told["contradictions"][0];
    assert_eq!((&found["kept"]["count"], &found["refused"]["count"]), (&json!(5), &json!(8)));
    for note in [&found["kept"]["note"], &found["note"]] {
        let note = SignedNote::parse(note.as_str().unwrap()).unwrap();
        assert_eq!(note.verify(&receipts(place.path())), Ok(()));
    }
}

/// With identities the reference's key is halod's token.
#[test]
fn the_references_client_shows_its_key() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = place.path().join("identities");
    let (acme, beta) = (token(&file, "acme", "acme"), token(&file, "beta", "beta"));
    let witness = Witness::halod(&place.path().join("w"), &["--auth", file.to_str().unwrap()]);
    let file = chain(dir.path(), "acme", 3);
    for (key, code) in [("wrong", "401"), (&beta, "403")] {
        for more in [&[][..], &["--check"]] {
            let out = remote(&file, &witness.url(), key, more);
            assert!(!out.status.success() && said(&out).contains(code), "{}", said(&out));
        }
    }
    assert!(remote(&file, &witness.url(), &acme, &[]).status.success());
    let out = remote(&file, &witness.url(), &acme, &["--check"]);
    assert!(out.status.success() && said(&out).contains("COMPLETE"), "{}", said(&out));
}

/// The same requests, the same statuses; where not, the difference is meant.
#[test]
fn statuses_are_those_of_the_references_witness() {
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = ours.path().join("identities");
    let key = token(&file, "acme", "acme*,ac*me");
    let reference = Reference::start(theirs.path(), &format!("{key}=acme*|ac*me"));
    let witness =
        Witness::halod(&ours.path().join("w"), &["--auth", file.to_str().unwrap(), "--public-reads"]);
    let long = format!("acme{}", "x".repeat(300));
    let cases = [
        ("no key", "x", anchor("acme", 1, 'b'), 401, 401),
        ("another subject", &key, anchor("beta", 1, 'b'), 403, 403),
        ("no subject", &key, anchor("acme", 1, 'b').replace("\"acme\"", "null"), 403, 403),
        ("no JSON", &key, "{".into(), 400, 400),
        ("an array", &key, "[]".into(), 400, 400),
        (
            "a repeated member",
            &key,
            anchor("acme", 1, 'b').replace("\"count\"", "\"count\":1,\"count\""),
            400,
            400,
        ),
        ("no count", &key, anchor("acme", 1, 'b').replace("count", "c"), 400, 400),
        ("nothing", &key, anchor("acme", 0, 'b'), 400, 400),
        ("too many", &key, anchor("acme", 1_000_000_000_001, 'b'), 400, 400),
        ("a fraction", &key, anchor("acme", 1, 'b').replace(":1,", ":1.0,"), 400, 400),
        ("no head", &key, anchor("acme", 1, 'g'), 400, 400),
        ("upper case", &key, anchor("acme", 1, 'B'), 400, 400),
        ("too large", &key, format!("{}{}", anchor("acme", 1, 'b'), " ".repeat(9000)), 413, 413),
        ("the first", &key, anchor("acme", 5, 'b'), 201, 201),
        ("another member", &key, anchor("acme", 6, 'b').replace('{', "{\"x\":[],"), 201, 201),
        // What the reference lacks.
        ("a lower count", &key, anchor("acme", 3, 'b'), 201, 409),
        ("another head", &key, anchor("acme", 6, 'c'), 201, 409),
        ("another root", &key, anchor("acme", 9, 'c').replace("aaaa", "aaab"), 201, 409),
        ("a long subject", &key, anchor(&long, 1, 'b'), 400, 201),
        ("another script", &key, anchor("ac客me", 1, 'b'), 400, 201),
        ("two blanks", &key, anchor("ac  me", 1, 'b'), 400, 201),
        ("a line", &key, anchor("ac\nme", 1, 'b'), 400, 400),
    ];
    for (what, key, body, theirs, ours) in cases {
        let (reference, own) = (post(reference.address, key, &body), post(witness.address, key, &body));
        assert_eq!(
            (reference.status, own.status),
            (theirs, ours),
            "{what}: {} {}",
            reference.text(),
            own.text()
        );
        if theirs == 201 && ours == 201 {
            let [theirs, ours] =
                [&reference, &own].map(|one| serde_json::from_slice::<Value>(&one.body).unwrap());
            for member in ["chain_root", "subject", "count", "head"] {
                assert_eq!(theirs["receipt"][member], ours["receipt"][member], "{what}");
            }
            assert_eq!(theirs["ok"], ours["ok"]);
        }
    }
    for (path, theirs, ours) in [
        ("/v1/checkpoints", 400, 400),
        ("/v1/checkpoints?chain_root=x", 400, 400),
        ("/v1/checkpoints?subject=acme", 200, 200),
        ("/v1/checkpoints?subject=nobody", 200, 200),
        ("/healthz", 200, 200),
        ("/elsewhere", 404, 404),
    ] {
        let asked =
            [reference.address, witness.address].map(|to| Http::connect(to).unwrap().get(path).unwrap());
        assert_eq!(asked.each_ref().map(|answer| answer.status), [theirs, ours], "{path}");
    }
}

#[test]
fn a_list_is_read_whole_or_by_pages_and_each_receipt_is_signed() {
    let place = tempfile::tempdir().unwrap();
    let witness = Witness::halod(place.path(), &[]);
    let subject = "客户/ 🦀  'x'";
    let path = format!(
        "/v1/checkpoints?subject={}",
        subject.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>()
    );
    for count in 1..=250 {
        let answer = post(witness.address, "", &anchor(subject, count, 'b'));
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let (status, all) = witness.json(&path);
    assert_eq!((status, &all["count"], all.get("next")), (200, &json!(250), None));
    let key = receipts(place.path());
    for (at, line) in all["checkpoints"].as_array().unwrap().iter().enumerate() {
        let note = SignedNote::parse(line["note"].as_str().unwrap()).unwrap();
        assert_eq!(note.verify(&key), Ok(()));
        let text = format!(
            "halod-anchor/v1\nsubject {subject}\nchain_root {}\ncount {}\nhead {}\ntime {}\n",
            "a".repeat(64),
            at + 1,
            "b".repeat(64),
            line["ts"].as_str().unwrap()
        );
        assert_eq!(note.text, text);
    }
    let (mut paged, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let (_, page) = witness.json(&format!("{path}&limit=70&after={after}"));
        let lines = page["checkpoints"].as_array().unwrap();
        assert_eq!(page["count"], json!(lines.len()));
        paged.extend(lines.clone());
        after = page["next"].clone();
    }
    assert_eq!(Value::from(paged), all["checkpoints"]);
    let (_, beyond) = witness.json(&format!("{path}&limit=70&after=999"));
    assert_eq!(beyond, json!({ "checkpoints": [], "count": 0 }));
    assert_eq!(witness.get(&format!("{path}&limit=0")).status, 400);
    let root = "a".repeat(64);
    assert_eq!(
        witness.json(&format!("/v1/checkpoints?chain_root={root}")).1["count"],
        json!(0),
        "it has a subject"
    );
}

/// A store that somebody damaged is answered with 503, to those who read and to those who write.
#[test]
fn a_damaged_store_is_told_and_a_torn_end_is_mended() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("witness.jsonl");
    let witness = Witness::halod(place.path(), &[]);
    assert_eq!(post(witness.address, "", &anchor("acme", 5, 'b')).status, 201);
    witness.process.kill9();
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{whole}{{\"chain_root\":")).unwrap();
    let witness = Witness::halod(place.path(), &[]);
    assert!(witness.process.said().contains("put aside"), "{}", witness.process.said());
    assert_eq!(witness.json("/v1/checkpoints?subject=acme").1["count"], json!(1));
    assert_eq!(post(witness.address, "", &anchor("acme", 6, 'c')).status, 201);
    witness.process.kill9();
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replacen("\"count\":5", "\"count\":", 1)).unwrap();
    let witness = Witness::halod(place.path(), &[]);
    assert!(witness.process.said().contains("line 1 is no anchor"), "{}", witness.process.said());
    assert_eq!(witness.get("/v1/checkpoints?subject=acme").status, 503);
    assert_eq!(post(witness.address, "", &anchor("acme", 7, 'd')).status, 503);
    assert_eq!(witness.get("/healthz").status, 200);
    witness.process.kill9();
    // The reference's client takes that for what it is.
    fs::write(&file, whole).unwrap();
    let witness = Witness::halod(place.path(), &[]);
    assert_eq!(witness.json("/v1/checkpoints?subject=acme").1["count"], json!(2));
}

/// The store of a reference's witness is gone on with.
#[test]
fn a_reference_witness_is_taken_over() {
    let (store, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = chain(dir.path(), "acme", 4);
    let reference = Reference::start(store.path(), "k");
    assert!(remote(&file, &format!("http://{}", reference.address), "k", &[]).status.success());
    drop(reference);
    let witness = Witness::halod(store.path(), &[]);
    let out = remote(&file, &witness.url(), "k", &["--check"]);
    assert!(out.status.success() && said(&out).contains("COMPLETE"), "{}", said(&out));
    chain(dir.path(), "acme", 2);
    assert!(remote(&file, &witness.url(), "k", &[]).status.success());
    drop(witness);
    // And back.
    let reference = Reference::start(store.path(), "k");
    let out = remote(&file, &format!("http://{}", reference.address), "k", &["--check"]);
    assert!(out.status.success() && said(&out).contains("\"witnessed\": 2"), "{}", said(&out));
}

/// Anchors that were answered are there after kill -9.
#[test]
fn what_was_answered_is_kept_when_the_witness_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let mut answered = 0;
    for round in 0..6_u64 {
        let witness = Witness::halod(place.path(), &[]);
        let (_, told) = witness.json("/v1/checkpoints?subject=acme");
        let kept =
            told["checkpoints"].as_array().unwrap().last().map_or(0, |line| line["count"].as_u64().unwrap());
        assert!(kept >= answered, "{kept} of {answered}");
        let address = witness.address;
        let last = std::thread::scope(|scope| {
            let anchoring = scope.spawn(move || {
                let mut last = kept;
                for count in kept + 1..kept + 400 {
                    let Ok(mut http) = Http::connect(address) else { break };
                    match http.post("/anchor", &[], anchor("acme", count, 'b').as_bytes()) {
                        Ok(answer) => assert_eq!(answer.status, 201, "{}", answer.text()),
                        Err(_) => break,
                    }
                    last = count;
                }
                last
            });
            std::thread::sleep(std::time::Duration::from_millis(20 + round * 17));
            witness.process.kill9();
            anchoring.join().unwrap()
        });
        answered = last.max(kept);
    }
}
