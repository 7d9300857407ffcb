//! `halod export`: a chain's records as a table, and a manifest that ties the table to the chain.
//!
//! Two passes over the chain, none of which keeps a record: it is verified, then written to a temporary file that takes its
//! name when it is whole. Table and manifest are the reference's (halo-record 0.2.46), but for what the manifest says of who
//! made it.

mod cell;
mod columns;
mod literal;
mod manifest;
mod row;

use super::records::{Records, is_blank, text};
use super::temporary::Temporary;
use super::window::Window;
use halod_record::hash::hex_text;
use halod_record::json::Json;
use halod_record::parse::Stored;
use halod_record::verify::{Gravity, Issue, Observer, Verdict, VerifyError, verify};
use manifest::{Manifest, Places};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What to export.
#[derive(Clone, Debug)]
pub struct Request {
    pub chain: PathBuf,
    pub output: PathBuf,
    /// Beside the table, if not given.
    pub manifest: Option<PathBuf>,
    pub window: Window,
    /// Only actions with these tools; with commas between several.
    pub tools: Vec<String>,
    pub expected_subject: Option<String>,
    /// Columns of halod's own behind those of the reference.
    pub all: bool,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub records: u64,
    pub of: u64,
    pub head: String,
    pub manifest: PathBuf,
    /// Names that have characters which show nothing.
    pub invisible: u64,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{} does not verify: {first}; `halod verify` tells more", path.display())]
    Broken { path: PathBuf, first: String },
    #[error("{} has no records", .0.display())]
    Empty(PathBuf),
    #[error("{} has records of {found}, and only those of {expected:?} are expected", path.display())]
    Subject { path: PathBuf, found: String, expected: String },
    #[error("{} changed while it was read; export it again", .0.display())]
    Changed(PathBuf),
    #[error("{} is the same file as {}; name another", .0.display(), .1.display())]
    SameFile(PathBuf, PathBuf),
    #[error(transparent)]
    Unreadable(#[from] VerifyError),
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io { doing, path, source }
}

/// Keeps the first fault, which a reader wants to know.
#[derive(Default)]
struct First(Option<String>);

impl Observer for First {
    fn issue(&mut self, issue: &Issue) {
        if issue.rule.gravity() == Gravity::Fault {
            self.0.get_or_insert_with(|| issue.to_string());
        }
    }
}

/// Writes the table and its manifest.
///
/// # Errors
/// The chain doesn't verify, has no records or others' records, or something can't be read or written. Nothing is written
/// then.
pub fn export(request: &Request) -> Result<Exported, ExportError> {
    let path = &request.chain;
    let output = &request.output;
    let beside = || PathBuf::from(format!("{}.manifest.json", output.display()));
    let manifest = request.manifest.clone().unwrap_or_else(beside);
    for (one, other) in [(output, path), (&manifest, path), (&manifest, output)] {
        let same = one == other
            || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other));
        if same {
            return Err(ExportError::SameFile(one.clone(), other.clone()));
        }
    }
    let mut first = First::default();
    let report = verify(path, &mut first)?;
    let head = match (report.verdict(), report.head) {
        (Verdict::Empty, _) => return Err(ExportError::Empty(path.clone())),
        (Verdict::Intact, Some(head)) => hex_text(&head),
        _ => return Err(ExportError::Broken { path: path.clone(), first: first.0.unwrap_or_default() }),
    };
    let tools = tools(&request.tools);
    let csv = Temporary::create(output).map_err(failed("write", output))?;
    let mut table = Table::new(&csv, request, &tools);
    let made = table.fill(report.records, &head).and_then(|()| table.finish());
    let found = made?;
    if let Some(expected) = &request.expected_subject {
        found.is_of(expected, path)?;
    }
    let places = Places { chain: path, records: report.records, head: &head, tools: &tools };
    let text = Manifest { request, places, found: &found }.text();
    let beside = Temporary::create(&manifest).map_err(failed("write", &manifest))?;
    let mut out = &beside.file;
    out.write_all(text.as_bytes()).map_err(failed("write", &manifest))?;
    csv.keep(output).map_err(failed("write", output))?;
    beside.keep(&manifest).map_err(failed("write", &manifest))?;
    Ok(Exported { records: found.rows, of: report.records, head, manifest, invisible: found.invisible })
}

/// The tools of a filter, each once.
fn tools(given: &[String]) -> Vec<String> {
    let all: BTreeSet<&str> = given
        .iter()
        .flat_map(|tools| tools.split(','))
        .map(|tool| tool.trim_matches(super::records::is_space))
        .collect();
    all.into_iter().filter(|tool| !tool.is_empty()).map(str::to_owned).collect()
}

/// What the second pass found out.
#[derive(Debug, Default)]
struct Found {
    rows: u64,
    first: Option<(String, String)>,
    last: Option<(String, String)>,
    subjects: BTreeSet<Option<String>>,
    source: String,
    csv: String,
    invisible: u64,
    /// The first of them: record, field, how it is shown.
    named: Vec<(String, &'static str, String)>,
}

impl Found {
    fn is_of(&self, expected: &str, path: &Path) -> Result<(), ExportError> {
        let only = BTreeSet::from([Some(expected.to_owned())]);
        if self.subjects == only {
            return Ok(());
        }
        let names: Vec<String> = self
            .subjects
            .iter()
            .map(|id| id.as_ref().map_or_else(|| "no subject".to_owned(), |id| format!("{id:?}")))
            .take(10)
            .collect();
        Err(ExportError::Subject {
            path: path.to_owned(),
            found: names.join(", "),
            expected: expected.to_owned(),
        })
    }
}

/// Invisible names that a manifest names.
const NAMED: usize = 100;

struct Table<'r> {
    request: &'r Request,
    wanted: Vec<String>,
    out: BufWriter<Hashing<'r>>,
    source: Sha256,
    found: Found,
}

struct Hashing<'f> {
    file: &'f File,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<'r> Table<'r> {
    fn new(csv: &'r Temporary, request: &'r Request, tools: &[String]) -> Self {
        let wanted = tools.iter().map(|tool| tool.to_lowercase()).collect();
        let out = BufWriter::with_capacity(64 << 10, Hashing { file: &csv.file, hash: Sha256::new() });
        Self { request, wanted, out, source: Sha256::new(), found: Found::default() }
    }

    /// Writes the rows of the records that were verified. What was appended since is left for the next export.
    fn fill(&mut self, records: u64, head: &str) -> Result<(), ExportError> {
        let (path, output) = (&self.request.chain, &self.request.output);
        let mut lines = Records::open(path).map_err(failed("read", path))?;
        self.out.write_all(row::header(self.request.all).as_bytes()).map_err(failed("write", output))?;
        let (mut seen, mut last) = (0, String::new());
        while let Some(bytes) = lines.next_line().map_err(failed("read", path))?.map(<[u8]>::to_vec) {
            let line = text(&bytes, lines.number == 1).ok_or_else(|| ExportError::Changed(path.clone()))?;
            if is_blank(line) {
                self.source.update(&bytes);
                continue;
            }
            if seen == records {
                break;
            }
            seen += 1;
            self.source.update(&bytes);
            let stored = Stored::parse(line).map_err(|_| ExportError::Changed(path.clone()))?;
            let record = stored.value();
            last.clear();
            last.push_str(row::at(record, &["integrity", "hash"]).and_then(Json::as_str).unwrap_or_default());
            self.record(record).map_err(failed("write", output))?;
        }
        if seen != records || last != head {
            return Err(ExportError::Changed(path.clone()));
        }
        Ok(())
    }

    fn record(&mut self, record: &Json<'_>) -> io::Result<()> {
        let text =
            |path: &[&str]| row::at(record, path).and_then(row::text_of).unwrap_or_default().into_owned();
        let subject = row::at(record, &["subject", "id"]).and_then(row::text_of).map(|id| id.into_owned());
        if self.found.subjects.len() < 10_000 {
            self.found.subjects.insert(subject);
        }
        let ts = text(&["ts"]);
        let tool = text(&["action", "tool"]).to_lowercase();
        if !self.request.window.has(Some(&ts)) || !(self.wanted.is_empty() || self.wanted.contains(&tool)) {
            return Ok(());
        }
        self.found.rows += 1;
        let place = (ts, text(&["record_id"]));
        self.found.first.get_or_insert_with(|| place.clone());
        self.found.last = Some(place);
        for (field, shown) in row::invisible_names(record) {
            self.found.invisible += 1;
            if self.found.named.len() < NAMED {
                self.found.named.push((text(&["record_id"]), field, shown));
            }
        }
        self.out.write_all(row::row(record, self.request.all).as_bytes())
    }

    fn finish(self) -> Result<Found, ExportError> {
        let output = &self.request.output;
        let out =
            self.out.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed("write", output))?;
        let csv = hex_text(&out.hash.finalize());
        Ok(Found { csv, source: hex_text(&self.source.finalize()), ..self.found })
    }
}
