//! Which spans of databases and of HTTP clients are recorded: those below an agent's action (`docs/data.md`).

use super::parents::Above;
use crate::recent::RecentMap;
use std::sync::{Mutex, PoisonError};

/// Traces that are remembered at least, and at most twice as many.
const TRACES: usize = 50_000;

/// The traces of which something was recorded. Children end before their parents and are sent before them, so a
/// span that was touched by an action can come before it.
#[derive(Debug)]
pub(super) struct DataSpans {
    traces: Mutex<RecentMap<[u8; 16], ()>>,
}

/// Whether a span stands below a recorded action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    Yes,
    No,
    /// A span around it is not here, and nothing is known of its trace so far.
    Unknown,
}

impl DataSpans {
    pub(super) fn new() -> Self {
        Self { traces: Mutex::new(RecentMap::new(TRACES)) }
    }

    /// Something of the trace is recorded.
    pub(super) fn remember(&self, trace: &[u8; 16]) {
        *self.traces.lock().unwrap_or_else(PoisonError::into_inner).entry(*trace) = ();
    }

    pub(super) fn below(&self, above: Option<Above>, trace: &[u8; 16]) -> Below {
        let is_known = || self.traces.lock().unwrap_or_else(PoisonError::into_inner).contains(trace);
        match above {
            Some(Above::Recorded(_)) => Below::Yes,
            Some(Above::Absent(_)) if is_known() => Below::Yes,
            Some(Above::Absent(_)) => Below::Unknown,
            None => Below::No,
        }
    }
}
