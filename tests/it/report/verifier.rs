//! The page's verifier is the third one: under Node it says of every chain and every mutant what `halod verify` says.

use crate::support::halod::BINARY;
use crate::support::random::Random;
use crate::support::reference::ask_python;
use crate::support::root;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MUTANTS: usize = 3000;

/// What both verifiers tell of a chain.
const FACTS: [&str; 9] =
    ["verdict", "records", "torn", "faults", "backwards", "parents", "unknown_parents", "broken_at", "head"];

/// What the page's modules say of files, run by Node.
fn by_the_page(files: &[PathBuf]) -> Vec<Value> {
    let script = root().join("tests/clients/web_verify.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(root().join("web")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.spawn().expect("node 20 or later");
    let mut stdin = node.stdin.take().unwrap();
    let names: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let feeder = std::thread::spawn(move || stdin.write_all(names.as_bytes()));
    let out = node.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(out.status.success());
    let lines = String::from_utf8(out.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What `halod verify` says of files; null of one that it can't read.
fn by_halod(files: &[PathBuf]) -> Vec<Value> {
    let mut said = vec![Value::Null; files.len()];
    for (chunk, from) in files.chunks(500).zip((0..).step_by(500)) {
        let out = Command::new(BINARY).args(["verify", "--json"]).args(chunk).output().unwrap();
        for line in String::from_utf8(out.stdout).unwrap().lines() {
            let one: Value = serde_json::from_str(line).unwrap();
            let at = chunk.iter().position(|file| *file == Path::new(one["path"].as_str().unwrap()));
            said[from + at.unwrap()] = one;
        }
    }
    said
}

/// The files of which the two say different things.
fn disagreements(files: &[PathBuf]) -> Vec<String> {
    let (page, halod) = (by_the_page(files), by_halod(files));
    assert_eq!((page.len(), halod.len()), (files.len(), files.len()));
    let both = files.iter().zip(page.iter().zip(&halod));
    both.filter_map(|(file, (page, halod))| {
        if halod.is_null() {
            return (page["verdict"] != "unreadable")
                .then(|| format!("{}: halod can't read it", file.display()));
        }
        let facts = FACTS.iter().find(|fact| page[**fact] != halod[**fact]);
        let issues = halod["issues"].as_array().unwrap().iter();
        let issues: Vec<Value> = issues.map(|issue| json!([issue["line"], issue["rule"]])).collect();
        let differs =
            facts.map(ToString::to_string).or((page["issues"] != json!(issues)).then(|| "issues".into()));
        differs.map(|what| format!("{}: {what}: page {page}, halod {halod}", file.display()))
    })
    .collect()
}

fn corpus(dir: &Path) -> Vec<PathBuf> {
    ask_python("chains.py", &[dir], "");
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    files
}

#[test]
fn every_chain_gets_the_verdict_of_halod() {
    let dir = tempfile::tempdir().unwrap();
    let files = corpus(dir.path());
    assert!(files.len() >= 60, "only {} chains", files.len());
    let wrong = disagreements(&files);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// What a mutation puts into a chain: what readers of JSON are known to differ on.
const PIECES: [&[u8]; 34] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"1.0",
    b"1e3",
    b"-0",
    b"NaN",
    b"null",
    b"\\ud800",
    b"\xED\xA0\x80",
    b"\xFF",
    b"\n",
    b"\r",
    b"  ",
    b"\xE2\x80\xA8",
    b"9007199254740993",
    b"9007199254740992",
    b"\"__proto__\":1,",
    b"\"a\":1,\"a\":2,",
    b"true",
    b"\\u0041",
    b"\\/",
    b"\"record_id\":\"\",",
    b"\"parent_id\":\"id-1\",",
    b"99999999999999999999",
    b"\\u00e9",
    b"\xC2\xA0",
    b"-Infinity",
    b"1E400",
];

fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.between(1, 4) {
        let at = random.between(0, bytes.len() as u64) as usize;
        match random.between(0, 10) {
            0..3 => bytes[at] ^= 1 << random.between(0, 8),
            3..7 => {
                let piece = PIECES[random.between(0, PIECES.len() as u64) as usize];
                bytes.splice(at..at, piece.iter().copied());
            }
            7..9 => drop(bytes.drain(at..(at + random.between(1, 20) as usize).min(bytes.len()))),
            _ => {
                let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
                let of = lines.len() as u64;
                let (one, other) = (random.between(0, of) as usize, random.between(0, of) as usize);
                lines.swap(one, other);
                bytes = lines.join(&b'\n');
            }
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes
}

#[test]
fn every_mutant_gets_the_verdict_of_halod() {
    let (dir, mutants) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let read =
        |file: &PathBuf| Some(fs::read(file).unwrap()).filter(|bytes| (200..20_000).contains(&bytes.len()));
    let chains: Vec<Vec<u8>> = corpus(dir.path()).iter().filter_map(read).collect();
    let mut random = Random::new("every_mutant_gets_the_verdict_of_halod");
    let files: Vec<PathBuf> = (0..MUTANTS).map(|n| mutants.path().join(format!("{n}.jsonl"))).collect();
    for file in &files {
        let chain = &chains[random.between(0, chains.len() as u64) as usize];
        fs::write(file, mutated(chain, &mut random)).unwrap();
    }
    let wrong = disagreements(&files);
    assert!(wrong.is_empty(), "{} of {MUTANTS}:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
}
