//! Files that are dropped into a watched folder.

use super::archives::entry;
use super::fixture::{Fixture, gzip, observations};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::wait_until;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn start(fixture: &Fixture) -> Halod {
    let folder = fixture.dir.path().join("files");
    let settings = format!(
        "receivers:\n  import:\n    include: [\"{0}/*.jsonl\", \"{0}/*.export\"]\n    formats: {{ \"*.export\": langfuse }}\n",
        folder.display()
    );
    let file = fixture.dir.path().join("halod.yaml");
    fs::write(&file, settings).unwrap();
    Halod::start_with(&fixture.chains(), &["--config", file.to_str().unwrap()])
}

fn done(fixture: &Fixture) -> Vec<Value> {
    let text = fs::read_to_string(fixture.chains().join(".halod/import/done")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_is_imported_once_whole_and_written_down() {
    let fixture = Fixture::new();
    let halod = start(&fixture);
    // What still grows is left alone.
    let growing = fixture.file("growing.jsonl", observations(10));
    let hidden = fixture.file(".hidden.jsonl", observations(40));
    let mut writer = OpenOptions::new().append(true).open(&growing).unwrap();
    let whole = fixture.file("written.tmp", observations(20) + "nonsense\n");
    fs::rename(&whole, fixture.dir.path().join("files/whole.jsonl")).unwrap();
    for row in observations(30).lines().skip(10) {
        writer.write_all(row.as_bytes()).unwrap();
        writer.write_all(b"\n").unwrap();
        std::thread::sleep(Duration::from_millis(150));
        assert!(done(&fixture).iter().all(|file| !file["file"].as_str().unwrap().contains("growing")));
    }
    drop(writer);
    wait_until("both are imported", LIMIT, || done(&fixture).len() == 2);
    assert_eq!(halod.sealed(), 30 + 1, "each row once, and a notice");
    assert!(growing.exists() && hidden.exists(), "nothing is moved");
    let notices = of_tenant(&fixture.chains(), None);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["action"]["tool"], "halod.gap");
    assert_eq!(notices[0]["data"]["rows"], 1);
    assert_eq!(notices[0]["data"]["file"], "whole.jsonl");
    halod.await_log("a row can't be used");
    assert!(halod.terminate().success());

    let halod = start(&fixture);
    fixture.file("another.export", observations(31));
    wait_until("the new one is imported", LIMIT, || done(&fixture).len() == 3);
    assert_eq!((halod.sealed(), halod.duplicates()), (1, 30), "the others are not read again");
    assert!(halod.terminate().success());
    assert_verified(&fixture.chains());
}

/// An archive is imported as one file; what of it cannot be read is named.
#[test]
fn an_archive_is_a_file_of_the_folder() {
    let fixture = Fixture::new();
    let archive = [
        entry("a.jsonl", observations(5).as_bytes()),
        entry("b.txt", b"hello\n"),
        entry("c.jsonl.gz", &gzip(observations(9).as_bytes())),
        vec![0; 1024],
    ];
    fixture.file("all.jsonl", archive.concat());
    let halod = start(&fixture);
    wait_until("it is imported", LIMIT, || done(&fixture).len() == 1);
    let done = &done(&fixture)[0];
    assert_eq!((&done["accepted"], &done["rejected"]), (&14.into(), &0.into()), "{done}");
    let error = done["error"].as_str().unwrap();
    assert!(error.starts_with("b.txt: "), "{error}");
    assert_eq!(halod.sealed(), 9 + 1, "each row once, and a notice");
    assert!(halod.terminate().success());
    assert_verified(&fixture.chains());
}

#[test]
fn what_cannot_be_read_is_disclosed() {
    let fixture = Fixture::new();
    fixture.file("unknown.jsonl", "hello\n");
    let halod = start(&fixture);
    wait_until("it is given up", LIMIT, || done(&fixture).len() == 1);
    assert!(done(&fixture)[0]["error"].as_str().unwrap().contains("no format"));
    assert_eq!(of_tenant(&fixture.chains(), None)[0]["action"]["tool"], "halod.gap");
    assert_eq!(halod.ready(), 200);
    assert!(halod.terminate().success());
    assert_verified(&fixture.chains());
}
