//! The records of a chain's file, each one's hash computed anew and held against what it says.
//!
//! A canonical line without the member `integrity.hash` is what the hash is of, so most lines are hashed without
//! being parsed. Where that does not agree the line is read as `halo verify` reads it.

use halod_chain::scan::{MAX_LINE, line_before, unmarked};
use halod_evidence::Hash;
use halod_record::hash::parse_hex;
use halod_record::json::Json;
use halod_record::parse::Stored;
use memchr::memmem::Finder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const READ: usize = 1 << 18;

/// What stands before the hash of a record in a canonical line.
const BEFORE: &[u8] = b"\"integrity\":{\"alg\":\"sha-256\",\"canon\":\"rfc8785\",\"";
const HASH: &[u8] = b"hash\":\"";
const PREV: &[u8] = b"\",\"prev_hash\":\"";

/// Why records of a chain can't be told any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordsError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something is no record, or no record of this chain.
    #[error("the record at byte {offset} does not verify: {why}")]
    Broken { offset: u64, why: &'static str },
}

/// What is told of a record: where it begins, its hash and its line.
pub(crate) type Each<'e> = dyn FnMut(u64, Hash, &[u8]) -> io::Result<()> + 'e;

/// How far records were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Behind the last whole line.
    pub(crate) offset: u64,
    /// The hash of the last record.
    pub(crate) head: Hash,
}

/// Reads the whole lines from `from` on, which begins a line, as far as they end at or before `until`. `each` is given
/// where a record begins, its hash and its line; `head` is the hash of the record before.
///
/// # Errors
/// The file can't be read, a record is none of this chain, or `each` fails.
pub(crate) fn read(
    file: &File,
    (from, until): (u64, u64),
    head: Hash,
    each: &mut Each<'_>,
) -> Result<End, RecordsError> {
    let finder = Finder::new(BEFORE);
    let mut end = End { offset: from, head };
    let (mut buffer, mut filled) = (vec![0; READ], 0);
    loop {
        let at = end.offset + filled as u64;
        let room = usize::try_from(until.saturating_sub(at))
            .map_or(buffer.len(), |left| left.min(buffer.len() - filled));
        let read = file.read_at(&mut buffer[filled..filled + room], at)?;
        filled += read;
        let mut line_at = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[line_at..filled]) {
            let line = &buffer[line_at..line_at + length];
            let offset = end.offset + line_at as u64;
            if let Some(hash) = record(line, offset, &end.head, &finder)? {
                each(offset, hash, line)?;
                end.head = hash;
            }
            line_at += length + 1;
        }
        buffer.copy_within(line_at..filled, 0);
        end.offset += line_at as u64;
        filled -= line_at;
        if read == 0 {
            return Ok(end);
        }
        if filled == buffer.len() {
            if buffer.len() >= MAX_LINE {
                return Err(RecordsError::Broken { offset: end.offset, why: "a line is longer than 16 MiB" });
            }
            buffer.resize(buffer.len() * 2, 0);
        }
    }
}

/// The hash of the record in a line that follows `head`; `None` for what is no complete record.
fn record(line: &[u8], offset: u64, head: &Hash, finder: &Finder<'_>) -> Result<Option<Hash>, RecordsError> {
    if let Some((prev, hash)) = canonical(line, finder) {
        return linked(offset, &prev, head).map(|()| Some(hash));
    }
    let line = unmarked(line, offset);
    // Torn lines, and blank ones: a chain goes on over them.
    let Some(stored) = std::str::from_utf8(line).ok().and_then(|text| Stored::parse(text).ok()) else {
        return Ok(None);
    };
    let broken = |why| RecordsError::Broken { offset, why };
    let declared = |key| match stored.field("integrity").and_then(|integrity| integrity.get(key)) {
        Some(Json::Str(text)) => parse_hex::<32>(text.as_bytes()),
        _ => None,
    };
    let (prev, hash) = (declared("prev_hash"), declared("hash"));
    let (Some(prev), Some(hash)) = (prev, hash) else {
        return Err(broken("it has no hash, or no hash of the record before"));
    };
    let computed = stored.compute_hash(&mut Vec::new());
    if !computed.is_ok_and(|computed| computed == hash) {
        return Err(broken("its hash is not that of its content"));
    }
    linked(offset, &prev, head).map(|()| Some(hash))
}

fn linked(offset: u64, prev: &Hash, head: &Hash) -> Result<(), RecordsError> {
    if prev == head {
        return Ok(());
    }
    Err(RecordsError::Broken { offset, why: "its prev_hash is not the hash of the record before" })
}

/// The hash of the record before, and the record's own, where the line is as halod writes one and has the hash that it says.
fn canonical(line: &[u8], finder: &Finder<'_>) -> Option<(Hash, Hash)> {
    let at = finder.find(line)? + BEFORE.len() - 1;
    let (before, rest) = line.split_at(at);
    let rest = rest.strip_prefix(b"\"")?.strip_prefix(HASH)?;
    let (digits, rest) = rest.split_at_checked(64)?;
    let (prev, _) = rest.strip_prefix(PREV)?.split_at_checked(64)?;
    // Behind the hash stands `",`, and then what is hashed goes on.
    let after = rest.get(2..)?;
    let hash: Hash = parse_hex(digits)?;
    let computed: Hash = Sha256::new().chain_update(before).chain_update(after).finalize().into();
    (computed == hash).then_some((parse_hex(prev)?, hash))
}

/// The hash of the record that ends at `end` of a file, whatever it is of.
///
/// # Errors
/// The file can't be read.
pub(crate) fn hash_before(file: &File, end: u64) -> io::Result<Option<Hash>> {
    let line = line_before(file, end)?;
    let hash =
        |line: &[u8]| canonical(line, &Finder::new(BEFORE)).map(|(_, hash)| hash).or_else(|| hash_of(line));
    Ok(line.as_deref().and_then(hash))
}

fn hash_of(line: &[u8]) -> Option<Hash> {
    let stored = Stored::parse(std::str::from_utf8(line).ok()?).ok()?;
    let Json::Str(text) = stored.field("integrity")?.get("hash")? else { return None };
    let hash = parse_hex::<32>(text.as_bytes())?;
    (stored.compute_hash(&mut Vec::new()).ok()? == hash).then_some(hash)
}
