//! What the receivers count. Written by their requests, read by telemetry.

use super::otlp::stats::{OtlpStats, SignalItems};
use super::requests::{RequestEntry, RequestFamilies, RequestStats, Transport};
use super::tail::TailStats;
use crate::pipeline::items::{ItemFamilies, ItemStats};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The counters of every receiver.
#[derive(Debug)]
pub struct Counters {
    items: ItemFamilies,
    requests: RequestFamilies,
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

/// The handles of one receiver other than OTLP's.
#[derive(Debug)]
pub struct ReceiverStats {
    pub name: &'static str,
    /// Items are what the sender counts: calls, events, runs, lines.
    pub items: Arc<ItemStats>,
    /// Spans, log records and data points that came over OTLP to a path of this receiver's.
    pub guests: Option<Arc<SignalItems>>,
    requests: Arc<RequestStats>,
    /// At the second transport of a receiver that has two.
    other: Option<(Transport, Arc<RequestStats>)>,
}

impl Default for Counters {
    fn default() -> Self {
        use Transport::{File, Grpc, Http};
        let (items, requests) = (ItemFamilies::default(), RequestFamilies::default());
        let of = |name, transport, other: Option<Transport>| ReceiverStats {
            name,
            items: items.of(&vec![("receiver", name)], false),
            guests: None,
            requests: requests.of(name, transport),
            other: other.map(|other| (other, requests.of(name, other))),
        };
        // Its senders tell an action in several messages, which the hold keeps, or as spans.
        let of_parts = |name| ReceiverStats {
            items: items.of(&vec![("receiver", name)], true),
            guests: Some(Arc::new(SignalItems::new(&items, name))),
            ..of(name, Http, None)
        };
        Self {
            otlp: OtlpStats::new(&items, &requests),
            litellm: of("litellm", Http, None),
            langfuse: of_parts("langfuse"),
            langsmith: of_parts("langsmith"),
            openai_agents: of("openai_agents", Http, None),
            native: of("native", Http, Some(Grpc)),
            file_log: of("file_log", File, None),
            tail: TailStats::default(),
            import: of("import", File, Some(Http)),
            items,
            requests,
        }
    }
}

impl Counters {
    pub fn register(&self, registry: &mut Registry) {
        // A receiver's handles are of the two families.
        let Self { items, requests, otlp, tail, .. } = self;
        requests.register(registry);
        items.register(registry);
        otlp.register(registry);
        tail.register(registry);
    }

    /// The receivers whose messages the hold keeps, by the word that their messages say.
    #[must_use]
    pub fn of_hold(&self) -> crate::hold::Ledger {
        [&self.langfuse, &self.langsmith].map(|stats| (stats.name, Arc::clone(&stats.items))).into()
    }
}

impl ReceiverStats {
    /// Counts a request that begins. A receiver with one transport counts every request there.
    #[must_use]
    pub fn begin(&self, transport: Transport) -> RequestEntry {
        match &self.other {
            Some((other, stats)) if *other == transport => stats.begin(),
            _ => self.requests.begin(),
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
