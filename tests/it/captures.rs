//! What real clients sent, replayed to a real halod: all of it is sealed, readable to verifiers, and
//! tells no secret. The captures are the adapters' examples, whose counts their own tests hold against
//! what the programs did.

use crate::support::chains::{assert_verified, files, halo_verify};
use crate::support::halod::{Halod, halod_verify};
use crate::support::root;
use std::path::{Path, PathBuf};

/// What the captured programs were told to hide.
const SECRETS: [&str; 5] =
    ["FAKE0000aaaa", "aaaabbbbccccdddd", "ddddeeeeffff", "1234567890\"", "zoe.mueller@example.com"];

fn captures(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("adapters/golden").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        !name.ends_with(".events.json") && !name.ends_with(".items.json")
    });
    files.sort();
    files
}

fn send(halod: &Halod, signal: &str, file: &Path) {
    let kind = if file.extension().is_some_and(|kind| kind == "json") { "json" } else { "x-protobuf" };
    let tenant = format!("{signal}-{}", file.file_stem().unwrap().to_str().unwrap());
    let body = std::fs::read(file).unwrap();
    let headers = [("content-type", format!("application/{kind}")), ("x-tenant-id", tenant)];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = halod.connect().post(&format!("/v1/{signal}"), &headers, &body).unwrap();
    assert_eq!(answer.status, 200, "{}: {}", file.display(), answer.text());
}

#[test]
fn every_capture_is_sealed_and_tells_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let (traces, logs) = (captures("otel"), captures("otel_logs"));
    assert!(traces.len() >= 40 && logs.len() >= 10, "{} and {}", traces.len(), logs.len());
    for round in 0..2 {
        let before = halod.sealed();
        traces.iter().for_each(|file| send(&halod, "traces", file));
        std::thread::scope(|scope| {
            // Logs may wait for spans that never come: all at once, or they would wait in turn.
            for file in &logs {
                scope.spawn(|| send(&halod, "logs", file));
            }
        });
        assert!(round == 0 || halod.sealed() == before, "sent again, something was sealed again");
    }
    let log = halod.log();
    assert!(halod.terminate().success());
    halod_verify(dir.path());
    assert_verified(dir.path());
    for file in files(dir.path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        for secret in SECRETS {
            let at = text
                .find(secret)
                .map(|at| text[at.saturating_sub(200)..].chars().take(300).collect::<String>());
            assert_eq!(at, None, "{}", file.display());
            assert!(!log.contains(secret));
        }
        let verdict = halo_verify(&file);
        assert!(!verdict.to_lowercase().contains("warning"), "{}: {verdict}", file.display());
        let notes =
            verdict.lines().filter(|line| line.contains("delegation") && !line.contains("link(s) resolve"));
        assert_eq!(notes.collect::<Vec<_>>(), [""; 0], "{}", file.display());
    }
}

#[test]
fn hash_only_keeps_no_text() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("halod.yaml");
    std::fs::write(&config, "records:\n  hash_only: true\n").unwrap();
    let chains = dir.path().join("records");
    let halod = Halod::start_with(&chains, &["--config", config.to_str().unwrap()]);
    send(&halod, "traces", &root().join("examples/captures/openai-agent.pb"));
    assert!(halod.terminate().success());
    assert_verified(&chains);
    for file in files(&chains) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(r#""input":{"hash":"sha256:"#) && text.contains(r#""type":"api_key""#));
        assert!(!text.contains("\"summary\"") && !text.contains("\"sample\""), "{text}");
    }
}
