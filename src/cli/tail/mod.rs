//! `halod tail --check`: what becomes of a log's lines, before anything is followed.

mod check;
mod open;
mod plan;

use super::output::{self, complain, line};
use crate::receivers::tail::settings::{FormatOf, TenantOf};
use check::{Check, Shown};
use halo_adapters::gateway::Format;
use plan::Plan;
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what becomes of the lines of a gateway's access log
///
/// Tells the format, shows for ten lines what record each would become or why it becomes none, and counts
/// what would be filtered and rejected in the whole file, and in which of them a time, a duration or a status is not understood. It uses the daemon's own reading; with --config,
/// that of the receiver which follows the file, and the tenant of each line is shown if the receiver has a
/// rule for it. Nothing is sealed. Exit code: 0; 1 if a line is rejected, such a value is not understood or the file breaks off; 2 if the file or the configuration
/// can't be read, the format is not known, or not one receiver alone follows the file; 3 if no line becomes
/// a record.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The log, plain or packed with gzip, zstd or bzip2
    #[arg(long, value_name = "PATH")]
    check: PathBuf,
    /// Read it as the daemon with this configuration would
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["format", "all"])]
    config: Option<PathBuf>,
    /// Of the configuration, take this receiver, as in file_log/nginx, instead of the one that follows it
    #[arg(long, value_name = "NAME", requires = "config")]
    receiver: Option<String>,
    /// Read it as this format, instead of what its first lines tell
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,
    /// Take every request, not only those to known model APIs and MCP endpoints
    #[arg(long)]
    all: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

fn format(name: &str) -> Result<Format, String> {
    // An expression and a map are the configuration's.
    let named = Format::ALL.into_iter().filter(|format| *format != Format::Regex);
    let names: Vec<&str> = named.clone().map(Format::name).collect();
    named.into_iter().find(|format| format.name() == name).ok_or(format!("one of {}", names.join(", ")))
}

/// What is shown beside the check itself.
struct View {
    file: String,
    receiver: Option<String>,
    told: &'static str,
    /// The table has a column for the tenant, which the configuration or the path names.
    tenants: bool,
    max_line: usize,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let refuse = |what: String| {
            complain(what);
            ExitCode::from(output::USAGE)
        };
        let plan = match &self.config {
            None => Ok(Plan::asked(&self.check, self.format, self.all)),
            Some(config) => Plan::configured(config, &self.check, self.receiver.as_deref()),
        };
        let plan = match plan {
            Ok(plan) => plan,
            Err(why) => return refuse(why),
        };
        let view = View::new(self.check.display().to_string(), &plan);
        let check = match Check::file(&self.check, plan) {
            Ok(check) => check,
            Err(why) => return refuse(format!("{}: {why}", view.file)),
        };
        let code = match () {
            () if check.counts.rejected > 0 || check.broken.is_some() => output::FAILED,
            () if !check.counts.unread.is_empty() => output::FAILED,
            () if check.counts.records == 0 => output::EMPTY,
            () => output::OK,
        };
        let written = if self.json { line(view.object(&check)) } else { view.table(&check) };
        output::finish(written.map(|()| code))
    }
}

impl View {
    fn new(file: String, plan: &Plan) -> Self {
        let auto = plan.settings.format == FormatOf::Auto;
        Self {
            file,
            receiver: plan.configured.then(|| plan.settings.name.clone()),
            told: match (auto, plan.configured) {
                (true, _) => "by its lines",
                (false, false) => "as asked for",
                (false, true) => "as configured",
            },
            tenants: plan.settings.tenant != TenantOf::Line,
            max_line: plan.settings.max_line,
        }
    }

    fn table(&self, check: &Check) -> io::Result<()> {
        let by = self.receiver.iter().map(|name| format!("receiver {name}, ")).collect::<String>();
        line(format_args!("{}: {by}format {} ({})\n", self.file, check.format, self.told))?;
        let columns: Vec<_> =
            COLUMNS.into_iter().filter(|(name, ..)| self.tenants || *name != "tenant").collect();
        let head: Vec<String> =
            ["line"].into_iter().chain(columns.iter().map(|(name, ..)| *name)).map(str::to_owned).collect();
        let rows: Vec<(u64, Result<Vec<String>, String>)> =
            check.shown().into_iter().map(|shown| (shown.line, cells(shown, &columns))).collect();
        let mut widths: Vec<usize> = head.iter().map(String::len).collect();
        for (number, cells) in &rows {
            widths[0] = widths[0].max(number.to_string().len());
            for (width, cell) in widths.iter_mut().skip(1).zip(cells.iter().flatten()) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let print = |cells: &[String]| {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                let pad = width.saturating_sub(cell.chars().count());
                text.extend([cell, " ".repeat(pad + 2).as_str()]);
            }
            line(format_args!("  {}", text.trim_end()))
        };
        print(&head)?;
        for (number, cells) in rows {
            match cells {
                Ok(cells) => print(&[&[number.to_string()], cells.as_slice()].concat())?,
                Err(why) => print(&[number.to_string(), why])?,
            }
        }
        let broken = &check.broken;
        let check = &check.counts;
        line(format_args!(
            "\n{} lines: {} records, {} filtered, {} rejected, {} no requests",
            check.lines, check.records, check.filtered, check.rejected, check.preamble
        ))?;
        for (what, count) in most(&check.requests) {
            line(format_args!("  filtered {count:>6}  {what}"))?;
        }
        for (why, count) in most(&check.reasons) {
            line(format_args!("  rejected {count:>6}  {why}"))?;
        }
        for (what, count) in most(&check.unread) {
            line(format_args!(
                "  unread   {count:>6}  {what}: the record lacks it, as its value is not understood"
            ))?;
        }
        if check.cut > 0 {
            line(format_args!("  {} lines are longer than {} bytes and were cut", check.cut, self.max_line))?;
        }
        if let Some((after, why)) = broken {
            line(format_args!("  the file breaks off after byte {after}: {why}; the rest is lost"))?;
        }
        Ok(())
    }

    fn object(&self, check: &Check) -> Value {
        let shown: Vec<Value> = check
            .shown()
            .into_iter()
            .map(|Shown { line, offset, became }| {
                let mut object = json!({ "line": line, "offset": offset });
                let (key, value) = match became {
                    Ok(record) => ("record", record.clone()),
                    Err(why) => ("none", why.as_str().into()),
                };
                object[key] = value;
                object
            })
            .collect();
        let counts = |map| most(map).into_iter().map(|(what, count)| json!([what, count])).collect::<Value>();
        let format = check.format.name();
        let broken = check.broken.as_ref().map(|(after, why)| json!({ "after": after, "why": why }));
        let check = &check.counts;
        json!({
            "file": self.file,
            "receiver": self.receiver,
            "format": format,
            "lines": check.lines,
            "records": check.records,
            "filtered": check.filtered,
            "rejected": check.rejected,
            "no_requests": check.preamble,
            "cut": check.cut,
            "unread_fields": counts(&check.unread),
            "filtered_requests": counts(&check.requests),
            "rejected_because": counts(&check.reasons),
            "breaks_off": broken,
            "shown": shown,
        })
    }
}

/// A column after the line's number: its name, where in a record it stands, what stands for nothing.
type Column = (&'static str, &'static str, &'static str);

const COLUMNS: [Column; 7] = [
    ("tenant", "/subject/id", "local"),
    ("status", "/data/http_status", "-"),
    ("outcome", "/outcome/status", "-"),
    ("action", "/action/tool", "-"),
    ("model", "/agent/model", "-"),
    ("principal", "/principal/human_id", "-"),
    ("path", "/data/path", "-"),
];

fn cells(shown: &Shown, columns: &[Column]) -> Result<Vec<String>, String> {
    let record = shown.became.as_ref().map_err(String::clone)?;
    let cell = |(_, pointer, none): &Column| match record.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => (*none).to_owned(),
    };
    Ok(columns.iter().map(cell).collect())
}

/// The ten that came most often.
fn most(counts: &std::collections::HashMap<String, u64>) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = counts.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    all.truncate(10);
    all
}
