//! Files that are broken, or meant to break something.

use super::fixture::{Fixture, gzip, observation, observations, table};
use crate::support::chains::assert_verified;
use serde_json::Value;

/// The lines at which rows were rejected, and why.
fn rejects(report: &Value) -> Vec<(u64, String)> {
    let one = |row: &Value| (row["line"].as_u64().unwrap(), row["reason"].as_str().unwrap().to_owned());
    report["rejects"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn bad_rows_are_told_with_their_place_and_stop_nothing() {
    let fixture = Fixture::new();
    let good = |n: u64| format!("{}\n", observation(n)).into_bytes();
    let mut content = Vec::new();
    let mut line = |bytes: &[u8]| content.extend_from_slice(bytes);
    line(&good(0));
    line(b"{\"id\": \"x\", \"trace_id\n");
    line(&good(1));
    line(b"\0\0\0\0\n");
    line(b"{\"id\":\"\xff\xfe\",\"trace_id\":\"t\",\"type\":\"SPAN\"}\n");
    line(b"[]\n\n   \n");
    line(b"{\"id\":7,\"trace_id\":[],\"type\":\"SPAN\"}\n");
    line(b"{\"id\":\"secret-sk-proj-FAKE0000aaaabbbbccccddddeeeeffff1234567890\",\"trace_id\":\"t\",\"type\":\"FROG\"}\n");
    line(&[&b"[".repeat(100_000)[..], b"\n"].concat());
    line(&good(2));
    line(b"{\"id\":\"cut off");
    let file = fixture.file("rows.jsonl", &content);
    let said = fixture.import("langfuse", &[file], &[]);
    assert_eq!((said.code, said.count("sealed")), (Some(1), 3), "{}", said.errors);
    let told = rejects(&said.report);
    let places: Vec<u64> = told.iter().map(|(line, _)| *line).collect();
    assert!([2, 4, 5, 10, 11, 13].iter().all(|line| places.contains(line)), "{told:?}");
    assert_eq!(told.len() as u64, said.count("rejected"));
    assert!(told.iter().any(|(line, why)| *line == 5 && why.contains("not UTF-8 at byte")), "{told:?}");
    assert!(!said.report.to_string().contains("sk-proj"), "a reason repeats what stands there");
    assert_verified(&fixture.chains());
}

#[test]
fn the_first_hundred_bad_rows_are_told_and_the_rest_counted() {
    let fixture = Fixture::new();
    let file = fixture.file("rows.jsonl", observations(5) + &"nonsense\n".repeat(5000));
    let said = fixture.import("langfuse", &[file], &[]);
    assert_eq!(["sealed", "rejected"].map(|name| said.count(name)), [5, 5000]);
    assert_eq!(rejects(&said.report).len(), 100);
    assert!(said.errors.contains("and 4900 more"), "{}", said.errors);
}

#[test]
fn a_row_beyond_the_limit_is_not_the_end() {
    let fixture = Fixture::new();
    let mut content = observations(2).into_bytes();
    content.extend_from_slice(b"{\"id\":\"");
    content.resize(content.len() + (65 << 20), b'x');
    content.extend_from_slice(b"\"}\n");
    content.extend_from_slice(observations(4).as_bytes());
    let said = fixture.import("langfuse", &[fixture.file("rows.jsonl", content)], &[]);
    assert_eq!((said.code, said.count("sealed")), (Some(1), 4), "{}", said.errors);
    let told = rejects(&said.report);
    assert_eq!(told.len(), 1);
    assert!(told[0].0 == 3 && told[0].1.contains("at most"), "{told:?}");
}

#[test]
fn what_breaks_off_is_imported_up_to_there() {
    let fixture = Fixture::new();
    let rows = observations(5000);
    let whole = gzip(rows.as_bytes());
    let cut = fixture.file("cut.jsonl.gz", &whole[..whole.len() / 2]);
    let said = fixture.import("langfuse", &[cut], &[]);
    assert_eq!((said.code, said.count("unreadable")), (Some(2), 1), "{}", said.errors);
    assert!(said.errors.contains("breaks off: after byte"), "{}", said.errors);
    let before = said.count("sealed");
    assert!((1..5000).contains(&before), "{before}");
    assert_eq!(said.count("rejected"), 0, "half a row is not a bad row");
    let said = fixture.import("langfuse", &[fixture.file("whole.jsonl.gz", whole)], &[]);
    assert_eq!(["sealed", "known"].map(|name| said.count(name)), [5000 - before, before]);
    // Zeros behind, as tape archivers and some disks leave them; garbage is told.
    let said = fixture.import(
        "langfuse",
        &[fixture.file("tail.gz", [&gzip(observations(3).as_bytes())[..], b"garbage"].concat())],
        &[],
    );
    assert_eq!((said.code, said.count("known")), (Some(2), 3), "{}", said.errors);
    assert_verified(&fixture.chains());
}

#[test]
fn broken_json_in_an_array_loses_what_cannot_be_told_apart() {
    let fixture = Fixture::new();
    let one = |n| observation(n).to_string();
    let array = format!("[{},\n{{\"id\": nope}},\n{},\n]", one(0), one(1));
    let said = fixture.import("langfuse", &[fixture.file("a.json", array)], &[]);
    assert_eq!(["sealed", "rejected"].map(|name| said.count(name)), [2, 1], "{}", said.errors);
    assert_eq!(rejects(&said.report)[0].0, 2);
    let open = format!("[{},\n{},\n{{\"id\":\"never closed,\n{}]", one(2), one(3), one(4));
    let said = fixture.import("langfuse", &[fixture.file("b.json", open)], &[]);
    // What stands after an open quote can't be told apart; that something is missing is.
    assert_eq!((said.code, said.count("sealed")), (Some(1), 2), "{}", said.errors);
    assert_eq!(rejects(&said.report)[0].0, 3);
}

#[test]
fn tables_with_broken_records() {
    let fixture = Fixture::new();
    let mut text = table(3);
    text.push_str("\"too\",\"few\"\n");
    text.push_str("\"a\"b\n");
    text.push_str(&table(5).lines().skip(1).map(|line| format!("{line}\n")).collect::<String>());
    let said = fixture.import("langfuse", &[fixture.file("rows.csv", text)], &[]);
    assert_eq!(["sealed", "known", "rejected"].map(|name| said.count(name)), [5, 3, 2], "{}", said.errors);
    let header = fixture.import("langfuse", &[fixture.file("none.csv", "\"id\n")], &[]);
    assert_eq!(header.code, Some(2));
    assert!(header.errors.contains("names no columns"), "{}", header.errors);
}

#[test]
fn what_is_no_export_is_told() {
    let fixture = Fixture::new();
    for (name, content, why) in [
        ("utf16.json", &b"\xff\xfe{\0}\0"[..], "UTF-16"),
        ("packed.json.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0], "zstd"),
        ("zeros", &[0; 100], "no format"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no format"),
    ] {
        let said = fixture.import("auto", &[fixture.file(name, content)], &[]);
        assert_eq!(said.code, Some(2), "{name}: {}", said.errors);
        assert!(said.errors.contains(why), "{name}: {}", said.errors);
    }
    assert_eq!(
        fixture.import("auto", &[fixture.dir.path().join("files/../files")], &[]).count("unreadable"),
        4
    );
}
