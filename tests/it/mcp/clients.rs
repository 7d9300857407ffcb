//! The SDKs for Python and TypeScript, old and new, and FastMCP, over each transport.

use super::http::Http;
use super::{captured, told, wait_for};
use crate::support::chains::assert_verified;
use crate::support::clients::{Python, mcp_npm, mcp_old, mcp_python, text_of};
use crate::support::halod::{BINARY, Halod, halod_verify};
use crate::support::root;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What each client does, as records tell it.
const DEEDS: [(&str, &str); 5] = [
    ("agent.session_start", "ok"),
    ("mcp__acme__pay", "ok"),
    ("mcp__acme__pay", "error"),
    ("retrieve:kb://17", "ok"),
    ("retrieve:greet", "ok"),
];

fn script(name: &str) -> PathBuf {
    root().join("tests/clients").join(name)
}

fn assert_told(dir: &Path, clients: usize) {
    let records = wait_for(dir, clients * (DEEDS.len() + 1));
    for (tool, status) in DEEDS {
        let count = told(&records).iter().filter(|(a, b)| a == tool && b == status).count();
        assert_eq!(count, clients, "{tool} {status}: {records:?}");
    }
    let ends = told(&records).iter().filter(|(tool, _)| tool == "agent.session_end").count();
    assert_eq!(ends, clients, "{records:?}");
    assert_eq!(captured(dir).len(), records.len());
    assert_verified(dir);
    halod_verify(dir);
}

/// The proxy before a server of `python`, over stdio.
fn server(dir: &Path, python: &Python) -> Vec<String> {
    let program = python.dir().join("bin/python").to_str().unwrap().to_owned();
    let server = script("mcp_server.py").to_str().unwrap().to_owned();
    let dir = dir.to_str().unwrap();
    [BINARY, "mcp", "--dir", dir, "--", &program, &server, "stdio"].map(str::to_owned).to_vec()
}

fn python_client(python: &Python, arguments: &[&str]) {
    let out = python.script(&script("mcp_client.py"), arguments).output().unwrap();
    let text = text_of(out, "mcp_client.py");
    assert!(text.starts_with("1 False paid 1\n-1 True "), "{text}");
}

fn node_client(arguments: &[&str]) {
    let paths: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let text = mcp_npm().run(&script("mcp_client.mjs"), &paths, &[]);
    assert!(text.starts_with("1 false paid 1\n-1 true "), "{text}");
}

#[test]
fn over_stdio() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    for (client, python) in [(mcp_old(), mcp_python()), (mcp_python(), mcp_old())] {
        let server = server(dir.path(), python);
        let arguments = [vec!["stdio"], server.iter().map(String::as_str).collect()].concat();
        python_client(client, &arguments);
    }
    let server = server(dir.path(), mcp_old());
    for age in ["old", "new"] {
        let arguments = [vec![age, "stdio"], server.iter().map(String::as_str).collect()].concat();
        node_client(&arguments);
    }
    assert_told(dir.path(), 4);
    drop(halod);
}

/// A server that speaks HTTP; killed when dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and the proxy before it.
fn served(dir: &Path, python: &Python, transport: &str, path: &str, kind: &str) -> (Served, Http) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = free.port().to_string();
    let mut command: Command = python.script(&script("mcp_server.py"), &[transport, &port, kind]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let served = Served(command.spawn().unwrap());
    crate::support::wait_until("the server", super::LONG, || std::net::TcpStream::connect(free).is_ok());
    let http = Http::start(dir, &format!("http://{free}{path}"), &[]);
    (served, http)
}

#[test]
fn over_http() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    for (python, kind) in [(mcp_old(), "sdk"), (mcp_python(), "sdk"), (mcp_python(), "fastmcp")] {
        let (_served, http) = served(dir.path(), python, "streamable-http", "/mcp", kind);
        let url = http.url("/mcp");
        python_client(mcp_old(), &["http", &url]);
        python_client(mcp_python(), &["http", &url]);
        for age in ["old", "new"] {
            node_client(&[age, "http", &url]);
        }
        http.end();
    }
    assert_told(dir.path(), 12);
    drop(halod);
}

#[test]
fn over_the_older_transport() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let (_served, http) = served(dir.path(), mcp_old(), "sse", "/sse", "sdk");
    let url = http.url("/sse");
    python_client(mcp_old(), &["sse", &url]);
    for age in ["old", "new"] {
        node_client(&[age, "sse", &url]);
    }
    http.end();
    assert_told(dir.path(), 3);
    drop(halod);
}
