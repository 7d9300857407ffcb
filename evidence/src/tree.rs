//! Merkle trees as Certificate Transparency has them (RFC 6962, section 2.1; the algorithms of RFC 9162, section 2.1).
//!
//! A tree is known by its complete subtrees: `get(level, index)` is the root of the subtree over the leaves
//! `index << level .. (index + 1) << level`. So a proof reads some dozen hashes of a tree of millions.

use crate::Hash;
use sha2::{Digest, Sha256};

/// The hash of a leaf with these bytes.
#[must_use]
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash above two others.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The right edge of a tree, which is all that appending needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// Roots of the complete subtrees that make up the tree, the largest first.
    roots: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of `size` leaves.
    ///
    /// # Errors
    /// A subtree can't be had.
    pub fn of<E>(size: u64, get: impl Fn(u32, u64) -> Result<Hash, E>) -> Result<Self, E> {
        let mut roots = Vec::new();
        let mut at = 0;
        for level in levels(size) {
            roots.push(get(level, at >> level)?);
            at += 1 << level;
        }
        Ok(Self { size, roots })
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. `keep` is told each subtree that is complete from now on: its level, its index and its root.
    pub fn push(&mut self, leaf: Hash, mut keep: impl FnMut(u32, u64, &Hash)) {
        let mut root = leaf;
        let mut level = 0;
        keep(0, self.size, &root);
        // A subtree of each level is complete where the size had a one.
        while self.size >> level & 1 == 1 {
            if let Some(left) = self.roots.pop() {
                root = node(&left, &root);
            }
            level += 1;
            keep(level, self.size >> level, &root);
        }
        self.roots.push(root);
        self.size += 1;
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.roots.iter().rev();
        let Some(last) = smallest_first.next() else { return empty() };
        smallest_first.fold(*last, |root, left| node(left, &root))
    }
}

/// The levels of the complete subtrees of a tree, the largest first.
fn levels(size: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1)
}

/// The root of the leaves `from..to`, where `from` is a multiple of the power of two that covers them.
fn range<E>(from: u64, to: u64, get: &impl Fn(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let size = to - from;
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        return get(level, from >> level);
    }
    let split = from + largest_below(size);
    Ok(node(&range(from, split, get)?, &range(split, to, get)?))
}

/// The largest power of two that is smaller than `size`, which is more than one.
fn largest_below(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The hashes beside the way from a leaf to the root (RFC 9162, section 2.1.3.1). `None` where there is no such leaf.
///
/// # Errors
/// A subtree can't be had.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    get: impl Fn(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let mut path = Vec::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let split = from + largest_below(to - from);
        if index < split {
            path.push(range(split, to, &get)?);
            to = split;
        } else {
            path.push(range(from, split, &get)?);
            from = split;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// The hashes by which a tree of `old` leaves is shown to be the begin of one of `new` (RFC 9162, section 2.1.4.1). `None` where
/// it can't be.
///
/// # Errors
/// A subtree can't be had.
pub fn consistency<E>(
    old: u64,
    new: u64,
    get: impl Fn(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old > new {
        return Ok(None);
    }
    if old == 0 || old == new {
        return Ok(Some(Vec::new()));
    }
    let mut path = Vec::new();
    let (mut from, mut to, mut is_whole) = (0, new, true);
    loop {
        if old == to {
            // The old tree itself is known to whoever checks; a part of it is not.
            if !is_whole {
                path.push(range(from, to, &get)?);
            }
            break;
        }
        let split = from + largest_below(to - from);
        if old <= split {
            path.push(range(split, to, &get)?);
            to = split;
        } else {
            path.push(range(from, split, &get)?);
            from = split;
            is_whole = false;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// Whether a leaf is at `index` of a tree (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn is_included(leaf: &Hash, (index, size): (u64, u64), path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(beside, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether a tree is the begin of another one (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old > new {
        return false;
    }
    if old == new || old == 0 {
        return path.is_empty() && (old == 0 && *old_root == empty() || old == new && old_root == new_root);
    }
    climb(old, new, old_root, path) == Some((*old_root, *new_root))
}

/// The root which a tree of `old` leaves must have had for this path to show it as the begin of another one. `None` where the
/// path does not lead to the other one, and where the old tree is a complete subtree: its root is not in the path.
#[must_use]
pub fn begin_of(old: u64, new: (u64, &Hash), path: &[Hash]) -> Option<Hash> {
    if old == 0 || old >= new.0 || old.is_power_of_two() {
        return None;
    }
    climb(old, new.0, &empty(), path).filter(|(_, after)| after == new.1).map(|(before, _)| before)
}

/// The roots of an old and a new tree that a path leads to, with `0 < old < new`.
fn climb(old: u64, new: u64, old_root: &Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
    // Where the old tree is a complete subtree, its root begins the path.
    let whole = old.is_power_of_two().then_some(old_root);
    let mut hashes = whole.into_iter().chain(path);
    let first = hashes.next()?;
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut before, mut after) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            (before, after) = (node(hash, &before), node(hash, &after));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            after = node(&after, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some((before, after))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
