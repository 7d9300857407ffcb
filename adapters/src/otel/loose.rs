//! Spans of dialects that no table knows, told by an attribute that names a model or a tool, and what is
//! told under names that no table maps. Such a span is some activity of an agent, and no call.
//!
//! The rule: a string that is not empty under a key whose words (split at `.`, `_`, `-` and before
//! a capital) end in `model`, `model name`, `model id`, `tool` or `tool name`, unless its first word
//! is of a convention that speaks of other models and tools. Read only for spans that would
//! otherwise be passed over.

use super::dialects;
use crate::otlp::model::{AnyValue, KeyValue};
use std::borrow::Cow;

/// `device.model.name`, `host.cpu.model.id`, `hw.model` of the OpenTelemetry conventions, and the
/// models of databases and web frameworks.
const OTHERS: [&str; 8] = ["device", "host", "hw", "hardware", "db", "django", "orm", "vehicle"];

/// The place of the first attribute that names a model or a tool.
pub(super) fn place(attributes: &[KeyValue<'_>]) -> Option<usize> {
    attributes.iter().position(|KeyValue { key, value }| {
        matches!(value, AnyValue::Str(text) if !text.is_empty()) && names_model_or_tool(key)
    })
}

/// Conventions about other things than agents: protocols, places in code, processes.
const PROTOCOLS: [&str; 9] = ["http", "url", "db", "rpc", "messaging", "net", "network", "faas", "graphql"];
const SURROUNDINGS: [&str; 20] = [
    "server",
    "client",
    "peer",
    "thread",
    "code",
    "process",
    "host",
    "telemetry",
    "service",
    "deployment",
    "os",
    "container",
    "k8s",
    "cloud",
    "user_agent",
    "otel",
    "error",
    "exception",
    "device",
    "enduser",
];

/// Whether the attributes tell of a request of some protocol.
pub(super) fn is_protocol(attributes: &[KeyValue<'_>]) -> bool {
    attributes.iter().any(|pair| PROTOCOLS.contains(&first(&pair.key)))
}

/// How many names are kept of what no table maps.
const UNMAPPED: usize = 32;

/// Under which names something is told that no table maps. `all` is for a span that no table explains;
/// else only names are meant that say they hold content, and values that have a structure.
pub(super) fn unmapped<'a>(attributes: &'a [KeyValue<'a>], all: bool) -> Vec<Cow<'a, str>> {
    let foreign = |key: &str| {
        let first = first(key);
        PROTOCOLS.contains(&first) || SURROUNDINGS.contains(&first)
    };
    let tells = |pair: &&KeyValue<'_>| {
        dialects::find(&pair.key).is_none()
            && dialects::family(&pair.key).is_none()
            && !foreign(&pair.key)
            && (all || !pair.key.starts_with("gen_ai.") && is_content(pair))
    };
    let mut names: Vec<Cow<'a, str>> =
        attributes.iter().filter(tells).take(UNMAPPED).map(|pair| Cow::Borrowed(pair.key.as_ref())).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Words at the end of a key whose value is content.
const CONTENT: [&str; 21] = [
    "input",
    "inputs",
    "output",
    "outputs",
    "args",
    "arguments",
    "kwargs",
    "parameters",
    "result",
    "results",
    "response",
    "request",
    "prompt",
    "completion",
    "message",
    "messages",
    "content",
    "contents",
    "query",
    "payload",
    "choices",
];

fn is_content(KeyValue { key, value }: &KeyValue<'_>) -> bool {
    let word = split(key).1;
    match value {
        AnyValue::Empty | AnyValue::Bool(_) | AnyValue::Int(_) | AnyValue::Double(_) => false,
        AnyValue::Str(text) if text.is_empty() => false,
        _ => CONTENT.iter().any(|content| is(word, content)),
    }
}

fn first(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

fn names_model_or_tool(key: &str) -> bool {
    // The longest of the names that count; a longer key is looked at from its end.
    let (rest, last) = split(key);
    let noun = match last {
        _ if is(last, "model") || is(last, "tool") => true,
        _ if is(last, "name") => matches!(split(rest).1, noun if is(noun, "model") || is(noun, "tool")),
        _ if is(last, "id") => is(split(rest).1, "model"),
        _ => false,
    };
    let first = key.split(['.', '_', '-']).next().unwrap_or_default();
    noun && !OTHERS.iter().any(|other| is(first, other))
}

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

/// A key without its last word, and that word.
fn split(key: &str) -> (&str, &str) {
    let key = key.trim_end_matches(['.', '_', '-']);
    let bytes = key.as_bytes();
    let starts = |at: usize| match (bytes.get(at.wrapping_sub(1)), bytes.get(at)) {
        (Some(b'.' | b'_' | b'-'), _) => true,
        (Some(before), Some(here)) => before.is_ascii_lowercase() && here.is_ascii_uppercase(),
        _ => false,
    };
    let at = (1..bytes.len()).rev().find(|at| starts(*at)).unwrap_or(0);
    (key.get(..at).unwrap_or_default(), key.get(at..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::names_model_or_tool;

    #[test]
    fn keys_that_name_a_model_or_a_tool() {
        for key in [
            "model",
            "llm.model",
            "llm.openai.model",
            "my_model_name",
            "agent.modelName",
            "model_id",
            "request-model",
            "tool",
            "tool_name",
            "toolName",
            "lk.function_tool.name",
            "Tool.Name",
        ] {
            assert!(names_model_or_tool(key), "{key}");
        }
        for key in [
            "",
            ".",
            "name",
            "id",
            "tool.id",
            "models",
            "remodel",
            "model.version",
            "tool.description",
            "host.cpu.model.name",
            "device.model.identifier",
            "device.model.name",
            "hw.model",
            "code.function.name",
            "django.model",
            "thread.name",
        ] {
            assert!(!names_model_or_tool(key), "{key}");
        }
    }
}
