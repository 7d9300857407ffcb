//! What the OTLP receiver counts. Written by the requests, read by telemetry.

use super::scopes::Filtered;
use crate::pipeline::items::{ItemFamilies, ItemStats};
use crate::pipeline::meter::Gauge;
use crate::receivers::requests::{RequestEntry, RequestFamilies, RequestStats, Transport};
use halo_adapters::otlp::Signal;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Every signal, for those who walk the counters.
pub const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

/// The name of this receiver in labels and gaps.
pub const RECEIVER: &str = "otlp";

/// The items of one receiver's signals: spans, log records, metric data points.
#[derive(Debug)]
pub struct SignalItems {
    traces: Arc<ItemStats>,
    logs: Arc<ItemStats>,
    metrics: Arc<ItemStats>,
}

/// Counters since start.
#[derive(Debug)]
pub struct OtlpStats {
    pub items: Arc<SignalItems>,
    grpc: Arc<RequestStats>,
    http: Arc<RequestStats>,
    /// Requests that wait for spans now.
    waiting: Gauge,
    /// Where what is filtered came from, over all transports and receivers.
    pub filtered: Arc<Filtered>,
}

impl SignalItems {
    #[must_use]
    pub fn new(items: &ItemFamilies, receiver: &'static str) -> Self {
        let of = |signal| items.of(&vec![("receiver", receiver), ("signal", signal)], false);
        Self { traces: of("traces"), logs: of("logs"), metrics: of("metrics") }
    }

    #[must_use]
    pub fn of(&self, signal: Signal) -> &Arc<ItemStats> {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
        }
    }
}

impl OtlpStats {
    #[must_use]
    pub fn new(items: &ItemFamilies, requests: &RequestFamilies) -> Self {
        Self {
            items: Arc::new(SignalItems::new(items, RECEIVER)),
            grpc: requests.of(RECEIVER, Transport::Grpc),
            http: requests.of(RECEIVER, Transport::Http),
            waiting: Gauge::default(),
            filtered: Arc::default(),
        }
    }

    /// Counts a request that begins.
    #[must_use]
    pub fn begin(&self, transport: Transport) -> RequestEntry {
        self.requests(transport).begin()
    }

    #[must_use]
    pub fn requests(&self, transport: Transport) -> &Arc<RequestStats> {
        match transport {
            Transport::Grpc => &self.grpc,
            Transport::Http | Transport::File => &self.http,
        }
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
