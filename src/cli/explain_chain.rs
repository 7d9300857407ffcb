//! What a chain says of each action: which records tell of it, why they are one, and how it ended.

use super::explain::totals;
use super::output::line;
use halod_record::fold::{Account, Action, Actions, Tie};
use halod_record::parse::scan_line;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of one line; what is longer is no record.
const MAX_LINE: u64 = 16 << 20;

/// Whether a file is a chain: its first line is a record.
pub(super) fn is_one(file: &Path) -> bool {
    let Ok(file) = File::open(file) else { return false };
    let mut first = Vec::new();
    let read = BufReader::new(file.take(MAX_LINE)).read_until(b'\n', &mut first);
    read.is_ok() && scan_line(&first).is_some_and(|facts| facts.record_id.is_some())
}

/// Prints each action that more than one record tells of, and how many calls there are.
pub(super) fn show(file: &Path) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(file)?);
    let (mut actions, mut text) = (Actions::default(), Vec::new());
    loop {
        text.clear();
        if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        actions.push(&text);
    }
    let alone = |action: &&Action| action.accounts.is_empty() && action.remarks.is_empty();
    let told_again = actions.actions().iter().filter(|action| !alone(action));
    told_again.into_iter().try_for_each(shown)?;
    totals(&actions)
}

fn shown(action: &Action) -> io::Result<()> {
    line(format_args!("{}  {}  {}", action.id, action.tool, action.end.word()))?;
    let sources = action.sources();
    if sources.len() > 1 {
        line(format_args!("  confirmed by {} sources: {}", sources.len(), sources.join(", ")))?;
    }
    for Account { id, tool, end, joined_by, contradicts, .. } in &action.accounts {
        let why = joined_by.as_deref().map_or(String::new(), |by| format!("  joined by {by}"));
        let contradicts = if *contradicts { "  contradicts the outcome" } else { "" };
        line(format_args!("  {id}  {tool}  {}{why}{contradicts}", end.word()))?;
    }
    for (id, tie) in &action.remarks {
        let what = if *tie == Tie::Score { "a score on it" } else { "its content" };
        line(format_args!("  {id}  {what}"))?;
    }
    Ok(())
}
