//! The tree of a chain's records, drawn from `parent_id` and from what senders say of parents.

use serde_json::Value;
use std::collections::BTreeMap;

/// In which members of `data` an origin's own id and its parent's stand.
const NAMES: [(&str, &str); 4] = [
    ("span_id", "parent_span_id"),
    ("observation_id", "parent_observation_id"),
    ("run_id", "parent_run_id"),
    ("key", "parent_key"),
];

/// A member of `data` and what it says, with the trace.
type Origin = (&'static str, Option<String>, String);

pub struct Tree<'r> {
    by_id: BTreeMap<&'r str, &'r Value>,
    by_origin: BTreeMap<Origin, &'r Value>,
}

impl<'r> Tree<'r> {
    pub fn of(records: &'r [Value]) -> Self {
        let by_id = records.iter().filter_map(|r| Some((r["record_id"].as_str()?, r))).collect();
        let mut by_origin = BTreeMap::new();
        for record in records.iter().filter(|record| !hangs_on_a_span(record)) {
            for (own, _) in NAMES {
                if let Some(origin) = origin(record, own, own) {
                    by_origin.entry(origin).or_insert(record);
                }
            }
        }
        Self { by_id, by_origin }
    }

    /// The record that a record is a part of, wherever in the chain it stands.
    pub fn parent(&self, record: &Value) -> Option<&'r Value> {
        if let Some(id) = record["parent_id"].as_str() {
            return Some(self.by_id.get(id).unwrap_or_else(|| panic!("no record is the parent of {record}")));
        }
        let hung = hangs_on_a_span(record).then(|| origin(record, "span_id", "span_id")).flatten();
        let stated = NAMES.iter().filter_map(|&(own, parents)| origin(record, own, parents));
        hung.into_iter().chain(stated).find_map(|origin| self.by_origin.get(&origin).copied())
    }
}

/// What `member` of a record's `data` says, as an id of the kind that stands in `own`.
fn origin(record: &Value, own: &'static str, member: &str) -> Option<Origin> {
    let text = |key: &str| record["data"][key].as_str().map(str::to_owned);
    // Keys and runs tell a record by themselves.
    let trace = text("trace_id").filter(|_| matches!(own, "span_id" | "observation_id"));
    Some((own, trace, text(member)?))
}

/// Whether this is a log record: its `data.span_id` is that of the span it was written under.
fn hangs_on_a_span(record: &Value) -> bool {
    record["source"]["via"] == "OpenTelemetry GenAI events"
}
