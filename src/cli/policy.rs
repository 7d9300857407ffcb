//! `halod policy`: a chain held against rules.

use super::output::{self, complain, line};
use crate::reader::policy::{Policy, judge};
use crate::reader::window::Window;
use std::path::PathBuf;
use std::process::ExitCode;

/// Hold a chain against a policy: which rules its records violate, and which they show nothing of
///
/// The language, the verdicts and the JSON are those of `halo policy` (halo-record 0.2.46); docs/policy.md tells them. Exit
/// code: 0 no rule is violated, 1 one is, 2 the policy is refused or the chain does not verify, 3 nothing is in scope.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The chain
    #[arg(value_name = "CHAIN")]
    chain: PathBuf,
    /// The file with the rules, or a pack: halod-baseline, halod-strict
    #[arg(value_name = "FILE|PACK")]
    policy: PathBuf,
    /// Only records from this time on (YYYY-MM-DD, or RFC 3339); the whole chain is verified
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only records up to this time, all of the day if it is a date
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The customer that you expect; the chain of anybody else is refused
    #[arg(long, value_name = "ID")]
    expect_subject: Option<String>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let refused = |why: String| {
            complain(why);
            output::USAGE.into()
        };
        let window = match Window::parse(self.from.as_deref(), self.to.as_deref()) {
            Ok(window) => window,
            Err(error) => return refused(error.to_string()),
        };
        let policy = match Policy::load(&self.policy) {
            Ok(policy) => policy,
            Err(error) => return refused(error.to_string()),
        };
        match judge(&self.chain, &policy, window, self.expect_subject) {
            Err(why) => refused(why),
            Ok(verdict) if self.json => output::finish(line(verdict.json()).map(|()| verdict.code())),
            Ok(verdict) => output::finish(verdict.lines().iter().try_for_each(line).map(|()| verdict.code())),
        }
    }
}
