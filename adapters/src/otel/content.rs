//! Attribute values as JSON, and the legacy forms of messages as the lists that they stand for.

use super::nest;
use super::table::Family;
use crate::otlp::model::{AnyValue, KeyValue, SpanEvent};
use data_encoding::BASE64;
use halod_record::charge;
use halod_record::json::{self, Json, Text};

/// A disclosed value: text that is a JSON object or array becomes what it says, so that senders of
/// one call agree whether they encode it or not. Text inside a structure is left as it is.
pub(super) fn disclosed<'a>(value: &'a AnyValue<'a>) -> Json<'a> {
    match value {
        AnyValue::Str(text) => disclosed_text(text),
        other => plain(other),
    }
}

pub(super) fn disclosed_text(text: &str) -> Json<'_> {
    if text.trim_start().starts_with(['{', '['])
        && let Ok(parsed) = json::parse_embedded(text)
    {
        return parsed;
    }
    Json::str(text)
}

/// A value as it is; null where there is no room for it ([`charge`]).
pub(super) fn plain<'a>(value: &'a AnyValue<'a>) -> Json<'a> {
    let taken = match value {
        AnyValue::Bytes(bytes) => charge::take(BASE64.encode_len(bytes.len())),
        AnyValue::Array(values) => charge::take(values.len() * size_of::<Json<'_>>()),
        AnyValue::KvList(pairs) => charge::take(pairs.len() * size_of::<(Text<'_>, Json<'_>)>()),
        _ => Ok(()),
    };
    if taken.is_err() {
        return Json::Null;
    }
    match value {
        AnyValue::Empty => Json::Null,
        AnyValue::Str(text) => Json::str(text),
        AnyValue::Bool(bool) => Json::Bool(*bool),
        AnyValue::Int(int) => Json::Int(*int),
        AnyValue::Double(double) => Json::Float(*double),
        AnyValue::Bytes(bytes) => Json::Str(BASE64.encode(bytes).into()),
        AnyValue::Array(values) => Json::Array(values.iter().map(plain).collect()),
        AnyValue::KvList(pairs) => Json::object(
            pairs.iter().map(|pair| (Text::from(pair.key.as_ref()), plain(&pair.value))).collect(),
        ),
    }
}

/// One attribute of an entry of a list, from `gen_ai.prompt.<index>.<name>` and its like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexed<'a> {
    /// Which list, where one span has it in two dialects.
    family: u8,
    index: u32,
    pub(super) name: &'a str,
    pub(super) value: &'a AnyValue<'a>,
}

impl<'a> Indexed<'a> {
    /// Reads `<index>.<item><name>`.
    pub(super) fn read(family: &Family, place: u8, rest: &'a str, value: &'a AnyValue<'a>) -> Option<Self> {
        let (index, name) = rest.split_once('.')?;
        let index =
            if index.bytes().all(|byte| byte.is_ascii_digit()) { index.parse().ok()? } else { return None };
        let name = name.strip_prefix(family.item).unwrap_or(name);
        (name != family.skip).then_some(Self { family: place, index, name, value })
    }
}

/// A list of messages in the order of their indices, each an object of what its names say. Of several families
/// the first counts.
pub(super) fn indexed<'a>(entries: &mut [Indexed<'a>]) -> Option<Json<'a>> {
    // Stable: of a name that appears twice the last still comes last.
    entries.sort_by_key(|entry| (entry.family, entry.index));
    let family = entries.first()?.family;
    let messages: Vec<_> = entries
        .chunk_by(|a, b| (a.family, a.index) == (b.family, b.index))
        .take_while(|message| message.first().is_some_and(|entry| entry.family == family))
        .map(|message| nest::message(message.iter().map(|entry| (entry.name, entry.value))))
        .collect();
    Some(Json::Array(messages))
}

/// Arguments without what a caller puts around them: `{"args": [], "kwargs": {...}}` of decorated
/// Python functions, and `{"tool_name": ..., "arguments": {...}}` of MCP requests.
pub(super) fn unwrapped(arguments: Json<'_>) -> Json<'_> {
    let Json::Object(mut entries) = arguments else { return arguments };
    // A caller's own arguments never have so few and just these names.
    let inner = match entries.len() {
        0 | 4.. => None,
        _ => entries.iter().position(|(key, value)| {
            matches!(key.as_str(), Some("kwargs" | "arguments")) && matches!(value, Json::Object(_))
        }),
    };
    let kwargs = inner.and_then(|at| entries.get(at)).is_some_and(|(key, _)| key.as_str() == Some("kwargs"));
    let around = |(key, value): &(Text<'_>, Json<'_>)| match (key.as_str(), value) {
        (Some("kwargs"), _) => kwargs,
        (Some("args"), Json::Array(args)) => kwargs && args.is_empty(),
        (Some("sanitize_inputs_outputs"), Json::Bool(_)) => kwargs,
        (Some("arguments"), _) => !kwargs,
        (Some("tool_name"), Json::Str(_)) => !kwargs,
        _ => false,
    };
    match inner {
        Some(at) if (kwargs || entries.len() == 2) && entries.iter().all(around) => entries.swap_remove(at).1,
        _ => Json::Object(entries),
    }
}

/// A value without the label that LangWatch puts around it: `{"type": "json", "value": ...}`.
pub(super) fn unlabelled(told: Json<'_>) -> Json<'_> {
    let Json::Object(mut entries) = told else { return told };
    let labelled = entries.len() == 2 && entries.iter().any(|(key, _)| key.as_str() == Some("type"));
    match entries.iter().position(|(key, _)| key.as_str() == Some("value")) {
        Some(at) if labelled => entries.swap_remove(at).1,
        _ => Json::Object(entries),
    }
}

/// A list of legacy message events, each an object of its attributes and its role.
pub(super) fn messages<'a>(events: &[&'a SpanEvent<'a>]) -> Option<Json<'a>> {
    let list: Vec<_> = events.iter().map(|event| message(event)).collect();
    (!list.is_empty()).then_some(Json::Array(list))
}

fn message<'a>(event: &'a SpanEvent<'a>) -> Json<'a> {
    let role = event.name.strip_prefix("gen_ai.").and_then(|name| name.strip_suffix(".message"));
    let mut entries = Vec::with_capacity(event.attributes.len() + 1);
    // First, so that a role among the attributes takes its place.
    entries.extend(role.map(|role| (Text::from("role"), Json::str(role))));
    entries
        .extend(event.attributes.iter().map(|pair| (Text::from(pair.key.as_ref()), disclosed(&pair.value))));
    Json::object(entries)
}

/// Of an event that stands for a tool's arguments or result: the attribute that holds them.
pub(super) fn body<'a>(events: &[&'a SpanEvent<'a>], key: &str) -> Option<Json<'a>> {
    let [event] = events else { return None };
    let holds = |pair: &&KeyValue<'_>| pair.key == key;
    event.attributes.iter().rev().find(holds).map(|pair| disclosed(&pair.value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_callers_put_around_arguments_is_taken_off() {
        for (text, inner) in [
            (r#"{"args":[],"kwargs":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"kwargs":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"args":[],"sanitize_inputs_outputs":true,"kwargs":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"tool_name":"t","arguments":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"args":[2],"kwargs":{"a":1}}"#, r#"{"args":[2],"kwargs":{"a":1}}"#),
            (r#"{"arguments":{"a":1}}"#, r#"{"arguments":{"a":1}}"#),
            (r#"{"kwargs":{"a":1},"arguments":{}}"#, r#"{"kwargs":{"a":1},"arguments":{}}"#),
            (r#"{"kwargs":{"a":1},"b":2}"#, r#"{"kwargs":{"a":1},"b":2}"#),
            (r#"{"kwargs":1}"#, r#"{"kwargs":1}"#),
            ("[1]", "[1]"),
        ] {
            assert_eq!(unwrapped(json::parse(text).unwrap()), json::parse(inner).unwrap(), "{text}");
        }
    }

    #[test]
    fn only_objects_and_arrays_are_parsed() {
        for (text, parsed) in [
            (" {\"a\":1}", true),
            ("[1]", true),
            ("7", false),
            ("true", false),
            ("\"x\"", false),
            ("{'a': 1}", false),
            ("", false),
        ] {
            assert_eq!(!matches!(disclosed_text(text), Json::Str(_)), parsed, "{text}");
        }
    }
}
