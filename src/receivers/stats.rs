//! What the receivers other than OTLP count. Written by their requests, read by telemetry.

use super::otlp::stats::OtlpStats;
use super::tail::TailStats;
use crate::net::status::Fault;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counters of every receiver.
#[derive(Debug)]
pub struct Counters {
    pub otlp: OtlpStats,
    pub litellm: ReceiverStats,
    pub langfuse: ReceiverStats,
    pub langsmith: ReceiverStats,
    pub openai_agents: ReceiverStats,
    pub native: ReceiverStats,
    pub file_log: ReceiverStats,
    pub tail: TailStats,
    pub import: ReceiverStats,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            otlp: OtlpStats::default(),
            litellm: ReceiverStats::new("litellm"),
            langfuse: ReceiverStats::new("langfuse"),
            langsmith: ReceiverStats::new("langsmith"),
            openai_agents: ReceiverStats::new("openai_agents"),
            native: ReceiverStats::new("native"),
            file_log: ReceiverStats::new("file_log"),
            tail: TailStats::default(),
            import: ReceiverStats::new("import"),
        }
    }
}

impl Counters {
    /// All but OTLP's.
    #[must_use]
    pub fn others(&self) -> [&ReceiverStats; 7] {
        let Self { otlp: _, tail: _, litellm, langfuse, langsmith, openai_agents, native, file_log, import } =
            self;
        [litellm, langfuse, langsmith, openai_agents, native, file_log, import]
    }
}

/// Counters of one receiver since start. Items are what the sender counts: calls, events, runs, lines.
/// Of those that were decoded, `received = filtered + rejected + accepted + refused + abandoned`
/// whenever no request is between decoding and its answer.
#[derive(Debug)]
pub struct ReceiverStats {
    pub name: &'static str,
    /// Requests answered with success, wholly or in part.
    pub requests: AtomicU64,
    pub received: AtomicU64,
    /// Well-formed, and nothing that an agent did.
    pub filtered: AtomicU64,
    /// For good: they cannot become records.
    pub rejected: AtomicU64,
    /// Acknowledged: sealed now or before, or on disk until they can be.
    pub accepted: AtomicU64,
    /// Of requests that were refused as a whole; their sender may send them again.
    pub refused: AtomicU64,
    /// Handed over, but the sender left before the answer: sealed or refused.
    pub abandoned: AtomicU64,
    /// Requests that were refused, or of which nothing could be used, in the order of [`Fault::NAMES`].
    pub faults: [AtomicU64; Fault::NAMES.len()],
}

impl ReceiverStats {
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            name,
            requests: zero(),
            received: zero(),
            filtered: zero(),
            rejected: zero(),
            accepted: zero(),
            refused: zero(),
            abandoned: zero(),
            faults: std::array::from_fn(|_| zero()),
        }
    }

    pub fn count(&self, fault: &Fault) {
        if let Some(counter) = self.faults.get(fault.index()) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// The outcomes of items, by name.
    #[must_use]
    pub fn outcomes(&self) -> [(&'static str, u64); 6] {
        [
            ("received", &self.received),
            ("accepted", &self.accepted),
            ("filtered", &self.filtered),
            ("rejected", &self.rejected),
            ("refused", &self.refused),
            ("abandoned", &self.abandoned),
        ]
        .map(|(name, counter)| (name, counter.load(Relaxed)))
    }
}

/// Items that were handed over, until their outcome is known. Dropped without one, their request was
/// abandoned.
#[derive(Debug)]
pub struct Pending<'a> {
    accepted: &'a AtomicU64,
    refused: &'a AtomicU64,
    abandoned: &'a AtomicU64,
    items: u64,
}

impl<'a> Pending<'a> {
    #[must_use]
    pub fn new(counters: [&'a AtomicU64; 3], items: u64) -> Self {
        let [accepted, refused, abandoned] = counters;
        Self { accepted, refused, abandoned, items }
    }

    pub fn end(mut self, accepted: bool) {
        let counter = if accepted { self.accepted } else { self.refused };
        counter.fetch_add(std::mem::take(&mut self.items), Relaxed);
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.items > 0 {
            self.abandoned.fetch_add(self.items, Relaxed);
        }
    }
}
