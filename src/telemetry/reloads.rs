//! What is known of the configuration that holds: when it was read, and what was wrong with later ones.

use super::control::Outcome;
use crate::clock;
use crate::pipeline::meter::{Counters, Gauge};
use halod_record::time::rfc3339;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Counts what became of configurations that were read again.
#[derive(Debug)]
pub struct Reloads {
    outcomes: Counters,
    applied: Counter,
    unchanged: Counter,
    failed: Counter,
    /// 1 where the last one that was read holds.
    successful: Gauge,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the configuration that holds was read.
    since: SystemTime,
    /// What was wrong with the last one, where that does not hold.
    problems: Vec<String>,
    fell_back: Option<String>,
}

impl Default for Reloads {
    fn default() -> Self {
        let outcomes = Counters::default();
        let of = |outcome| outcomes.get_or_create_owned(&vec![("outcome", outcome)]);
        let (applied, unchanged, failed) = (of("applied"), of("unchanged"), of("failed"));
        let successful = Gauge::default();
        successful.set(1);
        let state = State { since: clock::now(), problems: Vec::new(), fell_back: None };
        Self { outcomes, applied, unchanged, failed, successful, state: Mutex::new(state) }
    }
}

impl Reloads {
    /// The configuration that was just read holds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a configuration that was read.
    pub fn ended(&self, outcome: &Outcome) {
        let Outcome { changed, problems, .. } = outcome;
        for problem in problems {
            tracing::error!("configuration: {problem}");
        }
        if !problems.is_empty() {
            tracing::error!(problems = problems.len(), "the configuration stays as it was");
            self.failed.inc();
        } else if changed.is_empty() {
            tracing::info!("the configuration was read again and is as before");
            self.unchanged.inc();
        } else {
            tracing::info!(changed = changed.join(", "), "the configuration was read again and holds");
            self.applied.inc();
        }
        self.successful.set(u64::from(problems.is_empty()));
        let mut state = self.state();
        if !changed.is_empty() && problems.is_empty() {
            state.since = clock::now();
        }
        state.problems.clone_from(problems);
    }

    /// A configuration could not be started by, and the one before it is taken again.
    pub fn fell_back(&self, why: &str) {
        tracing::error!(
            error = why,
            "halod can't run by the new configuration: it goes on by the one before"
        );
        self.state().fell_back = Some(why.to_owned());
    }

    /// Why that was, once.
    #[must_use]
    pub fn why_fell_back(&self) -> Option<String> {
        self.state().fell_back.take()
    }

    /// For `/status`.
    #[must_use]
    pub fn told(&self) -> Value {
        let state = self.state();
        let nanos = state.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let since = rfc3339(u64::try_from(nanos).unwrap_or(0));
        json!({ "since": String::from_utf8_lossy(&since), "problems": state.problems })
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "halod_config_reloads",
            "Times that the configuration was read again. applied: it holds; unchanged: it was as before; failed: the \
             one before stays, /status says why",
            self.outcomes.clone(),
        );
        registry.register(
            "halod_config_last_reload_successful",
            "1 where the configuration that was read last holds, else 0",
            self.successful.clone(),
        );
    }
}
