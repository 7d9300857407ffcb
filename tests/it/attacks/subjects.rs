//! One tenant's record in another's file: by ids that clean to the same name, by files that are none, by
//! links. Beside recorders of the reference, across kills and restarts.

use super::{record, recorder, send};
use crate::support::chains::{assert_verified, files, of_tenant, records, span_key};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use crate::support::random::Random;
use crate::support::spans::{SpanKey, key, span};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where each subject's records are, nobody's under "". Panics where a file has two subjects, or a
/// subject two files.
fn places(dir: &Path) -> BTreeMap<String, PathBuf> {
    let mut places = BTreeMap::new();
    for file in files(dir) {
        let subject = |record: &Value| record["subject"]["id"].as_str().unwrap_or_default().to_owned();
        let found: BTreeSet<String> = records(&file).iter().map(subject).collect();
        assert!(found.len() <= 1, "{} holds records of {found:?}", file.display());
        for subject in found {
            let other = places.insert(subject.clone(), file.clone());
            assert_eq!(other, None, "{subject:?} has a second file, {}", file.display());
        }
    }
    places
}

fn stop(halod: Halod, killed: bool) {
    if killed { halod.kill9() } else { assert!(halod.terminate().success()) }
}

/// Ten ids whose names were once the owner's, each first after a restart, clean or not.
#[test]
fn a_restart_lets_no_neighbour_into_a_chain() {
    let cases = [
        ("acme", "acme_"),
        ("acme", "acme/"),
        ("acme", "/acme"),
        ("acme", "_acme"),
        ("acme", ".acme"),
        ("a_b", "a/b"),
        ("a_b", "a b"),
        ("a.b", "a.b_"),
        ("tenant", ".."),
        ("", "local"),
    ];
    for killed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let halod = Halod::start(dir.path());
        for (n, (owner, _)) in cases.iter().enumerate() {
            let owner = Some(*owner).filter(|id| !id.is_empty());
            assert_eq!(send(&halod, owner, n as u32, 0..3).status, 200);
        }
        stop(halod, killed);
        let halod = Halod::start(dir.path());
        for (n, (owner, other)) in cases.iter().enumerate() {
            assert_eq!(send(&halod, Some(other), 100 + n as u32, 0..1).status, 200);
            let sealed = halod.sealed();
            let owner = Some(*owner).filter(|id| !id.is_empty());
            assert_eq!(send(&halod, owner, n as u32, 0..3).status, 200);
            assert_eq!(halod.sealed(), sealed, "what {owner:?} had acknowledged is known beside {other}");
        }
        stop(halod, false);
        assert_eq!(places(dir.path()).len(), 15);
        assert_verified(dir.path());
    }
}

/// A token is bound to an id, not to what the id cleans to.
#[test]
fn a_token_of_one_id_says_nothing_of_anothers_chain() {
    let dir = tempfile::tempdir().unwrap();
    let config = tempfile::tempdir().unwrap();
    let digest: String =
        Sha256::digest("token-of-a-neighbour").iter().map(|byte| format!("{byte:02x}")).collect();
    let file = config.path().join("halod.yaml");
    std::fs::write(&file, format!("receivers:\n  native:\n    tokens: {{ \"{digest}\": acme_ }}\n")).unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("acme"), 1, 0..5).status, 200);
    stop(halod, false);
    let halod = Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    let record = json!([{"key": "k", "action": {"type": "tool_call", "category": "security", "tool": "t"}}]);
    let headers = [("content-type", JSON), ("authorization", "Bearer token-of-a-neighbour")];
    let answer = halod.connect().post("/v1/records", &headers, record.to_string().as_bytes()).unwrap();
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &said["heads"][0]["records"]), (200, &1.into()), "{said}");
    stop(halod, false);
    assert_eq!(of_tenant(dir.path(), Some("acme")).len(), 5);
}

#[test]
fn the_names_of_nobodys_chain_are_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("local"), 1, 0..1).status, 200);
    let refused = send(&halod, Some("_local"), 2, 0..1);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("means records without a tenant"), "{}", refused.text());
    assert_eq!(send(&halod, None, 3, 0..1).status, 200);
    // Garbage of nobody's is told there.
    let garbage = halod.connect().export(b"\xff\xff").unwrap();
    assert_eq!(garbage.status, 400);
    stop(halod, false);
    let places = places(dir.path());
    assert!(places[""].ends_with("local.jsonl"));
    assert_eq!(places.keys().collect::<Vec<_>>(), ["", "local"]);
    let local = of_tenant(dir.path(), None);
    assert_eq!(local.iter().filter(|record| record["action"]["tool"] == "halod.gap").count(), 1);
}

/// A file that something else wrote, and links: nothing is appended to them, and nothing is lost.
#[test]
fn what_is_no_chain_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let witness = "{\"chain_root\":\"00\",\"count\":1,\"head\":\"00\",\"subject\":\"acme\",\"ts\":\"2026-11-29T00:00:00Z\"}\n";
    std::fs::write(dir.path().join("witness.jsonl"), witness).unwrap();
    symlink("/dev/null", dir.path().join("hole.jsonl")).unwrap();
    symlink(elsewhere.path().join("out.jsonl"), dir.path().join("out.jsonl")).unwrap();
    symlink("/dev/null", dir.path().join("locked.jsonl.lock")).unwrap();
    let ids = ["witness", "hole", "out", "locked"];
    for killed in [true, false] {
        let halod = Halod::start(dir.path());
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(send(&halod, Some(id), n as u32, 0..3).status, 200);
        }
        for id in ids {
            halod.await_log(&format!("{id}.jsonl"));
        }
        stop(halod, killed);
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("witness.jsonl")).unwrap(), witness);
    assert!(!elsewhere.path().join("out.jsonl").exists());
    for id in ids {
        let mut own = files(dir.path());
        own.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&format!("{id}~")));
        assert_eq!(records(&own[0]).len(), 3, "{id}");
    }
}

/// A directory that is a link is the operator's choice.
#[test]
fn the_directory_may_be_a_link() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("disk")).unwrap();
    symlink(place.path().join("disk"), place.path().join("records")).unwrap();
    let halod = Halod::start(&place.path().join("records"));
    assert_eq!(send(&halod, Some("acme"), 1, 0..1).status, 200);
    stop(halod, false);
    assert!(place.path().join("disk/acme.jsonl").exists());
}

const IDS: [&str; 12] =
    ["", "local", "acme", "acme_", "acme/", "ACME", "a_b", "a/b", "café", "caf", "tenant", ".."];

/// Any ids in any order, by halod and by recorders, killed and restarted anywhere: one subject a file, one
/// file a subject, which is the reference's, and what was acknowledged is there once.
#[test]
fn any_ids_in_any_order_keep_to_their_files() {
    let mut random = Random::new("any_ids");
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let mut acknowledged: BTreeMap<&str, BTreeSet<SpanKey>> = BTreeMap::new();
        let mut recorded: BTreeMap<&str, usize> = BTreeMap::new();
        for round in 0..6_u32 {
            let halod = Halod::start(dir.path());
            for _ in 0..random.between(1, 12) {
                let id = IDS[random.between(0, IDS.len() as u64) as usize];
                let tenant = Some(id).filter(|id| !id.is_empty());
                // A recorder would open a second file of these two: see ARCHITECTURE.
                if random.next().is_multiple_of(4) && tenant.is_some_and(|id| id != "local") {
                    record(dir.path(), id, "python_tool", None);
                    *recorded.entry(id).or_default() += 1;
                    continue;
                }
                // Spans that say nothing go where others say that their trace is, so these have traces of their own.
                let family = random.between(0, 3) as u32 + if tenant.is_none() { 3 } else { 0 };
                let first = random.between(0, 4);
                assert_eq!(send(&halod, tenant, family, first..first + 3).status, 200);
                acknowledged.entry(id).or_default().extend((first..first + 3).map(|n| key(&span(family, n))));
            }
            stop(halod, round % 3 != 2);
            if random.next().is_multiple_of(3) {
                std::fs::remove_dir_all(dir.path().join(".halod/index")).unwrap();
            }
        }
        // A last start completes what a kill cut.
        stop(Halod::start(dir.path()), false);
        let places = places(dir.path());
        for (id, keys) in &acknowledged {
            let tenant = Some(*id).filter(|id| !id.is_empty());
            let sealed: Vec<SpanKey> = of_tenant(dir.path(), tenant).iter().filter_map(span_key).collect();
            assert_eq!(sealed.len(), keys.len(), "{id:?}: {sealed:?}");
            assert!(sealed.iter().all(|key| keys.contains(key)), "{id:?}");
        }
        for (id, count) in recorded {
            let chain = of_tenant(dir.path(), Some(id));
            assert_eq!(
                chain.iter().filter(|record| record["action"]["tool"] == "python_tool").count(),
                count
            );
        }
        assert_verified(dir.path());
        let ids: Vec<&String> = places.keys().filter(|id| !["", "local"].contains(&id.as_str())).collect();
        let orders: Vec<Value> = ids.iter().map(|id| json!(["where", id])).collect();
        for (id, name) in ids.iter().zip(recorder(dir.path(), &orders)) {
            assert_eq!(places[*id].file_name().unwrap().to_str().unwrap(), name, "{id:?}");
        }
    }
}
