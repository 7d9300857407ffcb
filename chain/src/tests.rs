//! The store against crashes, foreign writers and failing disks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod clock;
mod faults;
mod limits;
mod parents;
mod reading;
mod traces;
mod whose;

use super::commit::{Detail, Fate, Work};
use super::disk::{Disk, OsDisk};
use super::error::ChainError;
use super::store::{Settings, Store};
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use halod_record::event::{Action, Agent, Content, Event, Origin, Outcome, Source, Status, Usage};
use halod_record::parse::scan_line;
use halod_record::tenant::Tenant;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const NOW: u64 = 1_800_000_000_000_000_000;

fn tenant(id: &str) -> Tenant {
    if id.is_empty() { Tenant::Local } else { Tenant::Subject(id.into()) }
}

fn event_of(tool: &str) -> Event<'static> {
    Event {
        action: Action::Tool { name: tool.to_owned().into(), mcp_server: None, call_id: None },
        agent: Agent::default(),
        session: None,
        principal: None,
        tenant: None,
        input: Content::Undisclosed,
        outcome: Outcome {
            status: Status::Ok,
            result: Content::Undisclosed,
            error_type: None,
            error_text: None,
        },
        authorization: None,
        origin: Origin::Span { trace: [7; 16], span: [0; 8], parent: None, name: "x".into() },
        started: Some(1),
        ended: Some(2),
        usage: Usage::default(),
        source: Source { adapter: "otel", via: "test", dialect: "gen_ai", mapping: "1" },
        dropped: 0,
        trace_flags: None,
        facts: Vec::new(),
    }
}

fn draft_of(id: &str, span: u64, tool: &str) -> Draft {
    let origin = Origin::Span { trace: [7; 16], span: span.to_be_bytes(), parent: None, name: "x".into() };
    let event = Event { origin, ..event_of(tool) };
    Builder::new(false).draft(&event, &tenant(id), &mut Scratch::default())
}

fn settings(dir: &Path) -> Settings {
    let patience = Duration::from_secs(10);
    let (directory, read_at_once) = (dir.into(), u64::MAX);
    Settings {
        directory,
        open_chains: 4,
        max_tenants: 1000,
        new_chains: None,
        journal_size: 2 << 20,
        patience,
        read_at_once,
        join_calls: true,
        traces: Arc::default(),
    }
}

fn open(dir: &Path) -> Store {
    Store::open(settings(dir), Arc::new(OsDisk)).unwrap().0
}

/// Nothing is set aside.
fn nothing_waits(dir: &Path) -> bool {
    std::fs::read_dir(dir.join(".halod/setaside")).unwrap().next().is_none()
}

fn commit(store: &mut Store, drafts: Vec<Draft>) -> Work {
    let mut works = [Work { drafts, ..Work::default() }];
    store.commit(&mut works, NOW).unwrap();
    let [work] = works;
    work
}

/// Checks links and hashes of a chain and returns its whole lines. Torn lines are passed over.
fn chain(dir: &Path, stem: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(format!("{stem}.jsonl"))).unwrap();
    let mut prev = "0".repeat(64);
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some(facts) = scan_line(line.as_bytes()) else { continue };
        let hash = facts.hash.to_string();
        let body = line.replacen(&format!("\"hash\":\"{hash}\",\"prev"), "\"prev", 1);
        assert!(body.contains(&format!("\"prev_hash\":\"{prev}\"")), "{stem}: a link is broken at {line}");
        assert_eq!(
            String::from_utf8_lossy(&halod_record::hash::hex(&Sha256::digest(&body).into())),
            hash,
            "{stem}: {line}"
        );
        prev = hash;
        lines.push(line.to_owned());
    }
    lines
}

#[test]
fn drafts_are_linked_per_tenant_and_resends_seal_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let drafts = || (0..20).map(|n| draft_of(["a", "b", ""][n % 3], n as u64, "t")).collect::<Vec<_>>();
    let work = commit(&mut store, drafts());
    assert_eq!((work.sealed, work.duplicate, work.drafts.len()), (20, 0, 0));
    let mut again = [Work { drafts: drafts(), ..Work::default() }];
    let committed = store.commit(&mut again, NOW).unwrap();
    assert_eq!((again[0].sealed, again[0].duplicate), (0, 20));
    assert!(committed.heads.is_empty() && committed.synced.is_none(), "no chain grew");
    // Within one commit too.
    let work = commit(&mut store, vec![draft_of("a", 99, "t"), draft_of("a", 99, "t")]);
    assert_eq!((work.sealed, work.duplicate), (1, 1));
    assert_eq!(chain(dir.path(), "a").len(), 8);
    assert_eq!(chain(dir.path(), "b").len(), 7);
    assert_eq!(chain(dir.path(), "local").len(), 6);
    drop(store);
    for close in [false, true] {
        let mut store = open(dir.path());
        assert!(nothing_waits(dir.path()));
        assert_eq!(commit(&mut store, drafts()).duplicate, 20, "after a restart (closed well: {close})");
        if close {
            store.close().unwrap();
        }
    }
    std::fs::remove_dir_all(dir.path().join(".halod")).unwrap();
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, drafts()).duplicate, 20, "the index is rebuilt from the chains");
}

#[test]
fn who_asks_is_told_of_each_draft_and_of_the_heads() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("b", 1, "t")]);
    let drafts = vec![
        draft_of("a", 1, "t"),
        draft_of("b", 1, "t"),
        draft_of("b", 1, "other"),
        draft_of("b", 2, "t"),
        draft_of("b", 1, "other"),
    ];
    let asked: Vec<_> = drafts.iter().map(Draft::id).collect();
    let mut works = [
        Work { drafts, detail: Some(Box::new(Detail::asking(true))), ..Work::default() },
        Work { drafts: vec![draft_of("b", 3, "t")], ..Work::default() },
    ];
    store.commit(&mut works, NOW).unwrap();
    assert!(works[1].detail.is_none(), "who does not ask is not told");
    let detail = works[0].detail.take().unwrap();
    let fates: Vec<_> = detail.fates.iter().map(|told| told.fate).collect();
    assert_eq!(fates, [Fate::Duplicate, Fate::Duplicate, Fate::Conflict, Fate::Sealed, Fate::Duplicate]);
    assert_eq!(detail.fates.iter().map(|told| told.asked).collect::<Vec<_>>(), asked);
    let (conflict, again) = (detail.fates[2].record, detail.fates[4].record);
    assert!(conflict != asked[2] && conflict == again, "the conflict has an id of its own, and keeps it");
    // Of the chain that only held duplicates too, and after all of the commit.
    for (head, stem) in detail.heads.iter().zip(["a", "b"]) {
        let lines = chain(dir.path(), stem);
        assert_eq!(head.tenant, tenant(stem));
        assert_eq!(head.records, lines.len() as u64);
        let last = scan_line(lines.last().unwrap().as_bytes()).unwrap().hash.into_owned();
        assert_eq!(last.as_bytes(), head.hash);
    }
    assert_eq!((detail.heads.len(), detail.heads[1].records), (2, 4));
    // Where each record is: what was there is within what the chain had by then.
    let mut told = detail.placed.as_deref().unwrap().iter();
    for ((stem, number, is_new), fate) in
        [("a", 1, false), ("b", 1, false), ("b", 2, true), ("b", 3, true), ("b", 3, false)]
            .into_iter()
            .zip(&detail.fates)
    {
        let placed = told.next().unwrap();
        assert_eq!((placed.record, placed.number, placed.is_new), (fate.record, number, is_new));
        assert_eq!(placed.tenant, tenant(stem));
        let line = chain(dir.path(), stem).into_iter().find(|line| line.contains(&fate.record.to_string()));
        let line = line.unwrap();
        let facts = scan_line(line.as_bytes()).unwrap();
        assert_eq!(halod_record::hash::hex_text(&placed.hash), facts.hash);
        assert!(line.contains(&format!("\"prev_hash\":\"{}\"", halod_record::hash::hex_text(&placed.prev))));
        assert_eq!(placed.micros, facts.ts.unwrap().unix_nanos() / 1000);
    }
    assert!(told.next().is_none());
}

#[test]
fn the_index_is_never_believed_over_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("a", 2, "t")]);
    store.close().unwrap();
    // An operator puts an older copy of the chain back: span 2 is not in it.
    let path = dir.path().join("a.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..=text.find('\n').unwrap()]).unwrap();
    let mut store = open(dir.path());
    let work = commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("a", 2, "t")]);
    assert_eq!((work.sealed, work.duplicate), (1, 1));
    let lines = chain(dir.path(), "a");
    assert_eq!(lines.len(), 3);
    assert!(lines[1].contains("halod.chain_changed"), "what went missing is disclosed: {}", lines[1]);
}

#[test]
fn other_content_under_one_origin_is_a_conflict_sealed_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let first = draft_of("a", 1, "t");
    commit(&mut store, vec![first.clone()]);
    let work = commit(&mut store, vec![draft_of("a", 1, "other")]);
    assert_eq!((work.sealed, work.conflict), (1, 1));
    for again in ["other", "t"] {
        let work = commit(&mut store, vec![draft_of("a", 1, again)]);
        assert_eq!((work.sealed, work.duplicate), (0, 1), "{again}");
    }
    let lines = chain(dir.path(), "a");
    assert!(lines[1].contains(&format!("\"conflicts_with\":\"{}\"", first.id())), "{}", lines[1]);
}

#[test]
fn a_torn_tail_is_kept_disclosed_once_and_continued_after() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t")]);
    drop(store);
    let whole = std::fs::read_to_string(&path).unwrap();
    File::options().append(true).open(&path).unwrap().write_all(b"{\"action\":{\"cat").unwrap();
    for round in 2..5 {
        let mut store = open(dir.path());
        assert_eq!(commit(&mut store, vec![draft_of("a", round, "t")]).sealed, 1);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&format!("{whole}{{\"action\":{{\"cat\n{{")));
    let lines = chain(dir.path(), "a");
    assert_eq!(lines.len(), 5);
    assert_eq!(lines.iter().filter(|line| line.contains("halod.torn_tail")).count(), 1);
}

#[test]
fn a_whole_last_line_without_its_newline_is_the_head() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t")]);
    store.close().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end()).unwrap();
    std::fs::remove_dir_all(dir.path().join(".halod")).unwrap();
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("a", 2, "t")]).sealed, 1);
    assert_eq!(chain(dir.path(), "a").len(), 2);
}

#[test]
fn lines_of_a_foreign_writer_are_linked_to_and_its_lock_is_respected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t")]);
    let head = scan_line(chain(dir.path(), "a")[0].as_bytes()).unwrap().hash.to_string();
    let lock = File::options().append(true).open(dir.path().join("a.jsonl.lock")).unwrap();
    lock.lock().unwrap();
    let work = commit(&mut store, vec![draft_of("a", 2, "t"), draft_of("b", 1, "t")]);
    assert_eq!((work.sealed, work.drafts.len()), (1, 1), "the other chain goes on");
    let mut line = Vec::new();
    draft_of("a", 50, "foreign").seal(
        head.as_bytes().try_into().unwrap(),
        &halod_record::time::rfc3339(NOW + 5_000_000_000),
        &mut line,
    );
    File::options().append(true).open(&path).unwrap().write_all(&line).unwrap();
    lock.unlock().unwrap();
    let mut works = [work];
    store.commit(&mut works, NOW).unwrap();
    assert_eq!((works[0].sealed, works[0].drafts.len()), (2, 0));
    let lines = chain(dir.path(), "a");
    assert_eq!(lines.len(), 3);
    let ts = |line: &str| scan_line(line.as_bytes()).unwrap().ts.unwrap();
    assert_eq!(ts(&lines[2]), ts(&lines[1]), "never earlier than the record before it");
    assert_eq!(commit(&mut store, vec![draft_of("a", 50, "foreign")]).duplicate, 1);
}

#[test]
fn a_name_that_holds_another_subject_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t")]);
    drop(store);
    std::fs::rename(dir.path().join("a.jsonl"), dir.path().join("b.jsonl")).unwrap();
    let mut store = open(dir.path());
    assert_eq!(commit(&mut store, vec![draft_of("b", 2, "t")]).sealed, 1);
    assert_eq!(chain(dir.path(), "b").len(), 1);
    assert_eq!(chain(dir.path(), &tenant("b").digest_stem()).len(), 1);
}

#[test]
fn more_chains_than_descriptors_and_entries_larger_than_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for round in 0..3 {
        let drafts: Vec<Draft> =
            (0..3000).map(|n| draft_of(&format!("t{}", n % 50), round * 10_000 + n, "t")).collect();
        assert_eq!(commit(&mut store, drafts).sealed, 3000);
    }
    for n in 0..50 {
        assert_eq!(chain(dir.path(), &format!("t{n}")).len(), 180);
    }
    store.close().unwrap();
    let mut store = open(dir.path());
    assert!(nothing_waits(dir.path()));
    assert_eq!(commit(&mut store, vec![draft_of("t3", 3, "t")]).duplicate, 1);
}

/// Fails, or writes half and fails, from the nth operation on.
#[derive(Debug)]
struct FaultyDisk {
    left: AtomicI64,
    half: bool,
}

impl FaultyDisk {
    fn fails(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) <= 0
    }

    fn error() -> io::Error {
        io::Error::from_raw_os_error(5)
    }
}

impl Disk for FaultyDisk {
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.fails() {
            if self.half {
                file.write_all(&bytes[..bytes.len() / 2])?;
            }
            return Err(Self::error());
        }
        file.write_all(bytes)
    }

    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        if self.fails() {
            if self.half {
                file.write_all_at(&bytes[..bytes.len() / 2], at)?;
            }
            return Err(Self::error());
        }
        file.write_all_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.fails() { Err(Self::error()) } else { file.sync_data() }
    }
}

/// At every operation that can fail: what was acknowledged before stays, what was not may be sent
/// again, nothing is sealed twice, and no torn line is left behind.
#[test]
fn a_failure_at_any_step_is_final_and_a_restart_recovers() {
    for half in [false, true] {
        for fail_at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let mut store = open(dir.path());
            commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("b", 1, "t")]);
            drop(store);
            let disk = Arc::new(FaultyDisk { left: AtomicI64::new(fail_at), half });
            let second = || vec![draft_of("a", 2, "t"), draft_of("b", 2, "t"), draft_of("c", 2, "t")];
            let failed = match Store::open(settings(dir.path()), disk) {
                Err(_) => true,
                Ok((mut store, _)) => {
                    let mut works = [Work { drafts: second(), ..Work::default() }];
                    match store.commit(&mut works, NOW) {
                        Err(error) => {
                            assert!(matches!(error, ChainError::Io { .. }), "{error}");
                            true
                        }
                        Ok(_) => false,
                    }
                }
            };
            let mut store = open(dir.path());
            store.reseal(NOW).unwrap();
            assert!(nothing_waits(dir.path()));
            let work = commit(&mut store, second());
            assert_eq!(work.sealed + work.duplicate, 3);
            for stem in ["a", "b", "c"] {
                let lines = chain(dir.path(), stem);
                assert_eq!(lines.len(), if stem == "c" { 1 } else { 2 }, "{stem}, failed at {fail_at}");
                let text = std::fs::read_to_string(dir.path().join(format!("{stem}.jsonl"))).unwrap();
                assert_eq!(text.lines().count(), lines.len(), "a torn line is left, failed at {fail_at}");
            }
            if !failed {
                assert!(fail_at > 5, "the commit has more steps than that");
                break;
            }
        }
    }
}

/// After power loss, chain files may lack what only the journal has.
#[test]
fn what_only_the_journal_has_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t"), draft_of("a", 2, "t"), draft_of("b", 1, "t")]);
    let before = std::fs::read(dir.path().join("a.jsonl")).unwrap();
    drop(store);
    let path = dir.path().join("a.jsonl");
    for cut in [before.len() - 1, before.len() / 2 + 3, 10, 0] {
        File::options().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        // A killed start must not spoil the next one: only the last of these may forget the journal.
        let journal = dir.path().join(".halod/journal");
        let saved: Vec<_> = ["0.wal", "1.wal"].map(|f| std::fs::read(journal.join(f)).unwrap()).into();
        let store = open(dir.path());
        assert!(nothing_waits(dir.path()));
        assert_eq!(std::fs::read(&path).unwrap(), before, "cut to {cut}");
        drop(store);
        for (file, bytes) in ["0.wal", "1.wal"].iter().zip(saved) {
            std::fs::write(journal.join(file), bytes).unwrap();
        }
    }
}

/// The same, but another recorder went on from the shortened chain: the records are linked again.
#[test]
fn acknowledged_records_that_lost_their_place_are_linked_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let mut store = open(dir.path());
    commit(&mut store, vec![draft_of("a", 1, "t")]);
    let first = std::fs::read(&path).unwrap();
    commit(&mut store, vec![draft_of("a", 2, "t"), draft_of("a", 3, "t")]);
    drop(store);
    let mut shortened = first.clone();
    let head = scan_line(&first).unwrap().hash.to_string();
    let ts = halod_record::time::rfc3339(NOW);
    draft_of("a", 60, "foreign").seal(head.as_bytes().try_into().unwrap(), &ts, &mut shortened);
    std::fs::write(&path, &shortened).unwrap();
    for crashed in [true, false] {
        let mut store = open(dir.path());
        assert!(!nothing_waits(dir.path()), "kept until they are sealed");
        if crashed {
            continue;
        }
        assert_eq!(store.reseal(NOW).unwrap().sealed, 2);
    }
    assert_eq!(chain(dir.path(), "a").len(), 4);
    let mut store = open(dir.path());
    assert!(nothing_waits(dir.path()));
    let again = vec![draft_of("a", 2, "t"), draft_of("a", 3, "t"), draft_of("a", 60, "foreign")];
    assert_eq!(commit(&mut store, again).duplicate, 3);
}
