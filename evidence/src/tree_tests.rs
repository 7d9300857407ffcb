//! The oracle of trees is `ct-merkle`. `tlog_tiles` 0.2.0 and `signed_note` 0.2.0, which know trees and notes as well, are none: they bring some
//! 80 crates into every build. Notes are held against OpenSSL, `witness-log-cli` and `tests/clients/witness.py` instead.

#![allow(clippy::unwrap_used)]

use super::{Edge, consistency, inclusion, is_consistent, is_included, leaf};
use crate::Hash;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use std::collections::HashMap;
use std::convert::Infallible;

/// A tree in memory, by its complete subtrees.
#[derive(Default)]
struct Tree {
    edge: Edge,
    of: HashMap<(u32, u64), Hash>,
}

impl Tree {
    fn with(leaves: u64) -> Self {
        let mut tree = Self::default();
        (0..leaves).for_each(|at| tree.push(leaf(&at.to_be_bytes())));
        tree
    }

    fn push(&mut self, leaf: Hash) {
        let Self { edge, of } = self;
        edge.push(leaf, |level, index, root| {
            of.insert((level, index), *root);
        });
    }

    fn get(&self) -> impl Fn(u32, u64) -> Result<Hash, Infallible> + '_ {
        |level, index| Ok(self.of[&(level, index)])
    }

    /// The root when it had so many leaves.
    fn root_at(&self, size: u64) -> Hash {
        let Ok(edge) = Edge::of(size, self.get());
        edge.root()
    }
}

/// Those of Certificate Transparency's own implementations: eight leaves, and the roots of the trees of one to eight of them.
#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    assert_eq!(
        HEXLOWER.encode(&tree.edge.root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (data, root) in leaves.iter().zip(roots) {
        tree.push(leaf(&HEXLOWER.decode(data.as_bytes()).unwrap()));
        assert_eq!(HEXLOWER.encode(&tree.edge.root()), root);
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_shown_and_nothing_else() {
    let tree = Tree::with(40);
    for size in 1..=40 {
        let root = tree.root_at(size);
        for index in 0..size {
            let Ok(path) = inclusion(index, size, tree.get());
            let path = path.unwrap();
            let own = leaf(&index.to_be_bytes());
            assert!(is_included(&own, (index, size), &path, &root), "{index} of {size}");
            let other = leaf(&(index + 1).to_be_bytes());
            assert!(!is_included(&other, (index, size), &path, &root));
            for wrong in (0..size).filter(|wrong| *wrong != index) {
                assert!(!is_included(&own, (wrong, size), &path, &root), "{index} as {wrong} of {size}");
            }
            assert!(!is_included(&own, (index, size), &[&path[..], &[root]].concat(), &root));
            if let Some((_, short)) = path.split_last() {
                assert!(!is_included(&own, (index, size), short, &root));
            }
        }
        let Ok(none) = inclusion(size, size, tree.get());
        assert_eq!(none, None);
    }
}

#[test]
fn every_small_tree_is_shown_to_be_the_begin_of_every_larger_one() {
    let tree = Tree::with(33);
    for new in 0..=33 {
        for old in 0..=new {
            let (before, after) = (tree.root_at(old), tree.root_at(new));
            let Ok(path) = consistency(old, new, tree.get());
            let path = path.unwrap();
            assert!(is_consistent((old, &before), (new, &after), &path), "{old} of {new}");
            if old > 0 && old < new {
                let other = tree.root_at(old - 1);
                assert!(!is_consistent((old, &other), (new, &after), &path), "{old} of {new}");
                assert!(!is_consistent((old, &before), (new, &before), &path), "{old} of {new}");
                assert!(!is_consistent((old - 1, &before), (new, &after), &path), "{old} of {new}");
                let long = [&path[..], &[before]].concat();
                assert!(!is_consistent((old, &before), (new, &after), &long), "{old} of {new}");
            }
        }
    }
    let Ok(none) = consistency(3, 2, tree.get());
    assert_eq!(none, None);
}

proptest! {
    /// Another implementation makes the same proofs.
    #[test]
    fn proofs_are_those_of_another_implementation(size in 1_u64..600, at in any::<u64>(), old in any::<u64>()) {
        let (index, old) = (at % size, 1 + old % size);
        let tree = Tree::with(size);
        let mut other = MemoryBackedTree::<sha2::Sha256, [u8; 8]>::new();
        (0..size).for_each(|at| other.push(at.to_be_bytes()));
        prop_assert_eq!(tree.edge.root().to_vec(), other.root().as_bytes().to_vec());
        let Ok(path) = inclusion(index, size, tree.get());
        prop_assert_eq!(path.unwrap().concat(), other.prove_inclusion(index as usize).as_bytes().to_vec());
        if old < size {
            let Ok(path) = consistency(old, size, tree.get());
            prop_assert_eq!(path.unwrap().concat(), other.prove_consistency((size - old) as usize).as_bytes().to_vec());
        }
    }

    #[test]
    fn a_changed_proof_shows_nothing(size in 2_u64..200, at in any::<u64>(), byte in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let index = at % size;
        let tree = Tree::with(size);
        let Ok(path) = inclusion(index, size, tree.get());
        let mut bytes = path.unwrap().concat();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let path: Vec<Hash> = bytes.chunks(32).map(|hash| hash.try_into().unwrap()).collect();
        prop_assert!(!is_included(&leaf(&index.to_be_bytes()), (index, size), &path, &tree.edge.root()));
    }
}
