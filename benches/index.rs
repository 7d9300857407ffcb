//! What the exactly-once index costs: per record, one lookup that finds nothing and one insert.
//!
//! A flush is offered every 256 records, as a commit would. Wall time includes waiting for the background
//! thread, which here gets no rest; the CPU time of all threads includes all merges.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use halod_chain::index::{Index, Position, Settings};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() {
    println!("per record, ns: a lookup that finds nothing and an insert; then lookups alone, ns");
    println!(
        "{:>10} {:>7} {:>10} {:>11} {:>9} {:>9} {:>15} {:>5} {:>7} {:>8} {:>9}",
        "entries",
        "wall",
        "caller cpu",
        "all threads",
        "negative",
        "positive",
        "worst commit ms",
        "runs",
        "MiB",
        "B/entry",
        "reopen ms"
    );
    let counts: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![100_000, 1_000_000, 10_000_000] } else { counts };
    for count in counts {
        measure(count);
    }
}

fn measure(count: u64) {
    let dir = tempfile::tempdir().unwrap();
    let positions = |records| {
        vec![("local".to_owned(), Position { len: records, head: [0; 32], records, subject: [0; 32] })]
    };
    let (mut index, _) = Index::open(dir.path(), Settings::default()).unwrap();
    let mut found = Vec::new();
    let (cpu, start) = (cpu_times(), Instant::now());
    let (mut most, mut worst, mut last) = (0, Duration::ZERO, start);
    for n in 0..count {
        index.candidates(key(n), &mut found).unwrap();
        index.insert(key(n), n * 1000);
        if n % 256 == 255 {
            index.maybe_flush(&mut || positions(n + 1)).unwrap();
            let now = Instant::now();
            worst = worst.max(now - last);
            last = now;
            most = most.max(index.memory_bytes());
        }
    }
    let wall = start.elapsed();
    let caller = cpu_times().0 - cpu.0;
    assert!(found.is_empty());
    // What the background thread still has to merge belongs to the cost.
    let mut runs = (usize::MAX, Instant::now());
    while runs.1.elapsed() < Duration::from_millis(500) {
        let now = std::fs::read_dir(dir.path()).unwrap().count();
        if now != runs.0 {
            runs = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let all = cpu_times().1 - cpu.1;
    // The second call sees the filters for which the first made room.
    for _ in 0..2 {
        index.maybe_flush(&mut || positions(count)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    index.maybe_flush(&mut || positions(count)).unwrap();

    let lookups = 1_000_000;
    let negative = time(lookups, |n| index.candidates(key(u64::MAX - n), &mut found).unwrap());
    assert!(found.is_empty());
    let positive = time(100_000, |n| index.candidates(key(n * (count / 100_000)), &mut found).unwrap());
    assert_eq!(found.len(), 100_000);
    index.close(positions(count)).unwrap();
    let files: Vec<u64> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
    let reopen = Instant::now();
    let (index, _) = Index::open(dir.path(), Settings::default()).unwrap();
    let reopen = reopen.elapsed();
    drop(index);
    println!(
        "{count:>10} {:>7.0} {:>10.0} {:>11.0} {negative:>9.0} {positive:>9.0} {:>15.1} {:>5} {:>7.1} {:>8.2} {:>9.1}",
        wall.as_nanos() as f64 / count as f64,
        caller / count as f64,
        all / count as f64,
        worst.as_secs_f64() * 1e3,
        files.len() - 1,
        most as f64 / f64::from(1 << 20),
        files.iter().sum::<u64>() as f64 / count as f64,
        reopen.as_secs_f64() * 1e3,
    );
}

/// Nanoseconds per call.
fn time(calls: u64, mut call: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(&mut call);
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// Distinct for distinct `n`, and spread as hashes are (the finaliser of SplitMix64).
fn key(n: u64) -> u64 {
    let x = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// How long the calling thread and all threads ran: the first field, in nanoseconds, of `schedstat`.
fn cpu_times() -> (f64, f64) {
    let time = |dir: PathBuf| {
        let stat = std::fs::read_to_string(dir.join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    (time("/proc/thread-self".into()), tasks.map(|task| time(task.unwrap().path())).sum())
}
