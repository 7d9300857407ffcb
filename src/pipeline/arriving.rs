//! A body that is arriving: its room is taken as its bytes come.
//!
//! ```text
//! arrive: little room ─▶ push, push, ...: room for each growth ─▶ finish: the body and its permit
//!                          └─ cut by the room, for others, if it is slow
//! ```

use super::intake::Permit;
use super::pace::Pace;
use super::refusal::Refusal;
use super::room::{Room, claimable};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is taken before anything has come; about what a request takes beside its body.
pub const FIRST: usize = 8 << 10;

/// A body as everybody else sees it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: u64,
    pub(super) has_claim: bool,
    state: Mutex<State>,
    /// Told when it is cut.
    cut: Notify,
}

#[derive(Debug)]
struct State {
    buffer: Vec<u8>,
    held: usize,
    pace: Pace,
    is_cut: bool,
    /// It waits for room: that it does not arrive is not its sender's fault.
    waits: bool,
}

/// How long somebody waits for room, and for how much in all.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub need: usize,
    pub until: Instant,
}

/// A body, as its reader has it.
#[derive(Debug)]
pub struct Arriving {
    room: Arc<Room>,
    slot: Arc<Slot>,
    /// No more than this comes.
    most: usize,
    patience: Option<Patience>,
}

/// What a request will still need, after its body has arrived, and waits for.
#[derive(Debug)]
pub(super) struct Claim {
    room: Arc<Room>,
    pub(super) key: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.room.lock().claims.remove(self.key);
    }
}

impl Slot {
    /// Takes everything away from it, and tells how much room that was.
    pub(super) fn cut(&self) -> usize {
        let mut state = self.lock();
        state.is_cut = true;
        state.buffer = Vec::new();
        let held = std::mem::take(&mut state.held);
        drop(state);
        self.cut.notify_one();
        held
    }

    /// Its bytes a second and what it holds, if it may be cut.
    pub(super) fn cuttable(&self, now: Instant) -> Option<(u64, usize)> {
        let mut state = self.lock();
        let may = state.held > 0 && !state.is_cut && !state.waits && !state.pace.is_young(now);
        may.then(|| (state.pace.rate(now), state.held))
    }

    /// Its bytes a second, if it is old enough to have a pace.
    pub(super) fn rate(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        (!state.pace.is_young(now)).then(|| state.pace.rate(now))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that `total` bytes are held. Nothing is locked while others are cut for it.
    fn hold(&self, room: &Room, total: usize) -> Result<(), Refusal> {
        let more = {
            let state = self.lock();
            if state.is_cut {
                return Err(room.why_cut());
            }
            total.saturating_sub(state.held)
        };
        if more == 0 {
            return Ok(());
        }
        if self.has_claim {
            room.take_claimed(self.key, more, total, Some(self))?;
        } else {
            room.take(more, total, Some(self))?;
        }
        let mut state = self.lock();
        if state.is_cut {
            room.give(more);
            return Err(room.why_cut());
        }
        state.held = total;
        Ok(())
    }
}

impl Arriving {
    pub(super) fn new(
        room: &Arc<Room>,
        declared: Option<usize>,
        patience: Option<Patience>,
    ) -> Result<Self, Refusal> {
        let first = FIRST.min(room.limit);
        if patience.is_none() {
            room.could_take(declared.unwrap_or(0).max(first))?;
        }
        room.take(first, first, None)?;
        let now = Instant::now();
        let state =
            State { buffer: Vec::new(), held: first, pace: Pace::new(now), is_cut: false, waits: false };
        let mut table = room.lock();
        let (key, has_claim) = (table.key(), patience.is_some());
        let slot = Arc::new(Slot { key, has_claim, state: Mutex::new(state), cut: Notify::new() });
        table.add(&slot);
        if let Some(Patience { need, .. }) = patience {
            // What it holds before anything has come is not what others wait for.
            table.claims.set(key, 0, need.min(claimable(room.limit)));
        }
        drop(table);
        let most = declared.unwrap_or(room.limit);
        Ok(Self { room: Arc::clone(room), slot, most, patience })
    }

    /// It ends after so many bytes at the latest, so no room need be taken for more.
    pub fn at_most(&mut self, bytes: usize) {
        self.most = self.most.min(bytes);
    }

    /// Its length became known.
    ///
    /// # Errors
    /// As [`super::intake::Intake::arrive`].
    pub fn expect_length(&mut self, length: usize) -> Result<(), Refusal> {
        self.most = length;
        let held = self.slot.lock().held;
        self.counted(self.room.could_take(length.saturating_sub(held)))
    }

    /// Takes what has come, and the room for it.
    ///
    /// # Errors
    /// `Full` if there is none, `BodyCut` if it was cut for others.
    pub async fn push(&mut self, data: &[u8]) -> Result<(), Refusal> {
        let needed = {
            let mut state = self.slot.lock();
            state.pace.count(data.len(), Instant::now());
            let needed = state.buffer.len().saturating_add(data.len());
            if needed <= state.buffer.capacity() {
                needed
            } else {
                let room = state.buffer.capacity().saturating_mul(2).max(FIRST);
                room.min(self.most).max(needed)
            }
        };
        self.hold(needed).await?;
        let mut state = self.slot.lock();
        if state.is_cut {
            drop(state);
            return self.counted(Err(self.room.why_cut()));
        }
        let more = needed.saturating_sub(state.buffer.len());
        state.buffer.reserve_exact(more);
        state.buffer.extend_from_slice(data);
        Ok(())
    }

    /// As if so much had come, which nobody keeps.
    #[cfg(test)]
    pub(super) fn pace_for_test(&mut self, bytes: usize) {
        self.slot.lock().pace.count(bytes, Instant::now());
    }

    /// Returns when it is cut.
    pub async fn cut(&self) -> Refusal {
        self.slot.cut.notified().await;
        let refusal = self.room.why_cut();
        self.room.stats.count(&refusal);
        refusal
    }

    /// The whole body, with the permit that covers it.
    ///
    /// # Errors
    /// `BodyCut`.
    pub fn finish(self) -> Result<(Bytes, Permit), Refusal> {
        let (buffer, held) = {
            let mut state = self.slot.lock();
            (std::mem::take(&mut state.buffer), self.held_at_end(&mut state))
        };
        let (held, capacity) = (self.counted(held)?, buffer.capacity());
        Ok((buffer.into(), self.permit(held, capacity)))
    }

    /// The permit for a body that its reader has itself, of `length` bytes.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn finish_with(mut self, length: usize) -> Result<Permit, Refusal> {
        self.hold(length).await?;
        let held = self.held_at_end(&mut self.slot.lock());
        let held = self.counted(held)?;
        Ok(self.permit(held, length))
    }

    /// Sees to it that the room for `length` bytes is held.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn hold(&mut self, length: usize) -> Result<(), Refusal> {
        let held = match (self.slot.hold(&self.room, length), self.patience) {
            (Err(Refusal::Full { .. }), Some(patience)) if !self.exceeds(length) => {
                self.slot.lock().waits = true;
                let attempt = || self.slot.hold(&self.room, length);
                let held = self.room.patiently(patience.until, attempt).await;
                let mut state = self.slot.lock();
                state.waits = false;
                state.pace.restart(Instant::now());
                drop(state);
                held
            }
            (done, _) => done,
        };
        self.counted(held)
    }

    /// Beyond its claim nobody waits: that could block others who wait.
    fn exceeds(&self, length: usize) -> bool {
        self.room.lock().claims.exceeds(self.slot.key, length)
    }

    /// A permit for `length` of the bytes that are `held`. The claim goes with it.
    fn permit(mut self, held: usize, length: usize) -> Permit {
        let claim = self.patience.take().map(|_| Claim { room: Arc::clone(&self.room), key: self.slot.key });
        let mut permit = Permit::new(Arc::clone(&self.room), held, claim);
        permit.shrink_to(length);
        permit
    }

    /// What is held goes over to a permit.
    fn held_at_end(&self, state: &mut State) -> Result<usize, Refusal> {
        if state.is_cut { Err(self.room.why_cut()) } else { Ok(std::mem::take(&mut state.held)) }
    }

    fn counted<T>(&self, done: Result<T, Refusal>) -> Result<T, Refusal> {
        done.inspect_err(|refusal| self.room.stats.count(refusal))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let key = self.slot.key;
        // A claim that went over to a permit stays.
        self.room.lock().forget(key, self.patience.is_some());
        let held = std::mem::take(&mut self.slot.lock().held);
        self.room.give(held);
    }
}
