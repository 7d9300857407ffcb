//! One record as a row.

use super::cell;
use super::columns::COLUMNS;
use halod_record::json::Json;
use halod_record::redact::invisible;
use std::borrow::Cow;

/// Columns of halod's own, behind the others: where each is.
pub(super) const OWN: [(&str, &[&str]); 4] = [
    ("source_via", &["source", "via"]),
    ("outcome_hash", &["outcome", "hash"]),
    ("trace_id", &["data", "trace_id"]),
    ("data", &["data"]),
];

pub(super) fn header(all: bool) -> String {
    let names = COLUMNS.iter().map(|column| column.0);
    let own = OWN.iter().map(|own| own.0).filter(|_| all);
    names.chain(own).collect::<Vec<_>>().join(",") + "\r\n"
}

/// What stands at a place of a record.
pub(super) fn at<'r, 'a>(record: &'r Json<'a>, path: &[&str]) -> Option<&'r Json<'a>> {
    path.iter().try_fold(record, |value, key| value.get(key))
}

/// A text, with U+FFFD where it has half a character.
pub(super) fn text_of<'r>(value: &'r Json<'_>) -> Option<Cow<'r, str>> {
    match value {
        Json::Str(text) => Some(text.to_lossy()),
        _ => None,
    }
}

pub(super) fn row(record: &Json<'_>, all: bool) -> String {
    let mut out = String::with_capacity(512);
    for (name, ..) in &COLUMNS {
        if !out.is_empty() || *name != "ts" {
            out.push(',');
        }
        cell::write(&value(record, name), &mut out);
    }
    for (_, path) in OWN.iter().filter(|_| all) {
        out.push(',');
        let value = match at(record, path) {
            Some(Json::Str(text)) => text.to_lossy(),
            Some(other) => Cow::Owned(canonical(other)),
            None => Cow::Borrowed(""),
        };
        cell::write(&value, &mut out);
    }
    out.push_str("\r\n");
    out
}

fn canonical(value: &Json<'_>) -> String {
    let mut bytes = Vec::new();
    match halod_record::canon::write(value, &mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn value<'r>(record: &'r Json<'_>, column: &str) -> Cow<'r, str> {
    let text = |path: &[&str]| at(record, path).and_then(text_of).unwrap_or_default();
    match column {
        "action_type" => text(&["action", "type"]),
        "category" => text(&["action", "category"]),
        "tool" => text(&["action", "tool"]),
        "action_summary" => Cow::Owned(cell::readable(&text(&["action", "input", "summary"]))),
        "outcome" => text(&["outcome", "status"]),
        "outcome_summary" => Cow::Owned(cell::readable(&text(&["outcome", "summary"]))),
        "subject" => text(&["subject", "id"]),
        "subject_name" => text(&["subject", "name"]),
        "principal" => Cow::Owned(principal(record)),
        "agent" => Some(text(&["agent", "name"]))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| text(&["agent", "id"])),
        "agent_version" => text(&["agent", "version"]),
        "model" | "model_version" => text(&["agent", column]),
        "decision" | "approver" | "scope" => text(&["action", "authorization", column]),
        "authority_snapshot" => text(&["authority", "snapshot_id"]),
        "verification_status"
        | "verification_verifier"
        | "verification_policy_ref"
        | "verification_checked_at" => {
            text(&["verification", column.strip_prefix("verification_").unwrap_or_default()])
        }
        "findings" | "threats" => Cow::Owned(joined(record.get(column), Some("type"))),
        "pii_types" => Cow::Owned(joined(at(record, &["data", "pii_types"]), None)),
        "region" | "purpose" => text(&["data", column]),
        "cross_region" => Cow::Borrowed(match at(record, &["data", "cross_region"]) {
            None | Some(Json::Null) => "",
            Some(Json::Int(0)) => "false",
            Some(_) => "true",
        }),
        "source" => match record.get("source") {
            Some(Json::Object(_)) => {
                Cow::Owned(format!("{}:{}", text(&["source", "capture"]), text(&["source", "adapter"])))
            }
            _ => Cow::Borrowed(""),
        },
        "input_hash" => text(&["action", "input", "hash"]),
        "prev_hash" | "hash" => text(&["integrity", column]),
        _ => text(&[column]),
    }
}

fn principal(record: &Json<'_>) -> String {
    let mut parts = Vec::new();
    for key in ["human_id", "creator_id", "service_account", "role_scope"] {
        if let Some(text) = at(record, &["principal", key]).and_then(text_of).filter(|text| !text.is_empty())
        {
            parts.push(format!("{key}={text}"));
        }
    }
    parts.join("; ")
}

fn joined(list: Option<&Json<'_>>, key: Option<&str>) -> String {
    let Some(Json::Array(items)) = list else { return String::new() };
    let text =
        |item| key.map_or(Some(item), |key| Json::get(item, key)).and_then(text_of).unwrap_or_default();
    items.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// Names that a reader compares by eye.
const NAMES: [(&str, &[&str]); 12] = [
    ("agent.id", &["agent", "id"]),
    ("agent.name", &["agent", "name"]),
    ("action.tool", &["action", "tool"]),
    ("session_id", &["session_id"]),
    ("subject.id", &["subject", "id"]),
    ("subject.name", &["subject", "name"]),
    ("action.authorization.approver", &["action", "authorization", "approver"]),
    ("action.authorization.scope", &["action", "authorization", "scope"]),
    ("principal.human_id", &["principal", "human_id"]),
    ("principal.creator_id", &["principal", "creator_id"]),
    ("principal.service_account", &["principal", "service_account"]),
    ("principal.role_scope", &["principal", "role_scope"]),
];

/// The names of a record that have characters which show nothing, and those characters made visible.
pub(super) fn invisible_names(record: &Json<'_>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (field, path) in NAMES {
        let Some(text) = at(record, path).and_then(text_of) else { continue };
        if text.is_ascii() || !text.chars().any(invisible) {
            continue;
        }
        let mut shown = String::new();
        for c in text.chars() {
            if invisible(c) {
                shown.push_str(&format!("\u{27E8}U+{:04X}\u{27E9}", u32::from(c)));
            } else {
                shown.push(c);
            }
        }
        found.push((field, shown));
    }
    found
}
