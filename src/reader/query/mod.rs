//! `halod query`: which records there are, as a table, as lines or counted.
//!
//! ```text
//! chains ─ lines::Reader ─▶ chunks ─▶ look (a thread per core): sieve ─ parse ─ filter ─ cells ─▶ in order: write, count
//!                                └▶ verify, if asked for, of the same bytes
//! ```
//!
//! Memory does not grow with the chains: some chunks for each core, the rows that widths are taken from, and what `count` bounds.

mod column;
mod count;
mod field;
mod filter;
mod follow;
mod look;
mod sieve;
mod signed;
mod table;
mod write;

pub use super::when::{BadWindow, Window};
pub use column::{BadColumn, CSV, Column, TABLE};
pub use count::By;
pub use field::Field;
pub use filter::{BadFilter, Filter};
pub use follow::follow;

use crate::reader::subjects::{Chain, chains};
use halod_record::hash::hex_text;
use halod_record::ids::RecordId;
use halod_record::lines::{Chunk, Reader};
use halod_record::ordered::{in_order, workers};
use halod_record::verify::{Issue, Observer, Verdict, VerifyError, verify_beside};
use look::{Looked, Looker};
use signed::Logs;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use write::Writer;

/// What is asked, and in what form the answer comes.
#[derive(Clone, Debug)]
pub struct Query {
    /// Chains, and directories of them.
    pub paths: Vec<PathBuf>,
    pub filter: Filter,
    pub shape: Shape,
    /// Records that are shown at most; all are counted.
    pub limit: Option<u64>,
    /// Whether the chains are verified while they are read.
    pub verify: bool,
}

/// The form of an answer.
#[derive(Clone, Debug)]
pub enum Shape {
    /// In lines of so many cells.
    Table { columns: Vec<Column>, room: Option<usize> },
    /// Records as they lie in their chains.
    Json,
    /// The columns, then all members of `data`.
    Csv { columns: Vec<Column> },
    /// How many there are.
    Count { by: Vec<By>, form: Form, room: Option<usize> },
}

/// In what form counts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Table,
    Json,
    Csv,
}

/// What came of it, beside the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub matched: u64,
    /// A chain does not verify.
    pub broken: bool,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
    /// Sentences about the answer.
    pub notes: Vec<String>,
}

/// Chains about which a sentence each is said.
const TOLD: usize = 10;

/// Answers.
///
/// # Errors
/// `out` fails.
pub fn run(query: &Query, out: &mut (dyn Write + Send)) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let chains = chosen(query, &mut outcome);
    let keys = match &query.shape {
        Shape::Csv { .. } => Some(write::keys(query, &chains)),
        _ => None,
    };
    let mut writer = Writer::new(&query.shape, keys.as_ref(), query.limit);
    let looker = Looker::new(&query.filter, &query.shape, keys.as_ref());
    writer.begin(out)?;
    let mut all = Sums::default();
    let (mut logs, mut told) = (Logs::default(), 0);
    for chain in &chains {
        if matches!(query.shape, Shape::Count { .. }) {
            writer.begin_chain(failed_accounts(chain));
        }
        let mut own = Sums::default();
        let take = |_: &Chunk, looked: Looked| {
            own.add(&looked);
            writer.take(looked.hits, out)
        };
        let verified = match read(query.verify, chain, &looker, take) {
            Ok(verified) => verified,
            Err(VerifyError::Beside(error)) => return Err(error),
            Err(error) => {
                outcome.unreadable.push(error.to_string());
                continue;
            }
        };
        outcome.broken |= verified.as_ref().is_some_and(|verified| verified.broken);
        let is_told = own.matched > 0 || verified.as_ref().is_some_and(|verified| verified.broken);
        if is_told && told < TOLD {
            let known = match &verified {
                Some(verified) => verified.text.clone(),
                None => format!("not verified now; {}", logs.told(chain, own.records)),
            };
            outcome.notes.push(format!("{}: {known}", chain.stem));
        }
        told += usize::from(is_told);
        all.merge(own);
    }
    writer.end(out)?;
    out.flush()?;
    outcome.matched = all.matched;
    all.tell(query, (chains.len(), told, writer.shown()), &mut outcome.notes);
    Ok(outcome)
}

/// The chains that may have what is asked for.
fn chosen(query: &Query, outcome: &mut Outcome) -> Vec<Chain> {
    let mut chosen: Vec<Chain> = Vec::new();
    for path in &query.paths {
        match chains(path) {
            Ok(found) => chosen.extend(found),
            Err(error) => outcome.unreadable.push(format!("cannot read {}: {error}", path.display())),
        }
    }
    chosen.retain(|chain| is_chosen(query, chain));
    chosen
}

/// Whether a chain is of a tenant who is asked for.
fn is_chosen(query: &Query, chain: &Chain) -> bool {
    let name = chain.tenant.as_ref().map(crate::reader::subjects::name);
    query.filter.of(Field::Tenant).all(|condition| name.is_some_and(|name| condition.is_met(name)))
}

/// What was found in chains.
#[derive(Default)]
struct Sums {
    records: u64,
    torn: u64,
    matched: u64,
    losses: BTreeMap<String, u64>,
}

impl Sums {
    fn add(&mut self, looked: &Looked) {
        self.records += looked.records;
        self.torn += looked.torn;
        self.matched += looked.matched;
        for (tool, count) in &looked.losses {
            *self.losses.entry(tool.clone()).or_default() += count;
        }
    }

    fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.torn += other.torn;
        self.matched += other.matched;
        for (tool, count) in other.losses {
            *self.losses.entry(tool).or_default() += count;
        }
    }

    /// What a reader has to know of the answer.
    fn tell(&self, query: &Query, (chains, told, shown): (usize, usize, u64), notes: &mut Vec<String>) {
        let Self { records, torn, matched, losses } = self;
        let of = if chains == 1 { String::new() } else { format!(" in {chains} chains") };
        let only = if shown < *matched && !matches!(query.shape, Shape::Count { .. }) {
            format!("; the first {shown} are shown")
        } else {
            String::new()
        };
        notes.insert(0, format!("{matched} of {records} records matched{of}{only}"));
        if *torn > 0 {
            notes.push(format!("{torn} lines are no complete records; `halod verify` tells which"));
        }
        let lost: u64 = losses.values().sum();
        if lost > 0 {
            let kinds: Vec<String> = losses.iter().map(|(tool, count)| format!("{tool} {count}")).collect();
            let what = if lost == 1 { "notice of a loss lies" } else { "notices of losses lie" };
            notes.push(format!("{lost} {what} in this window ({}): not everything came", kinds.join(", ")));
        }
        if told > TOLD {
            notes.push(format!("{} further chains have records that matched", told - TOLD));
        }
    }
}

/// What verifying a chain on the way came to.
struct Verified {
    broken: bool,
    text: String,
}

struct First(Option<Issue>);

impl Observer for First {
    fn issue(&mut self, issue: &Issue) {
        if issue.rule.gravity() == halod_record::verify::Gravity::Fault && self.0.is_none() {
            self.0 = Some(issue.clone());
        }
    }
}

/// Reads a chain, and verifies it if asked for.
fn read(
    verify: bool,
    chain: &Chain,
    looker: &Looker<'_>,
    mut take: impl FnMut(&Chunk, Looked) -> io::Result<()> + Send,
) -> Result<Option<Verified>, VerifyError> {
    if !verify {
        return scan(&chain.path, |chunk| looker.look(chain, chunk), take).map(|()| None);
    }
    let mut first = First(None);
    let report = verify_beside(&chain.path, &mut first, |chunk| looker.look(chain, chunk), &mut take)?;
    let text = match (report.verdict(), first.0) {
        (Verdict::Intact, _) => {
            format!(
                "verified now: {} records, up to head {}",
                report.records,
                hex_text(&report.head.unwrap_or_default())
            )
        }
        (Verdict::Empty, _) => "it has no records".to_owned(),
        (Verdict::Broken, Some(issue)) => format!("BROKEN: {issue}; `halod verify` tells all"),
        (Verdict::Broken, None) => "BROKEN: `halod verify` tells where".to_owned(),
    };
    Ok(Some(Verified { broken: report.verdict() == Verdict::Broken, text }))
}

/// Shows `look` a file chunk by chunk, by several threads, and gives what that comes to to `take`, in order.
fn scan<R: Send>(
    path: &Path,
    look: impl Fn(&Chunk) -> R + Sync,
    mut take: impl FnMut(&Chunk, R) -> io::Result<()> + Send,
) -> Result<(), VerifyError> {
    let unreadable = |source| VerifyError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    let threads = if meta.len() <= 256 << 10 { 1 } else { workers() };
    let mut reader = Reader::new(file);
    in_order(
        threads,
        Chunk::size,
        |spare: Option<Chunk>| {
            let buffer = spare.map(Chunk::into_buffer).unwrap_or_default();
            reader.next_chunk(buffer).map_err(|error| VerifyError::of_reading(path, error))
        },
        || |chunk: &Chunk| look(chunk),
        |chunk, looked| take(chunk, looked).map(|()| true).map_err(VerifyError::Beside),
    )
}

/// The records of which a later account says that their call failed. What can't be read is told when the chain is read again.
fn failed_accounts(chain: &Chain) -> HashSet<RecordId> {
    let sieve = sieve::Sieve::of_texts(&count::ACCOUNTS);
    let look = |chunk: &Chunk| {
        let (mut search, mut from, mut found) = (sieve.over(chunk.bytes()), 0, Vec::new());
        for (_, line) in chunk.iter() {
            let to = from + line.len();
            if search.is_worth(from, to) {
                found.extend(look::read(line).and_then(|(_, parsed)| count::account(&parsed.value)));
            }
            from = to + 1;
        }
        found
    };
    let mut failed = HashSet::new();
    // An account stands behind what it is about, so each round gets to those that are about an account nearer to the call.
    for _ in 0..4 {
        let known = failed.len();
        let read = scan(&chain.path, look, |_, found| {
            for (id, about, says_so) in found {
                if (says_so || id.is_some_and(|id| failed.contains(&id))) && failed.len() < count::FAILED {
                    failed.insert(about);
                }
            }
            Ok(())
        });
        if read.is_err() || failed.len() == known {
            break;
        }
    }
    failed
}
