#![allow(clippy::unwrap_used)]

use super::*;
use crate::note::Signer;
use crate::witness::{SIZE_TYPE, size_body};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;

const NOW: u64 = 1_700_000_000;

fn signer(kind: Kind, name: &str) -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::of(kind, name, pkcs8.as_ref()).unwrap()
}

fn note(size: u64) -> SignedNote {
    let text = Checkpoint { origin: "example.com/log".into(), size, root: [7; 32] }.text();
    SignedNote::parse(&signer(Kind::Text, "example.com/log").sign(&text).unwrap()).unwrap()
}

fn cosigning(size: u64, known: u64, witness: &Signer) -> Cosigning {
    Cosigning::new(note(size), witness.key().clone(), known).unwrap()
}

fn conflict(of: &mut Cosigning, size: u64) -> Next {
    of.answered(409, Some(SIZE_TYPE), size_body(size).as_bytes(), NOW)
}

#[test]
fn a_cosignature_is_verified_before_anything_is_done_with_it() {
    let (witness, other) = (signer(Kind::Cosignature, "w"), signer(Kind::Cosignature, "w"));
    let mut own = cosigning(9, 4, &witness);
    assert_eq!((own.from(), own.size(), own.request(vec![[1; 32]]).old), (4, 9, 4));
    let text = own.note.text.clone();
    let line = witness.cosign(&text, NOW - 5).unwrap();
    let mut answer = |lines: &[String]| own.answered(200, None, lines.concat().as_bytes(), NOW);
    assert_eq!(answer(&[line.to_string()]), Next::Done(Cosigned { time: NOW - 5, line: line.clone() }));
    // Others' lines beside it are left alone.
    let others = other.cosign(&text, NOW).unwrap().to_string();
    assert!(matches!(answer(&[others.clone(), line.to_string()]), Next::Done(done) if done.line == line));
    let of_another_text = witness.cosign(&note(10).text, NOW).unwrap().to_string();
    let ahead = witness.cosign(&text, NOW + AHEAD + 1).unwrap().to_string();
    let mut forged = line.clone();
    forged.bytes[20] ^= 1;
    for lies in [
        vec![others],
        vec![of_another_text],
        vec![ahead],
        vec![forged.to_string()],
        vec![line.to_string(), line.to_string()],
        vec!["ok\n".into()],
    ] {
        assert!(matches!(answer(&lies), Next::Broken(_)), "{lies:?}");
    }
}

#[test]
fn another_size_is_proven_from_there_and_a_larger_one_ends_everything() {
    let witness = signer(Kind::Cosignature, "w");
    let mut own = cosigning(9, 0, &witness);
    assert_eq!(conflict(&mut own, 5), Next::Prove(5));
    assert_eq!(own.from(), 5);
    assert_eq!(conflict(&mut own, 0), Next::Prove(0), "somebody gave it an older state");
    assert_eq!(conflict(&mut own, 9), Next::Prove(9), "nothing is new");
    assert!(matches!(conflict(&mut own, 9), Next::Broken(_)), "it is the size that was asked with");
    for size in [10, 1 << 63, u64::MAX] {
        assert_eq!(conflict(&mut own, size), Next::RolledBack(size));
    }
    let mut endless = cosigning(9, 0, &witness);
    let ends = (1..9).map(|size| conflict(&mut endless, size)).find(|next| !matches!(next, Next::Prove(_)));
    assert!(matches!(ends, Some(Next::Broken(_))), "{ends:?}");
}

#[test]
fn every_status_has_a_next_step() {
    let witness = signer(Kind::Cosignature, "w");
    let mut own = cosigning(9, 4, &witness);
    for (status, next) in [
        (400, Next::Operator(Why::Malformed)),
        (403, Next::Operator(Why::Unsigned)),
        (404, Next::Operator(Why::Unknown)),
        (422, Next::Forked),
        (429, Next::Later(429)),
        (500, Next::Later(500)),
    ] {
        assert_eq!(own.answered(status, None, b"<html>", NOW), next);
    }
    for (status, body) in [(409, &b"\xff"[..]), (301, b""), (204, b""), (200, &[b'x'; 70_000])] {
        assert!(matches!(own.answered(status, Some(SIZE_TYPE), body, NOW), Next::Broken(_)), "{status}");
    }
}

#[test]
fn what_can_not_be_cosigned_is_not_begun() {
    let witness = signer(Kind::Cosignature, "w");
    assert_eq!(cosigning(9, 99, &witness).from(), 9, "a witness that knew more says so itself");
    let log = signer(Kind::Text, "w");
    assert!(Cosigning::new(note(1), log.key().clone(), 0).is_err());
    let text = SignedNote { text: "no checkpoint\n".into(), signatures: Vec::new() };
    assert!(Cosigning::new(text, witness.key().clone(), 0).is_err());
}

#[test]
fn waits_grow_up_to_a_bound() {
    let waits: Vec<u64> =
        [0, 1, 2, 3, 7, 8, 40, u32::MAX].map(|failures| wait_after(failures).as_secs()).into();
    assert_eq!(waits, [5, 5, 10, 20, 320, 600, 600, 600]);
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(status in 0_u16..1000, body in prop::collection::vec(any::<u8>(), 0..100)) {
        let witness = signer(Kind::Cosignature, "w");
        let mut own = cosigning(9, 4, &witness);
        let next = own.answered(status, Some(SIZE_TYPE), &body, NOW);
        prop_assert!(!matches!(next, Next::Done(_)));
        prop_assert!(own.from() <= own.size());
    }
}
