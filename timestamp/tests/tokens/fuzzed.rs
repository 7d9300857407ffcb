//! The fuzz target on a stable compiler.

#[path = "../../../tests/fuzz/exercise.rs"]
mod exercise;
#[path = "../../fuzz/timestamps.rs"]
mod timestamps;

#[test]
fn answers_of_services() {
    let found = exercise::exercise(&["tests/fuzz/seeds/timestamps"], 100_000, timestamps::timestamps);
    assert_eq!(found, 6, "two tokens, both in the reference's form as well");
}
