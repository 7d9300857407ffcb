//! Actions told in several messages, and everything that can happen to the messages.

use super::*;
use crate::support::chains::assert_verified;
use crate::support::tree::Tree;
use crate::support::wait_until;
use rustix::process::Signal;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

fn create(second: u32) -> Value {
    let input = json!({ "q": "hunter2 sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678" });
    event("tool-create", "o", second, json!({ "name": "lookup", "input": input, "startTime": at(second) }))
}

fn end(second: u32) -> Value {
    event("span-update", "o", second, json!({ "output": { "ok": true }, "endTime": at(second) }))
}

#[test]
fn an_action_told_in_two_requests_is_one_record_and_survives_a_crash_between_them() {
    let place = Place::with("");
    let halod = place.start();
    ingest(&halod, &[trace(), create(1)]);
    assert_eq!(halod.sealed(), 0);
    halod.kill9();
    assert_nowhere(&place.records(), &SECRETS);
    let halod = place.start();
    ingest(&halod, &[end(3)]);
    let records = place.of_tenant();
    assert_eq!(counts(&records), [("lookup ok".to_owned(), 1)].into(), "{records:?}");
    let record = &records[0];
    assert_eq!((&record["session_id"], &record["principal"]["human_id"]), (&json!("s"), &json!("u")));
    assert_eq!(record["data"]["duration_ms"], 2000);
    assert!(record["data"].get("undisclosed").is_none() && record["data"].get("unfinished").is_none());
    // Killed once more, and everything sent again in every way: nothing is new.
    halod.kill9();
    let halod = place.start();
    for events in [vec![trace(), create(1), end(3)], vec![end(3)], vec![create(1)], vec![end(3), create(1)]] {
        ingest(&halod, &events);
    }
    assert_eq!(place.of_tenant().len(), 1);
    assert!(halod.terminate().success());
    assert_nowhere(&place.records(), &SECRETS);
    assert_verified(&place.records());
}

#[test]
fn the_end_may_come_first() {
    let place = Place::with("");
    let halod = place.start();
    ingest(&halod, &[end(3)]);
    ingest(&halod, &[create(1)]);
    assert_eq!(halod.sealed(), 0, "its trace was not told yet");
    ingest(&halod, &[trace()]);
    let records = place.of_tenant();
    assert_eq!(counts(&records), [("lookup ok".to_owned(), 1)].into(), "{records:?}");
    assert!(halod.terminate().success());
    assert_verified(&place.records());
}

#[test]
fn what_comes_to_no_end_is_sealed_unfinished_and_a_late_end_is_linked_to_it() {
    let place = Place::hurried();
    let halod = place.start();
    ingest(&halod, &[trace(), create(1)]);
    // The action, and its trace.
    wait_until("the hold ends", LONG, || halod.sealed() == 2);
    let failed = json!({ "level": "ERROR", "statusMessage": "too late: sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678",
                         "endTime": at(9) });
    let late = event("span-update", "o", 9, failed);
    for _ in 0..3 {
        ingest(&halod, std::slice::from_ref(&late));
    }
    ingest(&halod, &[create(1), late.clone()]);
    assert_eq!(halod.sealed(), 3);
    assert!(halod.terminate().success());
    // A new process remembers nothing.
    let halod = place.start();
    ingest(&halod, &[create(1), late.clone()]);
    ingest(&halod, &[late]);
    ingest(&halod, &[trace()]);
    ingest(&halod, &[create(1)]);
    wait_until("all of it is known", LONG, || halod.duplicates() >= 4);
    assert_eq!(halod.sealed(), 0);
    let records = place.of_tenant();
    let [first] = tools(&records, "lookup")[..] else { panic!("{records:?}") };
    let [update] = tools(&records, "agent.update")[..] else { panic!("{records:?}") };
    assert_eq!(first["data"]["unfinished"], true);
    assert_eq!(
        (&first["outcome"]["status"], &first["data"]["outcome"]),
        (&Value::Null, &json!("unfinished"))
    );
    assert_eq!(update["outcome"]["status"], "error");
    assert_eq!(update["parent_id"], first["record_id"]);
    assert_eq!(update["data"]["amends"], first["record_id"]);
    assert!(update["data"]["ended_at"].as_str().unwrap().starts_with("2026-11-25T10:00:09"));
    assert!(update["outcome"]["summary"].as_str().unwrap().contains("too late"));
    let [of_trace] = tools(&records, "agent.invoke")[..] else { panic!("{records:?}") };
    assert_eq!(first["data"]["trace_id"], of_trace["data"]["trace_id"]);
    assert_eq!(of_trace["agent"]["name"], "Agent");
    assert!(of_trace["data"].get("unfinished").is_none(), "a trace has no end");
    assert!(halod.terminate().success());
    assert_nowhere(&place.records(), &SECRETS);
    assert_verified(&place.records());
}

#[test]
fn messages_that_win_over_each_other_are_all_known_again() {
    let place = Place::with("");
    let halod = place.start();
    let wrong = event("span-update", "o", 2, json!({ "output": "wrong", "level": "WARNING" }));
    ingest(&halod, &[trace(), create(1), wrong.clone()]);
    ingest(&halod, &[end(3)]);
    assert_eq!(halod.sealed(), 1);
    for late in [create(1), wrong, end(3)] {
        ingest(&halod, &[late]);
    }
    assert_eq!(halod.sealed(), 1);
    assert!(halod.terminate().success());
    assert_verified(&place.records());
}

#[test]
fn a_span_is_a_step_and_no_tool_with_and_without_others_within() {
    let place = Place::with("");
    let halod = place.start();
    let inner = json!({ "name": "inner", "input": 1, "output": 2, "parentObservationId": "o", "startTime": at(2), "endTime": at(2) });
    let step = json!({ "name": "lookup", "input": { "q": 1 }, "startTime": at(1) });
    ingest(&halod, &[trace(), event("span-create", "o", 1, step)]);
    ingest(&halod, &[event("span-create", "p", 2, inner)]);
    halod.kill9();
    let halod = place.start();
    ingest(&halod, &[end(3)]);
    let records = place.of_tenant();
    assert_eq!(counts(&records), [("agent.step ok".to_owned(), 2)].into());
    let named = |name: &str| records.iter().find(|record| record["data"]["name"] == name).unwrap();
    let (step, inner) = (named("lookup"), named("inner"));
    assert_eq!((&inner["data"]["parent_observation_id"], &inner["parent_id"]), (&json!("o"), &Value::Null));
    assert_eq!(Tree::of(&records).parent(inner), Some(step), "which was sealed after it");
    assert!(halod.terminate().success());
    assert_verified(&place.records());
}

#[test]
fn a_full_hold_refuses_and_seals_the_oldest_early() {
    const ALL: usize = 12_000;
    let place = Place::with("  hold: { max_mib: 1 }\n");
    let halod = place.start();
    let mut events = vec![trace()];
    for n in 0..ALL {
        let body = json!({ "name": "lookup", "input": n, "startTime": at(1) });
        events.push(event("tool-create", &format!("o{n}"), 1, body));
    }
    // Several times what is held at most, so that the room for more takes a while to come.
    let body = json!({ "batch": events }).to_string();
    assert_eq!(post(&halod, INGESTION, body.as_bytes()).status, 207);
    let last = json!({ "batch": [event("tool-create", "last", 1, json!({ "name": "lookup" }))] }).to_string();
    let mut refused = 0;
    wait_until("there is room again", LONG, || {
        let answer = post(&halod, INGESTION, last.as_bytes());
        assert!(answer.status == 207 || answer.status == 503, "{}", answer.text());
        assert!(answer.status == 207 || answer.header("retry-after").is_some(), "{}", answer.text());
        refused += u32::from(answer.status == 503);
        answer.status == 207
    });
    assert!(refused > 0, "there is an end to what is held");
    halod.signal(Signal::TERM);
    assert!(halod.wait().success());
    let records = place.of_tenant();
    assert!(
        records
            .iter()
            .all(|record| record["data"]["unfinished"] == true || record["action"]["tool"] == "agent.invoke")
    );
    assert!((1..ALL).contains(&records.len()), "{}", records.len());
    assert_verified(&place.records());
}

/// A log with a part that can't be read: what is lost is said, what is left is taken.
#[test]
fn a_damaged_log_is_disclosed() {
    let place = Place::with("");
    let halod = place.start();
    ingest(&halod, &[trace(), create(1)]);
    let other = event("tool-create", "q", 2, json!({ "name": "other", "input": 1, "startTime": at(2) }));
    ingest(&halod, &[other]);
    halod.kill9();
    let log = place.records().join(".halod/hold/log");
    let text = std::fs::read(&log).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let spoil = lines.iter().position(|line| memchr::memmem::find(line, b"lookup").is_some()).unwrap();
    let mut spoiled: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
    spoiled[spoil][40] ^= 1;
    let torn = [spoiled.concat(), b"0123 m torn".to_vec()].concat();
    std::fs::write(&log, torn).unwrap();
    let halod = place.start();
    let done = event("span-update", "q", 3, json!({ "output": 1, "endTime": at(3) }));
    ingest(&halod, &[trace(), done]);
    assert!(halod.terminate().success());
    let all = place.all();
    let notices = tools(&all, "halod.hold_damaged");
    assert_eq!(notices.len(), 1, "{all:?}");
    assert_eq!(notices[0]["data"]["lines"], 1);
    assert_eq!(counts(&place.of_tenant()), [("other ok".to_owned(), 1)].into());
    assert_verified(&place.records());
}
