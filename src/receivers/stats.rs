//! What the receivers count. Written by their requests, read by telemetry.

use super::otlp::signals::Signals;
use super::otlp::stats::OtlpStats;
use super::tail::TailStats;
use crate::ingest::requests::Transport;
use crate::ingest::stats::{Families, ReceiverStats};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The counters of every receiver.
#[derive(Debug)]
pub struct Counters {
    families: Families,
    pub otlp: Arc<OtlpStats>,
    pub litellm: Arc<ReceiverStats>,
    pub langfuse: Arc<ReceiverStats>,
    /// What comes over OTLP to a path of Langfuse's.
    pub langfuse_otlp: Signals<Arc<ReceiverStats>>,
    pub langsmith: Arc<ReceiverStats>,
    /// What comes over OTLP to a path of LangSmith's.
    pub langsmith_otlp: Signals<Arc<ReceiverStats>>,
    pub openai_agents: Arc<ReceiverStats>,
    pub native: Arc<ReceiverStats>,
    pub file_log: Arc<ReceiverStats>,
    pub tail: Arc<TailStats>,
    pub import: Arc<ReceiverStats>,
    /// What halod's own verbs capture, sent or kept.
    pub captured: Arc<ReceiverStats>,
}

impl Default for Counters {
    fn default() -> Self {
        use Transport::{File, Grpc, Http};
        let families = Families::default();
        let of = |name, transports| Arc::new(ReceiverStats::new(&families, name, &[], false, transports));
        // Its senders tell an action in several messages, which the hold keeps, or as spans.
        let of_parts = |name| Arc::new(ReceiverStats::new(&families, name, &[], true, (Http, None)));
        let of_signals = |name, transports| {
            Signals::each(|signal| {
                let labels = [("signal", signal)];
                let mut stats = ReceiverStats::new(&families, name, &labels, false, transports);
                // Losses are told by the protocol, at whichever path it came.
                stats.name = "otlp";
                Arc::new(stats)
            })
        };
        Self {
            otlp: Arc::new(OtlpStats::new(of_signals("otlp", (Http, Some(Grpc))))),
            litellm: of("litellm", (Http, None)),
            langfuse: of_parts("langfuse"),
            langfuse_otlp: of_signals("langfuse", (Http, None)),
            langsmith: of_parts("langsmith"),
            langsmith_otlp: of_signals("langsmith", (Http, None)),
            openai_agents: of("openai_agents", (Http, None)),
            native: of("native", (Http, Some(Grpc))),
            file_log: of("file_log", (File, None)),
            tail: Arc::default(),
            import: of("import", (File, Some(Http))),
            captured: of("captured", (File, Some(Http))),
            families,
        }
    }
}

impl Counters {
    pub fn register(&self, registry: &mut Registry) {
        // A receiver's handles are of the two families.
        let Self { families, otlp, tail, .. } = self;
        families.requests.register(registry);
        families.items.register(registry);
        otlp.register(registry);
        tail.register(registry);
    }

    /// The receivers whose messages the hold keeps, by the word that their messages say.
    #[must_use]
    pub fn of_hold(&self) -> crate::hold::Ledger {
        [&self.langfuse, &self.langsmith].map(|stats| (stats.name, Arc::clone(&stats.items))).into()
    }
}
