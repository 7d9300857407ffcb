//! The real binary as a real process on free loopback ports.

use super::http::Http;
use super::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_halod");

/// Long enough for a debug build to replay its journal on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running daemon; killed when dropped.
pub struct Halod {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

impl Halod {
    /// Starts on `dir` and waits until it is ready.
    pub fn start(dir: &Path) -> Self {
        Self::launch(Command::new(BINARY), dir, &[])
    }

    /// The same with further arguments.
    pub fn start_with(dir: &Path, arguments: &[&str]) -> Self {
        Self::launch(Command::new(BINARY), dir, arguments)
    }

    /// Starts under limits of the shell: `limits` is shell text run before the daemon takes over.
    pub fn start_limited(dir: &Path, limits: &str, arguments: &[&str]) -> Self {
        Self::launch(limited(limits), dir, arguments)
    }

    /// The same, waiting only until its doors are open.
    ///
    /// # Errors
    /// It ended instead: how, and what it logged.
    pub fn open_limited(dir: &Path, limits: &str, arguments: &[&str]) -> Result<Self, String> {
        let mut halod = Self::spawn(limited(limits), dir, arguments);
        halod.try_start(|_| true).map(|()| halod)
    }

    /// Starts where it can't be ready yet, and waits until its doors are open.
    pub fn start_unready(dir: &Path, arguments: &[&str]) -> Self {
        let mut halod = Self::spawn(Command::new(BINARY), dir, arguments);
        halod.await_start(|halod| halod.log().contains("not ready"));
        halod
    }

    /// Starts and kills `after` so long, ready or not.
    pub fn start_and_kill(dir: &Path, arguments: &[&str], after: Duration) {
        let mut command = Command::new(BINARY);
        run_arguments(&mut command, dir).args(arguments);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("start halod");
        std::thread::sleep(after);
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    fn launch(command: Command, dir: &Path, arguments: &[&str]) -> Self {
        let mut halod = Self::spawn(command, dir, arguments);
        halod.await_ready();
        halod
    }

    fn spawn(mut command: Command, dir: &Path, arguments: &[&str]) -> Self {
        run_arguments_beside(&mut command, dir, arguments).args(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env_remove("HALOD_LOG")
            .env_remove("HALOD_CONFIG")
            .spawn()
            .expect("start halod");
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(&mut child, &log);
        Self::begun(child, log)
    }

    fn begun(child: Child, log: Arc<Mutex<Vec<String>>>) -> Self {
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        Self { child, log, grpc: unbound, http: unbound, admin: unbound }
    }

    /// One that was started already, and logs to `log`, when it is ready.
    pub(super) fn of(child: Child, log: Arc<Mutex<Vec<String>>>) -> Self {
        let mut halod = Self::begun(child, log);
        halod.await_ready();
        halod
    }

    fn await_ready(&mut self) {
        self.await_start(|halod| halod.ready() == 200);
    }

    fn await_start(&mut self, is_up: impl Fn(&Self) -> bool) {
        if let Err(ended) = self.try_start(is_up) {
            panic!("{ended}");
        }
    }

    fn try_start(&mut self, is_up: impl Fn(&Self) -> bool) -> Result<(), String> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("halod ended at start: {status}\n{}", self.log()));
            }
            assert!(start.elapsed() < START, "halod is not up within {START:?}\n{}", self.log());
            if self.find_doors() && is_up(self) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The admin address stands in the log; the others are asked for there.
    fn find_doors(&mut self) -> bool {
        if self.admin.port() == 0 {
            let log = self.log.lock().unwrap();
            let Some(admin) = log.iter().find_map(|line| admin_address(line)) else { return false };
            self.admin = admin;
        }
        let Ok((code, status)) = self.ask("/status") else { return false };
        let said: Value = serde_json::from_str(&status).expect("status is JSON");
        let listening = if code == 401 {
            // Whoever has no credential reads it in the log.
            let log = self.log.lock().unwrap();
            let line =
                log.iter().find(|line| line.contains("\"admin\":")).expect("the admin address stood there");
            let line: Value = serde_json::from_str(line).expect("the log is JSON");
            serde_json::json!({ "otlp/grpc": line["grpc"], "otlp/http": line["http"] })
        } else {
            said["listening"].clone()
        };
        let door = |name: &str| {
            let address = listening[name].as_str();
            let address = address.unwrap_or_else(|| panic!("no {name} in {listening}"));
            // A Unix socket has no address of this kind; who asked for it knows where it is.
            address.parse().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
        };
        (self.grpc, self.http) = (door("otlp/grpc"), door("otlp/http"));
        true
    }

    /// A path of the admin port: status and body.
    pub fn ask(&self, path: &str) -> std::io::Result<(u16, String)> {
        let answer = Http::connect(self.admin)?.get(path)?;
        Ok((answer.status, answer.text()))
    }

    /// The status of `/readyz`; 0 when nothing answers.
    pub fn ready(&self) -> u16 {
        self.ask("/readyz").map_or(0, |(status, _)| status)
    }

    /// The sum of a metric's samples whose labels contain `labels`. There must be a family of this name.
    pub fn metric(&self, name: &str, labels: &str) -> u64 {
        self.metric_of(name, &[labels])
    }

    /// The sum of a metric's samples whose labels contain each of `labels`.
    pub fn metric_of(&self, name: &str, labels: &[&str]) -> u64 {
        let (_, text) = self.ask("/metrics").expect("metrics");
        let family = format!("# TYPE {name} ");
        // What is told of a chain, a scope or a tee is not there before there is one.
        let comes =
            ["halod_chain_", "halod_filtered_", "halod_tee_"].iter().any(|part| name.starts_with(part));
        assert!(comes || text.lines().any(|line| line.starts_with(&family)), "there is no metric {name}");
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let rest = series.strip_prefix(name)?;
            let ours = rest.is_empty() || rest.starts_with('{');
            (ours && labels.iter().all(|label| rest.contains(label)))
                .then(|| value.parse::<f64>().unwrap() as u64)
        };
        text.lines().filter_map(sample).sum()
    }

    /// Items of a receiver that were `received`, are `in_flight`, or ended so.
    pub fn items(&self, receiver: &str, outcome: &str) -> u64 {
        self.items_of(&format!("receiver=\"{receiver}\""), outcome)
    }

    /// The same, of the series that `labels` are in.
    pub fn items_of(&self, labels: &str, outcome: &str) -> u64 {
        match outcome {
            "received" => self.metric("halod_items_received_total", labels),
            "in_flight" => self.metric("halod_items_in_flight", labels),
            ended => self.metric_of("halod_items_total", &[labels, &format!("outcome=\"{ended}\"")]),
        }
    }

    /// Requests to a receiver that were `received`, are `in_flight`, or ended so.
    pub fn requests(&self, receiver: &str, outcome: &str) -> u64 {
        let receiver = format!("receiver=\"{receiver}\"");
        match outcome {
            "received" => self.metric("halod_requests_received_total", &receiver),
            "in_flight" => self.metric("halod_requests_in_flight", &receiver),
            ended => self.metric_of("halod_requests_total", &[&receiver, &format!("outcome=\"{ended}\"")]),
        }
    }

    pub fn sealed(&self) -> u64 {
        self.metric("halod_records_sealed_total", "")
    }

    pub fn duplicates(&self) -> u64 {
        self.metric("halod_records_duplicate_total", "")
    }

    pub fn connect(&self) -> Http {
        Http::connect(self.http).expect("connect")
    }

    /// Posts a protobuf trace export and demands success.
    pub fn export(&self, body: &[u8]) {
        let answer = self.connect().export(body).expect("export");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The largest resident set so far, in MiB.
    pub fn peak_memory_mib(&self) -> u64 {
        self.status_mib("VmHWM:")
    }

    /// What of the resident set are pages of files, in MiB: those of the program itself, which in a debug build are 30 and more. The
    /// kernel can drop them at any time.
    pub fn file_memory_mib(&self) -> u64 {
        self.status_mib("RssFile:")
    }

    /// The largest resident set so far, in MiB, if it runs.
    pub fn peak_memory(&self) -> Option<u64> {
        self.status_of("VmHWM:")
    }

    /// The resident set, in MiB.
    pub fn memory_mib(&self) -> u64 {
        self.status_mib("VmRSS:")
    }

    fn status_mib(&self, field: &str) -> u64 {
        self.status_of(field).expect("a field of the status")
    }

    /// A dead process has no such fields.
    fn status_of(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with(field))?;
        Some(line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024)
    }

    pub fn alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal");
    }

    /// SIGKILL; gone when this returns.
    pub fn kill9(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// SIGTERM, then what [`Self::wait`] does.
    pub fn terminate(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for the process to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.wait_within(Duration::from_secs(60))
    }

    pub fn wait_within(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        wait_until("halod ends", limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Waits until it has logged a line that says this: its lines are read by a thread of their own.
    pub fn await_log(&self, words: &str) {
        let start = Instant::now();
        while !self.log().contains(words) {
            assert!(start.elapsed() < Duration::from_secs(20), "not logged: {words}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for Halod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("halod's log:\n{}", self.log());
        }
    }
}

/// halod under limits of the shell.
fn limited(limits: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(BINARY);
    shell
}

/// A configuration file, in a directory that lives as long as it is held.
pub fn configured(min_free_mib: u32, journal_mib: u32) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("halod.yaml");
    let text = format!("storage:\n  min_free_disk_mib: {min_free_mib}\n  journal_size_mib: {journal_mib}\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (dir, file)
}

/// `halod run` on `dir` and free ports.
pub fn run_arguments<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    run_arguments_beside(command, dir, &[])
}

/// The same, where `arguments` do not choose the door themselves.
fn run_arguments_beside<'a>(command: &'a mut Command, dir: &Path, arguments: &[&str]) -> &'a mut Command {
    command.arg("run").arg("--dir").arg(dir);
    for door in ["--grpc", "--http", "--admin"] {
        if !arguments.contains(&door) {
            command.args([door, "127.0.0.1:0"]);
        }
    }
    command
}

/// Any other verb, to its end.
pub fn halod(arguments: &[&str], paths: &[PathBuf]) -> Output {
    let mut halod = Command::new(BINARY);
    halod.args(arguments).args(paths).env_remove("HALOD_CONFIG").stdin(Stdio::null());
    halod.output().expect("run halod")
}

/// `halod verify DIR`: exit status 0.
pub fn halod_verify(dir: &Path) {
    let out = halod(&["verify"], &[dir.to_owned()]);
    assert!(
        out.status.success(),
        "halod verify {}: {}\n{}{}",
        dir.display(),
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

fn admin_address(line: &str) -> Option<SocketAddr> {
    let event: Value = serde_json::from_str(line).ok()?;
    event.get("admin")?.as_str()?.parse().ok()
}

/// Reads on until the process ends, so that it never waits for its log.
fn collect(child: &mut Child, log: &Arc<Mutex<Vec<String>>>) {
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    });
}
