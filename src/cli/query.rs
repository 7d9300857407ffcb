//! `halod query`: which records chains have, as a table, as lines or counted.

use super::output::{self, complain};
use crate::reader::print::visible;
use crate::reader::query::{
    BadColumn, BadFilter, By, CSV, Column, Field, Filter, Form, Outcome, Query, Shape, TABLE, follow, run,
};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Find records: by when it happened, by tool, model, status, text; as a table, as lines or counted
///
/// A record is found when it fits every option that is given; an option that is given several times is fit by one of its values,
/// and `*` in a value stands for any text (not in --text). Spans of time are FROM..TO, either end open, or one day, minute or
/// second: both ends are included. A time without a zone is in UTC. Exit code: 0 records were found, 1 with --verify a chain is broken, 2
/// wrong usage or unreadable, 3 no record was found. docs/query.md tells all.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directories of chains, or chain files
    #[arg(required = true, value_name = "DIR|CHAIN")]
    paths: Vec<PathBuf>,
    /// When the action began by its sender, such as 2026-10-05 or 2026-10-05T10:30..2026-10-06
    #[arg(long, value_name = "FROM..TO")]
    happened: Option<String>,
    /// When the record was sealed
    #[arg(long, value_name = "FROM..TO")]
    sealed: Option<String>,
    /// The tenant; _local for the records of none
    #[arg(long, value_name = "ID")]
    tenant: Vec<String>,
    /// The session
    #[arg(long, value_name = "ID")]
    session: Vec<String>,
    /// The agent, by id or name
    #[arg(long, value_name = "NAME")]
    agent: Vec<String>,
    /// The person, creator or service account behind it
    #[arg(long, value_name = "ID")]
    principal: Vec<String>,
    /// The tool (action.tool), such as model.generate or lookup_*
    #[arg(long, value_name = "NAME")]
    tool: Vec<String>,
    /// The model
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// How it ended by the record: ok, error, denied, unknown or unfinished
    #[arg(long, value_name = "WORD")]
    status: Vec<String>,
    /// The severity: CRITICAL, HIGH, MEDIUM, LOW or INFO
    #[arg(long, value_name = "WORD")]
    severity: Vec<String>,
    /// The type of a finding, such as email
    #[arg(long, value_name = "TYPE")]
    finding: Vec<String>,
    /// The trace (data.trace_id)
    #[arg(long, value_name = "ID")]
    trace: Vec<String>,
    /// A text that stands in what the record keeps, which is masked; in the same case
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,

    /// Print records as they lie in their chains, one JSON object a line, with chain, tenant and line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, with a column for each member of `data`
    #[arg(long)]
    csv: bool,
    /// The columns, such as happened,tool,data.input_tokens
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with_all = ["json", "count"])]
    columns: Vec<String>,
    /// Count calls and records by columns, hour, day, month or finding, such as tool,day; each call counts once
    #[arg(long, value_name = "NAMES")]
    count: Option<String>,
    /// Show so many records at most, the first ones
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "count")]
    limit: Option<u64>,
    /// Verify the chains while they are read
    #[arg(long, conflicts_with = "follow")]
    verify: bool,
    /// Show records as they are sealed; with a span of time also those that are there
    #[arg(long, conflicts_with_all = ["count", "csv"])]
    follow: bool,
}

/// Why the question is none.
#[derive(Debug, thiserror::Error)]
enum Usage {
    #[error(transparent)]
    Filter(#[from] BadFilter),
    #[error(transparent)]
    Column(#[from] BadColumn),
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let is_table = !self.json && !self.csv;
        let (follows, query) = (self.follow, self.query());
        let query = match query {
            Ok(query) => query,
            Err(why) => {
                complain(why);
                return output::USAGE.into();
            }
        };
        // Standard output's own lock can't be handed to the thread whose turn it is.
        let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
        if follows {
            let followed = follow(&query, &mut out, &mut |text| complain(visible(text)), &|| true);
            return output::finish(followed.map(|()| output::OK));
        }
        output::finish(run(&query, &mut out).and_then(|outcome| told(&outcome, is_table)))
    }

    fn query(self) -> Result<Query, Usage> {
        let mut filter = Filter::default();
        self.happened.map_or(Ok(()), |text| filter.happened(&text))?;
        self.sealed.map_or(Ok(()), |text| filter.sealed(&text))?;
        for (field, wanted) in [
            (Field::Tenant, self.tenant),
            (Field::Session, self.session),
            (Field::Agent, self.agent),
            (Field::Principal, self.principal),
            (Field::Tool, self.tool),
            (Field::Model, self.model),
            (Field::Status, self.status),
            (Field::Severity, self.severity),
            (Field::Finding, self.finding),
            (Field::Trace, self.trace),
            (Field::Text, self.text),
        ] {
            filter.field(field, wanted)?;
        }
        let asked: Vec<&str> = self.columns.iter().map(|name| name.trim()).collect();
        let columns = |usual: &[&str]| Column::all(if asked.is_empty() { usual } else { &asked });
        let form = match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        };
        let shape = match (self.count, form) {
            (Some(by), form) => Shape::Count { by: By::parse(&by)?, form, room: room() },
            (None, Form::Json) => Shape::Json,
            (None, Form::Csv) => Shape::Csv { columns: columns(&CSV)? },
            (None, Form::Table) => Shape::Table { columns: columns(&TABLE)?, room: room() },
        };
        Ok(Query { paths: self.paths, filter, shape, limit: self.limit, verify: self.verify })
    }
}

/// Cells of a line: the terminal's; what is piped is as wide as it is.
fn room() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
    size.filter(|columns| *columns > 0)
}

/// Says what a reader has to know of the answer: below a table, and beside data.
fn told(outcome: &Outcome, is_table: bool) -> io::Result<u8> {
    let mut out: Box<dyn Write> = if is_table { Box::new(io::stdout()) } else { Box::new(io::stderr()) };
    if is_table && outcome.matched > 0 {
        writeln!(out)?;
    }
    for note in &outcome.notes {
        writeln!(out, "{}", visible(note))?;
    }
    outcome.unreadable.iter().for_each(|why| complain(visible(why)));
    Ok(match outcome {
        Outcome { broken: true, .. } => output::FAILED,
        Outcome { unreadable, .. } if !unreadable.is_empty() => output::USAGE,
        Outcome { matched: 0, .. } => output::EMPTY,
        _ => output::OK,
    })
}
