//! What it costs to import an export: rows a second, processor time a row, peak memory.
//!
//! `cargo bench --bench import`; `HALO_ROWS` sets the number of rows (default 500,000). Rows are those of
//! Langfuse's blob-storage export, about a kilobyte of ordinary text each, of 100 tenants.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::fs::{File, read_to_string};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HALOD: &str = env!("CARGO_BIN_EXE_halod");
const DEFAULT: u64 = 500_000;

/// Processor time is told in hundredths of a second (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

fn row(n: u64, out: &mut String) {
    let (trace, tenant) = (n / 10, n / 10 % 100);
    let (minute, second) = (n / 60 % 60, n % 60);
    let kind = if n.is_multiple_of(3) { "TOOL" } else { "GENERATION" };
    let name = if n.is_multiple_of(3) { "lookup_customer" } else { "OpenAI-generation" };
    let model = if n.is_multiple_of(3) { "null" } else { "\"gpt-4o-mini-2024-07-18\"" };
    let text = "The customer asks where the order is and wants to be told by the end of the week. ";
    writeln!(
        out,
        r#"{{"id":"obs-{n:08}","trace_id":"trace-{trace:07}","type":"{kind}","name":"{name}","start_time":"2026-11-22T08:{minute:02}:{second:02}.123000Z","end_time":"2026-11-22T08:{minute:02}:{second:02}.873000Z","completion_start_time":null,"model":{model},"model_parameters":{{"temperature":0.2}},"input":[{{"role":"user","content":"{text}{text}{n}"}}],"version":null,"metadata":{{"tenant":"tenant-{tenant}"}},"output":{{"role":"assistant","content":"{text}"}},"level":"DEFAULT","status_message":null,"parent_observation_id":null,"prompt_id":null,"usage_details":{{"input":109,"output":42,"total":151}},"cost_details":{{"total":0.00003}},"environment":"default","latency":0.75,"project_id":"proj-bench"}}"#
    )
    .unwrap();
}

fn generate(path: &Path, rows: u64) -> u64 {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    let mut text = String::new();
    for n in 0..rows {
        text.clear();
        row(n, &mut text);
        file.write_all(text.as_bytes()).unwrap();
    }
    file.into_inner().unwrap().metadata().unwrap().len()
}

/// Processor time of children that have ended, in seconds.
fn children() -> f64 {
    let stat = read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    [13, 14].iter().map(|at: &usize| fields[*at].parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

/// Waits for a process; its largest resident set in MiB.
fn wait(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()) {
            peak = peak.max(kib / 1024);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{ended}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn import(name: &str, file: &Path, directory: &Path, more: &[&str], rows: u64, bytes: u64) {
    let before = children();
    let start = Instant::now();
    let mut child = Command::new(HALOD)
        .args(["import", "langfuse"])
        .arg(file)
        .arg("--dir")
        .arg(directory)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let peak = wait(&mut child);
    let (took, spent) = (start.elapsed().as_secs_f64(), children() - before);
    println!(
        "{name:<28} {:>9.0} rows/s {:>6.0} MB/s {:>7.1} µs CPU/row {peak:>5} MiB peak {took:>7.1} s",
        rows as f64 / took,
        bytes as f64 / took / 1e6,
        spent * 1e6 / rows as f64
    );
}

fn main() {
    let rows = std::env::var("HALO_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(DEFAULT);
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = scratch.path().join("observations.jsonl");
    let bytes = generate(&file, rows);
    println!("{rows} rows, {:.1} GB, {} bytes a row", bytes as f64 / 1e9, bytes / rows);
    let alone = scratch.path().join("alone");
    import("dry run", &file, &alone, &["--dry-run"], rows, bytes);
    import("as the writer", &file, &alone, &[], rows, bytes);
    import("again: all is known", &file, &alone, &[], rows, bytes);
    let served = scratch.path().join("served");
    let mut daemon = Command::new(HALOD)
        .args(["run", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dir"])
        .arg(&served)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !served.join(".halod/halod.sock").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    import("through the daemon (client)", &file, &served, &[], rows, bytes);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}
