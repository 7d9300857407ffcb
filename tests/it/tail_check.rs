//! `halod tail --check`: what a log's lines would become, without sealing any.

use crate::support::halod::halod;
use crate::support::root;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    root().join("adapters/golden/gateway").join(name)
}

fn check(file: &Path, more: &[&str]) -> (i32, String) {
    let out = halod(&[&["tail"], more, &["--check"]].concat(), &[file.to_owned()]);
    let text = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (out.status.code().unwrap(), text.replace(file.to_str().unwrap(), "FILE"))
}

#[test]
fn ten_lines_and_the_totals_are_shown() {
    let (code, said) = check(&golden("combined-hostile.log"), &[]);
    let expected = r#"FILE: format combined (by its lines)

  line  status  outcome  action                     model  principal                         path
  1     200     ok       http:/v1/chat/completions  -      alice                             /v1/chat/completions
  2     401     denied   http:/v1/messages          -      Alice B. Carol                    /v1/messages
  3     200     ok       http:/v1/responses         -      x [01/Jan/2020:00:00:00 +0000] y  /v1/responses
  4     filtered: a malformed request is no agent's by the rules
  8     0       error    http:/v1/chat/completions  -      -                                 /v1/chat/completions
  10    rejected: status: not three digits
  12    rejected: bytes: not a number
  13    rejected: request: the line ends inside of it
  14    rejected: no time in brackets with a quoted request after it
  15    no request

22 lines: 12 records, 3 filtered, 6 rejected, 1 no requests
  filtered      3  a malformed request
  rejected      2  no time in brackets with a quoted request after it
  rejected      2  status: not three digits
  rejected      1  bytes: not a number
  rejected      1  request: the line ends inside of it
"#;
    assert_eq!(said, expected);
    assert_eq!(code, 1);
}

#[test]
fn a_file_is_read_to_its_end_packed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let request = |n: usize| {
        format!(
            "10.0.0.{} - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages?key=sk-proj-FAKE{n:020} HTTP/1.1\" 200 5\n",
            n % 200
        )
    };
    let mut text: String = (0..5000).map(request).collect();
    text.push_str("10.0.0.1 - - [22/Nov/2026:08:29:52 +0000] \"GET /favicon.ico HTTP/1.1\" 404 5\n");
    // The daemon cuts at as much; and no newline at the end.
    text.push_str(&format!(
        "10.0.0.1 - - [22/Nov/2026:08:29:52 +0000] \"GET /v1/messages/{}",
        "x".repeat(2 << 20)
    ));
    let (plain, packed) = (dir.path().join("access.log"), dir.path().join("access.log.1.gz"));
    std::fs::write(&plain, &text).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    std::fs::write(&packed, gzip.finish().unwrap()).unwrap();
    for file in [plain, packed] {
        let (code, said) = check(&file, &["--json"]);
        let told: Value = serde_json::from_str(&said).unwrap();
        let count = |key: &str| told[key].as_u64().unwrap();
        assert_eq!(
            ["lines", "records", "filtered", "rejected", "cut"].map(count),
            [5002, 5000, 1, 1, 1],
            "{said}"
        );
        assert_eq!(told["filtered_requests"], serde_json::json!([["GET /favicon.ico", 1]]));
        assert_eq!(told["rejected_because"], serde_json::json!([["request: the line ends inside of it", 1]]));
        assert_eq!(told["shown"].as_array().unwrap().len(), 10);
        assert!(code == 1 && !said.contains("FAKE"), "{said}");
        let (_, said) = check(&file, &["--json", "--all"]);
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&told["records"], &told["filtered"]), (&5001.into(), &0.into()));
    }
}

#[test]
fn exit_codes_tell_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = write("good.log", "a - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages HTTP/1.1\" 200 5\n");
    let none = write("none.log", "a - - [22/Nov/2026:08:29:52 +0000] \"GET / HTTP/1.1\" 200 5\n");
    let odd = write("odd.log", "what is this\n");
    assert_eq!(check(&good, &[]).0, 0);
    assert_eq!(check(&none, &[]).0, 3);
    let (code, said) = check(&odd, &[]);
    assert!(code == 2 && said.contains("name one with --format"), "{said}");
    let (code, said) = check(&odd, &["--format", "envoy"]);
    assert!(code == 1 && said.contains("format envoy (as asked for)"), "{said}");
    let (code, said) = check(&good, &["--format", "regex"]);
    assert!(code == 2 && said.contains("one of combined, nginx"), "{said}");
    let (code, said) = check(&dir.path().join("missing"), &[]);
    assert!(code == 2 && said.contains("can't be read"), "{said}");
    assert_eq!(check(dir.path(), &[]).0, 2);
}
