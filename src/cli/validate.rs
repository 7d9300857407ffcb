//! `halod validate`: every check `halod run` makes, without running.

mod logs;
mod surroundings;

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use self::surroundings::Surroundings;
use super::output::{OK, USAGE, complain, finish, line};
use super::run;
use crate::config::{self, Config, ConfigError, Problem, raw};
use crate::daemon::doors;

/// Check a configuration without running it.
///
/// Reads the file, checks every value, and whether the directory can be used, every address be
/// listened on and every file be read, as a start at this moment would. Where a daemon runs on the directory, its own
/// addresses count as free: `halod reload` makes it take the configuration over. Reports all problems, each with its line
/// and column. Makes and changes nothing. Exit code: 0 valid, 2 not.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Check the file alone: no directory, no address, no other file, so that it may be another machine's
    #[arg(long)]
    offline: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Found {
    config: Option<Config>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let file = self.settings.file();
        let found = match self.check() {
            Ok(found) => found,
            Err(error) => Found { problems: error.problems, ..Found::default() },
        };
        let code = if found.problems.is_empty() { OK } else { USAGE };
        if self.json {
            return finish(line(report(&found)).map(|()| code));
        }
        // As the file's errors are told.
        let told = |problems: &[Problem], before: &str| {
            for problem in problems {
                let error = ConfigError::new(vec![problem.clone()]);
                match (&file, problem.place.is_some() || !problem.key.is_empty() || found.config.is_none()) {
                    (Some(file), true) => complain(format_args!("{before}{}", error.in_file(file))),
                    _ => complain(format_args!("{before}{}", keyed(problem))),
                }
            }
        };
        told(&found.warnings, "warning: ");
        told(&found.problems, "");
        match &found.config {
            Some(config) if code == OK => finish(line(summary(config, self.offline)).map(|()| code)),
            _ => code.into(),
        }
    }

    fn check(&self) -> Result<Found, ConfigError> {
        let text = match self.settings.file() {
            Some(file) => config::read(&file)?,
            None => String::new(),
        };
        let config = self.settings.settings_of(&text)?;
        let mut found = Found::default();
        found.warnings.extend(config.warnings.iter().map(|warning| unplaced(warning.clone())));
        if !self.offline {
            // It was read before, so it can be.
            let root = raw::parse(&text).ok();
            let around = Surroundings { config: &config, root: root.as_ref() };
            around.look(&mut found.problems, &mut found.warnings);
            logs::look(&around, &mut found.warnings);
        }
        found.config = Some(config);
        Ok(found)
    }
}

/// What of a configuration's own files can't be used, with the lines of the configuration that name them.
pub(super) fn file_problems(config: &Config, text: Option<&str>, file: Option<&Path>) -> Vec<String> {
    let root = text.and_then(|text| raw::parse(text).ok());
    let mut problems = Vec::new();
    Surroundings { config, root: root.as_ref() }.files(&mut problems, &mut Vec::new());
    let placed = problems.into_iter().filter(|problem| problem.place.is_some());
    let told = |problem| {
        let error = ConfigError::new(vec![problem]);
        file.iter().fold(error, |error, file| error.in_file(file)).to_string()
    };
    placed.map(told).collect()
}

/// What has no place in the file.
fn unplaced(what: String) -> Problem {
    Problem { place: None, key: String::new(), what }
}

fn keyed(problem: &Problem) -> String {
    if problem.key.is_empty() { problem.what.clone() } else { format!("{}: {}", problem.key, problem.what) }
}

fn report(Found { problems, warnings, .. }: &Found) -> serde_json::Value {
    let object = |problem: &Problem| {
        json!({
            "line": problem.place.map(|place| place.line),
            "column": problem.place.map(|place| place.column),
            "key": (!problem.key.is_empty()).then_some(&problem.key),
            "problem": problem.what,
        })
    };
    let warned = |warning: &Problem| match warning.place {
        Some(place) => format!("line {}: {}", place.line, keyed(warning)),
        None => keyed(warning),
    };
    let warnings: Vec<_> = warnings.iter().map(warned).collect();
    let problems: Vec<_> = problems.iter().map(object).collect();
    json!({ "valid": problems.is_empty(), "problems": problems, "warnings": warnings })
}

fn summary(config: &Config, offline: bool) -> String {
    let doors: Vec<_> =
        doors::endpoints(config).iter().map(|(name, endpoint)| format!("{name} on {endpoint}")).collect();
    let only = if offline { " (the file alone was checked)" } else { "" };
    format!("valid: {}; chains in {}{only}", doors.join(", "), config.storage.directory.display())
}
