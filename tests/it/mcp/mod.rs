//! `halod mcp`: what passes between clients and servers of the Model Context Protocol becomes captured records, whatever
//! becomes of halod meanwhile.

mod clients;
mod hostile;
mod http;
mod joined;
mod stdio;

use crate::support::chains::of_tenant;
use crate::support::halod::{BINARY, Halod};
use crate::support::wait_until;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// A server of few words, in Python: it answers each request, and does what a tool's name says.
const SERVER: &str = r#"
import json, sys
for line in sys.stdin:
    try: said = json.loads(line)
    except Exception: continue
    if "method" not in said or "id" not in said: continue
    name = said.get("params", {}).get("name")
    if said["method"] == "initialize":
        result = {"protocolVersion": "2025-06-18", "serverInfo": {"name": "acme", "version": "1"}, "capabilities": {}}
    else:
        result = {"content": [{"type": "text", "text": name}], "isError": name == "fail"}
    answer = json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": result})
    if name == "silent": continue
    for _ in range(2 if name == "twice" else 1): print(answer, flush=True)
print("as told", file=sys.stderr)
sys.exit(7)
"#;

/// The proxy before a command, with nothing of whoever runs the tests in its environment.
fn proxy(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("mcp").arg("--dir").arg(dir).args(arguments);
    command.env_remove("HALOD_DIR").env_remove("HALOD_SUBJECT");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A client that speaks by itself.
struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn new(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// One whose server is [`SERVER`].
    fn of(dir: &Path) -> Self {
        Self::new(proxy(dir, &["--", "python3", "-c", SERVER]))
    }

    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, id: u64, method: &str, params: &Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        serde_json::from_str(&self.hear()).unwrap()
    }

    fn greet(&mut self) {
        let told = self.ask(0, "initialize", &json!({"clientInfo": {"name": "agent", "version": "9"}}));
        assert_eq!(told["result"]["serverInfo"]["name"], "acme");
    }

    fn call(&mut self, id: u64, tool: &str) -> Value {
        self.ask(id, "tools/call", &json!({"name": tool, "arguments": {"n": id}}))
    }

    /// Says no more, and waits for the end: the exit code, and what was said beside.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let out = self.child.wait_with_output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    }
}

/// The records of the local chain that a proxy made.
fn captured(dir: &Path) -> Vec<Value> {
    let mut all = of_tenant(dir, None);
    all.retain(|record| record["source"]["adapter"] == "mcp");
    assert!(all.iter().all(|record| record["source"]["capture"] == "captured"));
    all
}

/// The same, once there are so many.
fn wait_for(dir: &Path, count: usize) -> Vec<Value> {
    wait_until("records", LONG, || {
        crate::support::chains::files(dir).iter().any(|_| true) && captured(dir).len() >= count
    });
    let mut all = captured(dir);
    // What was kept for a moment is sealed behind what was not.
    all.sort_by_key(|record| {
        (record["data"]["seq"].as_u64(), record["action"]["tool"] == "agent.session_end")
    });
    all
}

/// What is called with which outcome.
fn told(records: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let told = |record: &Value| (text(&record["action"]["tool"]), text(&record["outcome"]["status"]));
    records.iter().map(told).collect()
}

/// Starts and ends a daemon, so that its rules are known.
fn known(dir: &Path) {
    assert!(Halod::start(dir).terminate().success());
}
