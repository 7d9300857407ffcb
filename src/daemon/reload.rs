//! Another configuration for a daemon that runs.
//!
//! ```text
//! SIGHUP | halod reload ─▶ read and checked as at a start ─▶ what changed, and may it ─▶ drained, and started by it
//!                                 └ wrong: told, and nothing changes      └ needs a restart: likewise
//! ```
//!
//! It holds as a whole or not at all. A change of the log's level alone is made on the spot; for any other one the parts
//! that were made by the old configuration finish what they have, and new ones are made, while who connects waits in the
//! listen queues.

use super::certificates;
use super::process::Reload;
use crate::config::changes::{Changes, changes};
use crate::config::{Config, ConfigError};
use crate::tee;
use crate::telemetry::control::{Asking, Outcome};
use crate::telemetry::log::Verbosity;
use crate::telemetry::reloads::Reloads;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Where the daemon's configuration is read again.
pub struct Source {
    pub read: Box<dyn Fn() -> Result<Config, ConfigError> + Send>,
    pub verbosity: Verbosity,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// A configuration to run by.
#[derive(Debug)]
pub(super) struct Change {
    pub config: Config,
    /// The sections that are not as before.
    pub changed: Vec<&'static str>,
    /// Told when it serves; dropped where it came to nothing.
    pub up: oneshot::Sender<()>,
}

/// How long who asked waits for the new configuration to serve, beyond the drain.
const PATIENCE: Duration = Duration::from_secs(120);

/// Reads the configuration whenever it is asked to.
pub(super) struct Reloader {
    current: Config,
    source: Source,
    reload: Reload,
    reloads: Arc<Reloads>,
    asked: mpsc::Receiver<oneshot::Sender<Outcome>>,
    changes: mpsc::Sender<Change>,
}

impl Reloader {
    pub(super) fn new(
        current: Config,
        source: Source,
        reload: Reload,
        reloads: Arc<Reloads>,
    ) -> (Self, Asking, mpsc::Receiver<Change>) {
        let (asking, asked) = mpsc::channel(4);
        let (changes, changed) = mpsc::channel(1);
        (Self { current, source, reload, reloads, asked, changes }, asking, changed)
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let answer = tokio::select! {
                Ok(()) = self.reload.changed() => None,
                Some(answer) = self.asked.recv() => Some(answer),
            };
            let outcome = self.again().await;
            self.reloads.ended(&outcome);
            if let Some(answer) = answer {
                // Whoever asked may have left.
                let _ = answer.send(outcome);
            }
        }
    }

    async fn again(&mut self) -> Outcome {
        let config = match (self.source.read)() {
            Ok(config) => config,
            Err(error) => return Outcome::refused(error.to_string().lines().map(str::to_owned).collect()),
        };
        let Changes { changed, restart } = changes(&self.current, &config);
        if !restart.is_empty() {
            let named = restart.join(", ");
            let what = format!("{named}: a change of this needs a restart; nothing was changed");
            return Outcome { restart, ..Outcome::refused(vec![what]) };
        }
        let wrong = surroundings(&config);
        if !wrong.is_empty() {
            return Outcome::refused(wrong);
        }
        if changed.is_empty() {
            return Outcome::default();
        }
        if changed == ["log.level"] {
            self.source.verbosity.set(config.log.level);
            self.current = config;
            return Outcome { changed, ..Outcome::default() };
        }
        let (up, serves) = oneshot::channel();
        let patience = self.current.shutdown_timeout + PATIENCE;
        let change = Change { config: config.clone(), changed: changed.clone(), up };
        if self.changes.send(change).await.is_err() {
            return Outcome::refused(vec!["halod is stopping".into()]);
        }
        match tokio::time::timeout(patience, serves).await {
            Ok(Ok(())) => {
                self.source.verbosity.set(config.log.level);
                self.current = config;
                Outcome { changed, ..Outcome::default() }
            }
            Ok(Err(_)) => Outcome::refused(vec![
                self.reloads.why_fell_back().unwrap_or_else(|| "halod is stopping".to_owned()),
            ]),
            Err(_) => Outcome::refused(vec!["the new configuration does not serve yet; see the log".into()]),
        }
    }
}

/// What a start by this configuration would meet, as far as it can be seen while another one runs.
fn surroundings(config: &Config) -> Vec<String> {
    let (mut wrong, _) = certificates::check(config);
    let tees = config.tees.iter().filter_map(|(door, settings)| tee::check(*door, settings).err());
    wrong.extend(tees.map(|error| error.to_string()));
    wrong
}
