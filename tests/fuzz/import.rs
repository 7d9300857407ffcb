//! The body of the fuzz target of imported files; a test of the usual suite runs this body as well.
//! Whatever a file is taken for, its rows stand where they say, in order, and a log's lines are identified
//! as if the file had been followed.

use halod::import::chunk::Place;
use halod::import::format::Format;
use halod::import::source::{Input, Manner, Members, Opened, Source};
use halod::import::traces::Traces;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const FILES: [&str; 4] = ["a", "a.jsonl", "a.csv", "a.log.gz"];

/// Of a file whose rows tell it, and such that are said.
const FORMATS: [&str; 10] = [
    "",
    "otlp",
    "litellm",
    "langfuse",
    "langsmith",
    "openai_agents",
    "gateway",
    "gateway:combined",
    "claude-code",
    "codex",
];

/// The first byte says what the file is called and taken for, the rest is in it. `directory` is where it is
/// written. How many rows came.
pub(crate) fn import(data: &[u8], directory: &Path) -> usize {
    let Some((kind, content)) = data.split_first() else { return 0 };
    let kind = usize::from(*kind);
    let path = directory.join(FILES[kind % FILES.len()]);
    fs::write(&path, content).expect("there is room");
    let format: Option<Format> = FORMATS[kind / FILES.len() % FORMATS.len()].parse().ok();
    let input = (Input::File(path), Manner { format, ..Manner::default() });
    drop(Traces::gather(&[input.clone(), input.clone()]));
    let mut source = match Opened::open(&input.0, &input.1, &Arc::new(AtomicU64::new(0))) {
        Ok(Opened::File(source)) => source,
        Ok(Opened::Archive(members)) => return within(*members),
        Err(_) => return 0,
    };
    let packed = content.starts_with(&[0x1f, 0x8b]) || content.starts_with(b"PAR1");
    if matches!(source.meta.format, Format::Transcript(_)) {
        return actions(*source);
    }
    let log = matches!(source.meta.format, Format::Gateway(_));
    let chains = if log { chains(content) } else { HashMap::new() };
    assert_eq!(source.meta.lines.is_some(), log);
    let (mut rows, mut end, mut before) = (0, 0, Place { line: 0, offset: 0 });
    while let Ok(Some(piece)) = source.piece() {
        assert!(piece.chunk.is_some() || !piece.oversized.is_empty());
        let Some(chunk) = piece.chunk else { continue };
        for row in &chunk.rows {
            let (bytes, at) = (chunk.row(row), row.place.offset);
            assert!(end <= at && before <= row.place, "{before:?} {:?}", row.place);
            (before, end) = (row.place, at + bytes.len() as u64);
            rows += 1;
            assert_eq!(row.line.is_some(), log);
            if packed {
                continue;
            }
            let (whole, here) = (at as usize..end as usize, &content[..at as usize]);
            if let Some(line) = row.line {
                assert_eq!((line.offset, Some(&line.chain)), (at, chains.get(&at)));
            } else {
                assert_eq!(content.get(whole), Some(bytes));
            }
            if row.place.line > 0 {
                let breaks = here.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(row.place.line, breaks as u64 + 1);
            }
        }
        assert!(end <= piece.mark.offset);
    }
    rows
}

/// How many rows a transcript comes to: of several lines each, from where the first of them stands.
fn actions(mut source: Source) -> usize {
    let mut rows = 0;
    while let Ok(Some(piece)) = source.piece() {
        assert!(piece.chunk.is_some() || !piece.oversized.is_empty() || piece.filtered > 0);
        for row in piece.chunk.iter().flat_map(|chunk| &chunk.rows) {
            assert!(row.start < row.end && row.place.line > 0 && row.line.is_none());
            rows += 1;
        }
    }
    rows
}

/// How many rows the files of an archive have.
fn within(members: Members) -> usize {
    let mut rows = 0;
    for (_, source) in members {
        let Ok(mut source) = source else { continue };
        while let Ok(Some(piece)) = source.piece() {
            rows += piece.chunk.map_or(0, |chunk| chunk.rows.len());
        }
    }
    rows
}

/// The chain up to the end of each line, by where it begins.
fn chains(content: &[u8]) -> HashMap<u64, [u8; 16]> {
    let (mut end, mut chain) = (0, [0; 16]);
    let lines = content.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let digest = Sha256::new_with_prefix(chain).chain_update(line).finalize();
        chain.copy_from_slice(&digest[..16]);
        let begin = end;
        end += line.len() as u64;
        (begin, chain)
    });
    lines.collect()
}
