//! `halod validate`: every check `halod run` makes, without running.

use std::process::ExitCode;

use serde_json::json;

use super::output::{OK, USAGE, complain, finish, line};
use super::run;
use crate::config::descriptors;
use crate::config::{Config, ConfigError, Problem};
use crate::daemon::{certificates, doors, process};
use crate::tee;
use crate::telemetry::log;
use halod_chain::directory;

/// Check a configuration without running it.
///
/// Reads the file, checks every value, and whether the directory can be used and every address be
/// listened on, as a start at this moment would. Reports all problems, each with its line and
/// column. Makes and changes nothing.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let mut warnings = Vec::new();
        let (config, problems, said) = match self.settings.settings() {
            Ok(config) => {
                warnings.clone_from(&config.warnings);
                let problems = surroundings(&config, &mut warnings);
                let said = problems.iter().map(|problem| problem.what.clone()).collect();
                (Some(config), problems, said)
            }
            Err(error) => (None, error.problems.clone(), lines(&error)),
        };
        let code = if problems.is_empty() { OK } else { USAGE };
        if self.json {
            return finish(line(report(&problems, &warnings)).map(|()| code));
        }
        warnings.iter().for_each(|warning| complain(format_args!("warning: {warning}")));
        if let (Some(config), true) = (&config, problems.is_empty()) {
            return finish(line(summary(config)).map(|()| code));
        }
        said.iter().for_each(complain);
        code.into()
    }
}

/// What a start would meet around it, in the order in which it would; and what it would warn of.
fn surroundings(config: &Config, warnings: &mut Vec<String>) -> Vec<Problem> {
    let mut said = Vec::new();
    if let Err(error) = log::check(log::directives().as_deref()) {
        said.push(error.to_string());
    }
    if let Err(error) = directory::check(&config.storage.directory) {
        said.push(error.to_string());
    }
    if let Err(error) = descriptors::share(&mut config.clone(), process::descriptors()) {
        said.push(error.to_string());
    }
    said.extend(
        config
            .tees
            .iter()
            .filter_map(|(door, settings)| tee::check(*door, settings).err())
            .map(|error| error.to_string()),
    );
    let (wrong, told) = certificates::check(config);
    said.extend(wrong);
    warnings.extend(told);
    // All at once, so that two doors on one address are noticed.
    let mut bound = Vec::new();
    match tokio::runtime::Builder::new_current_thread().enable_io().build() {
        Ok(runtime) => {
            for (name, endpoint) in doors::endpoints(config) {
                match runtime.block_on(doors::check(name, endpoint)) {
                    Ok(door) => bound.push(door),
                    Err(error) => said.push(error.to_string()),
                }
            }
        }
        Err(error) => said.push(format!("the runtime can't be started: {error}")),
    }
    said.into_iter().map(|what| Problem { place: None, key: String::new(), what }).collect()
}

fn lines(error: &ConfigError) -> Vec<String> {
    error.to_string().lines().map(str::to_owned).collect()
}

fn report(problems: &[Problem], warnings: &[String]) -> serde_json::Value {
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({
                "line": problem.place.map(|place| place.line),
                "column": problem.place.map(|place| place.column),
                "key": (!problem.key.is_empty()).then_some(&problem.key),
                "problem": problem.what,
            })
        })
        .collect();
    json!({ "valid": problems.is_empty(), "problems": problems, "warnings": warnings })
}

fn summary(config: &Config) -> String {
    let doors: Vec<_> =
        doors::endpoints(config).iter().map(|(name, endpoint)| format!("{name} on {endpoint}")).collect();
    format!("valid: {}; chains in {}", doors.join(", "), config.storage.directory.display())
}
