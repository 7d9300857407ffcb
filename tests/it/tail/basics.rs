//! One log and what can be wrong with it.

use super::fixture::{Fixture, append, assert_intact, line, lines};
use crate::support::chains::files;
use crate::support::halod::halod as halod_program;
use crate::support::wait_until;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

const FAST: &str = "  file_log:\n    include: ['LOGS/*.log']\n    poll_interval: 50ms\n";

#[test]
fn lines_become_records_that_lead_back_to_them() {
    let fixture = Fixture::new(FAST);
    append(&fixture.log("a.log"), lines(0..3));
    let halod = fixture.start();
    fixture.await_numbers("a.log", 3);
    append(&fixture.log("a.log"), lines(3..5));
    append(&fixture.log("later.log"), lines(0..2));
    fixture.await_numbers("a.log", 5);
    fixture.await_numbers("later.log", 2);
    let record = &fixture.all()[1];
    assert_eq!(record["data"]["file"], *fixture.log("a.log").to_str().unwrap());
    assert_eq!(record["data"]["offset"], line(0).len());
    assert_eq!(halod.items("file_log", "sealed"), 7);
    assert!(halod.terminate().success());
    fixture.assert_once("a.log", 0..5);
    fixture.assert_once("later.log", 0..2);
    assert_intact(&fixture);
}

#[test]
fn without_its_positions_everything_is_read_again_and_sealed_once() {
    let fixture = Fixture::new(FAST);
    append(&fixture.log("a.log"), lines(0..500));
    append(&fixture.log("b.log"), lines(0..500));
    let halod = fixture.start();
    fixture.await_numbers("a.log", 500);
    fixture.await_numbers("b.log", 500);
    assert!(halod.terminate().success());
    let saved = fs::read(fixture.positions()).unwrap();
    for (round, damage) in
        [None, Some(&b"garbage"[..]), Some(&saved[..saved.len() / 2])].into_iter().enumerate()
    {
        fs::remove_file(fixture.positions()).unwrap();
        if let Some(bytes) = damage {
            fs::write(fixture.positions(), bytes).unwrap();
        }
        let halod = fixture.start();
        wait_until("everything is read again", Duration::from_secs(30), || halod.duplicates() >= 1000);
        append(&fixture.log("a.log"), line(500 + round as u64));
        fixture.await_numbers("a.log", 501 + round as u64);
        assert!(halod.terminate().success());
    }
    fixture.assert_once("a.log", 0..503);
    fixture.assert_once("b.log", 0..500);
    assert_intact(&fixture);
}

#[test]
fn odd_lines_are_sealed_or_told() {
    let fixture = Fixture::new(
        "  file_log:\n    include: ['LOGS/*.log']\n    poll_interval: 50ms\n    max_log_size: 300\n",
    );
    let log = fixture.log("a.log");
    append(&log, [line(0).as_bytes(), b"\xff\xfe\x00 nonsense\n", line(1).as_bytes()].concat());
    append(&log, line(2).replace("writer", &"x".repeat(2_000_000)));
    append(&log, [&[0; 5000], line(3).as_bytes()].concat());
    append(&log, line(4).replace("writer", "Zo\u{eb}"));
    let mut bad = line(5).into_bytes();
    let at = bad.len() - 5;
    bad[at] = 0xff;
    append(&log, bad);
    let half = line(6);
    append(&log, &half[..50]);
    let halod = fixture.start();
    fixture.await_numbers("a.log", 6);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(fixture.numbers("a.log").len(), 6, "half a line is none");
    append(&log, &half[50..]);
    fixture.await_numbers("a.log", 7);
    let told = || halod.metric("halod_notices_total", "kind=\"lines_rejected\"");
    wait_until("the reject is told", Duration::from_secs(20), || told() > 0);
    let items = |outcome: &str| halod.items("file_log", outcome);
    assert_eq!(
        ["received", "sealed", "rejected"].map(items),
        [8, 7, 1],
        "lines, and nothing that halod says"
    );
    assert_eq!((told(), halod.metric("halod_notices_total", "")), (1, 1));
    assert!(halod.terminate().success());
    fixture.assert_once("a.log", 0..7);
    let of = |n: u64| fixture.all().into_iter().find(|r| r["data"]["bytes_out"] == n).unwrap();
    assert_eq!(of(2)["data"]["cut_bytes"], line(2).len() - 1 - 6 + 2_000_000 - 300);
    assert_eq!(of(3)["data"]["nul_bytes"], 5000);
    assert_eq!(of(5)["data"]["replaced_bytes"], true);
    let told = fixture.said("a.log", "lines_rejected");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["lines"], &told[0]["first"]), (&1.into(), &line(0).len().into()));
    assert_intact(&fixture);
}

/// Each line of a live log is written when the one before it is sealed: that all of them are sealed before
/// the backlog's end means that none waited for it.
#[test]
fn live_lines_do_not_wait_for_a_backlog() {
    const BACKLOG: u64 = 60_000;
    let fixture = Fixture::new(
        "  file_log/old: { include: ['LOGS/old.log'] }\n  file_log/live: { include: ['LOGS/live.log'], tenant: { value: live } }\n",
    );
    append(&fixture.log("old.log"), lines(0..BACKLOG));
    let halod = fixture.start();
    let items = |outcome: &str| halod.items("file_log", outcome);
    wait_until("the backlog is begun", Duration::from_secs(60), || items("sealed") > 0);
    let mut live = 0;
    let chain = || {
        let own = files(&fixture.records()).into_iter().find(|file| !file.ends_with("local.jsonl"));
        own.map_or(0, |own| fs::read_to_string(own).unwrap().matches('\n').count() as u64)
    };
    while live < 3 {
        append(&fixture.log("live.log"), line(live));
        live += 1;
        wait_until("the live line is sealed", Duration::from_secs(60), || {
            items("sealed") >= BACKLOG || chain() == live
        });
    }
    assert_eq!(chain(), live);
    assert!(items("sealed") < BACKLOG, "the live lines are sealed before the backlog is");
    assert!(halod.terminate().success());
    fixture.assert_once("live.log", 0..live);
}

#[test]
fn pipes_devices_and_directories_in_the_pattern_are_left_alone() {
    let fixture = Fixture::new("  file_log:\n    include: ['LOGS/*']\n    poll_interval: 50ms\n");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fixture.log("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    symlink("/dev/zero", fixture.log("zero")).unwrap();
    fs::create_dir(fixture.log("dir")).unwrap();
    append(&fixture.log("a.log"), lines(0..2));
    let halod = fixture.start();
    fixture.await_numbers("a.log", 2);
    assert!(halod.terminate().success());
    fixture.assert_once("a.log", 0..2);
}

#[test]
fn what_cannot_be_read_or_is_not_there_yet_is_read_later() {
    let fixture =
        Fixture::new("  file_log:\n    include: ['LOGS/{a,deep/*/b}.log']\n    poll_interval: 50ms\n");
    let log = fixture.log("a.log");
    append(&log, lines(0..2));
    // Root may read everything, so somebody else follows.
    let halod = fixture.start_as_nobody();
    fixture.await_numbers("a.log", 2);
    let next = fixture.log("a.log.new");
    append(&next, lines(2..4));
    fs::set_permissions(&next, fs::Permissions::from_mode(0o000)).unwrap();
    fs::rename(&log, fixture.log("a.log.1")).unwrap();
    fs::rename(&next, &log).unwrap();
    wait_until("it is told", Duration::from_secs(20), || halod.log().contains("can't be read now"));
    fs::create_dir_all(fixture.log("deep/x")).unwrap();
    append(&fixture.log("deep/x/b.log"), lines(0..4));
    fixture.await_numbers("deep/x/b.log", 4);
    assert_eq!(fixture.numbers("a.log").len(), 2);
    fs::set_permissions(&log, fs::Permissions::from_mode(0o644)).unwrap();
    fixture.await_numbers("a.log", 4);
    assert!(halod.terminate().success());
    fixture.assert_once("a.log", 0..4);
    assert_intact(&fixture);
}

/// A container runtime cuts long lines. Their parts are one record, however they come, and after a kill as well.
#[test]
fn parts_of_a_line_are_one_record_at_the_place_of_the_first() {
    let fixture = Fixture::new(FAST);
    let cri = |stream: &str, tag: &str, text: &str| {
        format!("2026-11-29T10:00:00.123456789Z {stream} {tag} {text}\n")
    };
    let docker = |text: &str| {
        serde_json::json!({ "log": text, "stream": "stdout", "time": "2026-11-29T10:00:00Z" }).to_string()
            + "\n"
    };
    let long = |n: u64| line(n).replace("writer", &"x".repeat(40_000));
    let pieces = |n: u64| {
        let text = long(n);
        let (first, rest) = text.split_at(16 << 10);
        let (second, third) = rest.split_at(16 << 10);
        [first, second, third].map(str::to_owned)
    };
    let [a, b, c] = pieces(1);
    let (pods, compose) = (fixture.log("pod.log"), fixture.log("compose.log"));
    append(&pods, [cri("stdout", "F", line(0).trim_end()), cri("stdout", "P", &a)].concat());
    append(&compose, docker(&line(0)) + &docker(&a));
    let halod = fixture.start();
    fixture.await_numbers("pod.log", 1);
    fixture.await_numbers("compose.log", 1);
    append(&pods, cri("stderr", "F", line(2).trim_end()) + &cri("stdout", "P", &b));
    append(&compose, docker(&b));
    fixture.await_numbers("pod.log", 2);
    std::thread::sleep(Duration::from_millis(700));
    halod.kill9();
    let halod = fixture.start();
    wait_until("what is sealed is read again", Duration::from_secs(30), || halod.duplicates() >= 1);
    append(&pods, cri("stdout", "F", c.trim_end()) + &cri("stdout", "F", line(3).trim_end()));
    append(&compose, docker(&c) + &docker(&line(2)));
    fixture.await_numbers("pod.log", 4);
    fixture.await_numbers("compose.log", 3);
    assert!(halod.terminate().success());
    fixture.assert_once("pod.log", 0..4);
    fixture.assert_once("compose.log", 0..3);
    for (log, first) in
        [("pod.log", cri("stdout", "F", line(0).trim_end())), ("compose.log", docker(&line(0)))]
    {
        let path = fixture.log(log);
        let of = |record: &&serde_json::Value| record["data"]["file"] == *path.to_str().unwrap();
        let all = fixture.all();
        let joined: Vec<_> =
            all.iter().filter(of).filter(|record| record["data"].get("joined_parts").is_some()).collect();
        assert_eq!(joined.len(), 1, "{log}");
        let data = &joined[0]["data"];
        assert_eq!((&data["joined_parts"], &data["offset"]), (&3.into(), &first.len().into()), "{log}");
        assert!(fixture.said(log, "lines_rejected").is_empty());
    }
    assert_intact(&fixture);
}

/// Programs on Windows write UTF-16, and say so at the beginning. Places are those of the file's bytes.
#[test]
fn logs_in_utf_16_are_read_across_blocks_rotations_and_restarts() {
    let fixture = Fixture::new("  file_log:\n    include: ['LOGS/*.log*']\n    poll_interval: 50ms\n");
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let log = |name: &str| fixture.log(name);
    let crlf = |n: u64| line(n).replace('\n', "\r\n").replace("writer", "Zo\u{eb} \u{a0a} \u{1f600}");
    append(&log("a.log"), [&b"\xff\xfe"[..], &little(&crlf(0)), &little(&crlf(1))[..101]].concat());
    append(&log("b.log"), [&b"\xfe\xff"[..], &big(&line(0)), &big(&line(1))[..151]].concat());
    append(&log("c.log"), ["\u{feff}", &lines(0..2)].concat());
    let halod = fixture.start();
    for (name, count) in [("a.log", 1), ("b.log", 1), ("c.log", 2)] {
        fixture.await_numbers(name, count);
    }
    append(&log("a.log"), [&little(&crlf(1))[101..], &little(&crlf(2))].concat());
    fixture.await_numbers("a.log", 3);
    assert!(halod.terminate().success());
    let halod = fixture.start();
    append(&log("a.log"), little(&crlf(3)));
    append(&log("b.log"), [&big(&line(1))[151..], &big(&lines(2..4))].concat());
    fixture.await_numbers("a.log", 4);
    fixture.await_numbers("b.log", 4);
    fs::rename(log("a.log"), log("a.log.1")).unwrap();
    append(&log("a.log"), [&b"\xff\xfe"[..], &little(&crlf(4))].concat());
    fixture.await_numbers("a.log", 5);
    halod.kill9();
    fs::remove_file(fixture.positions()).unwrap();
    let halod = fixture.start();
    wait_until("everything is read again", Duration::from_secs(30), || halod.duplicates() >= 11);
    assert!(halod.terminate().success());
    for (name, count) in [("a.log", 5), ("b.log", 4), ("c.log", 2)] {
        fixture.assert_once(name, 0..count);
        assert!(fixture.said(name, "lines_rejected").is_empty(), "{name}");
    }
    let path = log("a.log");
    let third = fixture
        .all()
        .into_iter()
        .find(|record| record["data"]["file"] == *path.to_str().unwrap() && record["data"]["bytes_out"] == 2);
    let data = &third.unwrap()["data"];
    assert_eq!(data["offset"], 2 + little(&crlf(0)).len() + little(&crlf(1)).len());
    assert_eq!(data["user_agent"], "Zo\u{eb} \u{a0a} \u{1f600}");
    assert_intact(&fixture);
}

/// LiteLLM prints no times, and behind a proxy no ports: after a rotation its lines are those of the file before, and are
/// taken for them. What is read twice for another reason is not told.
#[test]
fn lines_without_a_time_that_repeat_after_a_rotation_are_told() {
    let fixture = Fixture::new("  file_log:\n    include: ['LOGS/*.log*']\n    poll_interval: 50ms\n");
    let log = fixture.log("litellm.log");
    let request = "INFO:     203.0.113.7:0 - \"POST /v1/messages HTTP/1.1\" 200 OK\n";
    append(&log, request.repeat(5));
    append(&fixture.log("timed.log"), line(1).repeat(5));
    let halod = fixture.start();
    let sealed = |count: u64| {
        wait_until("the lines are sealed", Duration::from_secs(30), || {
            halod.items("file_log", "sealed") == count
        });
    };
    sealed(10);
    let rotate = |name: &str, count: usize, line: &str| {
        let log = fixture.log(name);
        fs::rename(&log, fixture.log(&format!("{name}.1"))).unwrap();
        append(&log, line.repeat(count));
    };
    rotate("litellm.log", 8, request);
    rotate("timed.log", 3, &line(1));
    wait_until("it is told", Duration::from_secs(30), || {
        !fixture.said("litellm.log", "lines_known").is_empty()
    });
    sealed(13);
    wait_until("all is read", Duration::from_secs(30), || halod.duplicates() == 8);
    std::thread::sleep(Duration::from_millis(600));
    halod.kill9();
    let halod = fixture.start();
    append(&log, request);
    wait_until("it goes on", Duration::from_secs(30), || halod.items("file_log", "sealed") == 1);
    assert!(halod.terminate().success());
    fs::remove_file(fixture.positions()).unwrap();
    let halod = fixture.start();
    wait_until("everything is read again", Duration::from_secs(30), || halod.duplicates() >= 22);
    assert!(halod.terminate().success());
    let told = fixture.said("litellm.log", "lines_known");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["lines"], &told[0]["first"]), (&5.into(), &0.into()));
    assert!(fixture.said("timed.log", "lines_known").is_empty());
    assert_intact(&fixture);
}

#[test]
fn names_that_are_no_text_are_followed_and_imported() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let fixture = Fixture::new(
        "  file_log:\n    include: ['LOGS/*.log*']\n    exclude: ['LOGS/not*']\n    poll_interval: 50ms\n",
    );
    let log = fixture.logs().join(OsStr::from_bytes(b"caf\xe9.log"));
    append(&log, lines(0..2));
    append(&fixture.logs().join(OsStr::from_bytes(b"not\xe9.log")), lines(7..9));
    append(&fixture.log("a.log"), lines(0..2));
    let halod = fixture.start();
    let shown = "caf\\\\xE9.log";
    fixture.await_numbers(shown, 2);
    std::thread::sleep(Duration::from_millis(600));
    halod.kill9();
    let halod = fixture.start();
    fs::rename(&log, fixture.logs().join(OsStr::from_bytes(b"caf\xe9.log.1"))).unwrap();
    append(&log, lines(2..4));
    append(&fixture.log("a.log"), line(2));
    fixture.await_numbers(shown, 4);
    fixture.await_numbers("a.log", 3);
    assert_eq!(halod.items("file_log", "sealed"), 3, "the positions of all logs are kept");
    assert!(halod.terminate().success());
    let (dir, log) = (fixture.records(), log.as_os_str().to_owned());
    let out = halod_program(&["import", "gateway", "--json", "--dir"], &[dir, log.into()]);
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&said["sealed"], &said["known"]), (&0.into(), &2.into()), "{said}");
    assert_eq!(fixture.all().len(), 7);
    assert_intact(&fixture);
}

/// What a program prints before its first request is known to be no request once that tells the format; a line that is
/// one only in that format becomes a record.
#[test]
fn lines_before_the_first_request_wait_for_it() {
    let fixture = Fixture::new(FAST);
    let banner = "INFO:     Started server process [1]\nINFO:     Waiting for application startup.\n";
    let odd = "{\"request_method\":\"POST\",\"uri\":\"/v1/messages\"}\n\
               {\"remote_addr\":\"10.0.0.1\",\"request\":\"POST /v1/messages HTTP/1.1\",\"status\":200}\n";
    append(&fixture.log("litellm.log"), banner);
    // What is no text at all is not waited with.
    append(&fixture.log("none.log"), "what\u{1} is this\n");
    let halod = fixture.start();
    wait_until("it is told", Duration::from_secs(30), || {
        !fixture.said("none.log", "lines_rejected").is_empty()
    });
    std::thread::sleep(Duration::from_millis(600));
    let request = "INFO:     203.0.113.7:1 - \"POST /v1/messages HTTP/1.1\" 200 OK\n";
    append(&fixture.log("litellm.log"), request);
    wait_until("the request is sealed", Duration::from_secs(30), || halod.items("file_log", "sealed") == 1);
    assert_eq!(halod.items("file_log", "rejected"), 1);
    // A kill leaves nothing behind, as nothing was handed over.
    append(&fixture.log("later.log"), banner);
    std::thread::sleep(Duration::from_millis(600));
    halod.kill9();
    let halod = fixture.start();
    append(&fixture.log("later.log"), request);
    append(&fixture.log("nginx.log"), odd);
    wait_until("the requests are sealed", Duration::from_secs(30), || halod.items("file_log", "sealed") == 3);
    assert!(halod.terminate().success());
    assert!(fixture.said("litellm.log", "lines_rejected").is_empty());
    assert!(fixture.said("later.log", "lines_rejected").is_empty());
    assert!(fixture.said("nginx.log", "lines_rejected").is_empty());
    assert_eq!(fixture.said("none.log", "lines_rejected").len(), 1);
    assert_intact(&fixture);
}
