//! A directory of chains, a server on it, and whoever asks it.

use crate::support::halod::BINARY;
use crate::support::http::{Answer, Http};
use crate::support::wait_until;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One chain's file, to which records are appended as a recorder does.
pub struct Chain {
    pub path: PathBuf,
    head: String,
    records: usize,
}

impl Chain {
    pub fn new(dir: &Path, stem: &str) -> Self {
        let path = dir.join(format!("{stem}.jsonl"));
        std::fs::write(&path, "").unwrap();
        Self { path, head: "0".repeat(64), records: 0 }
    }

    /// One with so many records of a subject, or of none.
    pub fn of(dir: &Path, stem: &str, subject: &str, records: usize) -> Self {
        let mut chain = Self::new(dir, stem);
        (0..records).for_each(|_| chain.append(subject, ""));
        chain
    }

    /// Appends a record with a text.
    pub fn append(&mut self, subject: &str, text: &str) {
        self.records += 1;
        let subject = match subject {
            "" => String::new(),
            id => format!(r#""subject":{{"id":{}}},"#, Value::from(id)),
        };
        let line = |hash: &str| {
            format!(
                r#"{{"action":{{"category":"security","tool":"t{text}","type":"tool_call"}},"integrity":{{"alg":"sha-256","canon":"rfc8785",{hash}"prev_hash":"{}"}},"record_id":"r{}","schema_version":"0.1","session_id":"s",{subject}"ts":"2026-11-01T00:00:00+00:00"}}"#,
                self.head, self.records
            )
        };
        let hash = crate::support::spans::hex(&Sha256::digest(line("")));
        let whole = line(&format!(r#""hash":"{hash}","#));
        self.head = hash;
        let mut file = std::fs::File::options().append(true).open(&self.path).unwrap();
        file.write_all(format!("{whole}\n").as_bytes()).unwrap();
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
}

/// A verb on a directory, run to its end.
pub fn verb(arguments: &[&str], dir: &Path) -> Output {
    let (verb, rest) = arguments.split_first().unwrap();
    let mut command = Command::new(BINARY);
    command.arg(verb).arg(dir).args(rest).stdin(Stdio::null());
    clean(&mut command).output().unwrap()
}

/// What a verb says that does what it is asked.
pub fn done(arguments: &[&str], dir: &Path) -> String {
    let out = verb(arguments, dir);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&out.stderr));
    said
}

/// The exit code of a verb that does not, and what it complains of.
pub fn refused(arguments: &[&str], dir: &Path) -> (i32, String) {
    let out = verb(arguments, dir);
    (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Nothing of the machine's own says how codes are sent or links are made.
fn clean(command: &mut Command) -> &mut Command {
    for name in ["HALO_SERVE_SECRET", "HALO_SERVE_ADMIN", "HALO_SMTP_HOST", "HALO_SMTP_USER", "HALOD_LOG"] {
        command.env_remove(name);
    }
    command
}

/// `halod serve`, which ends when it is dropped.
pub struct Server {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub address: SocketAddr,
    admin: String,
}

impl Server {
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        Self::start_with(dir, arguments, &[])
    }

    /// Behind a proxy of this machine, so that each request says whose it is.
    pub fn behind_proxy(dir: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_with(dir, &[arguments, &["--behind-proxy", "127.0.0.1"]].concat(), env)
    }

    pub fn start_with(dir: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let admin = done(&["serve", "--admin-key"], dir).trim().to_owned();
        let mut command = Command::new(BINARY);
        command.arg("serve").arg(dir).args(["--listen", "127.0.0.1:0"]).args(arguments);
        clean(&mut command).envs(env.iter().copied());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (into, pipe) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        let mut server = Self { child, log, address: ([127, 0, 0, 1], 0).into(), admin };
        wait_until("the server listens", Duration::from_secs(60), || {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}\n{}", server.said());
            let address = |line: &String| {
                let line: Value = serde_json::from_str(line).ok()?;
                line["serve"].as_str()?.parse().ok()
            };
            let found = server.log.lock().unwrap().iter().find_map(address);
            server.address = found.unwrap_or(server.address);
            found.is_some()
        });
        server
    }

    pub fn said(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Http {
        Http::connect(self.address).unwrap()
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().send("GET", path, headers, b"").unwrap()
    }

    /// What the operator is told.
    pub fn console(&self) -> Value {
        let key = format!("Bearer {}", self.admin);
        let answer = self.get("/api/console", &[("authorization", &key), ("x-forwarded-for", "203.0.113.1")]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// One chain as the operator is told of it, once it was looked at.
    pub fn chain(&self, file: &str) -> Value {
        let mut found = Value::Null;
        wait_until("all chains are looked at", Duration::from_secs(60), || {
            let console = self.console();
            let chains = console["chains"].as_array().unwrap();
            found = chains.iter().find(|chain| chain["file"] == file).unwrap().clone();
            found["status"] != "unread"
        });
        found
    }

    /// The link of a chain, by its file's name.
    pub fn link(&self, file: &str) -> String {
        let console = self.console();
        let chains = console["chains"].as_array().unwrap();
        let found = chains.iter().find(|chain| chain["file"] == file);
        found.unwrap_or_else(|| panic!("{file}: {console}"))["link"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever asks: an address that the proxy tells of, and the cookies that were given.
#[derive(Clone, Default)]
pub struct Visitor {
    pub from: String,
    pub cookie: String,
}

impl Visitor {
    pub fn from(address: &str) -> Self {
        Self { from: address.to_owned(), cookie: String::new() }
    }

    pub fn get(&self, server: &Server, path: &str) -> Answer {
        self.get_with(server, path, &[])
    }

    pub fn get_with(&self, server: &Server, path: &str, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![("x-forwarded-for", self.from.as_str()), ("cookie", self.cookie.as_str())];
        headers.extend_from_slice(more);
        server.get(path, &headers)
    }

    pub fn post(&self, server: &Server, link: &str, form: &str) -> Answer {
        let headers =
            [("x-forwarded-for", self.from.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        server.connect().post(link, &headers, form.as_bytes()).unwrap()
    }

    /// Enters an address, and keeps the cookie if there is one.
    pub fn enter(&mut self, server: &Server, link: &str, form: &str) -> u16 {
        let answer = self.post(server, link, form);
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        answer.status
    }
}
