//! What a reader of the README does: the two commands, the examples, one line in the environment.

use crate::support::chains::{assert_exactly, assert_verified, files, of_tenant};
use crate::support::clients::{npm, python, text_of};
use crate::support::halod::{BINARY, Halod, halod};
use crate::support::root;
use crate::support::spans::SpanKey;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The ids in the line that each example ends with.
fn said(text: &str) -> SpanKey {
    let line =
        text.lines().find_map(|l| l.strip_prefix("sealed: trace ")).unwrap_or_else(|| panic!("{text}"));
    let (trace, span) = line.split_once(", span ").unwrap();
    (trace.to_owned(), span.to_owned())
}

#[test]
fn every_example_seals_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let (grpc, http) = (format!("http://{}", halod.grpc), format!("http://{}", halod.http));
    let example = |name: &str| root().join("examples").join(name);
    let curl = Command::new("sh").arg(example("curl.sh")).arg(&http).output().expect("run sh");
    let python = python().script(&example("python_exporter.py"), &[&grpc]).output().expect("run python");
    let node = npm().run(&example("node_exporter.mjs"), &[PathBuf::from(&http)], &[]);
    let sent = [said(&text_of(curl, "curl.sh")), said(&text_of(python, "python_exporter.py")), said(&node)];
    assert!(halod.terminate().success());
    assert_exactly(dir.path(), sent);
    assert!(dir.path().join("acme-corp.jsonl").exists());
    assert_verified(dir.path());
}

/// The one line that the README gives to users of an OpenTelemetry SDK.
#[test]
fn the_environment_alone_points_an_sdk_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let script = root().join("tests/clients/by_environment.py");
    let sent = [("grpc", halod.grpc), ("http", halod.http)].map(|(protocol, door)| {
        let mut client = python().script(&script, &[protocol]);
        client.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{door}"));
        client.env("OTEL_RESOURCE_ATTRIBUTES", "tenant.id=acme-corp");
        said(&text_of(client.output().expect("run python"), protocol))
    });
    assert!(halod.terminate().success());
    assert_exactly(dir.path(), sent);
    assert_eq!(of_tenant(dir.path(), Some("acme-corp")).len(), 2);
    assert_verified(dir.path());
}

/// The README's first command: done within its ten seconds, and its chains are anybody's to check.
#[test]
fn the_demo_seals_and_shows_tampering() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let start = Instant::now();
    let out = text_of(halod(&["demo", "--keep"], std::slice::from_ref(&kept)), "halod demo");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(out.contains("FAIL: the hash chain breaks at line"), "{out}");
    assert!(out.contains("OTEL_EXPORTER_OTLP_ENDPOINT="), "{out}");
    assert_eq!(files(&kept).len(), 2);
    assert_verified(&kept);
}

/// The commands that the README gives for the transcripts of coding agents, in a home that has some.
#[test]
fn the_commands_for_transcripts_seal_them() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let copy = |case: &str, to: &str| {
        let to = home.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root().join("adapters/golden/transcript").join(case), to).unwrap();
    };
    copy("claude-code.agent.jsonl", ".claude/projects/-home-dev-acme/s.jsonl");
    copy("codex.live.jsonl", ".codex/sessions/2026/11/30/rollout-2026-11-30T09-10-19-s.jsonl");
    let path = Path::new(BINARY).parent().unwrap();
    for (command, sealed) in
        [("halod import claude-code ~/.claude/projects", 11), ("halod import codex ~/.codex/sessions", 5)]
    {
        assert!(readme.contains(&format!("`{command}`")), "{command}");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).current_dir(home.path()).env("HOME", home.path());
        shell.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
        let said = text_of(shell.output().unwrap(), command);
        assert!(said.contains(&format!("sealed {sealed} records")), "{said}");
    }
    assert_verified(&home.path().join("records"));
}

/// The README's second command is what CI runs, and the files that it points at exist.
#[test]
fn the_readme_is_true() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let test = "cargo test --workspace --locked";
    assert!(readme.contains(test) && ci.lines().any(|line| line == test));
    assert!(readme.contains("cargo run --release -- demo"));
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = link.split('#').next().unwrap();
        assert!(link.contains("://") || root().join(file).exists(), "README.md links to {link}");
    }
}
