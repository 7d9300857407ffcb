//! A disk that fills up.

use crate::support::chains::{assert_exactly, assert_verified, spans};
use crate::support::grpc::Grpc;
use crate::support::halod::{Halod, configured};
use crate::support::small::Small;
use crate::support::spans::{SpanKey, key, request, span};
use crate::support::wait_until;
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn below_the_floor_nothing_is_accepted_until_there_is_room() {
    let Some(disk) = Small::mount(64) else { return };
    let (_config, config) = configured(16, 2);
    let mut halod = Halod::start_with(disk.path(), &["--config", &config]);
    halod.export(&request(Some("acme"), vec![span(0x60, 0)]));
    disk.fill_up_to(8);
    wait_until("readiness falls", Duration::from_secs(20), || halod.ready() == 503);
    assert!(halod.ask("/readyz").unwrap().1.contains("disk_low"));
    let refused = request(Some("acme"), vec![span(0x60, 1)]);
    let answer = halod.connect().export(&refused).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    let delay: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&delay), "{delay}");
    let answer = Grpc::connect(halod.grpc).unwrap().export(&refused).unwrap();
    assert_eq!(answer.code, 14, "UNAVAILABLE: {}", answer.message);
    assert!(halod.alive());
    disk.make_room();
    wait_until("readiness returns", Duration::from_secs(20), || halod.ready() == 200);
    halod.export(&refused);
    assert!(halod.terminate().success());
    assert_exactly(disk.path(), [key(&span(0x60, 0)), key(&span(0x60, 1))]);
    assert_verified(disk.path());
}

/// What a sender has to show for itself when halod fails.
#[derive(Default)]
struct Sent {
    acknowledged: Vec<SpanKey>,
    /// Acknowledged or not.
    all: Vec<SpanKey>,
    bodies: Vec<Vec<u8>>,
}

fn send_until_it_fails(halod: &Halod, family: u32) -> Sent {
    let mut sent = Sent::default();
    let mut connection = halod.connect();
    for n in 0..2_000u64 {
        let tenant = ["acme", "initech"][(n % 2) as usize];
        // The first requests fit; a later one is larger than what is left, so that halod cannot see it coming.
        let each = if n < 10 { 50 } else { 5_000 };
        let spans: Vec<_> = (0..each).map(|i| span(family, n * 5_000 + i)).collect();
        let keys: Vec<SpanKey> = spans.iter().map(key).collect();
        let body = request(Some(tenant), spans);
        let answer = connection.export(&body);
        sent.all.extend(keys.iter().cloned());
        sent.bodies.push(body);
        match answer {
            Ok(answer) if answer.status == 200 => sent.acknowledged.extend(keys),
            Ok(answer) => {
                assert_eq!(answer.status, 503, "a full disk is retryable: {}", answer.text());
                return sent;
            }
            Err(_) => return sent,
        }
    }
    panic!("{} spans fitted into a full disk", sent.all.len());
}

/// After the failure: exit status, restart with room, nothing acknowledged lost, nothing twice.
fn recover(mut failed: Halod, dir: &Path, config: &str, sent: &Sent) {
    let status = failed.wait_within(Duration::from_secs(20));
    let log = failed.log();
    assert!(!status.success() && status.code().is_some(), "{status}\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    drop(failed);
    let halod = Halod::start_with(dir, &["--config", config]);
    let seen = spans(dir);
    let lost = sent.acknowledged.iter().filter(|key| seen.get(*key) != Some(&1)).count();
    println!("{} acknowledged before it failed; its log:\n{log}", sent.acknowledged.len());
    assert_eq!(lost, 0, "of {} acknowledged", sent.acknowledged.len());
    sent.bodies.iter().for_each(|body| halod.export(body));
    assert!(halod.terminate().success());
    assert_exactly(dir, sent.all.iter().cloned());
    assert_verified(dir);
}

#[test]
fn a_full_disk_stops_it_and_room_lets_it_go_on() {
    let Some(disk) = Small::mount(48) else { return };
    let (_config, config) = configured(0, 2);
    let halod = Halod::start_with(disk.path(), &["--config", &config]);
    disk.fill_up_to(4);
    let sent = send_until_it_fails(&halod, 0x61);
    disk.make_room();
    recover(halod, disk.path(), &config, &sent);
}

/// Sealed by a halod that had room.
fn used_before(disk: &Small, config: &str) {
    let halod = Halod::start_with(disk.path(), &["--config", config]);
    halod.export(&request(Some("acme"), vec![span(0x64, 0)]));
    assert!(halod.terminate().success());
}

/// Started on a full disk without a floor, new or used, cleanly ended or killed: up, not ready, and quiet
/// about it, until there is room.
#[test]
fn a_full_disk_keeps_it_from_nothing_but_being_ready() {
    for used in [false, true] {
        let Some(disk) = Small::mount(48) else { return };
        let (_config, config) = configured(0, 2);
        if used {
            used_before(&disk, &config);
        }
        disk.fill_up_to(0);
        let mut halod = Halod::start_unready(disk.path(), &["--config", &config]);
        let refused = request(Some("acme"), vec![span(0x64, 1)]);
        let until = std::time::Instant::now() + Duration::from_secs(8);
        while std::time::Instant::now() < until {
            let (status, said) = halod.ask("/readyz").unwrap();
            assert!(status == 503 && said.contains("disk_low"), "{status} {said}");
            let answer = halod.connect().export(&refused).unwrap();
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")));
            let answer = Grpc::connect(halod.grpc).unwrap().export(&refused).unwrap();
            assert_eq!(answer.code, 14, "UNAVAILABLE: {}", answer.message);
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(halod.alive());
        assert_said_once(&halod.log());
        disk.make_room();
        wait_until("readiness comes", Duration::from_secs(30), || halod.ready() == 200);
        halod.export(&refused);
        assert!(halod.terminate().success());
        let first = used.then(|| key(&span(0x64, 0)));
        assert_exactly(disk.path(), first.into_iter().chain([key(&span(0x64, 1))]));
        assert_verified(disk.path());
    }
}

/// The first start of all, where there is no room for the directory itself.
#[test]
fn a_directory_that_cannot_be_made_is_waited_for() {
    let Some(disk) = Small::mount_of_files(200) else { return };
    let (_config, config) = configured(0, 2);
    let dir = disk.path().join("records");
    disk.fill_with_files();
    let mut halod = Halod::start_unready(&dir, &["--config", &config]);
    let refused = request(Some("acme"), vec![span(0x66, 0)]);
    for _ in 0..8 {
        let (status, said) = halod.ask("/readyz").unwrap();
        assert!(status == 503 && said.contains("disk_low"), "{status} {said}");
        let answer = halod.connect().export(&refused).unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")));
        let answer = Grpc::connect(halod.grpc).unwrap().export(&refused).unwrap();
        assert_eq!(answer.code, 14, "UNAVAILABLE: {}", answer.message);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(halod.alive() && !dir.exists());
    halod.await_log("the directory is made when there is room");
    assert_said_once(&halod.log());
    // Asked to stop meanwhile, it does.
    assert!(halod.terminate().success());
    let halod = Halod::start_unready(&dir, &["--config", &config]);
    let mut open = halod.connect();
    assert_eq!(open.export(&refused).unwrap().status, 503);
    disk.remove_files();
    wait_until("readiness comes", Duration::from_secs(30), || halod.ready() == 200);
    // The doors are where they were.
    halod.export(&refused);
    assert!(halod.terminate().success());
    assert_exactly(&dir, [key(&span(0x66, 0))]);
    assert_verified(&dir);
}

/// No line is said twice: not with other numbers either.
fn assert_said_once(log: &str) {
    let mut said: Vec<String> = log
        .lines()
        .map(|line| {
            let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
            event.as_object_mut().unwrap().retain(|_, value| !value.is_number());
            event.as_object_mut().unwrap().remove("timestamp");
            event.to_string()
        })
        .collect();
    said.sort();
    assert!(said.windows(2).all(|two| two[0] != two[1]), "{log}");
}

/// The same while halod has to complete what a crash interrupted, and can't.
#[test]
fn a_full_disk_is_waited_for_after_a_crash() {
    let Some(disk) = Small::mount(48) else { return };
    let (_config, config) = configured(0, 2);
    let halod = Halod::start_with(disk.path(), &["--config", &config]);
    halod.export(&request(Some("acme"), (0..50).map(|n| span(0x65, n)).collect()));
    halod.kill9();
    // As if power had failed.
    let chain = disk.path().join("acme.jsonl");
    fs::OpenOptions::new().write(true).open(&chain).unwrap().set_len(0).unwrap();
    disk.fill_up_to(0);
    let halod = Halod::start_unready(disk.path(), &["--config", &config]);
    assert!(halod.ask("/readyz").unwrap().1.contains("disk_low"));
    // Asked to stop meanwhile, it does.
    assert!(halod.terminate().success());
    let halod = Halod::start_unready(disk.path(), &["--config", &config]);
    disk.make_room();
    wait_until("readiness comes", Duration::from_secs(30), || halod.ready() == 200);
    assert!(halod.terminate().success());
    assert_exactly(disk.path(), (0..50).map(|n| key(&span(0x65, n))));
    assert_verified(disk.path());
}

/// A chain's file that may not grow further: its tenant is refused, all others go on, and the next halod
/// finishes what was cut short.
#[test]
fn a_chain_that_cannot_grow_stops_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (_config, config) = configured(0, 2);
    // 4 MiB where the shell counts blocks of 512 bytes, 8 MiB where it counts 1024.
    let mut halod = Halod::start_limited(dir.path(), "trap '' XFSZ; ulimit -f 8192", &["--config", &config]);
    let sent = send_until_it_fails(&halod, 0x62);
    halod.export(&request(Some("other"), vec![span(0x63, 0)]));
    assert!(halod.alive() && halod.ready() == 200);
    halod.await_log("a chain is set aside");
    let status: serde_json::Value = serde_json::from_str(&halod.ask("/status").unwrap().1).unwrap();
    let aside = &status["set_aside"];
    assert_eq!(
        (&aside["chains"], &status["journal_damage"]),
        (&1.into(), &serde_json::json!([])),
        "{status}"
    );
    let first = &aside["first"][0];
    assert!(first["why"].as_str().unwrap().contains(".jsonl: File too large"), "{aside}");
    assert!(matches!(first["chain"].as_str(), Some("acme" | "initech")), "{aside}");
    assert!(first["since"].as_str().unwrap().starts_with("20"), "{aside}");
    assert_eq!(halod.metric("halod_chains_set_aside", ""), 1);
    assert!(halod.terminate().success());
    let halod = Halod::start_with(dir.path(), &["--config", &config]);
    let seen = spans(dir.path());
    let lost = sent.acknowledged.iter().filter(|key| seen.get(*key) != Some(&1)).count();
    assert_eq!(lost, 0, "of {} acknowledged", sent.acknowledged.len());
    sent.bodies.iter().for_each(|body| halod.export(body));
    assert!(halod.terminate().success());
    assert_exactly(dir.path(), sent.all.iter().cloned().chain([key(&span(0x63, 0))]));
    assert_verified(dir.path());
}
