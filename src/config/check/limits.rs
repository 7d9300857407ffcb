//! `limits`: how much of one tenant is sealed in a time.

use super::Reader;
use crate::pipeline::rates::PerTenant;

/// Less would be no limit but a refusal: a record has some hundred bytes, and up to some thousand.
const LEAST_BYTES: u64 = 1024;
const MOST: u64 = 1 << 40;

impl Reader<'_> {
    pub(super) fn per_tenant(&mut self) -> PerTenant {
        let mut of = PerTenant::default();
        self.number("limits.per_tenant.records_per_second", 1..=MOST, |n| of.records_per_second = Some(n));
        self.number("limits.per_tenant.bytes_per_second", LEAST_BYTES..=MOST, |n| {
            of.bytes_per_second = Some(n);
        });
        self.number("limits.per_tenant.new_chains_per_minute", 1..=MOST, |n| {
            of.new_chains_per_minute = Some(n);
        });
        of
    }
}
