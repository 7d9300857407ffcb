//! What the OTLP receiver counts. Written by the requests, read by telemetry.

use super::scopes::Filtered;
use super::signals::Signals;
use crate::ingest::stats::ReceiverStats;
use crate::pipeline::meter::Gauge;
use halo_adapters::otlp::Signal;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Every signal, for those who walk the counters.
pub const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

/// Counters since start.
#[derive(Debug)]
pub struct OtlpStats {
    /// Their requests are the same ones: a request is counted before its signal is known.
    pub signals: Signals<Arc<ReceiverStats>>,
    /// Requests that wait for spans now.
    waiting: Gauge,
    /// Where what is filtered came from, over all transports and receivers.
    pub filtered: Arc<Filtered>,
}

impl OtlpStats {
    #[must_use]
    pub fn new(signals: Signals<Arc<ReceiverStats>>) -> Self {
        Self { signals, waiting: Gauge::default(), filtered: Arc::default() }
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "halod_otlp_waiting_requests",
            "Logs requests that are not answered yet because the spans of their content may still come",
            self.waiting.clone(),
        );
    }
}

/// A request that waits for spans, as long as it does.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a OtlpStats);

impl<'a> Waiting<'a> {
    pub(super) fn new(stats: &'a OtlpStats) -> Self {
        stats.waiting.inc();
        Self(stats)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.dec();
    }
}
