#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use halod_evidence::note::Kind;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::fs;

fn signer() -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::of(Kind::Text, "w/receipts", pkcs8.as_ref()).unwrap()
}

fn anchor(subject: &str, count: u64, head: u8) -> Anchor {
    Anchor { subject: Some(subject.into()), root: Some([1; 32]), count, head: [head; 32] }
}

fn acme() -> Chain {
    Chain::Subject("acme".into())
}

fn kept(anchored: Anchored) -> String {
    match anchored {
        Anchored::Kept(line) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn counts_only_grow_and_heads_stay() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), signer());
    let mut own = Anchors::open(dir.path()).unwrap();
    let first = kept(own.add(&anchor("acme", 3, 3), 1, &signer));
    let second = kept(own.add(&anchor("acme", 5, 5), 2, &signer));
    assert_eq!(own.add(&anchor("acme", 4, 4), 3, &signer), Anchored::Lower(5));
    // What was said before has the receipt of then, and no further line.
    assert_eq!(kept(own.add(&anchor("acme", 3, 3), 4, &signer)), first);
    assert_eq!(kept(own.add(&anchor("acme", 5, 5), 4, &signer)), second);
    assert!(
        matches!(own.add(&anchor("acme", 3, 9), 5, &signer), Anchored::Contradicts(line, _) if line == first)
    );
    assert!(
        matches!(own.add(&anchor("acme", 5, 9), 5, &signer), Anchored::Contradicts(line, _) if line == second)
    );
    let rerooted = Anchor { root: Some([2; 32]), ..anchor("acme", 9, 9) };
    assert!(matches!(own.add(&rerooted, 5, &signer), Anchored::Contradicts(..)));
    // Another chain is another matter, and so is one of the same root that has no subject.
    kept(own.add(&anchor("acme 2", 1, 9), 5, &signer));
    kept(own.add(&Anchor { subject: None, ..anchor("", 1, 8) }, 5, &signer));
    assert_eq!(own.lines(&acme(), 0..2, 1 << 20).unwrap(), [first.clone(), second.clone()]);
    assert_eq!(own.lines(&acme(), 0..2, 1).unwrap(), std::slice::from_ref(&first), "one at least");
    assert_eq!((own.count(&acme()), own.count(&Chain::Root([9; 32]))), (Ok(2), Ok(0)));
    // It is there again after a restart.
    drop(own);
    let mut again = Anchors::open(dir.path()).unwrap();
    assert_eq!(again.lines(&acme(), 1..2, 1 << 20).unwrap(), std::slice::from_ref(&second));
    assert_eq!(again.add(&anchor("acme", 4, 4), 3, &signer), Anchored::Lower(5));
}

/// What the reference has accepted is taken over as it is; what comes from then on is held against all of it.
#[test]
fn a_store_of_the_reference_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let line = |count: u64, head: &str| {
        format!(
            "{{\"chain_root\":null,\"subject\":\"acme\",\"count\":{count},\"head\":\"{}\",\"ts\":\"2026-01-01T00:00:00Z\",\"tsa\":{{}}}}\n",
            head.repeat(32)
        )
    };
    fs::write(dir.path().join(FILE), [line(5, "05"), "\n".into(), line(3, "03"), line(5, "06")].concat())
        .unwrap();
    let mut own = Anchors::open(dir.path()).unwrap();
    assert_eq!(own.lines(&acme(), 0..9, 1 << 20).unwrap_or_default().len(), 0, "not beyond the end");
    assert_eq!(own.lines(&acme(), 0..3, 1 << 20).unwrap().len(), 3);
    assert_eq!(own.add(&anchor("acme", 4, 4), 3, &signer()), Anchored::Lower(5));
    assert!(matches!(own.add(&anchor("acme", 3, 9), 3, &signer()), Anchored::Contradicts(..)));
    kept(own.add(&anchor("acme", 6, 6), 3, &signer()));
}

#[test]
fn a_torn_end_is_put_aside_and_any_other_damage_stops_everything() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), signer());
    let path = dir.path().join(FILE);
    let line = kept(Anchors::open(dir.path()).unwrap().add(&anchor("acme", 3, 3), 1, &signer));
    let whole = fs::read(&path).unwrap();
    for torn in [&whole[..whole.len() - 1], b"\0\0\0", b"{\"sub", b"\xff"] {
        fs::write(&path, [&whole[..], torn].concat()).unwrap();
        let mut own = Anchors::open(dir.path()).unwrap();
        assert_eq!(own.damage, None);
        assert_eq!(fs::read(dir.path().join(format!("{FILE}.torn-{}", whole.len()))).unwrap(), torn);
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(own.lines(&acme(), 0..1, 9), Ok(vec![line.clone()]));
        kept(own.add(&anchor("acme", 4, 4), 1, &signer));
    }
    let long = [vec![b'x'; LONGEST_LINE + 1], vec![b'\n']].concat();
    for damage in [&b"{\"sub\n"[..], b"\xff\n", b"{\"count\":1}\n", b"[]\n", &long, &long[..LONGEST_LINE + 1]]
    {
        fs::write(&path, [&whole[..], damage, &whole].concat()).unwrap();
        let mut own = Anchors::open(dir.path()).unwrap();
        assert!(matches!(own.add(&anchor("acme", 9, 9), 1, &signer), Anchored::Unavailable(_)));
        assert!(own.count(&acme()).is_err() && own.lines(&acme(), 0..1, 9).is_err());
        assert_eq!(
            fs::read(&path).unwrap(),
            [&whole[..], damage, &whole].concat(),
            "it is left as it was found"
        );
    }
}

proptest! {
    /// Whatever comes in whatever order: of one chain no two heads have one count, and counts grow from line to line.
    #[test]
    fn what_is_kept_never_contradicts_itself(sent in prop::collection::vec((0_u8..2, 1_u64..6, 0_u8..3), 0..40), again in any::<bool>()) {
        let (dir, signer) = (tempfile::tempdir().unwrap(), signer());
        let mut own = Anchors::open(dir.path()).unwrap();
        for (at, (chain, count, head)) in sent.iter().enumerate() {
            own.add(&anchor(["a", "b"][usize::from(*chain)], *count, *head), at as u64, &signer);
            if again && at % 7 == 0 {
                own = Anchors::open(dir.path()).unwrap();
            }
        }
        for chain in ["a", "b"] {
            let chain = Chain::Subject(chain.into());
            let all = own.count(&chain).unwrap();
            let lines = own.lines(&chain, 0..all, usize::MAX).unwrap();
            let counts: Vec<u64> = lines.iter().map(|line| Anchor::parse(line.as_bytes()).unwrap().count).collect();
            prop_assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", counts);
        }
    }
}
