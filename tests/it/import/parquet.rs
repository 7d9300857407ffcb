//! Parquet, written by the library that stores write it with: the same rows as those of the JSON lines.

use super::fixture::{self, Fixture, gzip};
use super::stores::{case, import};
use crate::support::chains::{assert_verified, files, records};
use crate::support::{clients, root};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn write(arguments: &[&str]) {
    let script = root().join("tests/clients/parquet_files.py");
    let out: Output = clients::parquet().script(&script, arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// The rows of a case's file, in Parquet.
pub fn of_lines(fixture: &Fixture, lines: &Path, name: &str, options: &Value) -> PathBuf {
    let target = fixture.dir.path().join("files").join(name);
    write(&["store", lines.to_str().unwrap(), target.to_str().unwrap(), &options.to_string()]);
    target
}

/// What the records of a directory say, without their places in the chain.
pub fn told(fixture: &Fixture) -> Vec<Value> {
    let mut all: Vec<Value> = files(&fixture.chains()).iter().flat_map(|file| records(file)).collect();
    for record in &mut all {
        let members = record.as_object_mut().unwrap();
        ["integrity", "ts", "parent_id"].iter().for_each(|key| drop(members.remove(*key)));
    }
    all.sort_by_key(|record| record["record_id"].as_str().map(str::to_owned));
    all
}

/// A store's bulk export, and the same rows as lines, whichever comes first.
#[test]
fn a_bulk_export_is_the_same_as_its_lines() {
    let langfuse = Fixture::new();
    let packed = fs::read(case("bucket/observations_v2/2026-10-05T11-00-00.jsonl.gz")).unwrap();
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&packed[..]), &mut lines).unwrap();
    let lines = langfuse.file("o.jsonl", lines);
    for (format, lines, options) in [
        ("langfuse", lines.clone(), json!({ "compression": "zstd" })),
        ("langfuse", lines, json!({ "compression": "lz4", "unit": "ms", "data_page_version": "2.0" })),
        ("langsmith", case("langsmith-bulk.jsonl"), json!({ "compression": "snappy", "unit": "ns" })),
        ("langsmith", case("langsmith-bulk.jsonl"), json!({ "compression": "gzip", "row_group_size": 1 })),
    ] {
        let (first, second) = (Fixture::new(), Fixture::new());
        let table = of_lines(&first, &lines, "rows.parquet", &options);
        for (fixture, order) in [(&first, [&table, &lines]), (&second, [&lines, &table])] {
            let [before, after] = [("auto", order[0]), (format, order[1])].map(|(format, file)| {
                let said = fixture.import(format, std::slice::from_ref(file), &[]);
                assert_eq!(said.code, Some(0), "{options}: {}", said.errors);
                ["sealed", "known", "conflicts", "rejected"].map(|name| said.count(name))
            });
            assert!(before[0] >= 4, "{options}: {before:?}");
            assert_eq!((&before[1..], after), (&[0, 0, 0][..], [0, before[0], 0, 0]), "{options}");
        }
        assert_eq!(told(&first), told(&second), "{options}");
        assert_verified(&first.chains());
    }
}

/// By a table of every type, in every encoding, page and codec that the library writes.
#[test]
fn every_type_in_every_encoding_says_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    write(&["all", directory.path().to_str().unwrap()]);
    let expected = Fixture::new();
    let said = expected.import("langfuse", &[directory.path().join("rows.jsonl")], &[]);
    assert_eq!((said.code, said.count("sealed")), (Some(0), 700), "{}", said.errors);
    let expected = told(&expected);
    let mut tables: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    tables.sort();
    assert_eq!(tables.len(), 21);
    for table in tables {
        let fixture = Fixture::new();
        let said = fixture.import("auto", std::slice::from_ref(&table), &[]);
        assert_eq!((said.code, said.count("sealed")), (Some(0), 700), "{}: {}", table.display(), said.errors);
        for (ours, theirs) in told(&fixture).iter().zip(&expected) {
            assert_eq!(ours, theirs, "{}", table.display());
        }
    }
}

/// Files that are damaged, cut, or lie.
#[test]
fn damaged_tables_end_with_an_error_and_nothing_false() {
    let fixture = Fixture::new();
    let lines: String = (0..500)
        .map(|n| {
            let row = json!({ "id": format!("o{n}"), "trace_id": "t", "type": "TOOL", "name": "find", "input": "x".repeat(n),
                "start_time": "2026-10-05T10:00:00", "metadata": { "n": "1" } });
            format!("{row}\n")
        })
        .collect();
    let lines = fixture.file("rows.jsonl", lines);
    let table = of_lines(&fixture, &lines, "rows.parquet", &json!({ "row_group_size": 100 }));
    let whole = fs::read(&table).unwrap();
    let said = import("auto", fixture.file("whole.parquet", &whole)).said;
    assert_eq!((said.code, said.count("sealed")), (Some(0), 500), "{}", said.errors);
    // Packed, or from standard input, it is held.
    let said = import("auto", fixture.file("rows.parquet.gz", gzip(&whole))).said;
    assert_eq!((said.code, said.count("sealed")), (Some(0), 500), "{}", said.errors);
    let mut piped = fixture.command("langfuse", &["-".into()], &[]);
    let said = fixture::said(&piped.stdin(fs::File::open(&table).unwrap()).output().unwrap());
    assert_eq!((said.code, said.count("sealed")), (Some(0), 500), "{}", said.errors);
    for (name, content, why) in [
        ("cut", &whole[..whole.len() - 40], "without its footer"),
        ("begin", &whole[..4], "ends early"),
        ("encrypted", &[&whole[..whole.len() - 1], b"E"].concat(), "encrypted"),
    ] {
        let said = import("langfuse", fixture.file(&format!("{name}.parquet"), content)).said;
        assert_eq!((said.code, said.count("sealed"), said.count("unreadable")), (Some(2), 0, 1), "{name}");
        assert!(said.errors.contains(why), "{name}: {}", said.errors);
    }
    // Whatever bytes are changed, the import ends, and says so or has read the rows.
    let mut dice: u64 = 14;
    for _ in 0..40 {
        let mut damaged = whole.clone();
        for _ in 0..3 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (dice >> 33) as usize % damaged.len();
            damaged[at] ^= 1 << (dice >> 60 & 7);
        }
        let said = import("langfuse", fixture.file("damaged.parquet", damaged)).said;
        assert!(matches!(said.code, Some(0..=2)), "{}", said.errors);
        assert!(!said.errors.contains("panicked"), "{}", said.errors);
    }
}
