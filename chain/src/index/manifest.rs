//! Which runs make up the index, and how much of each chain they cover.
//!
//! ```text
//! halod-index 2
//! scramble <offset hex> <factor hex>
//! run <id> <level> <planned> <count>
//! chain <len> <records> <head hex> <digest of the subject, hex> <file stem>
//! sum <checksum of all the lines above, hex>
//! ```

use super::memory::{Scramble, Sum};
use super::run::Meta;
use super::{Position, VERSION};
use halod_record::hash::{hex_text, parse_hex};
use std::fmt::Write;

/// Sorted by file stem.
pub(super) type Positions = Vec<(String, Position)>;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) scramble: Scramble,
    pub(super) runs: Vec<Meta>,
    pub(super) positions: Positions,
}

/// The manifest as it is on disk.
pub(super) fn text<'a>(
    scramble: Scramble,
    runs: impl Iterator<Item = &'a Meta>,
    positions: &Positions,
) -> String {
    let mut text = format!("halod-index {VERSION}\n");
    // Writing to a String does not fail.
    let _ = writeln!(text, "scramble {:016x} {:016x}", scramble.offset, scramble.factor);
    for run in runs {
        let _ = writeln!(text, "run {} {} {} {}", run.id, run.level, run.planned, run.count);
    }
    for (stem, position) in positions {
        let _ = write!(text, "chain {} {} ", position.len, position.records);
        for digest in [position.head, position.subject] {
            let _ = write!(text, "{} ", hex_text(&digest));
        }
        let _ = writeln!(text, "{stem}");
    }
    let sum = checksum(&text);
    let _ = writeln!(text, "sum {sum:08x}");
    text
}

fn checksum(text: &str) -> u32 {
    let mut sum = Sum::new(0, 0);
    sum.update(text.as_bytes());
    sum.value()
}

/// Reads a manifest.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the manifest is not UTF-8")?;
    let version = text
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("halod-index "))
        .ok_or("the manifest has no version")?;
    if version != VERSION.to_string() {
        return Err(format!("the index has version {version:?}, this halod writes {VERSION}"));
    }
    let covered =
        text.rfind("sum ").and_then(|at| text.split_at_checked(at)).ok_or("the manifest is cut short")?;
    if covered.1 != format!("sum {:08x}\n", checksum(covered.0)) {
        return Err("the manifest does not match its checksum".into());
    }
    let mut manifest = None;
    for (number, line) in covered.0.lines().enumerate().skip(1) {
        let read = match (line.split_once(' '), &mut manifest) {
            (Some(("scramble", rest)), None) => scramble(rest).map(|scramble| {
                manifest = Some(Manifest { scramble, runs: Vec::new(), positions: Vec::new() });
            }),
            (Some(("run", rest)), Some(m)) => run(rest).map(|run| m.runs.push(run)),
            (Some(("chain", rest)), Some(m)) => chain(rest).map(|chain| m.positions.push(chain)),
            _ => None,
        };
        read.ok_or_else(|| format!("line {} of the manifest can't be read", number + 1))?;
    }
    manifest.ok_or_else(|| "the manifest lacks the scramble line".into())
}

fn scramble(rest: &str) -> Option<Scramble> {
    let (offset, factor) = rest.split_once(' ')?;
    let hex = |s| u64::from_str_radix(s, 16).ok();
    Some(Scramble { offset: hex(offset)?, factor: hex(factor)? })
}

fn run(rest: &str) -> Option<Meta> {
    let mut numbers = rest.split(' ');
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let meta = Meta { id: next()?, level: next()?.try_into().ok()?, planned: next()?, count: next()? };
    // Keeps the sizes computed from it far from overflow.
    (numbers.next().is_none() && meta.count <= meta.planned && meta.planned < 1 << 48).then_some(meta)
}

fn chain(rest: &str) -> Option<(String, Position)> {
    let mut fields = rest.splitn(5, ' ');
    let len = fields.next()?.parse().ok()?;
    let records = fields.next()?.parse().ok()?;
    let mut digest = || parse_hex(fields.next()?.as_bytes());
    let (head, subject) = (digest()?, digest()?);
    Some((fields.next()?.to_owned(), Position { len, head, records, subject }))
}

/// Sorts them, and drops names that would break a line; such a chain is read anew at start.
pub(super) fn tidy(mut positions: Positions) -> Positions {
    positions.retain(|(stem, _)| !stem.contains(['\n', '\r']));
    positions.sort_by(|a, b| a.0.cmp(&b.0));
    positions
}
