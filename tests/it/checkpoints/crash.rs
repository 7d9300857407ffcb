//! kill -9 while epochs are signed, and two copies of one directory.

use super::{Place, UNWITNESSED, await_covered, check};
use crate::support::random::Random;
use crate::support::small::Small;
use crate::support::wait_until;
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_tlog::reader::LogReader;
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn no_kill_makes_two_histories() {
    let mut place = Place::new();
    let mut random = Random::new("checkpoints");
    let mut kept = Vec::new();
    for round in 0..12 {
        let halod = place.start();
        for tenant in ["acme", "globex"] {
            let records = random.between(1, 40);
            place.seal(&halod, tenant, records);
        }
        std::thread::sleep(Duration::from_millis(700 + random.between(0, 900)));
        halod.kill9();
        let newest = place.chains().join(".halod/log/checkpoint");
        if let Ok(note) = fs::read(newest) {
            let path = place.path(&format!("{round}.note"));
            fs::write(&path, note).unwrap();
            kept.push(path);
        }
    }
    assert!(kept.len() > 2, "epochs were signed before some kills");
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, place.sent);
    halod.terminate();
    let key = place.key();
    for note in kept {
        let said = check(&place.chains(), &["--key", &key, "--since", note.to_str().unwrap()]);
        assert_eq!(said, (UNWITNESSED, vec![]), "{}", note.display());
    }
}

/// A disk without room: nothing is signed that is not there, and with room the log goes on from what it was.
#[test]
fn a_full_disk_during_an_epoch_leaves_one_history() {
    let Some(disk) = Small::mount(32) else { return };
    let small = "storage: { min_free_disk_mib: 0, journal_size_mib: 2 }\n";
    let config = "checkpoint: { interval: 1s, origin: logs.example.com/agents }\n";
    let mut place = Place::configured(&(config.to_owned() + small));
    let chains = disk.path().join("records");
    let signed = || fs::read_to_string(chains.join(".halod/log/checkpoint")).ok();
    let halod = place.start_on(&chains);
    let failures = || halod.metric("halod_log_failures_total", "");
    let mut kept: Vec<String> = Vec::new();
    // An epoch may come between the two: then there is room for it, and another try.
    for _ in 0..10 {
        place.seal(&halod, "acme", 2);
        disk.fill_up_to(0);
        let (before, newest) = (failures(), signed());
        let ended = Instant::now() + Duration::from_secs(4);
        while failures() == before && Instant::now() < ended {
            std::thread::sleep(Duration::from_millis(50));
        }
        let failed = failures() > before;
        kept.extend(signed());
        disk.make_room();
        if failed {
            wait_until("the log goes on", Duration::from_secs(30), || signed() != newest);
            kept.extend(signed());
        }
        if failures() >= 2 {
            break;
        }
    }
    assert!(failures() > 0, "no epoch had a full disk: {}", halod.log());
    assert!(halod.terminate().success());
    let log = LogReader::open(&chains).unwrap().unwrap();
    for note in kept {
        let note = SignedNote::parse(&note).unwrap();
        let checkpoint = Checkpoint::parse(&note.text).unwrap();
        note.verify(&log.keys[0]).unwrap();
        assert_eq!(log.entries().root_at(checkpoint.size), Some(checkpoint.root), "{checkpoint:?}");
    }
    assert_eq!(check(&chains, &[]), (UNWITNESSED, vec![]));
}
