//! Checkpoints that others cosigned: three witnesses, two of which somebody else wrote.

use super::attacks::copy;
use super::{Place, UNWITNESSED, await_covered, check, printed, run};
use crate::support::chains::records;
use crate::support::halod::Halod;
use crate::support::wait_until;
use crate::witness::stage::Witness;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn log_of(halod: &Halod) -> Value {
    let (_, status) = halod.ask("/status").unwrap();
    serde_json::from_str::<Value>(&status).unwrap()["log"].clone()
}

/// A place whose log has a key, and its witnesses.
fn witnessed(make: &[fn(&halod_evidence::note::VerifierKey) -> Witness]) -> (Place, Vec<Witness>) {
    let mut place = Place::new();
    let halod = place.start();
    place.seal(&halod, "acme", 3);
    await_covered(&halod, &place, 3);
    halod.terminate();
    let key = place.key().parse().unwrap();
    let witnesses: Vec<Witness> = make.iter().map(|make| make(&key)).collect();
    let entry = |witness: &Witness| format!("{{ vkey: '{}', url: '{}' }}", witness.key, witness.url());
    let entries: Vec<String> = witnesses.iter().map(entry).collect();
    place.configure(&format!(", witnesses: [{}]", entries.join(", ")));
    (place, witnesses)
}

/// Waits until all witnesses have cosigned the newest checkpoint.
fn await_witnessed(halod: &Halod) {
    wait_until("all witnesses cosign", Duration::from_secs(60), || {
        let log = log_of(halod);
        let size = log["newest"]["size"].as_u64();
        size.is_some() && log["witnesses"].as_array().unwrap().iter().all(|one| one["size"].as_u64() == size)
    });
}

fn policy(place: &Place, name: &str, key: &str, witnesses: &[Witness], quorum: usize) -> PathBuf {
    let path = place.path(name);
    let lines: Vec<String> = witnesses
        .iter()
        .enumerate()
        .map(|(at, witness)| format!("witness w{at} {}\n", witness.key))
        .collect();
    let names: Vec<String> = (0..witnesses.len()).map(|at| format!("w{at}")).collect();
    let text = format!("log {key}\n{}group all {quorum} {}\nquorum all\n", lines.concat(), names.join(" "));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn what_strangers_cosigned_is_shown_to_a_reader_with_a_policy() {
    let (mut place, witnesses) = witnessed(&[Witness::halod_for, Witness::stranger_for, Witness::python_for]);
    let halod = place.start();
    place.seal(&halod, "acme", 5);
    place.seal(&halod, "globex", 1);
    await_covered(&halod, &place, 9);
    await_witnessed(&halod);
    let (key, chains) = (place.key(), place.chains());
    let two = policy(&place, "two.policy", &key, &witnesses, 2);
    let two = two.to_str().unwrap();
    assert_eq!(check(&chains, &["--policy", two, "--max-age", "1h"]), (0, vec![]));
    assert_eq!(check(&chains, &["--key", &key]).0, UNWITNESSED, "who names no witness trusts none");

    let id = records(&place.chain("acme"))[2]["record_id"].as_str().unwrap().to_owned();
    let (proof, bundle) = (place.path("p.halod-proof"), place.path("bundle"));
    let dir = chains.to_str().unwrap();
    printed(&run(&["prove", dir, "--record", &id, "-o", proof.to_str().unwrap()]));
    printed(&run(&["export", dir, "--bundle", "acme", "-o", bundle.to_str().unwrap()]));
    for path in [&proof, &bundle] {
        assert_eq!(check(path, &["--policy", two, "--subject", "acme"]), (0, vec![]), "{}", path.display());
    }
    assert!(fs::metadata(&proof).unwrap().len() < 2048, "with three cosignatures");

    let fifth = &records(&place.chain("acme"))[4];
    bounds_are_told(&chains, two, fifth, 8);
    bounds_are_told(&bundle, two, fifth, 8);

    // Cosignatures are taken away, or are those of nobody that the reader knows.
    let path = bundle.join("evidence/checkpoint");
    let note = fs::read_to_string(&path).unwrap();
    let kept = |lines: usize| {
        let (text, signatures) = note.split_once("\n\n").unwrap();
        let signatures: Vec<&str> = signatures.lines().take(lines).collect();
        format!("{text}\n\n{}\n", signatures.join("\n"))
    };
    for (lines, code) in [(1, 1), (2, 1), (3, 0)] {
        fs::write(&path, kept(lines)).unwrap();
        assert_eq!(check(&bundle, &["--policy", two]).0, code, "{lines} lines");
    }
    let other = Witness::halod_for(&key.parse().unwrap());
    let stranger = policy(&place, "other.policy", &key, &[other], 1);
    let (code, findings) = check(&chains, &["--policy", stranger.to_str().unwrap()]);
    assert!(code == 1 && findings[0].contains("did not witness"), "{findings:?}");
    // A cosignature that was made for another text.
    let size = note.lines().nth(1).unwrap();
    fs::write(&path, note.replacen(&format!("\n{size}\n"), "\n99\n", 1)).unwrap();
    assert_eq!(check(&bundle, &["--policy", two]).0, 1);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(check(&chains, &["--policy", two, "--max-age", "1s"]).0, 1);

    // A witness that is away keeps nobody from anything.
    let mut witnesses = witnesses;
    drop(witnesses.remove(0));
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 10);
    let one_of_three = log_of(&halod);
    assert_eq!(one_of_three["halted"], Value::Null);
    wait_until("the others cosign", Duration::from_secs(30), || {
        check(&chains, &["--policy", two]).0 == 0
            && log_of(&halod)["witnesses"].to_string().contains("can't be reached")
    });
    // All had seen the epoch before the last record's. A bundle is made under the checkpoint before, which one more has seen.
    let last = &records(&place.chain("acme"))[8];
    let (after, said) = bounds_are_told(&chains, two, last, 9);
    assert!(after.is_string() && said.starts_with("Record 9 came into the signed log between"), "{said}");
    halod.terminate();
}

/// Every one of acme's records came into the log before a time that two witnesses tell. Of the last ones, since when none of them was
/// there, if witnesses told that; and what the sentence of a record says.
fn bounds_are_told(path: &Path, policy: &str, record: &Value, records: u64) -> (Value, String) {
    let hash = record["integrity"]["hash"].as_str().unwrap();
    let subject = ["--subject", "acme", "--expect-head", hash];
    let arguments = [&["check", path.to_str().unwrap(), "--policy", policy, "--json"][..], &subject].concat();
    let report: Value = serde_json::from_str(&printed(&run(&arguments))).unwrap();
    let bounds = report["bounds"].as_array().unwrap();
    let mut next = 1;
    for bound in bounds {
        assert_eq!(bound["from"].as_u64(), Some(next), "{bounds:?}");
        next = bound["to"].as_u64().unwrap() + 1;
        let time = |side: &str| bound[side]["time"].as_str().map(str::to_owned);
        assert!(time("before").is_some() && bound["before"]["by"].as_array().unwrap().len() >= 2, "{bound}");
        assert!(time("after").is_none() || time("after") <= time("before"), "{bound}");
    }
    assert_eq!(next, records + 1, "{bounds:?}");
    let sentences = report["sentences"].as_array().unwrap().iter();
    let mut said = sentences
        .filter_map(|one| one["text"].as_str())
        .filter(|text| text.contains("came into the signed log"));
    (bounds[bounds.len() - 1]["after"]["time"].clone(), said.next_back().unwrap().to_owned())
}

#[test]
fn an_older_copy_is_not_signed_and_of_two_copies_one_stops() {
    let (mut place, _witnesses) = witnessed(&[Witness::halod_for]);
    let older = place.path("older");
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, 4);
    await_witnessed(&halod);
    halod.terminate();
    copy(&place.chains(), &older);
    let halod = place.start();
    for more in 5..7 {
        place.seal(&halod, "acme", 1);
        await_covered(&halod, &place, more);
    }
    await_witnessed(&halod);
    halod.terminate();

    // The older copy seals, and signs nothing.
    let signed = fs::read_to_string(older.join(".halod/log/entries").with_file_name("state")).unwrap();
    let halod = place.start_on(&older);
    wait_until("the witness is asked", Duration::from_secs(30), || !log_of(&halod)["halted"].is_null());
    place.seal(&halod, "acme", 2);
    std::thread::sleep(Duration::from_millis(2500));
    let log = log_of(&halod);
    assert!(log["halted"].as_str().unwrap().contains("put back to an older copy"), "{log}");
    assert_eq!(halod.metric("halod_log_rolled_back", ""), 1);
    wait_until("the local chain says so", Duration::from_secs(30), || {
        let local = older.join("local.jsonl");
        local.exists() && records(&local).iter().any(|record| record["action"]["tool"] == "halod.rollback")
    });
    assert_eq!(fs::read_to_string(older.join(".halod/log/state")).unwrap(), signed);
    assert!(halod.terminate().success());

    // Two copies of the newest one: whoever comes second is told, and stops.
    let twin = place.path("twin");
    copy(&place.chains(), &twin);
    let (one, two) = (place.start(), place.start_on(&twin));
    place.seal(&one, "acme", 1);
    place.seal(&two, "acme", 1);
    let halted = || [&one, &two].map(|halod| !log_of(halod)["halted"].is_null());
    wait_until("one of them stops", Duration::from_secs(60), || halted() != [false, false]);
    std::thread::sleep(Duration::from_secs(2));
    assert_ne!(halted(), [true, true]);
    for halod in [one, two] {
        assert!(halod.terminate().success());
    }
}
