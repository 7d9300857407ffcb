#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

/// The request and the answer of the specification's examples.
const REQUEST: &str = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
    5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
    example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
const ANSWER: &str = "\u{2014} witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==\n\
    \u{2014} witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==\n";

#[test]
fn the_specifications_examples_are_read() {
    let request = Request::parse(REQUEST.as_bytes()).unwrap();
    assert_eq!((request.old, request.proof.len(), request.note.signatures.len()), (20_852_014, 4, 2));
    assert_eq!(request.write(), REQUEST);
    let Ok(Answer::Cosigned(lines)) = Answer::parse(200, None, ANSWER.as_bytes()) else { panic!() };
    assert_eq!((lines.len(), lines[1].name.as_str(), lines[1].bytes.len()), (2, "witness.example/w2", 72));
    // Nothing is known yet: no proof, and the empty line at once.
    let first = REQUEST.split_once("\n\n").map(|(_, note)| format!("old 0\n\n{note}")).unwrap();
    let request = Request::parse(first.as_bytes()).unwrap();
    assert_eq!((request.old, request.proof.len(), request.write() == first), (0, 0, true));
}

#[test]
fn what_is_no_request_is_told() {
    let (head, note) = REQUEST.split_once("\n\n").unwrap();
    for wrong in [
        String::new(),
        "old 1\n".into(),
        format!("old 1\n{note}"),
        format!("old 01\n\n{note}"),
        format!("old +1\n\n{note}"),
        format!("old -1\n\n{note}"),
        format!("old 18446744073709551616\n\n{note}"),
        format!("old\n\n{note}"),
        format!("Old 1\n\n{note}"),
        format!("old 1\nPlRN\n\n{note}"),
        format!("old 1\r\n\n{note}"),
        format!("{head}\n\n"),
        format!("{head}\n\nno note"),
        format!("old 1\n{}\n{note}", "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n".repeat(MAX_PROOF + 1)),
        format!("{REQUEST}{}", "x".repeat(MAX_BYTES)),
    ] {
        assert!(Request::parse(wrong.as_bytes()).is_err(), "{wrong:.200}");
    }
    assert!(Request::parse(b"old 1\n\n\xff\n").is_err());
    let most =
        format!("old 1\n{}\n{note}", "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n".repeat(MAX_PROOF));
    assert_eq!(Request::parse(most.as_bytes()).unwrap().proof.len(), MAX_PROOF);
}

#[test]
fn answers_are_told_by_their_status() {
    let parse = |status, kind, body: &str| Answer::parse(status, kind, body.as_bytes());
    for (status, answer) in [
        (400, Answer::Malformed),
        (403, Answer::Unsigned),
        (404, Answer::Unknown),
        (422, Answer::Inconsistent),
        (429, Answer::Later(429)),
        (503, Answer::Later(503)),
    ] {
        assert_eq!(parse(status, Some("text/html"), "<html>"), Ok(answer));
    }
    assert_eq!(parse(409, Some(SIZE_TYPE), "7\n"), Ok(Answer::Other(7)));
    assert_eq!(parse(409, Some("Text/X.TLog.Size; charset=utf-8"), "0\n"), Ok(Answer::Other(0)));
    assert_eq!(parse(409, Some(SIZE_TYPE), "18446744073709551615\n"), Ok(Answer::Other(u64::MAX)));
    for (status, kind, body) in [
        (409, None, "7\n"),
        (409, Some("text/plain"), "7\n"),
        (409, Some(SIZE_TYPE), "7"),
        (409, Some(SIZE_TYPE), "07\n"),
        (409, Some(SIZE_TYPE), "-7\n"),
        (409, Some(SIZE_TYPE), "18446744073709551616\n"),
        (409, Some(SIZE_TYPE), "7\n8\n"),
        (200, None, ""),
        (200, None, "\n"),
        (200, None, "ok\n"),
        (200, None, "\u{2014} w AAAAAAAA"),
        (201, None, ANSWER),
        (301, None, ""),
        (100, None, ""),
    ] {
        assert!(parse(status, kind, body).is_err(), "{status} {kind:?} {body:?}");
    }
    assert_eq!(parse(503, None, &"x".repeat(MAX_BYTES + 1)), Err(WitnessError::TooLarge));
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(old in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..=MAX_PROOF)) {
        let note = Request::parse(REQUEST.as_bytes()).unwrap().note;
        let request = Request { old, proof, note };
        prop_assert_eq!(Request::parse(request.write().as_bytes()), Ok(request));
    }

    #[test]
    fn no_bytes_are_too_strange(status in 0_u16..1000, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&bytes);
        let _ = Answer::parse(status, Some(SIZE_TYPE), &bytes);
    }
}
