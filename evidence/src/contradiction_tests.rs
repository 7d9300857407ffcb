#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::note::Signer;
use crate::tree::{Edge, consistency, inclusion, leaf};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::collections::HashMap;
use std::convert::Infallible;

fn signer() -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::new("example.com/log", pkcs8.as_ref()).unwrap()
}

/// A log whose leaves, from `turn` on, are others.
struct Tree(HashMap<(u32, u64), Hash>);

impl Tree {
    fn with(size: u64, turn: u64) -> Self {
        let (mut edge, mut of) = (Edge::default(), HashMap::new());
        for at in 0..size {
            let own = leaf(&[at.to_be_bytes(), u64::from(at >= turn).to_be_bytes()].concat());
            edge.push(own, |level, index, root| {
                of.insert((level, index), *root);
            });
        }
        Self(of)
    }

    fn note(&self, signer: &Signer, size: u64) -> SignedNote {
        let Ok(edge) = Edge::of(size, |level, index| Ok::<_, Infallible>(self.0[&(level, index)]));
        let checkpoint = Checkpoint { origin: signer.key().name().into(), size, root: edge.root() };
        SignedNote::parse(&signer.sign(&checkpoint.text()).unwrap()).unwrap()
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        let Ok(path) = consistency(old, new, |level, index| Ok::<_, Infallible>(self.0[&(level, index)]));
        path.unwrap()
    }
}

#[test]
fn two_roots_of_one_size_contradict_each_other() {
    let signer = signer();
    let (one, other) = (Tree::with(9, 99).note(&signer, 9), Tree::with(9, 4).note(&signer, 9));
    let found = Contradiction::of(&one, &other, &[]).unwrap();
    let checkpoints = found.check(std::slice::from_ref(signer.key())).unwrap();
    assert_eq!((checkpoints[0].size, checkpoints[1].size), (9, 9));
    assert_eq!(Contradiction::parse(&found.to_json()), Ok(found.clone()));
    // Not by another key, of another log, or for one tree.
    assert!(found.check(&[]).is_err() && found.check(std::slice::from_ref(self::signer().key())).is_err());
    assert_eq!(Contradiction::of(&one, &one, &[]), None);
    let mut foreign = found.clone();
    foreign.notes[1].text = foreign.notes[1].text.replace("example.com/log", "example.com/gol");
    assert_eq!(foreign.contradicts(), Err(ContradictionError::None("they are of two logs")));
    let mut forged = found;
    forged.notes[1].signatures[0].bytes[0] ^= 1;
    assert_eq!(
        forged.check(&[signer.key().clone()]),
        Err(NoteError::Forged("example.com/log".into()).into())
    );
}

/// Two entries at a place: the smaller tree's and the larger one's.
fn two_entries(signer: &Signer) -> Contradiction {
    let (honest, fork) = (Tree::with(9, u64::MAX), Tree::with(16, 5));
    let place = |tree: &Tree, size: u64, forked: bool| {
        let Ok(path) = inclusion(6, size, |level, index| Ok::<_, Infallible>(tree.0[&(level, index)]));
        ([6_u64.to_be_bytes(), u64::from(forked).to_be_bytes()].concat(), path.unwrap())
    };
    let (small, large) = (honest.note(signer, 9), fork.note(signer, 16));
    let (one, other) = (place(&honest, 9, false), place(&fork, 16, true));
    let found = Contradiction::of_entries((&large, other.clone()), (&small, one.clone()), 6).unwrap();
    assert_eq!(Contradiction::of_entries((&small, one.clone()), (&large, other), 7), None);
    assert_eq!(Contradiction::of_entries((&small, one.clone()), (&large, one.clone()), 6), None);
    let honest_later = (honest.note(signer, 8), place(&honest, 8, false));
    assert_eq!(Contradiction::of_entries((&small, one), (&honest_later.0, honest_later.1), 6), None);
    found
}

/// Of two sizes of which the smaller one is a complete subtree, whose proof would not hold its begin, two entries still show it.
#[test]
fn two_entries_at_one_place_contradict_each_other() {
    let signer = signer();
    let found = two_entries(&signer);
    let keys = std::slice::from_ref(signer.key());
    assert_eq!(found.check(keys).unwrap().map(|checkpoint| checkpoint.size), [9, 16]);
    assert_eq!(Contradiction::parse(&found.to_json()), Ok(found));
}

/// Whatever byte is another one, the evidence is none, or says the same.
#[test]
fn no_changed_byte_shows_something_else() {
    let signer = signer();
    let keys = std::slice::from_ref(signer.key());
    let (honest, fork) = (Tree::with(11, u64::MAX), Tree::with(11, 3));
    let extended = Contradiction::of(&honest.note(&signer, 7), &fork.note(&signer, 11), &fork.proof(7, 11));
    for found in [two_entries(&signer), extended.unwrap()] {
        let text = found.to_json();
        for at in 0..text.len() {
            for bit in [1, 2, 32] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= bit;
                let changed = String::from_utf8(bytes).ok().and_then(|text| Contradiction::parse(&text).ok());
                if let Some(changed) = changed.filter(|changed| changed.check(keys).is_ok()) {
                    assert_eq!(changed, found, "byte {at}");
                }
            }
        }
    }
}

/// Who knows the larger tree can show its begin where the proof alone does not hold it.
#[test]
fn a_begin_that_is_known_contradicts_a_complete_subtree() {
    let signer = signer();
    let (honest, fork) = (Tree::with(11, u64::MAX), Tree::with(11, 3));
    let (small, large, proof) = (honest.note(&signer, 8), fork.note(&signer, 11), fork.proof(8, 11));
    assert_eq!(Contradiction::of(&small, &large, &proof), None);
    let root = |tree: &Tree| Checkpoint::parse(&tree.note(&signer, 8).text).unwrap().root;
    let found = Contradiction::of_begin(&small, &large, root(&fork), &proof).unwrap();
    assert!(found.check(std::slice::from_ref(signer.key())).is_ok());
    assert_eq!(Contradiction::parse(&found.to_json()), Ok(found));
    for begin in [root(&honest), [7; 32]] {
        assert_eq!(Contradiction::of_begin(&small, &large, begin, &proof), None);
    }
}

#[test]
fn what_is_no_evidence_is_told() {
    let signer = signer();
    let found =
        Contradiction::of(&Tree::with(9, 99).note(&signer, 9), &Tree::with(9, 4).note(&signer, 9), &[])
            .unwrap();
    let text = found.to_json();
    for wrong in [
        "",
        "[]",
        "{}",
        r#"{"type":"halod-contradiction/v1"}"#,
        &text.replace("v1", "v2"),
        &text.replace("\"notes\"", "\"note\""),
        &text.replace("\"type\"", "\"begin\":\"AAAA\",\"type\""),
        &text.replace("\"type\"", "\"begin\":\"AAAA\",\"proof\":[],\"type\""),
        &text.replace("\"type\"", "\"proof\":[],\"type\""),
        &text.replace("\"type\"", "\"index\":1,\"entries\":[\"\",\"\"],\"type\""),
        &text.replace("\"type\"", "\"index\":-1,\"entries\":[\"\",\"\"],\"paths\":[[],[]],\"type\""),
        &text.replace("\"type\"", "\"index\":1,\"entries\":[\"\"],\"paths\":[[],[]],\"type\""),
        &format!("{text}{}", " ".repeat(MAX_BYTES)),
    ] {
        assert!(Contradiction::parse(wrong).is_err(), "{wrong:.100}");
    }
}

proptest! {
    /// A fork that was extended is shown by the proof that was sent with it, unless the old tree is a complete subtree. The same
    /// proof shows nothing against an honest log.
    #[test]
    fn an_extended_fork_is_shown(old in 2_u64..60, more in 1_u64..60, at in any::<u64>()) {
        let (new, turn) = (old + more, at % old);
        let signer = signer();
        let (honest, fork) = (Tree::with(new, u64::MAX), Tree::with(new, turn));
        let known = honest.note(&signer, old);
        prop_assert_eq!(Contradiction::of(&known, &honest.note(&signer, new), &honest.proof(old, new)), None);
        let found = Contradiction::of(&fork.note(&signer, new), &known, &fork.proof(old, new));
        prop_assert_eq!(found.is_some(), !old.is_power_of_two());
        if let Some(found) = found {
            prop_assert!(found.check(std::slice::from_ref(signer.key())).is_ok());
            prop_assert_eq!(Contradiction::parse(&found.to_json()), Ok(found.clone()));
            // Nor with another proof or another begin.
            let mut spoilt = found.clone();
            let Shown::Begin(_, path) = &mut spoilt.shown else { panic!("{:?}", spoilt.shown) };
            path[0][0] ^= 1;
            prop_assert!(spoilt.check(std::slice::from_ref(signer.key())).is_err());
            let mut spoilt = found;
            let Shown::Begin(begin, _) = &mut spoilt.shown else { panic!("{:?}", spoilt.shown) };
            begin[0] ^= 1;
            prop_assert!(spoilt.check(std::slice::from_ref(signer.key())).is_err());
        }
    }

    #[test]
    fn no_text_is_too_strange(text in ".{0,200}") {
        let _ = Contradiction::parse(&text);
    }
}
