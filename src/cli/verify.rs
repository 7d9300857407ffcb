//! `halod verify`: prove that chains are intact, or say what is wrong with which line.

use super::output;
use halod_record::hash::hex;
use halod_record::verify::{Issue, Observer, Report, Verdict, VerifyError, verify};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check that chains are intact: every record's form, hash and link
///
/// Exit code: 0 intact, 1 broken, 2 unreadable, 3 no records. The verdict is `halo verify`'s. It
/// is about integrity: records removed from a chain's end leave a chain that verifies, and only a
/// witness remembers them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Chain files, or directories of them (their *.jsonl that do not start with a dot)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Print one JSON object for each chain, one a line
    #[arg(long)]
    json: bool,
}

/// Files of at least this size get a progress bar on a terminal.
const LONG_FILE: u64 = 64 << 20;

/// Findings shown of one chain; further ones are counted.
const SHOWN: usize = 100;

const INTEGRITY_ONLY: &str = "note: this is integrity, not completeness: only a witness that holds an \
                              earlier head can show that records were removed from the end";

impl Args {
    pub(super) fn run(self) -> ExitCode {
        output::finish(self.verify_all().or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Err(error),
            // Not 1: that would say that a chain is broken.
            _ => {
                output::complain(format_args!("can't write to standard output: {error}"));
                Ok(output::USAGE)
            }
        }))
    }

    fn verify_all(&self) -> io::Result<u8> {
        let mut tally = Tally::default();
        for path in &self.paths {
            match chains(path) {
                Ok(files) => {
                    for file in files {
                        self.verify_one(&file, &mut tally)?;
                    }
                }
                Err(source) => tally.unreadable(&VerifyError::Read { path: path.clone(), source }),
            }
        }
        if tally.intact && !self.json {
            writeln!(io::stdout(), "{INTEGRITY_ONLY}")?;
        }
        Ok(tally.code())
    }

    fn verify_one(&self, path: &Path, tally: &mut Tally) -> io::Result<()> {
        let mut findings = Findings { shown: Vec::new(), bar: progress_bar(path) };
        let report = verify(path, &mut findings);
        if let Some(bar) = &findings.bar {
            bar.finish_and_clear();
        }
        match report {
            Err(error) => tally.unreadable(&error),
            Ok(report) => {
                tally.count(&report);
                if self.json {
                    print_json(path, &report, &findings)?;
                } else {
                    print_text(path, &report, &findings)?;
                }
            }
        }
        Ok(())
    }
}

/// What all chains together come to.
#[derive(Default)]
struct Tally {
    intact: bool,
    broken: bool,
    unreadable: bool,
}

impl Tally {
    fn count(&mut self, report: &Report) {
        match report.verdict() {
            Verdict::Intact => self.intact = true,
            Verdict::Broken => self.broken = true,
            Verdict::Empty => {}
        }
    }

    fn unreadable(&mut self, error: &VerifyError) {
        self.unreadable = true;
        output::complain(error);
    }

    fn code(&self) -> u8 {
        match self {
            Self { broken: true, .. } => output::FAILED,
            Self { unreadable: true, .. } => output::USAGE,
            Self { intact: true, .. } => output::OK,
            _ => output::EMPTY,
        }
    }
}

/// The chains that a path names, in order of their names.
fn chains(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.ends_with(b".jsonl") && !name.starts_with(b".") && !entry.path().is_dir() {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    Ok(files)
}

struct Findings {
    shown: Vec<Issue>,
    bar: Option<ProgressBar>,
}

impl Observer for Findings {
    fn issue(&mut self, issue: &Issue) {
        if self.shown.len() < SHOWN {
            self.shown.push(issue.clone());
        }
    }

    fn progress(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }
}

fn progress_bar(path: &Path) -> Option<ProgressBar> {
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    if size < LONG_FILE || !io::stderr().is_terminal() {
        return None;
    }
    let style =
        ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    Some(ProgressBar::new(size).with_style(style.ok()?))
}

fn print_text(path: &Path, report: &Report, findings: &Findings) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let path = path.display();
    for issue in &findings.shown {
        writeln!(out, "{path}: {issue}")?;
    }
    let untold = untold(report, findings);
    if untold > 0 {
        writeln!(out, "{path}: and {untold} more")?;
    }
    writeln!(out, "{path}: {}", summary(report))
}

/// How many findings were counted and not shown.
fn untold(report: &Report, findings: &Findings) -> u64 {
    let found = report.faults + report.backwards + report.unknown_parents;
    found.saturating_sub(findings.shown.len() as u64)
}

/// The verdict in a sentence.
pub(super) fn summary(report: &Report) -> String {
    let Report { records, torn, .. } = report;
    match (report.verdict(), report.broken_at) {
        (Verdict::Empty, _) => "EMPTY: no records, nothing to attest".to_owned(),
        (Verdict::Intact, _) => {
            format!("OK: {records} records, hash chain intact, head {}", head(report).unwrap_or_default())
        }
        (Verdict::Broken, Some(line)) => {
            format!("FAIL: the hash chain breaks at line {line}; nothing after it can be proven intact")
        }
        (Verdict::Broken, None) if *torn > 0 => {
            format!(
                "FAIL: lines that are not complete records: {torn}; the hash chain of the others is intact"
            )
        }
        (Verdict::Broken, None) => {
            "FAIL: records are not of the record format; the hash chain is intact".to_owned()
        }
    }
}

fn print_json(path: &Path, report: &Report, findings: &Findings) -> io::Result<()> {
    let verdict = match report.verdict() {
        Verdict::Intact => "intact",
        Verdict::Broken => "broken",
        Verdict::Empty => "empty",
    };
    let issues: Vec<_> = findings.shown.iter().map(issue_json).collect();
    let chain = json!({
        "path": path.to_string_lossy(),
        "verdict": verdict,
        "records": report.records,
        "torn": report.torn,
        "faults": report.faults,
        "backwards": report.backwards,
        "parents": report.parents,
        "unknown_parents": report.unknown_parents,
        "broken_at": report.broken_at,
        "head": head(report),
        "issues": issues,
        "issues_not_shown": untold(report, findings),
    });
    writeln!(io::stdout(), "{chain}")
}

fn issue_json(issue: &Issue) -> serde_json::Value {
    json!({
        "line": issue.line,
        "rule": issue.rule.name(),
        "text": issue.text,
        "expected": issue.expected,
        "found": issue.found,
    })
}

fn head(report: &Report) -> Option<String> {
    report.head.map(|head| hex(&head).map(char::from).iter().collect())
}
