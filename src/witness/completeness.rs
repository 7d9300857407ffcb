//! Whether a chain is what a witness saw of it: the verdict of the reference's `halo anchor --check`.

use halod_chain::scan::each_record;
use halod_evidence::Hash;
use halod_record::hash::{hex_text, parse_hex};
use halod_record::json::{Json, Text};
use halod_record::parse::{Stored, Subject};
use halod_record::verify::{Issue, Observer, Report, Verdict as Intact, VerifyError, verify};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::path::Path;

/// Bytes of a line of a witness file: tokens of time stamps may ride along.
const LONGEST_LINE: u64 = 1 << 20;

/// Whose chain a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The first subject in the chain, if it has one.
    pub subject: Option<String>,
    /// The hash of the first record; `None` of a chain without records.
    pub root: Option<Hash>,
    /// The first record that is not of the expected subject: its number and whose it is.
    pub other: Option<(u64, String)>,
}

/// Why a chain has no owner that a witness could know.
#[derive(Debug, thiserror::Error)]
pub enum WhoseError {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("record {0} has a subject whose id is no text, which no witness takes")]
    Subject(u64),
}

/// A witness' words that are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no checkpoint: {what}")]
pub struct Damage {
    pub line: u64,
    pub what: &'static str,
}

/// What a witness saw of one chain, by its number of records: the hash of the last one, if that is a hash; two that differ
/// can't both be of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    of: BTreeMap<u64, Vec<Option<Hash>>>,
    /// All checkpoints, repeated ones too.
    pub checkpoints: u64,
}

/// What a chain is beside what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Nobody saw the chain.
    Unwitnessed,
    Complete,
    Incomplete {
        why: String,
        at: Option<u64>,
    },
}

/// The end of a chain that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub count: u64,
    pub head: Hash,
    pub first: Hash,
}

/// Reads whose chain a file is. With a subject that is expected the whole file is read, and else up to the first subject.
///
/// # Errors
/// The file can't be read, or its owner is nobody that can be named.
pub fn whose(path: &Path, expected: Option<&str>) -> Result<Whose, WhoseError> {
    let (mut own, mut number, mut strange) = (Whose { subject: None, root: None, other: None }, 0, None);
    each_record(path, &mut |facts| {
        number += 1;
        if number == 1 {
            own.root = parse_hex(facts.hash.as_bytes());
        }
        let id = match &facts.subject {
            Subject::None => None,
            Subject::Id(id) => Some(&**id),
            Subject::Other => {
                strange = Some(number);
                return false;
            }
        };
        if own.subject.is_none() {
            own.subject = id.map(str::to_owned);
        }
        if own.other.is_none() && expected.is_some() && id != expected {
            own.other = Some((number, id.map_or("null".into(), |id| format!("{id:?}"))));
        }
        own.subject.is_none() || (expected.is_some() && own.other.is_none())
    })?;
    strange.map_or(Ok(own), |number| Err(WhoseError::Subject(number)))
}

impl Seen {
    /// Takes what is of a chain from the lines of a witness file.
    ///
    /// # Errors
    /// The file can't be read; or a line of it is no checkpoint, so that nothing can be said by the file.
    pub fn read(file: impl BufRead, chain: &Whose) -> io::Result<Result<Self, Damage>> {
        Self::read_each(file, chain, &mut |_| {})
    }

    /// The same, which gives each checkpoint of the chain.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_each(
        mut file: impl BufRead,
        chain: &Whose,
        each: &mut dyn FnMut(&Json<'_>),
    ) -> io::Result<Result<Self, Damage>> {
        let (mut own, mut line, mut number) = (Self::default(), Vec::new(), 0);
        loop {
            line.clear();
            if Read::by_ref(&mut file).take(LONGEST_LINE + 1).read_until(b'\n', &mut line)? == 0 {
                return Ok(Ok(own));
            }
            number += 1;
            if line.len() as u64 > LONGEST_LINE {
                return Ok(Err(Damage { line: number, what: "it has more than 1 MiB" }));
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let parsed = std::str::from_utf8(text).ok().and_then(|text| Stored::parse(text).ok());
            let Some(parsed) = parsed.filter(|parsed| parsed.duplicate().is_none()) else {
                return Ok(Err(Damage { line: number, what: "it is no JSON in which no name is repeated" }));
            };
            match own.take(parsed.value(), chain) {
                Ok(true) => each(parsed.value()),
                Ok(false) => {}
                Err(what) => return Ok(Err(Damage { line: number, what })),
            }
        }
    }

    /// Takes the items of a page of a witness' list. Tells how many there were, and whether more follow.
    ///
    /// # Errors
    /// It is no such list.
    pub fn page(&mut self, body: &[u8], chain: &Whose) -> Result<(u64, bool), String> {
        let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8")?;
        let parsed = Stored::parse(text).map_err(|error| format!("the answer is no JSON: {error}"))?;
        let Some(Json::Array(items)) = parsed.field("checkpoints") else {
            return Err("the answer has no list `checkpoints`".into());
        };
        for (item, number) in items.iter().zip(1_u64..) {
            self.take(item, chain).map_err(|what| Damage { line: number, what }.to_string())?;
        }
        let more = matches!(parsed.field("next"), Some(next) if *next != Json::Null);
        Ok((items.len() as u64, more && !items.is_empty()))
    }

    /// Tells whether it is one of the chain.
    fn take(&mut self, checkpoint: &Json<'_>, chain: &Whose) -> Result<bool, &'static str> {
        if !matches!(checkpoint, Json::Object(_)) {
            return Err("it is no object");
        }
        let count = match checkpoint.get("count") {
            Some(Json::Int(count)) => u64::try_from(*count).map_err(|_| "`count` is below 0")?,
            Some(Json::BigInt(text)) if !text.starts_with('-') => u64::MAX,
            _ => return Err("`count` is no whole number from 0"),
        };
        let Some(Json::Str(head)) = checkpoint.get("head") else { return Err("`head` is no text") };
        let text = |name| checkpoint.get(name).and_then(Json::as_str);
        let is_its_own = match (&chain.subject, &chain.root) {
            (Some(subject), _) => text("subject") == Some(subject),
            (None, Some(root)) => text("chain_root") == Some(&hex_text(root)),
            (None, None) => matches!(checkpoint.get("chain_root"), None | Some(Json::Null)),
        };
        if is_its_own {
            let heads = self.of.entry(count).or_default();
            let head = Text::as_str(head).and_then(|head| parse_hex(head.as_bytes()));
            if !heads.contains(&head) {
                heads.push(head);
            }
            self.checkpoints += 1;
        }
        Ok(is_its_own)
    }

    /// The most records that were seen.
    #[must_use]
    pub fn longest(&self) -> u64 {
        self.of.last_key_value().map_or(0, |(count, _)| *count)
    }

    /// Verifies a chain, and holds it against what was seen of it. The end is there where the chain verifies and has records.
    ///
    /// # Errors
    /// The chain can't be read.
    pub fn check(&self, path: &Path) -> Result<(Completeness, Option<End>), VerifyError> {
        let mut watch = Watch { seen: self.of.iter().peekable(), count: 0, first: None, wrong: None };
        let report = verify(path, &mut watch)?;
        let Watch { first, wrong, .. } = watch;
        let end = match (report.verdict(), report.head, first) {
            (Intact::Intact, Some(head), Some(first)) => Some(End { count: report.records, head, first }),
            _ => None,
        };
        Ok((self.judge(&report, wrong), end))
    }

    fn judge(&self, report: &Report, wrong: Option<u64>) -> Completeness {
        let incomplete = |why: &str, at| Completeness::Incomplete { why: why.to_owned(), at };
        if report.torn > 0 {
            let torn = report.torn;
            return incomplete(
                &format!("the chain does not verify: lines that are no complete records: {torn}"),
                None,
            );
        }
        if self.checkpoints == 0 {
            return Completeness::Unwitnessed;
        }
        match report.verdict() {
            Intact::Broken => {
                let why = "the chain does not verify; `halod verify` tells more";
                return incomplete(why, report.broken_at);
            }
            Intact::Empty | Intact::Intact => {}
        }
        let longest = self.longest();
        if self.of.contains_key(&0) {
            return incomplete("witnessed count out of range", Some(0));
        }
        if longest > report.records {
            let why =
                format!("chain truncated below witnessed length: {} of {longest} records", report.records);
            return incomplete(&why, None);
        }
        if wrong.is_some() {
            return incomplete("record altered or dropped before witnessed point", wrong);
        }
        Completeness::Complete
    }
}

/// Holds the hashes of records against what was seen, in the order of both.
struct Watch<'s> {
    seen: std::iter::Peekable<std::collections::btree_map::Iter<'s, u64, Vec<Option<Hash>>>>,
    count: u64,
    first: Option<Hash>,
    wrong: Option<u64>,
}

impl Observer for Watch<'_> {
    fn issue(&mut self, _: &Issue) {}

    fn record(&mut self, hash: &Hash) {
        self.count += 1;
        self.first.get_or_insert(*hash);
        while let Some((count, heads)) = self.seen.next_if(|(count, _)| **count <= self.count) {
            if *count == self.count && heads.iter().any(|head| head.as_ref() != Some(hash)) {
                self.wrong.get_or_insert(self.count);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn acme() -> Whose {
        Whose { subject: Some("acme".into()), root: Some([0xaa; 32]), other: None }
    }

    fn read(lines: &str, chain: &Whose) -> Result<Seen, Damage> {
        Seen::read(lines.as_bytes(), chain).unwrap()
    }

    #[test]
    fn a_file_of_checkpoints_is_damaged_where_the_reference_says_so() {
        let good = format!(r#"{{"subject":"acme","count":3,"head":"{}"}}"#, "b".repeat(64));
        for wrong in [
            "xx",
            "[]",
            "\u{feff}{\"count\":1,\"head\":\"a\"}",
            r#"{"count":1}"#,
            r#"{"count":-1,"head":"a"}"#,
            r#"{"count":true,"head":"a"}"#,
            r#"{"count":1.0,"head":"a"}"#,
            r#"{"count":1e0,"head":"a"}"#,
            r#"{"count":NaN,"head":"a"}"#,
            r#"{"count":1,"count":3,"head":"a"}"#,
            r#"{"head":"a","count":3"#,
        ] {
            assert_eq!(read(&format!("{good}\n{wrong}\n"), &acme()).unwrap_err().line, 2, "{wrong}");
        }
        for other in [
            "",
            "  ",
            r#"{"count":0,"head":"a","subject":"other"}"#,
            r#"{"count":9999999999999999999999,"head":"a","subject":"z"}"#,
            r#"{"count":1,"head":"\ud800","subject":5}"#,
            r#"{"count":1,"head":"a","subject":null,"chain_root":null}"#,
            r#"{"count":2,"head":"a","ts":NaN,"subject":"z"}"#,
        ] {
            let seen = read(&format!("{good}\n{other}\n"), &acme()).unwrap();
            assert_eq!((seen.checkpoints, seen.longest()), (1, 3), "{other}");
        }
        let big = r#"{"count":9999999999999999999999,"head":"a","subject":"acme"}"#;
        assert_eq!(read(big, &acme()).unwrap().longest(), u64::MAX);
        let rooted = Whose { subject: None, ..acme() };
        let line = format!(r#"{{"count":1,"head":"a","subject":"x","chain_root":"{}"}}"#, "a".repeat(64));
        assert_eq!(read(&line, &rooted).unwrap().checkpoints, 1);
    }

    #[test]
    fn lists_come_in_pages() {
        let mut seen = Seen::default();
        let page = r#"{"checkpoints":[{"count":1,"head":"a","subject":"acme"}],"count":1,"next":1}"#;
        assert_eq!(seen.page(page.as_bytes(), &acme()), Ok((1, true)));
        assert_eq!(seen.page(br#"{"checkpoints":[]}"#, &acme()), Ok((0, false)));
        assert_eq!(seen.page(br#"{"checkpoints":[],"next":0}"#, &acme()), Ok((0, false)));
        for wrong in ["", "{}", "[]", r#"{"checkpoints":[{"count":true,"head":"a"}]}"#] {
            assert!(seen.page(wrong.as_bytes(), &acme()).is_err(), "{wrong}");
        }
        assert_eq!(seen.checkpoints, 1);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Seen::read(&bytes[..], &acme()).unwrap();
            let _ = Seen::default().page(&bytes, &acme());
        }
    }
}
