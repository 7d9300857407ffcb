//! Over HTTP, against a server whose every answer is known.

use super::{proxy, told, wait_for};
use crate::clients::assert_nowhere;
use crate::support::halod::{Halod, halod_verify};
use crate::support::http;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The proxy, over HTTP.
pub(super) struct Http {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Http {
    pub(super) fn start(dir: &Path, to: &str, arguments: &[&str]) -> Self {
        let mut command = proxy(dir, &[&["--listen", "0", "--to", to], arguments].concat());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "the proxy ended");
            if let Some((_, rest)) = line.split_once("are to ask http://") {
                break rest.split('/').next().unwrap().trim().parse().unwrap();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it as an operator does.
    pub(super) fn end(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a request asks for is in its path.
const SERVER: &str = r#"
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, kind, body, **headers):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items(): self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        base = "http://" + self.headers["host"]
        if self.path == "/refuse": return self.answer(418, "text/plain", b"no tea", x_own="kept")
        if self.path == "/moved": return self.answer(307, "text/plain", b"", location=base + "/mcp")
        result = {"content": [{"type": "text", "text": self.headers.get("authorization", "none")}]}
        line = json.dumps({"jsonrpc": "2.0", "id": said.get("id"), "result": result}).encode()
        if self.path == "/stream": line = b"id: 5\r\ndata: " + line + b"\r\n\r\n"
        kind = "text/event-stream" if self.path == "/stream" else "application/json"
        self.answer(200, kind, line, mcp_session_id="s-77")
    def do_GET(self):
        base = "http://" + self.headers["host"]
        if self.path == "/sse": return self.answer(200, "text/event-stream", f"event: endpoint\ndata: {base}/m?session_id=o-1\n\n".encode())
        line = json.dumps({"jsonrpc": "2.0", "id": 8, "result": {"after": self.headers.get("last-event-id")}})
        self.answer(200, "text/event-stream", f"data: {line}\n\n".encode())
    def do_DELETE(self): self.answer(200, "text/plain", b"")
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

struct Server(Child, u16);

impl Server {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let mut child = command.args(["-c", SERVER]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn call(id: u32) -> Vec<u8> {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"pay","arguments":{{}}}}}}"#
    )
    .into_bytes()
}

#[test]
fn requests_and_answers_pass_and_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let server = Server::start();
    let proxy = Http::start(dir.path(), &format!("http://127.0.0.1:{}/mcp", server.1), &["--name", "acme"]);
    let connect = || http::Http::connect(proxy.address).unwrap();
    let secret = "Bearer sk-proj-FAKE0000aaaabbbbccccddddeeeeffff1234567890";
    let json = ("content-type", "application/json");
    let session = ("mcp-session-id", "s-77");
    // Credentials reach the server as they are.
    let answer = connect().post("/mcp", &[json, ("authorization", secret)], &call(1)).unwrap();
    assert!(answer.status == 200 && answer.text().contains("Bearer sk-proj-"), "{}", answer.text());
    let answer = connect().post("/stream", &[json, session], &call(2)).unwrap();
    assert!(answer.text().starts_with("id: 5\r\ndata: {"), "{}", answer.text());
    let answer = connect().post("/refuse", &[json, session], &call(3)).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (418, "no tea"));
    let answer = connect().post("/moved", &[json, session], &call(4)).unwrap();
    assert_eq!((answer.status, answer.header("location")), (307, Some("/mcp")));
    let answer = connect().get("/sse").unwrap();
    assert_eq!(answer.text(), "event: endpoint\ndata: /m?session_id=o-1\n\n");
    // Pages of others may not ask.
    for headers in [[json, ("origin", "https://evil.org")], [json, ("sec-fetch-site", "cross-site")]] {
        assert_eq!(connect().post("/mcp", &headers, &call(9)).unwrap().status, 403);
    }
    // A server that is gone is told as such.
    drop(server);
    let answer = connect().post("/mcp", &[json, session], &call(5)).unwrap();
    assert!(answer.status == 502 && answer.text().contains("can't get an answer from"), "{}", answer.text());
    proxy.end();
    let records = wait_for(dir.path(), 5);
    let expected = [
        ("mcp__acme__pay", "ok"),
        ("mcp__acme__pay", "ok"),
        ("mcp__acme__pay", "error"),
        ("mcp__acme__pay", "error"),
        ("agent.session_end", "ok"),
    ];
    assert_eq!(told(&records), expected.map(|(tool, status)| (tool.to_owned(), status.to_owned())));
    assert!(records.iter().all(|record| record["session_id"] == "s-77"), "{records:?}");
    let status = |at: usize| records[at]["data"]["http_status"].as_u64();
    assert_eq!((status(2), status(3)), (Some(418), Some(502)));
    assert_nowhere(dir.path(), &secret["Bearer ".len()..]);
    halod.terminate();
    halod_verify(dir.path());
}
