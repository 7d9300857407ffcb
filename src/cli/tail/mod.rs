//! `halod tail --check`: what becomes of a log's lines, before anything is followed.

mod check;
mod lines;

use super::output::{self, complain, line};
use check::{Check, Shown};
use halo_adapters::gateway::{Format, Rules, Spec};
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what becomes of the lines of a gateway's access log
///
/// Tells the format, shows for ten lines what record each would become or why it becomes none, and counts
/// what would be filtered and rejected in the whole file. It uses the daemon's own reading. Nothing is
/// sealed. Exit code: 0; 1 if a line is rejected; 2 if the file can't be read or its format is not known; 3
/// if no line becomes a record.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The log, plain or gzip
    #[arg(long, value_name = "PATH")]
    check: PathBuf,
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

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let rules = if self.all { Rules::all() } else { Rules::default() };
        let checked = Check::file(&self.check, self.format.map(Spec::from), &rules);
        let check = match checked {
            Ok(check) => check,
            Err(why) => {
                complain(format_args!("{}: {why}", self.check.display()));
                return ExitCode::from(output::USAGE);
            }
        };
        let code = match () {
            () if check.rejected > 0 => output::FAILED,
            () if check.records == 0 => output::EMPTY,
            () => output::OK,
        };
        let written = if self.json { line(self.object(&check)) } else { self.table(&check) };
        output::finish(written.map(|()| code))
    }

    fn table(&self, check: &Check) -> io::Result<()> {
        let told = if self.format.is_some() { "as asked for" } else { "by its lines" };
        line(format_args!("{}: format {} ({told})\n", self.check.display(), check.format))?;
        let head = ["line", "status", "outcome", "action", "model", "principal", "path"].map(str::to_owned);
        let rows: Vec<(u64, Result<[String; 6], String>)> =
            check.shown().into_iter().map(|shown| (shown.line, cells(shown))).collect();
        let mut widths = head.clone().map(|name| name.len());
        for (number, cells) in &rows {
            widths[0] = widths[0].max(number.to_string().len());
            for (width, cell) in widths.iter_mut().skip(1).zip(cells.iter().flatten()) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let print = |cells: &[String]| {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(widths) {
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
        if check.cut > 0 {
            line(format_args!(
                "  {} lines are longer than {} bytes and were cut",
                check.cut,
                lines::MAX_LINE
            ))?;
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
        json!({
            "file": self.check.display().to_string(),
            "format": check.format.name(),
            "lines": check.lines,
            "records": check.records,
            "filtered": check.filtered,
            "rejected": check.rejected,
            "no_requests": check.preamble,
            "cut": check.cut,
            "filtered_requests": counts(&check.requests),
            "rejected_because": counts(&check.reasons),
            "shown": shown,
        })
    }
}

/// The columns of a record after its line's number.
fn cells(shown: &Shown) -> Result<[String; 6], String> {
    let record = shown.became.as_ref().map_err(String::clone)?;
    let text = |pointer: &str| match record.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    Ok([
        text("/data/http_status"),
        text("/outcome/status"),
        text("/action/tool"),
        text("/agent/model"),
        text("/principal/human_id"),
        text("/data/path"),
    ])
}

/// The ten that came most often.
fn most(counts: &std::collections::HashMap<String, u64>) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = counts.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    all.truncate(10);
    all
}
