//! The body of the fuzz target of chain files; a test of the usual suite runs this body as well. Others
//! write chains, too. The verifier comes to a verdict, what is one line for it is one for the index, the
//! short way to a line's hash leads where the long one does, and what can be linked again stays itself.

use halod_record::draft::{Draft, GENESIS, HexHash};
use halod_record::hash::sha256;
use halod_record::json::Json;
use halod_record::parse::{Stored, scan_line};
use halod_record::tenant::Tenant;
use halod_record::verify::{Issue, Observer, Verdict, verify};
use halod_record::{canon, time};
use std::fs;
use std::path::Path;

/// What is found in a chain.
#[derive(Default)]
struct Found(usize);

impl Observer for Found {
    fn issue(&mut self, _: &Issue) {
        self.0 += 1;
    }
}

/// `file` is written and read. How many lines could be records.
pub(crate) fn chain(data: &[u8], file: &Path) -> usize {
    fs::write(file, data).expect("there is room");
    let mut found = Found::default();
    let report = verify(file, &mut found).expect("it can be read");
    assert!(found.0 > 0 || report.verdict() != Verdict::Broken);
    assert_eq!(report.faults > 0, report.verdict() == Verdict::Broken);
    let mut records = 0;
    for line in data.split(|byte| *byte == b'\n') {
        records += usize::from(scan_line(line).is_some());
        one(line);
        again(line);
    }
    records
}

fn one(line: &[u8]) {
    let facts = scan_line(line);
    let stored = std::str::from_utf8(line).ok().and_then(|text| Stored::parse(text).ok());
    let Some(stored) = stored else {
        assert_eq!(facts, None);
        return;
    };
    let hash = stored.field("integrity").and_then(|integrity| integrity.get("hash")).and_then(Json::as_str);
    if let Some(facts) = &facts {
        assert_eq!((stored.duplicate(), Some(&*facts.hash)), (None, hash.or(Some(&facts.hash))));
    }
    let mut without = stored.value().clone();
    if let Json::Object(entries) = &mut without {
        for (key, value) in entries {
            if let (b"integrity", Json::Object(integrity)) = (key.as_bytes(), value) {
                integrity.retain(|(key, _)| key.as_bytes() != b"hash");
            }
        }
    }
    let mut canonical = Vec::new();
    let long = canon::write(&without, &mut canonical).map(|()| sha256(&canonical));
    let repeats = stored.duplicate().is_some();
    if let (Ok(short), Ok(long), false) = (stored.compute_hash(&mut Vec::new()), long, repeats) {
        assert_eq!(short, long);
    }
}

/// A line that was ours is linked elsewhere. Where something stands in it that would be no record's, that is
/// not asked.
fn again(line: &[u8]) {
    let whole = [line, b"\n"].concat();
    let Some(draft) = Draft::reopen(Tenant::Local, &whole) else { return };
    let _ = draft.compare_with(&whole);
    let id = scan_line(line).and_then(|facts| facts.record_id);
    if id.is_none_or(|id| id.as_bytes() != draft.id().text()) {
        return;
    }
    let mut moved = draft.clone();
    moved.move_under(None);
    let line_of = |seal: fn(&Draft, &HexHash, &[u8; time::LEN], &mut Vec<u8>) -> HexHash, draft: &Draft| {
        let mut line = Vec::new();
        seal(draft, &GENESIS, &time::rfc3339(1), &mut line);
        line
    };
    assert_eq!(line_of(Draft::seal_without_parent, &draft), line_of(Draft::seal, &moved));
    let conflict = draft.conflicting_with(draft.id());
    for draft in [draft, moved, conflict] {
        let mut sealed = Vec::new();
        draft.seal(&GENESIS, &time::rfc3339(1), &mut sealed);
        let again = Draft::reopen(Tenant::Local, &sealed);
        assert_eq!(again.map(|again| (again.id(), again.len())), Some((draft.id(), draft.len())));
    }
}
