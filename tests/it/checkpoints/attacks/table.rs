//! The attacks, by their numbers in the design.

use super::How;
use super::Verdict::{self, Caught, Passes, Told};
use super::acts::{
    edit, forge_tokens, lines, look_for_others, now, poison, replace, rewritten_for_an_epoch, seen_by,
};
use super::scene::{Scene, sealed};
use data_encoding::BASE64;
use std::fs;
use std::path::Path;

pub(super) struct Attack {
    pub(super) number: u32,
    pub(super) what: &'static str,
    /// Does it to a copy of the directory, and to one of the file that a witness of chains kept.
    pub(super) act: fn(&Scene, &Path, &Path),
    /// What a reader asks halod's check for.
    pub(super) check: fn(&Scene, &Path) -> Vec<String>,
    /// What that says, and the words of it.
    pub(super) halod: (Verdict, &'static str),
    /// Of acme's chain: `halo verify`, the npm verifier, and with the file of the witness `halo anchor --check` and
    /// `halod anchor --check`.
    pub(super) others: [Verdict; 4],
    pub(super) how: How,
}

fn arguments(dir: &Path, more: &[&str]) -> Vec<String> {
    [dir.to_str().unwrap()].iter().chain(more).map(|&one| one.to_owned()).collect()
}

/// The pinned key, the note that was kept, the receipt.
fn everything(scene: &Scene, dir: &Path) -> Vec<String> {
    let [kept, receipt] = [&scene.kept, &scene.receipt].map(|path| path.to_str().unwrap());
    arguments(dir, &["--key", &scene.key, "--since", kept, "--receipt", receipt])
}

fn against_the_fork(scene: &Scene, dir: &Path) -> Vec<String> {
    arguments(dir, &[scene.fork.chains().to_str().unwrap(), "--key", &scene.key])
}

fn by_two_of_three(scene: &Scene, dir: &Path) -> Vec<String> {
    arguments(dir, &["--policy", scene.policy(2).to_str().unwrap()])
}

fn by_one_of_three(scene: &Scene, dir: &Path) -> Vec<String> {
    arguments(dir, &["--policy", scene.policy(1).to_str().unwrap()])
}

fn no_older_than_an_hour(scene: &Scene, dir: &Path) -> Vec<String> {
    arguments(dir, &["--policy", scene.policy(2).to_str().unwrap(), "--max-age", "1h"])
}

fn by_roots(scene: &Scene, dir: &Path) -> Vec<String> {
    arguments(dir, &["--key", &scene.key, "--tsa-roots", scene.tsa.path("root").to_str().unwrap()])
}

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        number: 0,
        what: "nothing",
        act: |_, _, _| {},
        check: everything,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 1,
        what: "a value is edited",
        act: |_, dir, _| edit(dir, |text| text.replacen("gpt-4o-mini", "gpt-4o-maxi", 1)),
        check: everything,
        halod: (Caught, "hash"),
        others: [Caught, Caught, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 1,
        what: "a record is dropped",
        act: |_, dir, _| lines(dir, |lines| drop(lines.remove(5))),
        check: everything,
        halod: (Caught, "prev_hash"),
        others: [Caught, Caught, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 1,
        what: "two records are swapped",
        act: |_, dir, _| lines(dir, |lines| lines.swap(5, 6)),
        check: everything,
        halod: (Caught, "prev_hash"),
        others: [Caught, Caught, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 2,
        what: "the tail is cut after an epoch",
        act: |_, dir, _| lines(dir, |lines| lines.truncate(7)),
        check: everything,
        halod: (Caught, "are missing from the end"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 3,
        what: "the chain is sealed again with other records",
        act: |scene, dir, _| assert!(fs::copy(scene.fork.chain("acme"), dir.join("acme.jsonl")).unwrap() > 0),
        check: everything,
        halod: (Caught, "are not those that epoch"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 4,
        what: "another tenant's file is deleted",
        act: |_, dir, _| fs::remove_file(dir.join("globex.jsonl")).unwrap(),
        check: everything,
        halod: (Caught, "The file of the chain is gone"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 5,
        what: "everything is deleted, and begun anew with another key",
        act: |_, dir, _| {
            let other = sealed(None);
            replace(dir, &other.chains());
        },
        check: everything,
        halod: (Caught, "is not signed by a key that you named"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 6,
        what: "another history is shown, signed with the same key",
        act: |scene, dir, _| replace(dir, &scene.fork.chains()),
        check: everything,
        halod: (Caught, "two histories were signed"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 7,
        what: "a second log is kept for this reader",
        act: |scene, dir, _| {
            let place = sealed(None);
            // The chain itself is the right one.
            for tenant in ["acme", "globex"] {
                fs::copy(scene.place.chain(tenant), place.chain(tenant)).unwrap();
            }
            replace(dir, &place.chains());
        },
        check: everything,
        halod: (Caught, "is not signed by a key that you named"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 8,
        what: "another chain was signed for an epoch, and the right one is shown again",
        act: |scene, dir, _| rewritten_for_an_epoch(scene, dir),
        check: everything,
        halod: (Caught, "are not those that epoch 4 signed"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 9,
        what: "a fork is shown to somebody else, and the two meet",
        act: |_, _, _| {},
        check: against_the_fork,
        halod: (Caught, "CONTRADICTION"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 10,
        what: "the disk is put back to a snapshot of the first epoch",
        act: |scene, dir, _| replace(dir, &scene.place.path("snapshot")),
        check: everything,
        halod: (Caught, "was put back to an older copy"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 11,
        what: "a thief of the key signs another history, which no witness takes",
        act: |scene, dir, _| replace(dir, &scene.fork.chains()),
        check: by_two_of_three,
        halod: (Caught, "did not witness"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Simulated(
            "the key is copied, and the refusals of witnesses are those of tests/it/witness/logs.rs",
        ),
    },
    Attack {
        number: 11,
        what: "a thief of the key signs what is sealed on the host from now on",
        act: |scene, dir, _| seen_by(scene, dir, &[0, 1, 2], |_| now()),
        check: by_two_of_three,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("who asks for a signature can't be told from its epoch"),
    },
    Attack {
        number: 12,
        what: "records are back-dated",
        act: |scene, dir, _| seen_by(scene, dir, &[0, 1, 2], |size| 2_208_988_800 + size),
        check: by_two_of_three,
        halod: (Told, "came into the signed log between 2040-"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("witnesses' clocks are years ahead, in place of records that are years behind"),
    },
    Attack {
        number: 13,
        what: "records are sealed before what they tell of",
        act: |scene, dir, _| seen_by(scene, dir, &[0, 1, 2], |size| 978_307_200 + size),
        check: by_two_of_three,
        halod: (Told, "came into the signed log between 2001-"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("witnesses' clocks are years behind, in place of records that are years ahead"),
    },
    Attack {
        number: 14,
        what: "tokens of a time-stamping service are made up",
        act: forge_tokens,
        check: by_roots,
        halod: (Caught, "shows nothing"),
        others: [Passes, Passes, Passes, Caught],
        how: How::Run,
    },
    Attack {
        number: 15,
        what: "an old checkpoint is shown as the newest",
        act: |scene, dir, _| {
            replace(dir, &scene.place.path("second"));
            seen_by(scene, dir, &[0, 1, 2], |_| now() - 7200);
        },
        check: no_older_than_an_hour,
        halod: (Caught, "older than you demand"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("the witnesses are keys of the test"),
    },
    Attack {
        number: 16,
        what: "cosignatures are taken away",
        act: |scene, dir, _| seen_by(scene, dir, &[0], |_| now()),
        check: by_two_of_three,
        halod: (Caught, "did not witness"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("the witnesses are keys of the test"),
    },
    Attack {
        number: 16,
        what: "a cosignature of nobody that the reader knows is added",
        act: |scene, dir, _| {
            seen_by(scene, dir, &[0, 1], |_| now());
            let path = dir.join(".halod/log/checkpoint");
            let line = format!("\u{2014} nobody.example {}\n", BASE64.encode(&[7; 76]));
            fs::write(&path, fs::read_to_string(&path).unwrap() + &line).unwrap();
        },
        check: by_two_of_three,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("the witnesses are keys of the test"),
    },
    Attack {
        number: 17,
        what: "a minority of the witnesses cosigns another history",
        act: |scene, dir, _| {
            replace(dir, &scene.fork.chains());
            seen_by(scene, dir, &[2], |_| now());
        },
        check: by_two_of_three,
        halod: (Caught, "did not witness"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Simulated("the witnesses are keys of the test"),
    },
    Attack {
        number: 17,
        what: "a reader takes a quorum that is no majority",
        act: |scene, dir, _| {
            replace(dir, &scene.fork.chains());
            seen_by(scene, dir, &[2], |_| now());
        },
        check: by_one_of_three,
        halod: (Told, "no majority"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Simulated("the witnesses are keys of the test"),
    },
    Attack {
        number: 18,
        what: "all witnesses are the vendor's",
        act: |scene, dir, _| {
            replace(dir, &scene.fork.chains());
            seen_by(scene, dir, &[0, 1, 2], |_| now());
        },
        check: by_two_of_three,
        halod: (Told, "w0, w1, w2"),
        others: [Passes, Passes, Caught, Caught],
        how: How::Simulated("the witnesses are keys of the test"),
    },
    Attack {
        number: 19,
        what: "an action is never told to halod",
        act: |_, _, _| {},
        check: everything,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Simulated("nothing is done: nothing is there to be seen"),
    },
    Attack {
        number: 20,
        what: "records that were acknowledged are dropped before an epoch, and the log goes on",
        act: |scene, dir, _| replace(dir, &scene.dropped.chains()),
        check: everything,
        halod: (Caught, "PROOF OF OMISSION"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 21,
        what: "a tenant is dropped among a hundred made-up ones",
        act: |scene, dir, _| {
            replace(dir, &scene.flooded.chains());
            fs::remove_file(dir.join("acme.jsonl")).unwrap();
        },
        check: everything,
        halod: (Caught, "The file of the chain is gone"),
        others: [Caught, Caught, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 22,
        what: "a witness that takes everything is told a wrong count",
        act: poison,
        check: everything,
        halod: (Passes, ""),
        others: [Passes, Passes, Caught, Caught],
        how: How::Simulated(
            "the line is put into the file; that `halod witness` refuses it is in tests/it/witness/anchors.rs",
        ),
    },
    Attack {
        number: 23,
        what: "other tenants are guessed from what acme's reader has",
        act: look_for_others,
        check: everything,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 24,
        what: "entries of the log are changed",
        act: |_, dir, _| {
            let path = dir.join(".halod/log/entries");
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        check: everything,
        halod: (Caught, "are not those of the checkpoint"),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
    Attack {
        number: 25,
        what: "a page that checks is swapped for one that always says yes",
        act: |_, _, _| {},
        check: everything,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Page("the directory is as it was, and other tools say so"),
    },
    Attack {
        number: 26,
        what: "a key stands twice in a line",
        act: |_, dir, _| {
            edit(dir, |text| {
                text.replacen("\"schema_version\":", "\"schema_version\":\"0.1\",\"schema_version\":", 1)
            });
        },
        check: everything,
        halod: (Caught, "stands twice in one object"),
        others: [Caught, Passes, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 27,
        what: "a record is hidden in a torn line",
        act: |_, dir, _| lines(dir, |lines| lines[5].truncate(40)),
        check: everything,
        halod: (Caught, ""),
        others: [Caught, Caught, Caught, Caught],
        how: How::Run,
    },
    Attack {
        number: 28,
        what: "the files of trees are swapped",
        act: |_, dir, _| {
            let tree = dir.join(".halod/tree");
            fs::rename(tree.join("acme"), tree.join("x")).unwrap();
            fs::rename(tree.join("globex"), tree.join("acme")).unwrap();
            fs::rename(tree.join("x"), tree.join("globex")).unwrap();
        },
        check: everything,
        halod: (Passes, ""),
        others: [Passes, Passes, Passes, Passes],
        how: How::Run,
    },
];
