//! What is counted of one receiver.

use super::requests::{RequestEntry, RequestFamilies, RequestStats, Transport};
use crate::pipeline::items::{ItemFamilies, ItemStats};
use std::sync::Arc;

/// The families of both ledgers, over all receivers.
#[derive(Debug, Default)]
pub struct Families {
    pub items: ItemFamilies,
    pub requests: RequestFamilies,
}

/// The handles of one receiver, or of one of its signals.
#[derive(Debug)]
pub struct ReceiverStats {
    /// What records of losses call it.
    pub name: &'static str,
    /// Items are what the sender counts: spans, calls, events, runs, lines.
    pub items: Arc<ItemStats>,
    requests: Arc<RequestStats>,
    /// At the second transport of a receiver that has two.
    other: Option<(Transport, Arc<RequestStats>)>,
}

impl ReceiverStats {
    /// The handles of the receiver `name`, whose items have further labels and may be kept by the hold.
    #[must_use]
    pub fn new(
        families: &Families,
        name: &'static str,
        labels: &[(&'static str, &'static str)],
        has_hold: bool,
        transports: (Transport, Option<Transport>),
    ) -> Self {
        let labels = [&[("receiver", name)], labels].concat();
        let requests = |transport| families.requests.of(name, transport);
        Self {
            name,
            items: families.items.of(&labels, has_hold),
            requests: requests(transports.0),
            other: transports.1.map(|other| (other, requests(other))),
        }
    }

    /// Counts a request that begins. A receiver with one transport counts every request there.
    #[must_use]
    pub fn begin(&self, transport: Transport) -> RequestEntry {
        self.requests(transport).begin()
    }

    /// The requests of a transport.
    #[must_use]
    pub fn requests(&self, transport: Transport) -> &Arc<RequestStats> {
        match &self.other {
            Some((other, stats)) if *other == transport => stats,
            _ => &self.requests,
        }
    }

    /// Requests that were answered, refused and abandoned, over all transports.
    #[cfg(test)]
    #[must_use]
    pub fn ended(&self) -> [u64; 3] {
        let (first, other) =
            (self.requests.ended(), self.other.as_ref().map_or([0; 3], |(_, stats)| stats.ended()));
        std::array::from_fn(|at| first[at] + other[at])
    }
}
