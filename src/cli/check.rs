//! `halod check`: what a directory, a bundle or a proof shows.

use super::output::{self, complain, line};
use crate::check::{self, CheckError, Compared, Grade, Report, Request};
use crate::config::value::duration;
use halod_evidence::note::VerifierKey;
use halod_evidence::policy::Policy;
use halod_record::hash::parse_hex;
use halod_record::tenant::Tenant;
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Check chains against what halod signed of them, and proofs and bundles against the key that you trust
///
/// PATH is a directory of halod's, a bundle that `halod export --bundle` made, a proof that `halod prove` made, or evidence of a
/// contradiction. Hashes, trees and signatures are computed anew; nothing is taken from halod's word. With OTHER, which may be a
/// checkpoint, too, both are held against each other: what can't both be true is evidence against the log (--output). Exit code: 0 all is
/// shown, 1 a finding, 2 wrong usage or unreadable, 3 all is shown and nobody outside has witnessed it; of two, nothing
/// shows that they agree.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A directory, a bundle or a proof
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Another one of the same log: whether both can be true. Of options --key and --policy count
    #[arg(value_name = "OTHER")]
    other: Option<PathBuf>,
    /// Where the evidence goes that PATH and OTHER contradict each other
    #[arg(short, long, value_name = "FILE", requires = "other")]
    output: Option<PathBuf>,
    /// A key of the log that you trust, as `halod log key` prints it; several for a log whose key was rotated
    #[arg(long, value_name = "VKEY")]
    key: Vec<VerifierKey>,
    /// Which witnesses have to have seen the checkpoint, and which logs you trust (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The newest checkpoint is no older than that, like 2h
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,
    /// The tenant that you ask about; _local for the records of no tenant
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// A checkpoint of the same log that you kept
    #[arg(long, value_name = "NOTE")]
    since: Option<PathBuf>,
    /// The chain has at least so many records
    #[arg(long, value_name = "N")]
    expect_count: Option<u64>,
    /// A record of the chain has this hash; with --expect-count that record
    #[arg(long, value_name = "HASH", value_parser = hash)]
    expect_head: Option<Hash>,
    /// The record, as a line of its chain, that a proof has to be of
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// A receipt for records of these chains: whether they are there, and what it means if one is not
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// The root certificates, in PEM, of the time-stamping services that you trust
    #[arg(long, value_name = "FILE")]
    tsa_roots: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// 64 hexadecimal digits.
#[derive(Clone, Copy, Debug)]
struct Hash([u8; 32]);

fn hash(text: &str) -> Result<Hash, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    parse_hex(digits.as_bytes())
        .map(Hash)
        .ok_or_else(|| "a hash has 64 lower-case hexadecimal digits".to_owned())
}

fn age(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "an age is like 30s, 90m or 36h".to_owned())
}

fn policy(path: &Path) -> Result<Policy, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Policy::parse(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// The tenant of an argument.
pub(super) fn tenant(id: &str) -> Tenant {
    if id == "_local" { Tenant::Local } else { Tenant::stored(id) }
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let policy = match self.policy.as_deref().map(policy).transpose() {
            Ok(policy) => policy,
            Err(why) => {
                complain(why);
                return output::USAGE.into();
            }
        };
        let (other, output) = (self.other, self.output);
        let request = Request {
            path: self.path,
            policy,
            max_age: self.max_age,
            keys: self.key,
            subject: self.subject.as_deref().map(tenant),
            since: self.since,
            expect_count: self.expect_count,
            expect_head: self.expect_head.map(|hash| hash.0),
            record: self.record,
            receipt: self.receipt,
            tsa_roots: self.tsa_roots,
        };
        if let Some(other) = other {
            return compare(&request, &other, (output.as_deref(), self.json));
        }
        match check::check(&request) {
            Ok(report) => {
                let code = code(&report);
                let said = (verdict(code, "unwitnessed"), &report);
                let printed = if self.json { print_json(&request, said) } else { print(&report) };
                output::finish(printed.map(|()| code))
            }
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &CheckError) -> ExitCode {
    complain(error);
    if let CheckError::Nothing(_) = error {
        complain("for a chain alone, use `halod verify FILE`");
    }
    output::USAGE.into()
}

/// Holds two against each other, and writes down what contradicts.
fn compare(request: &Request, other: &Path, (output, json): (Option<&Path>, bool)) -> ExitCode {
    let Compared { report, evidence, agree } = match check::compare(request, other) {
        Ok(compared) => compared,
        Err(error) => return failed(&error),
    };
    if let (Some(evidence), Some(output)) = (&evidence, output)
        && let Err(error) = write(output, &evidence.to_json())
    {
        complain(format_args!("cannot write {}: {error}", output.display()));
        return output::USAGE.into();
    }
    let code = match (report.has_findings(), agree) {
        (true, _) => output::FAILED,
        (false, true) => output::OK,
        (false, false) => output::EMPTY,
    };
    let printed =
        if json { print_json(request, (verdict(code, "unshown"), &report)) } else { print(&report) };
    output::finish(printed.map(|()| code))
}

/// A new file: evidence that is there already is not written over.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn code(report: &Report) -> u8 {
    match (report.has_findings(), report.is_witnessed) {
        (true, _) => output::FAILED,
        (false, true) => output::OK,
        (false, false) => output::EMPTY,
    }
}

fn print(report: &Report) -> io::Result<()> {
    report.sentences.iter().try_for_each(line)
}

fn verdict(code: u8, neither: &'static str) -> &'static str {
    match code {
        output::OK => "shown",
        output::EMPTY => neither,
        _ => "finding",
    }
}

fn print_json(request: &Request, (verdict, report): (&str, &Report)) -> io::Result<()> {
    let grade = |grade| match grade {
        Grade::Shown => "shown",
        Grade::Remark => "remark",
        Grade::Finding => "finding",
    };
    let sentence = |sentence: &check::Sentence| json!({ "grade": grade(sentence.grade), "chain": sentence.chain, "text": sentence.text });
    let said = |said: &Option<check::Said>| {
        let said = said.as_ref()?;
        Some(json!({ "time": check::time(said.at.saturating_mul(1000)), "by": said.by }))
    };
    let bound = |one: &check::Bound| {
        json!({
            "chain": one.chain, "from": one.from, "to": one.to, "after": said(&one.after), "before": said(&one.before),
        })
    };
    line(json!({
        "path": request.path.to_string_lossy(),
        "verdict": verdict,
        "sentences": report.sentences.iter().map(sentence).collect::<Vec<_>>(),
        "bounds": report.bounds.iter().map(bound).collect::<Vec<_>>(),
    }))
}
