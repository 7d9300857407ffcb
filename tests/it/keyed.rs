//! Hashes that nobody without the key can confirm (`redaction.key_file`), and what of halod's own work still holds.

use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::{BINARY, Halod};
use crate::support::http::JSON;
use crate::support::spans::{request, span};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("key", SECRET);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only its owner may read.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn start(&self, key: Option<&str>) -> Halod {
        let key = key.map(|name| format!("redaction: {{ key_file: '{}' }}\n", self.path(name).display()));
        let config = self.write(
            "halod.yaml",
            &format!("receivers: {{ hold: {{ wait: 1s }} }}\n{}", key.unwrap_or_default()),
        );
        Halod::start_with(&self.chains(), &["--config", &config])
    }

    fn chains(&self) -> PathBuf {
        self.path("records")
    }

    fn all(&self) -> Vec<Value> {
        files(&self.chains()).iter().flat_map(|file| records(file)).collect()
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let out = run(arguments);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// The way of each receiver that halod derives ids or marks from content for: spans, log records without an id of their
/// own, actions told in messages, records of the sender's own.
fn send(halod: &Halod) {
    halod.export(&request(Some("acme"), vec![span(1, 0), span(1, 1)]));
    let log = json!({ "resourceLogs": [{ "resource": { "attributes": [attribute("tenant.id", "acme")] }, "scopeLogs": [{ "logRecords": [{
        "timeUnixNano": "1760000000000000000", "eventName": "claude_code.tool_result",
        "attributes": [attribute("event.name", "tool_result"), attribute("tool_name", "Bash"), attribute("session.id", "s"),
            attribute("tool_input", "{\"command\":\"ls\"}"), attribute("success", "true")],
    }] }] }] });
    post(halod, "/v1/logs", &log, 200);
    let run = json!({ "id": "01a2024f-9552-774a-b546-000000000001", "run_type": "tool", "name": "find_order", "inputs": { "order": "B-7" },
        "start_time": "2026-11-22T08:11:39.730472+00:00", "extra": { "metadata": { "tenant": "acme" } } });
    post(halod, "/runs", &run, 202);
    let end = json!({ "post": [], "patch": [{ "id": "01a2024f-9552-774a-b546-000000000001", "end_time": "2026-11-22T08:11:40.5", "outputs": { "state": "shipped" } }] });
    post(halod, "/runs/batch", &end, 202);
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn post(halod: &Halod, path: &str, body: &Value, status: u16) {
    let answer = halod.connect().post(path, &[("content-type", JSON)], body.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
}

/// All that is in the records under `path`.
fn said(records: &[Value], path: &str) -> BTreeSet<String> {
    records.iter().filter_map(|record| record.pointer(path)?.as_str().map(str::to_owned)).collect()
}

const HASHES: [&str; 2] = ["/action/input/hash", "/outcome/hash"];

#[test]
fn who_has_the_key_of_a_tenant_can_confirm_what_was_said() {
    let place = Place::new();
    let halod = place.start(Some("key"));
    send(&halod);
    assert!(halod.terminate().success());
    let records = place.all();
    let hashes: BTreeSet<String> = HASHES.iter().flat_map(|path| said(&records, path)).collect();
    assert!(hashes.len() >= 4 && hashes.iter().all(|hash| hash.starts_with("hmac-sha256:")), "{hashes:?}");
    let hashed = |record: &&Value| HASHES.iter().any(|path| record.pointer(path).is_some());
    let keys = said(&records, "/data/hash_key");
    assert_eq!(keys.len(), 1, "one tenant has one key");
    assert!(records.iter().filter(hashed).all(|record| record["data"]["hash_key"].is_string()));
    let master = place.path("key").to_str().unwrap().to_owned();
    let key = printed(&["key", "--key-file", &master, "--tenant", "acme"]);
    let other = printed(&["key", "--key-file", &master]);
    let [file, others] = [place.write("acme.key", &format!("{key}\n")), place.write("local.key", &other)];
    let value = r#"{"order":"A-1042"}"#;
    assert!(hashes.contains(&printed(&["hash", value, "--key", &file])));
    assert!(
        !hashes.contains(&printed(&["hash", value, "--key", &others])),
        "another tenant's key confirms nothing"
    );
    assert!(!hashes.contains(&printed(&["hash", value])));
    assert_verified(&place.chains());
    // Nothing of the keys is anywhere in the directory.
    for secret in [SECRET, &key, &other] {
        assert!(!found(&place.chains(), secret), "a key is on disk");
    }
}

fn found(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let within = |bytes: Vec<u8>| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
        if path.is_dir() { found(&path, text) } else { fs::read(&path).is_ok_and(within) }
    })
}

/// Ids and marks that are made of content are others under a key, and tell nothing to who has none; those of spans are the
/// same, as a span's id is no secret.
#[test]
fn what_is_derived_from_content_is_keyed_too() {
    let ids = |key: Option<&str>| {
        let place = Place::new();
        let halod = place.start(key);
        send(&halod);
        assert!(halod.terminate().success());
        let of = |tool: &str| {
            let records = place.all();
            let record = records.iter().find(|record| record["action"]["tool"] == tool).unwrap();
            (record["record_id"].clone(), record["data"]["told"].clone())
        };
        [of("Bash"), of("find_order"), of("model.generate")]
    };
    let [plain, keyed] = [ids(None), ids(Some("key"))];
    assert_ne!(plain[0].0, keyed[0].0, "the id of a log record");
    assert_ne!(plain[1].1, keyed[1].1, "the marks of messages");
    assert_eq!(plain[2].0, keyed[2].0, "the id of a span");
}

/// What was sealed under a key, and comes again under it, without one or under another, is known.
#[test]
fn what_comes_again_is_known_under_any_key() {
    let place = Place::new();
    place.write("other", &SECRET.replace('0', "9"));
    let spans = |halod: Halod| {
        halod.export(&request(Some("acme"), vec![span(1, 0), span(1, 1)]));
        halod.terminate()
    };
    for key in [Some("key"), Some("key"), None, Some("other")] {
        let halod = place.start(key);
        if key == Some("key") {
            send(&halod);
        }
        assert!(spans(halod).success());
    }
    let records = place.all();
    assert!(!records.iter().any(|record| record["conflicts_with"].is_string()), "{records:#?}");
    assert_eq!(said(&records, "/record_id").len(), 4, "{records:#?}");
    assert_verified(&place.chains());
}

#[test]
fn a_file_that_is_no_key_is_refused_and_not_shown() {
    let place = Place::new();
    place.write("short", "hunter2-hunter2");
    place.write("open", SECRET);
    fs::set_permissions(place.path("open"), Permissions::from_mode(0o644)).unwrap();
    place.write("long", &"x".repeat(5000));
    for (name, words) in [
        ("short", "has at least 32 bytes, and this has 15"),
        ("open", "anybody may read or change it"),
        ("missing", "can't be read"),
        ("long", "more than 4096 bytes"),
        (".", "is no file"),
    ] {
        let file = place.path(name);
        let config = place.write("c.yaml", &format!("redaction: {{ key_file: '{}' }}\n", file.display()));
        let validated = run(&["validate", "--config", &config]);
        let printed = run(&["key", "--key-file", file.to_str().unwrap()]);
        for out in [validated, printed] {
            let told = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.code(), Some(2), "{name}");
            assert!(told.contains(words) && !told.contains("hunter2-"), "{name}: {told}");
        }
    }
    let no_key = place.write("no.key", "zz");
    let out = run(&["hash", "1", "--key", &no_key]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("not 64 hexadecimal digits"));
}
