//! What somebody may do to chains and their log, and who notices: halod's check, the reference's two verifiers, its witness file.

use super::receipts::RECEIPTS;
use super::{Place, UNWITNESSED, await_covered, check};
use crate::support::chains::records;
use crate::support::clients::{npm, python};
use crate::support::root;
use data_encoding::BASE64;
use halod_chain::disk::OsDisk;
use halod_evidence::entry::Epoch;
use halod_evidence::map::Map;
use halod_evidence::note::Signer;
use halod_evidence::state::blind;
use halod_tlog::book::{Block, Book, Row};
use halod_tlog::entries::Entries;
use halod_tlog::reader::LogReader;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Caught,
    Passes,
}

use Verdict::{Caught, Passes};

/// What everybody starts from: two tenants, three epochs, what a customer kept after the second.
struct Scene {
    place: Place,
    key: String,
    kept: PathBuf,
    /// The reference's checkpoints of acme's chain, as of the second epoch.
    witness: PathBuf,
    /// A second history with the same key: other records of the same tenants.
    fork: Place,
    /// A receipt for what acme was sealed last.
    receipt: PathBuf,
    /// The same log, which goes on after the second epoch with other records than those of the receipt.
    dropped: Place,
}

/// What is done to a copy of the directory.
type Act = fn(&Scene, &Path);

struct Attack {
    /// Of the table in the design.
    number: u32,
    what: &'static str,
    /// Does it to a copy of the directory.
    act: Act,
    /// halod's check with the pinned key and the kept note; the words of its finding.
    halod: (Verdict, &'static str),
    /// `halo verify` and the npm verifier, of acme's chain.
    verify: Verdict,
    npm: Verdict,
    /// `halo anchor --check` with the kept checkpoints.
    anchor: Verdict,
}

const ATTACKS: &[Attack] = &[
    Attack {
        number: 0,
        what: "nothing",
        act: |_, _| {},
        halod: (Passes, ""),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
    Attack {
        number: 1,
        what: "a value is edited",
        act: |_, dir| edit(dir, |text| text.replacen("gpt-4o-mini", "gpt-4o-maxi", 1)),
        halod: (Caught, "hash"),
        verify: Caught,
        npm: Caught,
        anchor: Caught,
    },
    Attack {
        number: 1,
        what: "a record is dropped",
        act: |_, dir| lines(dir, |lines| drop(lines.remove(5))),
        halod: (Caught, "prev_hash"),
        verify: Caught,
        npm: Caught,
        anchor: Caught,
    },
    Attack {
        number: 1,
        what: "two records are swapped",
        act: |_, dir| lines(dir, |lines| lines.swap(5, 6)),
        halod: (Caught, "prev_hash"),
        verify: Caught,
        npm: Caught,
        anchor: Caught,
    },
    Attack {
        number: 2,
        what: "the tail is cut after an epoch",
        act: |_, dir| lines(dir, |lines| lines.truncate(7)),
        halod: (Caught, "are missing from the end"),
        verify: Passes,
        npm: Passes,
        anchor: Caught,
    },
    Attack {
        number: 3,
        what: "the chain is sealed again with other records",
        act: |scene, dir| assert!(fs::copy(scene.fork.chain("acme"), dir.join("acme.jsonl")).unwrap() > 0),
        halod: (Caught, "are not those that epoch"),
        verify: Passes,
        npm: Passes,
        anchor: Caught,
    },
    Attack {
        number: 4,
        what: "another tenant's file is deleted",
        act: |_, dir| fs::remove_file(dir.join("globex.jsonl")).unwrap(),
        halod: (Caught, "The file of the chain is gone"),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
    Attack {
        number: 5,
        what: "everything is deleted, and begun anew with another key",
        act: |_, dir| {
            let other = sealed(None);
            replace(dir, &other.chains());
        },
        halod: (Caught, "is not signed by a key that you named"),
        verify: Passes,
        npm: Passes,
        anchor: Caught,
    },
    Attack {
        number: 6,
        what: "another history is shown, signed with the same key",
        act: |scene, dir| replace(dir, &scene.fork.chains()),
        halod: (Caught, "two histories were signed"),
        verify: Passes,
        npm: Passes,
        anchor: Caught,
    },
    Attack {
        number: 7,
        what: "a second log is kept for this reader",
        act: |scene, dir| {
            let place = sealed(None);
            // The chain itself is the right one.
            for tenant in ["acme", "globex"] {
                fs::copy(scene.place.chain(tenant), place.chain(tenant)).unwrap();
            }
            replace(dir, &place.chains());
        },
        halod: (Caught, "is not signed by a key that you named"),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
    Attack {
        number: 8,
        what: "another chain was signed for an epoch, and the right one is shown again",
        act: rewritten_for_an_epoch,
        halod: (Caught, "are not those that epoch 4 signed"),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
    Attack {
        number: 10,
        what: "the disk is put back to a snapshot of the first epoch",
        act: |scene, dir| replace(dir, &scene.place.path("snapshot")),
        halod: (Caught, "was put back to an older copy"),
        verify: Passes,
        npm: Passes,
        anchor: Caught,
    },
    Attack {
        number: 20,
        what: "records that were acknowledged are dropped before an epoch, and the log goes on",
        act: |scene, dir| replace(dir, &scene.dropped.chains()),
        halod: (Caught, "PROOF OF OMISSION"),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
    Attack {
        number: 24,
        what: "entries of the log are changed",
        act: |_, dir| {
            let path = dir.join(".halod/log/entries");
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        halod: (Caught, "are not those of the checkpoint"),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
    Attack {
        number: 26,
        what: "a key stands twice in a line",
        act: |_, dir| {
            edit(dir, |text| {
                text.replacen("\"schema_version\":", "\"schema_version\":\"0.1\",\"schema_version\":", 1)
            });
        },
        halod: (Caught, "stands twice in one object"),
        verify: Caught,
        // The npm verifier takes the last one.
        npm: Passes,
        anchor: Caught,
    },
    Attack {
        number: 27,
        what: "a record is hidden in a torn line",
        act: |_, dir| lines(dir, |lines| lines[5].truncate(40)),
        halod: (Caught, ""),
        verify: Caught,
        npm: Caught,
        anchor: Caught,
    },
    Attack {
        number: 28,
        what: "the files of trees are swapped",
        act: |_, dir| {
            let tree = dir.join(".halod/tree");
            fs::rename(tree.join("acme"), tree.join("x")).unwrap();
            fs::rename(tree.join("globex"), tree.join("acme")).unwrap();
            fs::rename(tree.join("x"), tree.join("globex")).unwrap();
        },
        // They are made anew from the chain: nobody relies on them.
        halod: (Passes, ""),
        verify: Passes,
        npm: Passes,
        anchor: Passes,
    },
];

/// A directory with two tenants and three epochs; with the key of another one where that is given.
fn sealed(key_of: Option<&Path>) -> Place {
    let mut place = Place::configured(RECEIPTS);
    if let Some(other) = key_of {
        let own = place.chains().join(".halod/log");
        fs::create_dir_all(&own).unwrap();
        for secret in ["key.p8", "blind", "vkeys"] {
            fs::copy(other.join(".halod/log").join(secret), own.join(secret)).unwrap();
        }
        // The other history has other records.
        place.sent = 1000;
    }
    let halod = place.start();
    let mut covered = 0;
    for epoch in 0..3 {
        let receipt = place.seal(&halod, "acme", 4).unwrap();
        fs::write(place.path("last.receipt"), BASE64.decode(receipt.as_bytes()).unwrap()).unwrap();
        place.seal(&halod, "globex", 1);
        covered += 5;
        await_covered(&halod, &place, covered);
        if epoch == 0 {
            copy(&place.chains(), &place.path("snapshot"));
        }
        if epoch == 1 {
            fs::write(place.path("kept.note"), place.note()).unwrap();
            copy(&place.chains(), &place.path("second"));
            place.export("acme");
        }
    }
    halod.terminate();
    place
}

/// Goes on from the second epoch of another place, as if what was sealed there since had never come.
fn without_the_last(other: &Place) -> Place {
    let mut place = Place::configured(RECEIPTS);
    copy(&other.path("second"), &place.chains());
    place.sent = 2000;
    let halod = place.start();
    place.seal(&halod, "acme", 4);
    await_covered(&halod, &place, 14);
    halod.terminate();
    place
}

pub fn copy(from: &Path, to: &Path) {
    let out = Command::new("cp").arg("-a").arg(from).arg(to).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn replace(dir: &Path, by: &Path) {
    fs::remove_dir_all(dir).unwrap();
    copy(by, dir);
}

fn edit(dir: &Path, change: impl Fn(&str) -> String) {
    let path = dir.join("acme.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    fs::write(path, changed).unwrap();
}

fn lines(dir: &Path, change: impl Fn(&mut Vec<String>)) {
    edit(dir, |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        lines.iter().map(|line| format!("{line}\n")).collect()
    });
}

/// What halod itself does not sign: for one epoch another chain, for the next one the right one again.
fn rewritten_for_an_epoch(scene: &Scene, dir: &Path) {
    let own = dir.join(".halod/log");
    let log = LogReader::open(dir).unwrap().unwrap();
    let (_, last) = log.last_epoch().unwrap().unwrap();
    let right: Vec<Row> = log.states(last.epoch).unwrap().into_values().collect();
    let fork = LogReader::open(&scene.fork.chains()).unwrap().unwrap();
    let (_, of_fork) = fork.last_epoch().unwrap().unwrap();
    let wrong: Vec<Row> = fork.states(of_fork.epoch).unwrap().into_values().collect();
    let secret = fs::read(own.join("blind")).unwrap();
    let disk = Arc::new(OsDisk);
    let mut entries = Entries::open(&own, disk.clone()).unwrap();
    let (mut book, _) = Book::open(&own, last.epoch).unwrap();
    for (more, rows) in [(1, wrong), (2, right)] {
        let (epoch, millis) = (last.epoch + more, last.millis + more);
        let leaves = rows.iter().map(|row| (row.slot, row.state.hidden(&blind(&secret, epoch, &row.slot))));
        let map = Map::new(leaves).root();
        book.add(millis, &Block { epoch, all: false, rows }, &*disk).unwrap();
        entries.append(&Epoch { epoch, millis, map }.bytes()).unwrap();
    }
    let checkpoint = entries.settle(&log.checkpoint.origin).unwrap();
    let signer = Signer::new(&log.checkpoint.origin, &fs::read(own.join("key.p8")).unwrap()).unwrap();
    fs::write(own.join("checkpoint"), signer.sign(&checkpoint.text()).unwrap()).unwrap();
}

fn verdict(is_well: bool) -> Verdict {
    if is_well { Passes } else { Caught }
}

fn npm_verdict(chain: &Path) -> Verdict {
    let script = root().join("tests/clients/verify.mjs");
    verdict(npm().output(&script, &[chain.to_owned()], &[]).status.success())
}

/// What everybody says of an attack.
fn said(scene: &Scene, attack: &Attack) -> Result<(), String> {
    let target = tempfile::tempdir().unwrap();
    let dir = target.path().join("records");
    copy(&scene.place.chains(), &dir);
    (attack.act)(scene, &dir);
    let (kept, receipt) = (scene.kept.to_str().unwrap(), scene.receipt.to_str().unwrap());
    let (code, findings) = check(&dir, &["--key", &scene.key, "--since", kept, "--receipt", receipt]);
    let halod = match code {
        UNWITNESSED => Passes,
        1 => Caught,
        _ => return Err(format!("halod check: {code} {findings:?}")),
    };
    if halod == Caught && !findings.iter().any(|finding| finding.contains(attack.halod.1)) {
        return Err(format!("{findings:?}"));
    }
    let chain = dir.join("acme.jsonl");
    let halo = |arguments: &[&str], witness: Option<&Path>| {
        let mut command = python().command("halo");
        command.arg(arguments[0]).arg(&chain).args(witness).args(&arguments[1..]);
        verdict(command.output().unwrap().status.success())
    };
    let got = [
        halod,
        halo(&["verify"], None),
        npm_verdict(&chain),
        halo(&["anchor", "--check"], Some(&scene.witness)),
    ];
    let expected = [attack.halod.0, attack.verify, attack.npm, attack.anchor];
    if got == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?}; {findings:?}")) }
}

#[test]
fn every_attack_has_the_verdict_that_the_table_says() {
    let place = sealed(None);
    let fork = sealed(Some(&place.chains()));
    let (key, kept) = (place.key(), place.path("kept.note"));
    assert_eq!(fork.key(), key);
    let witness = place.path("bundle/evidence/witness.jsonl");
    let (receipt, dropped) = (place.path("last.receipt"), without_the_last(&place));
    let scene = Scene { place, key, kept, witness, fork, receipt, dropped };
    assert_eq!(records(&scene.place.chain("acme")).len(), 12);
    let wrong: Vec<String> = ATTACKS
        .iter()
        .filter_map(|attack| {
            let why = said(&scene, attack).err()?;
            Some(format!("{} {}: {why}", attack.number, attack.what))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
