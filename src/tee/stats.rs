//! What a tee counts. Written by its thread and by the requests, read by telemetry.

use crate::pipeline::meter::{Counters, Gauge, Gauges};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

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
    pub offered: Counter,
    /// Taken by the backend.
    pub forwarded: Counter,
    dropped: [Counter; Drop::NAMES.len()],
    retried: [Counter; Retry::NAMES.len()],
    /// Of these, what has not reached the queue.
    pub in_memory: Gauge,
    /// In the queue: bytes of its files, and entries not delivered.
    pub bytes: Gauge,
    pub entries: Gauge,
}

/// The families of all tees.
#[derive(Debug, Default)]
pub struct TeeFamilies {
    offered: Counters,
    forwarded: Counters,
    dropped: Counters,
    retried: Counters,
    waiting: Gauges,
    bytes: Gauges,
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
            counter.inc_by(entries);
        }
    }

    pub fn retry(&self, why: Retry) {
        if let Some(counter) = self.retried.get(why as usize) {
            counter.inc();
        }
    }

    /// Entries that made room for newer ones.
    #[must_use]
    pub fn dropped_full(&self) -> u64 {
        self.dropped.get(Drop::Full as usize).map_or(0, Counter::get)
    }

    /// Dropped entries, by the name of the reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Drop::NAMES.into_iter().zip(self.dropped.iter().map(Counter::get))
    }
}

impl TeeFamilies {
    pub fn register(&self, registry: &mut Registry) {
        let Self { offered, forwarded, dropped, retried, waiting, bytes } = self;
        registry.register(
            "halod_tee_offered",
            "Sealed requests that were handed to a tee, to be passed on",
            offered.clone(),
        );
        registry.register(
            "halod_tee_forwarded",
            "Requests that the backend behind a tee took",
            forwarded.clone(),
        );
        registry.register(
            "halod_tee_dropped",
            "Requests that were sealed and will not be passed on, by reason; memory: before they were in the queue, \
             full: the oldest of the queue",
            dropped.clone(),
        );
        registry.register(
            "halod_tee_retried",
            "Attempts to pass a request on that failed, by reason",
            retried.clone(),
        );
        registry.register("halod_tee_queue_bytes", "Bytes of disk that a tee's queue takes", bytes.clone());
        registry.register(
            "halod_tee_queue_requests",
            "Requests that wait to be passed on: on disk in the queue, or in memory on their way to it",
            waiting.clone(),
        );
    }

    /// The handles of the tee of `receiver`, which are there from now on.
    #[must_use]
    pub fn of(&self, receiver: &'static str) -> TeeStats {
        let labels = vec![("receiver", receiver)];
        let with = |key, value| vec![("receiver", receiver), (key, value)];
        TeeStats {
            offered: self.offered.get_or_create_owned(&labels),
            forwarded: self.forwarded.get_or_create_owned(&labels),
            dropped: Drop::NAMES.map(|reason| self.dropped.get_or_create_owned(&with("reason", reason))),
            retried: Retry::NAMES.map(|reason| self.retried.get_or_create_owned(&with("reason", reason))),
            in_memory: self.waiting.get_or_create_owned(&with("place", "memory")),
            bytes: self.bytes.get_or_create_owned(&labels),
            entries: self.waiting.get_or_create_owned(&with("place", "disk")),
        }
    }
}
