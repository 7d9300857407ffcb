//! The map of all tenants at an epoch: a compressed binary trie over their slots.
//!
//! A node is where two slots differ first; its bit is that one's number, from 0 for the highest bit of the first byte. The bits
//! of a slot lead from the root to one leaf, and to no second one: the hash of a node holds its bit and both of its
//! children. So a tenant can't be shown twice under one root, and one whose way ends at another's leaf is not there.

use crate::Hash;
use sha2::{Digest, Sha256};

/// One step from a leaf to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub bit: u8,
    /// The child that the way does not take.
    pub beside: Hash,
}

/// The way of a slot: the leaf at its end, and the steps from there to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The slot of the leaf: the asked one, or another one where the asked one is not in the map.
    pub slot: Hash,
    /// The digest in the leaf: a blind and a state are behind it.
    pub hidden: Hash,
    /// From the leaf to the root.
    pub steps: Vec<Step>,
}

/// The verdict on a way under a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The slot is in the map, with the digest of the leaf.
    There,
    /// The slot is not in the map: its way ends at another one's leaf.
    Absent,
    /// The way shows nothing: it does not lead to this root, or no way can be like it.
    Nothing,
}

/// The leaves of a map, sorted by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    leaves: Vec<(Hash, Hash)>,
}

#[must_use]
fn leaf(slot: &Hash, hidden: &Hash) -> Hash {
    Sha256::new().chain_update([2]).chain_update(slot).chain_update(hidden).finalize().into()
}

fn node(bit: u8, left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([3, bit]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a map of nobody.
#[must_use]
pub fn empty() -> Hash {
    Sha256::digest([4]).into()
}

/// Whether a bit of a slot is set.
fn is_set(slot: &Hash, bit: u8) -> bool {
    slot[usize::from(bit / 8)] >> (7 - bit % 8) & 1 == 1
}

/// Where two slots differ first.
fn differs(one: &Hash, other: &Hash) -> Option<u8> {
    let at = one.iter().zip(other).position(|(a, b)| a != b)?;
    u8::try_from(at * 8 + (one[at] ^ other[at]).leading_zeros() as usize).ok()
}

impl Map {
    /// Of slots and what is hidden of each. Of a slot that is there twice the last one counts.
    #[must_use]
    pub fn new(leaves: impl IntoIterator<Item = (Hash, Hash)>) -> Self {
        let mut leaves: Vec<_> = leaves.into_iter().collect();
        // Stable: those of one slot stay in their order.
        leaves.sort_by_key(|(slot, _)| *slot);
        leaves.reverse();
        leaves.dedup_by_key(|(slot, _)| *slot);
        leaves.reverse();
        Self { leaves }
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        if self.leaves.is_empty() { empty() } else { root(&self.leaves) }
    }

    /// The way of a slot; `None` in a map of nobody.
    #[must_use]
    pub fn way(&self, slot: &Hash) -> Option<Way> {
        let mut leaves = &self.leaves[..];
        let mut steps = Vec::new();
        while let Some((bit, left, right)) = split(leaves) {
            let (taken, beside) = if is_set(slot, bit) { (right, left) } else { (left, right) };
            steps.push(Step { bit, beside: root(beside) });
            leaves = taken;
        }
        steps.reverse();
        let (slot, hidden) = *leaves.first()?;
        Some(Way { slot, hidden, steps })
    }
}

type Leaves<'m> = &'m [(Hash, Hash)];

/// The two halves below the first bit that not all have alike.
fn split(leaves: Leaves<'_>) -> Option<(u8, Leaves<'_>, Leaves<'_>)> {
    let bit = differs(&leaves.first()?.0, &leaves.last()?.0)?;
    let at = leaves.partition_point(|(slot, _)| !is_set(slot, bit));
    let (left, right) = leaves.split_at(at);
    Some((bit, left, right))
}

fn root(leaves: Leaves<'_>) -> Hash {
    match (split(leaves), leaves.first()) {
        (Some((bit, left, right)), _) => node(bit, &root(left), &root(right)),
        (None, Some((slot, hidden))) => leaf(slot, hidden),
        (None, None) => empty(),
    }
}

impl Way {
    /// What it shows of `slot` under `root`.
    #[must_use]
    pub fn shows(&self, slot: &Hash, root: &Hash) -> Shown {
        let mut hash = leaf(&self.slot, &self.hidden);
        let mut below = None;
        for Step { bit, beside } in &self.steps {
            // A way that turned back could end at a second place.
            if below.is_some_and(|below| below <= *bit) {
                return Shown::Nothing;
            }
            below = Some(*bit);
            hash = if is_set(slot, *bit) { node(*bit, beside, &hash) } else { node(*bit, &hash, beside) };
        }
        match hash == *root {
            true if self.slot == *slot => Shown::There,
            true => Shown::Absent,
            false => Shown::Nothing,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Slots that begin alike, so that tries are deep.
    fn slots() -> impl Strategy<Value = Vec<Hash>> {
        let slot = (prop::collection::vec(0_u8..3, 3), any::<u8>()).prop_map(|(begin, end)| {
            let mut slot = [0; 32];
            slot[..3].copy_from_slice(&begin);
            slot[31] = end;
            slot
        });
        prop::collection::vec(slot, 1..40)
    }

    proptest! {
        #[test]
        fn every_slot_is_shown_there_and_every_other_absent(slots in slots(), other in slots()) {
            let map = Map::new(slots.iter().enumerate().map(|(at, slot)| (*slot, [at as u8; 32])));
            let root = map.root();
            for slot in slots.iter().chain(&other) {
                let way = map.way(slot).unwrap();
                let there = slots.contains(slot);
                prop_assert_eq!(way.shows(slot, &root), if there { Shown::There } else { Shown::Absent });
                if there {
                    let last = slots.iter().rposition(|own| own == slot).unwrap();
                    prop_assert_eq!(way.hidden, [last as u8; 32]);
                }
                // Another thing hidden, another way, another root: nothing is shown.
                let wrong = Way { hidden: [99; 32], ..way.clone() };
                prop_assert_eq!(wrong.shows(slot, &root), Shown::Nothing);
                prop_assert_eq!(way.shows(slot, &[0; 32]), Shown::Nothing);
                let mut back = way.clone();
                back.steps.reverse();
                if back.steps.len() > 1 {
                    prop_assert_eq!(back.shows(slot, &root), Shown::Nothing);
                }
            }
        }

        /// The order in which tenants come says nothing.
        #[test]
        fn a_map_is_that_of_its_leaves(slots in slots(), seed in any::<u64>()) {
            let mut unique = slots;
            unique.sort_unstable();
            unique.dedup();
            let leaves: Vec<_> = unique.iter().map(|slot| (*slot, *slot)).collect();
            let mut turned = leaves.clone();
            turned.rotate_left(seed as usize % leaves.len());
            prop_assert_eq!(Map::new(leaves.clone()).root(), Map::new(turned).root());
            let mut fewer = leaves.clone();
            fewer.pop();
            prop_assert_ne!(Map::new(leaves).root(), Map::new(fewer).root());
        }
    }

    /// A trie that a vendor builds with a tenant at two places shows one of them: each bit of the slot takes one child.
    #[test]
    fn a_second_place_is_not_on_the_way() {
        let (mut slot, hidden) = ([0; 32], [[1; 32], [2; 32]]);
        slot[0] = 0b1000_0000;
        // Both children of the root have a leaf of the slot.
        let leaves = hidden.map(|hidden| leaf(&slot, &hidden));
        let root = node(0, &leaves[0], &leaves[1]);
        let way = |at: usize| Way {
            slot,
            hidden: hidden[at],
            steps: vec![Step { bit: 0, beside: leaves[1 - at] }],
        };
        assert_eq!((way(0).shows(&slot, &root), way(1).shows(&slot, &root)), (Shown::Nothing, Shown::There));
        assert_eq!(Map::default().root(), empty());
        assert_eq!(Map::default().way(&slot), None);
    }
}
