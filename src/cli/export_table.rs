//! `halod export` without `--bundle`: a chain's records as a table.

use super::output::{self, complain, line};
use crate::reader::export::{ExportError, Request, export};
use crate::reader::window::Window;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which records the table has.
#[derive(Debug, clap::Args)]
pub(super) struct Table {
    /// Only records from this time on (YYYY-MM-DD, or RFC 3339), by when they were sealed
    #[arg(long, value_name = "TIME", conflicts_with = "bundle")]
    from: Option<String>,
    /// Only records up to this time, all of the day if it is a date
    #[arg(long, value_name = "TIME", conflicts_with = "bundle")]
    to: Option<String>,
    /// Only actions with this tool; several times, or with commas, for several
    #[arg(long, value_name = "TOOL", conflicts_with = "bundle")]
    tool: Vec<String>,
    /// Where the manifest goes, if not beside the table as FILE.manifest.json
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    manifest: Option<PathBuf>,
    /// The customer that you expect; the chain of anybody else is refused
    #[arg(long, value_name = "ID", conflicts_with = "bundle")]
    expect_subject: Option<String>,
    /// Add halod's own columns: source_via, outcome_hash, trace_id, and all that stands under data
    #[arg(long, conflicts_with = "bundle")]
    all: bool,
}

impl Table {
    pub(super) fn run(self, chain: PathBuf, output: PathBuf) -> ExitCode {
        let window = match Window::parse(self.from.as_deref(), self.to.as_deref()) {
            Ok(window) => window,
            Err(error) => {
                complain(error);
                return output::USAGE.into();
            }
        };
        let Self { tool: tools, manifest, expect_subject: expected_subject, all, .. } = self;
        let shown = output.display().to_string();
        match export(&Request { chain, output, manifest, window, tools, expected_subject, all }) {
            Ok(done) => {
                let manifest = done.manifest.display();
                let said = line(format_args!(
                    "{} of {} records in {shown}, manifest {manifest}, head {}",
                    done.records, done.of, done.head
                ));
                if done.invisible > 0 {
                    complain(format_args!(
                        "{} names have characters that show nothing; {manifest} has them under invisible_identifiers",
                        done.invisible
                    ));
                }
                output::finish(said.map(|()| output::OK))
            }
            Err(error) => {
                complain(&error);
                match error {
                    ExportError::Empty(_) => output::EMPTY.into(),
                    ExportError::Broken { .. } | ExportError::Subject { .. } | ExportError::Changed(_) => {
                        output::FAILED.into()
                    }
                    _ => output::USAGE.into(),
                }
            }
        }
    }
}
