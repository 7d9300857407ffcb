//! What is sealed while a tenant may seal nothing new.

use super::*;

fn known_only(store: &mut Store, drafts: Vec<Draft>) -> Work {
    let mut works = [
        Work { drafts, nothing_new: true, limited: true, ..Work::default() },
        Work { drafts: vec![draft_of("a", 1000, "t")], ..Work::default() },
    ];
    store.commit(&mut works, NOW).unwrap();
    let [work, other] = works;
    assert_eq!(other.sealed + other.duplicate, 1, "a work beside it is not limited");
    assert!(work.drafts.is_empty());
    work
}

#[test]
fn only_what_is_sealed_is_found_and_the_rest_is_dropped_from_the_first_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let drafts = |range: std::ops::Range<u64>| range.map(|n| draft_of("a", n, "t")).collect::<Vec<_>>();
    let work = commit(&mut store, drafts(0..10));
    let bytes: usize = drafts(0..10).iter().map(Draft::len).sum();
    assert_eq!((work.sealed, work.bytes), (10, bytes as u64));
    let work = known_only(&mut store, drafts(0..10));
    assert_eq!((work.sealed, work.duplicate, work.bytes, work.dropped), (0, 10, 0, false));
    let work = known_only(&mut store, drafts(5..15));
    assert_eq!((work.sealed, work.duplicate, work.dropped), (0, 5, true));
    // What contradicts a record is new.
    let work = known_only(&mut store, vec![draft_of("a", 3, "other")]);
    assert_eq!((work.sealed, work.conflict, work.dropped), (0, 0, true));
    assert_eq!(chain(dir.path(), "a").len(), 11);
    // What was dropped is sealed when it may be, and once.
    let work = commit(&mut store, drafts(5..15));
    assert_eq!((work.sealed, work.duplicate), (5, 5));
    assert_eq!(commit(&mut store, vec![draft_of("a", 3, "other")]).conflict, 1);
    assert_eq!(chain(dir.path(), "a").len(), 17);
}
