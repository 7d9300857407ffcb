//! kill -9 while epochs are signed, and two copies of one directory.

use super::{Place, UNWITNESSED, await_covered, check};
use crate::support::random::Random;
use std::fs;
use std::time::Duration;

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
