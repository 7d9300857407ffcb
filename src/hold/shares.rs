//! How much of the hold each tenant fills: who fills it makes room.

use super::table::Key;
use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Default)]
pub(super) struct Shares {
    of: HashMap<Key, Share>,
    /// Owners by the bytes of what rests of them.
    by_size: BTreeSet<(usize, Key)>,
    /// Of all that rests.
    resting: usize,
}

#[derive(Debug, Default)]
pub(super) struct Share {
    /// What is not due yet: when it is, and which action.
    due: BTreeSet<(u64, Key)>,
    resting: usize,
    /// With what is being sealed.
    held: usize,
}

impl Shares {
    /// Bytes of all that is not due yet.
    pub(super) fn resting(&self) -> usize {
        self.resting
    }

    /// Whether an owner holds more than an even share of `bytes`.
    pub(super) fn is_over(&self, owner: Key, bytes: usize) -> bool {
        let held = self.of.get(&owner).map_or(0, |share| share.held);
        held > bytes / self.of.len().max(1)
    }

    pub(super) fn hold(&mut self, owner: Key, bytes: usize) {
        self.of.entry(owner).or_default().held += bytes;
    }

    pub(super) fn release(&mut self, owner: Key, bytes: usize) {
        let Some(share) = self.of.get_mut(&owner) else { return };
        share.held = share.held.saturating_sub(bytes);
        if share.held == 0 && share.due.is_empty() {
            self.of.remove(&owner);
        }
    }

    /// An action rests until it is due.
    pub(super) fn rest(&mut self, owner: Key, due: (u64, Key), bytes: usize) {
        let share = self.of.entry(owner).or_default();
        if share.due.insert(due) {
            self.by_size.remove(&(share.resting, owner));
            share.resting += bytes;
            self.resting += bytes;
            self.by_size.insert((share.resting, owner));
        }
    }

    /// It rests no more.
    pub(super) fn wake(&mut self, owner: Key, due: (u64, Key), bytes: usize) {
        let Some(share) = self.of.get_mut(&owner).filter(|share| share.due.contains(&due)) else { return };
        share.due.remove(&due);
        self.by_size.remove(&(share.resting, owner));
        share.resting = share.resting.saturating_sub(bytes);
        self.resting = self.resting.saturating_sub(bytes);
        if share.due.is_empty() {
            self.resting -= std::mem::take(&mut share.resting).min(self.resting);
        } else {
            self.by_size.insert((share.resting, owner));
        }
    }

    /// What has rested longest of the owner of whom most rests.
    pub(super) fn oldest_of_largest(&self) -> Option<(u64, Key)> {
        let (_, owner) = self.by_size.last()?;
        self.of.get(owner)?.due.first().copied()
    }
}
