//! `halod verify`: whether a chain file is intact, with the reference's verdict.
//!
//! ```text
//! file ─ lines::Reader ─▶ chunks of whole lines ─▶ check (a worker per core) ─▶ link, in file order
//!                                                                              └▶ ids: sorted runs
//! ```
//!
//! A record's hash needs only the previous hash that the record itself declares, so workers hash
//! in parallel and linking is two comparisons a record. Memory does not grow with the file: a
//! chunk per worker, and the ids of the records in sorted runs that go to a temporary file.
//!
//! The verdict is integrity, not completeness: a chain whose last records were removed verifies.

mod check;
mod ids;
mod issue;
mod lines;
mod link;
mod prefix;
mod spill;
#[cfg(test)]
mod tests;

pub use issue::{Gravity, Issue, Rule};
pub use link::{Report, Verdict};
pub use prefix::{Prefix, PrefixError};

use ids::Repeats;
use lines::Reader;
use link::Linker;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

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
}

/// Verifies the chain in `path`, reading it once (and a second time if ids must be named).
///
/// # Errors
/// The file cannot be read, or ids cannot be kept in a temporary file.
pub fn verify(path: &Path, observer: &mut dyn Observer) -> Result<Report, VerifyError> {
    let read_error = |source| VerifyError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    if file.metadata().map_err(read_error)?.is_dir() {
        return Err(read_error(io::ErrorKind::IsADirectory.into()));
    }
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let shared = Shared {
        reader: Mutex::new(Reader::new(file)),
        turn: Mutex::new(Turn { next: 0, linker: Linker::new(observer), stop: None }),
        passed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let turn = shared.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
    match turn.stop {
        // The scope has passed a panic on already.
        None | Some(Stop::Panicked) => {}
        Some(Stop::Read(lines::ReadError::Io(source))) => return Err(read_error(source)),
        Some(Stop::Read(lines::ReadError::LineTooLong { line })) => {
            return Err(VerifyError::LineTooLong { path: path.to_owned(), line });
        }
        Some(Stop::Ids(source)) => return Err(temporary(source)),
    }
    finish(path, turn.linker)
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

/// What the workers share. Each takes a chunk, checks it, waits for its turn, links it.
struct Shared<'o> {
    reader: Mutex<Reader<File>>,
    turn: Mutex<Turn<'o>>,
    /// Signalled when `turn.next` or `turn.stop` changes.
    passed: Condvar,
}

struct Turn<'o> {
    /// The number of the chunk to link next.
    next: u64,
    linker: Linker<'o>,
    stop: Option<Stop>,
}

enum Stop {
    Read(lines::ReadError),
    Ids(io::Error),
    /// A worker panicked: its chunk will not come, and nobody must wait for it.
    Panicked,
}

/// Lets the other workers go when this one unwinds.
struct Unwinding<'s, 'o>(&'s Shared<'o>);

impl Drop for Unwinding<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop(Stop::Panicked);
        }
    }
}

impl Shared<'_> {
    fn work(&self) {
        let _guard = Unwinding(self);
        let mut buffer = Vec::new();
        let mut scratch = Vec::new();
        loop {
            let chunk = match lock(&self.reader).next_chunk(buffer) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return,
                Err(error) => return self.stop(Stop::Read(error)),
            };
            let checked = check::chunk(&chunk, &mut scratch);
            let mut turn = lock(&self.turn);
            while turn.next != chunk.number && turn.stop.is_none() {
                turn = self.passed.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if turn.stop.is_some() {
                return;
            }
            if let Err(error) = turn.linker.link(checked, chunk.len()) {
                drop(turn);
                return self.stop(Stop::Ids(error));
            }
            turn.next += 1;
            drop(turn);
            self.passed.notify_all();
            buffer = chunk.into_buffer();
        }
    }

    fn stop(&self, why: Stop) {
        lock(&self.turn).stop.get_or_insert(why);
        self.passed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
