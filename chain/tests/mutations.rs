//! The fuzz targets of what is on disk, on a stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/fuzz/exercise.rs"]
mod exercise;
#[path = "../fuzz/journal.rs"]
mod journal;

#[test]
fn damaged_journals() {
    let place = tempfile::tempdir().unwrap();
    let run = |data: &[u8]| journal::journal(data, place.path());
    assert!(exercise::exercise(&["tests/fuzz/seeds/journal"], 200, run) >= 6);
}
