//! What one tenant lost since its last notice, and how that is said.

use super::Loss;
use crate::net::peer::Peer;
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;
use halod_record::time;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Senders that are named of one tenant's losses.
const PEERS: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct LossCounter {
    pub(super) bytes: u64,
    pub(super) items: u64,
    pub(super) requests: u64,
    /// How often, by receiver and reason.
    reasons: BTreeMap<(&'static str, &'static str), u64>,
    /// Whose they were, the first [`PEERS`]; for the log alone.
    peers: BTreeSet<String>,
    /// Unix nanoseconds.
    first: u64,
    last: u64,
    /// Some of it is of senders that named no tenant.
    unknown: bool,
    /// Some of it is of tenants in whose own chains it could not be told.
    others: bool,
}

impl LossCounter {
    pub(super) fn of(loss: &Loss<'_>, now: u64) -> Self {
        Self {
            bytes: loss.bytes,
            items: loss.items,
            requests: 1,
            reasons: BTreeMap::from([((loss.receiver, loss.reason), 1)]),
            peers: Peer::answered().map(|peer| peer.to_string()).into_iter().collect(),
            first: now,
            last: now,
            unknown: loss.tenant.is_none(),
            others: false,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.first = if self.requests == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.items = self.items.saturating_add(other.items);
        self.requests = self.requests.saturating_add(other.requests);
        for (reason, count) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += count;
        }
        for peer in &other.peers {
            if self.peers.len() < PEERS {
                self.peers.insert(peer.clone());
            }
        }
        self.unknown |= other.unknown;
        self.others |= other.others;
    }

    /// Which receivers refused it and why, with how often, for the log.
    pub(super) fn reasons(&self) -> String {
        let told =
            |((receiver, reason), count): (&(&str, &str), &u64)| format!("{receiver}: {reason} ({count})");
        self.reasons.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    /// Who sent it, as far as that is known, for the log.
    pub(super) fn peers(&self) -> String {
        self.peers.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Marks what can't be told in its own tenant's chain.
    pub(super) fn move_to_local(&mut self) {
        self.others |= !self.unknown;
    }

    pub(super) fn notice(&self, tenant: &Tenant) -> Draft {
        let [first, last] = [self.first, self.last].map(time::rfc3339);
        let [first, last] = [&first, &last].map(|at| std::str::from_utf8(at).unwrap_or_default());
        let mut about: BTreeMap<String, About<'_>> = self
            .reasons
            .iter()
            .map(|((receiver, reason), count)| (format!("{receiver}.{reason}"), About::Number(*count)))
            .collect();
        about.insert("bytes".into(), About::Number(self.bytes));
        about.insert("first_at".into(), About::Text(first));
        about.insert("items".into(), About::Number(self.items));
        about.insert("last_at".into(), About::Text(last));
        about.insert("requests".into(), About::Number(self.requests));
        if let Some((word, _)) = self.whose() {
            about.insert("tenant".into(), About::Text(word));
        }
        let about: Vec<_> = about.iter().map(|(key, fact)| (key.as_str(), *fact)).collect();
        Notice::of_loss("gap", &self.sentence(), &about).draft(tenant)
    }

    /// Whose the losses are, in a word and in words, where not the chain's own tenant's.
    fn whose(&self) -> Option<(&'static str, &'static str)> {
        match (self.unknown, self.others) {
            (false, false) => None,
            (true, false) => Some(("unknown", "the tenant is not known")),
            (false, true) => Some(("others", "they are of tenants in whose own chains that can't be said")),
            (true, true) => Some(("several", "they are of several tenants, some of them not known")),
        }
    }

    fn sentence(&self) -> String {
        let mut text = counted(self.requests, "request");
        // Writing to a String does not fail.
        if self.items > 0 {
            let _ = write!(text, ", {}", counted(self.items, "item"));
        }
        if self.bytes > 0 {
            let _ = write!(text, ", {}", counted(self.bytes, "byte"));
        }
        let mut reasons: Vec<&str> = Vec::new();
        for (_, reason) in self.reasons.keys() {
            let words = words(reason);
            if !reasons.contains(&words) {
                reasons.push(words);
            }
        }
        let _ = write!(
            text,
            ", {}, {} lost",
            reasons.join(" or "),
            if self.requests == 1 { "is" } else { "are" }
        );
        if let Some((_, whose)) = self.whose() {
            let _ = write!(text, "; {whose}");
        }
        text
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What [`Loss::reason`] means.
fn words(reason: &str) -> &str {
    match reason {
        "undecodable" => "which could not be decoded",
        "coding" => "whose compression is not known here",
        "rejected" => "of which no record could be made",
        "too_large" => "too large to be taken",
        "too_many_tenants" => "refused because no more chains may be begun",
        "full" => "refused because too much was in flight",
        "disk_low" => "refused because the disk was nearly full",
        "stopping" => "refused because halod was stopping",
        "slow_body" | "body_cut" => "which came too slowly",
        "abandoned" => "given up by the sender",
        _ => "refused because of a fault of halod or its disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss<'a>(reason: &'static str, tenant: Option<&'a Tenant>, bytes: u64, items: u64) -> Loss<'a> {
        Loss { receiver: "otlp", reason, tenant, bytes, items }
    }

    #[test]
    fn a_loss_is_said_in_a_sentence() {
        let acme = Tenant::stored("acme");
        let mut counter = LossCounter::default();
        counter.add(&LossCounter::of(&loss("undecodable", Some(&acme), 100, 0), 1));
        let first = "1 request, 100 bytes, which could not be decoded, is lost";
        assert_eq!(counter.sentence(), first);
        counter.add(&LossCounter::of(&loss("undecodable", Some(&acme), 87, 0), 2));
        assert_eq!(counter.sentence(), "2 requests, 187 bytes, which could not be decoded, are lost");
        counter.add(&LossCounter::of(&loss("rejected", None, 0, 3), 2));
        let several = "3 requests, 3 items, 187 bytes, of which no record could be made or which could not be decoded, \
                       are lost; the tenant is not known";
        assert_eq!(counter.sentence(), several);
    }

    #[test]
    fn the_local_chain_says_whose_the_losses_are() {
        let acme = Tenant::stored("acme");
        let mut moved = LossCounter::of(&loss("full", Some(&acme), 1, 0), 1);
        assert_eq!(moved.whose(), None);
        moved.move_to_local();
        assert_eq!(moved.whose().map(|(word, _)| word), Some("others"));
        moved.add(&LossCounter::of(&loss("full", None, 1, 0), 1));
        assert_eq!(moved.whose().map(|(word, _)| word), Some("several"));
        let mut unknown = LossCounter::of(&loss("full", None, 1, 0), 1);
        unknown.move_to_local();
        assert_eq!(unknown.whose().map(|(word, _)| word), Some("unknown"));
    }
}
