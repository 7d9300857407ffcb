//! The API that agents call, and the account of what they did.

use super::clients::python;
use super::root;
use super::tree::Tree;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

/// How often something was done, by its name and how it ended.
pub type Counts = BTreeMap<(String, String), u64>;

/// `tests/clients/fake_openai.py` as a process; ends when dropped.
pub struct Api {
    child: Child,
    says: BufReader<ChildStdout>,
    pub url: String,
}

impl Api {
    pub fn start() -> Self {
        let mut command = python().script(&root().join("tests/clients/fake_openai.py"), &[]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start the API");
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        says.read_line(&mut url).expect("the API says where it is");
        Self { child, says, url: url.trim().to_owned() }
    }

    /// Ends it; the model calls it was asked for.
    pub fn asked(mut self) -> Counts {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.says.read_to_string(&mut said).unwrap();
        let asked: BTreeMap<String, u64> = serde_json::from_str(&said).expect("the API's account is JSON");
        let mut counts = Counts::new();
        // Coding agents ask for other things as well, and go without.
        for (call, n) in asked.into_iter().filter(|(call, _)| !call.starts_with("other ")) {
            let status = if call.ends_with(" 200") { "ok" } else { "error" };
            let tool = if call.starts_with("embeddings") { "model.embed" } else { "model.generate" };
            *counts.entry((tool.to_owned(), status.to_owned())).or_default() += n;
        }
        counts
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an agent printed of itself last.
pub fn account(printed: &str) -> Value {
    let said = printed.lines().last().unwrap_or_default();
    serde_json::from_str(said).unwrap_or_else(|e| panic!("{e}: {printed}"))
}

/// What its tools did.
pub fn tools(account: &Value) -> Counts {
    let ran = account["ran"].as_object().unwrap();
    let count = |(what, n): (&String, &Value)| {
        let (tool, status) = what.split_once(' ').unwrap();
        ((tool.to_owned(), status.to_owned()), n.as_u64().unwrap())
    };
    ran.iter().map(count).collect()
}

/// What a record says was done; `None` when it is the boundary of an agent, a chain or a turn.
pub fn action(record: &Value) -> Option<&str> {
    let tool = record["action"]["tool"].as_str().unwrap();
    let tool =
        tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")).map_or(tool, |(_, name)| name);
    (!tool.starts_with("agent.")).then_some(tool)
}

/// Every action once: a record whose parent is recorded as the same action tells of that one again.
pub fn counted(records: &[Value]) -> Counts {
    let tree = Tree::of(records);
    let mut counts = Counts::new();
    for record in records {
        let Some(action_) = action(record) else { continue };
        if tree.parent(record).and_then(action) == Some(action_) {
            continue;
        }
        let status = record["outcome"]["status"].as_str().unwrap().to_owned();
        *counts.entry((action_.to_owned(), status)).or_default() += 1;
    }
    counts
}
