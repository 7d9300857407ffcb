//! `halod tail --check`: what a log's lines would become, without sealing any.

use crate::support::chains::files;
use crate::support::halod::{Halod, halod};
use crate::support::{root, wait_until};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    fs::write(&plain, &text).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    fs::write(&packed, gzip.finish().unwrap()).unwrap();
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
        fs::write(&path, text).unwrap();
        path
    };
    let good = write("good.log", "a - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages HTTP/1.1\" 200 5\n");
    let none = write("none.log", "a - - [22/Nov/2026:08:29:52 +0000] \"GET / HTTP/1.1\" 200 5\n");
    let odd = write("odd.log", "what is this\n");
    assert_eq!(check(&good, &[]).0, 0);
    assert_eq!(check(&none, &[]).0, 3);
    let unread = write(
        "unread.log",
        r#"{"remote_addr":"10.0.0.1","request":"POST /v1/messages HTTP/1.1","status":200,"time":"today","rt":"long"}"#,
    );
    let (code, said) = check(&unread, &[]);
    assert!(code == 1 && said.contains("unread        1  time: the record lacks it"), "{said}");
    let told: Value = serde_json::from_str(&check(&unread, &["--json"]).1).unwrap();
    assert_eq!(told["unread_fields"], serde_json::json!([["duration", 1], ["time", 1]]));
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

/// A log of a regular expression, of which everything that a receiver can be told matters.
const OWN: &str = "receivers:
  file_log/own:
    include: ['DIR/*/own.log*']
    format: regex
    pattern: '^(?P<method>\\S+) (?P<path>\\S+) (?P<status>\\S+) (?P<principal>.*)'
    paths: [/ask]
    encoding: latin-1
    tenant: { path: 'DIR/{tenant}/own.log' }
    max_log_size: 256
    poll_interval: 50ms
  file_log/objects:
    include: ['DIR/acme/*.json']
    exclude: ['DIR/acme/not*']
    format: json
    fields: { path: http.target, status: http.code }
    all: true
    tenant: { value: initech }
    poll_interval: 50ms
  file_log/other: { include: ['DIR/acme/*.json', 'DIR/none/*'], exclude: ['DIR/acme/[an]*'] }
records: { hash_only: true }
storage: { min_free_disk_mib: 0, journal_size_mib: 4 }
";

fn own(dir: &Path) -> [PathBuf; 3] {
    fs::create_dir(dir.join("acme")).unwrap();
    let at = |name: &str, bytes: &[u8]| {
        fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    };
    let long = format!("POST /ask 200 dave {}\n", "and so on ".repeat(100));
    let lines: [&[u8]; 5] = [
        b"POST /ask 200 Jos\xe9\n",
        b"GET /other 200 bob\n",
        b"no match\n",
        long.as_bytes(),
        b"POST /ask 500 carol\n",
    ];
    let objects = br#"{"http":{"target":"/v1/x?q=1","code":200}}
{"http":{"target":"/y","code":403}}
"#;
    let config = OWN.replace("DIR", dir.to_str().unwrap());
    [at("acme/own.log", &lines.concat()), at("acme/a.json", objects), at("halod.yaml", config.as_bytes())]
}

/// Without what only a place in a chain gives a record.
fn content(mut record: Value) -> String {
    for own in ["integrity", "ts", "record_id", "parent_id"] {
        record.as_object_mut().unwrap().remove(own);
    }
    record.to_string()
}

#[test]
fn with_a_configuration_it_shows_what_the_daemon_seals() {
    let place = tempfile::tempdir().unwrap();
    let [log, objects, config] = own(place.path());
    let config = config.to_str().unwrap();
    let dir = place.path().join("records");
    let halod = Halod::start_with(&dir, &["--config", config]);
    let items = |outcome: &str| halod.items("file_log", outcome);
    wait_until("every line is read", Duration::from_secs(60), || items("received") >= 7);
    let counted = ["filtered", "rejected"].map(items);
    assert!(halod.terminate().success());
    let sealed = |file: &Path| {
        let text = files(&dir).iter().map(|chain| fs::read_to_string(chain).unwrap()).collect::<String>();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ours = all.filter(|record| record["data"]["file"] == *file.to_str().unwrap());
        let mut ours: Vec<String> =
            ours.filter(|record| record["source"]["adapter"] == "gateway").map(content).collect();
        ours.sort();
        ours
    };
    let checked = |file: &Path| {
        let (_, said) = check(file, &["--json", "--config", config]);
        let said = said.replace("FILE", file.to_str().unwrap());
        serde_json::from_str::<Value>(&said).unwrap()
    };
    for (file, records) in [(&log, 3), (&objects, 2)] {
        let told = checked(file);
        let shown = told["shown"].as_array().unwrap().iter().filter(|shown| shown["record"].is_object());
        let mut shown: Vec<String> = shown.map(|shown| content(shown["record"].clone())).collect();
        shown.sort();
        assert_eq!(shown, sealed(file));
        assert_eq!((shown.len(), &told["records"]), (records, &records.into()), "{told}");
    }
    let told = checked(&log);
    let counts = ["filtered", "rejected", "cut"].map(|key| told[key].as_u64().unwrap());
    assert_eq!(counts, [counted[0], counted[1], 1], "{told}");
    assert_eq!(told["receiver"], "file_log/own");
}

#[test]
fn the_tenant_of_each_line_is_shown_where_there_is_a_rule() {
    let place = tempfile::tempdir().unwrap();
    let [log, _, config] = own(place.path());
    let (code, said) = check(&log, &["--config", config.to_str().unwrap()]);
    // However wide the columns are.
    let cells = |line: &str| {
        line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join("  ")
    };
    let said = said.replace(&"and so on ".repeat(23), "");
    let said: String = said.lines().map(|line| cells(line) + "\n").collect();
    let expected = r#"FILE: receiver file_log/own, format regex (as configured)

line  tenant  status  outcome  action  model  principal  path
1  acme  200  ok  http:/ask  -  José  /ask
2  filtered: GET /other is no agent's by the rules
3  rejected: the expression does not match
4  acme  200  ok  http:/ask  -  dave and so  /ask
5  acme  500  error  http:/ask  -  carol  /ask

5 lines: 3 records, 1 filtered, 1 rejected, 0 no requests
filtered  1  GET /other
rejected  1  the expression does not match
1 lines are longer than 256 bytes and were cut
"#;
    assert_eq!((code, said), (1, expected.to_owned()));
}

#[test]
fn the_receiver_that_follows_the_file_is_found_or_chosen() {
    let place = tempfile::tempdir().unwrap();
    let [log, objects, config] = own(place.path());
    let config = config.to_str().unwrap();
    let in_acme = |name: &str| {
        let path = log.parent().unwrap().join(name);
        fs::copy(&objects, &path).unwrap();
        path
    };
    let (both, none, rotated) = (in_acme("b.json"), in_acme("not.json"), in_acme("own.log.1"));
    let (code, said) = check(&both, &["--config", config]);
    assert!(code == 2 && said.contains("several receivers of"), "{said}");
    assert!(said.contains("with --receiver: file_log/objects, file_log/other\n"), "{said}");
    let (code, said) = check(&none, &["--config", config]);
    assert!(code == 2 && said.contains("no receiver of"), "{said}");
    assert!(said.contains("with --receiver: file_log/own, file_log/objects, file_log/other\n"), "{said}");
    let receiver = |file: &Path, name: &str| check(file, &["--config", config, "--receiver", name]);
    let (code, said) = receiver(&none, "file_log/objects");
    assert!(code == 0 && said.contains("receiver file_log/objects, format json (as configured)"), "{said}");
    assert!(said.contains("  initech  403 "), "{said}");
    let (code, said) = receiver(&both, "file_log/other");
    assert!(code == 2 && said.contains("is of a format that halod knows"), "{said}");
    let (code, said) = receiver(&both, "file_log");
    assert!(code == 2 && said.contains("no receiver `file_log` in it; those are file_log/own, "), "{said}");
    let (code, said) = check(&rotated, &["--config", config]);
    assert!(code == 1 && said.contains("receiver file_log/own, "), "{said}");
    // However the file is called: the receiver has it by its own path, which names the tenant.
    let link = place.path().join("link.log");
    std::os::unix::fs::symlink(&log, &link).unwrap();
    let (_, said) = check(&link, &["--config", config]);
    assert!(said.contains("  1     acme  "), "{said}");
    for odd in [&["--receiver", "file_log/own"][..], &["--config", config, "--all"]] {
        assert_eq!(check(&log, odd).0, 2, "{odd:?}");
    }
    let empty = place.path().join("empty.yaml");
    fs::write(&empty, "receivers:\n").unwrap();
    let (code, said) = check(&log, &["--config", empty.to_str().unwrap()]);
    assert!(code == 2 && said.contains("no receivers.file_log in it includes a file"), "{said}");
    fs::write(&empty, "receivers: { file_log: { includes: [] } }\n").unwrap();
    let (code, said) = check(&log, &["--config", empty.to_str().unwrap()]);
    assert!(code == 2 && said.contains("did you mean `include`?"), "{said}");
}
