//! Who started halod goes away: halod stays, and stops in good order when it is asked to.

use crate::support::chains::{assert_exactly, assert_verified};
use crate::support::halod::Halod;
use crate::support::spans::{key, request, span};
use crate::support::wait_until;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// Seals the `n`th span.
fn seal(halod: &Halod, n: u64) {
    halod.export(&request(Some("acme"), vec![span(0x60, n)]));
}

/// Goes on sealing while it logs to nobody, ends drained, and the chains have all `count` spans.
fn assert_goes_on(mut halod: Halod, dir: &Path, count: u64) {
    for n in count - 2..count {
        // A line of the log for each.
        halod.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(100));
        assert!(halod.alive(), "it ended");
        seal(&halod, n);
    }
    assert_eq!(halod.ready(), 200);
    halod.signal(Signal::TERM);
    assert_eq!(halod.wait_within(Duration::from_secs(20)).code(), Some(0), "drained");
    assert_exactly(dir, (0..count).map(|n| key(&span(0x60, n))));
    assert_verified(dir);
}

#[test]
fn sighup_is_logged_and_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    seal(&halod, 0);
    halod.signal(Signal::HUP);
    wait_until("the log says so", LIMIT, || {
        halod.log().contains("SIGHUP: certificates, keys and identities are read again")
    });
    assert_goes_on(halod, dir.path(), 3);
}

#[test]
fn a_closed_terminal_does_not_end_it() {
    let place = tempfile::tempdir().unwrap();
    let (dir, config) = (place.path().join("records"), place.path().join("halod.yaml"));
    std::fs::write(&config, "log: { format: json }\nstorage: { min_free_disk_mib: 0 }\n").unwrap();
    let (mut halod, terminal) = Halod::start_on_terminal(&dir, config.to_str().unwrap());
    seal(&halod, 0);
    terminal.close();
    // The system sends SIGHUP by itself.
    std::thread::sleep(Duration::from_millis(200));
    assert!(halod.alive(), "it ended with its terminal");
    assert!(!halod.log().contains("draining"), "{}", halod.log());
    assert_goes_on(halod, &dir, 3);
}

#[test]
fn a_closed_pipe_does_not_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let (halod, pipe) = Halod::start_before_pipe(dir.path());
    seal(&halod, 0);
    pipe.close();
    assert_goes_on(halod, dir.path(), 3);
}
