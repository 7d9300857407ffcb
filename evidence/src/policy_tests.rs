#![allow(clippy::unwrap_used)]

use super::*;
use crate::note::{Kind, Signer};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;

fn signer(kind: Kind, name: &str) -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::of(kind, name, pkcs8.as_ref()).unwrap()
}

/// A log, and witnesses with names.
struct Stage {
    log: Signer,
    witnesses: Vec<(String, Signer)>,
}

impl Stage {
    fn new(names: &[&str]) -> Self {
        let witness =
            |name: &&str| ((*name).to_owned(), signer(Kind::Cosignature, &format!("w.example/{name}")));
        Self { log: signer(Kind::Text, "example.com/log"), witnesses: names.iter().map(witness).collect() }
    }

    /// A policy with this end.
    fn policy(&self, end: &str) -> Result<Policy, PolicyError> {
        Policy::parse(self.text(end).as_bytes())
    }

    fn text(&self, end: &str) -> String {
        let witness = |(name, signer): &(String, Signer)| format!("witness {name} {}\n", signer.key());
        let witnesses: String = self.witnesses.iter().map(witness).collect();
        format!("# who counts\nlog {} https://log.example\n\n{witnesses}{end}", self.log.key())
    }

    /// A note that these have cosigned.
    fn note(&self, cosigned: &[(&str, u64)]) -> SignedNote {
        let text = Checkpoint { origin: "example.com/log".into(), size: 7, root: [7; 32] }.text();
        let mut note = SignedNote::parse(&self.log.sign(&text).unwrap()).unwrap();
        for (name, time) in cosigned {
            let (_, witness) = self.witnesses.iter().find(|(own, _)| own == name).unwrap();
            note.signatures.push(witness.cosign(&text, *time).unwrap());
        }
        note
    }
}

/// That of the specification.
const EXAMPLE: &str = "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
    group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";

#[test]
fn the_specifications_example_is_understood() {
    let stage = Stage::new(&["X1", "X2", "X3", "Y1", "Y2", "Y3"]);
    let policy = stage.policy(EXAMPLE).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().count()), (1, 6));
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example"));
    for (cosigned, at) in [
        (vec![("X1", 10), ("X3", 30), ("Y2", 20)], Some(30)),
        (vec![("X1", 10), ("X3", 30), ("Y2", 50)], Some(50)),
        (vec![("X1", 10), ("X2", 15), ("X3", 30), ("Y1", 9), ("Y2", 11)], Some(15)),
        (vec![("X1", 10), ("X2", 10)], None),
        (vec![("X1", 10), ("Y1", 10), ("Y2", 10), ("Y3", 10)], None),
        (vec![], None),
    ] {
        let checked = policy.check(&stage.note(&cosigned));
        match at {
            Some(_) => {
                let accepted = checked.unwrap();
                assert_eq!(
                    (accepted.at, accepted.cosigned.len(), accepted.checkpoint.size),
                    (at, cosigned.len(), 7)
                );
            }
            None => assert!(matches!(checked, Err(Refused::Quorum(_))), "{cosigned:?}"),
        }
    }
    let why = policy.check(&stage.note(&[("X1", 10), ("Y1", 1)])).unwrap_err().to_string();
    assert_eq!(
        why,
        "the cosignatures are no quorum: X-and-Y has 1 of the 2 that it needs of 2; X-witnesses did not witness"
    );
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

#[test]
fn signatures_of_known_keys_have_to_be_right() {
    let stage = Stage::new(&["A", "B"]);
    let policy = stage.policy("quorum A\n").unwrap();
    let mut note = stage.note(&[("A", 10), ("B", 20)]);
    assert_eq!(policy.check(&note).unwrap().at, Some(10));
    note.signatures[2].bytes[70] ^= 1;
    assert_eq!(policy.check(&note), Err(NoteError::Forged("w.example/B".into()).into()));
    note.signatures.pop();
    note.signatures[0].bytes[9] ^= 1;
    assert_eq!(policy.check(&note), Err(NoteError::Forged("example.com/log".into()).into()));
    note.signatures.remove(0);
    assert_eq!(policy.check(&note), Err(NoteError::Unsigned("example.com/log".into()).into()));
    // Another log's, cosigned or not.
    let other = Stage { log: signer(Kind::Text, "example.com/other"), witnesses: Vec::new() };
    assert_eq!(
        other.policy("quorum none\n").unwrap().check(&stage.note(&[])),
        Err(Refused::Log("example.com/log".into()))
    );
    assert_eq!(stage.policy("quorum none\n").unwrap().check(&stage.note(&[])).unwrap().at, None);
}

#[test]
fn what_is_no_policy_is_told_with_its_line() {
    let stage = Stage::new(&["A", "B", "C"]);
    let own = stage.witnesses[0].1.key().to_string();
    let log = stage.log.key().to_string();
    for (end, line, what) in [
        ("quorum D\n".to_owned(), 7, "`D` is defined on no line before this one"),
        ("quorum G\ngroup G any A\n".into(), 7, "defined on no line before"),
        ("quorum A\nquorum B\n".into(), 8, "there is a quorum already"),
        ("quorum A B\n".into(), 7, "a quorum is written"),
        ("quorum\n".into(), 7, "a quorum is written"),
        ("group G all\n".into(), 7, "one member at least"),
        ("group G\n".into(), 7, "a group is written"),
        ("group G 3 A B\n".into(), 7, "`3` is none of all, any, and a number from 1 to 2"),
        ("group G 0 A B\n".into(), 7, "`0` is none of all"),
        ("group G +1 A B\n".into(), 7, "`+1` is none of all"),
        ("group G any A A\n".into(), 7, "`A` is a member of a group already"),
        ("group G any A\ngroup H any A B\n".into(), 8, "`A` is a member of a group already"),
        ("group G any none\n".into(), 7, "`none` is defined on no line"),
        ("group none any A\n".into(), 7, "`none` stands for no witness"),
        ("group A any B\n".into(), 7, "`A` is defined already"),
        (format!("witness D {own}\n"), 7, "is a witness' already"),
        (
            format!("witness D {log}\n"),
            7,
            "the key of example.com/log has the wrong type: a witness' is of type 4",
        ),
        (format!("log {log}\n"), 7, "is a log's already"),
        (format!("log {own}\n"), 7, "a log's is of type 1"),
        ("log x+y+z\n".into(), 7, "`x+y+z`: it is no verifier key"),
        ("log\n".into(), 7, "a log is written"),
        ("witness D\n".into(), 7, "a witness is written"),
        ("Quorum A\n".into(), 7, "`Quorum` is none of log"),
        ("quorum A\r\n".into(), 7, "the control character 0x0d"),
        ("quorum A".into(), 7, "the file may be cut off"),
    ] {
        let told = stage.policy(&end).unwrap_err().to_string();
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(what), "{end:?}: {told}");
    }
    assert_eq!(stage.policy(""), Err(PolicyError::NoQuorum));
    assert_eq!(Policy::parse(&vec![b'\n'; MAX_BYTES + 1]), Err(PolicyError::TooLarge));
    let many: String = (0..=MAX_DEFINITIONS)
        .map(|at| {
            format!("group g{at} all A\n")
                .replace(" A", &if at == 0 { " A".into() } else { format!(" g{}", at - 1) })
        })
        .collect();
    assert_eq!(stage.policy(&format!("{many}quorum A\n")), Err(PolicyError::TooLarge));
}

/// What stands in names and comments is bytes, and blanks and tabs part words.
#[test]
fn bytes_that_are_no_text_may_be_names() {
    let key = signer(Kind::Cosignature, "w").key().to_string();
    let policy = [b"#\xff\n\twitness \xff\xfe ", key.as_bytes(), b"\t \nquorum\t\xff\xfe\n"].concat();
    let policy = Policy::parse(&policy).unwrap();
    assert_eq!(policy.witnesses().next().unwrap().0.bytes(), b"\xff\xfe");
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy.clone()));
    assert_eq!(policy.warnings().len(), 1, "it lists no log");
}

#[test]
fn quorums_that_need_not_meet_are_warned_of() {
    let stage = Stage::new(&["A", "B", "C", "D", "E"]);
    for (end, disjoint) in [
        ("quorum none\n", true),
        ("quorum A\n", false),
        ("group G 2 A B C\nquorum G\n", false),
        ("group G 2 A B C D\nquorum G\n", true),
        ("group G 3 A B C D E\nquorum G\n", false),
        ("group G any A\nquorum G\n", false),
        ("group G any A B\nquorum G\n", true),
        // One group of two in which each one is enough, and one that all quorums need.
        ("group G any A B\ngroup H all G C\nquorum H\n", false),
        ("group G any A B\ngroup H any C D\ngroup I all G H\nquorum I\n", true),
        ("group G any A B\ngroup H 2 G C D E\nquorum H\n", true),
        ("group G any A B\ngroup H 2 G C\nquorum H\n", false),
    ] {
        let policy = stage.policy(end).unwrap();
        assert_eq!(policy.has_disjoint_quorums(), disjoint, "{end}");
        assert_eq!(policy.warnings().is_empty(), !disjoint, "{end}");
    }
}

proptest! {
    /// Of k of n, the time is the k-th smallest; and whether two quorums can miss each other is what trying all of them says.
    #[test]
    fn a_quorum_is_what_counting_says(times in prop::collection::vec(prop::option::of(1_u64..100), 1..7), k in 1_usize..7, split in 0_usize..4) {
        let names: Vec<String> = (0..times.len()).map(|at| format!("W{at}")).collect();
        let stage = Stage::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let k = k.min(times.len());
        let policy = stage.policy(&format!("group G {k} {}\nquorum G\n", names.join(" "))).unwrap();
        let cosigned: Vec<_> = names.iter().zip(&times).filter_map(|(name, time)| Some((name.as_str(), (*time)?))).collect();
        let mut sorted: Vec<u64> = cosigned.iter().map(|(_, time)| *time).collect();
        sorted.sort_unstable();
        let at = policy.check(&stage.note(&cosigned)).ok().and_then(|accepted| accepted.at);
        prop_assert_eq!(at, sorted.get(k - 1).copied());
        // Nested: the first witnesses are a group of which one is enough.
        let split = split.min(times.len() - 1);
        if split > 0 {
            let (inner, outer) = names.split_at(split);
            let k = k.min(outer.len() + 1);
            let end = format!("group I any {}\ngroup G {k} I {}\nquorum G\n", inner.join(" "), outer.join(" "));
            let policy = stage.policy(&end).unwrap();
            let is_quorum = |set: u32| {
                let inner = u32::from(set & ((1 << split) - 1) != 0);
                (set >> split).count_ones() + inner >= k as u32
            };
            let all = (1_u32 << names.len()) - 1;
            let disjoint = (0..=all).any(|set| is_quorum(set) && is_quorum(all & !set));
            prop_assert_eq!(policy.has_disjoint_quorums(), disjoint, "{}", end);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
    }
}
