//! The body of the fuzz target of what is signed of chains; a test of the usual suite runs this body as well. What is read is
//! written again as it was.

use data_encoding::BASE64;
use halod_evidence::entry::{Declared, Epoch};
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::proof::RecordProof;
use halod_evidence::receipt::Receipt;

/// How many of its forms the bytes have.
pub(crate) fn notes(data: &[u8]) -> usize {
    let mut forms = 0;
    if let Some(epoch) = Epoch::read(data) {
        assert_eq!(epoch.bytes(), data);
        forms += 1;
    }
    if let Some(declared) = Declared::read(data) {
        assert_eq!(declared.bytes(), data);
        forms += 1;
    }
    let Ok(text) = std::str::from_utf8(data) else { return forms };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
        forms += 1;
    }
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(written(&receipt), text);
        forms += 1;
    }
    if let Ok(proof) = RecordProof::parse(text) {
        assert_eq!(RecordProof::parse(&proof.text()).as_ref(), Ok(&proof));
        assert_eq!(RecordProof::parse(&proof.plain()), Ok(proof));
        forms += 1;
    }
    let Ok(note) = SignedNote::parse(text) else { return forms };
    let line = |one: &halod_evidence::note::Signature| {
        format!("\u{2014} {} {}\n", one.name, BASE64.encode(&[&one.key_id[..], &one.bytes].concat()))
    };
    let lines: String = note.signatures.iter().map(line).collect();
    assert_eq!(format!("{}\n{lines}", note.text), text);
    if let Ok(checkpoint) = Checkpoint::parse(&note.text) {
        assert_eq!(checkpoint.text(), note.text);
        forms += 1;
    }
    forms + 1
}

fn written(receipt: &Receipt) -> String {
    let mut text = receipt.note.to_string();
    let (mut last, entries) = (None, receipt.entries.iter().flatten());
    text.extend(receipt.entries.iter().map(|_| '\n'));
    for entry in entries {
        text += &(entry.line(last) + "\n");
        last = Some(&entry.hash);
    }
    text
}
