//! The fuzz targets of records and their lines on a stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../fuzz/chain.rs"]
mod chain;
#[path = "../../tests/fuzz/exercise.rs"]
mod exercise;
#[path = "../fuzz/foreign.rs"]
mod foreign;
#[path = "../fuzz/json.rs"]
mod json;
#[path = "../fuzz/kept.rs"]
mod kept;
#[path = "../fuzz/rules.rs"]
mod rules;

use exercise::exercise;

#[test]
fn chain_files() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.jsonl");
    assert_eq!(exercise(&["tests/fuzz/seeds/chain"], 2_000, |data| chain::chain(data, &file)), 5);
}

#[test]
fn lines_of_other_programs() {
    let seeds = ["tests/fuzz/seeds/foreign", "tests/fuzz/seeds/chain", "tests/fuzz/seeds/json"];
    assert!(exercise(&seeds, 20_000, foreign::foreign) >= 8);
}

#[test]
fn json_values() {
    exercise(&["tests/fuzz/seeds/json", "adapters/golden/otel"], 3_000, |data| {
        json::json(data);
        0
    });
}

#[test]
fn rules_of_the_operators() {
    assert_eq!(exercise(&["tests/fuzz/seeds/redact_rules"], 1_000, rules::rules), 3);
}

#[test]
fn lines_of_the_spool() {
    assert_eq!(exercise(&["tests/fuzz/seeds/spool"], 5_000, kept::kept), 1);
}
