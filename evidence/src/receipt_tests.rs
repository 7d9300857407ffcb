#![allow(clippy::unwrap_used)]

use super::*;
use crate::note::Checkpoint;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;

const ORIGIN: &str = "logs.example.com/agents";

fn signer() -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::new(ORIGIN, pkcs8.as_ref()).unwrap()
}

fn entry(n: u8, tenant: &str) -> Entry {
    let record = RecordId::parse(&format!("00000000-0000-5000-8000-0000000000{n:02x}")).unwrap();
    let (hash, prev) = ([n; 32], [n.wrapping_sub(1); 32]);
    let place = if n.is_multiple_of(3) { Place::Within(n.into()) } else { Place::At(n.into()) };
    Entry { tenant: Tenant::stored(tenant), record, hash, prev, place, micros: 1_000_000 + u64::from(n) }
}

fn listing(entries: &[Entry], most: usize) -> Listing {
    let mut listing = Listing::keeping(most);
    entries.iter().for_each(|entry| listing.push(entry));
    listing
}

#[test]
fn a_list_that_is_too_long_is_in_its_root_alone() {
    let (signer, entries) = (signer(), [entry(1, "a"), entry(2, "a"), entry(7, "")]);
    let whole = listing(&entries, 3).sign(&signer, None, 5).unwrap();
    let short = listing(&entries, 2).sign(&signer, None, 5).unwrap();
    assert_eq!((&short.note, short.lines.as_ref()), (&whole.note, None));
    assert_eq!(whole.lines.as_deref().map(|lines| lines.matches('^').count()), Some(1));
    let read = Receipt::parse(&short.to_string()).unwrap();
    assert_eq!((read.statement.count, read.entries.as_ref()), (3, None));
    assert_eq!(read.verify(signer.key()), Ok(()));
    // Who kept the list elsewhere puts it back.
    let again = Receipt::parse(&format!("{}\n{}", short.note, whole.lines.as_ref().unwrap())).unwrap();
    assert_eq!(again.verify(signer.key()), Ok(()));
    // A header that would be too long has the note alone.
    let header = |most| String::from_utf8(BASE64.decode(whole.header(most).as_bytes()).unwrap()).unwrap();
    assert_eq!((header(6000), header(600)), (whole.to_string(), whole.note.clone()));
}

#[test]
fn another_list_is_refused() {
    let (signer, entries) = (signer(), [entry(1, "a"), entry(9, "b"), entry(20, "")]);
    let whole = listing(&entries, 9).sign(&signer, None, 5).unwrap();
    let lines: Vec<&str> = whole.lines.as_deref().unwrap().lines().collect();
    let others = [
        lines[..2].join("\n"),
        [lines[1], lines[0], lines[2]].join("\n"),
        [lines[0], lines[1], lines[1]].join("\n"),
        lines.join("\n").replace("\"a\"", "\"b\""),
        lines.join("\n").replacen("at 1 ", "at 2 ", 1),
    ];
    for other in others {
        let read = Receipt::parse(&format!("{}\n{other}\n", whole.note)).unwrap();
        assert_eq!(read.verify(signer.key()), Err(ReceiptError::OtherList), "{other}");
    }
    let forged = whole.to_string().replacen("\n5\n", "\n6\n", 1);
    let forged = Receipt::parse(&forged).unwrap().verify(signer.key());
    assert!(matches!(forged, Err(ReceiptError::Note(NoteError::Forged(_)))), "{forged:?}");
    let mallory = Receipt::parse(&whole.to_string()).unwrap().verify(super::tests::signer().key());
    assert!(matches!(mallory, Err(ReceiptError::Note(NoteError::Unsigned(_)))), "{mallory:?}");
    // A statement about another log, signed by this one's key.
    let of_other =
        Statement { origin: "other".into(), ..Receipt::parse(&whole.note).unwrap().statement }.text();
    let read = Receipt::parse(&signer.sign(&of_other).unwrap()).unwrap();
    assert!(matches!(read.verify(signer.key()), Err(ReceiptError::Statement(_))));
}

#[test]
fn one_thing_has_one_spelling() {
    let good = entry(1, "a b").line(None);
    assert!(Entry::read(&good, None).is_ok());
    for (from, to) in [
        ("at 1 ", "at 01 "),
        ("at 1 ", "at +1 "),
        ("at 1 ", "at 0 "),
        ("at 1 ", "AT 1 "),
        ("at 1 ", "at 1  "),
        ("at 1 ", ""),
        ("\"a b\"", "\"a\\u0020b\""),
        ("\"a b\"", "\"\""),
        ("\"a b\"", "\"_local\""),
        ("\"a b\"", "a b"),
        ("\"a b\"", "\"a b\" "),
        ("0101", "01"),
        ("-5000-", "5000"),
    ] {
        let line = good.replacen(from, to, 1);
        assert_ne!(line, good);
        assert!(Entry::read(&line, None).is_err(), "{line}");
    }
    assert!(Entry::read(&good.to_uppercase(), None).is_err());
    // The hash before is never spelled out where the line before has it, and never left out elsewhere.
    let linked = entry(1, "a").line(Some(&[0; 32]));
    assert!(linked.contains(" ^ "));
    assert_eq!(Entry::read(&linked, Some(&[0; 32])), Ok(entry(1, "a")));
    assert!(
        Entry::read(&linked, None).is_err()
            && Entry::read(&entry(1, "a").line(None), Some(&[0; 32])).is_err()
    );
}

#[test]
fn neither_is_taken_for_a_checkpoint() {
    let signer = signer();
    let signed = listing(&[entry(1, "a")], 1).sign(&signer, None, 5).unwrap();
    let read = Receipt::parse(&signed.note).unwrap();
    // Both readers, and whatever the origin is: a number as a size, or the first line itself.
    for origin in [ORIGIN, "1", FIRST_LINE] {
        let text = Statement { origin: origin.into(), ..read.statement.clone() }.text();
        assert!(Checkpoint::parse(&text).is_err() && Checkpoint::parse_extended(&text).is_err());
        let checkpoint = Checkpoint { origin: origin.into(), size: 1, root: [1; 32] }.text();
        assert!(Statement::parse(&checkpoint).is_err());
    }
}

#[test]
fn large_files_are_refused() {
    let note = listing(&[entry(1, "a")], 1).sign(&signer(), None, 5).unwrap().note;
    let line = entry(1, "a").line(None) + "\n";
    let file = format!("{note}\n{}", line.repeat(MAX_RECORDS + 1));
    assert_eq!(Receipt::parse(&file), Err(ReceiptError::TooLarge));
    assert_eq!(Receipt::parse(&"x".repeat(MAX_BYTES + 1)), Err(ReceiptError::TooLarge));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        tenants in prop::collection::vec("\\PC{0,12}|[\\x00-\\x1f\"\\\\]{1,4}", 1..40),
        numbers in prop::collection::vec((1_u64.., any::<u64>(), any::<bool>(), any::<[u8; 32]>()), 40),
    ) {
        let entries: Vec<Entry> = tenants.iter().zip(numbers).enumerate().map(|(at, (tenant, (number, micros, is_at, hash)))| Entry {
            place: if is_at { Place::At(number) } else { Place::Within(number) },
            micros,
            hash,
            ..entry(u8::try_from(at).unwrap(), tenant.trim_matches('\0'))
        }).collect();
        let signer = signer();
        let file = listing(&entries, 40).sign(&signer, None, 1).unwrap().to_string();
        let read = Receipt::parse(&file).unwrap();
        prop_assert_eq!(read.verify(signer.key()), Ok(()));
        prop_assert_eq!(read.entries.unwrap(), entries);
    }

    #[test]
    fn one_byte_changed_is_another_receipt(at in any::<prop::sample::Index>(), bit in 0_u8..7) {
        let signer = signer();
        let entries = [entry(4, "acme"), entry(5, "acme"), entry(9, "")];
        let mut file = listing(&entries, 40).sign(&signer, None, 1).unwrap().to_string().into_bytes();
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        let Ok(file) = String::from_utf8(file) else { return Ok(()) };
        let verified = Receipt::parse(&file).and_then(|read| read.verify(signer.key()));
        prop_assert!(verified.is_err(), "{file}");
    }

    #[test]
    fn any_text_is_read_without_panics(text in "\\PC{0,200}", lines in prop::collection::vec("\\PC{0,40}", 0..8)) {
        let _ = Receipt::parse(&text);
        let _ = Statement::parse(&lines.join("\n"));
        let _ = Entry::read(&text, None);
    }
}

/// Who knows only the key that was rotated can check what came after.
#[test]
fn a_receipt_is_signed_by_both_keys_of_a_rotation() {
    let (old, new) = (signer(), signer());
    let signed = listing(&[entry(1, "a")], 1).sign(&new, Some(&old), 5).unwrap();
    let receipt = Receipt::parse(&signed.to_string()).unwrap();
    assert_eq!([&old, &new].map(|one| receipt.verify(one.key())), [Ok(()), Ok(())]);
    assert!(receipt.verify(signer().key()).is_err());
}
