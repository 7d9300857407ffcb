//! `halod demo`: a real halod, real agents' telemetry, sealed, verified, tampered with.
//!
//! Everything a user would do by hand: starts this same program as a daemon of its own, sends it
//! what two agents exported (bundled, byte for byte as captured), reads the chains, checks them.

use super::demo_client::{self, Export};
use super::output::{self, line};
use super::verify::summary;
use crate::config::VARIABLE;
use halod_record::json::{Json, parse};
use halod_record::verify::{Gravity, Issue, Observer, verify};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

const EXPORTS: [Export; 2] = [
    Export { tenant: "acme-corp", body: include_bytes!("../../examples/captures/openai-agent.pb") },
    Export { tenant: "initech", body: include_bytes!("../../examples/captures/adk-agent.pb") },
];

/// Seals what two real agents exported, verifies it, and shows how tampering is caught.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the chains in this directory (default: a temporary one, removed at the end).
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let scratch = std::env::temp_dir().join(format!("halod-demo-{}", std::process::id()));
        let dir = self.keep.clone().unwrap_or_else(|| scratch.join("records"));
        let outcome = show(&dir, &scratch, self.keep.is_some());
        // Left behind it would only be clutter; a failure to remove it changes nothing.
        let _ = std::fs::remove_dir_all(&scratch);
        output::finish(outcome.map(|()| output::OK).or_else(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Err(error);
            }
            output::complain(format_args!("the demo failed: {error}"));
            Ok(output::FAILED)
        }))
    }
}

fn show(dir: &Path, scratch: &Path, keep: bool) -> io::Result<()> {
    line("1. A halod on free loopback ports, no configuration:")?;
    let mut halod = Halod::start(dir)?;
    line(format_args!(
        "     halod run --dir {} --grpc 127.0.0.1:0 --http 127.0.0.1:0 --admin 127.0.0.1:0",
        dir.display()
    ))?;
    line(format_args!("     OTLP/gRPC on {}", halod.grpc))?;
    line("\n2. What two agents exported, sent over gRPC; OK comes once it is linked and on disk:")?;
    for export in &EXPORTS {
        let took = demo_client::send(halod.grpc, export)?;
        let (bytes, ms) = (export.body.len(), took.as_secs_f64() * 1e3);
        line(format_args!("     {:<10} {bytes:>6} bytes -> OK in {ms:.1} ms", export.tenant))?;
    }
    halod.stop()?;
    line("\n3. What is in the chains now:")?;
    let chains: Vec<PathBuf> = EXPORTS.iter().map(|e| dir.join(format!("{}.jsonl", e.tenant))).collect();
    for chain in &chains {
        table(chain)?;
    }
    line("\n4. Do they verify? (`halod verify`, or anybody's `halo verify` from PyPI)")?;
    for chain in &chains {
        verdict(chain)?;
    }
    line("\n5. Somebody makes the failed action in a copy look well:")?;
    std::fs::create_dir_all(scratch)?;
    let copy = scratch.join("acme-corp.jsonl");
    let record = tamper(&chains[0], &copy)?;
    line(format_args!("     record {record}: \"status\":\"error\" -> \"status\":\"ok\""))?;
    verdict(&copy)?;
    if keep {
        line(format_args!("\nThe chains are in {}.", dir.display()))?;
    }
    line("\nPoint a real agent at it: start `halod`, then run the agent with")?;
    line("     OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317")
}

/// The daemon, ended with the demo whatever happens.
struct Halod {
    child: Child,
    grpc: SocketAddr,
}

impl Halod {
    fn start(dir: &Path) -> io::Result<Self> {
        let anywhere = "127.0.0.1:0";
        let mut child = Command::new(std::env::current_exe()?)
            .args(["run", "--grpc", anywhere, "--http", anywhere, "--admin", anywhere, "--dir"])
            .arg(dir)
            .env("HALOD_LOG", "info")
            // It shows halod as it is without any.
            .env_remove(VARIABLE)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let Some(stderr) = child.stderr.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut log = BufReader::new(stderr).lines();
        let mut said = String::new();
        while let Some(Ok(text)) = log.next() {
            if let Some(grpc) = grpc_address(&text) {
                // The daemon goes on writing: somebody has to read, or it would block.
                std::thread::spawn(move || log.for_each(drop));
                return Ok(Self { child, grpc });
            }
            said.push_str(&text);
            said.push('\n');
        }
        child.wait()?;
        Err(io::Error::other(format!("the daemon did not start:\n{said}")))
    }

    /// As an operator would: SIGTERM, and what it accepted is sealed before it exits.
    fn stop(&mut self) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("the daemon ended with {status}")))
        }
    }
}

impl Drop for Halod {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The gRPC door's address in the log line that says that the daemon is ready (JSON, as its stderr
/// is no terminal).
fn grpc_address(text: &str) -> Option<SocketAddr> {
    let value = parse(text).ok()?;
    value.get("grpc")?.as_str()?.parse().ok()
}

/// One line for each record, aligned.
fn table(chain: &Path) -> io::Result<()> {
    let text = std::fs::read_to_string(chain)?;
    line(format_args!("\n   {}", chain.display()))?;
    line(format_args!(
        "   {:>3}  {:<18} {:<18} {:<7} {:>7} {:>7}  {:<9} found in it",
        "#", "action", "model or scope", "status", "tok in", "tok out", "severity"
    ))?;
    let records: Vec<Json<'_>> = text.lines().filter_map(|line| parse(line).ok()).collect();
    for (i, record) in records.iter().enumerate() {
        let count = |key| match at(record, &["data", key]) {
            Some(Json::Int(n)) => n.to_string(),
            _ => String::new(),
        };
        let model = said(record, &["agent", "model"]);
        let about =
            if model.is_empty() { said(record, &["action", "authorization", "scope"]) } else { model };
        let mut found: Vec<&str> = Vec::new();
        if let Some(Json::Array(findings)) = record.get("findings") {
            for kind in findings.iter().filter_map(|finding| finding.get("type").and_then(Json::as_str)) {
                if !found.contains(&kind) {
                    found.push(kind);
                }
            }
        }
        line(format_args!(
            "   {:>3}  {:<18} {:<18} {:<7} {:>7} {:>7}  {:<9} {}",
            i + 1,
            cut(said(record, &["action", "tool"]), 18),
            cut(about, 18),
            said(record, &["outcome", "status"]),
            count("input_tokens"),
            count("output_tokens"),
            said(record, &["severity"]),
            found.join(", "),
        ))?;
    }
    // One with something to hide, as its reader sees it.
    let found = |record: &Json<'_>| said(record, &["severity"]) != "INFO";
    if let Some((i, record)) = records.iter().enumerate().find(|(_, record)| found(record)) {
        line(format_args!("   {:>3}  in:  {}", i + 1, said(record, &["action", "input", "summary"])))?;
        line(format_args!("        out: {}", said(record, &["outcome", "summary"])))?;
    }
    Ok(())
}

fn said<'v>(record: &'v Json<'_>, path: &[&str]) -> &'v str {
    at(record, path).and_then(Json::as_str).unwrap_or_default()
}

fn at<'v, 'j>(record: &'v Json<'j>, path: &[&str]) -> Option<&'v Json<'j>> {
    path.iter().try_fold(record, |value, key| value.get(key))
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// The verifier's finding about the first line that breaks a rule, and its verdict.
fn verdict(chain: &Path) -> io::Result<()> {
    let mut first = FirstFault(None);
    let report = verify(chain, &mut first).map_err(io::Error::other)?;
    if let FirstFault(Some(issue)) = first {
        line(format_args!("     {issue}"))?;
    }
    let name = chain.file_name().unwrap_or_default().to_string_lossy();
    line(format_args!("     {name}: {}", summary(&report)))
}

struct FirstFault(Option<Issue>);

impl Observer for FirstFault {
    fn issue(&mut self, issue: &Issue) {
        if issue.rule.gravity() == Gravity::Fault {
            self.0.get_or_insert_with(|| issue.clone());
        }
    }
}

/// Copies a chain with its first failed action made to look well. Returns that record's number.
fn tamper(chain: &Path, copy: &Path) -> io::Result<usize> {
    let text = std::fs::read_to_string(chain)?;
    let failed = r#""status":"error""#;
    let record = text.lines().position(|line| line.contains(failed));
    let record = record.ok_or_else(|| io::Error::other("the capture has no failed action"))?;
    std::fs::write(copy, text.replacen(failed, r#""status":"ok""#, 1))?;
    Ok(record + 1)
}
