//! Content that arrives apart from its span, joined to it when it comes within a bounded wait.
//!
//! GenAI instrumentation may tell what went into a model call, and what came out, in log records beside
//! the call's span, and exporters send the two apart, in any order. Spans never wait. A logs request
//! whose spans were not seen yet does, unanswered: a span that is read meanwhile takes the content into
//! its record, and the request is answered when that is on disk. What no span took when the wait ends,
//! or what comes after its span, is sealed as a record of its own (`agent.content`) under the span's.
//!
//! Nothing depends on what is remembered here. Content that is told again has the same record id, the
//! writer looks whether the action's own record says it, and a request that a crash interrupts was not
//! answered. That a span was seen is remembered to spare waiting for it.

use super::parents::SpanKey;
use crate::ingest::RequestBuilder;
use crate::recent::RecentMap;
use halo_adapters::otel::logs::{Part, assemble};
use halod_record::draft::Draft;
use halod_record::event::{Content, Event, Origin, Status};
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Whose span.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) tenant: Tenant,
    pub(super) span: SpanKey,
}

/// What one request tells of one span's content.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) key: Key,
    pub(super) parts: Vec<Part<'static>>,
    /// The record that tells it by itself.
    pub(super) draft: Draft,
    /// Memory that it takes, about.
    pub(super) bytes: usize,
}

/// The content that waits, over all receivers.
#[derive(Debug)]
pub struct ContentJoin {
    wait: Duration,
    table: Mutex<Table>,
    /// Whether anybody tells content in logs: until then spans need not be remembered.
    used: AtomicBool,
    draining: watch::Receiver<bool>,
}

/// What became of a share: `None` when the span's record has it, else the draft that tells it.
type Fate = Option<Draft>;

/// A share that waits.
#[derive(Debug)]
struct Held {
    share: Share,
    /// Which request it came with.
    ticket: u64,
    fate: mpsc::UnboundedSender<Fate>,
}

/// Who waits, and which spans were seen. Knows no clock: a wait ends when its request says so.
#[derive(Debug)]
struct Table {
    held: HashMap<Key, Vec<Held>>,
    bytes: usize,
    /// The most that may be held, in bytes.
    room: usize,
    tickets: u64,
    /// Spans that were seen lately.
    recent: RecentMap<Key, ()>,
}

impl Table {
    /// Shares of one span that may wait: honest senders tell its content in one or two.
    const SHARES: usize = 8;
    /// Spans that are remembered, at least.
    const RECENT: usize = 50_000;

    /// Has a share wait; gives back the draft of one that may not.
    fn offer(&mut self, share: Share, ticket: u64, fate: &mpsc::UnboundedSender<Fate>) -> Option<Draft> {
        let crowded = self.held.get(&share.key).is_some_and(|held| held.len() >= Self::SHARES);
        if crowded || self.recent.contains(&share.key) || self.bytes + share.bytes > self.room {
            return Some(share.draft);
        }
        self.bytes += share.bytes;
        let held = Held { share, ticket, fate: fate.clone() };
        self.held.entry(held.share.key.clone()).or_default().push(held);
        None
    }

    /// The span is here: all that waited for it. From now on nothing waits for it.
    fn take(&mut self, key: &Key) -> Vec<Held> {
        self.recent.insert(key.clone(), ());
        let taken = if self.held.is_empty() { Vec::new() } else { self.held.remove(key).unwrap_or_default() };
        self.bytes -= taken.iter().map(|held| held.share.bytes).sum::<usize>();
        taken
    }

    /// The drafts of what a request still has waiting for a span.
    fn withdraw(&mut self, key: &Key, ticket: u64) -> Vec<Draft> {
        let Some(waiting) = self.held.get_mut(key) else { return Vec::new() };
        let (gone, stay) = std::mem::take(waiting).into_iter().partition(|held| held.ticket == ticket);
        *waiting = stay;
        if waiting.is_empty() {
            self.held.remove(key);
        }
        let gone: Vec<Held> = gone;
        self.bytes -= gone.iter().map(|held| held.share.bytes).sum::<usize>();
        gone.into_iter().map(|held| held.share.draft).collect()
    }
}

impl ContentJoin {
    /// Content waits for at most `wait`, none if that is zero, and at most `room` bytes of it altogether. All waits end
    /// at once when `draining` turns true.
    #[must_use]
    pub fn new(wait: Duration, room: usize, draining: watch::Receiver<bool>) -> Self {
        let table =
            Table { held: HashMap::new(), bytes: 0, room, tickets: 0, recent: RecentMap::new(Table::RECENT) };
        Self { wait, table: Mutex::new(table), used: AtomicBool::new(false), draining }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a span could meet content.
    fn are_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Has the shares wait for their spans. The wait ends by [`ContentWait::end`].
    pub(super) fn wait_for_spans(&self, shares: Vec<Share>) -> ContentWait<'_> {
        let (fate, fates) = mpsc::unbounded_channel();
        let mut waiting =
            ContentWait { joins: self, ticket: 0, keys: Vec::new(), open: 0, fates, alone: Vec::new() };
        if self.wait.is_zero() || *self.draining.borrow() {
            waiting.alone = shares.into_iter().map(|share| share.draft).collect();
            return waiting;
        }
        let mut table = self.table();
        self.used.store(true, Relaxed);
        table.tickets += 1;
        waiting.ticket = table.tickets;
        for share in shares {
            let key = share.key.clone();
            match table.offer(share, waiting.ticket, &fate) {
                Some(draft) => waiting.alone.push(draft),
                None => {
                    waiting.keys.push(key);
                    waiting.open += 1;
                }
            }
        }
        waiting
    }
}

/// A logs request that waits.
#[derive(Debug)]
pub(super) struct ContentWait<'j> {
    joins: &'j ContentJoin,
    ticket: u64,
    keys: Vec<Key>,
    /// Shares whose fate is not known yet.
    open: usize,
    fates: mpsc::UnboundedReceiver<Fate>,
    alone: Vec<Draft>,
}

impl ContentWait<'_> {
    /// Waits until every share has been taken by its span, or for as long as a wait lasts; then until
    /// those that were taken are on disk. Returns what is to be sealed by itself.
    pub(super) async fn end(mut self) -> Vec<Draft> {
        let mut draining = self.joins.draining.clone();
        let over = async {
            // A daemon that is gone drains no more.
            let drained = draining.wait_for(|draining| *draining);
            let _ = tokio::time::timeout(self.joins.wait, drained).await;
        };
        let mut over = std::pin::pin!(over);
        let mut waiting = true;
        while self.open > 0 {
            tokio::select! {
                biased;
                Some(fate) = self.fates.recv() => {
                    self.open -= 1;
                    self.alone.extend(fate);
                }
                () = &mut over, if waiting => {
                    waiting = false;
                    self.withdraw();
                }
                else => break,
            }
        }
        std::mem::take(&mut self.alone)
    }

    fn withdraw(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut table = self.joins.table();
        for key in self.keys.drain(..) {
            let drafts = table.withdraw(&key, self.ticket);
            self.open -= drafts.len();
            self.alone.extend(drafts);
        }
    }
}

impl Drop for ContentWait<'_> {
    /// The sender left: it will send again.
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// The content that waited for the spans of one request.
#[derive(Debug, Default)]
pub(super) struct Joined {
    taken: Vec<Taken>,
}

/// A share that a span's record has, once that is on disk. Dropped before, it goes back.
#[derive(Debug)]
struct Taken(Option<Held>);

impl Taken {
    fn share(&self) -> Option<&Share> {
        self.0.as_ref().map(|held| &held.share)
    }

    fn id(&self) -> Option<[u8; 16]> {
        self.share().map(|share| *share.draft.id().bytes())
    }

    fn tell(&mut self, sealed: bool) {
        if let Some(Held { share, fate, .. }) = self.0.take() {
            // A sender that left will send again.
            let _ = fate.send(if sealed { None } else { Some(share.draft) });
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.tell(false);
    }
}

impl Joined {
    /// The draft of a span's event, with what waited for it.
    pub(super) fn draft(
        &mut self,
        joins: &ContentJoin,
        mut event: Event<'_>,
        tenant: &Tenant,
        request: &mut RequestBuilder,
    ) -> Draft {
        let Origin::Span { trace, span, .. } = event.origin else {
            return request.draft(&event, tenant);
        };
        if !joins.are_used() {
            return request.draft(&event, tenant);
        }
        let key = Key { tenant: tenant.clone(), span: (trace, span) };
        let mut taken: Vec<Taken> =
            joins.table().take(&key).into_iter().map(|held| Taken(Some(held))).collect();
        let filled = fill(&mut event, &mut taken);
        let mut draft = request.draft(&event, tenant);
        let says = draft.content();
        let mut apart = Vec::new();
        for mut taken in taken {
            let Some(share) = taken.share() else { continue };
            let told = share.draft.content();
            let has = |at: usize| told[at].is_none() || filled[at] || told[at] == says[at];
            if has(0) && has(1) {
                apart.push(share.draft.clone());
                self.taken.push(taken);
            } else {
                taken.tell(false);
            }
        }
        if filled.contains(&true) {
            draft.joined_from(apart);
        }
        draft
    }

    /// The request's batch is on disk, or is not.
    pub(super) fn settle(mut self, sealed: bool) {
        for taken in &mut self.taken {
            taken.tell(sealed);
        }
    }
}

/// Puts content where the span discloses none; says where it did. The order in which the shares came
/// makes no difference.
fn fill(event: &mut Event<'_>, taken: &mut [Taken]) -> [bool; 2] {
    if taken.is_empty() {
        return [false; 2];
    }
    taken.sort_by_key(Taken::id);
    // A request that was sent twice at once has told everything once.
    let once = taken.chunk_by(|a, b| a.id() == b.id()).filter_map(<[Taken]>::first);
    let shares = once.filter_map(Taken::share);
    let mut parts: Vec<Part<'static>> = shares.flat_map(|share| share.parts.iter().cloned()).collect();
    parts.sort_by_key(|part| part.time);
    let (input, outcome) = assemble(parts);
    let empty = |content: &Content<'_>| *content == Content::Undisclosed;
    let fills = [
        empty(&event.input) && !empty(&input),
        // Of a failed action the outcome is its error.
        event.outcome.status == Status::Ok && empty(&event.outcome.result) && !empty(&outcome),
    ];
    if fills[0] {
        event.input = input;
    }
    if fills[1] {
        event.outcome.result = outcome;
    }
    fills
}

#[cfg(test)]
#[path = "tests/join.rs"]
mod tests;
