//! Long chains are read beside the commits.

use super::{NOW, chain, commit, draft_of, settings};
use crate::commit::{WaitsFor, Work};
use crate::disk::OsDisk;
use crate::store::{Settings, Store};
use halod_record::draft::Draft;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of which many stretches are made.
const LONG: u64 = 300;

fn long() -> Vec<Draft> {
    (0..LONG).map(|n| draft_of("long", n, "t")).collect()
}

fn open(dir: &Path) -> Store {
    Store::open(Settings { read_at_once: 4 << 10, ..settings(dir) }, Arc::new(OsDisk)).unwrap().0
}

/// A directory with a long chain, and no index.
fn without_index() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert_eq!(u64::from(commit(&mut store, long()).sealed), LONG);
    assert_eq!(commit(&mut store, vec![draft_of("short", 0, "t")]).sealed, 1);
    store.close().unwrap();
    std::fs::remove_dir_all(dir.path().join(".halod/index")).unwrap();
    dir
}

fn read_all(store: &mut Store) {
    let begun = Instant::now();
    while store.is_reading() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        store.read_on().unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn append(dir: &Path, stem: &str, bytes: &[u8]) {
    let path = dir.join(format!("{stem}.jsonl"));
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn only_the_tenant_of_a_long_chain_waits_for_it() {
    let dir = without_index();
    let mut store = open(dir.path());
    let unread = store.unread(20);
    assert_eq!((unread.chains, unread.names), (1, vec!["long".to_owned()]));
    let mut works = [
        Work { drafts: long(), ..Work::default() },
        Work { drafts: vec![draft_of("short", 0, "t"), draft_of("new", 1, "t")], ..Work::default() },
    ];
    store.commit(&mut works, NOW).unwrap();
    assert_eq!((works[0].drafts.len() as u64, works[0].waits_for), (LONG, Some(WaitsFor::Reading)));
    assert_eq!((works[1].sealed, works[1].duplicate, works[1].waits_for), (1, 1, None));
    assert_eq!(store.unread(20).chains, 1);
    read_all(&mut store);
    assert_eq!(store.unread(20).chains, 0);
    store.commit(&mut works[..1], NOW).unwrap();
    assert_eq!((u64::from(works[0].duplicate), works[0].waits_for), (LONG, None));
    assert_eq!(commit(&mut store, vec![draft_of("long", LONG, "t")]).sealed, 1);
    assert_eq!(chain(dir.path(), "long").len() as u64, LONG + 1);
    store.close().unwrap();
    assert!(!open(dir.path()).is_reading(), "the index has it again");
}

#[test]
fn what_nobody_comes_for_is_read_all_the_same_and_a_stop_keeps_what_was_read() {
    let dir = without_index();
    let mut store = open(dir.path());
    let mut left = store.unread(0).bytes;
    let whole = left;
    let begun = Instant::now();
    while left == whole || left == 0 {
        assert!(left > 0 && begun.elapsed() < Duration::from_secs(20), "{left} of {whole}");
        store.read_on().unwrap();
        left = store.unread(0).bytes;
    }
    store.close().unwrap();
    let mut store = open(dir.path());
    assert!(store.unread(0).bytes <= left, "{} of {left}", store.unread(0).bytes);
    read_all(&mut store);
    assert_eq!(u64::from(commit(&mut store, long()).duplicate), LONG);
}

#[test]
fn what_others_write_meanwhile_and_a_torn_tail_are_seen() {
    let dir = without_index();
    append(dir.path(), "long", b"{\"torn");
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, long()).waits_for, Some(WaitsFor::Reading));
    append(dir.path(), "long", b" and more\n{\"torn again");
    read_all(&mut store);
    assert_eq!(u64::from(commit(&mut store, long()).duplicate), LONG);
    assert_eq!(commit(&mut store, vec![draft_of("long", LONG, "t")]).sealed, 1);
    let lines = chain(dir.path(), "long");
    let torn = lines.iter().filter(|line| line.contains("halod.torn_tail")).count();
    assert_eq!((torn, lines.len() as u64), (1, LONG + 2));
}

#[test]
fn a_file_that_is_replaced_or_anothers_is_found_out() {
    let dir = without_index();
    let path = dir.path().join("long.jsonl");
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, long()).waits_for, Some(WaitsFor::Reading));
    let copy = dir.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert_eq!(commit(&mut store, long()).waits_for, Some(WaitsFor::Reading), "it is read from its start");
    read_all(&mut store);
    assert_eq!(u64::from(commit(&mut store, long()).duplicate), LONG);
    drop(store);
    // In the middle of it there is a line of another tenant.
    let mut text = std::fs::read_to_string(&path).unwrap();
    let middle = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1;
    text.insert_str(middle, &std::fs::read_to_string(dir.path().join("short.jsonl")).unwrap());
    std::fs::write(&path, &text).unwrap();
    std::fs::remove_dir_all(dir.path().join(".halod")).unwrap();
    let mut store = open(dir.path());
    read_all(&mut store);
    assert_eq!(u64::from(commit(&mut store, long()).sealed), LONG, "in a file of its own");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// Positions of chains that a run does not touch outlive it: the next run reads nothing of them again.
#[test]
fn a_run_keeps_what_the_index_knew_of_others() {
    let dir = tempfile::tempdir().unwrap();
    for tenant in ["long", "other", "third"] {
        let mut store = open(dir.path());
        let drafts = (0..LONG).map(|n| draft_of(tenant, n, "t")).collect();
        assert_eq!(u64::from(commit(&mut store, drafts).sealed), LONG);
        store.close().unwrap();
    }
    let mut store = open(dir.path());
    assert_eq!(store.unread(20).names, Vec::<String>::new());
    assert_eq!(u64::from(commit(&mut store, long()).duplicate), LONG);
}
