#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;

/// The example of tlog-cosignature, with its two lines of signatures.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

fn signer(kind: Kind, name: &str) -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::of(kind, name, pkcs8.as_ref()).unwrap()
}

const TEXT: &str = "example.com/log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn note(lines: &[Signature]) -> SignedNote {
    SignedNote { text: TEXT.into(), signatures: lines.to_vec() }
}

#[test]
fn the_specifications_example_has_its_time() {
    let note = SignedNote::parse(EXAMPLE).unwrap();
    // The time of the message that the page shows below the example.
    assert_eq!(Cosignature::read(&note.signatures[1].bytes).unwrap().time, 1_679_315_147);
    assert!(message(1_679_315_147, &note.text).starts_with("cosignature/v1\ntime 1679315147\nexample.com/"));
    assert_eq!(note.to_string(), EXAMPLE);
}

#[test]
fn a_cosignature_is_of_a_checkpoint_at_a_time() {
    let witness = signer(Kind::Cosignature, "witness.example.com/w1");
    let line = witness.cosign(TEXT, 1_700_000_000).unwrap();
    assert_eq!((line.bytes.len(), line.key_id), (72, witness.key().id()));
    assert_eq!(note(std::slice::from_ref(&line)).cosigned(witness.key()), Ok(1_700_000_000));
    let later = witness.cosign(TEXT, 1_800_000_000).unwrap();
    assert_eq!(note(&[later, line.clone()]).cosigned(witness.key()), Ok(1_700_000_000), "the earliest");
    // Its key as others write it down, and no other one.
    let key: VerifierKey = witness.key().to_string().parse().unwrap();
    assert_eq!((&key, key.kind()), (witness.key(), Kind::Cosignature));
    let text = VerifierKey::new(key.name(), *key.public()).unwrap();
    assert_ne!(text.id(), key.id(), "the id is that of the type, too");
    assert_eq!(
        note(std::slice::from_ref(&line)).cosigned(&text),
        Err(NoteError::NoWitness(key.name().into()))
    );
    assert_eq!(note(&[]).cosigned(&key), Err(NoteError::Unsigned(key.name().into())));
    for at in 0..72 {
        let mut changed = line.clone();
        changed.bytes[at] ^= 1;
        assert_eq!(note(&[changed]).cosigned(&key), Err(NoteError::Forged(key.name().into())), "{at}");
    }
    for length in [0, 8, 64, 71] {
        let mut short = line.clone();
        short.bytes.truncate(length);
        assert!(note(&[short]).cosigned(&key).is_err());
    }
}

#[test]
fn what_can_not_be_cosigned_is_refused() {
    let witness = signer(Kind::Cosignature, "w");
    for time in [0, 1 << 63, u64::MAX] {
        assert!(witness.cosign(TEXT, time).is_err(), "{time}");
        // Nor is such a time read, whoever signed it.
        let signature = witness.sign_bytes(message(time, TEXT).as_bytes());
        let line = witness.line([&time.to_be_bytes()[..], &signature].concat());
        assert_eq!(note(&[line]).cosigned(witness.key()), Err(NoteError::Forged("w".into())));
    }
    assert!(witness.cosign(TEXT, i64::MAX as u64).is_ok());
    assert!(witness.cosign("no checkpoint\n", 1).is_err());
    // Other logs' further lines are signed with the rest.
    assert!(witness.cosign(&format!("{TEXT}more\n"), 1).is_ok());
    assert!(witness.cosign(&format!("{TEXT}\nmore\n"), 1).is_err());
    assert!(witness.sign(TEXT).is_err(), "a witness signs no bare text");
    assert!(signer(Kind::Text, "l").cosign(TEXT, 1).is_err(), "a log cosigns nothing");
}

proptest! {
    #[test]
    fn what_is_cosigned_is_found_again(time in 1..=i64::MAX as u64, size in any::<u64>(), root in any::<[u8; 32]>()) {
        let witness = signer(Kind::Cosignature, "w");
        let text = Checkpoint { origin: "o".into(), size, root }.text();
        let line = witness.cosign(&text, time).unwrap();
        let read = Signature::parse(line.to_string().trim_end_matches('\n')).unwrap();
        prop_assert_eq!(&read, &line);
        let note = SignedNote { text, signatures: vec![read] };
        prop_assert_eq!(note.cosigned(witness.key()), Ok(time));
    }
}
