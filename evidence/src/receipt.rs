//! Receipts: what a log says at once of the records of one request, signed, so that its sender can show later that one is missing.
//!
//! ```text
//! record of the request ─▶ Entry, a line ─▶ leaf of the list's tree ──root─▶ Statement ─▶ note, signed by the log's key
//! ```
//!
//! A receipt's file is its note and, behind an empty line, the list. The format: `docs/checkpoints.md`, "Receipts".

use crate::Hash;
use crate::note::{NoteError, SignedNote, Signer, VerifierKey, base64};
use crate::tree::{Edge, leaf};
use data_encoding::{BASE64, HEXLOWER};
use halod_record::hash::parse_hex;
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use std::fmt;

/// The first line of what is signed. No log of halod's has this for its origin, which is the first line of a checkpoint.
pub const FIRST_LINE: &str = "halod-receipt/v1";

/// Records of a list that is read, and bytes of a receipt's file.
pub const MAX_RECORDS: usize = 10_000;
pub const MAX_BYTES: usize = 8 << 20;

/// What stands for the hash of the record before where the line before has it.
const SAME: &str = "^";
/// What stands for the tenant of records without one.
const LOCAL: &str = "-";

/// Where a record is in its chain. Records are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was sealed as this record of the chain.
    At(u64),
    /// It was sealed before: it is among so many records that the chain has.
    Within(u64),
}

/// What a receipt says of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub tenant: Tenant,
    pub record: RecordId,
    /// Its `integrity.hash`.
    pub hash: Hash,
    /// Its `integrity.prev_hash`.
    pub prev: Hash,
    pub place: Place,
    /// Its `ts`, in Unix microseconds.
    pub micros: u64,
}

/// What is signed of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub origin: String,
    /// Entries of the list.
    pub count: u64,
    /// The root of their tree.
    pub root: Hash,
    /// When it was signed, by the daemon's clock, in Unix milliseconds.
    pub millis: u64,
}

/// A list that is being made. What is beyond the most that it keeps is in its root alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    edge: Edge,
    most: usize,
    /// The hash in the line before.
    last: Option<Hash>,
    /// `None` where there are more than are kept.
    lines: Option<String>,
}

/// A receipt as its sender gets it. Shown, it is the receipt's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReceipt {
    pub note: String,
    /// The list, a line a record.
    pub lines: Option<String>,
}

/// A receipt as it was read: nothing of it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub note: SignedNote,
    pub statement: Statement,
    /// `None` where it has no list.
    pub entries: Option<Vec<Entry>>,
    /// The root of the list that is there.
    root: Hash,
}

/// Why something is no receipt, or one that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    #[error("a receipt has at most {MAX_BYTES} bytes and {MAX_RECORDS} records")]
    TooLarge,
    #[error("the receipt's note: {0}")]
    Note(#[from] NoteError),
    #[error("the text of the note is not that of a receipt: {0}")]
    Statement(&'static str),
    #[error("line {line} of the list: {what}")]
    Entry { line: usize, what: &'static str },
    #[error("the list is not the one that was signed: its records or their order are others")]
    OtherList,
}

impl Place {
    /// How many records the chain has to have so that it has this one.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::At(number) | Self::Within(number) => number,
        }
    }
}

impl Entry {
    /// Its line, behind a line with the hash `last`, without a line feed.
    #[must_use]
    pub fn line(&self, last: Option<&Hash>) -> String {
        let (place, number) = match self.place {
            Place::At(number) => ("at", number),
            Place::Within(number) => ("within", number),
        };
        let prev = if last == Some(&self.prev) { SAME.to_owned() } else { HEXLOWER.encode(&self.prev) };
        let tenant = self.tenant.subject().map_or_else(|| LOCAL.to_owned(), json_string);
        let (micros, record, hash) = (self.micros, self.record, HEXLOWER.encode(&self.hash));
        format!("{place} {number} {micros} {record} {hash} {prev} {tenant}")
    }

    /// Reads a line, behind one with the hash `last`.
    fn read(line: &str, last: Option<&Hash>) -> Result<Self, &'static str> {
        let mut parts = line.splitn(7, ' ');
        let mut part = || parts.next().ok_or("it has not seven parts");
        let (place, number, micros) = (part()?, part()?, part()?);
        let (record, hash, prev, tenant) = (part()?, part()?, part()?, part()?);
        let number: u64 = number.parse().map_err(|_| "the place is no number")?;
        let place = match place {
            "at" => Place::At(number),
            "within" => Place::Within(number),
            _ => return Err("it begins with neither `at` nor `within`"),
        };
        if number == 0 {
            return Err("records are counted from 1");
        }
        let digits = |text: &str| parse_hex::<32>(text.as_bytes()).ok_or("a hash has not 64 digits");
        let entry = Self {
            tenant: match tenant {
                LOCAL => Tenant::Local,
                text => {
                    let id: String =
                        serde_json::from_str(text).map_err(|_| "the tenant is no JSON string")?;
                    Tenant::claimed(&id).map_err(|_| "the tenant's id is none")?
                }
            },
            record: RecordId::parse(record).ok_or("the record's id is no UUID")?,
            hash: digits(hash)?,
            prev: match prev {
                SAME => *last.ok_or("no line is before the first one")?,
                text => digits(text)?,
            },
            place,
            micros: micros.parse().map_err(|_| "the time is no number")?,
        };
        // One thing has one spelling.
        if entry.line(last) == line { Ok(entry) } else { Err("it is not spelled as receipts are") }
    }
}

/// As RFC 8785, section 3.2.2.2, writes it.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Statement {
    /// What is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { origin, count, root, millis } = self;
        format!("{FIRST_LINE}\n{origin}\n{count}\n{}\n{millis}\n", BASE64.encode(root))
    }

    /// # Errors
    /// It is not the text of a receipt.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let wrong = ReceiptError::Statement;
        let lines: Vec<&str> = text.split('\n').collect();
        let [FIRST_LINE, origin, count, root, millis, ""] = lines[..] else {
            return Err(wrong("it has not the five lines of one"));
        };
        let statement = Self {
            origin: origin.to_owned(),
            count: count.parse().map_err(|_| wrong("its count is no number"))?,
            root: base64(root)
                .and_then(|root| root.try_into().ok())
                .ok_or(wrong("its root is not 32 bytes in base64"))?,
            millis: millis.parse().map_err(|_| wrong("its time is no number"))?,
        };
        let is_whole = !origin.is_empty() && statement.count > 0 && statement.text() == text;
        if is_whole { Ok(statement) } else { Err(wrong("it is not spelled as receipts are")) }
    }
}

impl Listing {
    /// A list that keeps its lines as long as there are at most `most`.
    #[must_use]
    pub fn keeping(most: usize) -> Self {
        Self { most, lines: Some(String::new()), ..Self::default() }
    }

    pub fn push(&mut self, entry: &Entry) {
        let line = entry.line(self.last.as_ref());
        self.edge.push(leaf(line.as_bytes()), |_, _, _| {});
        self.last = Some(entry.hash);
        if self.edge.size() > self.most as u64 {
            self.lines = None;
        }
        if let Some(lines) = &mut self.lines {
            lines.push_str(&line);
            lines.push('\n');
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edge.size() == 0
    }

    /// Signs the list, with the key before that one as well where there is one.
    ///
    /// # Errors
    /// A key signs no texts.
    pub fn sign(
        self,
        signer: &Signer,
        old: Option<&Signer>,
        millis: u64,
    ) -> Result<SignedReceipt, NoteError> {
        let origin = signer.key().name().to_owned();
        let statement = Statement { origin, count: self.edge.size(), root: self.edge.root(), millis };
        let text = statement.text();
        let mut note = SignedNote::parse(&signer.sign(&text)?)?;
        if let Some(old) = old {
            note.signatures.extend(SignedNote::parse(&old.sign(&text)?)?.signatures);
        }
        Ok(SignedReceipt { note: note.to_string(), lines: self.lines })
    }
}

impl fmt::Display for SignedReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lines {
            Some(lines) => write!(f, "{}\n{lines}", self.note),
            None => f.write_str(&self.note),
        }
    }
}

impl SignedReceipt {
    /// The file in base64, for a header; without the list where that takes more than `most` characters.
    #[must_use]
    pub fn header(&self, most: usize) -> String {
        let whole = BASE64.encode(self.to_string().as_bytes());
        if whole.len() <= most { whole } else { BASE64.encode(self.note.as_bytes()) }
    }
}

impl Receipt {
    /// Reads a receipt's file.
    ///
    /// # Errors
    /// It is none, or too large a one.
    pub fn parse(file: &str) -> Result<Self, ReceiptError> {
        if file.len() > MAX_BYTES {
            return Err(ReceiptError::TooLarge);
        }
        // The text has no empty line: the first one parts it from the signatures, the second one those from the list.
        let mut parts = file.splitn(3, "\n\n");
        let (text, signatures, list) = (parts.next(), parts.next(), parts.next());
        let (Some(text), Some(signatures)) = (text, signatures) else {
            return Err(NoteError::Shape("no empty line parts text and signatures").into());
        };
        let end = if list.is_some() { "\n" } else { "" };
        let note = SignedNote::parse(&format!("{text}\n\n{signatures}{end}"))?;
        let statement = Statement::parse(&note.text)?;
        let (mut edge, mut entries) = (Edge::default(), None);
        if let Some(list) = list {
            let entries: &mut Vec<Entry> = entries.insert(Vec::new());
            let whole = ReceiptError::Entry { line: 0, what: "the last one has no end" };
            for (at, line) in list.strip_suffix('\n').ok_or(whole)?.split('\n').enumerate() {
                if at == MAX_RECORDS {
                    return Err(ReceiptError::TooLarge);
                }
                let last = entries.last().map(|entry| &entry.hash);
                let entry =
                    Entry::read(line, last).map_err(|what| ReceiptError::Entry { line: at + 1, what })?;
                edge.push(leaf(line.as_bytes()), |_, _, _| {});
                entries.push(entry);
            }
        }
        Ok(Self { note, statement, entries, root: edge.root() })
    }

    /// Whether this key has signed the receipt, and the list is the one that was signed.
    ///
    /// # Errors
    /// It has not, or the list is another one.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), ReceiptError> {
        self.note.verify(key)?;
        if self.statement.origin != key.name() {
            return Err(ReceiptError::Statement("its origin is not the name of its key"));
        }
        let Some(entries) = &self.entries else { return Ok(()) };
        let is_signed = (entries.len() as u64, self.root) == (self.statement.count, self.statement.root);
        if is_signed { Ok(()) } else { Err(ReceiptError::OtherList) }
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
