//! Whose chain a record lands in: one subject a file, one file a subject.

use super::{NOW, chain, commit, draft_of, nothing_waits, open, settings, tenant};
use crate::commit::Work;
use crate::disk::OsDisk;
use crate::error::ChainUnusable;
use crate::store::Store;
use halod_record::draft::{Draft, GENESIS};
use halod_record::parse::{Subject, scan_line};
use halod_record::time;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The subjects of a file's records, nobody as "".
fn subjects(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read(path).unwrap_or_default();
    let facts = text.split(|byte| *byte == b'\n').filter_map(scan_line);
    facts
        .map(|facts| match facts.subject {
            Subject::None => String::new(),
            Subject::Id(id) => id.into_owned(),
            Subject::Other => panic!("no such subject was sealed"),
        })
        .collect()
}

fn chains(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl")).collect()
}

/// Where each subject's records are. Panics where a file has two, or a subject two files.
fn places(dir: &Path) -> BTreeMap<String, PathBuf> {
    let mut places = BTreeMap::new();
    for path in chains(dir) {
        let found = subjects(&path);
        assert!(found.len() <= 1, "{} holds records of {found:?}", path.display());
        for subject in found {
            let other = places.insert(subject.clone(), path.clone());
            assert_eq!(other, None, "{subject:?} has a second chain, {}", path.display());
        }
    }
    places
}

fn restarted(store: Store, dir: &Path) -> Store {
    store.close().unwrap();
    open(dir)
}

/// Each of these names was once the older name of the chain that has it.
#[test]
fn a_restart_lets_nobody_into_a_chain_whose_name_its_id_cleans_to() {
    for (owner, others) in
        [("acme", &["acme_", "acme/", "/acme"][..]), ("a_b", &["a/b", "a b"]), ("", &["local"])]
    {
        for other in others {
            for lost_index in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let mut store = open(dir.path());
                commit(&mut store, vec![draft_of(owner, 1, "t"), draft_of(owner, 2, "t")]);
                let mut store = restarted(store, dir.path());
                if lost_index {
                    drop(store);
                    std::fs::remove_dir_all(dir.path().join(".halod/index")).unwrap();
                    store = open(dir.path());
                }
                assert_eq!(commit(&mut store, vec![draft_of(other, 1, "t")]).sealed, 1);
                let resent = commit(&mut store, vec![draft_of(owner, 1, "t"), draft_of(owner, 2, "t")]);
                assert_eq!((resent.sealed, resent.duplicate), (0, 2), "{owner} beside {other}");
                assert_eq!(places(dir.path()).len(), 2);
            }
        }
    }
}

#[test]
fn nobodys_records_and_the_subject_called_local_have_a_chain_each() {
    for order in [["local", ""], ["", "local"]] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        for round in 0..3 {
            for id in order {
                assert_eq!(commit(&mut store, vec![draft_of(id, round, "t")]).sealed, 1, "{id:?}");
            }
            store = restarted(store, dir.path());
        }
        let places = places(dir.path());
        assert!(places[""].ends_with("local.jsonl"));
        assert_eq!(chain(dir.path(), &tenant("local").digest_stem()).len(), 3);
    }
}

/// A recorder's subject `local` may be in `local.jsonl` already.
#[test]
fn a_chain_of_the_subject_called_local_is_continued_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    append(&dir.path().join("local.jsonl"), &draft_of("local", 9, "t"));
    let mut store = open(dir.path());
    let work =
        commit(&mut store, vec![draft_of("local", 9, "t"), draft_of("local", 1, "t"), draft_of("", 1, "t")]);
    assert_eq!((work.sealed, work.duplicate), (2, 1));
    let places = places(dir.path());
    assert!(places["local"].ends_with("local.jsonl"));
    assert!(places[""].ends_with("local~7e9122a41e336759e942b703.jsonl"));
}

#[test]
fn a_file_that_is_no_chain_is_left_alone() {
    let noted = "{\"chain_root\":\"ab\",\"subject\":\"acme\",\"count\":1}\n";
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("witness.jsonl"), noted).unwrap();
    std::fs::write(dir.path().join("kept.jsonl"), "").unwrap();
    symlink(dir.path().join("kept.jsonl"), dir.path().join("linked.jsonl")).unwrap();
    symlink("/dev/null", dir.path().join("null.jsonl")).unwrap();
    symlink("/dev/null", dir.path().join("locked.jsonl.lock")).unwrap();
    std::fs::create_dir(dir.path().join("folder.jsonl")).unwrap();
    let ids = ["witness", "linked", "null", "locked", "folder"];
    for _ in 0..2 {
        let mut store = open(dir.path());
        let mut works =
            [Work { drafts: ids.iter().map(|id| draft_of(id, 1, "t")).collect(), ..Work::default() }];
        let committed = store.commit(&mut works, NOW).unwrap();
        assert!(works[0].failed.is_none());
        for id in ids {
            assert_eq!(chain(dir.path(), &tenant(id).digest_stem()).len(), 1, "{id}");
            let path = dir.path().join(format!("{id}.jsonl"));
            let told = |warning: &String| warning.contains(&path.display().to_string()) || id == "locked";
            assert!(committed.warnings.iter().any(told), "{id}: {:?}", committed.warnings);
        }
        store.close().unwrap();
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("witness.jsonl")).unwrap(), noted);
    assert_eq!(std::fs::read_to_string(dir.path().join("kept.jsonl")).unwrap(), "");
}

#[test]
fn a_tenant_whose_names_are_all_taken_is_refused_with_the_path_and_read_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let digested = dir.path().join(format!("{}.jsonl", tenant("a").digest_stem()));
    append(&dir.path().join("a.jsonl"), &draft_of("x", 1, "t"));
    append(&digested, &draft_of("y", 1, "t"));
    let mut store = open(dir.path());
    for _ in 0..3 {
        let work = commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("b", 1, "t")]);
        let why = work.failed.unwrap().to_string();
        assert!(why.contains(&digested.display().to_string()), "{why}");
        assert_eq!(work.sealed + work.duplicate, 1, "the others go on");
    }
    // Neither was extended, and both are looked at again later only.
    assert_eq!((chain(dir.path(), "a").len(), subjects(&digested).len()), (1, 1));
    std::fs::remove_file(&digested).unwrap();
    assert!(commit(&mut store, vec![draft_of("a", 1, "t")]).failed.is_some());
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, vec![draft_of("a", 1, "t")]).sealed, 1);
}

/// Whoever puts a link, another's line or a second name where a chain is, while halod has it open.
#[test]
fn a_chain_that_stops_being_one_is_left_at_once_and_that_is_disclosed() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 3] = [
        ("linked", |path| {
            std::fs::rename(path, path.with_extension("moved")).unwrap();
            symlink(path.with_extension("moved"), path).unwrap();
        }),
        ("another's", |path| append(path, &draft_of("x", 1, "t"))),
        ("no record", |path| {
            File::options().append(true).open(path).unwrap().write_all(b"{\"note\":1}\n").unwrap();
        }),
    ];
    for (what, spoil) in spoils {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        commit(&mut store, vec![draft_of("a", 1, "t")]);
        spoil(&dir.path().join("a.jsonl"));
        let before = std::fs::read(dir.path().join("a.jsonl")).unwrap();
        for round in 2..4 {
            assert_eq!(commit(&mut store, vec![draft_of("a", round, "t")]).sealed, 1, "{what}");
            store = restarted(store, dir.path());
        }
        assert_eq!(std::fs::read(dir.path().join("a.jsonl")).unwrap(), before, "{what}");
        let lines = chain(dir.path(), &tenant("a").digest_stem());
        assert_eq!(lines.len(), 3, "{what}: {lines:?}");
        assert!(lines[0].contains("halod.chain_changed"), "{what}: {}", lines[0]);
    }
}

#[test]
fn two_names_of_one_file_are_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jsonl"), "").unwrap();
    std::fs::hard_link(dir.path().join("a.jsonl"), dir.path().join("b.jsonl")).unwrap();
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("b", 1, "t")]).sealed, 2);
    assert_eq!(subjects(&dir.path().join("a.jsonl")).len(), 1);
    // A number that was given to another file holds nobody up.
    std::fs::remove_file(dir.path().join("a.jsonl")).unwrap();
    std::fs::remove_file(dir.path().join("b.jsonl")).unwrap();
    for id in ["c", "d", "e"] {
        commit(&mut store, vec![draft_of(id, 1, "t")]);
        assert!(dir.path().join(format!("{id}.jsonl")).exists());
    }
}

/// The journal completes a file only if that is still the file it was written for.
#[test]
fn recovery_puts_nothing_into_what_is_not_the_chain() {
    type Swap = fn(&Path);
    let swaps: [(&str, Swap); 2] = [
        ("linked away", |path| {
            std::fs::remove_file(path).unwrap();
            symlink("/dev/null", path).unwrap();
        }),
        ("another's of the same length", |path| {
            let len = std::fs::metadata(path).unwrap().len();
            std::fs::remove_file(path).unwrap();
            append(path, &draft_of("b", 1, "t"));
            let own = std::fs::metadata(path).unwrap().len();
            File::options().write(true).open(path).unwrap().set_len(len.min(own)).unwrap();
            assert_eq!(own, len);
        }),
    ];
    for (what, swap) in swaps {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        commit(&mut store, vec![draft_of("a", 1, "t")]);
        store.close().unwrap();
        let mut store = open(dir.path());
        let first = std::fs::metadata(dir.path().join("a.jsonl")).unwrap().len();
        commit(&mut store, vec![draft_of("a", 2, "t")]);
        drop(store);
        let path = dir.path().join("a.jsonl");
        File::options().write(true).open(&path).unwrap().set_len(first).unwrap();
        swap(&path);
        let mut store = open(dir.path());
        assert_eq!(store.reseal(NOW).unwrap().sealed, 1, "{what}");
        assert_eq!(
            subjects(&dir.path().join(format!("{}.jsonl", tenant("a").digest_stem()))).len(),
            1,
            "{what}"
        );
    }
}

#[test]
fn the_limit_counts_what_is_on_disk_and_refuses_nobody_who_has_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let limited = || {
        let settings = crate::store::Settings { max_tenants: 5, ..settings(dir.path()) };
        Store::open(settings, Arc::new(OsDisk)).unwrap().0
    };
    for restart in 0..3 {
        let mut store = limited();
        // Made-up names come first after each start.
        for n in 0..10 {
            let work = commit(&mut store, vec![draft_of(&format!("new-{restart}-{n}"), 1, "t")]);
            let may = restart == 0 && n < 5;
            assert_eq!(work.sealed, u32::from(may), "{restart} {n}");
            assert!(may || matches!(*work.failed.unwrap(), ChainUnusable::TooMany(5)));
        }
        for n in 0..5 {
            let work = commit(&mut store, vec![draft_of(&format!("new-0-{n}"), 2 + restart, "t")]);
            assert_eq!(work.sealed, 1, "who has a chain is served");
        }
        // Nobody's chain always may be, or losses could not be told.
        assert_eq!(commit(&mut store, vec![draft_of("", restart, "t")]).sealed, 1);
        if restart == 1 {
            store.close().unwrap();
        }
    }
    assert_eq!(chains(dir.path()).len(), 6);
}

/// Extends a file as a recorder does.
fn append(path: &Path, draft: &Draft) {
    let text = std::fs::read(path).unwrap_or_default();
    let head =
        text.split(|byte| *byte == b'\n').rev().find_map(|line| Some(scan_line(line)?.hash.into_owned()));
    let prev = head.map_or(GENESIS, |head| head.as_bytes().try_into().unwrap());
    let mut line = if text.last().is_some_and(|byte| *byte != b'\n') { b"\n".to_vec() } else { Vec::new() };
    draft.seal(&prev, &time::rfc3339(NOW), &mut line);
    File::options().append(true).create(true).open(path).unwrap().write_all(&line).unwrap();
}

/// The file that the reference extends for a subject, by its own rules: the plain name, or an older file
/// that is the subject's alone, or where another subject has the name a digested one.
fn of_the_reference(dir: &Path, id: &str) -> PathBuf {
    let tenant = tenant(id);
    let path = |stem: &str| dir.join(format!("{stem}.jsonl"));
    let others = |path: &Path| subjects(path).into_iter().any(|subject| subject != id);
    let nominal = path(&tenant.file_stem());
    if let Some(legacy) = tenant.legacy_stem().map(|stem| path(&stem))
        && !nominal.exists()
        && !others(&legacy)
        && !subjects(&legacy).is_empty()
    {
        return legacy;
    }
    if others(&nominal) { path(&tenant.digest_stem()) } else { nominal }
}

const IDS: [&str; 14] = [
    "", "local", "acme", "acme_", "acme/", "/acme", "ACME", "_acme", "a_b", "a/b", "café", "caf", "tenant",
    "..",
];

#[derive(Clone, Debug)]
enum Op {
    /// One commit.
    Seal(Vec<(usize, u64)>),
    /// A recorder of the reference seals a record, of which halod is told as well.
    Record(usize, u64),
    /// `kill -9`, and so many of the last bytes of a chain did not reach the disk.
    Kill(usize, u64),
    Stop,
    LoseIndex,
}

fn op() -> impl Strategy<Value = Op> {
    let one = (0..IDS.len(), 0..6_u64);
    prop_oneof![
        6 => prop::collection::vec(one.clone(), 1..6).prop_map(Op::Seal),
        2 => one.prop_map(|(id, span)| Op::Record(id, span)),
        2 => (0..IDS.len(), 0..1500_u64).prop_map(|(id, cut)| Op::Kill(id, cut)),
        1 => Just(Op::Stop),
        1 => Just(Op::LoseIndex),
    ]
}

/// What was acknowledged, by subject.
type Model = BTreeMap<&'static str, BTreeSet<u64>>;

/// Every file is of one subject, every subject has one file, which is the reference's, and in it is what
/// was acknowledged, once.
fn check(dir: &Path, model: &Model) {
    let places = places(dir);
    for (id, spans) in model {
        let path = &places[*id];
        let text = std::fs::read_to_string(path).unwrap();
        for span in spans {
            let key = format!("\"span_id\":\"{span:016x}\"");
            assert_eq!(text.matches(&key).count(), 1, "span {span} of {id:?} in {}", path.display());
        }
        let by_row_2 = ["", "local"].contains(id);
        assert!(by_row_2 || of_the_reference(dir, id) == *path, "{id:?}: {}", path.display());
        chain(dir, path.file_stem().unwrap().to_str().unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn one_subject_a_file_and_one_file_a_subject(
        older in prop::collection::vec(0..IDS.len(), 0..3),
        ops in prop::collection::vec(op(), 1..24),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut model = Model::new();
        // Files of before 0.2.46, as far as such a recorder would have made them.
        for at in older {
            let stem = tenant(IDS[at]).legacy_stem();
            if let Some(path) = stem.map(|stem| dir.join(format!("{stem}.jsonl"))).filter(|path| !path.exists()) {
                append(&path, &draft_of(IDS[at], 100, "t"));
                model.entry(IDS[at]).or_default().insert(100);
            }
        }
        let mut store = open(dir);
        let lens = || chains(dir).into_iter().map(|path| { let len = path.metadata().unwrap().len(); (path, len) }).collect();
        let mut safe: BTreeMap<PathBuf, u64> = lens();
        for op in ops {
            match op {
                Op::Seal(items) => {
                    let drafts = items.iter().map(|(at, span)| draft_of(IDS[*at], *span, "t")).collect();
                    let work = commit(&mut store, drafts);
                    prop_assert!(work.failed.is_none() && work.conflict == 0 && work.drafts.is_empty());
                    for (at, span) in items {
                        model.entry(IDS[at]).or_default().insert(span);
                    }
                }
                // A recorder knows of no name but the reference's, so it may open a second file of `local`.
                Op::Record(at, span) if IDS[at] != "local" && !IDS[at].is_empty() => {
                    if model.entry(IDS[at]).or_default().insert(span) {
                        append(&of_the_reference(dir, IDS[at]), &draft_of(IDS[at], span, "t"));
                        // It did not go through halod's journal.
                        safe = lens();
                    }
                }
                Op::Record(..) => {}
                Op::Kill(at, cut) => {
                    drop(store);
                    if let Some(path) = places(dir).get(IDS[at]) {
                        let len = path.metadata().unwrap().len();
                        let kept = len.saturating_sub(cut).max(safe.get(path).copied().unwrap_or(0));
                        File::options().write(true).open(path).unwrap().set_len(kept).unwrap();
                    }
                    store = open(dir);
                    prop_assert!(nothing_waits(dir));
                    safe = lens();
                }
                Op::Stop => {
                    store.close().unwrap();
                    store = open(dir);
                    safe = lens();
                }
                Op::LoseIndex => {
                    drop(store);
                    std::fs::remove_dir_all(dir.join(".halod/index")).unwrap();
                    store = open(dir);
                    safe = lens();
                }
            }
            check(dir, &model);
        }
    }
}
