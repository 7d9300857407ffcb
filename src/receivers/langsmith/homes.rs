//! Whose chain runs and feedback went to: feedback names the run that it judges, and not its tenant.

use halod_record::tenant::Tenant;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Runs that are remembered, of tenants that the runs themselves claimed, and feedback.
const MAX_RUNS: usize = 50_000;

/// The tenants of the latest runs. What is not known any more, or was before a restart, is decided by
/// the request's headers alone.
#[derive(Debug, Default)]
pub(super) struct Homes {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    of: HashMap<Box<str>, Tenant>,
    oldest_first: VecDeque<Box<str>>,
}

impl Homes {
    pub(super) fn remember(&self, run: &str, tenant: &Tenant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.of.insert(run.into(), tenant.clone()).is_some() {
            return;
        }
        known.oldest_first.push_back(run.into());
        if known.oldest_first.len() > MAX_RUNS
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.of.remove(&oldest);
        }
    }

    pub(super) fn of(&self, run: &str) -> Option<Tenant> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).of.get(run).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_runs_are_remembered_and_no_more() {
        let homes = Homes::default();
        let tenant = |n: usize| Tenant::Subject(format!("tenant-{n}").into());
        for n in 0..=MAX_RUNS {
            homes.remember(&n.to_string(), &tenant(n));
            homes.remember(&n.to_string(), &tenant(n + 1));
        }
        assert_eq!(homes.of("0"), None);
        assert_eq!(homes.of("1"), Some(tenant(2)));
        assert_eq!(homes.of(&MAX_RUNS.to_string()), Some(tenant(MAX_RUNS + 1)));
        assert_eq!(homes.known.lock().map(|known| known.of.len()).ok(), Some(MAX_RUNS));
    }
}
