//! Files that are dropped into a watched folder.

use super::rig::{Rig, observations};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::wait_until;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn start(rig: &Rig) -> Halod {
    let folder = rig.dir.path().join("files");
    let settings = format!(
        "receivers:\n  import:\n    include: [\"{0}/*.jsonl\", \"{0}/*.export\"]\n    formats: {{ \"*.export\": langfuse }}\n",
        folder.display()
    );
    let file = rig.dir.path().join("halod.yaml");
    fs::write(&file, settings).unwrap();
    Halod::start_with(&rig.chains(), &["--config", file.to_str().unwrap()])
}

fn done(rig: &Rig) -> Vec<Value> {
    let text = fs::read_to_string(rig.chains().join(".halod/import/done")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_is_imported_once_whole_and_written_down() {
    let rig = Rig::new();
    let halod = start(&rig);
    // What still grows is left alone.
    let growing = rig.file("growing.jsonl", observations(10));
    let hidden = rig.file(".hidden.jsonl", observations(40));
    let mut writer = OpenOptions::new().append(true).open(&growing).unwrap();
    let whole = rig.file("written.tmp", observations(20) + "nonsense\n");
    fs::rename(&whole, rig.dir.path().join("files/whole.jsonl")).unwrap();
    for row in observations(30).lines().skip(10) {
        writer.write_all(row.as_bytes()).unwrap();
        writer.write_all(b"\n").unwrap();
        std::thread::sleep(Duration::from_millis(150));
        assert!(done(&rig).iter().all(|file| !file["file"].as_str().unwrap().contains("growing")));
    }
    drop(writer);
    wait_until("both are imported", LIMIT, || done(&rig).len() == 2);
    assert_eq!(halod.sealed(), 30 + 1, "each row once, and a notice");
    assert!(growing.exists() && hidden.exists(), "nothing is moved");
    let notices = of_tenant(&rig.chains(), None);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["action"]["tool"], "halod.gap");
    assert_eq!(notices[0]["data"]["rows"], 1);
    assert_eq!(notices[0]["data"]["file"], "whole.jsonl");
    halod.await_log("a row can't be used");
    assert!(halod.terminate().success());

    let halod = start(&rig);
    rig.file("another.export", observations(31));
    wait_until("the new one is imported", LIMIT, || done(&rig).len() == 3);
    assert_eq!((halod.sealed(), halod.duplicates()), (1, 30), "the others are not read again");
    assert!(halod.terminate().success());
    assert_verified(&rig.chains());
}

#[test]
fn what_cannot_be_read_is_disclosed() {
    let rig = Rig::new();
    rig.file("unknown.jsonl", "hello\n");
    let halod = start(&rig);
    wait_until("it is given up", LIMIT, || done(&rig).len() == 1);
    assert!(done(&rig)[0]["error"].as_str().unwrap().contains("no format"));
    assert_eq!(of_tenant(&rig.chains(), None)[0]["action"]["tool"], "halod.gap");
    assert_eq!(halod.ready(), 200);
    assert!(halod.terminate().success());
    assert_verified(&rig.chains());
}
