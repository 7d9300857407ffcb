//! An import that is interrupted goes on, and seals nothing twice.

use super::ids;
use super::rig::{Rig, lines, observations, said};
use crate::support::chains::assert_verified;
use crate::support::halod::Halod;
use crate::support::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const ROWS: u64 = 12_000;

/// Rows that are long for their content, so that not all of them are under way at once.
fn rows() -> String {
    let blanks = " ".repeat(3000);
    observations(ROWS).lines().flat_map(|row| [row, &blanks, "\n"]).collect()
}

fn positions(rig: &Rig) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(rig.chains().join(".halod/import")) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect()
}

#[test]
fn after_sigint_it_goes_on_exactly_where_it_stopped() {
    let rig = Rig::new();
    let file = [rig.file("rows.jsonl", rows())];
    let child = rig.start("langfuse", &file);
    wait_until("some rows are sealed", LIMIT, || lines(&rig.chains()) > 500);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let stopped = said(&child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{}", stopped.errors);
    assert_eq!(stopped.report["interrupted"], true);
    assert!(stopped.errors.contains("import again to go on where it stopped"), "{}", stopped.errors);
    let sealed = stopped.count("sealed");
    assert!((500..ROWS).contains(&sealed), "{sealed}");
    assert_eq!(positions(&rig).len(), 1);

    let rest = rig.import("langfuse", &file, &[]);
    assert_eq!(rest.code, Some(0), "{}", rest.errors);
    assert!(rest.errors.contains("going on after byte"), "{}", rest.errors);
    // Its figures are those of the whole file, and no row came twice.
    assert_eq!(["sealed", "known"].map(|name| rest.count(name)), [ROWS, 0]);
    assert_eq!(ids(&rig.chains()).len() as u64, ROWS);
    assert!(positions(&rig).is_empty());
    assert_verified(&rig.chains());
}

#[test]
fn killed_it_goes_on_and_seals_nothing_twice() {
    let rig = Rig::new();
    let file = [rig.file("rows.jsonl", rows())];
    for part in 1..=3 {
        let mut child = rig.start("langfuse", &file);
        let some = lines(&rig.chains()) + 500;
        wait_until("some more rows are sealed", LIMIT, || {
            lines(&rig.chains()) > some || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(lines(&rig.chains()) >= part * 500);
    }
    let rest = rig.import("langfuse", &file, &[]);
    assert_eq!(rest.code, Some(0), "{}", rest.errors);
    assert_eq!(ids(&rig.chains()).len() as u64, ROWS);
    assert_verified(&rig.chains());
}

#[test]
fn a_daemon_that_is_killed_and_started_again_is_waited_for() {
    let rig = Rig::new();
    let file = [rig.file("rows.jsonl", rows())];
    let halod = Halod::start(&rig.chains());
    let child = rig.start("langfuse", &file);
    wait_until("some rows are sealed", LIMIT, || lines(&rig.chains()) > 500);
    halod.kill9();
    let halod = Halod::start(&rig.chains());
    let whole = said(&child.wait_with_output().unwrap());
    assert_eq!(whole.code, Some(0), "{}", whole.errors);
    assert!(halod.terminate().success());
    assert_eq!(ids(&rig.chains()).len() as u64, ROWS);
    assert_verified(&rig.chains());
}

/// With little room in flight, chunks are sent in parts and wait for each other.
#[test]
fn it_keeps_to_the_daemons_limits() {
    let rig = Rig::new();
    let settings = rig.file("halod.yaml", "receivers:\n  otlp:\n    protocols:\n      http: { max_request_body_size: 1048576 }\npipeline:\n  max_in_flight_mib: 1\n");
    let halod =
        Halod::start_with(&rig.chains(), &["--config", settings.to_str().unwrap(), "--grpc", "127.0.0.1:0"]);
    let large = serde_json::json!({ "id": "large", "trace_id": "t", "type": "GENERATION", "input": "x".repeat(2 << 20) });
    let file = rig.file("rows.jsonl", format!("{}{large}\n{}", observations(300), observations(350)));
    let said = rig.import("langfuse", &[file], &[]);
    assert_eq!(said.code, Some(1), "{}", said.errors);
    assert_eq!(
        ["sealed", "known", "rejected"].map(|name| said.count(name)),
        [350, 300, 1],
        "{}",
        said.errors
    );
    assert_eq!(said.report["rejects"][0]["line"], 301);
    assert!(halod.terminate().success());
    assert_verified(&rig.chains());
}
