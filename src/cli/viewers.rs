//! `halod viewers`: who saw which report.

use super::output::{self, complain, line};
use crate::reader::access::views::{self, View, Views};
use std::path::PathBuf;
use std::process::ExitCode;

/// List who saw which report, and in which state it was
///
/// The list is `.halo_leads.jsonl` in the directory, as `halo serve` keeps it. Exit code: 0, 1 if lines of it can't be read, 2 if
/// all of it can't.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the chains
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// As JSON, a line each, with the number of records that was shown, the last one's hash and the signed checkpoint
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let print = |view: &View| {
            if self.json {
                return line(serde_json::to_string(view).unwrap_or_default());
            }
            let shown =
                view.shown.as_ref().map(|shown| format!("  {} records", shown.count)).unwrap_or_default();
            line(format_args!(
                "{}  {:<28}  {}{shown}",
                plain(&view.ts),
                plain(&view.email),
                plain(&view.chain)
            ))
        };
        let Views { seen, bad, first_bad } = match views::read(&self.directory, print) {
            Ok(views) => views,
            Err(error) => {
                complain(error);
                return output::USAGE.into();
            }
        };
        if let Some(number) = first_bad {
            complain(format_args!(
                "{}: {bad} lines can't be read, the first is line {number}; take them out, or leave them: they count for nothing",
                self.directory.join(views::NAME).display()
            ));
        }
        let end = if self.json { Ok(()) } else { line(format_args!("{seen} report view(s).")) };
        output::finish(end.map(|()| if bad == 0 { output::OK } else { output::FAILED }))
    }
}

/// A text of the file as a terminal may be given it.
fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}
