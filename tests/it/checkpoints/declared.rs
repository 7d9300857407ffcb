//! What operators declare in the log: another key, a break, an end, a log that continues another one.

use super::{Place, UNWITNESSED, await_covered, check, printed, run};
use crate::support::chains::records;
use std::fs;
use std::path::Path;

fn log(place: &Place, verb: &str, more: &[&str]) -> String {
    let chains = place.chains();
    printed(&run(&[&["log", verb, chains.to_str().unwrap()], more].concat()))
}

/// A place with two tenants, stopped.
fn sealed() -> Place {
    let mut place = Place::new();
    let halod = place.start();
    place.seal(&halod, "acme", 5);
    place.seal(&halod, "globex", 2);
    await_covered(&halod, &place, 7);
    let refused = run(&["log", "rotate", place.chains().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "a running halod has the directory");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop it"));
    halod.terminate();
    place
}

fn printed_anyway(arguments: &[&str]) -> String {
    String::from_utf8(run(arguments).stdout).unwrap()
}

#[test]
fn a_rotated_key_is_trusted_by_who_knows_the_old_one() {
    let mut place = sealed();
    let old = place.key();
    fs::write(place.path("kept.note"), place.note()).unwrap();
    log(&place, "rotate", &[]);
    let new = place.key();
    assert_ne!(old, new);
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 8);
    halod.terminate();
    let kept = place.path("kept.note");
    let since = |key: &str| check(&place.chains(), &["--key", key, "--since", kept.to_str().unwrap()]);
    assert_eq!(since(&old), (UNWITNESSED, vec![]));
    // Who trusts the new key alone has no use for what the old one signed.
    let (code, findings) = since(&new);
    assert!(code == 1 && findings[0].contains("not signed by a key of this log"), "{findings:?}");
    // A bundle shows it as well, under both keys and after the old one is gone.
    let told = |path: &Path| {
        let out = run(&["check", path.to_str().unwrap(), "--key", &old]);
        String::from_utf8(out.stdout).unwrap()
    };
    let bundle = place.export("acme");
    assert_eq!(check(&bundle, &["--key", &old]), (UNWITNESSED, vec![]));
    assert!(told(&bundle).contains("took the place of"), "{}", told(&bundle));
    fs::remove_dir_all(&bundle).unwrap();
    // After thirty days the old key is gone, and what it signed last still says whose the new one is.
    fs::remove_file(place.chains().join(".halod/log/key.old.p8")).unwrap();
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 9);
    halod.terminate();
    assert_eq!(check(&place.chains(), &["--key", &old]), (UNWITNESSED, vec![]));
    let bundle = place.export("acme");
    assert_eq!(check(&bundle, &["--key", &old]), (UNWITNESSED, vec![]));
    // Without what the old key signed of that, nobody who knows it alone trusts the new one.
    let notes = bundle.join("evidence/notes.jsonl");
    let noted = fs::read_to_string(&notes).unwrap();
    fs::write(&notes, "").unwrap();
    assert_eq!(check(&bundle, &["--key", &old]).0, 1);
    fs::write(&notes, noted.replacen("agents", "agent", 1)).unwrap();
    assert_eq!(check(&bundle, &["--key", &old]).0, 1);
    fs::write(&notes, noted).unwrap();
    let declared = bundle.join("evidence/declared.jsonl");
    fs::write(&declared, fs::read_to_string(&declared).unwrap().replacen("\"index\":", "\"index\":1", 1))
        .unwrap();
    assert_eq!(check(&bundle, &["--key", &old]).0, 1);
    let other = sealed().key();
    assert_eq!(check(&place.chains(), &["--key", &other]).0, 1);
}

#[test]
fn a_break_is_declared_and_a_chain_ends() {
    let mut place = sealed();
    let key = place.key();
    // A backup of an earlier day is put back, and goes on.
    let chain = fs::read_to_string(place.chain("acme")).unwrap();
    fs::write(place.chain("acme"), chain.split_inclusive('\n').take(3).collect::<String>()).unwrap();
    let halod = place.start();
    place.seal(&halod, "acme", 2);
    place.seal(&halod, "globex", 1);
    await_covered(&halod, &place, 8);
    let alarmed = halod.metric("halod_log_chains_alarmed", "");
    assert_eq!(alarmed, 1);
    halod.terminate();
    assert_eq!(check(&place.chains(), &["--key", &key]).0, 1);
    log(&place, "declare-break", &["acme", "--reason", "a backup of the 29th was restored"]);
    assert_eq!(check(&place.chains(), &["--key", &key]), (UNWITNESSED, vec![]));

    // It goes on from there, over a start.
    let halod = place.start();
    let before = records(&place.chain("acme")).len() as u64;
    place.seal(&halod, "acme", 4);
    await_covered(&halod, &place, before + 4 + 3);
    halod.terminate();
    assert_eq!(check(&place.chains(), &["--key", &key]), (UNWITNESSED, vec![]));
    let bundle = place.path("bundle");
    let chains = place.chains();
    printed(&run(&["export", chains.to_str().unwrap(), "--bundle", "acme", "-o", bundle.to_str().unwrap()]));
    assert_eq!(check(&bundle, &["--key", &key]), (UNWITNESSED, vec![]));
    // A bundle tells the break; one that hides it is found out by the chain's generation.
    let told = printed_anyway(&["check", bundle.to_str().unwrap()]);
    assert!(told.contains("is not what was signed before, and goes on anew"), "{told}");
    fs::remove_file(bundle.join("evidence/declared.jsonl")).unwrap();
    let (code, findings) = check(&bundle, &["--key", &key]);
    assert!(code == 1 && findings[0].contains("does not say why it began anew"), "{findings:?}");

    // An end: the file may go, and a new chain may begin.
    log(&place, "retire", &["globex"]);
    for file in ["globex.jsonl", "globex.jsonl.lock"] {
        fs::remove_file(place.chains().join(file)).unwrap();
    }
    assert_eq!(check(&place.chains(), &["--key", &key]), (UNWITNESSED, vec![]));
    let halod = place.start();
    place.seal(&halod, "globex", 1);
    await_covered(&halod, &place, before + 4 + 1);
    assert_eq!(halod.metric("halod_log_chains_alarmed", ""), 0);
    halod.terminate();
    assert_eq!(check(&place.chains(), &["--key", &key]), (UNWITNESSED, vec![]));
    let unknown = run(&["log", "retire", place.chains().to_str().unwrap(), "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn a_log_continues_another_one() {
    let mut place = sealed();
    let old = place.note();
    log(&place, "continue", &[]);
    assert!(place.note().starts_with("logs.example.com/agents/2\n1\n"));
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 8);
    halod.terminate();
    let key = place.key();
    assert_eq!(check(&place.chains(), &["--key", &key]), (UNWITNESSED, vec![]));
    let entries = fs::read(place.chains().join(".halod/log/entries")).unwrap();
    assert!(
        entries.windows(old.len()).any(|window| window == old.as_bytes()),
        "the first entry has the last note"
    );
    let kept = place.path("kept.note");
    fs::write(&kept, old).unwrap();
    let (code, findings) = check(&place.chains(), &["--key", &key, "--since", kept.to_str().unwrap()]);
    assert!(code == 1 && findings[0].contains("it is another log"), "{findings:?}");
}

/// A key that the operator keeps elsewhere is named to the verbs that sign; halod does not change it.
#[test]
fn a_key_of_the_operators_own_is_named() {
    let first = sealed();
    let (mut place, key) = (Place::new(), first.path("records/.halod/log/key.p8"));
    let key = key.to_str().unwrap();
    place.configure(&format!(", key_file: '{key}'"));
    let halod = place.start();
    place.seal(&halod, "acme", 2);
    await_covered(&halod, &place, 2);
    halod.terminate();
    assert_eq!(place.key(), first.key());
    let chains = place.chains();
    let verb = |verb: &str, more: &[&str]| run(&[&["log", verb, chains.to_str().unwrap()], more].concat());
    assert_eq!(verb("retire", &["acme"]).status.code(), Some(2), "nobody named the key");
    let refused = verb("rotate", &["--key-file", key]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("halod does not change it"));
    printed(&verb("retire", &["acme", "--key-file", key]));
    assert_eq!(check(&chains, &["--key", &first.key()]), (UNWITNESSED, vec![]));
    printed(&verb("continue", &["--key-file", key]));
    assert!(place.note().starts_with("logs.example.com/agents/2\n1\n"));
}
