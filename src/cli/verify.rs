//! `halod verify`: prove that chains are intact, or say what is wrong with which line.

use super::output;
use halod_record::hash::hex;
use halod_record::verify::{Gravity, Issue, Observer, Report, Verdict, VerifyError, verify};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tempfile::NamedTempFile;

/// Check that chains are intact: every record's form, hash and link
///
/// Exit code: 0 intact, 1 broken, 2 unreadable, 3 no records. The verdict is `halo verify`'s. It
/// is about integrity: records removed from a chain's end leave a chain that verifies, and only a
/// witness remembers them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Chain files, or directories of them (their *.jsonl that do not start with a dot); `-` for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Print one JSON object for each chain, one a line
    #[arg(long)]
    json: bool,

    /// List what does not change the verdict, too: clocks that went back, parents of other chains
    #[arg(long)]
    notes: bool,
}

/// Files of at least this size, together, get a progress bar on a terminal.
const LONG: u64 = 64 << 20;

/// Findings shown of one chain; further ones are counted.
const SHOWN: usize = 100;

const INTEGRITY_ONLY: &str = "note: this is integrity, not completeness: only a witness that holds an \
                              earlier head can show that records were removed from the end";

/// One chain to look at.
struct Chain {
    /// As it was named.
    shown: PathBuf,
    /// What it is read from where that is another file.
    kept: Option<NamedTempFile>,
}

impl Chain {
    fn path(&self) -> &Path {
        self.kept.as_ref().map_or(&self.shown, NamedTempFile::path)
    }
}

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
        let mut all = Vec::new();
        for path in &self.paths {
            match chains(path) {
                Ok(found) if found.is_empty() => {
                    let path = path.display();
                    output::complain(format_args!("{path}: no chains: there is no *.jsonl file in it"));
                }
                Ok(found) => all.extend(found),
                Err(source) => tally.unreadable(&VerifyError::Read { path: path.clone(), source }),
            }
        }
        let bar = progress_bar(&all);
        for chain in &all {
            self.verify_one(chain, &bar, &mut tally)?;
        }
        bar.finish_and_clear();
        if !self.json && all.len() > 1 {
            writeln!(io::stdout(), "{tally}")?;
        }
        if tally.intact > 0 && !self.json {
            writeln!(io::stdout(), "{INTEGRITY_ONLY}")?;
        }
        Ok(tally.code())
    }

    fn verify_one(&self, chain: &Chain, bar: &ProgressBar, tally: &mut Tally) -> io::Result<()> {
        let mut findings = Findings { all: self.notes || self.json, shown: Vec::new(), bar };
        match verify(chain.path(), &mut findings) {
            Err(error) => {
                bar.suspend(|| tally.unreadable(&named(error, &chain.shown)));
                Ok(())
            }
            Ok(report) => {
                tally.count(&report);
                bar.suspend(|| {
                    if self.json {
                        print_json(&chain.shown, &report, &findings)
                    } else {
                        print_text(&chain.shown, &report, &findings)
                    }
                })
            }
        }
    }
}

/// The same error with the name that the chain was given by.
fn named(error: VerifyError, shown: &Path) -> VerifyError {
    let path = shown.to_owned();
    match error {
        VerifyError::Read { source, .. } => VerifyError::Read { path, source },
        VerifyError::LineTooLong { line, .. } => VerifyError::LineTooLong { path, line },
        other @ (VerifyError::Temporary { .. } | VerifyError::Beside(_)) => other,
    }
}

/// What all chains together come to.
#[derive(Default)]
struct Tally {
    intact: u64,
    broken: u64,
    empty: u64,
    unreadable: u64,
    records: u64,
}

impl Tally {
    fn count(&mut self, report: &Report) {
        self.records += report.records;
        match report.verdict() {
            Verdict::Intact => self.intact += 1,
            Verdict::Broken => self.broken += 1,
            Verdict::Empty => self.empty += 1,
        }
    }

    fn unreadable(&mut self, error: &VerifyError) {
        self.unreadable += 1;
        output::complain(error);
    }

    fn code(&self) -> u8 {
        match self {
            Self { broken: 1.., .. } => output::FAILED,
            Self { unreadable: 1.., .. } => output::USAGE,
            Self { intact: 1.., .. } => output::OK,
            _ => output::EMPTY,
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { intact, broken, empty, unreadable, records } = self;
        let chains = intact + broken + empty + unreadable;
        write!(f, "total: {chains} chains, {records} records; intact: {intact}, broken: {broken}")?;
        for (number, what) in [(empty, "empty"), (unreadable, "unreadable")] {
            if *number > 0 {
                write!(f, ", {what}: {number}")?;
            }
        }
        Ok(())
    }
}

/// The chains that a path names, in order of their names.
fn chains(path: &Path) -> io::Result<Vec<Chain>> {
    if path.as_os_str() == "-" || !path.is_dir() {
        return Ok(vec![Chain { shown: path.to_owned(), kept: output::spooled(path)? }]);
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
    Ok(files.into_iter().map(|shown| Chain { shown, kept: None }).collect())
}

struct Findings<'b> {
    /// Those that do not change the verdict as well.
    all: bool,
    shown: Vec<Issue>,
    bar: &'b ProgressBar,
}

impl Observer for Findings<'_> {
    fn issue(&mut self, issue: &Issue) {
        let wanted = self.all || issue.rule.gravity() == Gravity::Fault;
        if wanted && self.shown.len() < SHOWN {
            self.shown.push(issue.clone());
        }
    }

    fn progress(&mut self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

/// One bar over all chains, on a terminal, where reading them takes a while.
fn progress_bar(chains: &[Chain]) -> ProgressBar {
    let size = |chain: &Chain| chain.path().metadata().map_or(0, |metadata| metadata.len());
    let total: u64 = chains.iter().map(size).sum();
    let style =
        ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    match style {
        Ok(style) if total >= LONG && io::stderr().is_terminal() => {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style)
        }
        _ => ProgressBar::hidden(),
    }
}

fn print_text(path: &Path, report: &Report, findings: &Findings<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let path = path.display();
    for issue in &findings.shown {
        writeln!(out, "{path}: {issue}")?;
    }
    let untold = untold(report, findings);
    if untold > 0 {
        writeln!(out, "{path}: and {untold} more")?;
    }
    let notes = match notes(report) {
        0 => String::new(),
        _ if findings.all => String::new(),
        1 => "; 1 note, which --notes shows".to_owned(),
        notes => format!("; {notes} notes, which --notes lists"),
    };
    writeln!(out, "{path}: {}{notes}", summary(report))
}

/// Findings that do not change the verdict.
fn notes(report: &Report) -> u64 {
    report.backwards + report.unknown_parents
}

/// How many findings of those that are wanted were counted and not shown.
fn untold(report: &Report, findings: &Findings<'_>) -> u64 {
    let found = report.faults + if findings.all { notes(report) } else { 0 };
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

fn print_json(path: &Path, report: &Report, findings: &Findings<'_>) -> io::Result<()> {
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
