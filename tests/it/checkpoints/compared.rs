//! Two things that were shown of one log, held against each other, and the evidence that comes of it.

use super::attacks::copy;
use super::{Place, UNWITNESSED, await_covered, check, printed, run};
use crate::support::chains::records;
use crate::support::clients::openssl;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A log, a copy of it that went on by itself, and the key of both.
struct Forked {
    place: Place,
    fork: Place,
    key: String,
    /// The checkpoint before they parted.
    before: PathBuf,
}

fn forked() -> Forked {
    let mut place = Place::new();
    let halod = place.start();
    for tenant in ["acme", "globex"] {
        place.seal(&halod, tenant, 2);
    }
    await_covered(&halod, &place, 4);
    halod.terminate();
    let before = place.path("before.note");
    fs::write(&before, place.note()).unwrap();
    let mut fork = Place::new();
    copy(&place.chains(), &fork.chains());
    fork.sent = 500;
    for (one, epochs) in [(&mut place, 1), (&mut fork, 3)] {
        let halod = one.start();
        for epoch in 1..=epochs {
            one.seal(&halod, "acme", 1);
            await_covered(&halod, one, 4 + epoch);
        }
        halod.terminate();
    }
    let key = place.key();
    Forked { place, fork, key, before }
}

fn compare(one: &Path, other: &Path, more: &[&str]) -> (i32, String) {
    let arguments = [&["check", one.to_str().unwrap(), other.to_str().unwrap(), "--json"], more].concat();
    let out = run(&arguments);
    let said = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn proof(place: &Place, number: usize) -> PathBuf {
    let record = &records(&place.chain("acme"))[number];
    let path = place.path("one.halod-proof");
    let (chains, id) = (place.chains(), record["record_id"].as_str().unwrap());
    printed(&run(&["prove", chains.to_str().unwrap(), "--record", id, "-o", path.to_str().unwrap()]));
    path
}

#[test]
fn two_that_contradict_each_other_are_evidence_for_anybody() {
    let Forked { place, fork, key, before } = forked();
    let (bundle, other) = (place.export("acme"), fork.export("acme"));
    let (one, two) = (proof(&place, 2), proof(&fork, 2));
    let note = place.path("place.note");
    fs::write(&note, place.note()).unwrap();
    // Whatever two readers hold: directories, bundles, a bundle and a note, proofs of one record of each.
    let pairs = [
        (place.chains(), fork.chains()),
        (fork.chains(), note.clone()),
        (fork.chains(), one.clone()),
        (bundle.clone(), other),
        (bundle.clone(), fork.chains()),
    ];
    let stranger = another_key();
    for (at, (one, other)) in pairs.iter().enumerate() {
        let evidence = place.path(&format!("{at}.json"));
        let output = ["--key", &key, "-o", evidence.to_str().unwrap()];
        let (code, said) = compare(one, other, &output);
        assert!(code == 1 && said.contains("CONTRADICTION"), "{at}: {code} {said}");
        // Whoever has the key alone sees it as well; who has another one sees nothing.
        let (code, findings) = check(&evidence, &["--key", &key]);
        assert!(code == 1 && findings[0].contains("two histories were signed"), "{at}: {findings:?}");
        assert_eq!(check(&evidence, &[]).0, 2, "nobody's key");
        assert_eq!(check(&evidence, &["--key", &stranger]).0, 2);
        let (code, said) = compare(one, other, &output);
        assert!(code == 2 && said.contains("exists"), "evidence is not written over: {said}");
        signatures_are_openssls(&place, &evidence, &key);
        spoilt(&place, &evidence, &key);
    }
    // Two proofs show one entry of each, at different places of the log: nothing follows.
    let (code, said) = compare(&one, &two, &["--key", &key]);
    assert!([1, 3].contains(&code), "{said}");
    // What goes on from the other agrees with it.
    for (one, other) in [(before.clone(), place.chains()), (fork.chains(), before.clone())] {
        let (code, said) = compare(&one, &other, &["--key", &key]);
        assert!(code == 0 && said.contains("begin with the other's"), "{said}");
    }
    let (code, said) = compare(&bundle, &place.chains(), &["--key", &key]);
    assert!(code == 0 && said.contains("the same"), "{said}");
    // Notes alone of two sizes say nothing, and nobody's log nothing of another one's.
    let (code, said) = compare(&before, &note, &["--key", &key]);
    assert!(code == UNWITNESSED && said.contains("nothing shows the rest"), "{said}");
    assert_eq!(compare(&before, &note, &[]).0, 2, "no key is known");
    assert_eq!(check(&fork.chains(), &["--key", &key]), (UNWITNESSED, vec![]), "alone it is well");
}

fn another_key() -> String {
    let mut place = Place::new();
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 1);
    halod.terminate();
    place.key()
}

/// Both signatures of evidence, by openssl alone.
fn signatures_are_openssls(place: &Place, evidence: &Path, key: &str) {
    let evidence: Value = serde_json::from_str(&fs::read_to_string(evidence).unwrap()).unwrap();
    for note in evidence["notes"].as_array().unwrap() {
        let path = place.path("evidence.note");
        fs::write(&path, note.as_str().unwrap()).unwrap();
        let script = crate::support::root().join("tests/clients/openssl_note.sh");
        let mut command = std::process::Command::new("sh");
        command.arg(script).arg(&path).arg(key).current_dir(place.path(""));
        printed(&command.env("OPENSSL", openssl().get_program()).output().unwrap());
    }
}

/// Evidence in which something was changed is none.
fn spoilt(place: &Place, evidence: &Path, key: &str) {
    let text = fs::read_to_string(evidence).unwrap();
    let path = place.path("spoilt.json");
    for (of, to) in
        [("\\n4\\n", "\\n5\\n"), ("agents\\n", "agent\\n"), ("contradiction/v1", "contradiction/v2")]
    {
        let changed = text.replacen(of, to, 1);
        if changed != text {
            fs::write(&path, changed).unwrap();
            assert_eq!(check(&path, &["--key", key]).0, 2, "{of}");
        }
    }
}
