//! `halod hook`: what a coding agent's hook says, and the setting that makes it say it.

use super::output::{self, FAILED, OK, USAGE, complain};
use crate::capture::hook::{self, Became, Way};
use crate::capture::settings;
use crate::config;
use crate::spool::place::Place;
use crate::spool::{DEFAULT_DIRECTORY, DIRECTORY};
use clap::ValueEnum;
use halo_adapters::hook::Client;
use halod_record::tenant::Tenant;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Record what a coding agent does, where it does it: one event of a hook on standard input
///
/// Events of Claude Code, the Claude Agent SDK, Codex and Gemini CLI become records whose `source.capture` is `captured`.
/// They go to the halod of the directory, or wait in its spool, masked by its rules, until it runs. Nothing is written to
/// standard output, and nothing is decided: the agent goes on as without a hook. docs/hook.md says what each event becomes.
///
/// Exit code: 0, also when an event has no record, which standard error tells; with --strict 1 then. With --install and
/// --uninstall: 0, or 1 if the settings can't be changed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where halod keeps its chains [default: $HALOD_DIR, or ./records as halod itself]
    #[arg(long, short, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Whose hook it is; else the event tells
    #[arg(long, value_name = "CLIENT")]
    client: Option<Name>,
    /// Whose records they are: the tenant's id [default: $HALOD_SUBJECT, or none]
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// End with 1 where an event has no record
    #[arg(long)]
    strict: bool,
    /// Put the hook into a client's settings, and show what was changed
    #[arg(long, value_name = "CLIENT", conflicts_with_all = ["uninstall", "client", "strict"])]
    install: Option<Name>,
    /// Take it out again
    #[arg(long, value_name = "CLIENT", conflicts_with_all = ["client", "strict"])]
    uninstall: Option<Name>,
    /// With --install and --uninstall: the settings, where they are not the user's own
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// With --install: the configuration of the halod that is to run on DIR, where none has run yet
    #[arg(long, short, value_name = "FILE", requires = "install")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    ClaudeCode,
    Codex,
    Gemini,
}

impl From<Name> for Client {
    fn from(name: Name) -> Self {
        match name {
            Name::ClaudeCode => Self::ClaudeCode,
            Name::Codex => Self::Codex,
            Name::Gemini => Self::Gemini,
        }
    }
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        match (self.install, self.uninstall) {
            (Some(name), _) => told(self.install(name.into())),
            (None, Some(name)) => told(self.uninstall(name.into())),
            (None, None) => self.capture(),
        }
    }

    fn directory(&self) -> PathBuf {
        let set = || std::env::var_os(DIRECTORY).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        self.dir.clone().or_else(set).unwrap_or_else(|| DEFAULT_DIRECTORY.into())
    }

    fn subject(&self) -> Option<String> {
        let set = || std::env::var("HALOD_SUBJECT").ok().filter(|id| !id.is_empty());
        self.subject.clone().or_else(set)
    }

    fn capture(self) -> ExitCode {
        let failed = || if self.strict { FAILED } else { OK }.into();
        let tenant = match self.subject().as_deref().map(Tenant::claimed) {
            None => Tenant::Local,
            Some(Ok(tenant)) => tenant,
            Some(Err(why)) => {
                complain(format_args!("the subject can't be a tenant's id: {why}; the event has no record"));
                return failed();
            }
        };
        let client = self.client.map(Client::from);
        let directory = self.directory();
        let way = Way { directory: &directory, client, tenant: &tenant };
        let became = hook::read(io::stdin().lock()).and_then(|event| hook::capture(&event, way));
        match became {
            Ok(Became::Sent(_) | Became::Nothing) => OK.into(),
            Err(error) => {
                complain(error);
                failed()
            }
        }
    }

    fn settings(&self, client: Client) -> Result<PathBuf, String> {
        let own = || settings::file(client, |name| std::env::var_os(name));
        self.settings.clone().map_or_else(own, Ok).map_err(|error| error.to_string())
    }

    fn install(&self, client: Client) -> Result<Vec<String>, String> {
        let directory = std::path::absolute(self.directory()).map_err(|error| error.to_string())?;
        if let Some(Err(why)) = self.subject().as_deref().map(Tenant::claimed) {
            return Err(format!("the subject can't be a tenant's id: {why}"));
        }
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        self.know_rules(&directory)?;
        let command = settings::command(client, &program, &directory, self.subject().as_deref());
        let changed = settings::install(&self.settings(client)?, client, &command);
        let changed = changed.map_err(|error| error.to_string())?;
        let mut lines = shown(&changed, "has the hook already");
        if client == Client::Codex {
            lines.push(
                "Codex asks whether it may run new hooks when it starts next, or see /hooks in it.".into(),
            );
        }
        Ok(lines)
    }

    /// Events that come before a halod runs are masked by its configuration.
    fn know_rules(&self, directory: &Path) -> Result<(), String> {
        if self.config.is_none() && hook::builder(directory).is_ok() {
            return Ok(());
        }
        let config = config::load(self.config.as_deref()).map_err(|error| error.to_string())?;
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let place = Place::make(directory).and_then(|place| place.write_rules(&config.rules));
        place.map_err(|error| error.to_string())
    }

    fn uninstall(&self, client: Client) -> Result<Vec<String>, String> {
        let changed = settings::uninstall(&self.settings(client)?).map_err(|error| error.to_string())?;
        Ok(shown(&changed, "has no hook of halod's"))
    }
}

fn shown(changed: &settings::Changed, unchanged: &str) -> Vec<String> {
    let path = changed.path.display();
    if changed.difference.is_empty() {
        return vec![format!("{path} {unchanged}.")];
    }
    let mut lines = vec![format!("{path} was changed:")];
    lines.extend(changed.difference.iter().cloned());
    lines
}

fn told(done: Result<Vec<String>, String>) -> ExitCode {
    match done {
        Ok(lines) => output::finish(lines.iter().try_for_each(output::line).map(|()| OK)),
        Err(why) => {
            complain(why);
            FAILED.into()
        }
    }
}

/// The exit code of wrong usage. To a client of hooks the usual one says that what it was about to do is forbidden.
pub(super) fn usage(arguments: impl Iterator<Item = std::ffi::OsString>) -> u8 {
    if arguments.skip(1).take(1).any(|verb| verb == "hook") { FAILED } else { USAGE }
}
