//! Damaged tokens: nothing is accepted that OpenSSL refuses.

use crate::authority::{DATA, EC, Place, RSA, STAMPS, Service};
use crate::forge::{children, tlv};
use crate::{sha256, verify};
use halod_timestamp::request;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

/// One bit after the other. Those that make no difference are in what nobody signed: the status (granted, or with
/// modifications), the version of SignedData, and the case of letters in the issuer's name.
#[test]
fn every_bit() {
    for (key, digest) in [(EC, "sha256"), (RSA, "sha512")] {
        let place = Place::new();
        let root = place.root("Root", key);
        let signer = place.issued(&root, "Service", key, STAMPS);
        let service = Service { signer: &signer, chain: None, digest, more: "accuracy=secs:1\ntsa_name=yes" };
        let answer = place.answer(&service, &request(&sha256(DATA), Some(1), true));
        let root_der = place.der(&root);
        let intact = verify(&answer, Some(1), &[&root_der]).unwrap();
        let (mut accepted, mut bytes) = (0, 0);
        for at in 0..answer.len() {
            let before = accepted;
            for bit in 0..8 {
                let mut damaged = answer.clone();
                damaged[at] ^= 1 << bit;
                let Ok(verified) = verify(&damaged, Some(1), &[&root_der]) else { continue };
                assert_eq!(verified, intact, "byte {at}, bit {bit}");
                let takes = place.verifies(&damaged, true, &sha256(DATA), &root);
                assert!(takes, "OpenSSL refuses byte {at}, bit {bit} of {answer:02x?}");
                accepted += 1;
            }
            bytes += usize::from(accepted > before);
        }
        println!("{key:?}: {} bytes, {bytes} of which may be damaged ({accepted} bits)", answer.len());
        assert!(bytes < 30);
    }
}

#[test]
fn every_length() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", EC, STAMPS);
    let service = Service { signer: &signer, chain: None, digest: "sha256", more: "" };
    let answer = place.answer(&service, &request(&sha256(DATA), None, true));
    let root = place.der(&root);
    verify(&answer, None, &[&root]).unwrap();
    for length in 0..answer.len() {
        assert!(verify(&answer[..length], None, &[&root]).is_err(), "{length}");
    }
}

/// A value of DER: its tag, and its bytes or the values within.
#[derive(Clone)]
enum Node {
    Plain(u8, Vec<u8>),
    Of(u8, Vec<Node>),
}

impl Node {
    fn read(whole: &[u8]) -> Self {
        let tag = whole[0];
        if tag & 0x20 == 0 || whole[1] == 0 {
            let header = if whole[1] < 0x80 { 2 } else { 2 + usize::from(whole[1] & 0x7f) };
            return Self::Plain(tag, whole[header..].to_vec());
        }
        Self::Of(tag, children(whole).into_iter().map(Self::read).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(tag, value) => tlv(*tag, &[value]),
            Self::Of(tag, within) => tlv(*tag, &[&within.iter().flat_map(Self::bytes).collect::<Vec<u8>>()]),
        }
    }

    /// All values, in the order of their bytes.
    fn all<'a>(&'a self, found: &mut Vec<&'a Self>) {
        found.push(self);
        if let Self::Of(_, within) = self {
            within.iter().for_each(|one| one.all(found));
        }
    }

    /// Changes the list of values that has the one of this number, which falls to where it is.
    fn change(&mut self, number: &mut usize, change: &mut dyn FnMut(&mut Vec<Self>, usize)) {
        let Self::Of(_, within) = self else { return };
        for at in 0..within.len() {
            if *number == 0 {
                *number = usize::MAX;
                return change(within, at);
            }
            *number -= 1;
            within[at].change(number, change);
            if *number == usize::MAX {
                return;
            }
        }
    }
}

/// A service with two tokens, one of other data, so that there is something to mix.
fn two_tokens() -> ([Vec<u8>; 2], Vec<u8>) {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", EC, STAMPS);
    let service =
        Service { signer: &signer, chain: None, digest: "sha256", more: "accuracy=secs:1\ntsa_name=yes" };
    let tokens = [DATA, b"other"].map(|data| place.answer(&service, &request(&sha256(data), Some(1), true)));
    (tokens, place.der(&root))
}

/// Values are left out, repeated, moved and replaced by others, of the same token or another one; lengths fit. What is
/// accepted then says what the token said.
#[test]
fn structures() {
    let (tokens, root) = two_tokens();
    let intact = verify(&tokens[0], Some(1), &[&root]).unwrap();
    let trees = tokens.each_ref().map(|token| Node::read(token));
    let mut values = Vec::new();
    trees.iter().for_each(|tree| tree.all(&mut values));
    let first = values.len() / 2;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(10_000) });
    let steps = prop::collection::vec((0..first, 0..values.len(), 0..6u8, any::<u8>()), 1..4);
    let accepted = Cell::new(0);
    let done = runner.run(&steps, |steps| {
        let mut tree = trees[0].clone();
        for (mut number, other, kind, byte) in steps {
            let other = values[other];
            tree.change(&mut number, &mut |within, at| match kind {
                0 => drop(within.remove(at)),
                1 => within.insert(at, within[at].clone()),
                2 => within.insert(at, other.clone()),
                3 => within[at] = other.clone(),
                4 => {
                    let other = usize::from(byte) % within.len();
                    within.swap(at, other);
                }
                _ => match &mut within[at] {
                    Node::Plain(tag, _) | Node::Of(tag, _) => *tag = byte,
                },
            });
        }
        let bytes = tree.bytes();
        if let Ok(verified) = verify(&bytes, Some(1), &[&root]) {
            prop_assert_eq!(&verified, &intact);
            accepted.set(accepted.get() + usize::from(bytes != tokens[0]));
        }
        Ok(())
    });
    done.unwrap_or_else(|why| panic!("{why}"));
    println!("{} changed tokens are as good as the intact one", accepted.get());
}
