//! A halod that follows logs, programs that write them, and what came of it.

use crate::support::chains::{files, records};
use crate::support::halod::Halod;
use crate::support::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const LIMIT: Duration = Duration::from_secs(60);

/// A directory for logs, one for records, and a configuration.
pub struct Fixture {
    pub place: tempfile::TempDir,
}

impl Fixture {
    /// With these receivers, as YAML; `LOGS` in it is the directory of the logs.
    pub fn new(receivers: &str) -> Self {
        let fixture = Self { place: tempfile::tempdir().unwrap() };
        fs::create_dir(fixture.logs()).unwrap();
        fixture.configure(receivers);
        fixture
    }

    pub fn configure(&self, receivers: &str) {
        let receivers = receivers.replace("LOGS", self.logs().to_str().unwrap());
        let text =
            format!("receivers:\n{receivers}\nstorage: {{ min_free_disk_mib: 0, journal_size_mib: 4 }}\n");
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.place.path().join("halod.yaml")
    }

    pub fn logs(&self) -> PathBuf {
        self.place.path().join("logs")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(name)
    }

    pub fn records(&self) -> PathBuf {
        self.place.path().join("records")
    }

    pub fn positions(&self) -> PathBuf {
        self.records().join(".halod/tail/positions.json")
    }

    pub fn start(&self) -> Halod {
        Halod::start_with(&self.records(), &["--config", self.config().to_str().unwrap()])
    }

    /// The same as a user who may not read everything, which needs root; the directories are opened up.
    pub fn start_as_nobody(&self) -> Halod {
        use std::os::unix::fs::{PermissionsExt, chown};
        const NOBODY: Option<u32> = Some(65534);
        fs::set_permissions(self.place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(self.records()).unwrap();
        chown(self.records(), NOBODY, NOBODY).expect("the test needs root");
        let other = "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"";
        Halod::start_limited(&self.records(), other, &["--config", self.config().to_str().unwrap()])
    }

    /// Every record there is.
    pub fn all(&self) -> Vec<Value> {
        if !self.records().exists() {
            return Vec::new();
        }
        files(&self.records()).iter().flat_map(|file| whole_records(file)).collect()
    }

    /// How often each number stands in the records of a log. Looks at the text alone: this is asked often.
    pub fn numbers(&self, log: &str) -> BTreeMap<u64, usize> {
        let file = format!("\"file\":\"{}\",", self.log(log).to_str().unwrap());
        let mut there = BTreeMap::new();
        let chains = if self.records().exists() { files(&self.records()) } else { Vec::new() };
        for chain in chains {
            let text = fs::read_to_string(chain).unwrap();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines().filter(|line| line.contains(&file)) {
                let Some((_, rest)) = line.split_once("\"bytes_out\":") else { continue };
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
                *there.entry(digits.parse().unwrap()).or_insert(0) += 1;
            }
        }
        there
    }

    /// Waits until the numbers up to `count` are there.
    pub fn await_numbers(&self, log: &str, count: u64) {
        let start = Instant::now();
        loop {
            let there = self.numbers(log);
            if there.len() as u64 >= count {
                return;
            }
            assert!(start.elapsed() < LIMIT, "{log}: {} of {count} lines within {LIMIT:?}", there.len());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Each of the numbers once, and no other.
    pub fn assert_once(&self, log: &str, expected: std::ops::Range<u64>) {
        let there = self.numbers(log);
        let twice: Vec<_> = there.iter().filter(|(_, n)| **n != 1).take(5).collect();
        assert!(twice.is_empty(), "{log}: more than once: {twice:?}");
        let missing: Vec<_> = expected.clone().filter(|n| !there.contains_key(n)).collect();
        assert!(
            missing.is_empty(),
            "{log}: {} missing: {:?}",
            missing.len(),
            &missing[..missing.len().min(9)]
        );
        assert_eq!(there.len() as u64, expected.end - expected.start, "{log}: others are there");
    }

    /// What halod says by itself of a log.
    pub fn said(&self, log: &str, kind: &str) -> Vec<Value> {
        let path = self.log(log);
        let ours = |record: &Value| {
            record["action"]["tool"] == *format!("halod.{kind}")
                && record["data"]["file"] == *path.to_str().unwrap()
        };
        self.all().into_iter().filter(ours).map(|record| record["data"].clone()).collect()
    }
}

/// The records of a chain that may be growing.
fn whole_records(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The line with a number, as the writer writes it.
pub fn line(n: u64) -> String {
    format!(
        "127.0.0.1 - - [22/Nov/2026:08:29:59 +0000] \"POST /v1/chat/completions HTTP/1.1\" 200 {n} \"-\" \"writer\"\n"
    )
}

pub fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(line).collect()
}

pub fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// A program that writes numbered lines.
pub struct Writer {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    pub fn start(path: &Path, first: u64, count: u64, pause_ms: u64, halves: bool) -> Self {
        let mut command = Command::new("python3");
        command.arg(root().join("tests/clients/log_writer.py")).arg(path);
        command.args([first, count, pause_ms].map(|n| n.to_string()));
        if halves {
            command.arg("halves");
        }
        let mut child =
            command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("the tests need python3");
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        said.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        Self { child, said }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it; how many lines it wrote.
    pub fn stop(mut self) -> u64 {
        use rustix::process::{Pid, Signal, kill_process};
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let mut count = String::new();
        self.said.read_line(&mut count).unwrap();
        self.child.wait().unwrap();
        count.trim().parse().unwrap()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rotates by the real program, with these options for the file.
pub fn logrotate(place: &Path, log: &Path, options: &str) {
    install_logrotate();
    let config = place.join(format!("{}.rotate", log.file_name().unwrap().to_str().unwrap()));
    fs::write(&config, format!("{} {{\n  rotate 20\n  missingok\n{options}\n}}\n", log.display())).unwrap();
    let state = config.with_extension("state");
    let out = Command::new("/usr/sbin/logrotate")
        .args(["--force", "--state"])
        .arg(&state)
        .arg(&config)
        .output()
        .expect("run logrotate");
    assert!(out.status.success(), "logrotate: {}", String::from_utf8_lossy(&out.stderr));
}

/// From the distribution, once for all tests.
fn install_logrotate() {
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logrotate.lock");
    let lock = File::create(lock).unwrap();
    lock.lock().unwrap();
    if Path::new("/usr/sbin/logrotate").exists() {
        return;
    }
    let needs = "the tests need logrotate, or root and a package archive to install it from";
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", "logrotate"]] {
        let out = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .unwrap_or_else(|error| panic!("apt-get: {error}; {needs}"));
        assert!(
            out.status.success(),
            "apt-get {arguments:?}: {}; {needs}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    assert!(Path::new("/usr/sbin/logrotate").exists(), "{needs}");
}

/// Only for its side effect: nothing else may be said of these chains.
pub fn assert_intact(fixture: &Fixture) {
    for file in files(&fixture.records()) {
        assert!(!records(&file).is_empty());
    }
    crate::support::chains::assert_verified(&fixture.records());
}
