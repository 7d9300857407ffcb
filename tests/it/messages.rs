//! What halod says to whoever made a mistake: what is wrong, where, and what to do.

use crate::support::clients::python;
use crate::support::halod::{BINARY, Halod, halod};
use crate::support::http::PROTOBUF;
use crate::support::root;
use crate::support::spans::{request, span};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Exit code, standard output and standard error.
fn told(out: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    told(&halod(arguments, &[]))
}

/// The same with a text on standard input.
fn fed(arguments: &[&str], text: &[u8]) -> (Option<i32>, String, String) {
    let mut halod = Command::new(BINARY);
    halod.args(arguments).env_remove("HALOD_CONFIG");
    let mut halod =
        halod.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    halod.stdin.take().unwrap().write_all(text).unwrap();
    told(&halod.wait_with_output().unwrap())
}

/// A configuration in a directory of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What validate says of a file, on free ports.
    fn validate(&self, text: &[u8], more: &[&str]) -> (Option<i32>, String) {
        let file = self.path("h.yaml");
        std::fs::write(&file, text).unwrap();
        let dir = self.path("records");
        let ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let own = ["validate", "--config", file.to_str().unwrap(), "--dir", dir.to_str().unwrap()];
        let (code, out, err) = run(&[&own, &ports[..], more].concat());
        (code, out + &err)
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_told_with_its_cause() {
    let place = Place::new();
    let file = place.path("file");
    std::fs::write(&file, "").unwrap();
    let ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    for (dir, expected) in [
        (file.to_str().unwrap(), "file is not a directory"),
        ("/proc/halod", "/proc is on a file system of the kernel's own, which keeps no files"),
    ] {
        for verb in ["run", "validate"] {
            let (code, out, err) = run(&[&[verb, "--dir", dir], &ports[..]].concat());
            assert!(code == Some(2) && (out + &err).contains(expected), "{verb} {dir}: {err}");
            assert!(!err.contains("write access"), "{err}");
        }
    }
}

#[test]
fn what_is_wrong_in_a_file_is_told_at_its_line() {
    let place = Place::new();
    std::fs::write(place.path("ca.pem"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
        .unwrap();
    let ca = place.path("ca.pem").display().to_string();
    let tee =
        format!("receivers:\n  otlp:\n    tee:\n      endpoint: https://x.example\n      ca_file: {ca}\n");
    for (text, expected) in [
        ("log:\n---\nlog:\n", "h.yaml:2:1: more than one YAML document"),
        (
            "receivers:\n  file_log:\n    include: [a]\n    format: regex\n",
            "h.yaml:4:13: receivers.file_log.pattern: is missing",
        ),
        (
            "receivers:\n  import:\n    include: [a]\n    formats: { '*': langfuze }\n",
            "did you mean `langfuse`?",
        ),
        (&*tee, "h.yaml:5:16: receivers.otlp.tee.ca_file: "),
    ] {
        let (code, said) = place.validate(text.as_bytes(), &[]);
        assert!(code == Some(2) && said.contains(expected), "{text}: {said}");
        assert!(!said.contains("from_str_multiple"), "{said}");
    }
    let (code, said) = place.validate(b"log:\n  level: inf\xff\n", &[]);
    assert!(code == Some(2) && said.contains("h.yaml:2:13: not UTF-8: the byte 0xff"), "{said}");
}

#[test]
fn validate_warns_of_what_a_start_would_pass_over() {
    let place = Place::new();
    let log = place.path("access.log");
    std::fs::write(&log, "x\n").unwrap();
    let (log, dir) = (log.display(), place.0.path().display().to_string());
    let text = format!(
        "receivers:\n  file_log/a:\n    include: ['{dir}/none-*.log', '{log}']\n  file_log/b:\n    include: ['{dir}/acc*.log']\n\
         checkpoint:\n  origin: $ORIGIN\n"
    );
    let (code, said) = place.validate(text.as_bytes(), &[]);
    assert_eq!(code, Some(0), "{said}");
    for expected in [
        "receivers.file_log/a.include: `",
        "none-*.log` fits no file now",
        "access.log is followed by file_log/a as well",
        "line 7: checkpoint.origin: `$ORIGIN` stays as it is written; for the environment variable write ${env:ORIGIN}",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let (code, said) = place.validate(text.as_bytes(), &["--offline"]);
    assert!(code == Some(0) && said.contains("the file alone") && !said.contains("fits no file"), "{said}");
}

/// Chains of two tenants.
fn sealed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    halod.export(&request(Some("acme"), vec![span(0x31, 0), span(0x31, 1)]));
    halod.export(&request(Some("beta"), vec![span(0x32, 0)]));
    assert!(halod.terminate().success());
    dir
}

#[test]
fn verify_counts_and_reads_standard_input() {
    let dir = sealed();
    let (code, out, _) = run(&["verify", dir.path().to_str().unwrap()]);
    assert!(code == Some(0) && out.contains("total: 2 chains, 3 records; intact: 2, broken: 0"), "{out}");
    let empty = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&["verify", empty.path().to_str().unwrap()]);
    assert!(code == Some(3) && err.contains("no chains: there is no *.jsonl file in it"), "{err}");

    // A chain that says nothing wrong, and names a parent that is elsewhere.
    let file = dir.path().join("acme.jsonl");
    let chain = std::fs::read(&file).unwrap();
    for path in ["-", "/dev/stdin"] {
        let (code, out, err) = fed(&["verify", path], &chain);
        assert!(code == Some(0) && out.contains("OK: 2 records"), "{path}: {out}{err}");
    }
    let orphan = dir.path().join("orphan.jsonl");
    orphaned(&orphan);
    let (code, out, _) = run(&["verify", orphan.to_str().unwrap()]);
    assert!(
        code == Some(0) && out.contains("; 1 note, which --notes shows") && !out.contains("line 1"),
        "{out}"
    );
    let (_, out, _) = fed(&["verify", "--notes", "-"], &std::fs::read(&orphan).unwrap());
    assert!(out.contains("parent_id \"0000") && !out.contains("parent_id parent_id"), "{out}");
}

/// A chain of the reference's with a parent that no record of it has.
fn orphaned(path: &Path) {
    let out =
        python().script(&root().join("tests/clients/orphan.py"), &[path.to_str().unwrap()]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn verbs_take_standard_input_as_a_dash() {
    let dir = sealed();
    let hash = run(&["hash", "{\"a\":1}"]).1;
    assert_eq!(fed(&["hash", "-"], b"{\"a\":1}").1, hash);
    let (code, out, err) = run(&["hash", "-1e+300"]);
    assert!(code == Some(0) && out.starts_with("sha256:"), "{err}");
    let body = request(Some("acme"), vec![span(0x33, 1)]);
    let (code, out, err) = fed(&["explain", "-"], &body);
    assert!(code == Some(0) && out.contains("execute_tool lookup_order"), "{err}");
    let chain = std::fs::read(dir.path().join("acme.jsonl")).unwrap();
    assert_eq!(fed(&["explain", "-"], &chain).0, Some(0));
    let (code, out, err) = fed(&["validate", "--offline", "--config", "-"], b"log: { level: debug }\n");
    assert!(code == Some(0) && out.starts_with("valid: "), "{err}");
    let (code, _, err) = fed(&["validate", "--config", "-"], b"log: { level: loud }\n");
    assert!(code == Some(2) && err.contains("-:1:15: log.level: must be one of"), "{err}");
}

#[test]
fn a_loss_names_receiver_reason_chain_and_sender() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("halod.yaml");
    std::fs::write(&file, "receivers: { gap_interval: 1s }\n").unwrap();
    let halod = Halod::start_with(&dir.path().join("records"), &["--config", file.to_str().unwrap()]);
    let headers = [("content-type", PROTOBUF), ("x-tenant-id", "acme")];
    let answer = halod.connect().post("/v1/traces", &headers, b"\xff\xff\xff").unwrap();
    assert_eq!(answer.status, 400);
    halod.await_log("telemetry was refused and is lost");
    let log = halod.log();
    let line = log.lines().find(|line| line.contains("is lost; the chain says so")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["why"], &line["chain"]), (&"otlp: undecodable (1)".into(), &"acme".into()), "{line}");
    assert_eq!(line["senders"], "127.0.0.1", "{line}");
    assert!(log.contains("lines of the log are JSON, as standard error is no terminal"), "{log}");
}

#[test]
fn the_example_says_nothing_was_sealed_where_nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = root().join("examples/python_exporter.py");
    let out = python().script(&script, &[&format!("http://{free}")]).output().unwrap();
    let (code, out, err) = told(&out);
    assert!(code == Some(1) && err.contains("not sealed") && !out.contains("sealed"), "{out}{err}");
}
