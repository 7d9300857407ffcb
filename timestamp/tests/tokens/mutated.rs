//! Damaged tokens: nothing is accepted that OpenSSL refuses.

use crate::authority::{DATA, EC, Place, RSA, STAMPS, Service};
use crate::{sha256, verify};
use halod_timestamp::request;

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
