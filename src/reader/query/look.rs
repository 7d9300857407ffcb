//! What is found in a stretch of a chain, by one of several threads.

use super::column::{Place, json_line};
use super::count::{self, Counting};
use super::filter::Filter;
use super::sieve::Sieve;
use super::{Column, Shape};
use crate::reader::subjects::Chain;
use halod_record::json::{Json, Limits, Parsed, parse_with};
use halod_record::lines::Chunk;
use std::collections::{BTreeMap, BTreeSet};

/// What is read of a line; what exceeds it is no record here.
const LIMITS: Limits = Limits { depth: 990, int_digits: 4000, values: 500_000 };

/// What of a record is kept.
pub(super) enum Hit {
    Line(Vec<u8>),
    Cells(Vec<String>),
    /// Keys of `data`.
    Keys(BTreeSet<String>),
    Counting(Counting),
}

/// What a stretch comes to.
#[derive(Default)]
pub(super) struct Looked {
    /// Lines that look like records.
    pub(super) records: u64,
    /// Lines that are none, and are not blank.
    pub(super) torn: u64,
    pub(super) matched: u64,
    pub(super) hits: Vec<Hit>,
    /// What halod told of losses in the window, by the notice's tool.
    pub(super) losses: BTreeMap<String, u64>,
}

/// Looks for what is asked for.
pub(super) struct Looker<'q> {
    filter: &'q Filter,
    shape: &'q Shape,
    /// Keys of `data` that have a column.
    keys: Option<&'q BTreeSet<String>>,
    sieve: Sieve,
    notices: Sieve,
}

impl<'q> Looker<'q> {
    pub(super) fn new(filter: &'q Filter, shape: &'q Shape, keys: Option<&'q BTreeSet<String>>) -> Self {
        let sieve = Sieve::of(filter);
        // An account that is not asked for still stands between others.
        let sieve = if matches!(shape, Shape::Count { .. }) { sieve.and_also(&count::OLD) } else { sieve };
        Self { filter, shape, keys, sieve, notices: Sieve::of_texts(&["\"tool\":\"halod."]) }
    }

    pub(super) fn look(&self, chain: &Chain, chunk: &Chunk) -> Looked {
        let mut looked = Looked::default();
        let bytes = chunk.bytes();
        let (mut asked, mut notices) = (self.sieve.over(bytes), self.notices.over(bytes));
        let mut from = 0;
        for (number, line) in chunk.iter() {
            let to = from + line.len();
            let (is_asked, is_notice) = (asked.is_worth(from, to), notices.is_worth(from, to));
            from = to + 1;
            match line.trim_ascii() {
                [] => {}
                [b'{', .., b'}'] => {
                    looked.records += 1;
                    if is_asked || is_notice {
                        self.line(line, Place { chain: &chain.stem, line: number }, is_notice, &mut looked);
                    }
                }
                _ => looked.torn += 1,
            }
        }
        looked
    }

    fn line(&self, line: &[u8], place: Place<'_>, is_notice: bool, looked: &mut Looked) {
        let Some((text, parsed)) = read(line) else {
            looked.records -= 1;
            looked.torn += 1;
            return;
        };
        let record = &parsed.value;
        if is_notice && self.filter.is_in_time(record) && is_loss(record) {
            let tool = super::field::text(record, &["action", "tool"]).unwrap_or_default();
            *looked.losses.entry(tool.into_owned()).or_default() += 1;
        }
        let is_asked = self.filter.holds(record);
        looked.matched += u64::from(is_asked);
        let hit = match self.shape {
            Shape::Count { by, .. } => Hit::Counting(Counting::of(record, is_asked, by, place)),
            _ if !is_asked => return,
            Shape::Json => {
                let mut out = Vec::with_capacity(text.len() + 64);
                json_line(text, record, place, &mut out);
                Hit::Line(out)
            }
            Shape::Table { columns, .. } => Hit::Cells(cells(columns, record, place)),
            Shape::Csv { columns, .. } => match self.keys {
                None => Hit::Keys(data(record).map(|(key, _)| key).collect()),
                Some(keys) => {
                    let mut row = cells(columns, record, place);
                    row.extend(members(record, keys));
                    Hit::Cells(row)
                }
            },
        };
        looked.hits.push(hit);
    }
}

/// The record of a line.
pub(super) fn read(line: &[u8]) -> Option<(&str, Parsed<'_>)> {
    let text = std::str::from_utf8(line).ok()?;
    let parsed = parse_with(text, &LIMITS).ok()?;
    matches!(parsed.value, Json::Object(_)).then_some((text, parsed))
}

/// Whether a notice of halod's tells of a loss.
fn is_loss(record: &Json<'_>) -> bool {
    let is = |path: &[&str], word: &str| super::field::text(record, path).is_some_and(|text| text == word);
    is(&["outcome", "status"], "error") && is(&["source", "adapter"], "halod")
}

fn cells(columns: &[Column], record: &Json<'_>, place: Place<'_>) -> Vec<String> {
    columns.iter().map(|column| column.value(record, place).into_owned()).collect()
}

/// The members of `data`.
fn data<'r>(record: &'r Json<'_>) -> impl Iterator<Item = (String, &'r Json<'r>)> {
    let members = match record.get("data") {
        Some(Json::Object(members)) => members.as_slice(),
        _ => &[],
    };
    members.iter().map(|(key, value)| (key.to_lossy().into_owned(), value))
}

/// The cells of the members of `data` that have a column, and one of all others.
fn members(record: &Json<'_>, keys: &BTreeSet<String>) -> Vec<String> {
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    let mut others = Vec::new();
    for (key, value) in data(record) {
        let text = super::field::cell(value);
        if keys.contains(&key) {
            own.insert(key, text);
        } else {
            others.push(format!("{key}={text}"));
        }
    }
    keys.iter().map(|key| own.remove(key).unwrap_or_default()).chain([others.join("; ")]).collect()
}
