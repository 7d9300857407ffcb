//! Whose an action is, where only messages tell.

use super::line::Line;
use super::table::{Entry, Group, Key, Table};
use halod_record::event::Fact;
use halod_record::parts::Context;
use halod_record::tenant::Tenant;
use halod_record::trace::{Trace, trace_key};
use std::borrow::Cow;
use std::sync::Arc;

impl Table {
    /// Its own claim, else where the others of the same whole are, else that whole's claim, else what spans say of its
    /// trace.
    pub(super) fn place(
        &mut self,
        group: Option<Key>,
        own: Option<&str>,
        of_spans: Option<&Trace>,
        lines: &mut Vec<u8>,
    ) -> Tenant {
        // What can't be used was rejected when it came.
        let tenant = |claim: &str| Tenant::claimed(claim).unwrap_or(Tenant::Local);
        let by_spans = || of_spans.and_then(Trace::tenant).unwrap_or(Tenant::Local);
        if let Some(own) = own {
            return tenant(own);
        }
        let Some(key) = group else { return by_spans() };
        let group: &mut Group = self.groups.entry(key);
        if let Some(placed) = &group.placed {
            return placed.clone();
        }
        let placed = group.claim.as_deref().map_or_else(by_spans, tenant);
        group.placed = Some(placed.clone());
        Line::Placed { key, tenant: placed.clone() }.write(lines);
        placed
    }

    /// Whether an action that says nothing of whose it is may still hear that from the spans of its trace: these come
    /// every five seconds, and its own message at once.
    pub(super) fn waits_for_spans(&self, entry: &Entry) -> bool {
        let Some(trace) = entry.trace_of_spans().filter(|_| entry.within.is_none()) else { return false };
        self.said_by_spans(entry, trace).is_some_and(|trace| trace.tenant().is_none())
    }

    /// What the sender's spans say of the trace, where the action itself says nothing of whose it is.
    pub(super) fn said_by_spans(&self, entry: &Entry, trace: &str) -> Option<Arc<Trace>> {
        let says = entry.fragments().any(|fragment| fragment.tenant.is_some());
        let sender = entry.sender.filter(|_| entry.tenant.is_none() && !says)?;
        Some(self.traces.trace(sender, trace_key(trace)))
    }
}

impl Entry {
    /// The trace that the action stands in.
    pub(super) fn trace_of_spans(&self) -> Option<&str> {
        self.fragments().find_map(|fragment| {
            let within = fragment.within.as_ref().and_then(|within| within.last());
            within.map(Cow::as_ref).or_else(|| {
                fragment.facts.iter().find_map(|(key, fact)| match fact {
                    Fact::Id(id) if *key == "trace_id" => Some(id.as_ref()),
                    _ => None,
                })
            })
        })
    }
}

/// Session and user of the trace.
pub(super) fn around(trace: Option<&Trace>) -> Context {
    let [session, principal] = trace.map(Trace::around).unwrap_or_default();
    let owned = |text: Option<Arc<str>>| text.map(|text| Cow::Owned(text.to_string()));
    Context { session: owned(session), principal: owned(principal) }
}
