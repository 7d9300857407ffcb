//! What is worked on at a time: some rows of one file, with their places.

use super::format::Format;
use super::log::log_format;
pub use super::manifest::Hole;
use super::rows;
use super::scan::Shape;
use super::traces::Traces;
use crate::receivers::lines::manner::Manner;
use crate::receivers::lines::read::Told;
use crate::receivers::lines::split::Line;
use bytes::Bytes;
use halo_adapters::UNREAD_TIMES;
use halod_record::event::{Event, Fact};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// What holds for all rows of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    pub format: Format,
    pub shape: Shape,
    /// What tells the file from every other one, for rows that have no id of their own.
    pub identity: String,
    /// What records call the file, where they name it: the path of the log that it belongs to.
    pub log: String,
    /// Of a log, how its lines are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Manner>,
    /// The names of a CSV file's columns.
    pub columns: Vec<String>,
    /// Whose records these are, whatever the rows claim.
    pub tenant: Option<String>,
}

/// Some rows.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub meta: Arc<FileMeta>,
    pub bytes: Bytes,
    pub rows: Vec<Row>,
    /// What a log's lines have told of its format, by their numbers among the rows.
    pub told: Told,
    /// What is known of traces, for rows that leave it to another file.
    pub traces: Option<Arc<Traces>>,
    /// Rows that are missing before or behind these.
    pub hole: Option<Hole>,
}

/// One row: its bytes in the chunk, and its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub start: usize,
    pub end: usize,
    pub place: Place,
    /// Of a line of a log: its identity, and what was done to it before it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Line>,
}

/// Where a row begins in its file, after decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// From 1; 0 where the file is binary.
    pub line: u64,
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "byte {}", self.offset),
            line => write!(f, "line {line}"),
        }
    }
}

/// What became of a chunk's rows. Items are what the rows tell of: a row may hold many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Items that are sealed, now or before.
    pub accepted: u64,
    /// Well-formed, and nothing that an agent did.
    pub filtered: u64,
    /// They cannot become records.
    pub rejected: u64,
    /// Records that were sealed now, were sealed before, and of the first, contradict one of those.
    pub sealed: u64,
    pub duplicate: u64,
    pub conflict: u64,
    /// Of those that were sealed before, how many are in another chain than their row says.
    #[serde(default)]
    pub elsewhere: u64,
    /// How many were sealed for each tenant; the local chain's under the empty name.
    #[serde(default)]
    pub sealed_for: BTreeMap<String, u64>,
    /// How many times cannot be read, by the fields that say them: the records lack them and name the fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread_times: BTreeMap<String, u64>,
    /// Why rows were rejected, in part or as a whole: at most [`Taken::REASONS`].
    pub reasons: Vec<Reason>,
}

/// Why something of a row was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub place: Place,
    /// Never holds a value of the row's: it may be a secret.
    pub what: String,
}

impl Taken {
    /// Reasons that one chunk may tell.
    pub const REASONS: usize = 100;
    /// Tenants that are told by name, and what stands for all others.
    pub const TENANTS: usize = 100;
    pub const OTHERS: &str = "(others)";

    pub fn reject(&mut self, place: Place, items: u64, what: impl fmt::Display) {
        self.rejected += items;
        if self.reasons.len() < Self::REASONS {
            self.reasons.push(Reason { place, what: what.to_string() });
        }
    }

    /// Adds what became of others, but not their reasons.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        self.sealed += other.sealed;
        self.duplicate += other.duplicate;
        self.conflict += other.conflict;
        self.elsewhere += other.elsewhere;
        for (tenant, sealed) in &other.sealed_for {
            self.seal_for(tenant, *sealed);
        }
        for (field, times) in &other.unread_times {
            *self.unread_times.entry(field.clone()).or_default() += times;
        }
    }

    /// Notes so many records that were sealed for a tenant. Beyond [`Taken::TENANTS`] they are counted together.
    pub fn seal_for(&mut self, tenant: &str, sealed: u64) {
        let named = self.sealed_for.contains_key(tenant) || self.sealed_for.len() < Self::TENANTS;
        *self.sealed_for.entry(if named { tenant } else { Self::OTHERS }.to_owned()).or_default() += sealed;
    }

    /// Counts the times that an event's record names as unread.
    pub(super) fn unread(&mut self, event: &Event<'_>) {
        for fact in &event.facts {
            let (UNREAD_TIMES, Fact::Labels(fields)) = fact else { continue };
            for field in fields {
                *self.unread_times.entry(field.to_string()).or_default() += 1;
            }
        }
    }
}

impl Chunk {
    /// No rows, but that some are missing.
    #[must_use]
    pub fn of_hole(hole: Hole, tenant: Option<String>) -> Self {
        let meta = FileMeta {
            format: Format::Langfuse,
            shape: Shape::Lines,
            identity: String::new(),
            log: String::new(),
            lines: None,
            columns: Vec::new(),
            tenant,
        };
        let (meta, bytes, hole) = (Arc::new(meta), Bytes::new(), Some(hole));
        Self { meta, bytes, rows: Vec::new(), told: Told::default(), traces: None, hole }
    }

    /// A row's bytes.
    #[must_use]
    pub fn row(&self, row: &Row) -> &[u8] {
        self.bytes.get(row.start..row.end).unwrap_or_default()
    }

    /// The same rows in two parts; `None` when there is only one.
    #[must_use]
    pub fn halves(&self) -> Option<[Self; 2]> {
        if self.rows.len() < 2 {
            return None;
        }
        let (first, second) = self.rows.split_at(self.rows.len() / 2);
        let from = self.told.from.saturating_sub(first.len());
        Some([self.part(first, self.told), self.part(second, Told { from, ..self.told })])
    }

    fn part(&self, rows: &[Row], told: Told) -> Self {
        let start = rows.first().map_or(0, |row| row.start);
        let end = rows.last().map_or(start, |row| row.end);
        let moved = |row: &Row| Row { start: row.start - start, end: row.end - start, ..*row };
        Self {
            meta: Arc::clone(&self.meta),
            bytes: self.bytes.slice(start..end),
            rows: rows.iter().map(moved).collect(),
            told,
            traces: self.traces.clone(),
            hole: None,
        }
    }
}

/// A chunk as it travels to the daemon: this as one line of JSON, then the bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// An older halod calls it that.
    #[serde(rename = "sheet")]
    pub(super) meta: FileMeta,
    pub(super) rows: Vec<Row>,
    /// The format of a log that its lines have told, and from which row on they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<(Format, usize)>,
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub(super) traces: HashMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hole: Option<Hole>,
}

impl Chunk {
    pub(super) fn encode(&self) -> Vec<u8> {
        let traces = self.traces.as_ref().map(|traces| traces.of(rows::traces(self)));
        let head = Head {
            meta: (*self.meta).clone(),
            rows: self.rows.clone(),
            told: self.told.format.map(|format| (Format::Gateway(Some(format)), self.told.from)),
            traces: traces.unwrap_or_default(),
            hole: self.hole.clone(),
        };
        // Plain data under string keys: there is nothing that could fail.
        let mut out = serde_json::to_vec(&head).unwrap_or_default();
        out.push(b'\n');
        out.extend_from_slice(&self.bytes);
        out
    }

    /// # Errors
    /// Why it is none.
    pub(super) fn decode(body: &Bytes) -> Result<Self, String> {
        let end = memchr::memchr(b'\n', body).ok_or("it has no head line")?;
        let head: Head = serde_json::from_slice(body.get(..end).unwrap_or_default())
            .map_err(|error| format!("its head: {error}"))?;
        let bytes = body.slice(end + 1..);
        let mut before = 0;
        for row in &head.rows {
            if row.start < before || row.end < row.start || row.end > bytes.len() {
                return Err("its rows are not within its bytes, one after the other".to_owned());
            }
            before = row.end;
        }
        let traces = (!head.traces.is_empty()).then(|| Arc::new(Traces::from(head.traces)));
        let told = head
            .told
            .map_or_else(Told::default, |(format, from)| Told { format: log_format(Some(format)), from });
        Ok(Self { meta: Arc::new(head.meta), bytes, rows: head.rows, told, traces, hole: head.hole })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chunk(rows: &[&str]) -> Chunk {
        let mut bytes = Vec::new();
        let mut found = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let start = bytes.len();
            bytes.extend_from_slice(row.as_bytes());
            let place = Place { line: at as u64 + 1, offset: start as u64 };
            found.push(Row { start, end: bytes.len(), place, line: None });
            bytes.push(b'\n');
        }
        let meta = FileMeta {
            format: Format::Otlp,
            shape: Shape::Lines,
            identity: "f".into(),
            log: String::new(),
            lines: None,
            columns: vec![],
            tenant: None,
        };
        let (bytes, told) = (bytes.into(), Told::default());
        Chunk { meta: Arc::new(meta), bytes, rows: found, told, traces: None, hole: None }
    }

    fn texts(chunk: &Chunk) -> Vec<(u64, String)> {
        let text = |row: &Row| (row.place.line, String::from_utf8(chunk.row(row).to_vec()).unwrap());
        chunk.rows.iter().map(text).collect()
    }

    #[test]
    fn it_travels_and_is_halved() {
        let whole = chunk(&["one", "", "three"]);
        let arrived = Chunk::decode(&whole.encode().into()).unwrap();
        assert_eq!((texts(&arrived), &arrived.meta), (texts(&whole), &whole.meta));
        let halves = whole.halves().unwrap();
        let together: Vec<_> = halves.iter().flat_map(texts).collect();
        assert_eq!(together, texts(&whole));
        assert!(chunk(&["one"]).halves().is_none());
    }

    #[test]
    fn the_format_of_a_log_holds_from_the_same_line_on_in_its_parts() {
        let mut whole = chunk(&["a", "b", "c", "d"]);
        for from in 0..4 {
            whole.told = Told { format: Some(halo_adapters::gateway::Format::Caddy), from };
            let arrived = Chunk::decode(&whole.encode().into()).unwrap();
            let told = |chunk: &Chunk| (0..chunk.rows.len()).map(|at| chunk.told.at(at)).collect::<Vec<_>>();
            let halves = arrived.halves().unwrap();
            assert_eq!(halves.iter().flat_map(told).collect::<Vec<_>>(), told(&whole), "{from}");
        }
    }

    #[test]
    fn rows_outside_its_bytes_are_refused() {
        let mut bad = chunk(&["one", "two"]);
        bad.rows[1].end = 100;
        assert!(Chunk::decode(&bad.encode().into()).is_err());
        bad.rows[1].end = 2;
        assert!(Chunk::decode(&bad.encode().into()).is_err());
        for body in ["", "{}", "{}\n", "x\n"] {
            assert!(Chunk::decode(&Bytes::from_static(body.as_bytes())).is_err(), "{body}");
        }
    }
}
