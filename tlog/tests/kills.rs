//! Processes that sign one epoch after another and are killed at random moments (SIGKILL): whatever step they were at, one size of
//! the log has one root, and what was signed is on disk. The test starts itself as such a process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use halod_chain::disk::OsDisk;
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_record::hash::{hex_text, parse_hex, sha256};
use halod_tlog::entries::EntriesReader;
use halod_tlog::key::{KeySettings, verifiers};
use halod_tlog::log::{Log, place};
use halod_tlog::notes::Notes;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What tells the process that it is the one to be killed; the directory follows.
const SIGNS: &str = "--sign-in";

/// Epochs are so far apart that their days are thinned out soon.
const APART: u64 = 6 * 60 * 60 * 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(SIGNS) {
        sign(Path::new(&arguments.next().unwrap()));
    }
    no_kill_makes_two_roots();
}

/// The number of records of a chain, and the hash of its last one.
fn end(chain: &Path) -> (usize, [u8; 32]) {
    let text = fs::read_to_string(chain).unwrap_or_default();
    let hash = text.lines().next_back().and_then(|line| line.split_once("\"hash\":\""));
    let hash = hash.map_or([0; 32], |(_, rest)| parse_hex(&rest.as_bytes()[..64]).unwrap());
    (text.lines().count(), hash)
}

/// Seals and signs until somebody kills it.
fn sign(dir: &Path) -> ! {
    let notes = Arc::new(Notes::new(&place(dir), Arc::new(OsDisk)));
    let mut log = Log::open(dir, &KeySettings::default(), Arc::new(OsDisk), notes).unwrap();
    let ids = ["a", "b", "c"];
    let mut ends = ids.map(|id| end(&dir.join(format!("{id}.jsonl"))));
    println!("begins");
    let mut sealed = ends.iter().map(|(count, _)| *count).sum::<usize>();
    loop {
        let id = ids[sealed % 3];
        let (number, prev) = ends[sealed % 3];
        let before = format!(
            "{{\"data\":{{\"n\":{number}}},\"integrity\":{{\"alg\":\"sha-256\",\"canon\":\"rfc8785\","
        );
        let after = format!("\"prev_hash\":\"{}\"}},\"subject\":{{\"id\":\"{id}\"}}}}", hex_text(&prev));
        let hash = sha256(format!("{before}{after}").as_bytes());
        let line = format!("{before}\"hash\":\"{}\",{after}\n", hex_text(&hash));
        let mut file =
            File::options().append(true).create(true).open(dir.join(format!("{id}.jsonl"))).unwrap();
        // One write of a line this short is whole or not there.
        file.write_all(line.as_bytes()).unwrap();
        ends[sealed % 3] = (number + 1, hash);
        sealed += 1;
        let millis = 1_700_000_000_000 + sealed as u64 * APART;
        for stem in log.look(|_| false).unwrap() {
            log.take_in(&stem).unwrap();
        }
        log.sign(millis).unwrap();
        log.thin(millis).unwrap();
        println!("signed");
    }
}

/// Some number below another one.
fn below(number: u64, state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % number
}

fn no_kill_makes_two_roots() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {random}");
    let mut kept: Vec<Checkpoint> = Vec::new();
    for _ in 0..40 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([SIGNS, dir.path().to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("begins"), "the log can be opened again");
        // Some epochs, and a part of one more: as long as they take on this machine.
        let (epochs, began) = (1 + below(3, &mut random), Instant::now());
        assert_eq!(lines.by_ref().take(epochs as usize).count() as u64, epochs);
        let one = began.elapsed().as_micros() as u64 / epochs;
        std::thread::sleep(Duration::from_micros(below(one + 1, &mut random)));
        child.kill().unwrap();
        child.wait().unwrap();
        let own = place(dir.path());
        let Ok(text) = fs::read_to_string(own.join("checkpoint")) else { continue };
        let note = SignedNote::parse(&text).unwrap();
        note.verify(&verifiers(&own).unwrap()[0]).unwrap();
        kept.push(Checkpoint::parse(&note.text).unwrap());
        let entries = EntriesReader::open(&own, u64::MAX).unwrap();
        for checkpoint in &kept {
            assert_eq!(entries.root_at(checkpoint.size), Some(checkpoint.root), "{checkpoint:?}");
        }
    }
    kept.dedup();
    assert!(kept.len() > 15, "epochs were signed between kills: {}", kept.len());
    println!("{} checkpoints, up to {} entries: one history", kept.len(), kept[kept.len() - 1].size);
}
