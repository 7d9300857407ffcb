//! Who takes part: a log, `halod witness`, and witnesses that others wrote.

use crate::support::clients::{openssl, python, witness_log};
use crate::support::halod::BINARY;
use crate::support::http::{Answer, Http};
use crate::support::{root, wait_until};
use halod_evidence::Hash;
use halod_evidence::note::{Checkpoint, Kind, SignedNote, Signer, VerifierKey};
use halod_evidence::tree::{Edge, consistency, leaf};
use halod_evidence::witness::Request;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

pub const ORIGIN: &str = "halod.invalid/0011223344556677";

/// A log in memory, and another history of it from a leaf on.
pub struct Log {
    pub signer: Signer,
    of: HashMap<(u32, u64), Hash>,
}

impl Log {
    pub fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::with(Signer::new(ORIGIN, pkcs8.as_ref()).unwrap(), u64::MAX)
    }

    /// One whose key is `pkcs8`, and whose leaves are others from `turn` on.
    pub fn with(signer: Signer, turn: u64) -> Self {
        let (mut edge, mut of) = (Edge::default(), HashMap::new());
        for at in 0_u64..256 {
            let own = leaf(&[at.to_be_bytes(), u64::from(at >= turn).to_be_bytes()].concat());
            edge.push(own, |level, index, root| {
                of.insert((level, index), *root);
            });
        }
        Self { signer, of }
    }

    /// The same key, and another history from `turn` on.
    pub fn pair(turn: u64) -> (Self, Self) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let signer = || Signer::new(ORIGIN, pkcs8.as_ref()).unwrap();
        (Self::with(signer(), u64::MAX), Self::with(signer(), turn))
    }

    pub fn key(&self) -> &VerifierKey {
        self.signer.key()
    }

    pub fn root(&self, size: u64) -> Hash {
        let Ok(edge) = Edge::of(size, |level, index| Ok::<_, Infallible>(self.of[&(level, index)]));
        edge.root()
    }

    pub fn note(&self, size: u64) -> SignedNote {
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: self.root(size) };
        SignedNote::parse(&self.signer.sign(&checkpoint.text()).unwrap()).unwrap()
    }

    pub fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        let Ok(path) = consistency(old, new, |level, index| Ok::<_, Infallible>(self.of[&(level, index)]));
        path.unwrap_or_default()
    }

    pub fn request(&self, old: u64, size: u64) -> Vec<u8> {
        Request { old, proof: self.proof(old, size), note: self.note(size) }.write().into_bytes()
    }
}

/// A process that ends when it is dropped.
pub struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it, and reads what it says on standard error, or on standard output.
    fn start(mut command: Command, output: bool) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        if output {
            command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let pipe = stderr.unwrap_or_else(|| Box::new(child.stdout.take().unwrap()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        Self { child, lines }
    }

    pub fn said(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// What `find` makes of a line, once there is one.
    fn find<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let mut found = None;
        wait_until(what, Duration::from_secs(60), || {
            found = self.lines.lock().unwrap().iter().find_map(|line| find(line));
            let ended = self.child.try_wait().unwrap();
            assert!(found.is_some() || ended.is_none(), "{what}: {ended:?}\n{}", self.said());
            found.is_some()
        });
        found.unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL; gone when this returns.
    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A witness, whoever wrote it.
pub struct Witness {
    pub process: Process,
    pub address: SocketAddr,
    pub key: VerifierKey,
    /// What it keeps, if that is nobody else's.
    _dir: Option<TempDir>,
}

impl Witness {
    /// `halod witness` on a directory.
    pub fn halod(dir: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["witness", "--dir"]).arg(dir).args(arguments).env_remove("HALOD_LOG");
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut process = Process::start(command, false);
        let (address, key) = process.find("halod witness listens", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some((line.get("witness")?.as_str()?.to_owned(), line.get("vkey")?.as_str()?.to_owned()))
        });
        let address: SocketAddr = address.parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
        Self { process, address, key: key.parse().unwrap(), _dir: None }
    }

    /// One in a directory of its own that watches a log.
    pub fn of(log: &Log) -> Self {
        Self::halod_for(log.key())
    }

    pub fn halod_for(log: &VerifierKey) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut own = Self::halod(dir.path(), &["--log", &log.to_string()]);
        own._dir = Some(dir);
        own
    }

    /// `witness-log-cli`, a stranger's.
    pub fn stranger(log: &Log) -> Self {
        Self::stranger_for(log.key())
    }

    pub fn stranger_for(log: &VerifierKey) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("w");
        let run = |arguments: &[&str]| {
            let mut command = witness_log();
            command.args(["witness", arguments[0]]).arg(&place).args(&arguments[1..]);
            let out = command.output().unwrap();
            assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        let made: Value =
            serde_json::from_str(&run(&["init", "--name", "stranger.example/w", "--json"])).unwrap();
        run(&["add-log", log.name(), &log.to_string()]);
        let mut command = witness_log();
        command.args(["witness", "serve"]).arg(&place).args(["--listen", "127.0.0.1:0"]);
        let mut process = Process::start(command, false);
        let address = process.find("witness-log listens", |line| {
            line.split_once("http://")?.1.split(' ').next()?.parse().ok()
        });
        Self { process, address, key: made["vkey"].as_str().unwrap().parse().unwrap(), _dir: Some(dir) }
    }

    /// `tests/clients/witness.py`, written from the specification.
    pub fn python(log: &Log) -> Self {
        Self::python_for(log.key())
    }

    pub fn python_for(log: &VerifierKey) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("python3");
        command.arg(root().join("tests/clients/witness.py")).arg(dir.path()).arg("python.example/w");
        command.arg(log.to_string()).env("OPENSSL", openssl().get_program());
        let mut process = Process::start(command, true);
        let key = process.find("the Python witness listens", |line| line.parse::<VerifierKey>().ok());
        let address = process.find("the Python witness listens", |line| line.parse().ok());
        assert_eq!(key.kind(), Kind::Cosignature);
        Self { process, address, key, _dir: Some(dir) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connect(&self) -> Http {
        Http::connect(self.address).unwrap()
    }

    /// Sends a request of tlog-witness as it is.
    pub fn add(&self, body: &[u8]) -> Answer {
        self.connect().post("/add-checkpoint", &[], body).unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.connect().get(path).unwrap()
    }

    /// A JSON answer.
    pub fn json(&self, path: &str) -> (u16, Value) {
        let answer = self.get(path);
        (
            answer.status,
            serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text())),
        )
    }
}

/// The reference's witness, to compare with.
pub struct Reference {
    child: Child,
    pub address: SocketAddr,
}

impl Reference {
    pub fn start(store: &Path, keys: &str) -> Self {
        Self::start_at(store, keys, Self::place())
    }

    /// An address for one: its port can't be chosen by the system, so one is taken that was free just now.
    pub fn place() -> SocketAddr {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    }

    pub fn start_at(store: &Path, keys: &str, address: SocketAddr) -> Self {
        let mut command = halo(&["witness-serve"]);
        command.arg(store).args(["--port", &address.port().to_string()]).env("HALO_WITNESS_KEYS", keys);
        command.env("PYTHONUNBUFFERED", "1");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("serving from"));
        wait_until("the reference listens", Duration::from_secs(30), || Http::connect(address).is_ok());
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Reference {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `halo`, the reference's program.
pub fn halo(arguments: &[&str]) -> Command {
    let mut command = python().command("halo");
    command.args(arguments);
    command
}
