//! What the OTLP receiver counts. Written by the requests, read by telemetry.

use super::scopes::Filtered;
use crate::net::status::Fault;
use halo_adapters::otlp::Signal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Grpc,
    Http,
}

impl Transport {
    pub const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// Every signal, for those who walk the counters.
pub const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

/// Counters since start.
#[derive(Debug, Default)]
pub struct OtlpStats {
    /// Requests that wait for spans now.
    pub waiting: AtomicU64,
    signals: [[SignalStats; SIGNALS.len()]; Transport::ALL.len()],
    faults: [[AtomicU64; Fault::NAMES.len()]; Transport::ALL.len()],
    /// Where what is filtered came from, over all transports.
    pub filtered: Filtered,
}

/// Items are spans, log records or metric data points. Of those that were decoded,
/// `received = filtered + rejected + accepted + refused + abandoned` whenever no request is
/// between decoding and its answer.
#[derive(Debug, Default)]
pub struct SignalStats {
    /// Requests answered with success, wholly or in part.
    pub requests: AtomicU64,
    pub received: AtomicU64,
    /// Well-formed, and nothing that an agent did.
    pub filtered: AtomicU64,
    /// For good, in the order of [`Self::REASONS`].
    pub rejected: [AtomicU64; Self::REASONS.len()],
    /// Acknowledged: sealed now or before.
    pub accepted: AtomicU64,
    /// Of requests that were refused as a whole; their sender may send them again.
    pub refused: AtomicU64,
    /// Handed to the writer, but the sender left before the answer: sealed or refused.
    pub abandoned: AtomicU64,
}

impl SignalStats {
    /// Unusable ids or values, and unusable tenants.
    pub const REASONS: [&'static str; 2] = ["invalid", "tenant"];
}

impl OtlpStats {
    #[must_use]
    pub fn signal(&self, transport: Transport, signal: Signal) -> &SignalStats {
        let [grpc, http] = &self.signals;
        let [traces, logs, metrics] = match transport {
            Transport::Grpc => grpc,
            Transport::Http => http,
        };
        match signal {
            Signal::Traces => traces,
            Signal::Logs => logs,
            Signal::Metrics => metrics,
        }
    }

    /// Requests answered with an error, in the order of [`Fault::NAMES`].
    #[must_use]
    pub fn faults(&self, transport: Transport) -> &[AtomicU64; Fault::NAMES.len()] {
        let [grpc, http] = &self.faults;
        match transport {
            Transport::Grpc => grpc,
            Transport::Http => http,
        }
    }

    pub(super) fn count(&self, transport: Transport, fault: &Fault) {
        if let Some(counter) = self.faults(transport).get(fault.index()) {
            counter.fetch_add(1, Relaxed);
        }
    }
}

/// A request that waits for spans, as long as it does.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a OtlpStats);

impl<'a> Waiting<'a> {
    pub(super) fn new(stats: &'a OtlpStats) -> Self {
        stats.waiting.fetch_add(1, Relaxed);
        Self(stats)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
