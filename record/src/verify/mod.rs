//! `halod verify`: whether a chain file is intact, with the reference's verdict.
//!
//! ```text
//! file ─ lines::Reader ─▶ chunks of whole lines ─▶ check (a worker per core) ─▶ link, in file order
//!                                                  └▶ canonical: in one pass    └▶ ids: sorted runs
//! ```
//!
//! A record's hash needs only the previous hash that the record itself declares, so workers hash
//! in parallel and linking is two comparisons a record. Memory does not grow with the file: a
//! chunk per worker, and the ids of the records in sorted runs that go to a temporary file.
//!
//! The verdict is integrity, not completeness: a chain whose last records were removed verifies.

mod canonical;
mod check;
mod ids;
mod issue;
mod link;
mod spill;
#[cfg(test)]
mod tests;

pub use issue::{Gravity, Issue, Rule};
pub use link::{Report, Verdict};

use crate::lines::{self, Chunk, ReadError, Reader};
use crate::ordered::{in_order, workers};
use ids::Repeats;
use link::Linker;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file of at most so many bytes is read by one thread.
const SHORT: u64 = 256 << 10;

/// Told of what is found, while it is found.
pub trait Observer: Send {
    /// Issues of one line come together and lines in order, except that repeated ids and unknown
    /// parents come at the end.
    fn issue(&mut self, issue: &Issue);

    /// The hash of the next record, as long as the chain of hashes is unbroken.
    fn record(&mut self, _hash: &[u8; 32]) {}

    /// So many further bytes have been looked at.
    fn progress(&mut self, _bytes: u64) {}
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("line {line} of {} is longer than {} MiB: it is not a record", path.display(), lines::MAX_LINE >> 20)]
    LineTooLong { path: PathBuf, line: u64 },
    #[error("cannot keep record ids in a temporary file in {}: {source}; point TMPDIR to a directory with room", dir.display())]
    Temporary { dir: PathBuf, source: io::Error },
    /// What the caller does beside.
    #[error(transparent)]
    Beside(io::Error),
}

impl VerifyError {
    /// A file that can't be read further.
    #[must_use]
    pub fn of_reading(path: &Path, error: ReadError) -> Self {
        let path = path.to_owned();
        match error {
            ReadError::Io(source) => Self::Read { path, source },
            ReadError::LineTooLong { line } => Self::LineTooLong { path, line },
        }
    }
}

/// Verifies the chain in `path`, reading it once (and a second time if ids must be named).
///
/// # Errors
/// The file cannot be read, or ids cannot be kept in a temporary file.
pub fn verify(path: &Path, observer: &mut dyn Observer) -> Result<Report, VerifyError> {
    verify_beside(path, observer, |_| (), |_, ()| Ok(()))
}

/// As [`verify`], with something done beside: `look` is shown every chunk, by several threads, and `take` is given what that
/// comes to, in order.
///
/// # Errors
/// As [`verify`], or `take` fails.
pub fn verify_beside<R: Send>(
    path: &Path,
    observer: &mut dyn Observer,
    look: impl Fn(&Chunk) -> R + Sync,
    mut take: impl FnMut(&Chunk, R) -> io::Result<()> + Send,
) -> Result<Report, VerifyError> {
    let read_error = |source| VerifyError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let meta = file.metadata().map_err(read_error)?;
    if meta.is_dir() {
        return Err(read_error(io::ErrorKind::IsADirectory.into()));
    }
    // What one thread has read before another one is there.
    let threads = if meta.is_file() && meta.len() <= SHORT { 1 } else { workers() };
    let mut reader = Reader::new(file);
    let mut linker = Linker::new(observer);
    in_order(
        threads,
        Chunk::size,
        |spare: Option<Chunk>| {
            reader
                .next_chunk(spare.map(Chunk::into_buffer).unwrap_or_default())
                .map_err(|error| VerifyError::of_reading(path, error))
        },
        || {
            let mut scratch = Vec::new();
            let look = &look;
            move |chunk: &Chunk| (check::chunk(chunk, &mut scratch), look(chunk))
        },
        |chunk, (checked, looked)| {
            linker.link(checked, chunk.size()).map_err(temporary)?;
            take(chunk, looked).map_err(VerifyError::Beside)?;
            Ok(true)
        },
    )?;
    finish(path, linker)
}

fn temporary(source: io::Error) -> VerifyError {
    VerifyError::Temporary { dir: std::env::temp_dir(), source }
}

/// Looks for repeated ids and unknown parents, and names them.
fn finish(path: &Path, mut linker: Linker<'_>) -> Result<Report, VerifyError> {
    let found = linker.take_ids().resolve().map_err(temporary)?;
    let lines: BTreeSet<u64> = found.repeats.lines().chain(found.orphans.lines()).collect();
    let named = if lines.is_empty() { Vec::new() } else { name_ids(path, &lines) };
    let name = |line: u64, parent: bool| {
        named
            .iter()
            .find(|ids| ids.line == line)
            .and_then(|ids| if parent { ids.parent.clone() } else { ids.id.clone() })
    };
    report_repeats(&mut linker, &found.repeats, |line| name(line, false));
    for (line, _) in found.orphans.first() {
        let parent = name(line, true).unwrap_or_else(|| "parent_id".to_owned());
        linker.tell(Issue::new(
            line,
            Rule::Parent,
            format!("parent_id {parent} is not the id of an earlier record"),
        ));
    }
    Ok(linker.report(found.orphans.count()))
}

fn report_repeats(linker: &mut Linker<'_>, repeats: &Repeats, name: impl Fn(u64) -> Option<String>) {
    for (line, first) in repeats.first() {
        let id = name(line).map_or_else(String::new, |id| format!(" {id}"));
        let text = format!("record_id{id} was already used in line {first}");
        linker.tell(
            Issue::new(line, Rule::RepeatedId, text)
                .expecting("an id of its own", format!("the id of line {first}")),
        );
    }
    linker.tell_uncounted(Rule::RepeatedId, repeats.count() - repeats.first().count() as u64);
}

struct NamedIds {
    line: u64,
    id: Option<String>,
    parent: Option<String>,
}

/// Reads the ids of some lines again. Where that fails (a pipe), they stay without names.
fn name_ids(path: &Path, lines: &BTreeSet<u64>) -> Vec<NamedIds> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let mut reader = Reader::new(file);
    let mut named = Vec::new();
    let (mut buffer, mut wanted) = (Vec::new(), lines.iter().copied().peekable());
    while let Some(&next) = wanted.peek() {
        let Ok(Some(chunk)) = reader.next_chunk(buffer) else { break };
        if next < chunk.first_line + chunk.lines {
            for (line, bytes) in chunk.iter().filter(|(line, _)| lines.contains(line)) {
                let (id, parent) = check::shown_ids(bytes);
                named.push(NamedIds { line, id, parent });
            }
            while wanted.next_if(|&line| line < chunk.first_line + chunk.lines).is_some() {}
        }
        buffer = chunk.into_buffer();
    }
    named
}
