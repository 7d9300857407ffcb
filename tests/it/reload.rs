//! Another configuration for a daemon that runs: it holds as a whole, or nothing changes.

use crate::support::chains::{assert_exactly, assert_verified, of_tenant};
use crate::support::halod::{BINARY, Halod, halod};
use crate::support::http::PROTOBUF;
use crate::support::spans::{key, request, span};
use crate::support::wait_until;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A daemon with a file.
struct Place {
    dir: tempfile::TempDir,
    halod: Halod,
}

impl Place {
    fn start(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("h.yaml"), text).unwrap();
        let file = dir.path().join("h.yaml").display().to_string();
        let halod = Halod::start_with(&dir.path().join("records"), &["--config", &file]);
        Self { dir, halod }
    }

    fn records(&self) -> PathBuf {
        self.dir.path().join("records")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.dir.path().join("h.yaml"), text).unwrap();
    }

    /// `halod reload`: exit code and what it says.
    fn reload(&self) -> (Option<i32>, String) {
        let out = halod(&["reload", "--dir"], &[self.records()]);
        let said = [&out.stdout[..], &out.stderr].concat();
        (out.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// The same, which has to work.
    fn reloaded(&self, text: &str) -> String {
        self.write(text);
        let (code, said) = self.reload();
        assert_eq!(code, Some(0), "{said}\n{}", self.halod.log());
        said
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.halod.ask("/status").unwrap().1).unwrap()
    }
}

/// The content of a tool call's record, by the number of its span.
fn summary(dir: &Path, tenant: &str) -> String {
    serde_json::to_string(&of_tenant(dir, Some(tenant))).unwrap()
}

#[test]
fn each_kind_of_setting_is_taken_over() {
    let place = Place::start("");
    place.halod.export(&request(Some("acme"), vec![span(0x41, 1)]));
    assert!(summary(&place.records(), "acme").contains("A-1042"));

    // Redaction.
    let rules = "redaction: { patterns: [{ name: order, regex: 'A-[0-9]{4}' }] }\n";
    assert!(place.reloaded(rules).contains("changed: redaction"));
    place.halod.export(&request(Some("beta"), vec![span(0x42, 1)]));
    assert!(!summary(&place.records(), "beta").contains("A-1042"));

    // Limits.
    let limits = "limits: { per_tenant: { records_per_second: 1 } }\n";
    assert!(place.reloaded(&format!("{rules}{limits}")).contains("changed: limits"));
    let many = request(Some("gamma"), (0..50).map(|n| span(0x43, n)).collect());
    let answer = place.halod.connect().export(&many).unwrap();
    assert_eq!(answer.status, 429, "{}", answer.text());

    // Identities.
    let identities = place.dir.path().join("identities");
    std::fs::write(&identities, "hooks uid=7 tenants=acme\n").unwrap();
    let auth = format!("auth: {{ file: {} }}\n", identities.display());
    assert!(place.reloaded(&auth).contains("auth"));
    let answer = place.halod.connect().export(&request(Some("acme"), vec![span(0x44, 1)])).unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text());

    // A followed log.
    let log = place.dir.path().join("access.log");
    let line =
        r#"127.0.0.1 - - [30/Nov/2026:10:00:00 +0000] "POST /v1/chat/completions HTTP/1.1" 200 12 "-" "x""#;
    std::fs::write(&log, format!("{line}\n")).unwrap();
    let logs = format!(
        "receivers: {{ file_log: {{ include: ['{}'], tenant: {{ value: logs }} }} }}\n",
        log.display()
    );
    assert!(place.reloaded(&logs).contains("receivers.file_log"));
    wait_until("the line is sealed", LIMIT, || place.records().join("logs.jsonl").exists());

    assert!(place.halod.metric("halod_config_reloads_total", "outcome=\"applied\"") >= 4);
    let records = place.records();
    assert!(place.halod.terminate().success());
    assert_verified(&records);
}

#[test]
fn what_is_wrong_changes_nothing_and_is_told() {
    let place = Place::start("log: { level: info }\n");
    let (code, said) = place.reload();
    assert!(code == Some(0) && said.contains("as before"), "{said}");
    place.write("log: { level: loud }\nredaction: { patterns: [{ name: order, regex: 'A-[0-9]{4}' }] }\n");
    let (code, said) = place.reload();
    assert!(code == Some(1) && said.contains("h.yaml:1:15: log.level: must be one of"), "{said}");
    assert!(said.contains("stays as it was"), "{said}");
    place.halod.await_log("the configuration stays as it was");
    let problems = place.status()["configuration"]["problems"].clone();
    assert!(problems[0].as_str().unwrap().contains("log.level"), "{problems}");
    assert_eq!(place.halod.metric("halod_config_last_reload_successful", ""), 0);
    let out = halod(&["status", "--dir"], &[place.records()]);
    let page = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.code() == Some(1) && page.contains("! the configuration that was read last"),
        "{page}"
    );

    // What needs a restart is named, and nothing else is taken over with it.
    place.write("storage: { directory: /elsewhere }\nlog: { level: debug, format: text }\n");
    let (code, said) = place.reload();
    assert!(code == Some(1) && said.contains("log.format: a change of this needs a restart"), "{said}");
    place.halod.export(&request(Some("acme"), vec![span(0x45, 1)]));
    assert!(summary(&place.records(), "acme").contains("A-1042"));

    // A file that is not there, too; and then all is well again.
    std::fs::remove_file(place.dir.path().join("h.yaml")).unwrap();
    assert_eq!(place.reload().0, Some(1));
    place.write("log: { level: info }\n");
    assert_eq!(place.reload().0, Some(0));
    assert_eq!(place.halod.metric("halod_config_last_reload_successful", ""), 1);
    assert!(place.halod.terminate().success());
}

#[test]
fn the_level_alone_is_set_on_the_spot() {
    let place = Place::start("");
    let up = place.status()["pid"].clone();
    place.reloaded("log: { level: debug }\n");
    assert!(!place.halod.log().contains("another configuration: requests are finished first"));
    place.halod.connect().post("/v1/traces", &[("content-type", PROTOBUF)], b"\xff\xff").unwrap();
    place.halod.await_log("request refused");
    assert_eq!(place.status()["pid"], up);
    assert!(place.halod.terminate().success());
}

/// Nobody who sends while configurations come and go loses anything: each request is sealed, or its sender is told to send
/// it again, and does.
#[test]
fn nothing_is_lost_while_configurations_change() {
    let place = Place::start("");
    let (http, stop, sent) =
        (place.halod.http, Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..3_u32)
        .map(|family| {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || {
                let mut count = 0;
                while !stop.load(SeqCst) {
                    let body = request(Some("acme"), vec![span(0x50 + family, count)]);
                    // A connection that was drained is made anew, as every client does.
                    let answer =
                        crate::support::http::Http::connect(http).and_then(|mut door| door.export(&body));
                    if answer.is_ok_and(|answer| answer.status == 200) {
                        count += 1;
                        sent.fetch_add(1, SeqCst);
                    }
                }
                count
            })
        })
        .collect();
    for round in 0..4 {
        let before = sent.load(SeqCst);
        wait_until("they send", LIMIT, || sent.load(SeqCst) >= before + 5);
        let text = format!("receivers: {{ otlp: {{ join_wait: {round}00ms }} }}\n");
        place.write(&text);
        if round % 2 == 0 {
            assert_eq!(place.reload().0, Some(0), "{}", place.halod.log());
        } else {
            place.halod.signal(Signal::HUP);
        }
    }
    wait_until("all have been taken over", LIMIT, || {
        place.halod.metric("halod_config_reloads_total", "outcome=\"applied\"") == 4
    });
    stop.store(true, SeqCst);
    let counts: Vec<u64> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let records = place.records();
    assert!(place.halod.terminate().success());
    let keys = (0_u32..)
        .zip(&counts)
        .flat_map(|(family, count)| (0..*count).map(move |n| key(&span(0x50 + family, n))));
    assert_exactly(&records, keys);
    assert_verified(&records);
}

#[test]
fn the_environment_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("named.yaml");
    std::fs::write(&file, "log: { level: loud }\n").unwrap();
    let of = |arguments: &[&str]| {
        let out = Command::new(BINARY).args(arguments).env("HALOD_CONFIG", &file).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned())
    };
    for verb in [&["validate", "--offline"][..], &["run"], &["config", "print"]] {
        let (code, said) = of(verb);
        assert!(code == Some(2) && said.contains("named.yaml:1:15: log.level"), "{verb:?}: {said}");
    }
    let (code, said) = of(&["demo"]);
    assert_eq!(code, Some(0), "{said}");
}
