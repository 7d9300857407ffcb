//! What of a record can be asked for, shown and counted by.

use halod_record::fold::End;
use halod_record::json::Json;
use halod_record::time::instant;
use std::borrow::Cow;

/// A field of records. Some have several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Tenant,
    Session,
    /// Its id or its name.
    Agent,
    /// Whoever stood behind the action.
    Principal,
    Tool,
    Model,
    /// How it ended, by this record alone.
    Status,
    Severity,
    Finding,
    Trace,
    /// Any text in it.
    Text,
}

const PRINCIPAL: [&str; 3] = ["human_id", "creator_id", "service_account"];

impl Field {
    /// Calls `each` with every value of the field.
    pub(super) fn each(self, record: &Json<'_>, each: &mut dyn FnMut(&str)) {
        let mut at = |path: &[&str]| {
            if let Some(text) = text(record, path) {
                each(&text);
            }
        };
        match self {
            Self::Tenant => each(&tenant(record)),
            Self::Session => at(&["session_id"]),
            Self::Agent => {
                at(&["agent", "id"]);
                at(&["agent", "name"]);
            }
            Self::Principal => PRINCIPAL.iter().for_each(|key| at(&["principal", key])),
            Self::Tool => at(&["action", "tool"]),
            Self::Model => at(&["agent", "model"]),
            Self::Status => each(End::of(record).word()),
            Self::Severity => at(&["severity"]),
            Self::Finding => {
                if let Some(Json::Array(findings)) = record.get("findings") {
                    findings
                        .iter()
                        .filter_map(|finding| text(finding, &["type"]))
                        .for_each(|kind| each(&kind));
                }
            }
            Self::Trace => at(&["data", "trace_id"]),
            Self::Text => texts(record, each),
        }
    }
}

/// Every text of a value, but not the names of its members.
fn texts(value: &Json<'_>, each: &mut dyn FnMut(&str)) {
    // As deep as a record may be nested, without recursion.
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Json::Str(text) => each(&text.to_lossy()),
            Json::Array(items) => left.extend(items),
            Json::Object(members) => left.extend(members.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// The text at a place of a record.
pub(super) fn text<'r>(record: &'r Json<'_>, path: &[&str]) -> Option<Cow<'r, str>> {
    match path.iter().try_fold(record, |at, key| at.get(key))? {
        Json::Str(text) => Some(text.to_lossy()),
        _ => None,
    }
}

/// Whom the record names; `_local` for nobody.
pub(super) fn tenant<'r>(record: &'r Json<'_>) -> Cow<'r, str> {
    text(record, &["subject", "id"]).filter(|id| !id.is_empty()).unwrap_or(Cow::Borrowed("_local"))
}

/// When the action began, else when it ended, by its sender; of a record that says neither, when it was sealed.
pub(super) fn happened<'r>(record: &'r Json<'_>) -> Option<Cow<'r, str>> {
    HAPPENED.iter().find_map(|path| text(record, path).filter(|at| instant(at).is_some()))
}

const HAPPENED: [&[&str]; 3] = [&["data", "started_at"], &["data", "ended_at"], &["ts"]];

pub(super) fn happened_nanos(record: &Json<'_>) -> Option<u64> {
    Some(instant(&happened(record)?)?.unix_nanos())
}

pub(super) fn sealed_nanos(record: &Json<'_>) -> Option<u64> {
    Some(instant(&text(record, &["ts"])?)?.unix_nanos())
}

/// Any value as a cell: a text itself, everything else as compact JSON.
pub(super) fn cell(value: &Json<'_>) -> String {
    match value {
        Json::Str(text) => text.to_lossy().into_owned(),
        other => {
            let mut out = String::new();
            json(other, &mut out, 64);
            out
        }
    }
}

fn json(value: &Json<'_>, out: &mut String, depth: usize) {
    let quoted = |text: &str, out: &mut String| {
        let mut bytes = Vec::new();
        halod_record::canon::write_str(text, &mut bytes);
        out.push_str(&String::from_utf8_lossy(&bytes));
    };
    let Some(below) = depth.checked_sub(1) else { return out.push('…') };
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Json::Int(int) => out.push_str(&int.to_string()),
        Json::BigInt(digits) => out.push_str(digits),
        Json::Float(float) => out.push_str(&format!("{float:?}")),
        Json::Str(text) => quoted(&text.to_lossy(), out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                json(item, out, below);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                quoted(&key.to_lossy(), out);
                out.push(':');
                json(value, out, below);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    #[test]
    fn cells_are_texts_or_json() {
        let of = |text: &str| cell(&parse(text).unwrap());
        assert_eq!(of(r#""a\"\ud800""#), "a\"\u{fffd}");
        assert_eq!(
            of(r#"[1,-2.5,null,true,{"a":"b\n","c":[]}]"#),
            r#"[1,-2.5,null,true,{"a":"b\n","c":[]}]"#
        );
        let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
        assert!(of(&deep).contains('…'));
    }

    #[test]
    fn what_tells_no_time_happened_when_it_was_sealed() {
        let at = |text: &str| happened(&parse(text).unwrap()).map(Cow::into_owned);
        let (start, end, ts) = ("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z", "2026-10-07T00:00:00Z");
        assert_eq!(
            at(&format!(r#"{{"data":{{"started_at":"{start}","ended_at":"{end}"}},"ts":"{ts}"}}"#)).unwrap(),
            start
        );
        assert_eq!(
            at(&format!(r#"{{"data":{{"started_at":"?","ended_at":"{end}"}},"ts":"{ts}"}}"#)).unwrap(),
            end
        );
        assert_eq!(at(&format!(r#"{{"data":[],"ts":"{ts}"}}"#)).unwrap(), ts);
        assert_eq!(at(r#"{"ts":5}"#), None);
    }
}
