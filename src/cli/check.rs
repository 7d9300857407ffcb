//! `halod check`: what a directory, a bundle or a proof shows.

use super::output::{self, complain, line};
use crate::check::{self, CheckError, Grade, Report, Request};
use crate::config::value::duration;
use halod_evidence::note::VerifierKey;
use halod_evidence::policy::Policy;
use halod_record::hash::parse_hex;
use halod_record::tenant::Tenant;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Check chains against what halod signed of them, and proofs and bundles against the key that you trust
///
/// PATH is a directory of halod's, a bundle that `halod export --bundle` made, or a proof that `halod prove` made. Hashes,
/// trees and signatures are computed anew; nothing is taken from halod's word. Exit code: 0 all is shown, 1 a finding, 2
/// wrong usage or unreadable, 3 all is shown and nobody outside has witnessed it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A directory, a bundle or a proof
    #[arg(value_name = "PATH")]
    path: PathBuf,
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
        };
        match check::check(&request) {
            Ok(report) => {
                let printed = if self.json { print_json(&request, &report) } else { print(&report) };
                output::finish(printed.map(|()| code(&report)))
            }
            Err(error) => {
                complain(&error);
                if let CheckError::Nothing(_) = error {
                    complain("for a chain alone, use `halod verify FILE`");
                }
                output::USAGE.into()
            }
        }
    }
}

fn code(report: &Report) -> u8 {
    match (report.has_findings(), report.is_witnessed) {
        (true, _) => output::FAILED,
        (false, true) => output::OK,
        (false, false) => output::EMPTY,
    }
}

fn print(report: &Report) -> std::io::Result<()> {
    report.sentences.iter().try_for_each(line)
}

fn print_json(request: &Request, report: &Report) -> std::io::Result<()> {
    let grade = |grade| match grade {
        Grade::Shown => "shown",
        Grade::Remark => "remark",
        Grade::Finding => "finding",
    };
    let sentence = |sentence: &check::Sentence| json!({ "grade": grade(sentence.grade), "chain": sentence.chain, "text": sentence.text });
    let verdict = match code(report) {
        output::OK => "shown",
        output::EMPTY => "unwitnessed",
        _ => "finding",
    };
    line(json!({
        "path": request.path.to_string_lossy(),
        "verdict": verdict,
        "sentences": report.sentences.iter().map(sentence).collect::<Vec<_>>(),
    }))
}
