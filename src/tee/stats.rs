//! What a tee counts. Written by its thread and by the requests, read by telemetry.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a request was not passed on, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// Too much was kept in memory; it never reached the queue.
    Memory,
    /// The oldest of a queue that was full.
    Full,
    /// Larger than the queue.
    TooLarge,
    /// The disk was nearly full, or failed.
    Disk,
    /// Unreadable in the queue: cut off by a crash or power loss, or altered.
    Damaged,
    /// Older than `max_age`.
    Expired,
    /// The backend refused it with a code that sending again does not cure.
    Refused,
    /// It was tried `max_attempts` times in vain, on a backend that can be reached.
    Failed,
}

/// Why a request was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No connection: unknown name, refused, or no trusted certificate.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection broke before the answer.
    Broken,
    /// The backend asked for less: 429.
    Throttled,
    /// The backend, or a proxy before it, was unavailable: 408, 425, 502, 503 or 504.
    Unavailable,
    /// The backend failed: any other 5xx.
    Failing,
}

/// Counters since start, and what waits now. Of what this run took in and found waiting,
/// `forwarded + dropped + in_memory + entries` is the sum, drops for want of memory aside.
#[derive(Debug, Default)]
pub struct TeeStats {
    /// Handed over after a receipt.
    pub offered: AtomicU64,
    /// Taken by the backend.
    pub forwarded: AtomicU64,
    dropped: [AtomicU64; 8],
    retried: [AtomicU64; 6],
    /// Of these, what has not reached the queue.
    pub in_memory: AtomicU64,
    /// In the queue: bytes of its files, and entries not delivered.
    pub bytes: AtomicU64,
    pub entries: AtomicU64,
}

impl Drop {
    /// The names of reasons, in order.
    pub const NAMES: [&'static str; 8] =
        ["memory", "full", "too_large", "disk", "damaged", "expired", "refused", "failed"];
}

impl Retry {
    /// The names of reasons, in order.
    pub const NAMES: [&'static str; 6] =
        ["unreachable", "timeout", "broken", "throttled", "unavailable", "failing"];

    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or("other")
    }

    /// Whether it may be this request that the backend can't take, rather than any.
    #[must_use]
    pub fn may_be_the_request(self) -> bool {
        matches!(self, Self::Failing | Self::Broken | Self::Timeout)
    }
}

impl TeeStats {
    pub fn drop_one(&self, why: Drop) {
        self.drop_many(why, 1);
    }

    pub fn drop_many(&self, why: Drop, entries: u64) {
        if let Some(counter) = self.dropped.get(why as usize) {
            counter.fetch_add(entries, Relaxed);
        }
    }

    pub fn retry(&self, why: Retry) {
        if let Some(counter) = self.retried.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Entries that made room for newer ones.
    #[must_use]
    pub fn dropped_full(&self) -> u64 {
        self.dropped.get(Drop::Full as usize).map_or(0, |counter| counter.load(Relaxed))
    }

    /// Dropped entries, by the name of the reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Drop::NAMES.into_iter().zip(self.dropped.iter().map(|counter| counter.load(Relaxed)))
    }

    /// Attempts that failed and were or will be repeated, by the name of the reason.
    pub fn retried(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Retry::NAMES.into_iter().zip(self.retried.iter().map(|counter| counter.load(Relaxed)))
    }
}
