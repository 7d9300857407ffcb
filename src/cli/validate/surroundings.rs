//! What a start would meet around it.

use super::unplaced;
use crate::cli::local;
use crate::config::raw::{Node, Value};
use crate::config::{Config, Place, Problem, descriptors};
use crate::daemon::{certificates, doors, process};
use crate::net::tls::TlsSettings;
use crate::net::tls::config::TlsError;
use crate::tee;
use crate::telemetry::log;
use halod_chain::directory::{self, DirectoryError};
use std::collections::HashSet;
use std::time::Duration;

/// For the answer of a daemon that runs on the directory.
const WAIT: Duration = Duration::from_secs(5);

pub(super) struct Surroundings<'a> {
    pub(super) config: &'a Config,
    /// The file as it was written.
    pub(super) root: Option<&'a Node>,
}

impl Surroundings<'_> {
    /// All of it, in the order in which a start would meet it.
    pub(super) fn look(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
        let config = self.config;
        if let Err(error) = log::check(log::directives().as_deref()) {
            problems.push(unplaced(error.to_string()));
        }
        let mut running = HashSet::new();
        match directory::check(&config.storage.directory) {
            Ok(()) => {}
            Err(error @ DirectoryError::Owned { .. }) => match self.running() {
                Some(listening) => {
                    running = listening;
                    let what =
                        "a halod runs on this directory; `halod reload` makes it take the configuration over";
                    warnings.push(unplaced(what.into()));
                }
                None => problems.push(self.at("storage.directory", error.to_string())),
            },
            Err(error) => problems.push(self.at("storage.directory", error.to_string())),
        }
        if let Err(error) = descriptors::share(&mut config.clone(), process::descriptors()) {
            problems.push(unplaced(error.to_string()));
        }
        self.files(problems, warnings);
        problems.extend(self.addresses(&running));
    }

    /// The files that settings name.
    pub(super) fn files(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
        let config = self.config;
        for (door, settings) in &config.tees {
            if let Err(error) = tee::check(*door, settings) {
                let key = format!("receivers.{}.tee.ca_file", door.name());
                let said = error.to_string();
                let what = said.strip_prefix(&format!("{key}: ")).unwrap_or(&said).to_owned();
                problems.push(self.at(&key, what));
            }
        }
        for (door, settings, checked) in certificates::check_each(config) {
            match checked {
                Ok(told) => warnings.extend(told.into_iter().map(unplaced)),
                Err(error) => problems.push(self.of_tls(door, settings, &error)),
            }
        }
    }

    /// Where the daemon of the directory listens; `None` where none answers.
    fn running(&self) -> Option<HashSet<String>> {
        let asked = local::ask_whole(&self.config.storage.directory, "GET", "/status", Some(WAIT));
        let (200, text) = asked.ok()? else { return None };
        let status: serde_json::Value = serde_json::from_str(&text).ok()?;
        let listening = status.get("listening")?.as_object()?;
        Some(listening.values().filter_map(|address| address.as_str().map(str::to_owned)).collect())
    }

    /// All at once, so that two doors on one address are noticed.
    fn addresses(&self, running: &HashSet<String>) -> Vec<Problem> {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return vec![unplaced(format!("the runtime can't be started: {error}"))],
        };
        let (mut bound, mut problems) = (Vec::new(), Vec::new());
        for (name, endpoint) in doors::endpoints(self.config) {
            // The daemon's own, as it is written or as it was resolved.
            let resolved = endpoint.resolve().unwrap_or_default();
            if running.contains(&endpoint.to_string())
                || resolved.iter().any(|address| running.contains(&address.to_string()))
            {
                continue;
            }
            match runtime.block_on(doors::check(name, endpoint)) {
                Ok(door) => bound.push(door),
                Err(error) => problems.push(self.at(key_of(name), error.to_string())),
            }
        }
        problems
    }

    fn of_tls(&self, door: &str, settings: &TlsSettings, error: &TlsError) -> Problem {
        let section = key_of(door).trim_end_matches("endpoint");
        let file = if error.path == settings.key_file {
            "key_file"
        } else if settings.client_ca_file.as_ref() == Some(&error.path) {
            "client_ca_file"
        } else {
            "cert_file"
        };
        self.at(&format!("{section}tls.{file}"), error.to_string())
    }

    /// A problem of a key, at its place if it is written in the file.
    pub(super) fn at(&self, key: &str, what: String) -> Problem {
        let place = self.place(key);
        // What comes from a flag or the defaults explains itself.
        let key = if place.is_some() { key.to_owned() } else { String::new() };
        Problem { place, key, what }
    }

    fn place(&self, key: &str) -> Option<Place> {
        let child = |node: &'_ Node, name: &str| match &node.value {
            Value::Section(entries) => {
                entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node.clone())
            }
            _ => None,
        };
        let found = key.split('.').try_fold(self.root?.clone(), |node, name| child(&node, name))?;
        (!matches!(found.value, Value::Null)).then_some(found.place)
    }
}

/// The key of a door's address.
fn key_of(door: &str) -> &'static str {
    match door {
        doors::GRPC => "receivers.otlp.protocols.grpc.endpoint",
        doors::HTTP => "receivers.otlp.protocols.http.endpoint",
        _ => "admin.endpoint",
    }
}
