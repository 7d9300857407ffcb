//! Requests that wait for room while they hold some: who may take more without a deadlock.
//!
//! Dijkstra's banker: room is given only if all who wait could still come to an end one after another, each with
//! what those before it give back. Room that anybody else holds comes back by itself.

use std::collections::HashMap;

/// What each of them holds and will need. Keys are those of [`super::room::Table`].
#[derive(Debug, Default)]
pub(super) struct Claims {
    open: HashMap<u64, Claim>,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    held: usize,
    /// In all, with what is held.
    need: usize,
}

impl Claim {
    fn left(self) -> usize {
        self.need.saturating_sub(self.held)
    }
}

impl Claims {
    pub(super) fn set(&mut self, key: u64, held: usize, need: usize) {
        self.open.insert(key, Claim { held, need: need.max(held) });
    }

    /// Changes what it holds, if it is still there, and returns what it held.
    pub(super) fn hold(&mut self, key: u64, held: usize) -> Option<usize> {
        let claim = self.open.get_mut(&key)?;
        Some(std::mem::replace(&mut claim.held, held))
    }

    pub(super) fn remove(&mut self, key: u64) {
        self.open.remove(&key);
    }

    /// Whether so much is beyond what it said it would need.
    pub(super) fn exceeds(&self, key: u64, held: usize) -> bool {
        self.open.get(&key).is_none_or(|claim| held > claim.need)
    }

    /// Whether `key` may come to hold `held` bytes, where all together may hold `room`.
    pub(super) fn allows(&self, key: u64, held: usize, room: usize) -> bool {
        let with = |(&at, claim): (&u64, &Claim)| {
            if at == key { Claim { held, need: claim.need.max(held) } } else { *claim }
        };
        let mut claims: Vec<Claim> = self.open.iter().map(with).collect();
        let all: usize = claims.iter().map(|claim| claim.held).fold(0, usize::saturating_add);
        let Some(mut free) = room.checked_sub(all) else { return false };
        if claims.iter().map(|claim| claim.left()).fold(0, usize::saturating_add) <= free {
            return true;
        }
        claims.sort_unstable_by_key(|claim| claim.left());
        claims.iter().all(|claim| {
            let ends = claim.left() <= free;
            free = free.saturating_add(claim.held);
            ends
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_halves_do_not_wait_for_each_other() {
        let mut claims = Claims::default();
        claims.set(1, 0, 80);
        claims.set(2, 0, 80);
        assert!(claims.allows(1, 50, 100));
        claims.set(1, 50, 80);
        assert!(claims.allows(2, 20, 100));
        assert!(!claims.allows(2, 21, 100), "nobody could end");
        claims.set(2, 20, 80);
        assert!(claims.allows(1, 80, 100));
        claims.remove(1);
        assert!(claims.allows(2, 80, 100));
    }

    proptest! {
        /// Whatever is taken in whatever order: somebody can always go on until all have ended.
        #[test]
        fn everybody_ends(
            needs in proptest::collection::vec(0_usize..=100, 1..8),
            steps in proptest::collection::vec((0_usize..8, 1_usize..40), 0..60),
        ) {
            let mut claims = Claims::default();
            let mut held = vec![0; needs.len()];
            needs.iter().enumerate().for_each(|(at, need)| claims.set(at as u64, 0, *need));
            let most = |at: usize, more: usize, held: &[usize]| (held[at] + more).min(needs[at]);
            for (at, more) in steps {
                let at = at % needs.len();
                let wanted = most(at, more, &held);
                if claims.allows(at as u64, wanted, 100) {
                    held[at] = wanted;
                    claims.set(at as u64, wanted, needs[at]);
                }
            }
            let mut open: Vec<usize> = (0..needs.len()).collect();
            while !open.is_empty() {
                let next = open.iter().position(|&at| claims.allows(at as u64, needs[at], 100));
                prop_assert!(next.is_some(), "nobody of {open:?} with {held:?} of {needs:?} can end");
                claims.remove(open.swap_remove(next.unwrap_or(0)) as u64);
            }
        }
    }
}
