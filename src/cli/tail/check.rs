//! Reading a whole log as the daemon would.

use super::lines::{Line as Raw, Lines};
use crate::record::build::Builder;
use crate::record::draft::{GENESIS, Scratch};
use crate::record::tenant::Tenant;
use crate::record::time;
use halo_adapters::event::Event;
use halo_adapters::gateway::{Format, Line, Place, Reader, Rules, Spec, detect};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Lines that are shown.
const SHOWN: usize = 10;
/// Lines that are asked for the format.
const TELLING: usize = 100;
/// Kinds of requests and reasons that are told apart.
const KINDS: usize = 1000;

/// What became of a file.
pub(super) struct Check {
    pub(super) format: Format,
    pub(super) lines: u64,
    pub(super) records: u64,
    pub(super) filtered: u64,
    pub(super) rejected: u64,
    pub(super) preamble: u64,
    pub(super) cut: u64,
    /// Of the filtered: method and path.
    pub(super) requests: HashMap<String, u64>,
    /// Of the rejected.
    pub(super) reasons: HashMap<String, u64>,
    first: Vec<Shown>,
    /// The first of each kind.
    kinds: Vec<Shown>,
    seen: HashSet<String>,
}

/// A line, and the record it would become or why it becomes none.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) became: Result<Value, String>,
}

/// The reader, the one that shows what is filtered, and what builds records.
struct Tools {
    reader: Reader,
    every: Reader,
    builder: Builder,
    scratch: Scratch,
    file: String,
}

impl Check {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or its first lines do not tell its format.
    pub(super) fn file(path: &Path, spec: Option<Spec>, rules: &Rules) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("can't be read: {error}");
        let mut lines = Lines::open(path).map_err(failed)?;
        let mut start = Vec::new();
        while start.len() < TELLING
            && let Some(line) = lines.next().map_err(failed)?
        {
            start.push(line);
        }
        let told = || detect(&start.iter().map(|line| line.bytes.as_slice()).collect::<Vec<_>>());
        let spec = spec.or_else(|| told().map(Spec::from)).ok_or(
            "no line at its beginning is of a format that halod knows; name one with --format, or describe it \
             in the configuration: format regex or json of receivers.file_log",
        )?;
        let mut check = Self::new(spec.format());
        let mut tools = Tools {
            reader: Reader::new(spec.clone(), rules.clone()),
            every: Reader::new(spec, Rules::all()),
            builder: Builder::new(false),
            scratch: Scratch::default(),
            file: path.display().to_string(),
        };
        for line in &start {
            check.line(line, &mut tools);
        }
        drop(start);
        while let Some(line) = lines.next().map_err(failed)? {
            check.line(&line, &mut tools);
        }
        Ok(check)
    }

    fn new(format: Format) -> Self {
        Self {
            format,
            lines: 0,
            records: 0,
            filtered: 0,
            rejected: 0,
            preamble: 0,
            cut: 0,
            requests: HashMap::new(),
            reasons: HashMap::new(),
            first: Vec::new(),
            kinds: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// The first of each kind, then the first records, in the order of the file.
    pub(super) fn shown(&self) -> Vec<&Shown> {
        let mut shown: Vec<&Shown> = self.kinds.iter().collect();
        let more = self.first.iter().filter(|one| self.kinds.iter().all(|known| known.line != one.line));
        shown.extend(more.take(SHOWN - self.kinds.len()));
        shown.sort_by_key(|one| one.line);
        shown
    }

    fn line(&mut self, raw: &Raw, tools: &mut Tools) {
        self.lines += 1;
        self.cut += u64::from(raw.cut);
        let file = tools.file.clone();
        let place = Place { file: &file, identity: &[&file], offset: raw.offset };
        match tools.reader.line(&raw.bytes, &place) {
            Ok(Line::Event(event)) => {
                self.records += 1;
                let kind = format!("{:?} {:?}", event.outcome.status, event.action);
                self.show(raw, kind, || Ok(record(&event, tools)));
            }
            Ok(Line::Filtered) => {
                self.filtered += 1;
                let request = match tools.every.line(&raw.bytes, &place) {
                    Ok(Line::Event(event)) => request(&record(&event, tools)),
                    _ => "a malformed request".to_owned(),
                };
                count(&mut self.requests, &request);
                self.show(raw, "filtered".into(), || {
                    Err(format!("filtered: {request} is no agent's by the rules"))
                });
            }
            Ok(Line::Preamble) => {
                self.preamble += 1;
                self.show(raw, "preamble".into(), || Err("no request".into()));
            }
            Err(why) => {
                self.rejected += 1;
                count(&mut self.reasons, &why.to_string());
                self.show(raw, format!("rejected {why}"), || Err(format!("rejected: {why}")));
            }
        }
    }

    fn show(&mut self, raw: &Raw, kind: String, became: impl FnOnce() -> Result<Value, String>) {
        let new = self.kinds.len() < SHOWN && self.seen.insert(kind);
        if !new && self.first.len() >= SHOWN {
            return;
        }
        let shown = Shown { line: self.lines, offset: raw.offset, became: became() };
        if new {
            self.kinds.push(shown.clone());
        }
        if shown.became.is_ok() && self.first.len() < SHOWN {
            self.first.push(shown);
        }
    }
}

fn count(counts: &mut HashMap<String, u64>, what: &str) {
    let what = if counts.len() < KINDS || counts.contains_key(what) { what } else { "others" };
    *counts.entry(what.to_owned()).or_default() += 1;
}

/// Method and path of a request, as a record says them.
fn request(record: &Value) -> String {
    let said = |key: &str| record["data"][key].as_str();
    match said("path") {
        Some(path) => [said("method").unwrap_or("-"), " ", path.split('?').next().unwrap_or(path)].concat(),
        None => "a malformed request".to_owned(),
    }
}

/// The record of an event, without what only its place in a chain gives it.
fn record(event: &Event<'_>, tools: &mut Tools) -> Value {
    let tenant =
        event.tenant.as_deref().and_then(|claim| Tenant::claimed(claim).ok()).unwrap_or(Tenant::Local);
    let draft = tools.builder.draft(event, &tenant, &mut tools.scratch);
    let mut sealed = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(0), &mut sealed);
    let mut record: Value = serde_json::from_slice(&sealed).unwrap_or_default();
    if let Some(fields) = record.as_object_mut() {
        for own in ["integrity", "ts", "record_id", "parent_id"] {
            fields.remove(own);
        }
    }
    record
}
