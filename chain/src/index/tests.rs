#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use tempfile::TempDir;

/// An index and the chain it is about: the pairs inserted, in order. A position's `len` is how many.
struct Bed {
    dir: TempDir,
    settings: Settings,
    chain: Vec<(u64, u64)>,
}

impl Bed {
    fn new(table_entries: usize) -> Self {
        let settings = Settings { table_entries, ..Settings::default() };
        Self { dir: TempDir::new().unwrap(), settings, chain: Vec::new() }
    }

    fn open(&self) -> (Index, Opened) {
        let (mut index, opened) = Index::open(self.dir.path(), self.settings.clone()).unwrap();
        let covered = index.position("c").map_or(0, |p| p.len as usize);
        assert!(opened == Opened::Loaded || covered == 0);
        for (key, offset) in &self.chain[covered..] {
            index.insert(*key, *offset);
        }
        (index, opened)
    }

    fn insert(&mut self, index: &mut Index, key: u64, offset: u64) {
        index.insert(key, offset);
        self.chain.push((key, offset));
    }

    fn positions(&self) -> Vec<(String, Position)> {
        let len = self.chain.len() as u64;
        vec![("c".into(), Position { len, head: [len as u8; 32], records: len, subject: [9; 32] })]
    }

    fn fill(&mut self, index: &mut Index, count: u64) -> Result<(), IndexError> {
        for _ in 0..count {
            let n = self.chain.len() as u64;
            self.insert(index, key(n), n * 100);
            index.maybe_flush(&mut || self.positions())?;
        }
        Ok(())
    }

    /// What every key of the chain, and as many others, should give.
    fn check(&self, index: &Index) -> Result<(), IndexError> {
        let mut model: HashMap<u64, BTreeSet<u64>> = HashMap::new();
        for (key, offset) in &self.chain {
            model.entry(*key).or_default().insert(*offset);
            model.entry(!key).or_default();
        }
        for (key, offsets) in model {
            assert_eq!(find(index, key)?, offsets, "key {key:x}");
        }
        Ok(())
    }

    fn copy(&self) -> Self {
        Self { dir: copy_of(self.dir.path()), settings: self.settings.clone(), chain: self.chain.clone() }
    }

    fn run_files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path());
        let mut runs: Vec<_> = files.filter(|p| !p.ends_with(MANIFEST)).collect();
        runs.sort();
        runs
    }
}

/// Distinct, and spread as hashes are.
fn key(n: u64) -> u64 {
    Scramble { offset: 7, factor: 0x9E37_79B9_7F4A_7C15 }.apply(n)
}

fn find(index: &Index, key: u64) -> Result<BTreeSet<u64>, IndexError> {
    let mut out = Vec::new();
    index.candidates(key, &mut out)?;
    Ok(out.into_iter().collect())
}

/// Waits until the thread has merged what there is to merge, and shows that to lookups.
fn settle(index: &mut Index) {
    let mut state = index.shared.lock();
    while !state.idle || state.pending.is_some() {
        assert!(!state.ended);
        state = index.shared.wait(state);
    }
    drop(state);
    index.look(true).unwrap();
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u64, u64),
    Flush,
    Check,
    Crash,
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    // A few keys only, some of them neighbours, so that keys repeat and buckets hold several.
    let key = prop_oneof![0..40u64, any::<u64>(), Just(u64::MAX)];
    prop_oneof![
        60 => (key, prop_oneof![0..3u64, any::<u64>()]).prop_map(|(k, o)| Op::Insert(k, o)),
        20 => Just(Op::Flush),
        2 => Just(Op::Check),
        1 => Just(Op::Crash),
        1 => Just(Op::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn answers_like_a_map(
        ops in prop::collection::vec(op(), 1..400),
        table in 1..12usize,
        filter_bytes in prop_oneof![Just(0usize), Just(3 << 16), Just(1 << 24)],
    ) {
        let mut bed = Bed::new(table);
        bed.settings.filter_bytes = filter_bytes;
        let (mut index, opened) = bed.open();
        prop_assert_eq!(opened, Opened::New);
        for op in ops {
            match op {
                Op::Insert(key, offset) => bed.insert(&mut index, key, offset),
                Op::Flush => index.maybe_flush(&mut || bed.positions()).unwrap(),
                Op::Check => bed.check(&index).unwrap(),
                Op::Crash | Op::Close => {
                    let closed = matches!(op, Op::Close);
                    if closed { index.close(bed.positions()).unwrap() } else { drop(index) }
                    let (again, opened) = bed.open();
                    prop_assert_eq!(opened, Opened::Loaded);
                    prop_assert!(!closed || again.table.len() == 0);
                    index = again;
                    bed.check(&index).unwrap();
                }
            }
        }
        bed.check(&index).unwrap();
    }
}

#[test]
fn many_offsets_under_one_key() {
    let mut bed = Bed::new(1000);
    let (mut index, _) = bed.open();
    // More than one bucket's read, in tables, in runs, and across a merge.
    for offset in 0..10_000 {
        bed.insert(&mut index, 42, offset);
        bed.insert(&mut index, key(offset), offset);
        index.maybe_flush(&mut || bed.positions()).unwrap();
    }
    settle(&mut index);
    bed.check(&index).unwrap();
    index.close(bed.positions()).unwrap();
    bed.check(&bed.open().0).unwrap();
}

#[test]
fn runs_and_their_filters_stay_few() {
    let mut bed = Bed::new(20);
    let (mut index, _) = bed.open();
    for _ in 0..20 {
        bed.fill(&mut index, 1000).unwrap();
        settle(&mut index);
        let runs = &index.view.runs;
        for level in 0..8 {
            assert!(runs.iter().filter(|r| r.meta.level == level).count() < 4);
        }
        assert_eq!(bed.run_files().len(), runs.len());
    }
    assert!(index.view.runs.iter().any(|r| r.meta.level >= 3));
    bed.check(&index).unwrap();
}

#[test]
fn equal_pairs_are_merged_into_one() {
    let bed = Bed::new(10);
    let (mut index, _) = bed.open();
    for n in 0..40 {
        index.insert(key(n % 10), 1);
        index.maybe_flush(&mut || bed.positions()).unwrap();
    }
    settle(&mut index);
    assert_eq!(index.view.runs.iter().map(|r| r.meta.count).collect::<Vec<_>>(), [10]);
}

/// Stops before each file operation in turn, a write half done, as a kill would; reopens each time.
#[test]
fn a_crash_before_any_step_loses_nothing() {
    let mut ended = false;
    for steps in 0.. {
        let mut bed = Bed::new(10);
        let left = Arc::new(AtomicI64::new(steps));
        bed.settings.crash_after = Some(Arc::clone(&left));
        match Index::open(bed.dir.path(), bed.settings.clone()) {
            // Nine tables, four of them merged twice.
            Ok((mut index, _)) => {
                let filled = bed.fill(&mut index, 95);
                if filled.is_ok() {
                    ended = index.close(bed.positions()).is_ok();
                } else {
                    assert!(matches!(index.maybe_flush(&mut Vec::new), Err(IndexError::Stopped)));
                    bed.check(&index).unwrap();
                }
            }
            Err(error) => assert!(matches!(error, IndexError::Io { .. })),
        }
        bed.settings.crash_after = None;
        let (mut index, opened) = bed.open();
        assert!(matches!(opened, Opened::Loaded | Opened::New), "{steps}: {opened:?}");
        bed.check(&index).unwrap();
        settle(&mut index);
        assert_eq!(bed.run_files().len(), index.view.runs.len(), "leftovers after {steps} steps");
        bed.fill(&mut index, 30).unwrap();
        settle(&mut index);
        bed.check(&index).unwrap();
        if ended && left.load(SeqCst) > 0 {
            assert!(steps > 100, "only {steps} steps were tried");
            return;
        }
    }
}

#[test]
fn leftovers_are_removed_and_foreign_files_kept() {
    let mut bed = Bed::new(10);
    let (mut index, _) = bed.open();
    bed.fill(&mut index, 25).unwrap();
    index.close(bed.positions()).unwrap();
    for name in ["run-999", "MANIFEST.new", "notes.txt"] {
        std::fs::write(bed.dir.path().join(name), "x").unwrap();
    }
    let (index, opened) = bed.open();
    assert_eq!(opened, Opened::Loaded);
    bed.check(&index).unwrap();
    let names: Vec<_> = bed.run_files().iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert!(names.iter().any(|n| n == "notes.txt"));
    assert!(!names.iter().any(|n| n == "run-999" || n == "MANIFEST.new"));
}

fn damaged_bed() -> Bed {
    let mut bed = Bed::new(300);
    let (mut index, _) = bed.open();
    bed.fill(&mut index, 4000).unwrap();
    settle(&mut index);
    index.close(bed.positions()).unwrap();
    bed
}

/// Flips a bit at many places of every file: the index is rebuilt, or answers rightly, or says so.
#[test]
fn damage_never_hides_an_entry() {
    let mut bed = damaged_bed();
    let (mut at_open, mut at_read) = (0, 0);
    let mut files = bed.run_files();
    files.push(bed.dir.path().join(MANIFEST));
    for (filter_bytes, path) in [0, 1 << 24].into_iter().flat_map(|b| files.iter().map(move |f| (b, f))) {
        bed.settings.filter_bytes = filter_bytes;
        let len = std::fs::metadata(path).unwrap().len() as usize;
        for at in (0..len).step_by((len / 9).max(1)).chain([len - 1]) {
            let copy = Bed {
                dir: copy_of(bed.dir.path()),
                settings: bed.settings.clone(),
                chain: bed.chain.clone(),
            };
            let file = copy.dir.path().join(path.file_name().unwrap());
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&file, bytes).unwrap();
            let (index, opened) = copy.open();
            match copy.check(&index) {
                Ok(()) => at_open += u32::from(matches!(opened, Opened::Rebuilt(_))),
                Err(error) => {
                    at_read += 1;
                    assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
                    assert!(index.close(copy.positions()).is_err(), "a withdrawn index came back");
                    let (index, opened) = copy.open();
                    assert!(matches!(opened, Opened::Rebuilt(_)), "{opened:?}");
                    copy.check(&index).unwrap();
                }
            }
        }
    }
    assert!(at_open > 20 && at_read > 20, "found at open {at_open}, at a read {at_read}");
}

/// Blocks and lines of zeros, as a lost page of the file reads, hide entries unless they are checked.
#[test]
fn cleared_parts_are_found() {
    let mut bed = damaged_bed();
    for filter_bytes in [0, 1 << 24] {
        bed.settings.filter_bytes = filter_bytes;
        let meta = bed.open().0.view.runs[0].meta;
        let ends = [64, meta.directory_at() as usize, meta.entries_at() as usize, meta.file_len() as usize];
        for part in ends.windows(2) {
            let copy = bed.copy();
            let file = copy.dir.path().join(files::run_name(meta.id));
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[part[0]..part[1]].fill(0);
            std::fs::write(&file, bytes).unwrap();
            let (index, opened) = copy.open();
            let at_open = filter_bytes > 0 && part[0] == 64;
            assert_eq!(matches!(opened, Opened::Rebuilt(_)), at_open, "{opened:?}");
            assert_eq!(copy.check(&index).is_err(), !at_open);
        }
    }
}

fn copy_of(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn a_cut_missing_or_newer_file_is_rebuilt() {
    let bed = damaged_bed();
    let run = bed.run_files().remove(0).file_name().unwrap().to_owned();
    let rebuilt = |name: &std::ffi::OsStr, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let copy = bed.copy();
        let path = copy.dir.path().join(name);
        match change(std::fs::read(&path).unwrap()) {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let (index, opened) = copy.open();
        copy.check(&index).unwrap();
        let Opened::Rebuilt(reason) = opened else { panic!("{opened:?}") };
        index.close(copy.positions()).unwrap();
        assert_eq!(copy.open().1, Opened::Loaded);
        reason
    };
    let manifest = std::ffi::OsStr::new(MANIFEST);
    let cut = |bytes: Vec<u8>| Some(bytes[..bytes.len() - 1].to_vec());
    assert!(rebuilt(&run, &cut).contains("bytes instead of"));
    assert!(rebuilt(&run, &|_| None).contains("missing"));
    assert!(rebuilt(manifest, &cut).contains("checksum"));
    assert!(rebuilt(manifest, &|_| None).contains("manifest is missing"));
    assert!(rebuilt(manifest, &|_| Some(Vec::new())).contains("no version"));
    let newer = |bytes: Vec<u8>| {
        Some(String::from_utf8(bytes).unwrap().replacen(&VERSION.to_string(), "99", 1).into_bytes())
    };
    assert!(rebuilt(manifest, &newer).contains("version"));
}

#[test]
fn damage_met_by_a_merge_stops_the_index() {
    let mut bed = Bed::new(100);
    let (mut index, _) = bed.open();
    bed.fill(&mut index, 300).unwrap();
    index.close(bed.positions()).unwrap();
    let (mut index, _) = bed.open();
    let run = bed.run_files().remove(0);
    let mut bytes = std::fs::read(&run).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&run, bytes).unwrap();
    assert!(matches!(bed.fill(&mut index, 10_000), Err(IndexError::Damaged { .. })));
    drop(index);
    assert!(matches!(bed.open().1, Opened::Rebuilt(_)));
}

#[test]
fn two_million_entries_stay_within_the_bound() {
    let mut bed = Bed::new(100_000);
    bed.settings.filter_bytes = 1 << 20;
    let (mut index, _) = bed.open();
    let mut most = 0;
    for n in 0..2_000_000 {
        index.insert(key(n), n);
        index.maybe_flush(&mut || bed.positions()).unwrap();
        if n % 1000 == 0 {
            most = most.max(index.memory_bytes());
        }
    }
    settle(&mut index);
    // Two tables, one being sorted, the filters, three merges.
    let bound = 2 * (17 << 17) + (16 * 100_000 + (192 << 10)) + (1 << 20) + 3 * (336 << 10) + 4096;
    assert!(most > 6 << 20 && most <= bound, "{most} of at most {bound}");
    for n in (0..2_000_000).step_by(4999) {
        assert_eq!(find(&index, key(n)).unwrap(), BTreeSet::from([n]));
        assert_eq!(find(&index, !key(n)).unwrap(), BTreeSet::new());
    }
}

#[test]
fn few_false_positives() {
    let mut block = filter::Block::default();
    let in_block = |n: u64| key(n) >> 24; // As in a large run: the top bits are all the same.
    let keys = filter::keys_per_block(3);
    (0..keys).for_each(|n| block.insert(in_block(n)));
    assert!((0..keys).all(|n| block.may_hold(in_block(n))));
    let wrong = (1000..101_000).filter(|n| block.may_hold(in_block(*n))).count();
    assert!(wrong < 1000, "{wrong} of 100,000");
}

#[test]
fn the_manifest_reads_as_written() {
    let position =
        |len| Position { len, head: [len as u8; 32], records: len / 2, subject: [len as u8 + 1; 32] };
    let positions = vec![
        ("z".to_owned(), position(5)),
        ("a b".to_owned(), position(300)),
        ("n\nx".to_owned(), position(1)),
    ];
    let positions = manifest::tidy(positions);
    let runs = vec![Meta { id: 3, level: 1, planned: 20, count: 19 }];
    let scramble = Scramble::random();
    let text = manifest::text(scramble, runs.iter(), &positions);
    let read = manifest::parse(text.as_bytes()).unwrap();
    assert_eq!(read, Manifest { scramble, runs, positions });
    assert_eq!(read.positions.iter().map(|(stem, _)| stem.as_str()).collect::<Vec<_>>(), ["a b", "z"]);
    for end in 0..text.len() {
        assert!(manifest::parse(&text.as_bytes()[..end]).is_err());
    }
}
