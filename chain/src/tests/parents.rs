//! `parent_id` only ever names an earlier record of the same chain.

use super::{NOW, chain, commit, open, settings, tenant};
use crate::commit::Work;
use crate::disk::OsDisk;
use crate::store::{Settings, Store};
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use halod_record::native::{self, Capture};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A record of a sender's own: `key` under `parent`, another action for each `tool`.
fn draft(id: &str, key: &str, parent: Option<Value>, tool: &str) -> Draft {
    let mut record = json!({"key": key, "action": {"type": "read", "category": "safety", "tool": tool}});
    match parent {
        Some(Value::Object(by_id)) => record["parent_id"] = by_id["id"].clone(),
        Some(by_key) => record["parent"] = by_key,
        None => {}
    }
    let (text, builder) = (record.to_string(), Builder::new(false));
    let record = native::read(halod_record::json::parse(&text).unwrap(), &builder).unwrap();
    builder.native(&record, &tenant(id), Capture::Ingested, &mut Scratch::default())
}

fn under(key: &str, parent: &str) -> Draft {
    draft("a", key, Some(parent.into()), "t")
}

fn alone(key: &str) -> Draft {
    draft("a", key, None, "t")
}

/// Of each record its key and its parent's. Panics where a parent is none of those before it.
fn tree(dir: &Path, stem: &str) -> Vec<(String, Option<String>)> {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let records = chain(dir, stem).into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    records
        .map(|record| {
            let text = |path: &str| record.pointer(path).and_then(Value::as_str).map(str::to_owned);
            let parent = text("/parent_id").map(|id| {
                keys.get(&id).unwrap_or_else(|| panic!("{stem}: no earlier record is {id}")).clone()
            });
            let key = text("/data/key").unwrap_or_default();
            assert_eq!(keys.insert(text("/record_id").unwrap(), key.clone()), None, "{stem}: {key} twice");
            (key, parent)
        })
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, Option<&str>); N]) -> Vec<(String, Option<String>)> {
    pairs.map(|(key, parent)| (key.to_owned(), parent.map(str::to_owned))).to_vec()
}

#[test]
fn a_parent_is_named_if_it_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    // In one commit: a later one, itself, an earlier one, one that is nowhere.
    commit(&mut store, vec![under("a", "b"), under("b", "b"), under("c", "b"), under("d", "nowhere")]);
    let first = [("a", None), ("b", None), ("c", Some("b")), ("d", None)];
    assert_eq!(tree(dir.path(), "a"), pairs(first));
    // In a later one, and after a restart.
    commit(&mut store, vec![under("e", "a"), under("f", "e")]);
    store.close().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![under("g", "a"), under("h", "g"), under("nowhere", "d")]);
    drop(store);
    let mut store = open(dir.path());
    commit(&mut store, vec![under("i", "g"), under("j", "nowhere")]);
    let rest = [
        ("e", Some("a")),
        ("f", Some("e")),
        ("g", Some("a")),
        ("h", Some("g")),
        ("nowhere", Some("d")),
        ("i", Some("g")),
        ("j", Some("nowhere")),
    ];
    assert_eq!(tree(dir.path(), "a"), [pairs(first), pairs(rest)].concat());
}

/// What a record was sealed with stays, whatever came since; and nothing of it is a contradiction.
#[test]
fn a_resend_says_nothing_new_of_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![under("child", "late")]);
    commit(&mut store, vec![alone("late")]);
    for again in
        [vec![under("child", "late")], vec![alone("late"), under("child", "late")], vec![alone("child")]]
    {
        let sent = again.len() as u32;
        let work = commit(&mut store, again);
        assert_eq!((work.sealed, work.duplicate, work.conflict), (0, sent, 0));
    }
    // One whose parent is only now sealed again, as a duplicate, has it.
    commit(&mut store, vec![alone("late"), under("other", "late")]);
    assert_eq!(tree(dir.path(), "a"), pairs([("child", None), ("late", None), ("other", Some("late"))]));
}

#[test]
fn a_conflict_is_under_its_parent_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![alone("top"), draft("a", "x", Some("later".into()), "one")]);
    let other = |parent: &str| draft("a", "x", Some(parent.into()), "two");
    assert_eq!(commit(&mut store, vec![other("top"), other("later"), other("x")]).conflict, 1);
    // What contradicts an action is not a part of it.
    let third = draft("a", "x", Some("x".into()), "three");
    assert_eq!(commit(&mut store, vec![third]).conflict, 1);
    assert_eq!(tree(dir.path(), "a"), pairs([("top", None), ("x", None), ("x", Some("top")), ("x", None)]));
}

#[test]
fn a_record_of_another_chain_is_no_parent() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let theirs = draft("b", "k", None, "t");
    let id = |draft: &Draft| Some(json!({"id": draft.id().to_string()}));
    // By its id, which a sender may state: in the same commit, before or after, and later.
    let ours = |key: &str| draft("a", key, id(&theirs), "t");
    commit(&mut store, vec![theirs.clone(), ours("one")]);
    commit(&mut store, vec![ours("two"), draft("a", "own", id(&ours("one")), "t")]);
    assert_eq!(tree(dir.path(), "a"), pairs([("one", None), ("two", None), ("own", Some("one"))]));
}

/// A commit of which the journal can't hold a whole chain's share is written in several sections.
#[test]
fn a_parent_is_found_across_the_sections_of_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let small = Settings { journal_size: 256 << 10, ..settings(dir.path()) };
    let (mut store, _) = Store::open(small, Arc::new(OsDisk)).unwrap();
    let key = |n: usize| format!("k-{n}");
    let drafts = (0..1000).map(|n| if n == 0 { alone(&key(0)) } else { under(&key(n), &key((n - 1) / 2)) });
    assert_eq!(commit(&mut store, drafts.collect()).sealed, 1000);
    let tree = tree(dir.path(), "a");
    assert!(tree.iter().enumerate().skip(1).all(|(n, (_, parent))| *parent == Some(key((n - 1) / 2))));
}

#[test]
fn a_parent_that_the_file_lost_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![alone("lost")]);
    std::fs::write(dir.path().join("a.jsonl"), "").unwrap();
    commit(&mut store, vec![under("a", "lost")]);
    let tree = tree(dir.path(), "a");
    assert_eq!(tree.last(), Some(&("a".to_owned(), None)), "after the notice of it");
}

/// The clock writes into the same line.
#[test]
fn a_parent_is_left_out_of_a_record_that_tells_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![alone("top")]);
    let mut works = [Work { drafts: vec![under("a", "later"), under("b", "top")], ..Work::default() }];
    store.commit(&mut works, NOW - 3_600_000_000_000).unwrap();
    let tree = tree(dir.path(), "a");
    assert_eq!(tree[2..], pairs([("a", None), ("b", Some("top"))]));
    assert!(chain(dir.path(), "a")[2..].iter().all(|line| line.contains("\"clock\":")));
}

/// Records as (key, the key of its parent, which of two chains), in commits, each after a restart of a kind.
type Script = Vec<(Vec<(u8, u8, bool)>, Option<bool>)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_parent_is_an_earlier_record_of_the_chain(
        script in prop::collection::vec(
            (prop::collection::vec((0..12_u8, 0..14_u8, any::<bool>()), 1..8), prop::option::weighted(0.2, any::<bool>())),
            1..8,
        )
    ) {
        let script: Script = script;
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut sent = [BTreeSet::new(), BTreeSet::new()];
        let mut sealed = 0;
        for (records, restart) in script {
            let drafts = records.iter().map(|(key, parent, second)| {
                sent[usize::from(*second)].insert(key.to_string());
                let chain = if *second { "b" } else { "a" };
                draft(chain, &key.to_string(), Some(parent.to_string().into()), "t")
            });
            let work = commit(&mut store, drafts.collect());
            prop_assert_eq!(work.conflict, 0);
            sealed += work.sealed as usize;
            if let Some(close) = restart {
                if close { store.close().unwrap() } else { drop(store) }
                store = open(dir.path());
            }
        }
        prop_assert_eq!(sealed, sent[0].len() + sent[1].len());
        for (stem, sent) in ["a", "b"].into_iter().zip(sent) {
            if !sent.is_empty() {
                let keys: BTreeSet<String> = tree(dir.path(), stem).into_iter().map(|(key, _)| key).collect();
                prop_assert_eq!(keys, sent);
            }
        }
    }
}
