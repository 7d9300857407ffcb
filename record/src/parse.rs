//! Reading stored lines back: whole records for the verifier, three facts for a chain's index.

use super::call::{SealedCall, told_of};
use super::canon::{CanonError, write_parsed};
use super::hash::sha256;
use super::tenant::Tenant;
use super::time::{Instant, instant};
use crate::json::{Json, Limits, ParseError, Parsed, Text, parse_with};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What the reference reads of a chain's line: nesting up to its recursion limit, integers up to
/// 4,000 digits.
const LINE: Limits = Limits { depth: 990, int_digits: 4000, ..Limits::PYTHON };

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

/// Whose record a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// Nobody's: `subject` is no object, or its `id` is missing or what Python takes for false, as in
    /// the reference.
    None,
    Id(Cow<'a, str>),
    /// Somebody's who can't be a tenant of halod: the id is no string, or has a lone surrogate.
    Other,
}

impl Subject<'_> {
    /// Whose chain the record is of, if that is a tenant of halod's.
    #[must_use]
    pub fn tenant(&self) -> Option<Tenant> {
        match self {
            Self::None => Some(Tenant::Local),
            Self::Id(id) => Some(Tenant::stored(id)),
            Self::Other => None,
        }
    }

    /// Whether this is the subject of that id, or none.
    #[must_use]
    pub fn is(&self, id: Option<&str>) -> bool {
        match self {
            Self::None => id.is_none(),
            Self::Id(own) => id == Some(own),
            Self::Other => false,
        }
    }
}

/// What a chain's index needs of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFacts<'a> {
    /// Absent when it is missing or not a string. A lone surrogate reads as U+FFFD here and below.
    pub record_id: Option<Cow<'a, str>>,
    pub subject: Subject<'a>,
    /// `integrity.hash` as it is stored: the next record's `prev_hash`. Not checked against the
    /// content.
    pub hash: Cow<'a, str>,
    /// When the record says that it was sealed, where that is a time.
    pub ts: Option<Instant>,
    /// Under what else the index has the line: the call that it tells of.
    pub keys: Vec<u64>,
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
    facts(parsed.value)
}

/// Whose record a line is, if it is a JSON object.
#[must_use]
pub fn subject(line: &[u8]) -> Option<Subject<'_>> {
    let Json::Object(entries) = parse_with(std::str::from_utf8(line).ok()?, &LINE).ok()?.value else {
        return None;
    };
    Some(match take(entries, b"subject") {
        Some(Json::Object(fields)) => take(fields, b"id").map_or(Subject::None, whose),
        _ => Subject::None,
    })
}

/// Whether a line that [`scan_line`] does not take is JSON all the same, and no damaged record of this
/// subject: a file that holds such a line is somebody else's.
#[must_use]
pub fn is_foreign(line: &[u8], subject: Option<&str>) -> bool {
    let text = String::from_utf8_lossy(line);
    let Ok(parsed) = parse_with(&text, &LINE) else { return false };
    facts(parsed.value).is_none_or(|facts| !facts.subject.is(subject))
}

fn facts(value: Json<'_>) -> Option<LineFacts<'_>> {
    let keys = call_keys(&value);
    let Json::Object(entries) = value else { return None };
    let (mut record_id, mut subject, mut hash, mut ts) = (None, Subject::None, None, None);
    for (key, value) in entries {
        match (key.as_bytes(), value) {
            (b"record_id", value) => record_id = into_text(value),
            (b"ts", value) => ts = into_text(value).as_deref().and_then(instant),
            (b"subject", Json::Object(fields)) => subject = take(fields, b"id").map_or(Subject::None, whose),
            (b"integrity", Json::Object(fields)) => hash = take(fields, b"hash").and_then(into_text),
            _ => {}
        }
    }
    let hash = hash.filter(|hash| !hash.is_empty())?;
    Some(LineFacts { record_id, subject, hash, ts, keys })
}

fn call_keys(record: &Json<'_>) -> Vec<u64> {
    let id = record.get("subject").and_then(|subject| subject.get("id"));
    let subject = id.map_or(Subject::None, |id| whose(id.clone()));
    let call = subject.tenant().and_then(|tenant| SealedCall::of(record, &tenant));
    let Some(SealedCall { call, action, .. }) = call else { return Vec::new() };
    let corroborated = (action != call.id()).then(|| told_of(action));
    call.index_keys().chain(corroborated).collect()
}

fn take<'a>(fields: Vec<(Text<'a>, Json<'a>)>, key: &[u8]) -> Option<Json<'a>> {
    fields.into_iter().find(|(name, _)| name.as_bytes() == key).map(|(_, value)| value)
}

fn whose(id: Json<'_>) -> Subject<'_> {
    match id {
        Json::Str(Text::Utf8(id)) if !id.is_empty() => Subject::Id(id),
        Json::Null | Json::Bool(false) | Json::Int(0) | Json::Str(Text::Utf8(_)) => Subject::None,
        Json::Float(0.0) => Subject::None,
        Json::Array(items) if items.is_empty() => Subject::None,
        Json::Object(members) if members.is_empty() => Subject::None,
        _ => Subject::Other,
    }
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
    use crate::canon;
    use proptest::prelude::*;

    #[test]
    fn facts_are_found_in_any_order() {
        let line = br#" {"integrity": {"x":1, "hash":"ab"}, "subject":{"name":"n","id":"t\u00e9"}, "record_id":"r"}"#;
        let facts = scan_line(line).unwrap();
        assert_eq!(facts.record_id.as_deref(), Some("r"));
        assert!(facts.subject.is(Some("té")));
        assert_eq!(facts.hash, "ab");
        let facts = scan_line(br#"{"integrity":{"hash":"ab"},"record_id":5,"subject":"x"}"#).unwrap();
        assert_eq!((facts.record_id, facts.subject), (None, Subject::None));
    }

    #[test]
    fn subjects_are_told_as_the_reference_tells_them() {
        let of = |id: &str| {
            let line = format!(r#"{{"integrity":{{"hash":"ab"}},"subject":{{"id":{id}}}}}"#);
            match scan_line(line.as_bytes()).unwrap().subject {
                Subject::None => "none".to_owned(),
                Subject::Id(id) => id.into_owned(),
                Subject::Other => "other".to_owned(),
            }
        };
        for nobody in ["null", "\"\"", "false", "0", "-0.0", "[]", "{}"] {
            assert_eq!(of(nobody), "none", "{nobody}");
        }
        for other in ["true", "5", "1.5", "[0]", "{\"id\":\"a\"}", "\"a\\ud800\"", "123456789012345678901"] {
            assert_eq!(of(other), "other", "{other}");
        }
        assert_eq!(of("\"5\""), "5");
    }

    #[test]
    fn lines_of_others_are_told_from_damage() {
        let ours = r#"{"integrity":{"hash":"a"},"subject":{"id":"t"},"x":{"y":1,"y":1}}"#;
        for (line, foreign) in [
            (ours.as_bytes(), false),
            (br#"{"integrity":{"hash":"a"},"subject":{"id":"u"},"x":{"y":1,"y":1}}"#, true),
            (b"{\"integrity\":{\"hash\":\"a\"},\"subject\":{\"id\":\"t\"},\"x\":\"\xff\"}", false),
            (br#"{"chain_root":"ab","subject":"t"}"#, true),
            (b"[]", true),
            (b"7\n", true),
            (br#"{"integrity":{"hash":"a"},"subj"#, false),
            (b"  \r\n", false),
            (b"\xff\xfe", false),
        ] {
            assert_eq!(is_foreign(line, Some("t")), foreign, "{}", String::from_utf8_lossy(line));
        }
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
