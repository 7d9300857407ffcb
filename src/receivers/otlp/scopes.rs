//! What is filtered, by the instrumentation scope that sent it: an operator sees what halod does not
//! understand.

use halo_adapters::otlp::Signal;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Scopes with a counter of their own; senders choose the names, so that there must be an end.
const SCOPES: usize = 100;

/// Bytes of a name; longer ones are cut.
const NAME: usize = 100;

/// Where the scopes beyond [`SCOPES`] are counted.
pub const OTHER: &str = "other";

/// Where scopes without a name are counted.
pub const UNNAMED: &str = "unnamed";

/// Filtered items by scope. The first scopes that come get a counter, the rest share one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeCounts {
    named: HashMap<String, u64>,
    other: u64,
}

impl ScopeCounts {
    /// Counts `items` of one scope; costs one look-up, so call it per scope and not per item.
    pub fn add(&mut self, scope: &str, items: u64) {
        if items == 0 {
            return;
        }
        let scope = &scope[..scope.floor_char_boundary(NAME)];
        if let Some(count) = self.named.get_mut(scope) {
            *count = count.saturating_add(items);
        } else if self.named.len() < SCOPES {
            self.named.insert(scope.to_owned(), items);
        } else {
            self.other = self.other.saturating_add(items);
        }
    }

    fn merge(&mut self, more: &Self) {
        for (scope, items) in &more.named {
            self.add(scope, *items);
        }
        self.other = self.other.saturating_add(more.other);
    }

    /// Every counter by its label, in order. Labels are printable.
    #[must_use]
    pub fn labelled(&self) -> Vec<(String, u64)> {
        let mut labelled: HashMap<String, u64> = HashMap::new();
        let named = self.named.iter().map(|(scope, items)| (label(scope), *items));
        let other = (self.other > 0).then(|| (OTHER.to_owned(), self.other));
        // Two names may have one label.
        for (label, items) in named.chain(other) {
            let count = labelled.entry(label).or_default();
            *count = count.saturating_add(items);
        }
        let mut labelled: Vec<_> = labelled.into_iter().collect();
        labelled.sort_unstable();
        labelled
    }
}

/// Letters of any script stay; what could confuse a terminal or a dashboard goes.
fn label(scope: &str) -> String {
    if scope.trim().is_empty() {
        return UNNAMED.to_owned();
    }
    scope
        .chars()
        .map(|c| if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' { c } else { '_' })
        .collect()
}

/// The counts of all requests since start, by signal.
#[derive(Debug, Default)]
pub struct Filtered {
    traces: Mutex<ScopeCounts>,
    logs: Mutex<ScopeCounts>,
    metrics: Mutex<ScopeCounts>,
}

impl Filtered {
    fn of(&self, signal: Signal) -> &Mutex<ScopeCounts> {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
        }
    }

    /// Adds what one request came to.
    pub fn add(&self, signal: Signal, request: &ScopeCounts) {
        if request == &ScopeCounts::default() {
            return;
        }
        let mut all = self.of(signal).lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = request.named.keys().filter(|scope| !all.named.contains_key(*scope)).collect();
        let new: Vec<_> =
            new.into_iter().take(SCOPES.saturating_sub(all.named.len())).map(|s| label(s)).collect();
        all.merge(request);
        drop(all);
        for scope in new {
            tracing::info!(
                %signal,
                scope,
                "a scope sends what tells of no agent's action, which is not kept; metric halod_filtered_total counts it"
            );
        }
    }

    /// The counts at this moment.
    #[must_use]
    pub fn get(&self, signal: Signal) -> ScopeCounts {
        self.of(signal).lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_scopes_are_named_and_the_rest_are_other() {
        let mut counts = ScopeCounts::default();
        for n in 0..1000 {
            counts.add(&format!("scope {n}"), 1);
            counts.add("scope 0", 2);
        }
        counts.add("nothing filtered", 0);
        let labelled = counts.labelled();
        assert_eq!(labelled.len(), SCOPES + 1);
        assert!(labelled.contains(&("scope 0".into(), 2001)) && labelled.contains(&(OTHER.into(), 900)));
        let all = Filtered::default();
        all.add(Signal::Traces, &counts);
        all.add(Signal::Traces, &counts);
        let sum: u64 = all.get(Signal::Traces).labelled().iter().map(|(_, items)| items).sum();
        assert_eq!(sum, 2 * 3000);
        assert_eq!(all.get(Signal::Logs), ScopeCounts::default());
    }

    #[test]
    fn labels_are_printable_and_short() {
        let mut counts = ScopeCounts::default();
        for scope in ["", " ", "a\nb\u{0}\u{202e}c", "a b c", "a\nb__c", "@opentelemetry/x", "\u{e9}\u{e9}"] {
            counts.add(scope, 1);
        }
        counts.add(&"\u{e9}".repeat(3000), 5);
        let expected = [
            ("@opentelemetry/x", 1),
            ("a b c", 1),
            ("a_b__c", 2),
            ("unnamed", 2),
            ("\u{e9}\u{e9}", 1),
            (&"\u{e9}".repeat(50), 5),
        ];
        assert_eq!(counts.labelled(), expected.map(|(label, items)| (label.to_owned(), items)));
    }
}
