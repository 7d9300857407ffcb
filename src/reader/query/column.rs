//! What is shown of a record, column by column.

use super::field::{self, Field, cell, text};
use halod_record::json::Json;
use std::borrow::Cow;

/// A column of a table or of CSV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Chain,
    Line,
    Happened,
    Tenant,
    Field(Field),
    /// A member, from the record inwards.
    Member(Vec<String>),
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    /// The file's name without `.jsonl`.
    pub(super) chain: &'p str,
    pub(super) line: u64,
}

/// Members that have a short name.
const SHORT: [(&str, &str); 12] = [
    ("sealed", "ts"),
    ("tool", "action.tool"),
    ("type", "action.type"),
    ("category", "action.category"),
    ("model", "agent.model"),
    ("session", "session_id"),
    ("severity", "severity"),
    ("trace", "data.trace_id"),
    ("input", "action.input.summary"),
    ("outcome", "outcome.summary"),
    ("parent_id", "parent_id"),
    ("hash", "integrity.hash"),
];

/// What a table shows where nothing else is asked for.
pub const TABLE: [&str; 9] =
    ["tenant", "line", "happened", "tool", "model", "status", "severity", "session", "findings"];

/// What CSV has before the members of `data`.
pub const CSV: [&str; 20] = [
    "chain",
    "line",
    "tenant",
    "happened",
    "sealed",
    "tool",
    "type",
    "category",
    "model",
    "agent",
    "principal",
    "session",
    "status",
    "severity",
    "findings",
    "input",
    "outcome",
    "record_id",
    "parent_id",
    "hash",
];

/// A column that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no column: it is one of chain, line, tenant, happened, agent, principal, status, findings, record_id, {names}, or a \
         member of the record such as data.input_tokens", names = SHORT.map(|(name, _)| name).join(", "))]
pub struct BadColumn(String);

impl Column {
    /// The column of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(name: &str) -> Result<Self, BadColumn> {
        let member = |path: &str| What::Member(path.split('.').map(str::to_owned).collect());
        let short = SHORT.iter().find(|(short, _)| *short == name);
        let what = match name {
            "chain" => What::Chain,
            "line" => What::Line,
            "happened" => What::Happened,
            "tenant" => What::Tenant,
            "agent" => What::Field(Field::Agent),
            "principal" => What::Field(Field::Principal),
            "status" => What::Field(Field::Status),
            "findings" => What::Field(Field::Finding),
            "record_id" => member(name),
            _ => match short {
                Some((_, path)) => member(path),
                None if name.contains('.') && !name.split('.').any(str::is_empty) => member(name),
                None => return Err(BadColumn(name.to_owned())),
            },
        };
        Ok(Self { name: name.to_owned(), what })
    }

    /// The columns of these names.
    ///
    /// # Errors
    /// One of them is none.
    pub fn all(names: &[&str]) -> Result<Vec<Self>, BadColumn> {
        names.iter().map(|name| Self::parse(name)).collect()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn value<'r>(&self, record: &'r Json<'_>, place: Place<'_>) -> Cow<'r, str> {
        match &self.what {
            What::Chain => Cow::Owned(place.chain.to_owned()),
            What::Line => Cow::Owned(place.line.to_string()),
            What::Happened => field::happened(record).unwrap_or_default(),
            What::Tenant => field::tenant(record),
            What::Field(Field::Agent) => text(record, &["agent", "name"])
                .or_else(|| text(record, &["agent", "id"]))
                .unwrap_or_default(),
            What::Field(field) => Cow::Owned(listed(*field, record)),
            What::Member(path) => {
                let value = path.iter().try_fold(record, |at, key| at.get(key));
                match value {
                    Some(Json::Str(text)) => text.to_lossy(),
                    value => value.map(cell).unwrap_or_default().into(),
                }
            }
        }
    }
}

/// Values that are shown of a field that has many.
const LISTED: usize = 20;

/// All values of a field, each once.
fn listed(field: Field, record: &Json<'_>) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut more = 0;
    field.each(record, &mut |value| {
        if all.len() == LISTED {
            more += 1;
        } else if !all.iter().any(|one| one == value) {
            all.push(value.to_owned());
        }
    });
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    all.join(", ") + &more
}

/// The line as JSON that tells where it stands: the record is in it as it lies in the chain.
pub(super) fn json_line(line: &str, record: &Json<'_>, place: Place<'_>, out: &mut Vec<u8>) {
    let mut member = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        halod_record::canon::write_str(value, out);
    };
    member("{\"chain\":", place.chain);
    member(",\"tenant\":", &field::tenant(record));
    out.extend_from_slice(format!(",\"line\":{},\"record\":", place.line).as_bytes());
    out.extend_from_slice(line.trim_ascii().as_bytes());
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    #[test]
    fn columns_are_named_or_members() {
        let line = r#"{"action":{"tool":"t"},"agent":{"id":"a"},"data":{"n":[1],"x":"y"},"findings":[{"type":"e"},{"type":"e"},{"type":"c"}]}"#;
        let record = parse(line).unwrap();
        let place = Place { chain: "acme", line: 7 };
        for (name, value) in [
            ("chain", "acme"),
            ("line", "7"),
            ("tool", "t"),
            ("agent", "a"),
            ("findings", "e, c"),
            ("status", "unknown"),
            ("data.n", "[1]"),
            ("data.x", "y"),
            ("data.none", ""),
            ("happened", ""),
            ("tenant", "_local"),
            ("hash", ""),
        ] {
            assert_eq!(Column::parse(name).unwrap().value(&record, place), value, "{name}");
        }
        for name in ["", "tools", ".", "data.", "a..b"] {
            assert!(Column::parse(name).is_err(), "{name}");
        }
        assert!(Column::all(&TABLE).is_ok() && Column::all(&CSV).is_ok());
        let mut out = Vec::new();
        json_line(&format!(" {line}\r"), &record, place, &mut out);
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((told["line"].as_u64(), told["record"]["data"]["x"].as_str()), (Some(7), Some("y")));
        assert!(String::from_utf8(out).unwrap().contains(line));
    }
}
