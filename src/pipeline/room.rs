//! The room that all requests share, in bytes, and what happens when it is full: the slowest body goes first.
//!
//! ```text
//! take ─ there is room ──────────────────────────────────────────────▶ taken
//!   └─ none ─▶ bodies that arrive slowly are cut, slowest first ─▶ taken | Full
//! ```
//!
//! A body that is cut loses its room and its memory at once, whatever its task does at the moment; the task finds
//! out when it goes on. Its sender is told to send again.

use super::arriving::{FIRST, Slot};
use super::claims::Claims;
use super::refusal::{Large, Refusal};
use super::stats::Stats;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A body that brings so many bytes a second is never cut: that is a network's speed, if a slow one's.
const FAST: u64 = 1 << 20;

/// So much slower than the one that needs the room a body has to be, once that one has a pace itself.
const SLOWER: u64 = 2;

/// A request is small that holds this part of the room, or less.
const SMALL: usize = 64;

/// How often one who waits for room looks whether something else has changed: the disk, a drain.
const LOOK: Duration = Duration::from_millis(250);

/// After a search that found nobody to cut, the next one.
const SEARCH: Duration = Duration::from_millis(10);

/// What one who waits is reckoned with, as its body is not read meanwhile: the smallest window that HTTP/2 has, and
/// the buffer that the piece read last is a part of.
const WAITING: usize = 128 << 10;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) limit: usize,
    pub(super) stats: Arc<Stats>,
    /// Told whenever bytes are given back.
    freed: Notify,
    /// Requests that wait for room.
    waiting: AtomicUsize,
    table: Mutex<Table>,
}

/// Every body that is arriving.
#[derive(Debug, Default)]
pub(super) struct Table {
    last_key: u64,
    bodies: HashMap<u64, Arc<Slot>>,
    pub(super) claims: Claims,
    /// Until then nobody need be searched for again.
    nobody_until: Option<Instant>,
}

/// A body that may be cut.
struct Slow {
    rate: u64,
    held: usize,
    slot: Arc<Slot>,
}

impl Room {
    pub(super) fn new(limit: usize, stats: Arc<Stats>) -> Self {
        let (freed, waiting, table) = (Notify::new(), AtomicUsize::new(0), Mutex::default());
        Self { limit, stats, freed, waiting, table }
    }

    /// Takes `more` bytes for a request that will hold `total`; `taker` is its body if that is still arriving.
    pub(super) fn take(&self, more: usize, total: usize, taker: Option<&Slot>) -> Result<(), Refusal> {
        if total > self.limit {
            return Err(Refusal::TooLarge { what: Large::Held, limit: self.limit });
        }
        if self.try_take(more, total) {
            self.stats.full.found();
            return Ok(());
        }
        self.stats.full.missed(self.stats.in_flight.get(), self.limit);
        self.make(more, total, taker, &mut self.lock());
        if self.try_take(more, total) { Ok(()) } else { Err(self.full()) }
    }

    /// The same for who has the claim `key`: only if all that have one can still come to an end.
    pub(super) fn take_claimed(
        &self,
        key: u64,
        more: usize,
        total: usize,
        taker: Option<&Slot>,
    ) -> Result<(), Refusal> {
        let mut table = self.lock();
        // Looked at first because it costs little: those who wait try again whenever something is given back.
        if self.missing(more, total).is_some() && table.slow(taker).is_empty() {
            self.stats.full.missed(self.stats.in_flight.get(), self.limit);
            return Err(self.full());
        }
        while !table.claims.allows(key, total, claimable(self.limit).max(total)) {
            self.stats.full.missed(self.stats.in_flight.get(), self.limit);
            let Some(slowest) = table.slow(taker).into_iter().find(|slow| slow.slot.has_claim) else {
                return Err(self.full());
            };
            self.cut(&slowest.slot, &mut table);
        }
        // Before anybody else may reckon with the same room.
        let before = table.claims.hold(key, total);
        drop(table);
        let taken = self.take(more, total, taker);
        if let (Err(_), Some(before)) = (&taken, before) {
            self.lock().claims.hold(key, before);
        }
        taken
    }

    /// Whether a body of so many bytes may be begun, though nothing is taken for it yet.
    pub(super) fn could_take(&self, bytes: usize) -> Result<(), Refusal> {
        if bytes > self.limit {
            return Err(Refusal::TooLarge { what: Large::Held, limit: self.limit });
        }
        let Some(missing) = self.missing(bytes, bytes) else { return Ok(()) };
        self.stats.full.missed(self.stats.in_flight.get(), self.limit);
        let cuttable = self.lock().slow(None).iter().map(|slow| slow.held).fold(0, usize::saturating_add);
        if cuttable >= missing { Ok(()) } else { Err(self.full()) }
    }

    pub(super) fn give(&self, bytes: usize) {
        if bytes > 0 {
            self.stats.in_flight.dec_by(bytes as u64);
            if self.waiting.load(Relaxed) > 0 {
                self.freed.notify_waiters();
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries until it works, is refused for another reason than want of room, or `until` has come.
    pub(super) async fn patiently<T>(
        &self,
        until: Instant,
        mut attempt: impl FnMut() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut waiting = None;
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on nothing that is given back is missed.
            freed.as_mut().enable();
            match attempt() {
                Err(Refusal::Full { .. } | Refusal::DiskLow) if Instant::now() < until => {
                    if waiting.is_none() {
                        waiting = Some(Waiting::new(self)?);
                        // Only now it is told of what is given back.
                        continue;
                    }
                    let _ = timeout_at(until.min(Instant::now() + LOOK), freed).await;
                }
                done => return done,
            }
        }
    }

    fn full(&self) -> Refusal {
        Refusal::Full { limit: self.limit, retry_after: Duration::from_secs(1) }
    }

    fn try_take(&self, more: usize, total: usize) -> bool {
        let sum = |used: u64| {
            let bound = self.bound(used, more, total) as u64;
            used.checked_add(more as u64).filter(|&sum| sum <= bound)
        };
        self.stats.in_flight.inner().fetch_update(Relaxed, Relaxed, sum).is_ok()
    }

    fn missing(&self, more: usize, total: usize) -> Option<usize> {
        let used = self.stats.in_flight.get();
        let bound = self.bound(used, more, total);
        let used = usize::try_from(used).unwrap_or(usize::MAX);
        used.saturating_add(more).checked_sub(bound).filter(|&missing| missing > 0)
    }

    /// How much all may hold together if a request comes to hold `total` bytes by `more`, where `used` are held.
    /// A part is for small requests, so that a few large ones keep none of those waiting.
    fn bound(&self, used: u64, more: usize, total: usize) -> usize {
        let is_small = total <= (self.limit / SMALL).max(FIRST);
        let is_alone = used <= (total - more.min(total)) as u64;
        if is_small || is_alone { self.limit } else { claimable(self.limit) }
    }

    /// Cuts as many slow bodies as it takes to make room, or none if all of them are not enough.
    fn make(&self, more: usize, total: usize, taker: Option<&Slot>, table: &mut Table) {
        let Some(missing) = self.missing(more, total) else { return };
        let slow = table.slow(taker);
        if slow.iter().map(|slow| slow.held).fold(0, usize::saturating_add) < missing {
            return;
        }
        // A little more, so that not everybody who comes now has to search.
        let mut wanted = missing.saturating_add(self.limit / 64);
        for slow in slow {
            self.cut(&slow.slot, table);
            wanted = wanted.saturating_sub(slow.held);
            if wanted == 0 {
                return;
            }
        }
    }

    /// Cuts every body that is still arriving: nothing more is waited for.
    pub(super) fn cut_all(&self) {
        let mut table = self.lock();
        let all: Vec<_> = table.bodies.values().map(Arc::clone).collect();
        for slot in all {
            table.forget(slot.key, true);
            self.give(slot.cut());
        }
    }

    /// What a body is refused by that was cut.
    pub(super) fn why_cut(&self) -> Refusal {
        if self.stats.stopping.load(Relaxed) { Refusal::Stopping } else { Refusal::BodyCut }
    }

    fn cut(&self, slot: &Arc<Slot>, table: &mut Table) {
        table.forget(slot.key, true);
        self.stats.cut.inc();
        self.give(slot.cut());
    }
}

/// What claims, and large requests, may come to hold together.
pub(super) fn claimable(limit: usize) -> usize {
    limit - limit / 8
}

impl Table {
    pub(super) fn key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    pub(super) fn add(&mut self, slot: &Arc<Slot>) {
        self.bodies.insert(slot.key, Arc::clone(slot));
    }

    /// Forgets a body, with its claim or without.
    pub(super) fn forget(&mut self, key: u64, with_claim: bool) {
        self.bodies.remove(&key);
        if with_claim {
            self.claims.remove(key);
        }
    }

    /// The bodies that may be cut for `taker`, slowest first.
    fn slow(&mut self, taker: Option<&Slot>) -> Vec<Slow> {
        let now = Instant::now();
        if self.nobody_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        // Who has no pace yet, or has arrived, is not slow.
        let pace = taker.and_then(|taker| taker.rate(now)).unwrap_or(u64::MAX);
        let bound = FAST.min((pace / SLOWER).saturating_add(1));
        let others = self.bodies.values().filter(|slot| taker.is_none_or(|taker| taker.key != slot.key));
        let mut slow: Vec<Slow> = others
            .filter_map(|slot| {
                let (rate, held) = slot.cuttable(now)?;
                (rate < bound).then(|| Slow { rate, held, slot: Arc::clone(slot) })
            })
            .collect();
        if slow.is_empty() && bound == FAST {
            self.nobody_until = Some(now + SEARCH);
        }
        slow.sort_unstable_by_key(|slow| slow.rate);
        slow
    }
}

/// One who waits for room. Not many may: what their senders have sent meanwhile is in memory too.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(room: &'a Room) -> Result<Self, Refusal> {
        let most = (room.limit / 4 / WAITING).max(16);
        let add = |waiting: usize| (waiting < most).then_some(waiting + 1);
        room.waiting.fetch_update(Relaxed, Relaxed, add).map_err(|_| room.full())?;
        Ok(Self(&room.waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "room_tests.rs"]
mod tests;
