//! `halod chains`: which chains a directory has.

use super::output::{EMPTY, FAILED, OK, USAGE, complain, finish, line};
use super::run;
use halod_chain::inventory::{self, ChainFile, Contents};
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// List the chains on disk: whose each is, how much it holds, and its head
///
/// Reads the files, whether a daemon runs or not; hashes and links are `halod verify`'s. A file's name is its tenant's id
/// where that can be one, else made of a digest of it: the list says which tenant's it is. Exit code: 0; 1 if a file can't be
/// read, 2 wrong usage or a directory that can't be read, 3 no chains.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Directory of the chains, instead of --dir
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Print one JSON object for each chain, one a line
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let directory = match self.directory.clone().map_or_else(|| self.settings.directory(), Ok) {
            Ok(directory) => directory,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        let files = match inventory::files(&directory) {
            Ok(files) => files,
            Err(error) => {
                complain(format_args!("{}: can't be read: {error}", directory.display()));
                return USAGE.into();
            }
        };
        if files.is_empty() {
            complain(format_args!("{}: no chains", directory.display()));
            return EMPTY.into();
        }
        finish(self.show(&files))
    }

    fn show(&self, files: &[ChainFile]) -> io::Result<u8> {
        let (mut code, mut records, mut bytes) = (OK, 0, 0);
        let widest = files.iter().map(|file| file.stem.chars().count()).max().unwrap_or(0) + 6;
        for file in files {
            match inventory::read(&file.path) {
                Ok(contents) => {
                    (records, bytes) = (records + contents.records, bytes + file.bytes);
                    if self.json {
                        line(object(file, &contents))?;
                    } else {
                        line(row(file, &contents, widest))?;
                    }
                }
                Err(error) => {
                    complain(format_args!("{}: can't be read: {error}", file.path.display()));
                    code = FAILED;
                }
            }
        }
        if !self.json && files.len() > 1 {
            line(format_args!("total: {} chains, {records} records, {bytes} bytes", files.len()))?;
        }
        Ok(code)
    }
}

/// The tenant's id as its sender names it.
fn tenant(contents: &Contents) -> Option<&str> {
    contents.tenant.as_ref().map(|tenant| tenant.subject().unwrap_or("_local"))
}

fn object(file: &ChainFile, contents: &Contents) -> serde_json::Value {
    let Contents { records, torn, first, last, head, .. } = contents;
    json!({
        "file": file.path.to_string_lossy(),
        "tenant": tenant(contents),
        "records": records,
        "torn": torn,
        "bytes": file.bytes,
        "first": first,
        "last": last,
        "head": head,
    })
}

fn row(file: &ChainFile, contents: &Contents, widest: usize) -> String {
    let Contents { records, torn, first, last, head, .. } = contents;
    let name = format!("{}.jsonl", file.stem);
    // An id is a sender's text.
    let tenant = tenant(contents).map_or_else(|| "nobody's".to_owned(), |id| id.escape_debug().to_string());
    let day = |at: &Option<String>| at.as_deref().and_then(|at| at.get(..19)).unwrap_or("-").to_owned();
    let head = head.as_deref().and_then(|head| head.get(..16)).unwrap_or("-");
    let torn = if *torn > 0 { format!("  lines that are no records: {torn}") } else { String::new() };
    format!(
        "{name:widest$}  {tenant}  {records} records  {} bytes  {} to {}  head {head}{torn}",
        file.bytes,
        day(first),
        day(last)
    )
}
