//! An import that is interrupted goes on, and seals nothing twice.

use super::fixture::{Fixture, lines, observations, said};
use super::ids;
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

fn positions(fixture: &Fixture) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fixture.chains().join(".halod/import")) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect()
}

#[test]
fn after_sigint_it_goes_on_exactly_where_it_stopped() {
    let fixture = Fixture::new();
    let file = [fixture.file("rows.jsonl", rows())];
    let child = fixture.start("langfuse", &file);
    wait_until("some rows are sealed", LIMIT, || lines(&fixture.chains()) > 500);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let stopped = said(&child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{}", stopped.errors);
    assert_eq!(stopped.report["interrupted"], true);
    assert!(stopped.errors.contains("interrupted after 0 of 1 files and "), "{}", stopped.errors);
    assert!(stopped.errors.contains("import again to go on where it stopped"), "{}", stopped.errors);
    let sealed = stopped.count("sealed");
    assert!((500..ROWS).contains(&sealed), "{sealed}");
    assert_eq!(positions(&fixture).len(), 1);

    let rest = fixture.import("langfuse", &file, &[]);
    assert_eq!(rest.code, Some(0), "{}", rest.errors);
    assert!(rest.errors.contains("going on after byte"), "{}", rest.errors);
    // Its figures are those of the whole file, and no row came twice.
    assert_eq!(["sealed", "known"].map(|name| rest.count(name)), [ROWS, 0]);
    assert_eq!(ids(&fixture.chains()).len() as u64, ROWS);
    assert!(positions(&fixture).is_empty());
    assert_verified(&fixture.chains());
}

#[test]
fn killed_it_goes_on_and_seals_nothing_twice() {
    let fixture = Fixture::new();
    let file = [fixture.file("rows.jsonl", rows())];
    for part in 1..=3 {
        let mut child = fixture.start("langfuse", &file);
        let some = lines(&fixture.chains()) + 500;
        wait_until("some more rows are sealed", LIMIT, || {
            lines(&fixture.chains()) > some || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(lines(&fixture.chains()) >= part * 500);
    }
    let rest = fixture.import("langfuse", &file, &[]);
    assert_eq!(rest.code, Some(0), "{}", rest.errors);
    assert_eq!(ids(&fixture.chains()).len() as u64, ROWS);
    assert_verified(&fixture.chains());
}

#[test]
fn a_daemon_that_is_killed_and_started_again_is_waited_for() {
    let fixture = Fixture::new();
    let file = [fixture.file("rows.jsonl", rows())];
    let halod = Halod::start(&fixture.chains());
    let child = fixture.start("langfuse", &file);
    wait_until("some rows are sealed", LIMIT, || lines(&fixture.chains()) > 500);
    halod.kill9();
    let halod = Halod::start(&fixture.chains());
    let whole = said(&child.wait_with_output().unwrap());
    assert_eq!(whole.code, Some(0), "{}", whole.errors);
    assert!(halod.terminate().success());
    assert_eq!(ids(&fixture.chains()).len() as u64, ROWS);
    assert_verified(&fixture.chains());
}

/// With little room in flight, chunks are sent in parts and wait for each other.
#[test]
fn it_keeps_to_the_daemons_limits() {
    let fixture = Fixture::new();
    let settings = fixture.file("halod.yaml", "receivers:\n  otlp:\n    protocols:\n      http: { max_request_body_size: 1048576 }\npipeline:\n  max_in_flight_mib: 1\n");
    let halod = Halod::start_with(
        &fixture.chains(),
        &["--config", settings.to_str().unwrap(), "--grpc", "127.0.0.1:0"],
    );
    let large = serde_json::json!({ "id": "large", "trace_id": "t", "type": "GENERATION", "input": "x".repeat(2 << 20) });
    let file = fixture.file("rows.jsonl", format!("{}{large}\n{}", observations(300), observations(350)));
    let said = fixture.import("langfuse", &[file], &[]);
    assert_eq!(said.code, Some(1), "{}", said.errors);
    assert_eq!(
        ["sealed", "known", "rejected"].map(|name| said.count(name)),
        [350, 300, 1],
        "{}",
        said.errors
    );
    assert_eq!(said.report["rejects"][0]["line"], 301);
    assert!(halod.terminate().success());
    assert_verified(&fixture.chains());
}
