#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use ring::rand::SystemRandom;

/// The example of the specification itself, which another implementation has signed.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

fn signer(name: &str) -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::new(name, pkcs8.as_ref()).unwrap()
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint { origin: "halod.invalid/0011223344556677".into(), size, root: [7; 32] }
}

#[test]
fn the_specifications_example_is_read() {
    let note = SignedNote::parse(EXAMPLE).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.text(), note.text);
    assert_eq!((note.signatures.len(), note.signatures[0].bytes.len()), (1, 64));
    assert_eq!(note.signatures[0].key_id, [0x03, 0x3d, 0xe0, 0xae]);
    // The key of Go's checksum database, whose hash in it another implementation made.
    let sumdb = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    let key: VerifierKey = sumdb.parse().unwrap();
    assert_eq!((key.name(), key.to_string().as_str()), ("sum.golang.org", sumdb));
}

#[test]
fn a_note_is_that_of_its_key_and_of_its_text() {
    let (ours, other) = (signer("halod.invalid/a"), signer("halod.invalid/a"));
    let text = checkpoint(9).text();
    let note = ours.sign(&text).unwrap();
    let read = SignedNote::parse(&note).unwrap();
    assert_eq!(read.text, text);
    assert_eq!(read.verify(ours.key()), Ok(()));
    assert_eq!(read.verify(other.key()), Err(NoteError::Unsigned("halod.invalid/a".into())));
    // What others have signed says nothing, and takes nothing away.
    let with_other = note + note_line(&other.sign(&text).unwrap());
    let read = SignedNote::parse(&with_other).unwrap();
    assert_eq!(
        (read.signatures.len(), read.verify(ours.key()), read.verify(other.key())),
        (2, Ok(()), Ok(()))
    );
    let forged = SignedNote { text: checkpoint(10).text(), ..read.clone() };
    assert_eq!(forged.verify(ours.key()), Err(NoteError::Forged("halod.invalid/a".into())));
    let again: VerifierKey = ours.key().to_string().parse().unwrap();
    assert_eq!(read.verify(&again), Ok(()));
}

fn note_line(note: &str) -> &str {
    &note[note.rfind("\n\n").unwrap() + 2..]
}

#[test]
fn what_is_no_note_is_told() {
    let note = signer("halod.invalid/c").sign(&checkpoint(1).text()).unwrap();
    for wrong in [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n\u{2014} name\n",
        "text\n\n\u{2014} name AAAA\n",
        "text\n\n\u{2014} na me AAAAAAAAAA==\n",
        "text\n\n\u{2014} na+me AAAAAAAA\n",
        "text\n\n\u{2014} name AAAAAAA=AAAA\n",
        "te\txt\n\n\u{2014} name AAAAAAAA\n",
        note.trim_end(),
        &note.replace('\n', "\r\n"),
        &format!("{note}x"),
        &"x".repeat(MAX_BYTES + 1),
    ] {
        assert!(SignedNote::parse(wrong).is_err(), "{wrong:?}");
    }
    let many = |lines: usize| format!("text\n\n{}", "\u{2014} name AAAAAAAA\n".repeat(lines));
    assert!(SignedNote::parse(&many(16)).is_ok() && SignedNote::parse(&many(MAX_SIGNATURES)).is_ok());
    assert_eq!(SignedNote::parse(&many(MAX_SIGNATURES + 1)), Err(NoteError::TooLarge));
    for wrong in [
        "",
        "a\n1\n",
        "a\n01\nAAAA\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nmore\n",
        "a\n18446744073709551616\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n1\nCsUY\n",
    ] {
        assert!(Checkpoint::parse(wrong).is_err(), "{wrong:?}");
    }
    for wrong in [
        "",
        "a+b",
        "a b+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "x+033de0ae+Aq==",
    ] {
        assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong:?}");
    }
}

proptest! {
    /// Whatever is changed in a note, it is another text, or shows nothing.
    #[test]
    fn a_changed_note_shows_nothing(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let signer = signer("halod.invalid/d");
        let note = signer.sign(&checkpoint(5).text()).unwrap();
        let mut bytes = note.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        let shows = SignedNote::parse(&changed).is_ok_and(|note| note.verify(signer.key()).is_ok());
        prop_assert!(!shows, "{changed}");
    }
}
