//! A clock that was set back, or ahead for a while.

use super::{NOW, chain, draft_of, open};
use crate::commit::{Committed, Work};
use crate::store::Store;
use halod_record::draft::Draft;
use serde_json::Value;

const SECOND: u64 = 1_000_000_000;
const YEAR: u64 = 365 * 86_400 * SECOND;

fn commit_at(store: &mut Store, now: u64, drafts: Vec<Draft>) -> (Work, Committed) {
    let mut works = [Work { drafts, ..Work::default() }];
    let committed = store.commit(&mut works, now).unwrap();
    let [work] = works;
    (work, committed)
}

fn records(dir: &std::path::Path) -> Vec<Value> {
    chain(dir, "a").iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_clock_that_was_ahead_is_disclosed_once_and_on_each_record_until_it_has_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit_at(&mut store, NOW + 10 * YEAR, vec![draft_of("a", 1, "t")]);
    let (_, committed) = commit_at(&mut store, NOW, vec![draft_of("a", 2, "t"), draft_of("a", 3, "t")]);
    assert!(committed.warnings[0].contains("clock is behind"), "{:?}", committed.warnings);
    let (_, committed) = commit_at(&mut store, NOW + SECOND, vec![draft_of("a", 4, "t")]);
    assert!(committed.warnings.is_empty());
    // A restart does not say it again.
    store.close().unwrap();
    let mut store = open(dir.path());
    commit_at(&mut store, NOW + 2 * SECOND, vec![draft_of("a", 5, "t")]);
    commit_at(&mut store, NOW + 10 * YEAR + SECOND, vec![draft_of("a", 6, "t")]);
    let records = records(dir.path());
    let notices: Vec<_> = records.iter().filter(|record| record["action"]["tool"] == "halod.clock").collect();
    assert_eq!((notices.len(), records.len()), (1, 7));
    assert_eq!(notices[0]["data"]["last_ts"], records[0]["ts"]);
    let clocks: Vec<_> = records.iter().map(|record| record["data"]["clock"].as_str()).collect();
    let at = |seconds: u64| {
        let text = halod_record::time::rfc3339(NOW + seconds * SECOND);
        String::from_utf8(text.to_vec()).unwrap()
    };
    let [first, second, third] = [at(0), at(1), at(2)];
    let behind = [Some(&*first), Some(&*first), Some(&*first), Some(&*second), Some(&*third)];
    assert_eq!(clocks, [&[None][..], &behind[..], &[None]].concat());
    assert!(records.windows(2).all(|pair| pair[0]["ts"].as_str() <= pair[1]["ts"].as_str()));
}

/// What is sent again is the same, whatever the clock said when it was sealed.
#[test]
fn a_resend_is_known_across_a_clock_that_was_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit_at(&mut store, NOW + YEAR, vec![draft_of("a", 1, "t")]);
    commit_at(&mut store, NOW, vec![draft_of("a", 2, "t")]);
    for now in [NOW + 1, NOW + 2 * YEAR] {
        let (work, _) = commit_at(&mut store, now, vec![draft_of("a", 1, "t"), draft_of("a", 2, "t")]);
        assert_eq!((work.sealed, work.duplicate, work.conflict), (0, 2, 0));
    }
    let (work, _) = commit_at(&mut store, NOW, vec![draft_of("a", 2, "other")]);
    assert_eq!(work.conflict, 1);
}

#[test]
fn a_few_seconds_between_two_clocks_are_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit_at(&mut store, NOW + 5 * SECOND, vec![draft_of("a", 1, "t")]);
    let (_, committed) = commit_at(&mut store, NOW, vec![draft_of("a", 2, "t")]);
    assert!(committed.warnings.is_empty());
    assert!(records(dir.path()).iter().all(|record| record["data"]["clock"].is_null()));
}
