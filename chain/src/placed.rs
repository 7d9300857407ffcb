//! Where the records are that a draft came to, for those who ask: the sender gets it in its receipt.

use super::error::ChainError;
use super::parents::Section;
use super::store::Store;
use halod_record::draft::HexHash;
use halod_record::hash::parse_hex;
use halod_record::ids::RecordId;
use halod_record::json::Json;
use halod_record::parse::{Stored, scan_line};
use halod_record::tenant::Tenant;
use halod_record::time::{self, instant};

/// A record that a draft came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Whose chain it is in.
    pub tenant: Tenant,
    pub record: RecordId,
    /// `integrity.hash` and `integrity.prev_hash`.
    pub hash: [u8; 32],
    pub prev: [u8; 32],
    /// Which record of the chain it is, from 1; of one that was sealed before, how many the chain has by now.
    pub number: u64,
    /// Whether it was sealed for this draft.
    pub is_new: bool,
    /// Its `ts`, in Unix microseconds.
    pub micros: u64,
}

/// What stands before the hashes in a line that halod has sealed, and between them.
const HASH: &[u8] = br#""integrity":{"alg":"sha-256","canon":"rfc8785","hash":""#;
const PREV: &[u8] = br#"","prev_hash":""#;
const ID: &[u8] = br#""record_id":""#;
const TS: &[u8] = br#""ts":""#;

impl Store {
    /// Adds what a draft came to: the records of the section from `from` on, which were sealed for it, and the one that says it,
    /// if that was there before.
    pub(super) fn add_placed(
        &self,
        section: &Section<'_>,
        from: usize,
        record: RecordId,
        placed: &mut Vec<Placed>,
    ) -> Result<(), ChainError> {
        let (at, new) = (section.at, section.sealed_from(from));
        let chain = &self.chains[at];
        let mut add = |line: Option<Vec<u8>>, record, number, is_new| {
            let Some((hash, prev, micros)) = line.as_deref().and_then(seal_of) else { return };
            placed.push(Placed { tenant: chain.tenant.clone(), record, hash, prev, number, is_new, micros });
        };
        let before = chain.records - new.len() as u64;
        for (number, &(offset, id)) in (before + 1..).zip(new) {
            add(self.line_from(at, section.start, offset)?, id, number, true);
        }
        if new.iter().all(|&(_, id)| id != record) {
            add(self.sealed_as(at, section.start, record)?, record, chain.records, false);
        }
        Ok(())
    }
}

/// The hash of a record, that of the one before it, and its time in Unix microseconds.
fn seal_of(line: &[u8]) -> Option<([u8; 32], [u8; 32], u64)> {
    own_seal_of(line).or_else(|| {
        let facts = scan_line(line)?;
        let stored = Stored::parse(std::str::from_utf8(line).ok()?.trim_end()).ok()?;
        let Some(Json::Str(prev)) = stored.field("integrity")?.get("prev_hash") else { return None };
        let micros = facts.ts?.unix_nanos() / 1000;
        Some((parse_hex(facts.hash.as_bytes())?, parse_hex(prev.as_bytes())?, micros))
    })
}

/// The same, of a line as halod seals it.
fn own_seal_of(line: &[u8]) -> Option<([u8; 32], [u8; 32], u64)> {
    // The last one: nothing of a sender's choice that could look like it comes after it.
    let rest = &line[memchr::memmem::rfind(line, HASH)? + HASH.len()..];
    let (hash, rest) = rest.split_first_chunk::<{ size_of::<HexHash>() }>()?;
    let (prev, rest) = rest.strip_prefix(PREV)?.split_first_chunk::<{ size_of::<HexHash>() }>()?;
    let rest = &rest[memchr::memmem::find(rest, ID)? + ID.len()..];
    let ts = &rest[memchr::memmem::find(rest, TS)? + TS.len()..];
    let ts = std::str::from_utf8(ts.get(..time::LEN)?).ok()?;
    Some((parse_hex(hash)?, parse_hex(prev)?, instant(ts)?.unix_nanos() / 1000))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Lines of other recorders are read as well, whatever they look like.
    #[test]
    fn any_spelling_of_a_record_has_its_seal() {
        let (hash, prev) = ("ab".repeat(32), "01".repeat(32));
        let own = format!(
            r#"{{"action":{{"tool":"\"integrity\":{{"}},"integrity":{{"alg":"sha-256","canon":"rfc8785","hash":"{hash}","prev_hash":"{prev}"}},"record_id":"r","ts":"2026-11-30T10:00:00.000123Z"}}"#
        ) + "\n";
        let spaced = own.replace("\":", "\": ").replace("00.000123Z", "00.000123+00:00");
        let expected = (parse_hex(hash.as_bytes()).unwrap(), parse_hex(prev.as_bytes()).unwrap());
        for line in [&own, &spaced] {
            let (hash, prev, micros) = seal_of(line.as_bytes()).unwrap();
            assert_eq!(((hash, prev), micros % 1_000_000), (expected, 123));
        }
        assert_eq!(own_seal_of(spaced.as_bytes()), None);
        for end in 0..own.len() {
            let _ = seal_of(&own.as_bytes()[..end]);
        }
    }
}
