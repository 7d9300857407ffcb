//! What the pipeline counts. Written by the intake and the writer, read by telemetry.

use super::refusal::Refusal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// Upper bounds, in microseconds, of the sync duration histogram; the last bucket is unbounded.
pub const SYNC_BUCKETS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// Chains whose head age is reported one by one; the others share one figure.
pub const REPORTED_HEADS: usize = 100;

/// Counters since start, and gauges.
#[derive(Debug, Default)]
pub struct Stats {
    pub sealed: AtomicU64,
    pub duplicate: AtomicU64,
    pub conflict: AtomicU64,
    /// Bytes admitted and not yet durable or refused.
    pub in_flight: AtomicU64,
    pub commits: AtomicU64,
    pub poisoned: AtomicBool,
    pub stopping: AtomicBool,
    pub disk_low: AtomicBool,
    /// How often each refusal was given, in the order of [`Self::REFUSALS`].
    pub refused: [AtomicU64; 7],
    pub sync_buckets: [AtomicU64; SYNC_BUCKETS_US.len() + 1],
    pub sync_sum_us: AtomicU64,
    /// The most recently sealed chains, at most [`REPORTED_HEADS`].
    pub heads: Mutex<Vec<HeadAge>>,
    /// Chains sealed to since start, reported one by one or not.
    pub chains: AtomicU64,
}

/// When a chain last grew.
#[derive(Clone, Debug)]
pub struct HeadAge {
    /// The chain's file name without `.jsonl`: safe for labels, unlike the raw subject id.
    pub chain: String,
    pub records: u64,
    pub sealed_at: std::time::SystemTime,
}

impl Stats {
    pub const REFUSALS: [&str; 7] =
        ["full", "too_large", "stopping", "poisoned", "disk_low", "chain_unusable", "too_many_tenants"];

    /// Counts one refusal, whichever step gave it.
    pub fn count(&self, refusal: &Refusal) {
        let at = match refusal {
            Refusal::Full { .. } => 0,
            Refusal::TooLarge { .. } => 1,
            Refusal::Stopping => 2,
            Refusal::Poisoned => 3,
            Refusal::DiskLow => 4,
            Refusal::ChainUnusable => 5,
            Refusal::TooManyTenants => 6,
        };
        self.refused[at].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    pub fn observe_sync(&self, took: Duration) {
        use std::sync::atomic::Ordering::Relaxed;
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = SYNC_BUCKETS_US.partition_point(|&bound| bound < us);
        self.sync_buckets[bucket].fetch_add(1, Relaxed);
        self.sync_sum_us.fetch_add(us, Relaxed);
    }
}
