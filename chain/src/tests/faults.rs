//! Disks that fail one chain at a time.

use super::{NOW, chain, commit, draft_of, nothing_waits, settings};
use crate::commit::Work;
use crate::disk::{Disk, OsDisk};
use crate::error::ChainError;
use crate::store::{Settings, Store};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Says EIO, or something else, to what is done to some files.
#[derive(Debug, Default)]
struct Failing {
    files: Mutex<Vec<u64>>,
    errno: Mutex<i32>,
}

impl Failing {
    fn fail(&self, path: &Path, errno: i32) {
        self.files.lock().unwrap().push(path.metadata().unwrap().ino());
        *self.errno.lock().unwrap() = errno;
    }

    fn heal(&self) {
        self.files.lock().unwrap().clear();
    }

    fn of(&self, file: &File) -> io::Result<()> {
        let failing = self.files.lock().unwrap().contains(&file.metadata()?.ino());
        if failing { Err(io::Error::from_raw_os_error(*self.errno.lock().unwrap())) } else { Ok(()) }
    }
}

impl Disk for Failing {
    /// Half of it is written all the same.
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.of(file).inspect_err(|_| OsDisk.append(file, &bytes[..bytes.len() / 2]).unwrap())?;
        OsDisk.append(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.of(file).and_then(|()| OsDisk.sync(file))
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn at_once(dir: &Path) -> Settings {
    Settings { patience: Duration::ZERO, ..settings(dir) }
}

/// So many records of another tenant that both segments of the journal are used again.
fn turn_the_journal(store: &mut Store, round: u64) {
    for batch in 0..3 {
        let first = 100_000 * round + 10_000 * batch;
        let work = commit(store, (first..first + 1200).map(|n| draft_of("busy", n, "t")).collect());
        assert_eq!(work.sealed, 1200, "the others go on");
    }
}

#[test]
fn a_file_that_is_removed_while_halod_runs_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(at_once(dir.path()), Arc::new(OsDisk)).unwrap();
    commit(&mut store, vec![draft_of("victim", 1, "t"), draft_of("victim", 2, "t")]);
    std::fs::remove_file(dir.path().join("victim.jsonl")).unwrap();
    turn_the_journal(&mut store, 1);
    // What only the journal had comes back, behind a notice.
    assert_eq!(store.reseal(NOW).unwrap().sealed, 2);
    assert!(nothing_waits(dir.path()));
    let work = commit(&mut store, (1..4).map(|n| draft_of("victim", n, "t")).collect());
    assert_eq!((work.sealed, work.duplicate), (1, 2));
    let lines = chain(dir.path(), "victim");
    assert_eq!(lines.len(), 4);
    assert!(lines[0].contains("halod.chain_changed"), "{}", lines[0]);
    // At the end as well.
    std::fs::remove_file(dir.path().join("victim.jsonl")).unwrap();
    commit(&mut store, vec![draft_of("busy", 1, "t")]);
    store.close().unwrap();
}

#[test]
fn a_chain_that_cannot_be_synced_is_set_aside_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Failing::default());
    let (mut store, _) = Store::open(settings(dir.path()), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    commit(&mut store, vec![draft_of("bad", 1, "t")]);
    disk.fail(&dir.path().join("bad.jsonl"), EIO);
    turn_the_journal(&mut store, 1);
    let work = commit(&mut store, vec![draft_of("bad", 2, "t"), draft_of("good", 1, "t")]);
    assert!(work.failed.unwrap().to_string().contains("set aside"));
    assert_eq!(work.sealed, 1);
    assert!(!nothing_waits(dir.path()), "what is acknowledged is kept");
    // A restart, with the fault still there, starts; then the disk is mended.
    store.close().unwrap();
    let (mut store, _) = Store::open(at_once(dir.path()), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    // One chain that fails again and again is still one.
    for _ in 0..12 {
        assert!(commit(&mut store, vec![draft_of("bad", 2, "t")]).failed.is_some());
    }
    disk.heal();
    let resealed = store.reseal(NOW).unwrap();
    assert_eq!(
        (resealed.sealed, resealed.duplicate, resealed.waiting),
        (0, 1, 0),
        "the file had it all the same"
    );
    // What failed was finished when the chain could be had.
    assert_eq!(commit(&mut store, vec![draft_of("bad", 2, "t")]).duplicate, 1);
    assert_eq!(chain(dir.path(), "bad").len(), 2);
}

#[test]
fn a_chain_that_cannot_be_written_is_refused_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Failing::default());
    let (mut store, _) = Store::open(at_once(dir.path()), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    commit(&mut store, vec![draft_of("bad", 1, "t"), draft_of("good", 1, "t")]);
    disk.fail(&dir.path().join("bad.jsonl"), EIO);
    let both = || vec![draft_of("bad", 2, "t"), draft_of("good", 2, "t"), draft_of("good", 3, "t")];
    let of_good = || Work { drafts: vec![draft_of("good", 4, "t")], ..Work::default() };
    let mut works = [Work { drafts: both(), ..Work::default() }, of_good()];
    let committed = store.commit(&mut works, NOW).unwrap();
    assert!(
        committed.warnings.iter().any(|warning| warning.contains("bad.jsonl")),
        "{:?}",
        committed.warnings
    );
    let [mixed, good] = works;
    assert!(mixed.failed.unwrap().to_string().contains("bad.jsonl"), "it must come again");
    assert_eq!((mixed.sealed, mixed.duplicate), (2, 0), "what could be sealed is");
    assert_eq!((good.sealed, good.failed.is_none()), (1, true), "another request is not refused");
    let whole = |store: &mut Store| {
        assert_eq!(commit(store, both()).duplicate, 3, "what was cut short was made whole");
        assert_eq!((chain(dir.path(), "bad").len(), chain(dir.path(), "good").len()), (2, 4));
        let text = std::fs::read_to_string(dir.path().join("bad.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 2, "no line is torn");
    };
    // Half of it is written each time; the next start has it from the journal.
    assert!(commit(&mut store, both()).failed.is_some());
    for healed_first in [false, true] {
        if healed_first {
            disk.heal();
            whole(&mut store);
        }
        store.close().unwrap();
        if !healed_first {
            disk.heal();
        }
        (store, _) = Store::open(at_once(dir.path()), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
        whole(&mut store);
    }
}

/// Neither the journal's turns nor starts at which the file still fails leave a line torn.
#[test]
fn what_was_cut_short_is_finished_however_late() {
    for (turns, failing_starts) in [(0, 2), (1, 0), (1, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Failing::default());
        let open = || Store::open(at_once(dir.path()), Arc::clone(&disk) as Arc<dyn Disk>).unwrap().0;
        let mut store = open();
        commit(&mut store, vec![draft_of("bad", 1, "t")]);
        disk.fail(&dir.path().join("bad.jsonl"), EIO);
        let more = || (2..7).map(|n| draft_of("bad", n, "t")).collect();
        assert!(commit(&mut store, more()).failed.is_some());
        (0..turns).for_each(|round| turn_the_journal(&mut store, round + 1));
        // As if it was killed, each time.
        for _ in 0..failing_starts {
            store = open();
            assert!(commit(&mut store, more()).failed.is_some());
        }
        drop(store);
        disk.heal();
        let mut store = open();
        store.reseal(NOW).unwrap();
        assert!(nothing_waits(dir.path()));
        let work = commit(&mut store, more());
        assert_eq!(work.sealed + work.duplicate, 5);
        let lines = chain(dir.path(), "bad");
        assert_eq!(lines.len(), 6, "{turns} turns, {failing_starts} starts: {lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("halod.")), "no line is torn");
    }
}

#[test]
fn a_full_volume_and_many_failing_files_are_final() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Failing::default());
    let (mut store, _) = Store::open(settings(dir.path()), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    let ids: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    commit(&mut store, ids.iter().map(|id| draft_of(id, 1, "t")).collect());
    ids.iter().for_each(|id| disk.fail(&dir.path().join(format!("{id}.jsonl")), EIO));
    let mut fail = || {
        for n in 0..5000 {
            let drafts = (0..100).map(|k| draft_of("busy", n * 100 + k, "t")).collect();
            store.commit(&mut [Work { drafts, ..Work::default() }], NOW)?;
        }
        Ok(())
    };
    assert!(matches!(fail(), Err(ChainError::ManyChains(_))));
    let full = Arc::new(Failing::default());
    let (mut store, _) = Store::open(settings(dir.path()), Arc::clone(&full) as Arc<dyn Disk>).unwrap();
    commit(&mut store, vec![draft_of("t0", 2, "t")]);
    full.fail(&dir.path().join("t0.jsonl"), ENOSPC);
    let work = store.commit(&mut [Work { drafts: vec![draft_of("t0", 3, "t")], ..Work::default() }], NOW);
    assert!(work.is_err(), "{work:?}");
}

/// A recorder that holds a chain's lock does not hold up the start.
#[test]
fn a_held_lock_holds_up_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(settings(dir.path()), Arc::new(OsDisk)).unwrap();
    commit(&mut store, vec![draft_of("held", 1, "t"), draft_of("free", 1, "t")]);
    drop(store);
    let path = dir.path().join("held.jsonl");
    let len = path.metadata().unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(len / 2).unwrap();
    let lock = File::options().append(true).open(dir.path().join("held.jsonl.lock")).unwrap();
    lock.lock().unwrap();
    let begun = std::time::Instant::now();
    let (mut store, recovered) = Store::open(at_once(dir.path()), Arc::new(OsDisk)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(recovered.warnings[0].contains("held.jsonl.lock"), "{:?}", recovered.warnings);
    assert_eq!(store.reseal(NOW).unwrap().waiting, 1, "its records wait");
    assert_eq!(commit(&mut store, vec![draft_of("free", 1, "t")]).duplicate, 1);
    lock.unlock().unwrap();
    assert_eq!(store.reseal(NOW).unwrap().duplicate, 1, "the line that was cut short is finished");
    assert_eq!(commit(&mut store, vec![draft_of("held", 1, "t")]).duplicate, 1);
    assert_eq!(chain(dir.path(), "held").len(), 1);
    assert!(nothing_waits(dir.path()));
}

/// Overwrites a part of the journal's two files with garbage.
fn spoil(dir: &Path, range: std::ops::Range<usize>) {
    for file in ["0.wal", "1.wal"] {
        let path = dir.join(".halod/journal").join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let end = range.end.min(bytes.len());
        bytes[range.start..end].fill(0xA5);
        std::fs::write(&path, bytes).unwrap();
    }
}

fn kinds(lines: &[String]) -> Vec<String> {
    let tool =
        |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["action"]["tool"].clone();
    lines.iter().map(|line| tool(line).as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_damaged_journal_is_told_from_an_unused_one() {
    // The head alone, an entry in the middle, all of it.
    for (range, lost) in [(0..24, 0), (600..620, 20), (0..usize::MAX, 20)] {
        let dir = tempfile::tempdir().unwrap();
        let (store, recovered) = Store::open(at_once(dir.path()), Arc::new(OsDisk)).unwrap();
        assert!(recovered.journal_damage.is_empty(), "a new one is not damaged");
        store.close().unwrap();
        let (mut store, recovered) = Store::open(at_once(dir.path()), Arc::new(OsDisk)).unwrap();
        assert!(recovered.journal_damage.is_empty(), "nor one that was closed well");
        commit(&mut store, (0..20).map(|n| draft_of("a", n, "t")).collect());
        let first = dir.path().join("a.jsonl").metadata().unwrap().len();
        commit(&mut store, (20..40).map(|n| draft_of("a", n, "t")).collect());
        drop(store);
        // The file lost all of the first commit, and so the second.
        File::options().write(true).open(dir.path().join("a.jsonl")).unwrap().set_len(first / 40).unwrap();
        spoil(dir.path(), range.clone());
        let (mut store, recovered) = Store::open(at_once(dir.path()), Arc::new(OsDisk)).unwrap();
        assert!(!recovered.journal_damage.is_empty(), "{range:?}");
        let resealed = store.reseal(NOW).unwrap();
        commit(&mut store, recovered.notices);
        let work = commit(&mut store, (0..40).map(|n| draft_of("a", n, "t")).collect());
        let all_lost = range.end == usize::MAX;
        assert_eq!(work.sealed, if all_lost { 40 } else { lost }, "{range:?}: {resealed:?}");
        assert!(kinds(&chain(dir.path(), "local")).contains(&"halod.journal_damaged".to_owned()));
        let of_a = kinds(&chain(dir.path(), "a"));
        let told = of_a.iter().filter(|kind| *kind == "halod.journal_damaged").count();
        assert_eq!(told, 1, "{range:?}: {of_a:?}");
        // It is empty again, and said once.
        store.close().unwrap();
        let (_, recovered) = Store::open(at_once(dir.path()), Arc::new(OsDisk)).unwrap();
        assert!(recovered.journal_damage.is_empty());
    }
}
