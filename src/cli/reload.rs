//! `halod reload`: the configuration of a running daemon, read again.

use super::output::{FAILED, OK, USAGE, complain, finish, line};
use super::{local, run};
use crate::telemetry::control::Outcome;
use std::process::ExitCode;

/// Have a running daemon read its configuration again
///
/// The same as SIGHUP, but that what became of it is told here. The daemon reads the file that it was started with, as a
/// start would. What it says holds as a whole, or nothing changes: where something is wrong, or only a restart can change it
/// (addresses, storage.directory, log.format), that is named and the configuration stays. Requests that were begun are
/// finished by the old configuration; who connects meanwhile waits. Exit code: 0 the configuration holds; 1 it does not, or
/// no daemon runs there; 2 wrong usage.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Print what became of it as one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let directory = match self.settings.directory() {
            Ok(directory) => directory,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        // As long as the daemon needs for what is under way.
        let (_, text) = match local::ask_whole(&directory, "POST", "/reload", None) {
            Ok(answer) => answer,
            Err(error) => {
                complain(local::unreachable(&directory, &error));
                return FAILED.into();
            }
        };
        let outcome: Outcome<String> = match serde_json::from_str(&text) {
            Ok(outcome) => outcome,
            Err(_) => {
                complain(format_args!("the daemon's answer is not understood: {}", text.trim()));
                return FAILED.into();
            }
        };
        let code = if outcome.problems.is_empty() { OK } else { FAILED };
        if self.json {
            return finish(line(text.trim()).map(|()| code));
        }
        if code == FAILED {
            outcome.problems.iter().for_each(complain);
            complain("the configuration stays as it was");
            return FAILED.into();
        }
        let said = match outcome.changed.as_slice() {
            [] => {
                "the configuration is as before; certificates, keys and identities were read again".to_owned()
            }
            changed => format!("the configuration holds; changed: {}", changed.join(", ")),
        };
        finish(line(said).map(|()| code))
    }
}
