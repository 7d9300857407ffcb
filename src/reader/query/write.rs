//! The answer, written as it is found.

use super::count::{Counts, Tally};
use super::look::{Hit, Looker};
use super::table::Table;
use super::{Chunk, Column, Form, Query, Shape, scan};
use crate::reader::cell::row;
use crate::reader::subjects::Chain;
use halod_record::canon::write_str;
use halod_record::ids::RecordId;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};

/// Members of `data` that have a column of their own; the others are in the last one together.
const KEYS: usize = 256;
/// A longer name of a member has no column.
const NAME: usize = 128;

/// The name of the last column.
const OTHERS: &str = "data";

/// Writes an answer of one shape.
pub(super) struct Writer<'q> {
    shape: &'q Shape,
    keys: Option<&'q BTreeSet<String>>,
    limit: u64,
    shown: u64,
    table: Option<Table>,
    counts: Counts,
    buffer: Vec<u8>,
}

impl<'q> Writer<'q> {
    pub(super) fn new(shape: &'q Shape, keys: Option<&'q BTreeSet<String>>, limit: Option<u64>) -> Self {
        let names = |columns: &[Column]| columns.iter().map(|column| column.name().to_owned()).collect();
        let table = match shape {
            Shape::Table { columns, room } => Some(Table::new(names(columns), *room)),
            _ => None,
        };
        let limit = limit.unwrap_or(u64::MAX);
        Self { shape, keys, limit, shown: 0, table, counts: Counts::default(), buffer: Vec::new() }
    }

    /// Records that were shown.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    /// Writes what stands above the answer.
    pub(super) fn begin(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        if let (Shape::Csv { columns }, Some(keys)) = (self.shape, self.keys) {
            let members: Vec<String> = keys.iter().map(|key| format!("data.{key}")).collect();
            let head =
                columns.iter().map(Column::name).chain(members.iter().map(String::as_str)).chain([OTHERS]);
            row(head, &mut self.buffer);
        }
        self.pass(out)
    }

    /// A chain begins, of which later accounts say that these failed.
    pub(super) fn begin_chain(&mut self, failed: HashSet<RecordId>) {
        self.counts.begin(failed);
    }

    pub(super) fn take(&mut self, hits: Vec<Hit>, out: &mut (dyn Write + Send)) -> io::Result<()> {
        for hit in hits {
            if let Hit::Counting(counting) = hit {
                self.counts.add(counting);
                continue;
            }
            if self.shown == self.limit {
                break;
            }
            self.shown += 1;
            match (hit, &mut self.table) {
                (Hit::Line(line), _) => self.buffer.extend_from_slice(&line),
                (Hit::Cells(cells), Some(table)) => table.push(cells, &mut self.buffer),
                (Hit::Cells(cells), None) => row(cells.iter().map(String::as_str), &mut self.buffer),
                (Hit::Keys(_) | Hit::Counting(_), _) => {}
            }
        }
        self.pass(out)
    }

    /// Writes what waits for further rows.
    pub(super) fn flush(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        if let Some(table) = &mut self.table {
            table.flush(&mut self.buffer);
        }
        self.pass(out)?;
        out.flush()
    }

    pub(super) fn end(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        if let Shape::Count { by, form, room } = self.shape {
            let names: Vec<&str> = by.iter().map(|by| by.name()).collect();
            counted(&names, std::mem::take(&mut self.counts).rows(), (*form, *room), &mut self.buffer);
        }
        self.flush(out)
    }

    fn pass(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn counted(
    names: &[&str],
    rows: BTreeMap<Vec<String>, Tally>,
    (form, room): (Form, Option<usize>),
    out: &mut Vec<u8>,
) {
    const NUMBERS: [&str; 3] = ["calls", "failed", "records"];
    let numbers = |tally: &Tally| [tally.calls, tally.failed, tally.records];
    let head: Vec<String> = names.iter().chain(&NUMBERS).map(|&name| name.to_owned()).collect();
    match form {
        Form::Json => {
            for (group, tally) in &rows {
                let mut member = b'{';
                for (name, value) in names.iter().zip(group) {
                    out.push(member);
                    write_str(name, out);
                    out.push(b':');
                    write_str(value, out);
                    member = b',';
                }
                for (name, number) in NUMBERS.iter().zip(numbers(tally)) {
                    out.extend_from_slice(format!(",\"{name}\":{number}").as_bytes());
                }
                out.extend_from_slice(b"}\n");
            }
        }
        Form::Csv => {
            row(head.iter().map(String::as_str), out);
            for (group, tally) in &rows {
                let numbers = numbers(tally).map(|number| number.to_string());
                row(group.iter().chain(&numbers).map(String::as_str), out);
            }
        }
        Form::Table => {
            let mut table = Table::new(head, room);
            for (group, tally) in rows {
                table.push(
                    group.into_iter().chain(numbers(&tally).map(|number| number.to_string())).collect(),
                    out,
                );
            }
            table.flush(out);
        }
    }
}

/// The keys of `data` that the matched records have, as far as they have columns. What can't be read is told when it is read again.
pub(super) fn keys(query: &Query, chains: &[Chain]) -> BTreeSet<String> {
    let looker = Looker::new(&query.filter, &query.shape, None);
    let mut keys = BTreeSet::new();
    for chain in chains {
        let take = |_: &Chunk, looked: super::Looked| {
            for hit in looked.hits {
                if let Hit::Keys(own) = hit {
                    for key in own {
                        if keys.len() < KEYS && key.len() <= NAME && !keys.contains(&key) {
                            keys.insert(key);
                        }
                    }
                }
            }
            Ok(())
        };
        if scan(&chain.path, |chunk| looker.look(chain, chunk), take).is_err() {
            continue;
        }
    }
    keys
}
