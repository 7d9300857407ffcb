//! Reading a whole log as the daemon would.

use super::open::{open, read};
use super::plan::Plan;
use crate::receivers::tail::preview::{Became, Preview, Seen};
use halo_adapters::gateway::Format;
use halod_record::build::Builder;
use halod_record::draft::{GENESIS, Scratch};
use halod_record::event::{Event, Fact};
use halod_record::tenant::Tenant;
use halod_record::time;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Lines that are shown.
const SHOWN: usize = 10;
/// Kinds of requests and reasons that are told apart.
const KINDS: usize = 1000;
/// Bytes that are read at a time.
const BLOCK: usize = 256 << 10;

/// What became of a file.
pub(super) struct Check {
    pub(super) format: Format,
    pub(super) counts: Counts,
    /// Where and why the file can't be read further.
    pub(super) broken: Option<(u64, String)>,
    first: Vec<Shown>,
    /// The first of each kind.
    kinds: Vec<Shown>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) lines: u64,
    pub(super) records: u64,
    pub(super) filtered: u64,
    pub(super) rejected: u64,
    pub(super) preamble: u64,
    pub(super) cut: u64,
    /// Of the filtered: method and path.
    pub(super) requests: HashMap<String, u64>,
    /// Fields that matter, of records that do not have them because their values are not understood.
    pub(super) unread: HashMap<String, u64>,
    /// Of the rejected.
    pub(super) reasons: HashMap<String, u64>,
}

/// A line, and the record it would become or why it becomes none.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) became: Result<Value, String>,
}

/// What sees the lines as they come.
struct Tally {
    counts: Counts,
    first: Vec<Shown>,
    kinds: Vec<Shown>,
    seen: HashSet<String>,
    builder: Builder,
    scratch: Scratch,
}

impl Check {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or its lines do not tell its format.
    pub(super) fn file(path: &Path, plan: Plan) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("can't be read: {error}");
        let mut file = open(path, plan.packed).map_err(failed)?;
        let mut preview = Preview::new(plan.settings.manner(), &plan.log)
            .map_err(|(key, what)| format!("{key}: {what}"))?;
        let mut tally = Tally {
            counts: Counts::default(),
            first: Vec::new(),
            kinds: Vec::new(),
            seen: HashSet::new(),
            builder: plan.builder,
            scratch: Scratch::default(),
        };
        let mut buffer = vec![0; BLOCK];
        let broken = loop {
            match read(&mut file, &mut buffer) {
                Ok(0) => break None,
                Ok(read) => {
                    preview.push(buffer.get(..read).unwrap_or_default(), &mut |seen| tally.line(seen));
                }
                Err(error) if preview.position() == 0 => return Err(failed(error)),
                Err(error) => break Some((preview.position(), error.to_string())),
            }
        };
        // What there is of a line where a file breaks off is none.
        if broken.is_none() {
            preview.finish(&mut |seen| tally.line(seen));
        }
        let format = preview.format().ok_or(
            "no line of it is of a format that halod knows; name one with --format, or describe it \
             in the configuration: format regex or json of receivers.file_log",
        )?;
        let Tally { counts, first, kinds, .. } = tally;
        Ok(Self { format, counts, broken, first, kinds })
    }

    /// The first of each kind, then the first records, in the order of the file.
    pub(super) fn shown(&self) -> Vec<&Shown> {
        let mut shown: Vec<&Shown> = self.kinds.iter().collect();
        let more = self.first.iter().filter(|one| self.kinds.iter().all(|known| known.line != one.line));
        shown.extend(more.take(SHOWN - self.kinds.len()));
        shown.sort_by_key(|one| one.line);
        shown
    }
}

impl Tally {
    fn line(&mut self, seen: Seen<'_>) {
        self.counts.lines += 1;
        self.counts.cut += u64::from(seen.cut);
        match seen.became {
            Became::Action(event, tenant) => {
                self.counts.records += 1;
                let unread = event.facts.iter().find(|(key, _)| *key == "unread");
                if let Some((_, Fact::Labels(fields))) = unread {
                    fields.iter().for_each(|field| count(&mut self.counts.unread, field));
                }
                let kind = format!("{:?} {:?} {unread:?}", event.outcome.status, event.action);
                self.show((seen.number, seen.offset), kind, |tally| Ok(tally.record(event, tenant)));
            }
            Became::Filtered => {
                self.counts.filtered += 1;
                let request = match seen.request {
                    Some((event, tenant)) => request(&self.record(event, tenant)),
                    None => MALFORMED.to_owned(),
                };
                count(&mut self.counts.requests, &request);
                self.show((seen.number, seen.offset), "filtered".into(), |_| {
                    Err(format!("filtered: {request} is no agent's by the rules"))
                });
            }
            Became::Preamble => {
                self.counts.preamble += 1;
                self.show((seen.number, seen.offset), "preamble".into(), |_| Err("no request".into()));
            }
            Became::Rejected(why) => {
                self.counts.rejected += 1;
                count(&mut self.counts.reasons, &why);
                self.show((seen.number, seen.offset), format!("rejected {why}"), |_| {
                    Err(format!("rejected: {why}"))
                });
            }
        }
    }

    fn show(
        &mut self,
        (line, offset): (u64, u64),
        kind: String,
        became: impl FnOnce(&mut Self) -> Result<Value, String>,
    ) {
        let new = self.kinds.len() < SHOWN && self.seen.insert(kind);
        if !new && self.first.len() >= SHOWN {
            return;
        }
        let shown = Shown { line, offset, became: became(self) };
        if new {
            self.kinds.push(shown.clone());
        }
        if shown.became.is_ok() && self.first.len() < SHOWN {
            self.first.push(shown);
        }
    }

    /// The record of an event, without what only its place in a chain gives it.
    fn record(&mut self, event: &Event<'_>, tenant: &Tenant) -> Value {
        let draft = self.builder.draft(event, tenant, &mut self.scratch);
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
}

const MALFORMED: &str = "a malformed request";

fn count(counts: &mut HashMap<String, u64>, what: &str) {
    let what = if counts.len() < KINDS || counts.contains_key(what) { what } else { "others" };
    *counts.entry(what.to_owned()).or_default() += 1;
}

/// Method and path of a request, as a record says them.
fn request(record: &Value) -> String {
    let said = |key: &str| record["data"][key].as_str();
    match said("path") {
        Some(path) => [said("method").unwrap_or("-"), " ", path.split('?').next().unwrap_or(path)].concat(),
        None => MALFORMED.to_owned(),
    }
}
