//! Everything at once: senders at every kind of door, while halod is killed, its disk fills up, files fail, one tenant
//! floods and bombs go off.
//!
//! `HALOD_SOAK_MINUTES` says how long, one minute without it; `HALOD_SOAK_SEED` repeats a run's choices, though not its
//! timing. Each minute takes up to 128 MiB of memory for the disk.

mod bodies;
mod chaos;
mod faults;
mod ledger;
mod senders;
mod stage;

use crate::support::chains::assert_verified;
use crate::support::halod::halod_verify;
use crate::support::random::Random;
use crate::support::small::Small;
use chaos::Chaos;
use faults::Faults;
use ledger::Ledger;
use stage::Stage;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer chains than a few minutes make take the reference's verifiers too long.
const REFERENCE_MINUTES: u64 = 5;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// What all threads share.
#[derive(Default)]
struct Soak {
    stage: Stage,
    ledger: Ledger,
    bombs: Vec<bodies::Bomb>,
}

/// What was done and what halod logged, in a directory; with the chains they are kept if the test fails.
struct Notes<'t> {
    begun: Instant,
    dir: tempfile::TempDir,
    disk: &'t Small,
    seed: u64,
}

impl<'t> Notes<'t> {
    fn new(disk: &'t Small, seed: u64) -> Self {
        Self { begun: Instant::now(), dir: tempfile::tempdir().unwrap(), disk, seed }
    }

    fn append(&self, file: &str, text: &str) {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(self.dir.path().join(file)).unwrap();
        writeln!(file, "{text}").unwrap();
    }

    fn act(&self, text: &str) {
        self.append("acts", &format!("{:?} {text}", self.begun.elapsed()));
    }
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-{}", self.seed));
            let _ = Command::new("cp").arg("-rT").args([self.disk.path(), &kept]).status();
            let _ = std::fs::remove_file(kept.join("ballast"));
            let _ = Command::new("cp").arg("-rT").arg(self.dir.path()).arg(kept.join("notes")).status();
            println!("soak: the chains, halod's logs and what was done are in {}", kept.display());
        }
    }
}

/// Ends the senders when it is dropped: when everything is acknowledged, or at once if the test failed.
struct Closing(Arc<Soak>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.stage.closing.store(true, SeqCst);
        if std::thread::panicking() {
            // Nobody will answer any more.
            *self.0.stage.doors.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[test]
fn whatever_happens_all_that_was_acknowledged_is_sealed_once() {
    let minutes = number("HALOD_SOAK_MINUTES").unwrap_or(1);
    let seed = number("HALOD_SOAK_SEED").unwrap_or_else(|| Random::new("soak").next() >> 32);
    println!("soak: HALOD_SOAK_MINUTES={minutes} HALOD_SOAK_SEED={seed}");
    let Some(disk) = Small::mount(256 + 128 * u32::try_from(minutes).unwrap()) else { return };
    let notes = Notes::new(&disk, seed);
    let faults = Faults::build();
    let soak = Arc::new(Soak { bombs: bodies::bombs(), ..Soak::default() });
    let senders: Vec<_> = (1..)
        .zip(senders::DOORS)
        .map(|(n, door)| {
            let (soak, random) = (Arc::clone(&soak), Random::seeded(seed.wrapping_add(n)));
            std::thread::spawn(move || senders::send(door, &soak, random))
        })
        .collect();
    // Whatever becomes of this, the senders come to an end.
    let closing = Closing(Arc::clone(&soak));
    let mut chaos = Chaos::new(&soak, &disk, &faults, &notes, Random::seeded(seed));
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let failed = |senders: &[JoinHandle<()>]| senders.iter().any(JoinHandle::is_finished);
    let mut halod = chaos.reign(|| Instant::now() >= until || failed(&senders));
    drop(closing);
    chaos.watch(&mut halod, || senders.iter().all(JoinHandle::is_finished));
    for sender in senders {
        sender.join().expect("a sender");
    }
    chaos.settle(halod);
    soak.stage.report();
    let records = soak.ledger.assert_kept(disk.path());
    halod_verify(disk.path());
    if minutes <= REFERENCE_MINUTES {
        assert_verified(disk.path());
    }
    println!("soak: {records} records of senders, every chain verified");
}
