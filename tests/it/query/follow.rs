//! Records are shown as they are sealed.

use crate::support::halod::{BINARY, Halod};
use crate::support::{spans, wait_until};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// `halod query --follow`, and what it printed so far.
struct Following {
    child: Child,
    out: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<String>>>,
}

fn lines(from: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&lines);
    std::thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).for_each(|line| own.lock().unwrap().push(line));
    });
    lines
}

impl Following {
    fn start(arguments: &[&str], path: &Path) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["query", "--follow", "--json"]).args(arguments).arg(path);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, told) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, told }
    }

    fn records(&self) -> Vec<Value> {
        self.out.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn await_records(&self, count: usize) {
        wait_until(&format!("{count} records are shown"), SOON, || self.out.lock().unwrap().len() >= count);
        assert_eq!(self.out.lock().unwrap().len(), count);
    }

    fn await_told(&self, words: &str) {
        wait_until(words, SOON, || self.told.lock().unwrap().iter().any(|line| line.contains(words)));
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn records_are_shown_while_the_daemon_seals_them() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    halod.export(&spans::request(Some("acme"), (0..4).map(|n| spans::span(0xF0, n)).collect()));
    // Those that are there already are shown because a span of time is asked for.
    let all = Following::start(&["--sealed", "2020-01-01.."], dir.path());
    all.await_records(4);
    let tools = Following::start(&["--tool", "lookup_order", "--sealed", "2020-01-01.."], dir.path());
    tools.await_records(2);
    halod.export(&spans::request(Some("acme"), (4..8).map(|n| spans::span(0xF0, n)).collect()));
    all.await_records(8);
    // A chain that begins later is followed, too.
    halod.export(&spans::request(Some("initech"), (8..10).map(|n| spans::span(0xF0, n)).collect()));
    all.await_records(10);
    tools.await_records(5);
    assert!(halod.terminate().success());
    let records = all.records();
    let shown: Vec<u64> = records.iter().take(8).map(|record| record["line"].as_u64().unwrap()).collect();
    assert!(shown.into_iter().eq(1..=8), "{records:?}");
    assert_eq!(records[9]["tenant"], "initech");
    assert!(all.told.lock().unwrap().is_empty());
}

fn record(n: u32) -> String {
    format!(r#"{{"action":{{"tool":"t{n}"}},"integrity":{{"hash":"ab"}},"ts":"2026-10-05T00:00:{n:02}Z"}}"#)
}

fn tool(record: &Value) -> &str {
    record["record"]["action"]["tool"].as_str().unwrap()
}

#[test]
fn a_line_is_shown_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let append = |text: &str| {
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&format!("{}\n", record(1)));
    let following = Following::start(&["--happened", "2026-10-05"], &path);
    following.await_records(1);
    let (half, rest) = (record(2)[..20].to_owned(), record(2)[20..].to_owned());
    append(&half);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(following.records().len(), 1);
    append(&format!("{rest}\n{}\n", record(3)));
    following.await_records(3);
    // A line that stays torn is told, and what comes behind it is shown.
    append(&format!("{half}\n{}\n", record(4)));
    following.await_records(4);
    following.await_told("a: 1 lines from line 4 on are no complete records");
    let records = following.records();
    assert!(records.iter().map(tool).eq(["t1", "t2", "t3", "t4"]), "{records:?}");
    assert_eq!(records[3]["line"], 5);
}

#[test]
fn a_file_that_is_replaced_or_shorter_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    std::fs::write(&path, format!("{}\n{}\n", record(1), record(2))).unwrap();
    let following = Following::start(&["-n", "4"], dir.path());
    // What was there is not shown without a span of time: what comes is.
    std::thread::sleep(Duration::from_millis(800));
    std::fs::rename(&path, dir.path().join("a.jsonl.1")).unwrap();
    std::fs::write(dir.path().join("new"), format!("{}\n", record(3))).unwrap();
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    following.await_told("is another file than before");
    wait_until("the new one is shown", SOON, || {
        following.records().iter().any(|record| tool(record) == "t3")
    });
    std::fs::write(&path, "").unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    (4..8).for_each(|n| writeln!(file, "{}", record(n)).unwrap());
    let mut following = following;
    // It ends by itself when as many were shown as are wanted.
    let status = following.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    wait_until("four are shown", SOON, || following.records().len() >= 4);
    let records = following.records();
    assert!(records.len() == 4 && records[1..].iter().map(tool).eq(["t4", "t5", "t6"]), "{records:?}");
}
