//! Files to import, and the command.

use crate::support::halod::BINARY;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A directory with chains in one folder and files in another.
pub struct Fixture {
    pub dir: tempfile::TempDir,
}

/// What the command said.
pub struct Said {
    pub code: Option<i32>,
    pub report: Value,
    pub errors: String,
}

impl Said {
    pub fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.report))
    }
}

impl Fixture {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        Self { dir }
    }

    pub fn chains(&self) -> PathBuf {
        self.dir.path().join("records")
    }

    /// Writes a file to import.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join("files").join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self, format: &str, files: &[PathBuf], more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["import", format]).args(files).arg("--dir").arg(self.chains());
        command.arg("--json").args(more).stdin(Stdio::null()).env_remove("HALOD_LOG");
        command
    }

    pub fn import(&self, format: &str, files: &[PathBuf], more: &[&str]) -> Said {
        said(&self.command(format, files, more).output().unwrap())
    }

    /// Started, not awaited.
    pub fn start(&self, format: &str, files: &[PathBuf]) -> Child {
        let mut command = self.command(format, files, &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

pub fn said(out: &Output) -> Said {
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    let report = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
    Said { code: out.status.code(), report, errors }
}

/// One observation, as the blob-storage export of Langfuse has it.
pub fn observation(n: u64) -> Value {
    json!({
        "id": format!("obs-{n:06}"),
        "trace_id": format!("trace-{:05}", n / 10),
        "type": "GENERATION",
        "name": "OpenAI-generation",
        "start_time": "2026-11-22T08:11:00.123000Z",
        "end_time": "2026-11-22T08:11:01.123000Z",
        "model": "gpt-4o-mini-2024-07-18",
        "input": [{ "role": "user", "content": format!("question {n}, with a \"quote\", a comma\nand a line") }],
        "output": { "role": "assistant", "content": "an answer" },
        "metadata": { "tenant": "acme-corp" },
        "level": "DEFAULT",
        "status_message": null,
        "parent_observation_id": null,
        "usage_details": { "input": 109, "output": 42 },
        "environment": "default",
    })
}

/// So many, a line each.
pub fn observations(count: u64) -> String {
    (0..count).map(|n| format!("{}\n", observation(n))).collect()
}

/// The same in the CSV that Langfuse's UI writes: every value as JSON, every field quoted.
pub fn table(count: u64) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let columns: Vec<String> = observation(0).as_object().unwrap().keys().cloned().collect();
    let mut out = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",") + "\n";
    for n in 0..count {
        let row = observation(n);
        let field = |name: &String| match &row[name] {
            Value::Null => quoted(""),
            value => quoted(&value.to_string()),
        };
        out += &(columns.iter().map(field).collect::<Vec<_>>().join(",") + "\n");
    }
    out
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// What is below `adapters/golden`.
pub fn golden(name: &str) -> PathBuf {
    crate::support::root().join("adapters/golden").join(name)
}

/// How many lines the files below a directory have.
pub fn lines(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let chains = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    chains.map(|path| fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()).sum()
}
