//! The fuzz targets of the daemon on a stable compiler. The other targets are run by the tests of what they test.

#[path = "../fuzz/coding.rs"]
mod coding;
#[path = "../fuzz/exercise.rs"]
mod exercise;
#[path = "../fuzz/hold_line.rs"]
mod hold_line;
#[path = "../fuzz/identities.rs"]
mod identities;
#[path = "../fuzz/import.rs"]
mod import;
#[path = "../fuzz/names.rs"]
mod names;
#[path = "../fuzz/notes.rs"]
mod notes;
#[path = "../fuzz/query.rs"]
mod query;
#[path = "../fuzz/tee.rs"]
mod tee;
#[path = "../fuzz/witness.rs"]
mod witness;

pub(crate) use exercise::exercise;

#[test]
fn compressed_bodies() {
    assert!(exercise(&["tests/fuzz/seeds/coding"], 5_000, coding::coding) > 5000);
}

#[test]
fn imported_files() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(exercise(&["tests/fuzz/seeds/import"], 3_000, |data| import::import(data, place.path())), 71);
}

#[test]
fn names_of_logs() {
    exercise(&["tests/fuzz/seeds/names"], 5_000, |data| {
        names::names(data);
        0
    });
}

#[test]
fn lines_of_the_hold() {
    assert!(exercise(&["tests/fuzz/seeds/hold_line"], 5_000, hold_line::hold_line) > 0);
}

#[test]
fn questions_to_chains() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.jsonl");
    assert_eq!(exercise(&["tests/fuzz/seeds/query"], 2_000, |data| query::query(data, &file)), 3);
}

#[test]
fn segments_of_the_tee() {
    exercise(&["tests/fuzz/seeds/tee"], 20_000, |data| {
        tee::tee(data);
        0
    });
}

#[test]
fn files_of_identities() {
    assert_eq!(exercise(&["tests/fuzz/seeds/identities"], 20_000, identities::identities), 5);
}

#[test]
fn what_is_signed_of_chains() {
    assert_eq!(exercise(&["tests/fuzz/seeds/notes"], 50_000, notes::notes), 12);
}

#[test]
fn what_witnesses_are_told() {
    assert_eq!(exercise(&["tests/fuzz/seeds/witness"], 50_000, witness::witness), 11);
}
