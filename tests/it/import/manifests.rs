//! Exports that are not whole: what their manifests count and their files lack is told in the chain.

use super::fixture::{Fixture, gzip, observation};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A bucket of one window, with `rows` rows in its file of observations, of which `counted` are counted.
fn bucket(fixture: &Fixture, name: &str, rows: u64, counted: u64) -> PathBuf {
    bucket_of(fixture, (name, "w"), rows, counted)
}

/// The same of a window of this name.
fn bucket_of(fixture: &Fixture, (name, window): (&str, &str), rows: u64, counted: u64) -> PathBuf {
    let folder = fixture.dir.path().join(name);
    let write = |path: &str, content: Vec<u8>| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let lines: String = (0..rows).map(|n| format!("{}\n", observation(n))).collect();
    write(&format!("observations_v2/{window}.jsonl.gz"), gzip(lines.as_bytes()));
    let score = json!({ "id": "s", "trace_id": "trace-00000", "name": "tone", "value": 1, "data_type": "NUMERIC",
        "timestamp": "2026-11-22 08:12:00" });
    write(&format!("scores/{window}.jsonl.gz"), gzip(format!("{score}\n").as_bytes()));
    let file = |table: &str, rows: u64| json!({ "key": format!("prj-9/{table}/{window}.jsonl.gz"), "table": table, "rowCount": rows });
    let manifest = json!({ "version": 1, "exportSource": "OBSERVATIONS_V2",
        "window": { "minTimestamp": "2026-11-22T08:00:00.000Z", "maxTimestamp": "2026-11-22T09:00:00.000Z" },
        "files": [file("observations_v2", counted), file("scores", 1)] });
    write(&format!("manifests/{window}.json"), serde_json::to_vec_pretty(&manifest).unwrap());
    folder
}

fn gaps(chains: &Path) -> Vec<Value> {
    let mut all = of_tenant(chains, None);
    all.retain(|record| record["action"]["tool"] == "halod.gap");
    all
}

#[test]
fn rows_that_a_manifest_counts_and_its_file_lacks_are_a_gap() {
    let fixture = Fixture::new();
    let whole = bucket(&fixture, "whole", 12, 12);
    let said = fixture.import("auto", &[whole], &[]);
    assert_eq!((said.code, said.count("sealed"), &said.report["holes"]), (Some(0), 13, &json!([])));
    assert!(gaps(&fixture.chains()).is_empty());
    let fewer = bucket(&fixture, "fewer", 12, 20);
    let dry = fixture.import("auto", std::slice::from_ref(&fewer), &["--dry-run"]);
    assert_eq!((dry.code, dry.count("sealed"), dry.count("known")), (Some(0), 1, 13), "{}", dry.errors);
    for (sealed, known) in [(1, 13), (0, 14)] {
        let said = fixture.import("auto", std::slice::from_ref(&fewer), &[]);
        assert_eq!(
            (said.code, said.count("sealed"), said.count("known")),
            (Some(0), sealed, known),
            "{}",
            said.errors
        );
        assert_eq!(
            said.report["holes"],
            json!([{ "file": "prj-9/observations_v2/w.jsonl.gz", "expected_rows": 20, "rows": 12 }])
        );
        assert!(said.errors.contains("it has 12 of the 20 rows that its manifest counts"), "{}", said.errors);
    }
    let gaps = gaps(&fixture.chains());
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(
        gaps[0]["data"],
        json!({ "expected_rows": 20, "file": "prj-9/observations_v2/w.jsonl.gz", "rows": 8, "table": "observations_v2",
            "reason": "an export has fewer rows than its manifest counts",
            "window_from": "2026-11-22T08:00:00.000Z", "window_to": "2026-11-22T09:00:00.000Z" })
    );
    assert_eq!(gaps[0]["outcome"]["status"], "error");
    assert_verified(&fixture.chains());
}

#[test]
fn a_file_that_is_missing_is_a_gap_if_others_of_its_export_are_there() {
    let fixture = Fixture::new();
    let folder = bucket(&fixture, "missing", 12, 12);
    fs::remove_dir_all(folder.join("observations_v2")).unwrap();
    // Through the daemon, for the tenant that is said.
    let halod = Halod::start(&fixture.chains());
    let said = fixture.import("langfuse", std::slice::from_ref(&folder), &["--tenant", "acme"]);
    assert_eq!((said.code, said.count("sealed")), (Some(0), 2), "{}", said.errors);
    assert!(said.errors.contains("it is missing; its manifest counts 12 rows"), "{}", said.errors);
    assert!(halod.terminate().success());
    let gap = of_tenant(&fixture.chains(), Some("acme")).pop().unwrap();
    assert_eq!((&gap["action"]["tool"], &gap["data"]["rows"]), (&json!("halod.gap"), &json!(12)));
    assert_verified(&fixture.chains());
    // None of its files is there: they may have been imported before.
    fs::remove_dir_all(folder.join("scores")).unwrap();
    let said = fixture.import("langfuse", &[folder], &[]);
    assert_eq!(
        (said.code, said.count("filtered"), &said.report["holes"]),
        (Some(3), 1, &json!([])),
        "{}",
        said.errors
    );
}

fn watching(fixture: &Fixture) -> Halod {
    let settings = format!(
        "receivers:\n  import:\n    include: [\"{}/**/*.json*\"]\n    tenant: acme\n",
        fixture.dir.path().join("watched").display()
    );
    let file = fixture.dir.path().join("halod.yaml");
    fs::write(&file, settings).unwrap();
    Halod::start_with(&fixture.chains(), &["--config", file.to_str().unwrap()])
}

/// Moves a file of an export, with its folder, into another folder.
fn into(fixture: &Fixture, from: &Path, to: &str, file: &str) {
    let to = fixture.dir.path().join(to).join(file);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::rename(from.join(file), to).unwrap();
}

fn gaps_of(fixture: &Fixture) -> Vec<Value> {
    let mut all = of_tenant(&fixture.chains(), Some("acme"));
    all.retain(|record| record["action"]["tool"] == "halod.gap");
    all
}

/// The files of exports come into a watched folder one by one, and in any order, a restart between them.
#[test]
fn files_of_a_watched_folder_are_compared_with_their_manifests() {
    let fixture = Fixture::new();
    let fewer = bucket_of(&fixture, ("fewer", "one"), 12, 20);
    let missing = bucket_of(&fixture, ("missing", "two"), 9, 9);
    let whole = bucket_of(&fixture, ("whole", "three"), 10, 10);
    let limit = Duration::from_secs(120);
    let done = |words: &str| {
        let text = fs::read_to_string(fixture.chains().join(".halod/import/done")).unwrap_or_default();
        text.lines().filter(|line| line.contains(words)).count()
    };
    let halod = watching(&fixture);
    into(&fixture, &fewer, "watched", "manifests/one.json");
    into(&fixture, &fewer, "watched", "observations_v2/one.jsonl.gz");
    wait_until("two are imported", limit, || done("/one.json") == 2);
    assert!(halod.terminate().success());
    let halod = watching(&fixture);
    into(&fixture, &fewer, "watched", "scores/one.jsonl.gz");
    into(&fixture, &missing, "watched", "scores/two.jsonl.gz");
    into(&fixture, &missing, "watched", "manifests/two.json");
    for file in ["observations_v2/three.jsonl.gz", "manifests/three.json", "scores/three.jsonl.gz"] {
        into(&fixture, &whole, "watched", file);
    }
    wait_until("all are compared", limit, || done("\"compared\":true") == 3);
    assert!(halod.terminate().success());
    let mut gaps = gaps_of(&fixture);
    gaps.sort_by_key(|gap| gap["data"]["rows"].as_u64());
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    let told: Vec<_> = gaps.iter().map(|gap| (&gap["data"]["expected_rows"], &gap["data"]["rows"])).collect();
    assert_eq!(told, [(&json!(20), &json!(8)), (&json!(9), &json!(9))]);
    for gap in &gaps {
        assert_eq!(gap["data"]["window_from"], "2026-11-22T08:00:00.000Z");
        assert_eq!(gap["data"]["table"], "observations_v2");
        assert_eq!(gap["outcome"]["status"], "error");
    }
    // What was compared is not compared again.
    let halod = watching(&fixture);
    assert!(halod.terminate().success());
    assert_eq!(gaps_of(&fixture).len(), 2);
    assert_verified(&fixture.chains());
}
