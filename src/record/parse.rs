//! Reading stored lines back: whole records for the verifier, three facts for a chain's index.

use super::canon::{CanonError, write_parsed};
use super::hash::sha256;
use super::time::{Instant, instant};
use halo_adapters::json::{Json, Limits, ParseError, Parsed, Text, parse_with};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What the reference reads of a chain's line: nesting up to its recursion limit, integers up to
/// 4,000 digits.
const LINE: Limits = Limits { depth: 990, int_digits: 4000 };

/// Levels of nesting that the reference can hash when it verifies a record.
const HASH_LEVELS: usize = 331;

/// One stored line that is JSON; not necessarily a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<'a> {
    line: &'a str,
    parsed: Parsed<'a>,
}

impl<'a> Stored<'a> {
    /// Parses a line, without its `\n`.
    ///
    /// # Errors
    /// The line is not one JSON value, or exceeds what the reference reads.
    pub fn parse(line: &'a str) -> Result<Self, ParseError> {
        Ok(Self { line, parsed: parse_with(line, &LINE)? })
    }

    #[must_use]
    pub fn value(&self) -> &Json<'a> {
        &self.parsed.value
    }

    /// A key that one of the line's objects has twice.
    #[must_use]
    pub fn duplicate(&self) -> Option<&Text<'a>> {
        self.parsed.duplicate.as_ref()
    }

    /// Every number is one that all readers hash alike.
    #[must_use]
    pub fn has_safe_numbers(&self) -> bool {
        self.parsed.safe_numbers
    }

    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Json<'a>> {
        self.parsed.value.get(key)
    }

    /// The record's hash over the previous hash that it declares: SHA-256 of the canonical form
    /// without `integrity.hash`. `scratch` is a buffer to reuse.
    ///
    /// # Errors
    /// The record has no canonical form.
    pub fn compute_hash(mut self, scratch: &mut Vec<u8>) -> Result<[u8; 32], CanonError> {
        if let Some((before, after)) = self.without_hash() {
            let mut state = Sha256::new();
            state.update(before);
            state.update(after);
            return Ok(state.finalize().into());
        }
        if let Json::Object(entries) = &mut self.parsed.value
            && let Some((_, Json::Object(integrity))) =
                entries.iter_mut().find(|(key, _)| key.as_bytes() == b"integrity")
        {
            integrity.retain(|(key, _)| key.as_bytes() != b"hash");
        }
        scratch.clear();
        write_parsed(&self.parsed.value, HASH_LEVELS, scratch)?;
        Ok(sha256(scratch))
    }

    /// A canonical line around its `"hash":"...",` in `integrity`: cutting one member and its
    /// comma out of a canonical object leaves a canonical object. `None` when the line is not
    /// canonical, when the member is not as halod and the reference write it, or when the nesting
    /// might exceed what can be hashed.
    fn without_hash(&self) -> Option<(&'a str, &'a str)> {
        // Two levels more than the containers: a scalar, and the escapes of a string.
        if !self.parsed.canonical || self.parsed.depth + 2 > HASH_LEVELS {
            return None;
        }
        let Json::Str(Text::Utf8(Cow::Borrowed(hash))) = self.field("integrity")?.get("hash")? else {
            return None;
        };
        let at = hash.as_ptr().addr().checked_sub(self.line.as_ptr().addr())?;
        let before = self.line.get(..at)?.strip_suffix("\"hash\":\"")?;
        let after = self.line.get(at..)?.strip_prefix(hash)?.strip_prefix("\",")?;
        Some((before, after))
    }
}

/// What a chain's index needs of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFacts<'a> {
    /// Absent when it is missing or not a string. A lone surrogate reads as U+FFFD here and below.
    pub record_id: Option<Cow<'a, str>>,
    /// The subject's id; absent when there is none or it is not a string.
    pub subject: Option<Cow<'a, str>>,
    /// `integrity.hash` as it is stored: the next record's `prev_hash`. Not checked against the
    /// content.
    pub hash: Cow<'a, str>,
    /// When the record says that it was sealed, where that is a time.
    pub ts: Option<Instant>,
}

/// Reads a line that can be a chain's head: an object in which no key is repeated at any depth and
/// whose `integrity.hash` is a string that is not empty. Keys may come in any order. Anything else
/// (a torn line, bytes that are not UTF-8, a blank) is `None`.
#[must_use]
pub fn scan_line(line: &[u8]) -> Option<LineFacts<'_>> {
    let parsed = parse_with(std::str::from_utf8(line).ok()?, &LINE).ok()?;
    if parsed.duplicate.is_some() {
        return None;
    }
    let Json::Object(entries) = parsed.value else { return None };
    let (mut record_id, mut subject, mut hash, mut ts) = (None, None, None, None);
    for (key, value) in entries {
        match (key.as_bytes(), value) {
            (b"record_id", value) => record_id = into_text(value),
            (b"ts", value) => ts = into_text(value).as_deref().and_then(instant),
            (b"subject", Json::Object(fields)) => subject = take(fields, b"id"),
            (b"integrity", Json::Object(fields)) => hash = take(fields, b"hash"),
            _ => {}
        }
    }
    let hash = hash.filter(|hash| !hash.is_empty())?;
    Some(LineFacts { record_id, subject, hash, ts })
}

fn take<'a>(fields: Vec<(Text<'a>, Json<'a>)>, key: &[u8]) -> Option<Cow<'a, str>> {
    fields.into_iter().find(|(name, _)| name.as_bytes() == key).and_then(|(_, value)| into_text(value))
}

fn into_text(value: Json<'_>) -> Option<Cow<'_, str>> {
    match value {
        Json::Str(Text::Utf8(text)) => Some(text),
        Json::Str(text @ Text::Wtf8(_)) => Some(Cow::Owned(text.to_lossy().into_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::record::canon;
    use proptest::prelude::*;

    #[test]
    fn facts_are_found_in_any_order() {
        let line = br#" {"integrity": {"x":1, "hash":"ab"}, "subject":{"name":"n","id":"t\u00e9"}, "record_id":"r"}"#;
        let facts = scan_line(line).unwrap();
        assert_eq!(facts.record_id.as_deref(), Some("r"));
        assert_eq!(facts.subject.as_deref(), Some("té"));
        assert_eq!(facts.hash, "ab");
        let facts = scan_line(br#"{"integrity":{"hash":"ab"},"record_id":5,"subject":"x"}"#).unwrap();
        assert_eq!((facts.record_id, facts.subject), (None, None));
    }

    #[test]
    fn what_cannot_be_a_head_is_refused() {
        for line in [
            &br#"{"integrity":{"hash":""}}"#[..],
            br#"{"integrity":{"hash":5}}"#,
            br#"{"integrity":"x"}"#,
            br#"{"record_id":"r"}"#,
            br#"{"integrity":{"hash":"a"},"x":{"y":1,"y":1}}"#,
            br#"{"integrity":{"hash":"a"}"#,
            b"[]",
            b"",
            b"\xff",
        ] {
            assert_eq!(scan_line(line), None);
        }
    }

    fn both_ways(line: &str) -> ([u8; 32], [u8; 32]) {
        let stored = Stored::parse(line).unwrap();
        assert!(stored.without_hash().is_some(), "{line}");
        let fast = stored.compute_hash(&mut Vec::new()).unwrap();
        // A leading space is all it takes to leave the fast path.
        let slow = format!(" {line}");
        let stored = Stored::parse(&slow).unwrap();
        assert!(stored.without_hash().is_none());
        (fast, stored.compute_hash(&mut Vec::new()).unwrap())
    }

    #[test]
    fn the_fast_path_needs_a_canonical_line() {
        let (fast, slow) = both_ways(r#"{"a":"\n","integrity":{"canon":"x","hash":"ab","prev_hash":"é"}}"#);
        assert_eq!(fast, slow);
        for line in [
            r#"{"integrity":{"hash":"ab"}}"#,
            r#"{"integrity":{"hash":"\n","prev_hash":""}}"#,
            r#"{"integrity":{"prev_hash":"","hash":"ab"}}"#,
            r#"{"integrity":{"hash":"ab","prev_hash":""},"a":1}"#,
            r#"{"integrity":{"hash":"ab","prev_hash":"\u00e9"}}"#,
        ] {
            assert_eq!(Stored::parse(line).unwrap().without_hash(), None, "{line}");
        }
    }

    #[test]
    fn nesting_that_the_reference_cannot_hash_is_an_error() {
        let line = |n: usize| {
            format!(
                r#"{{"integrity":{{"hash":"ab","prev_hash":""}},"x":{}{}}}"#,
                "[".repeat(n),
                "]".repeat(n)
            )
        };
        let hash = |n| Stored::parse(&line(n)).unwrap().compute_hash(&mut Vec::new());
        assert!(hash(330).is_ok());
        assert_eq!(hash(331), Err(CanonError::TooDeep));
    }

    proptest! {
        #[test]
        fn both_paths_agree(text in ".{0,20}", number in -9_007_199_254_740_991i64..9_007_199_254_740_991, hash in "[0-9a-f]{0,64}") {
            let mut key = Vec::new();
            canon::write_str(&text, &mut key);
            let key = String::from_utf8(key).unwrap();
            let line = format!(r#"{{"integrity":{{"alg":{key},"hash":"{hash}","prev_hash":{key}}},"z":[{number},{{{key}:{key}}}]}}"#);
            let (fast, slow) = both_ways(&line);
            prop_assert_eq!(fast, slow);
        }
    }
}
