//! `halod anchor` beside `halo anchor`: the same files, options and exit codes.

use super::anchors::{chain, said};
use super::stage::{Reference, Witness, halo};
use crate::support::halod::BINARY;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn halod(arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("anchor").args(arguments).output().unwrap()
}

fn reference(arguments: &[&str]) -> Output {
    halo(&["anchor"]).args(arguments).output().unwrap()
}

/// The exit code, and the verdict if there is one.
fn verdict(out: &Output) -> (Option<i32>, Option<&'static str>) {
    let text = said(out);
    let verdict = ["COMPLETE", "INCOMPLETE", "UNWITNESSED"].into_iter().find(|word| text.starts_with(word));
    (out.status.code(), verdict)
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn each_checks_what_the_other_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let file = chain(dir.path(), "acme", 3);
    let (log, witness) = (file.to_str().unwrap(), dir.path().join("w.jsonl"));
    let witness = witness.to_str().unwrap();
    for (more, by) in [(0, reference as fn(&[&str]) -> Output), (2, halod), (1, reference), (1, halod)] {
        if more > 0 {
            chain(dir.path(), "acme", more);
        }
        let out = by(&[log, witness]);
        assert!(out.status.success() && said(&out).starts_with("witnessed acme: count="), "{}", said(&out));
        for check in [reference as fn(&[&str]) -> Output, halod] {
            let out = check(&[log, witness, "--check", "--expect-subject", "acme"]);
            assert_eq!(verdict(&out), (Some(0), Some("COMPLETE")), "{}", said(&out));
        }
    }
    let lines = fs::read_to_string(witness).unwrap();
    let keys = |line: &str| {
        let keys = [
            "{\"chain_root\":\"",
            "\",\"subject\":\"acme\",\"count\":",
            ",\"head\":\"",
            "\",\"ts\":\"",
            "Z\"}",
        ];
        keys.iter().all(|key| line.contains(key))
    };
    assert!(lines.lines().count() == 4 && lines.lines().all(keys), "{lines}");
}

#[test]
fn exit_codes_are_the_references() {
    let dir = tempfile::tempdir().unwrap();
    let file = chain(dir.path(), "acme", 3);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let witness = dir.path().join("w.jsonl");
    assert!(reference(&[file.to_str().unwrap(), witness.to_str().unwrap()]).status.success());
    let anchored = fs::read_to_string(&witness).unwrap();
    let changed = lines[1].replacen("python_tool", "another_one", 1);
    assert_ne!(changed, lines[1]);
    let chains = [
        write(dir.path(), "same", &text),
        write(dir.path(), "longer", &{
            let other = tempfile::tempdir().unwrap();
            fs::copy(&file, other.path().join("acme.jsonl")).unwrap();
            fs::read_to_string(chain(other.path(), "acme", 2)).unwrap()
        }),
        write(dir.path(), "cut", &lines[..2].concat()),
        write(dir.path(), "dropped", &[lines[0], lines[2]].concat()),
        write(dir.path(), "changed", &[lines[0], &changed, lines[2]].concat()),
        write(dir.path(), "torn", &format!("{text}{{\"a\":")),
        write(dir.path(), "empty", ""),
        dir.path().join("none"),
        dir.path().to_owned(),
        chain(dir.path(), "globex", 2),
    ];
    let witnesses = [
        witness,
        write(dir.path(), "w0", ""),
        dir.path().join("w-none"),
        write(dir.path(), "w1", &format!("{anchored}xx\n")),
        write(dir.path(), "w2", &format!("{anchored}{{\"count\":true,\"head\":\"a\"}}\n")),
        write(dir.path(), "w3", &format!("{anchored}{{\"count\":0,\"head\":\"a\",\"subject\":\"acme\"}}\n")),
        write(dir.path(), "w4", &format!("{anchored}{{\"count\":2,\"head\":\"a\",\"subject\":\"acme\"}}\n")),
        write(
            dir.path(),
            "w5",
            &format!("{anchored}{{\"count\":2,\"head\":\"a\",\"subject\":\"other\"}}\n\n"),
        ),
    ];
    for chain in &chains {
        for witness in &witnesses {
            let arguments = [chain.to_str().unwrap(), witness.to_str().unwrap(), "--check"];
            let (theirs, ours) = (reference(&arguments), halod(&arguments));
            // The reference calls a torn chain unreadable; a witness file that says nothing comes first here.
            if chain.ends_with("torn") {
                let (theirs, code) = (theirs.status.code(), ours.status.code());
                assert!(theirs == Some(1) && matches!(code, Some(1 | 2)), "{}", said(&ours));
                continue;
            }
            assert_eq!(verdict(&ours), verdict(&theirs), "{arguments:?}: {} {}", said(&ours), said(&theirs));
        }
    }
    let log = chains[0].to_str().unwrap();
    for arguments in [
        &[log][..],
        &[log, "--check"],
        &[log, "--remote", "http://127.0.0.1:1"],
        &[log, "--remote", "http://127.0.0.1:1", "--key", "k"],
        &[log, "--remote", "http://127.0.0.1:1", "--check"],
        &[],
        &[log, "w", "--unknown"],
    ] {
        let (theirs, ours) = (reference(arguments), halod(arguments));
        assert_eq!(ours.status.code(), theirs.status.code(), "{arguments:?}: {}", said(&ours));
    }
}

/// The reference anchors them, and the chain is INCOMPLETE for good then.
#[test]
fn what_would_spoil_a_witness_file_is_not_anchored() {
    let dir = tempfile::tempdir().unwrap();
    let file = chain(dir.path(), "acme", 3);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let witness = dir.path().join("w.jsonl");
    let to = witness.to_str().unwrap();
    assert!(halod(&[file.to_str().unwrap(), to]).status.success());
    let kept = fs::read_to_string(&witness).unwrap();
    for (text, code, what) in [
        (lines[..2].concat(), 1, "truncated"),
        (lines[1..].concat(), 1, "does not verify"),
        (format!("{text}{{\"a\":"), 1, "does not verify"),
        (String::new(), 3, "no records"),
    ] {
        let out = halod(&[write(dir.path(), "other", &text).to_str().unwrap(), to]);
        assert!(out.status.code() == Some(code) && said(&out).contains(what), "{}", said(&out));
        assert_eq!(fs::read_to_string(&witness).unwrap(), kept);
    }
    fs::write(&witness, format!("{kept}{{\"torn")).unwrap();
    let out = halod(&[file.to_str().unwrap(), to]);
    assert!(out.status.code() == Some(2) && said(&out).contains("line 2"), "{}", said(&out));
    // A last line that only lacks its end is whole.
    fs::write(&witness, kept.trim_end()).unwrap();
    assert!(halod(&[file.to_str().unwrap(), to]).status.success());
    assert!(reference(&[file.to_str().unwrap(), to, "--check"]).status.success());
}

#[test]
fn remote_witnesses_are_anchored_to_and_asked() {
    let (dir, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = Reference::start(&store.path().join("theirs"), "k");
    let ours = Witness::halod(&store.path().join("ours"), &[]);
    let (file, rootless) = (chain(dir.path(), "acme corp", 3), chain(dir.path(), "", 2));
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    let _ = (file, rootless);
    for url in [theirs.url(), ours.url()] {
        for file in &files {
            let log = file.to_str().unwrap();
            let out = halod(&[log, "--remote", &url, "--check"]);
            assert_eq!(verdict(&out), (Some(3), Some("UNWITNESSED")), "{}", said(&out));
            let out = halod(&[log, "--remote", &url, "--key", "k"]);
            assert!(out.status.success() && said(&out).contains("anchored to http"), "{}", said(&out));
            for check in [reference as fn(&[&str]) -> Output, halod] {
                let out = check(&[log, "--remote", &url, "--check"]);
                assert_eq!(verdict(&out), (Some(0), Some("COMPLETE")), "{}", said(&out));
            }
        }
    }
    let out = halod(&[files[0].to_str().unwrap(), "--remote", &theirs.url(), "--key", "wrong"]);
    assert!(out.status.code() == Some(1) && said(&out).contains("401"), "{}", said(&out));
}
