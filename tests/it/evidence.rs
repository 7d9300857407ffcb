//! What is signed of chains, held against programs that nobody here wrote.

use crate::support::clients::openssl;
use crate::support::root;
use data_encoding::BASE64;
use halod_evidence::note::{SignedNote, VerifierKey};
use serde_json::Value;
use std::process::Command;

fn golden() -> String {
    std::fs::read_to_string(root().join("evidence/golden/epoch.json")).unwrap()
}

/// The golden file is what Python's hashes and OpenSSL's signature make of the page that describes it.
#[test]
fn the_golden_file_is_made_anew() {
    let mut python = Command::new("python3");
    python.arg(root().join("evidence/golden/make.py")).env("OPENSSL", openssl().get_program());
    let out = python.output().expect("the tests need python3");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stdout), golden());
}

/// So is that of what operators declare.
#[test]
fn the_golden_file_of_entries_is_made_anew() {
    let golden = root().join("evidence/golden");
    let out =
        Command::new("python3").arg(golden.join("entries.py")).output().expect("the tests need python3");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(
        String::from_utf8_lossy(&out.stdout),
        std::fs::read_to_string(golden.join("entries.json")).unwrap()
    );
}

/// Anybody with OpenSSL can check a note: the signed bytes are the text, the signature the last 64 of the line's.
#[test]
fn openssl_verifies_a_note() {
    let golden: Value = serde_json::from_str(&golden()).unwrap();
    let note = SignedNote::parse(golden["note"].as_str().unwrap()).unwrap();
    let key: VerifierKey = golden["vkey"].as_str().unwrap().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4) is these bytes and the key.
    let begin = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let spki = BASE64.encode(&[&begin[..], key.public()].concat());
    std::fs::write(
        path("key.pem"),
        format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n"),
    )
    .unwrap();
    std::fs::write(path("signature"), &note.signatures[0].bytes).unwrap();
    for (text, is_its) in [(note.text.clone(), true), (note.text.replace("\n4\n", "\n5\n"), false)] {
        std::fs::write(path("text"), text).unwrap();
        let mut verify = openssl();
        verify.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(path("key.pem"));
        let out =
            verify.arg("-in").arg(path("text")).arg("-sigfile").arg(path("signature")).output().unwrap();
        assert_eq!(out.status.success(), is_its, "{}", String::from_utf8_lossy(&out.stdout));
    }
}
