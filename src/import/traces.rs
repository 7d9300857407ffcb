//! What Langfuse's exports and the Agents SDK say of traces, for what is in them and lies elsewhere: whose
//! it is is told there.

use super::csv;
use super::format::Format;
use super::manifest::Manifest;
use super::source::{Input, Manner, Opened, Source};
use halo_adapters::store::is_trace;
use halod_record::charge;
use halod_record::json::{Json, parse};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Bytes that are kept of all traces.
const ROOM: usize = 256 << 20;

/// Bytes that are kept of one: of a trace with more metadata than that it is left out.
const LARGEST: usize = 16 << 10;

/// What a row may take in memory while it is looked at.
const ROW: usize = 32 << 20;

/// What one costs beside its bytes.
const OVERHEAD: usize = 96;

/// The fields that observations and spans take from their trace, and what the Agents SDK's are told by.
const KEPT: [&str; 8] =
    ["id", "object", "group_id", "sessionId", "session_id", "userId", "user_id", "metadata"];

/// Traces by their ids.
#[derive(Debug, Default)]
pub struct Traces {
    rows: HashMap<Box<str>, Box<str>>,
    /// What exports say of their own files.
    pub(super) manifests: Vec<Manifest>,
    /// Rows that told something.
    told: u64,
    bytes: usize,
    /// Whether there was no room for some, or none to read them in.
    pub full: bool,
}

impl Traces {
    /// Reads those of the inputs that may tell of traces, unless it is of their own. Blocks. What can't be read is told when it is
    /// imported.
    #[must_use]
    pub fn gather(inputs: &[(Input, Manner)]) -> Self {
        let mut traces = Self::default();
        // A trace of Langfuse has its own observations in it; others are in another file.
        let others = inputs.len() > 1;
        let tells = |format| match format {
            Format::Langfuse => others,
            Format::OpenaiAgents => true,
            _ => false,
        };
        for (input, manner) in inputs {
            // An archive may hold several files.
            let wanted = manner.format.is_none_or(|format| tells(format) || format == Format::Langfuse);
            if !wanted || matches!(input, Input::Stdin) {
                continue;
            }
            match Opened::open(input, manner, &Arc::new(AtomicU64::new(0))) {
                Ok(Opened::File(mut source)) if tells(source.meta.format) => traces.read(&mut source),
                Ok(Opened::Archive(members)) => {
                    for (_, source) in *members {
                        let of_traces = |source: &Source| {
                            matches!(source.meta.format, Format::Langfuse | Format::OpenaiAgents)
                        };
                        source.ok().filter(of_traces).iter_mut().for_each(|source| traces.read(source));
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
        traces
    }

    fn read(&mut self, source: &mut Source) {
        let (mut first, before) = (true, self.told);
        while let Ok(Some(piece)) = source.piece() {
            let Some(chunk) = piece.chunk else { continue };
            for row in &chunk.rows {
                let Ok(text) = std::str::from_utf8(chunk.row(row)) else { continue };
                let read = charge::within(ROW, || {
                    let shape = chunk.meta.shape;
                    if shape.separator().is_some() {
                        let Ok(fields) = csv::fields(text, shape) else { return };
                        if let Ok(object) = csv::object(&chunk.meta.columns, &fields, chunk.meta.shape) {
                            self.row(&object);
                        }
                    } else if let Ok(value) = parse(text) {
                        self.row(&value);
                    }
                });
                self.full |= read.is_err();
                // Langfuse's files hold rows of one kind.
                if std::mem::take(&mut first) && self.told == before && source.meta.format == Format::Langfuse
                {
                    return;
                }
            }
        }
    }

    fn row(&mut self, value: &Json<'_>) {
        match (value, value.get("data")) {
            (Json::Array(rows), _) | (_, Some(Json::Array(rows))) => {
                rows.iter().for_each(|row| self.add(row));
            }
            _ => self.add(value),
        }
    }

    fn add(&mut self, row: &Json<'_>) {
        if let Some(manifest) = Manifest::of(row) {
            let bytes = manifest.size() + OVERHEAD;
            if self.bytes + bytes > ROOM {
                self.full = true;
                return;
            }
            self.bytes += bytes;
            self.manifests.push(manifest);
            return;
        }
        let Some(id) = row.get("id").and_then(Json::as_str).filter(|_| is_trace(row) || is_agents(row))
        else {
            return;
        };
        self.told += 1;
        let kept = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), plain(row.get(key)?))));
        let mut kept: Map<String, Value> = kept.filter(|(_, value)| !value.is_null()).collect();
        let mut text = Value::Object(kept.clone()).to_string();
        if text.len() > LARGEST {
            kept.remove("metadata");
            text = Value::Object(kept).to_string();
        }
        let bytes = id.len() + text.len() + OVERHEAD;
        if text.len() > LARGEST || self.bytes + bytes > ROOM {
            self.full = true;
            return;
        }
        self.bytes += bytes;
        self.rows.insert(id.into(), text.into());
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.manifests.is_empty()
    }

    /// What is known of a trace, as JSON.
    pub(super) fn get(&self, id: &str) -> Option<&str> {
        self.rows.get(id).map(AsRef::as_ref)
    }

    /// Those of these ids, to be sent along.
    pub(super) fn of(&self, ids: HashSet<String>) -> HashMap<String, String> {
        let known = |id: String| self.get(&id).map(str::to_owned).map(|row| (id, row));
        ids.into_iter().filter_map(known).collect()
    }
}

impl From<HashMap<String, String>> for Traces {
    fn from(rows: HashMap<String, String>) -> Self {
        let rows = rows.into_iter().map(|(id, row)| (id.into(), row.into())).collect();
        Self { rows, ..Self::default() }
    }
}

/// Whether an item is a trace of the Agents SDK.
fn is_agents(item: &Json<'_>) -> bool {
    item.get("object").and_then(Json::as_str) == Some("trace")
}

/// The id of an observation's trace.
pub(super) fn trace_of<'r>(row: &'r Json<'_>) -> Option<&'r str> {
    row.get("traceId").or_else(|| row.get("trace_id")).and_then(Json::as_str)
}

/// The same value for another library. Numbers that it can't hold are left out.
fn plain(value: &Json<'_>) -> Value {
    match value {
        Json::Null | Json::BigInt(_) => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Int(int) => Value::from(*int),
        Json::Float(float) => Value::from(*float),
        Json::Str(text) => Value::String(text.to_lossy().into_owned()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(entries) => {
            let entry = |(key, value): &(_, Json<'_>)| -> (String, Value) {
                let key: &halod_record::json::Text<'_> = key;
                (key.to_lossy().into_owned(), plain(value))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn gather(files: &[(&str, &str)]) -> Traces {
        let directory = tempfile::tempdir().unwrap();
        let write = |(name, text): &(&str, &str)| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            (Input::File(path), Manner { format: Some(Format::Langfuse), ..Manner::default() })
        };
        let mut inputs: Vec<_> = files.iter().map(write).collect();
        inputs.push((Input::File(Path::new("missing").to_owned()), Manner::default()));
        Traces::gather(&inputs)
    }

    #[test]
    fn traces_are_told_from_other_rows_in_every_form() {
        let traces = gather(&[
            (
                "t.jsonl",
                "{\"id\":\"a\",\"timestamp\":\"x\",\"session_id\":\"s\",\"input\":\"long\",\"tags\":[]}\nbroken\n",
            ),
            (
                "page.json",
                r#"{"data":[{"id":"b","timestamp":"x","public":false,"tags":[],"metadata":{"tenant":"acme","n":1.5}}],"meta":{}}"#,
            ),
            (
                "ui.csv",
                "\"id\",\"timestamp\",\"userId\",\"sessionId\",\"tags\"\n\"c\",\"x\",\"\"\"u\"\"\",\"\",\"\"\n",
            ),
            ("o.jsonl", "{\"id\":\"o\",\"trace_id\":\"a\",\"type\":\"SPAN\",\"timestamp\":\"x\"}\n"),
        ]);
        let known = |id| serde_json::from_str::<Value>(traces.get(id).unwrap()).unwrap();
        assert_eq!(known("a"), json!({"id": "a", "session_id": "s"}));
        assert_eq!(known("b"), json!({"id": "b", "metadata": {"tenant": "acme", "n": 1.5}}));
        assert_eq!(known("c"), json!({"id": "c", "userId": "u"}));
        assert_eq!((traces.rows.len(), traces.full), (3, false));
    }

    #[test]
    fn large_metadata_is_left_out() {
        let row = format!(
            "{{\"id\":\"a\",\"timestamp\":\"x\",\"userId\":\"u\",\"tags\":[],\"metadata\":\"{}\"}}\n",
            "m".repeat(LARGEST)
        );
        let traces = gather(&[("t.jsonl", &row)]);
        assert_eq!(traces.get("a"), Some(r#"{"id":"a","userId":"u"}"#));
    }
}
