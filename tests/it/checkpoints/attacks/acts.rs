//! What is done to a copy of a log and its chains.

use super::scene::{Scene, copy};
use crate::support::chains::records;
use crate::timestamps::service::forgery;
use data_encoding::BASE64;
use halod_chain::disk::OsDisk;
use halod_evidence::entry::Epoch;
use halod_evidence::map::Map;
use halod_evidence::note::{Checkpoint, Signer};
use halod_evidence::state::blind;
use halod_record::hash::{parse_hex, sha256};
use halod_timestamp::halo::{State, Tsa};
use halod_tlog::book::{Block, Book, Row};
use halod_tlog::entries::Entries;
use halod_tlog::notes::{self, Notes};
use halod_tlog::reader::LogReader;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub(super) fn replace(dir: &Path, by: &Path) {
    fs::remove_dir_all(dir).unwrap();
    copy(by, dir);
}

pub(super) fn edit(dir: &Path, change: impl Fn(&str) -> String) {
    let path = dir.join("acme.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    fs::write(path, changed).unwrap();
}

pub(super) fn lines(dir: &Path, change: impl Fn(&mut Vec<String>)) {
    edit(dir, |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        lines.iter().map(|line| format!("{line}\n")).collect()
    });
}

/// What halod itself does not sign: for one epoch another chain, for the next one the right one again.
pub(super) fn rewritten_for_an_epoch(scene: &Scene, dir: &Path) {
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

/// Lets witnesses see every checkpoint of a directory, at these times by its entries. The cosignatures are real, and the witnesses
/// are the test.
pub(super) fn seen_by(scene: &Scene, dir: &Path, witnesses: &[usize], at: impl Fn(u64) -> u64) {
    let own = dir.join(".halod/log");
    let writer = Notes::new(&own, Arc::new(OsDisk));
    for note in notes::merged(notes::newest_first(&own).unwrap()) {
        let size = Checkpoint::parse(&note.text).unwrap().size;
        for &witness in witnesses {
            let line = scene.witnesses[witness].cosign(&note.text, at(size)).unwrap();
            writer.cosign(&note, &line).unwrap();
        }
    }
}

/// Unix seconds, by the clock of this machine.
pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Puts 71 bytes without a signature where tokens are: beside the newest checkpoint, and beside one of the witness file.
pub(super) fn forge_tokens(_: &Scene, dir: &Path, witness: &Path) {
    let own = dir.join(".halod/log");
    let note = notes::newest(&own).unwrap().unwrap();
    let size = Checkpoint::parse(&note.text).unwrap().size;
    fs::create_dir_all(own.join("tsa")).unwrap();
    fs::write(own.join(format!("tsa/{size}.tsr")), forgery(&sha256(note.text.as_bytes()))).unwrap();
    change_last(witness, |line| {
        let text = |name: &str| line[name].as_str().unwrap();
        let count = line["count"].as_u64().unwrap();
        let state =
            State { chain_root: text("chain_root"), subject: Some("acme"), count, head: text("head") };
        let digest = state.digest().unwrap();
        let tsa = Tsa {
            url: "https://tsa.example/".into(),
            digest: data_encoding::HEXLOWER.encode(&digest),
            gen_time: Some("2020-01-01T00:00:00Z".into()),
            token_b64: BASE64.encode(&forgery(&digest)),
        };
        json!({ "tsa": tsa })
    });
}

/// Adds a member to the last line of a witness file.
fn change_last(witness: &Path, member: impl Fn(&Value) -> Value) {
    let mut lines: Vec<Value> = fs::read_to_string(witness)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last_mut().unwrap();
    let added = member(last);
    last.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
    fs::write(witness, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

/// An anchor of no records at a witness that takes everything.
pub(super) fn poison(_: &Scene, _: &Path, witness: &Path) {
    let text = fs::read_to_string(witness).unwrap();
    let zero = json!({ "subject": "acme", "count": 0, "head": "0".repeat(64), "chain_root": null, "ts": "" });
    fs::write(witness, format!("{text}{zero}\n")).unwrap();
}

/// What acme's reader has tells no other tenant's name, hash or states.
pub(super) fn look_for_others(scene: &Scene, _: &Path, _: &Path) {
    let bundle = scene.place.path("bundle");
    let others = records(&scene.place.chain("globex"));
    let mut hidden = vec![b"globex".to_vec()];
    for record in &others {
        let hash = record["integrity"]["hash"].as_str().unwrap();
        let bytes = parse_hex::<32>(hash.as_bytes()).unwrap();
        hidden.extend([hash.as_bytes().to_vec(), bytes.to_vec(), BASE64.encode(&bytes).into_bytes()]);
    }
    let mut looked_at = 0;
    for dir in [bundle.clone(), bundle.join("evidence")] {
        for file in fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file())
        {
            let bytes = fs::read(&file).unwrap();
            looked_at += 1;
            for one in &hidden {
                let is_there = bytes.windows(one.len()).any(|window| window == one);
                assert!(!is_there, "{} has {:?}", file.display(), String::from_utf8_lossy(one));
            }
        }
    }
    assert!(looked_at >= 7);
    // The neighbour on acme's way is another one in every epoch, though globex' state stayed what it was in one of them.
    let slots = fs::read_to_string(bundle.join("evidence/slots.jsonl")).unwrap();
    let ways: Vec<Value> =
        slots.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["way"].clone()).collect();
    for (at, way) in ways.iter().enumerate() {
        assert!(!ways[..at].contains(way), "{ways:?}");
    }
}
