//! How much of each tenant is sealed in a time, where that is limited.
//!
//! Only what is new counts: a resend of what was sealed costs nothing, and is answered while its tenant is over its
//! rate. So a request that is sealed in parts, because of its own tenant's rate or of another's in it, gets further
//! with each time that it comes.

use halod_chain::rate::{Bucket, Rate};
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// What a tenant may send at once after a pause.
const BURST: Duration = Duration::from_secs(10);
/// Tenants beyond which those whose buckets are full again are forgotten.
const MANY: usize = 1024;

/// What is allowed of each tenant. Nothing is limited by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerTenant {
    pub records_per_second: Option<u64>,
    pub bytes_per_second: Option<u64>,
    /// Of all tenants together: a tenant has one chain.
    pub new_chains_per_minute: Option<u64>,
}

impl PerTenant {
    /// How many chains may begin; as many at once as in a minute.
    #[must_use]
    pub fn new_chains(&self) -> Option<Rate> {
        self.new_chains_per_minute.map(|chains| Rate::new(chains, MINUTE, MINUTE))
    }
}

/// What each tenant has used of its rates.
#[derive(Debug, Default)]
pub(super) struct Rates {
    records: Option<Limit>,
    bytes: Option<Limit>,
    used: HashMap<Tenant, Used>,
    /// How many tenants there are when it is looked next for some to forget.
    forget_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    rate: Rate,
    /// What comes in a second.
    second: u64,
}

#[derive(Debug, Default)]
struct Used {
    records: Bucket,
    bytes: Bucket,
}

/// What of a tenant may go into a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Whether only what was sealed before may.
    pub(super) nothing_new: bool,
}

impl Rates {
    pub(super) fn new(of: PerTenant) -> Self {
        let limit = |units: u64| Limit { rate: Rate::new(units, SECOND, BURST), second: units.max(1) };
        Self {
            records: of.records_per_second.map(limit),
            bytes: of.bytes_per_second.map(limit),
            used: HashMap::new(),
            forget_at: MANY,
        }
    }

    pub(super) fn are_limited(&self) -> bool {
        self.records.is_some() || self.bytes.is_some()
    }

    /// Tenants that have used something.
    pub(super) fn tenants(&self) -> usize {
        self.used.len()
    }

    /// What of a tenant may go into the next commit: as long as something is left, at least what comes in a second,
    /// so that little is not sealed one by one.
    pub(super) fn quota(&self, tenant: &Tenant, now: Instant) -> Quota {
        let used = self.used.get(tenant);
        let left = |limit: Option<Limit>, bucket: fn(&Used) -> &Bucket| {
            let Some(Limit { rate, second }) = limit else { return u64::MAX };
            match used.map_or_else(Bucket::default, |used| *bucket(used)).left(&rate, now) {
                0 => 0,
                left => left.max(second),
            }
        };
        let records = left(self.records, |used| &used.records);
        let bytes = left(self.bytes, |used| &used.bytes);
        if records == 0 || bytes == 0 {
            return Quota { records: u64::MAX, bytes: u64::MAX, nothing_new: true };
        }
        Quota { records, bytes, nothing_new: false }
    }

    /// Counts what was sealed.
    pub(super) fn charge(&mut self, tenant: &Tenant, records: u64, bytes: u64, now: Instant) {
        if records == 0 || !self.are_limited() {
            return;
        }
        let used = match self.used.get_mut(tenant) {
            Some(used) => used,
            None => {
                self.make_room(now);
                self.used.entry(tenant.clone()).or_default()
            }
        };
        if let Some(Limit { rate, .. }) = &self.records {
            used.records.take(records, rate, now);
        }
        if let Some(Limit { rate, .. }) = &self.bytes {
            used.bytes.take(bytes, rate, now);
        }
    }

    /// When a tenant that is over its rate may send what comes in a second.
    pub(super) fn wait(&self, tenant: &Tenant, now: Instant) -> Duration {
        let Some(used) = self.used.get(tenant) else { return SECOND };
        let wait = |limit: &Option<Limit>, bucket: &Bucket| {
            limit.map_or(Duration::ZERO, |Limit { rate, second }| bucket.until(second, &rate, now))
        };
        wait(&self.records, &used.records).max(wait(&self.bytes, &used.bytes)).max(SECOND)
    }

    /// Forgets tenants whose buckets are full: a new one is. Looks at all of them only when they have doubled.
    fn make_room(&mut self, now: Instant) {
        if self.used.len() >= self.forget_at {
            self.used.retain(|_, used| !(used.records.is_full(now) && used.bytes.is_full(now)));
            self.forget_at = MANY.max(self.used.len().saturating_mul(2));
        }
    }
}

impl Quota {
    pub(super) fn is_used(&self) -> bool {
        self.covers(0, 0)
    }

    /// Whether so much uses it up.
    pub(super) fn covers(&self, records: usize, bytes: usize) -> bool {
        records as u64 >= self.records || bytes as u64 >= self.bytes
    }

    pub(super) fn take(&mut self, records: usize, bytes: usize) {
        if !self.nothing_new {
            self.records = self.records.saturating_sub(records as u64);
            self.bytes = self.bytes.saturating_sub(bytes as u64);
        }
    }
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
