//! A careless operator's hands in the directory while halod runs.

use super::send;
use crate::support::chains::{assert_exactly, assert_verified};
use crate::support::halod::Halod;
use crate::support::spans::{key, span};
use std::time::Duration;

/// Without its lock nothing keeps a second halod out, so the first one ends, and says why.
#[test]
fn halod_ends_when_its_lock_is_taken_away() {
    for gone in [".halod", ".halod/lock"] {
        let dir = tempfile::tempdir().unwrap();
        let mut halod = Halod::start(dir.path());
        assert_eq!(send(&halod, Some("acme"), 1, 0..10).status, 200);
        let path = dir.path().join(gone);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        // Nobody sends anything: it notices by itself.
        let status = halod.wait_within(Duration::from_secs(10));
        assert!(!status.success(), "{gone}");
        halod.await_log(".halod/lock was removed");
        let halod = Halod::start(dir.path());
        assert_eq!(send(&halod, Some("acme"), 1, 0..20).status, 200);
        assert_eq!((halod.sealed(), halod.duplicates()), (10, 10), "{gone}");
        assert!(halod.terminate().success());
        assert_exactly(dir.path(), (0..20).map(|n| key(&span(1, n))));
        assert_verified(dir.path());
    }
}

/// What comes after the lock is gone is not acknowledged.
#[test]
fn nothing_is_acknowledged_without_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("acme"), 1, 0..1).status, 200);
    std::fs::remove_dir_all(dir.path().join(".halod")).unwrap();
    let second = Halod::start(dir.path());
    let mut connection = match crate::support::http::Http::connect(halod.http) {
        Ok(connection) => connection,
        Err(_) => return,
    };
    let body = crate::support::spans::request(Some("acme"), vec![span(1, 1)]);
    if let Ok(answer) = connection.export(&body) {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!(send(&second, Some("acme"), 1, 0..3).status, 200);
    assert!(second.terminate().success());
    drop(halod);
    assert_exactly(dir.path(), (0..3).map(|n| key(&span(1, n))));
    assert_verified(dir.path());
}
