//! A log that is followed and imported, in either order, is sealed once: the oddities that logs have make no
//! difference, nor does it matter how the import comes in.

use super::fixture::{Fixture, Said, gzip};
use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::{BINARY, Halod};
use crate::support::wait_until;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn line(n: u64, agent: &str) -> Vec<u8> {
    let start = format!("203.0.113.9 - - [22/Nov/2026:08:11:{:02} +0000]", n % 60);
    format!("{start} \"POST /v1/chat/completions HTTP/1.1\" 200 {n} \"-\" \"{agent}\"\n").into_bytes()
}

/// A configuration that follows `log`, with further settings.
fn follows(fixture: &Fixture, log: &Path, more: &str) -> PathBuf {
    let settings = format!(
        "receivers:\n  file_log:\n    include: ['{}']\n    poll_interval: 50ms\n{more}storage: {{ min_free_disk_mib: 0 }}\n",
        log.display()
    );
    fixture.file("halod.yaml", settings)
}

fn follow(fixture: &Fixture, config: &Path) -> Halod {
    Halod::start_with(&fixture.chains(), &["--config", config.to_str().unwrap()])
}

/// Waits until all these lines were read.
fn await_lines(halod: &Halod, count: u64) {
    let outcomes = ["sealed", "duplicate", "filtered", "rejected"];
    wait_until("the log is followed", LIMIT, || {
        outcomes.iter().map(|outcome| halod.items("file_log", outcome)).sum::<u64>() >= count
    });
}

/// What an import did: records that it sealed, that were there, and that contradict one.
fn counts(said: &Said) -> [u64; 3] {
    ["sealed", "known", "conflicts"].map(|name| said.count(name))
}

/// The records of lines, without what halod says by itself.
fn sealed(fixture: &Fixture) -> Vec<Value> {
    let all = files(&fixture.chains()).into_iter().flat_map(|file| records(&file));
    all.filter(|record| record["source"]["adapter"] == "gateway").collect()
}

/// Follows a log, then imports it through the daemon, as the writer and packed; and imports another one so before
/// it is followed. All of its lines become records.
fn once(content: &[u8], count: u64) {
    let fixture = Fixture::new();
    let log = fixture.file("access.log", content);
    let config = follows(&fixture, &log, "");
    let halod = follow(&fixture, &config);
    await_lines(&halod, count);
    let through = fixture.import("gateway", std::slice::from_ref(&log), &[]);
    assert_eq!((through.code, counts(&through)), (Some(0), [0, count, 0]), "{}", through.errors);
    assert!(halod.terminate().success());
    let alone = fixture.import("gateway", &[fixture.file("access.log.2.gz", gzip(content))], &[]);
    assert_eq!((alone.code, counts(&alone)), (Some(0), [0, count, 0]), "{}", alone.errors);
    assert_eq!(sealed(&fixture).len() as u64, count);

    let fixture = Fixture::new();
    let log = fixture.file("access.log", content);
    let first = fixture.import("gateway", std::slice::from_ref(&log), &[]);
    assert_eq!((first.code, counts(&first)), (Some(0), [count, 0, 0]), "{}", first.errors);
    let halod = follow(&fixture, &follows(&fixture, &log, ""));
    await_lines(&halod, count);
    wait_until("all of it is known", LIMIT, || halod.duplicates() >= count);
    assert!(halod.terminate().success());
    assert_eq!(sealed(&fixture).len() as u64, count);
    assert_verified(&fixture.chains());
}

#[test]
fn a_line_behind_nuls_is_sealed_once() {
    once(&[line(0, "agent"), vec![0; 5000], line(1, "agent"), line(2, "agent")].concat(), 3);
}

#[test]
fn a_line_of_more_than_a_megabyte_is_sealed_once() {
    once(&[line(0, "agent"), line(1, &"x".repeat(1_200_000)), line(2, "agent")].concat(), 3);
}

#[test]
fn every_oddity_at_once_is_sealed_once() {
    let latin1 = line(3, "agent").into_iter().map(|byte| if byte == b'g' { 0xe9 } else { byte }).collect();
    let parts: [Vec<u8>; 8] = [
        b"\xef\xbb\xbf".to_vec(),
        line(0, "agent"),
        b"\n\r\n".to_vec(),
        [&line(1, "agent")[..], b"\r\n"].concat().strip_suffix(b"\n\r\n").unwrap().to_vec(),
        b"\r\n".to_vec(),
        latin1,
        vec![0; 70],
        line(4, "agent"),
    ];
    let content = parts.concat();
    let fixture = Fixture::new();
    let log = fixture.file("access.log", &content);
    let halod = follow(&fixture, &follows(&fixture, &log, ""));
    await_lines(&halod, 6);
    let said = fixture.import("gateway", std::slice::from_ref(&log), &[]);
    assert_eq!((said.code, counts(&said)), (Some(0), [0, 4, 0]), "{}", said.errors);
    assert_eq!(said.count("filtered"), 2, "empty lines are counted as the receiver counts them");
    assert!(halod.terminate().success());
    assert_eq!(sealed(&fixture)[0]["data"]["client"], "203.0.113.9");
}

/// What a receiver is told of its log holds for an import with the same configuration, by whatever path the
/// file is named.
#[test]
fn an_import_reads_a_log_as_the_receiver_that_follows_it_does() {
    let fixture = Fixture::new();
    let content = [
        line(0, "agent"),
        line(1, "agent").into_iter().map(|byte| if byte == b'g' { 0xe9 } else { byte }).collect(),
        line(2, &"x".repeat(2000)),
        line(3, "agent").into_iter().map(|byte| if byte == b'c' { b'C' } else { byte }).collect(),
    ]
    .concat();
    let log = fixture.file("access.log", &content);
    let more = "    encoding: latin-1\n    max_log_size: 300\n    all: true\n    tenant: { value: acme }\n";
    let config = follows(&fixture, &log, more);
    let halod = follow(&fixture, &config);
    await_lines(&halod, 4);
    let import = |fixture: &Fixture, file: &Path| {
        fixture.import("gateway", &[file.to_owned()], &["--config", config.to_str().unwrap()])
    };
    let detour = log.parent().unwrap().join("../files/access.log");
    let link = fixture.dir.path().join("link");
    std::os::unix::fs::symlink(&log, &link).unwrap();
    let rotated = fixture.file("access.log-20261122.gz", gzip(&content));
    for file in [&log, &detour, &link, &rotated] {
        let said = import(&fixture, file);
        assert_eq!((said.code, counts(&said)), (Some(0), [0, 4, 0]), "{}: {}", file.display(), said.errors);
    }
    assert!(halod.terminate().success());
    assert_eq!(sealed(&fixture).len(), 4);
    // Nothing is known of a receiver, so the lines are read as they are, for the tenant that is named.
    let said = fixture.import("gateway", &[detour], &["--tenant", "acme"]);
    assert_eq!((said.count("sealed"), said.count("conflicts")), (2, 2), "{}", said.report);
}

#[test]
fn a_watched_folder_reads_a_log_as_the_receiver_that_follows_it_does() {
    let fixture = Fixture::new();
    let content = [line(0, "agent"), vec![0; 900], line(1, &"x".repeat(2000)), line(2, "agent")].concat();
    let log = fixture.file("access.log", &content);
    let folder = format!("  import:\n    include: ['{}']\n", log.display());
    let config = follows(&fixture, &log, &format!("    max_log_size: 300\n{folder}"));
    let halod = follow(&fixture, &config);
    await_lines(&halod, 3);
    let done = fixture.chains().join(".halod/import/done");
    wait_until("it is imported", LIMIT, || done.metadata().is_ok_and(|done| done.len() > 0));
    let done: Value = serde_json::from_slice(&std::fs::read(done).unwrap()).unwrap();
    assert_eq!((&done["accepted"], &done["rejected"]), (&3.into(), &0.into()), "{done}");
    assert!(halod.terminate().success());
    assert_eq!(sealed(&fixture).len(), 3);
}

/// A packed file whose checksum does not fit is told of by all, and read by all up to the same line.
#[test]
fn a_damaged_packed_log_is_told_of_and_sealed_once() {
    let fixture = Fixture::new();
    let content: Vec<u8> = (0..50).flat_map(|n| line(n, "agent")).collect();
    let mut bytes = gzip(&content);
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    let log = fixture.file("access.log.1.gz", bytes);
    let config = follows(&fixture, &log, "");
    let check = Command::new(BINARY).args(["tail", "--json", "--check"]).arg(&log).output().unwrap();
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(
        (&check["records"], &check["breaks_off"]["after"]),
        (&50.into(), &content.len().into()),
        "{check}"
    );
    let halod = follow(&fixture, &config);
    await_lines(&halod, 50);
    let told = || halod.metric("halod_notices_total", "");
    wait_until("the damage is told", LIMIT, || told() == 1);
    let said = fixture.import("gateway", &[log], &[]);
    assert_eq!((said.code, counts(&said)), (Some(2), [0, 50, 0]), "{}", said.errors);
    assert!(halod.terminate().success());
    assert_eq!(sealed(&fixture).len(), 50);
}
