//! The ledger of requests: how many came to each receiver, and how each ended.
//!
//! ```text
//! received = answered + refused + abandoned + in flight
//! ```
//!
//! Refusals are told by reason in the same family, so that there is no second figure to add to the first.

use crate::net::status::Fault;
use crate::pipeline::meter::{Counters, Gauge, Gauges, Histogram, Histograms, Labels};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Instant;

/// Upper bounds, in microseconds, of the histogram of requests' durations: from 1 ms to 60 s.
const BUCKETS_US: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Grpc,
    Http,
    /// A part of a followed log, or of a file in a watched folder.
    File,
}

impl Transport {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::File => "file",
        }
    }
}

/// The families of the ledger, over all receivers.
#[derive(Debug)]
pub struct RequestFamilies {
    received: Counters,
    ended: Counters,
    in_flight: Gauges,
    duration: Histograms,
}

/// The handles of one receiver at one transport.
#[derive(Debug)]
pub struct RequestStats {
    received: Counter,
    answered: Counter,
    /// In the order of [`Fault::NAMES`].
    refused: [Counter; Fault::NAMES.len()],
    abandoned: Counter,
    in_flight: Gauge,
    duration: Histogram,
}

/// A request that has not ended. Dropped as it is, its sender has left.
#[derive(Debug)]
pub struct RequestEntry {
    stats: Arc<RequestStats>,
    since: Instant,
    ended: End,
    unserved: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Answered,
    /// With where its fault is counted.
    Refused(usize),
    Left,
}

impl Default for RequestFamilies {
    fn default() -> Self {
        Self {
            received: Counters::default(),
            ended: Counters::default(),
            in_flight: Gauges::default(),
            duration: Histograms::new_with_constructor(|| Histogram::new(&BUCKETS_US)),
        }
    }
}

impl RequestFamilies {
    pub fn register(&self, registry: &mut Registry) {
        let Self { received, ended, in_flight, duration } = self;
        registry.register(
            "halod_requests_received",
            "Requests that came to a receiver; of followed logs and watched folders, parts of a file",
            received.clone(),
        );
        registry.register(
            "halod_requests",
            "Requests by their end, each counted once. answered: with success, wholly or in part; refused: with an \
             error, by reason; abandoned: the sender left, or broke off its body, before the answer",
            ended.clone(),
        );
        registry.register(
            "halod_requests_in_flight",
            "Requests that were received and have not ended",
            in_flight.clone(),
        );
        registry.register(
            "halod_request_duration_seconds",
            "Seconds from a request's head, or a file's part, to its end, whatever the end",
            duration.clone(),
        );
    }

    /// The handles of `receiver` at `transport`, which are there from now on.
    #[must_use]
    pub fn of(&self, receiver: &'static str, transport: Transport) -> Arc<RequestStats> {
        let labels: Labels = vec![("receiver", receiver), ("transport", transport.name())];
        let with = |more: &[(&'static str, &'static str)]| [labels.as_slice(), more].concat();
        let ended = |outcome| self.ended.get_or_create_owned(&with(&[("outcome", outcome)]));
        let refused =
            |reason| self.ended.get_or_create_owned(&with(&[("outcome", "refused"), ("reason", reason)]));
        Arc::new(RequestStats {
            received: self.received.get_or_create_owned(&labels),
            answered: ended("answered"),
            refused: Fault::NAMES.map(refused),
            abandoned: ended("abandoned"),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            duration: self.duration.get_or_create_owned(&vec![("receiver", receiver)]),
        })
    }
}

impl RequestStats {
    /// Counts a request that begins.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> RequestEntry {
        self.received.inc();
        self.in_flight.inc();
        RequestEntry { stats: Arc::clone(self), since: Instant::now(), ended: End::Open, unserved: None }
    }

    /// Requests that were answered, refused and abandoned.
    #[cfg(test)]
    #[must_use]
    pub fn ended(&self) -> [u64; 3] {
        [self.answered.get(), self.refused.iter().map(Counter::get).sum(), self.abandoned.get()]
    }
}

impl RequestEntry {
    /// The request is answered with this fault.
    pub fn refuse(&mut self, fault: &Fault) {
        self.ended = End::Refused(fault.index());
        self.unserved = match fault {
            Fault::Unserved(said) => Some(said),
            _ => None,
        };
    }

    /// The same, where `broken` tells that the sender broke off: it sees no answer.
    pub fn refuse_unless(&mut self, broken: bool, fault: &Fault) {
        self.refuse(fault);
        if broken {
            self.ended = End::Left;
        }
    }

    /// Whether it was not refused so far.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.ended == End::Open
    }

    /// What the sender is told if it was refused because nothing is received where it came.
    #[must_use]
    pub fn unserved(&self) -> Option<&'static str> {
        self.unserved
    }

    /// The answer is made; it is a success unless the request was refused.
    pub fn answer(mut self) {
        if self.ended == End::Open {
            self.ended = End::Answered;
        }
    }
}

impl Drop for RequestEntry {
    fn drop(&mut self) {
        let stats = &*self.stats;
        stats.in_flight.dec();
        stats.duration.observe(self.since.elapsed());
        match self.ended {
            End::Answered => stats.answered.inc(),
            End::Refused(at) => stats.refused.get(at).map_or(0, Counter::inc),
            End::Open | End::Left => stats.abandoned.inc(),
        };
    }
}
