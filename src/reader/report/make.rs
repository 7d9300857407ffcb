//! Making a report: what is refused, which dress it has, and where it goes.

use super::choice;
use super::file::{MAX_RECORDS, Packed};
use super::given::{Given, GivenError, Surveyed, Window, given, survey};
use super::page;
use crate::check::bundle::{CHECKPOINT, CONSISTENCY, Consistency, FORMAT, KEYS, MANIFEST, Manifest, SLOTS};
use crate::reader::temporary::Temporary;
use crate::reader::when::Window as Span;
use crate::witness::completeness::{Completeness, Seen, whose};
use data_encoding::BASE64;
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_evidence::tree::consistency;
use halod_record::tenant::Tenant;
use halod_record::verify::{Rule, Verdict};
use halod_tlog::TlogError;
use halod_tlog::reader::LogReader;
use std::fs::{DirBuilder, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What a report is made of.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The directory of the chain, with its log, where there is one.
    pub directory: PathBuf,
    pub chain: PathBuf,
    /// A file, or a folder that is to be made.
    pub output: PathBuf,
    /// A folder whatever the chain's size.
    pub as_folder: bool,
    pub happened: Option<(Span, String)>,
    /// A file with what a witness of the reference's kind saw.
    pub witness: Option<PathBuf>,
    /// A policy of witnesses that is suggested to the reader.
    pub policy: Option<PathBuf>,
    /// Whose records they have to be.
    pub expected: Option<Tenant>,
    /// A checkpoint that the reader kept.
    pub since: Option<PathBuf>,
    /// Lines that are no complete records are shown as such, instead of refused.
    pub complete_records: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub path: PathBuf,
    pub records: u64,
    /// Sentences for whoever made it.
    pub remarks: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Given(#[from] GivenError),
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} has no records: nothing to attest", .0.display())]
    Empty(PathBuf),
    #[error("no record happened in that span, of {of}: nothing to show")]
    NoneChosen { of: u64 },
    #[error(
        "REFUSED: line {line} of {} is no complete record; the others are shown by --complete-records, and that line as not attested",
        chain.display()
    )]
    Torn { chain: PathBuf, line: u64 },
    #[error("REFUSED: {} does not verify: {what}", chain.display())]
    Broken { chain: PathBuf, what: String },
    #[error("REFUSED: {} is of {is}, and you expect {expected}", chain.display())]
    OtherSubject { chain: PathBuf, is: String, expected: String },
    #[error("REFUSED: record {number} of {} is of {is}, another one than the records before it", chain.display())]
    Mixed { chain: PathBuf, number: u64, is: String },
    #[error("REFUSED: the witness file {} is damaged: {what}", path.display())]
    DamagedWitness { path: PathBuf, what: String },
    #[error("REFUSED: the chain is not what the witness saw: {0}")]
    Incomplete(String),
    #[error("the witness file {} says nothing of this chain", .0.display())]
    Unwitnessed(PathBuf),
    #[error("{}: {what}", path.display())]
    BadFile { path: PathBuf, what: String },
}

impl MakeError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io("read", path)
    }
}

/// Bytes of a policy, a witness file or a note that are read.
const MOST: u64 = 64 << 20;

fn text(path: &Path) -> Result<String, MakeError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    read.map_err(MakeError::read(path))?;
    if text.len() as u64 > MOST {
        return Err(MakeError::BadFile {
            path: path.to_owned(),
            what: format!("it has more than {MOST} bytes"),
        });
    }
    Ok(text)
}

/// Makes a report.
///
/// # Errors
/// It is refused, or something can't be read or written.
pub fn make(order: &Order) -> Result<Made, MakeError> {
    let surveyed = survey(&order.chain)?;
    check(order, &surveyed)?;
    let mut given = given(&order.directory, &order.chain, &surveyed)?;
    order.witness.as_deref().map(|path| witnessed(order, path, &mut given)).transpose()?;
    given.policy = order.policy.as_deref().map(text).transpose()?;
    given.expected_subject =
        order.expected.as_ref().map(|tenant| tenant.subject().unwrap_or("_local").to_owned());
    if let Some(since) = &order.since {
        given.consistency = continued(&order.directory, &given, since)?;
    }
    match &order.happened {
        Some((span, said)) => windowed(order, given, span, said),
        None => whole(order, &given, Vec::new()),
    }
}

/// Refuses what can't be attested.
fn check(order: &Order, surveyed: &Surveyed) -> Result<(), MakeError> {
    let (chain, report) = (order.chain.clone(), &surveyed.report);
    if report.verdict() == Verdict::Empty {
        return Err(MakeError::Empty(chain));
    }
    let is_torn = |rule| matches!(rule, Rule::Json | Rule::Utf8);
    let other = report.faults > report.torn || report.broken_at.is_some();
    if other {
        let first = surveyed.issues.iter().find(|issue| !is_torn(issue.rule));
        let what = first.map_or_else(|| "`halod verify` tells more".to_owned(), ToString::to_string);
        return Err(MakeError::Broken { chain, what });
    }
    if report.torn > 0 && !order.complete_records {
        let line = surveyed.issues.iter().find(|issue| is_torn(issue.rule)).map_or(0, |issue| issue.line);
        return Err(MakeError::Torn { chain, line });
    }
    let Some(tenant) = &surveyed.tenant else {
        return Err(MakeError::Broken {
            chain,
            what: "its first record names a subject that is no text".into(),
        });
    };
    let named = |tenant: &Tenant| tenant.subject().unwrap_or("_local").escape_debug().to_string();
    if let Some(expected) = order.expected.as_ref().filter(|expected| *expected != tenant) {
        return Err(MakeError::OtherSubject { chain, is: named(tenant), expected: named(expected) });
    }
    let whose = whose(&chain, tenant.subject())
        .map_err(|error| MakeError::Broken { chain: chain.clone(), what: error.to_string() })?;
    if let Some((number, is)) = whose.other {
        return Err(MakeError::Mixed { chain, number, is });
    }
    Ok(())
}

/// Holds the chain against what a witness saw, and hands that on.
fn witnessed(order: &Order, path: &Path, given: &mut Given) -> Result<(), MakeError> {
    let whose = whose(&order.chain, None)
        .map_err(|error| MakeError::Broken { chain: order.chain.clone(), what: error.to_string() })?;
    let file = File::open(path).map_err(MakeError::read(path))?;
    let damaged = |what| MakeError::DamagedWitness { path: path.to_owned(), what };
    let seen = Seen::read(BufReader::new(file), &whose).map_err(MakeError::read(path))?;
    let seen = seen.map_err(|damage| damaged(damage.to_string()))?;
    let (completeness, _) = seen.check(&order.chain).map_err(GivenError::from)?;
    match completeness {
        Completeness::Unwitnessed => return Err(MakeError::Unwitnessed(path.to_owned())),
        Completeness::Incomplete { why, .. } => return Err(MakeError::Incomplete(why)),
        Completeness::Complete => {}
    }
    let own = given.subject.clone();
    let is_own = |line: &&str| {
        serde_json::from_str::<serde_json::Value>(line)
            .is_ok_and(|line| line.get("subject").and_then(serde_json::Value::as_str) == own.as_deref())
    };
    given.witness = text(path)?.lines().filter(is_own).map(str::to_owned).collect();
    Ok(())
}

/// What shows that the log continues a checkpoint that the reader kept.
fn continued(directory: &Path, given: &Given, since: &Path) -> Result<Vec<Consistency>, MakeError> {
    let bad = |what: String| MakeError::BadFile { path: since.to_owned(), what };
    let checkpoint = |note: &str| {
        let note = SignedNote::parse(note).and_then(|note| Checkpoint::parse(&note.text));
        note.map_err(|error| bad(error.to_string()))
    };
    let old = checkpoint(&text(since)?)?;
    let Some(newest) = given.checkpoints.last().map(|note| checkpoint(note)).transpose()? else {
        return Err(bad("nothing was signed of this chain, so nothing continues the checkpoint".into()));
    };
    let log = LogReader::open(directory)?;
    let path = log.and_then(|log| {
        let get = |level, index| log.entries().get(level, index).ok_or(());
        consistency(old.size, newest.size, get).ok().flatten()
    });
    let path = path.ok_or_else(|| {
        bad(format!(
            "it has {} entries, and the log has {}: the log does not continue it",
            old.size, newest.size
        ))
    })?;
    Ok(vec![Consistency { old: old.size, path: BASE64.encode(&path.concat()) }])
}

/// Records of a span alone, each with its place; or the whole chain, where that can't be.
fn windowed(order: &Order, mut given: Given, span: &Span, said: &str) -> Result<Made, MakeError> {
    let (from, to) = said.split_once("..").unwrap_or((said, said));
    let ends = |window: Window| Window {
        from: Some(from.trim().to_owned()).filter(|text| !text.is_empty()),
        to: Some(to.trim().to_owned()).filter(|text| !text.is_empty()),
        ..window
    };
    let of = given.facts.count;
    if !order.as_folder
        && let Some(chosen) = choice::choose(&order.directory, &order.chain, &given, span)?
    {
        if chosen.window.chosen == 0 {
            return Err(MakeError::NoneChosen { of });
        }
        let records = chosen.window.chosen;
        let mut remarks = vec![format!("{records} chosen of {of} records, by the sender's times")];
        if chosen.uncovered > 0 {
            let left = chosen.uncovered;
            remarks.push(format!(
                "{left} more are newer than the newest checkpoint, and are left out: the next one covers them"
            ));
        }
        given.window = Some(ends(chosen.window));
        if let Some(report) = chosen.packed.report(&given).map_err(MakeError::read(&order.chain))? {
            return write_file(order, &report, records, remarks);
        }
    }
    let chosen = choice::count(&order.chain, given.facts.bytes, span)?;
    if chosen == 0 {
        return Err(MakeError::NoneChosen { of });
    }
    given.window = Some(ends(Window { chosen, of, ..Window::default() }));
    let why = "all records are handed on with the chosen ones, because their places are not signed yet or they are too many";
    whole(order, &given, vec![format!("{chosen} chosen of {of} records, by the sender's times; {why}")])
}

/// The whole chain, in a file if it is small enough.
fn whole(order: &Order, given: &Given, mut remarks: Vec<String>) -> Result<Made, MakeError> {
    let count = given.facts.count;
    if !order.as_folder {
        let packed = if count <= MAX_RECORDS {
            Packed::chain(&order.chain, given.facts.bytes).map_err(MakeError::read(&order.chain))?
        } else {
            None
        };
        let report = packed.map(|packed| packed.report(given)).transpose();
        if let Some(report) = report.map_err(MakeError::read(&order.chain))?.flatten() {
            return write_file(order, &report, count, remarks);
        }
        remarks.push(format!("a file holds {MAX_RECORDS} records or 5 MiB of them packed, so this is a folder: open its verify.html and drop the folder on it"));
    }
    write_folder(order, given, remarks)
}

fn write_file(order: &Order, report: &str, records: u64, remarks: Vec<String>) -> Result<Made, MakeError> {
    let write = || {
        let mut temporary = Temporary::create(&order.output)?;
        temporary.file.write_all(report.as_bytes())?;
        temporary.keep(&order.output)
    };
    write().map_err(MakeError::io("write", &order.output))?;
    Ok(Made { path: order.output.clone(), records, remarks })
}

/// The page beside the chain and its evidence, as a bundle has them.
fn write_folder(order: &Order, given: &Given, remarks: Vec<String>) -> Result<Made, MakeError> {
    let out = if order.as_folder { order.output.clone() } else { order.output.with_extension("report") };
    let mut folders = vec![out.clone()];
    if !given.slots.is_empty() {
        folders.push(out.join("evidence"));
    }
    for folder in folders {
        DirBuilder::new().mode(0o750).create(&folder).map_err(MakeError::io("make", &folder))?;
    }
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(MakeError::io("write", &path))
    };
    let lines =
        |lines: &[String]| lines.iter().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
    let (chain, to) = (&order.chain, out.join(&given.chain));
    let copy = || -> io::Result<u64> {
        io::copy(&mut File::open(chain)?.take(given.facts.bytes), &mut File::create_new(&to)?)
    };
    copy().map_err(MakeError::io("write", &to))?;
    if let Some(checkpoint) = given.checkpoints.last().filter(|_| !given.slots.is_empty()) {
        let manifest =
            Manifest { format: FORMAT.into(), tenant: given.subject.clone(), chain: given.chain.clone() };
        write(MANIFEST, &(serde_json::to_string(&manifest).unwrap_or_default() + "\n"))?;
        write(CHECKPOINT, checkpoint)?;
        write(KEYS, &lines(&given.keys))?;
        write(SLOTS, &lines(&given.slots))?;
        if let Some(consistency) = given.consistency.first() {
            write(CONSISTENCY, &(serde_json::to_string(consistency).unwrap_or_default() + "\n"))?;
        }
    }
    write("given.json", &given.json())?;
    write("verify.html", page::html())?;
    Ok(Made { path: out, records: given.facts.count, remarks })
}
