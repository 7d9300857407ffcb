//! Every way of rotating, told of or not, while halod runs, is restarted, is killed: under a program that
//! writes all the time, each line is sealed once, or what is lost is told.
//!
//! One test for each way of rotating. In each, three halods (that stay up, that are restarted, that are
//! killed) follow three logs each: told of changes; looked at only; told so much that the system's queue
//! overflows.

use super::fixture::{Fixture, Writer, assert_intact, logrotate};
use crate::support::halod::Halod;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

const LOGS: [&str; 3] = ["told", "looked", "flooded"];
const RECEIVERS: &str = "  file_log/told: { include: ['LOGS/told/*.log'], poll_interval: 1s }
  file_log/looked: { include: ['LOGS/looked/*.log'], poll_interval: 100ms, notify: false }
  filelog/flooded: { include: ['LOGS/flooded/*.log'], poll_interval: 1s }
";
/// How many lines a writer writes at most, and how long it waits after each.
const LINES: u64 = 100_000;
const PAUSE_MS: u64 = 5;
const ROUNDS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Create,
    CopyTruncate,
    Delete,
    Truncate,
    Gzip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Up,
    Restarted,
    Killed,
}

/// The whole lines of a file that is gone: their numbers, and where in the file each ends.
type Ended = Vec<(u64, u64)>;

/// A halod that comes and goes.
struct Daemon<'r> {
    fixture: &'r Fixture,
    fate: Fate,
    halod: Option<Halod>,
}

impl Daemon<'_> {
    fn go(&mut self) {
        match (self.fate, self.halod.take()) {
            (Fate::Up, halod) => self.halod = halod,
            (Fate::Restarted, Some(halod)) => assert!(halod.terminate().success()),
            (Fate::Killed, Some(halod)) => halod.kill9(),
            (_, None) => {}
        }
    }

    fn come(&mut self) {
        if self.halod.is_none() {
            self.halod = Some(self.fixture.start());
        }
    }
}

#[test]
fn renamed_and_created() {
    play(Way::Create);
}

#[test]
fn copied_and_truncated() {
    play(Way::CopyTruncate);
}

#[test]
fn deleted_and_created() {
    play(Way::Delete);
}

#[test]
fn truncated_and_written_anew() {
    play(Way::Truncate);
}

#[test]
fn renamed_and_packed() {
    play(Way::Gzip);
}

fn play(way: Way) {
    std::thread::scope(|scope| {
        for fate in [Fate::Up, Fate::Restarted, Fate::Killed] {
            scope.spawn(move || scene(way, fate));
        }
    });
}

fn scene(way: Way, fate: Fate) {
    let fixture = Fixture::new(RECEIVERS);
    for log in LOGS {
        fs::create_dir(fixture.log(log)).unwrap();
    }
    let path = |log: &str| format!("{log}/a.log");
    let mut daemon = Daemon { fixture: &fixture, fate, halod: Some(fixture.start()) };
    let writers: Vec<_> = LOGS
        .iter()
        .map(|log| Writer::start(&fixture.log(&path(log)), 0, LINES, PAUSE_MS, *log == "looked"))
        .collect();
    // What stood in the log's files after a rotation; and what was in a file that was removed or emptied.
    let mut files: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); LOGS.len()];
    let mut ended: Vec<Vec<Ended>> = vec![Vec::new(); LOGS.len()];
    for round in 0..ROUNDS {
        // Positions are saved every half a second: whatever is killed has remembered each file by then.
        std::thread::sleep(Duration::from_millis(if fate == Fate::Killed { 1500 } else { 400 }));
        daemon.go();
        for (at, log) in LOGS.iter().enumerate() {
            let rotate = || rotate(way, &fixture, &fixture.log(&path(log)), &writers[at]);
            ended[at].extend(if *log == "flooded" && round == 1 {
                flood(daemon.halod.as_ref(), &fixture.log(log), rotate)
            } else {
                rotate()
            });
            files[at].extend(numbers_beside(&fixture.log(log)));
        }
        std::thread::sleep(Duration::from_millis(100));
        daemon.come();
    }
    std::thread::sleep(Duration::from_millis(300));
    let written: Vec<u64> = writers.into_iter().map(Writer::stop).collect();
    for (at, log) in LOGS.iter().enumerate() {
        files[at].extend(numbers_beside(&fixture.log(log)));
        let last = written[at] - 1;
        crate::support::wait_until("the last line", super::fixture::LIMIT, || {
            fixture.numbers(&path(log)).contains_key(&last)
        });
    }
    // Everything on disk has to come, and what was seen and is nowhere has to be told.
    for log in LOGS {
        let on_disk = numbers_beside(&fixture.log(log));
        wait_until("all that is on disk", || {
            let there = fixture.numbers(&path(log));
            on_disk.iter().all(|n| there.contains_key(n))
        });
    }
    let halod = daemon.halod.take().unwrap();
    std::thread::sleep(Duration::from_secs(10));
    assert!(halod.terminate().success());
    for (at, log) in LOGS.iter().enumerate() {
        let what = format!("{way:?}, {fate:?}, {log}");
        judge((way, fate), &fixture, &path(log), written[at], (&files[at], &ended[at]), &what);
    }
    assert_intact(&fixture);
}

fn wait_until(what: &str, mut yes: impl FnMut() -> bool) {
    crate::support::wait_until(what, super::fixture::LIMIT, || {
        std::thread::sleep(Duration::from_millis(100));
        yes()
    });
}

/// `kept`: the numbers that stood on disk after a rotation, so that halod could read them at leisure;
/// `ended`: those of each file that was removed or emptied.
fn judge(
    (way, fate): (Way, Fate),
    fixture: &Fixture,
    log: &str,
    written: u64,
    (kept, ended): (&BTreeSet<u64>, &[Ended]),
    what: &str,
) {
    let there = fixture.numbers(log);
    let twice: Vec<_> = there.iter().filter(|(_, n)| **n != 1).take(5).collect();
    assert!(twice.is_empty(), "{what}: more than once: {twice:?}");
    let missing: Vec<u64> = (0..written).filter(|n| !there.contains_key(n)).collect();
    let gaps = fixture.said(log, "gap");
    let anew = fixture.said(log, "log_rewritten");
    println!("{what}: {written} lines, {} missing, gaps {gaps:?}, anew {anew:?}", missing.len());
    // What is lost was in a file that is gone, or came between a copy's end and the truncation: nobody could
    // have read it.
    let gone: BTreeSet<u64> = ended.iter().flatten().map(|(n, _)| *n).collect();
    let lost: Vec<_> = missing.iter().filter(|n| kept.contains(n) && !gone.contains(n)).collect();
    assert!(lost.is_empty(), "{what}: {lost:?}");
    match (way, fate) {
        // Nothing may be lost, nor said to be.
        (Way::Create | Way::Gzip, _) => {
            assert!(missing.is_empty() && gaps.is_empty(), "{what}: {missing:?} {gaps:?}");
        }
        // A file that is removed while halod has it open is read on: all of it is lost or nothing.
        (Way::Delete, Fate::Up) => {
            let read = |file: &&Ended| file.iter().any(|(n, _)| there.contains_key(n));
            let all = |file: &Ended| file.iter().all(|(n, _)| there.contains_key(n));
            assert!(ended.iter().filter(read).all(all), "{what}: {missing:?}");
            assert!(gaps.iter().all(|gap| gap["from"] == 0), "{what}: {gaps:?}");
        }
        (Way::CopyTruncate, _) => {}
        // Of a file that halod had read from, it says that the rest may be gone, or that what it read is, and
        // from where on.
        (Way::Delete, _) => assert_told(&there, ended, &gaps, "from", (fate, what)),
        (Way::Truncate, _) => assert_told(&there, ended, &anew, "bytes", (fate, what)),
    }
    let known: u64 = gaps.iter().map(|gap| gap["bytes"].as_u64().unwrap()).sum();
    let lost: u64 = missing.iter().map(|n| super::fixture::line(*n).len() as u64).sum();
    assert!(known <= lost, "{what}: {known} bytes are said to be lost, {lost} are");
}

/// Each file that halod had read from before it was gone has a record that says how far: `field` of `told`.
fn assert_told(
    there: &BTreeMap<u64, usize>,
    ended: &[Ended],
    told: &[Value],
    field: &str,
    (fate, what): (Fate, &str),
) {
    let mut told: Vec<u64> = told.iter().map(|data| data[field].as_u64().unwrap()).collect();
    told.sort_unstable();
    for file in ended {
        let read = file.iter().take_while(|(n, _)| there.contains_key(n)).count();
        let beyond = file[read..].iter().filter(|(n, _)| there.contains_key(n)).count();
        assert_eq!(beyond, 0, "{what}: a file was read with a hole in it");
        // What is remembered at a kill is half a second old; of a new file, that it was there.
        let end = file[..read].last().map_or(0, |(_, end)| *end);
        let fits = |at: &u64| if fate == Fate::Killed { *at <= end } else { *at == end };
        match told.iter().rposition(fits) {
            Some(found) => drop(told.remove(found)),
            // It may have come and gone unseen.
            None => assert_eq!(end, 0, "{what}: read up to {end}, and told: {told:?}"),
        }
    }
    assert!(told.is_empty(), "{what}: told of more than there was: {told:?}");
}

/// Returns what was in the file, if that is nowhere now.
fn rotate(way: Way, fixture: &Fixture, log: &Path, writer: &Writer) -> Option<Ended> {
    let place = fixture.place.path().join(log.parent().unwrap().file_name().unwrap());
    fs::create_dir_all(&place).unwrap();
    let again = format!("  postrotate\n    kill -USR1 {}\n  endscript", writer.pid());
    match way {
        Way::Create => logrotate(&place, log, &format!("  create 0644\n{again}")),
        Way::CopyTruncate => logrotate(&place, log, "  copytruncate"),
        Way::Gzip => {
            // As it is usual: packed once nobody writes it any more.
            logrotate(&place, log, &format!("  create 0644\n  compress\n  delaycompress\n{again}"));
        }
        Way::Delete | Way::Truncate => {
            let pid = rustix::process::Pid::from_raw(i32::try_from(writer.pid()).unwrap()).unwrap();
            let send = |signal| rustix::process::kill_process(pid, signal).unwrap();
            send(Signal::STOP);
            let content = numbers_of(log);
            if way == Way::Delete {
                fs::remove_file(log).unwrap();
                send(Signal::USR1);
            } else {
                File::options().write(true).open(log).unwrap().set_len(0).unwrap();
            }
            send(Signal::CONT);
            return Some(content);
        }
    }
    None
}

/// While halod sleeps, more happens in the directory than the system's queue holds.
fn flood<T>(halod: Option<&Halod>, directory: &Path, rotate: impl FnOnce() -> T) -> T {
    let Some(halod) = halod else { return rotate() };
    halod.signal(Signal::STOP);
    let limit: u32 =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let (one, other) = (directory.join("one"), directory.join("other"));
    for n in 0..limit {
        // Equal events in a row would be taken for one.
        File::create(if n % 2 == 0 { &one } else { &other }).unwrap();
    }
    let done = rotate();
    halod.signal(Signal::CONT);
    done
}

/// The numbers of the whole lines in a log's files, packed ones apart.
fn numbers_beside(directory: &Path) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("a.log") || name.ends_with(".gz") {
            continue;
        }
        numbers.extend(numbers_of(&path).into_iter().map(|(n, _)| n));
    }
    numbers
}

fn numbers_of(file: &Path) -> Ended {
    let text = fs::read_to_string(file).unwrap_or_default();
    let number = |line: &str| {
        let line = line.strip_prefix("127.0.0.1 - - ")?.strip_suffix(" \"-\" \"writer\"\n")?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let mut at = 0;
    let lines = text.split_inclusive('\n').filter_map(|line| {
        at += line.len() as u64;
        Some((number(line)?, at))
    });
    lines.collect()
}
