//! The ledger of items: what senders count (spans, log records, data points, calls, events, runs, records,
//! lines, rows), and what became of each.
//!
//! ```text
//! received = sealed + duplicate + filtered + rejected + refused + abandoned + in flight
//! ```
//!
//! It holds for each receiver and signal. An item has one end, which is counted where the writer answers, so
//! that it makes no difference whether the sender still waits. Records are another thing: a record may tell of
//! several items, and halod's own notices are no items.

use super::batch::{Account, Receipt};
use super::meter::{Counters, Gauge, Gauges, Labels};
use super::refusal::Refusal;
use halod_chain::commit::Fate;
use halod_record::ids::RecordId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The families of the ledger, over all receivers.
#[derive(Debug, Default)]
pub struct ItemFamilies {
    received: Counters,
    ended: Counters,
    in_flight: Gauges,
}

/// The handles of one receiver, or of one of its signals.
#[derive(Debug)]
pub struct ItemStats {
    received: Counter,
    in_memory: Gauge,
    /// Of a receiver whose actions are told in several messages.
    in_hold: Option<Gauge>,
    sealed: Counter,
    duplicate: Counter,
    filtered: Counter,
    /// By reason: the item itself, or its tenant.
    rejected: [Counter; 2],
    refused: Counter,
    abandoned: Counter,
}

/// How the items of one request are divided before anything is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Divided {
    /// Items that can become a record.
    pub usable: u64,
    pub filtered: u64,
    /// Items that cannot be used by themselves.
    pub invalid: u64,
    /// Items whose tenant cannot be used.
    pub misplaced: u64,
}

/// What became of messages that a hold took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Messages that wait.
    pub kept: u64,
    /// Messages that waited already.
    pub again: u64,
    /// Messages that say nothing a record would say.
    pub empty: u64,
}

/// How a message that was held ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Sealed,
    Duplicate,
    Filtered,
}

/// Items of a request that are in flight. Dropped, their sender has left before anything was sealed for them.
#[derive(Debug)]
pub struct Items {
    stats: Arc<ItemStats>,
    open: u64,
    /// How many items each draft tells of, by its id; empty where each tells of one.
    weights: Vec<(RecordId, u64)>,
}

impl ItemFamilies {
    pub fn register(&self, registry: &mut Registry) {
        let Self { received, ended, in_flight } = self;
        registry.register(
            "halod_items_received",
            "Items of requests that could be decoded (spans, log records, data points, calls, events, runs, \
             records, lines, rows), and those that the hold found at start; halod's notices are none",
            received.clone(),
        );
        registry.register(
            "halod_items",
            "Items by their end, each counted once. sealed: a record that tells of it was synced to disk; \
             duplicate: it was sealed or held before; filtered: it tells of no action; rejected: it cannot become \
             a record; refused: its request was, and is for its sender to send again, which finds as a duplicate \
             what was sealed all the same; abandoned: its sender left before it was handed to the writer",
            ended.clone(),
        );
        registry.register(
            "halod_items_in_flight",
            "Items that were received and have no end yet: in memory on their way, or on disk in the hold until \
             their action is whole. Received items are those that ended and these",
            in_flight.clone(),
        );
    }

    /// The handles under these labels, which are there from now on.
    #[must_use]
    pub fn of(&self, labels: &Labels, has_hold: bool) -> Arc<ItemStats> {
        let with = |more: &[(&'static str, &'static str)]| [labels.as_slice(), more].concat();
        let ended = |outcome| self.ended.get_or_create_owned(&with(&[("outcome", outcome)]));
        let rejected = |reason| {
            let labels = with(&[("outcome", "rejected"), ("reason", reason)]);
            self.ended.get_or_create_owned(&labels)
        };
        let in_flight = |place| self.in_flight.get_or_create_owned(&with(&[("place", place)]));
        Arc::new(ItemStats {
            received: self.received.get_or_create_owned(labels),
            in_memory: in_flight("memory"),
            in_hold: has_hold.then(|| in_flight("hold")),
            sealed: ended("sealed"),
            duplicate: ended("duplicate"),
            filtered: ended("filtered"),
            rejected: ["invalid", "tenant"].map(rejected),
            refused: ended("refused"),
            abandoned: ended("abandoned"),
        })
    }
}

impl ItemStats {
    /// Counts a request's items. Those that are usable are in flight until they are told what became of them.
    #[must_use]
    pub fn receive(self: &Arc<Self>, divided: Divided) -> Items {
        let Divided { usable, filtered, invalid, misplaced } = divided;
        let [bad, astray] = &self.rejected;
        self.received.inc_by(usable + filtered + invalid + misplaced);
        self.filtered.inc_by(filtered);
        bad.inc_by(invalid);
        astray.inc_by(misplaced);
        self.in_memory.inc_by(usable);
        Items { stats: Arc::clone(self), open: usable, weights: Vec::new() }
    }

    /// Counts messages that an earlier run left in the hold.
    pub fn found_in_hold(&self, messages: u64) {
        self.received.inc_by(messages);
        if let Some(hold) = &self.in_hold {
            hold.inc_by(messages);
        }
    }

    /// Counts messages that leave the hold.
    pub fn leave_hold(&self, messages: u64, ended: Ended) {
        if let Some(hold) = &self.in_hold {
            hold.dec_by(messages);
        }
        let counter = match ended {
            Ended::Sealed => &self.sealed,
            Ended::Duplicate => &self.duplicate,
            Ended::Filtered => &self.filtered,
        };
        counter.inc_by(messages);
    }

    /// Items that were sealed, for those who look at one receiver.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.sealed.get()
    }

    /// Every count under its name, for tests of one receiver.
    #[cfg(test)]
    #[must_use]
    pub fn counts(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let [invalid, tenant] = &self.rejected;
        let all = [
            ("received", &self.received),
            ("sealed", &self.sealed),
            ("duplicate", &self.duplicate),
            ("filtered", &self.filtered),
            ("invalid", invalid),
            ("tenant", tenant),
            ("refused", &self.refused),
            ("abandoned", &self.abandoned),
        ];
        let in_flight = self.in_memory.get() + self.in_hold.as_ref().map_or(0, Gauge::get);
        all.into_iter().map(|(name, count)| (name, count.get())).chain([("in_flight", in_flight)]).collect()
    }
}

impl Items {
    /// Tells how many items each draft tells of, where that is not one each. What no draft of the batch tells of
    /// is in another record, and is sealed when the batch is.
    #[must_use]
    pub fn weighing(mut self, weights: Vec<(RecordId, u64)>) -> Self {
        self.weights = weights;
        self
    }

    /// The request was refused: its items may come again.
    pub fn refuse(mut self) {
        self.end().refused.inc_by(self.open);
        self.open = 0;
    }

    /// A hold has taken these messages.
    pub fn hold(mut self, held: Held) {
        let stats = self.end();
        if let Some(hold) = &stats.in_hold {
            hold.inc_by(held.kept);
        }
        stats.duplicate.inc_by(held.again);
        stats.filtered.inc_by(held.empty);
        self.open = 0;
    }

    /// What was asked for is on disk.
    pub fn seal(mut self, receipt: &Receipt) {
        let duplicate = if self.weights.is_empty() {
            u64::from(receipt.duplicate)
        } else {
            let mut fates = receipt.fates();
            let told = self.weights.iter().filter(|(id, _)| fates.next(*id) == Some(Fate::Duplicate));
            told.map(|(_, items)| items).sum()
        };
        let duplicate = duplicate.min(self.open);
        let stats = self.end();
        stats.duplicate.inc_by(duplicate);
        stats.sealed.inc_by(self.open - duplicate);
        self.open = 0;
    }

    fn end(&self) -> &ItemStats {
        self.stats.in_memory.dec_by(self.open);
        &self.stats
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        if self.open > 0 {
            self.end().abandoned.inc_by(self.open);
        }
    }
}

impl Account for Items {
    fn wants_detail(&self) -> bool {
        !self.weights.is_empty()
    }

    fn settle(self: Box<Self>, outcome: Result<&Receipt, &Refusal>) {
        match outcome {
            Ok(receipt) => self.seal(receipt),
            // What was sealed before it was refused is a duplicate when it comes again.
            Err(_) => self.refuse(),
        }
    }
}
