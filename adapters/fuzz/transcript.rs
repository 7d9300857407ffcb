//! The body of the fuzz target of transcripts; a test of the usual suite runs this body as well.
//!
//! Each line, whatever it is, is taken, set aside or given back; the rows that come of them are JSON that is read the
//! same each time; and with room for all, lines that come again change nothing.

use halo_adapters::transcript::join::{Joiner, Line};
use halo_adapters::transcript::{Client, event};
use halod_record::event::{Keyed, Origin};
use halod_record::json::parse;
use std::collections::BTreeSet;

/// The first byte says whose transcript it is, and how much room there is; the rest are its lines. How many actions come
/// of them.
pub(crate) fn transcript(data: &[u8]) -> usize {
    let Some((kind, text)) = data.split_first() else { return 0 };
    let client = if kind & 1 == 0 { Client::ClaudeCode } else { Client::Codex };
    let room = [0, 1_000, 100_000, usize::MAX][usize::from(kind >> 1 & 3)];
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let (once, sealed) = ids(client, room, lines.iter());
    if room == usize::MAX {
        assert_eq!(once.len(), sealed, "an action comes twice");
        let (twice, _) = ids(client, room, lines.iter().chain(&lines));
        // A second time, a line that names the session comes before those that it failed.
        assert!(twice.is_superset(&once));
    }
    sealed
}

fn ids<'l>(
    client: Client,
    room: usize,
    lines: impl Iterator<Item = &'l &'l [u8]>,
) -> (BTreeSet<Vec<String>>, usize) {
    let mut joiner = Joiner::new(client, room);
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    let mut take = |joined: halo_adapters::transcript::join::Joined<usize>| {
        let text = String::from_utf8(joined.text).expect("lines are UTF-8");
        let row = parse(&text).expect("a row is JSON");
        match event(client, &row) {
            Ok(event) => {
                let Origin::Keyed(Keyed { id, .. }) = &event.origin else { unreachable!("{event:?}") };
                assert!(!id.iter().any(|part| part.is_empty()), "{id:?}");
                count += usize::from(ids.insert(id.iter().map(ToString::to_string).collect()));
            }
            Err(unusable) => assert!(unusable.to_string().len() < 200),
        }
    };
    for (at, line) in lines.enumerate() {
        let line: &[u8] = line;
        if joiner.push(line, at) == Line::Unread {
            let read = std::str::from_utf8(line).ok().and_then(|line| parse(line).ok());
            assert!(!read.is_some_and(|value| matches!(value, halod_record::json::Json::Object(_))));
        }
        while let Some(joined) = joiner.due(false) {
            take(joined);
        }
    }
    while let Some(joined) = joiner.due(true) {
        take(joined);
    }
    joiner.left();
    assert!(joiner.is_empty(), "something is held for ever");
    (ids, count)
}
