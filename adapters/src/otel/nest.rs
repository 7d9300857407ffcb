//! Messages that are told flat, one attribute a leaf: `message.contents.0.message_content.text`.

use super::content::disclosed;
use crate::otlp::model::AnyValue;
use halod_record::charge;
use halod_record::json::{Json, Text};

/// Levels of lists and objects that are made of one name; what is deeper stays flat.
const DEPTH: usize = 8;

/// What a leaf takes at most beside its value, on its way into the tree.
const LEAF: usize = 192;

/// What OpenInference puts around each item of a list.
const WRAPPERS: [&str; 6] =
    ["message_content", "tool_call", "document", "message", "embedding", "completion"];

/// One message, of its names and values in the order in which they were told: of a name that appears twice the
/// last counts.
pub(super) fn message<'a>(entries: impl Iterator<Item = (&'a str, &'a AnyValue<'a>)> + Clone) -> Json<'a> {
    let deep = entries.clone().filter(|(name, _)| name.contains('.')).count();
    if deep == 0 || charge::take(deep * LEAF).is_err() {
        return Json::object(entries.map(|(name, value)| (Text::from(name), disclosed(value))).collect());
    }
    tree(entries.collect(), DEPTH)
}

fn tree<'a>(leaves: Vec<(&'a str, &'a AnyValue<'a>)>, depth: usize) -> Json<'a> {
    // Each with its first part and the rest; stable, so that the last of a name still comes last.
    let mut parts: Vec<(&str, Option<&str>, &AnyValue<'_>)> = leaves
        .into_iter()
        .map(|(name, value)| match name.split_once('.') {
            Some((first, rest)) if depth > 0 && !first.is_empty() && !rest.is_empty() => {
                (first, Some(rest), value)
            }
            _ => (name, None, value),
        })
        .collect();
    let index = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    let list = parts.iter().all(|(part, rest, _)| rest.is_some() && index(part).is_some());
    if list {
        parts.sort_by_key(|(part, ..)| index(part));
    } else {
        parts.sort_by_key(|(part, ..)| *part);
    }
    let inner = parts
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| (group.first().map_or("", |part| part.0), value(group, depth)));
    if list {
        Json::Array(inner.map(|(_, item)| unwrapped(item)).collect())
    } else {
        Json::object(inner.map(|(name, value)| (Text::from(name), value)).collect())
    }
}

/// What stands under one name: the last value, or what is below it.
fn value<'a>(group: &[(&'a str, Option<&'a str>, &'a AnyValue<'a>)], depth: usize) -> Json<'a> {
    let below: Vec<_> = group.iter().filter_map(|(_, rest, value)| Some(((*rest)?, *value))).collect();
    match group.last() {
        Some((_, None, value)) if below.is_empty() => disclosed(value),
        _ => tree(below, depth.saturating_sub(1)),
    }
}

fn unwrapped(item: Json<'_>) -> Json<'_> {
    match item {
        Json::Object(mut entries) if entries.len() == 1 => match entries.pop() {
            Some((name, inner)) if name.as_str().is_some_and(|name| WRAPPERS.contains(&name)) => inner,
            Some(other) => Json::Object(vec![other]),
            None => Json::Object(Vec::new()),
        },
        item => item,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    fn told(entries: &[(&'static str, &str)]) -> String {
        let values: Vec<_> =
            entries.iter().map(|(_, text)| AnyValue::Str((*text).to_owned().into())).collect();
        let message = message(entries.iter().map(|(name, _)| *name).zip(&values));
        let mut out = Vec::new();
        halod_record::canon::write(&message, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn flat_names_become_the_message_that_they_stand_for() {
        for (entries, expected) in [
            (&[("role", "user"), ("content", "hi")][..], r#"{"role":"user","content":"hi"}"#),
            (
                &[
                    ("contents.1.message_content.text", "b"),
                    ("contents.0.message_content.type", "text"),
                    ("role", "user"),
                    ("contents.0.message_content.text", "a"),
                    ("contents.1.message_content.type", "text"),
                ],
                r#"{"role":"user","contents":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
            ),
            (
                &[
                    ("tool_calls.0.tool_call.id", "c1"),
                    ("tool_calls.0.tool_call.function.name", "pay"),
                    ("tool_calls.10.tool_call.id", "c3"),
                    ("tool_calls.2.tool_call.id", "c2"),
                ],
                r#"{"tool_calls":[{"id":"c1","function":{"name":"pay"}},{"id":"c2"},{"id":"c3"}]}"#,
            ),
            // OpenLLMetry has nothing around the items.
            (
                &[("tool_calls.0.name", "pay"), ("tool_calls.0.arguments", "{\"a\":1}")],
                r#"{"tool_calls":[{"name":"pay","arguments":{"a":1}}]}"#,
            ),
            (&[("a.b", "1"), ("a.b", "2"), ("a", "3")], r#"{"a":{"b":"2"}}"#),
            (&[("a.", "1"), (".b", "2"), ("a..b", "3")], r#"{".b":"2","a":{".b":"3"},"a.":"1"}"#),
            (
                &[("a.b.c.d.e.f.g.h.i.j", "1")],
                r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i.j":"1"}}}}}}}}}"#,
            ),
            (&[("list.0.x", "1"), ("list.last.x", "2")], r#"{"list":{"0":{"x":"1"},"last":{"x":"2"}}}"#),
            (&[("list.99999999999.x", "1")], r#"{"list":{"99999999999":{"x":"1"}}}"#),
        ] {
            let mut wanted = Vec::new();
            halod_record::canon::write(&parse(expected).unwrap(), &mut wanted).unwrap();
            assert_eq!(told(entries), String::from_utf8(wanted).unwrap(), "{entries:?}");
        }
    }
}
