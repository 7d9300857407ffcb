//! A tool call and its output.

use super::super::base::{self, Action, deny, time, tool};
use super::{SOURCE, SPACE, call_of, end_of, kind, output_of, payload};
use crate::fields::{content, text};
use halod_record::event::{Content, Event, Fact, Status};
use halod_record::json::{Json, Text};
use halod_record::unusable::Unusable;
use halod_record::verdict::{exit_code, is_failure};
use std::borrow::Cow;

/// How the output of a call ends that a human did not allow.
const REJECTED: &str = "rejected by user";

/// How outputs begin of calls that Codex could not do.
const UNSUPPORTED: [&str; 2] = ["unsupported call: ", "unsupported custom tool call: "];

pub(super) fn event<'a>(action: &Action<'_, 'a>, session: Cow<'a, str>) -> Result<Event<'a>, Unusable> {
    let items = || action.lines.iter().filter_map(|line| Some((*line, payload(line, "response_item")?)));
    let (asked, call) = items()
        .find(|(_, item)| call_of(item) == Some(&action.id))
        .ok_or_else(|| Unusable::new("call_id", "the output of a tool call that is not in the file"))?;
    let output = items().find(|(_, item)| output_of(item) == Some(&action.id));
    let kind_of = tool(name(call), Some(action.id.clone()));
    let id = vec!["tool".into(), session, action.id.clone()];
    let mut event = action.event(kind_of, (SPACE, id), SOURCE);
    event.started = time(asked);
    event.ended = output.and_then(|(line, _)| time(line));
    event.input = input(call);
    let ends = action.lines.iter().filter_map(|line| payload(line, "event_msg"));
    let ends: Vec<&Json<'a>> = ends.filter(|message| end_of(message) == Some(&action.id)).collect();
    match output {
        Some((_, output)) => {
            end(output.get("output").unwrap_or(&Json::Null), &ends, &mut event);
        }
        // The provider's own tools are done when they are told of.
        None if call.get("call_id").is_none()
            && call.get("status").and_then(Json::as_str) == Some("completed") =>
        {
            event.ended = event.started;
        }
        None => event.outcome.status = Status::Unfinished,
    }
    Ok(event)
}

/// The tool's name: with its MCP server before it, or for a kind of call that is a tool of its own that kind's.
fn name<'a>(call: &Json<'a>) -> Cow<'a, str> {
    match (text(call, "namespace"), text(call, "name")) {
        (Some(space), Some(name)) if space.starts_with("mcp__") => {
            Cow::Owned([space.trim_end_matches('_'), "__", &name].concat())
        }
        (_, Some(name)) => name,
        (_, None) => {
            let kind = kind(call).unwrap_or_default();
            Cow::Owned(kind.strip_suffix("_call").unwrap_or(kind).to_owned())
        }
    }
}

fn input<'a>(call: &Json<'a>) -> Content<'a> {
    ["arguments", "input", "action"]
        .iter()
        .find_map(|key| call.get(key))
        .map_or(Content::Undisclosed, |value| content(Some(value)))
}

/// How the call ended: by its output, and by what Codex says of its end. To Codex a command that ran has succeeded;
/// what is said of its exit is another matter.
fn end<'a>(output: &Json<'a>, ends: &[&Json<'a>], event: &mut Event<'a>) {
    // Before 2026 some outputs had their text within.
    let told = output.get("content").unwrap_or(output);
    let words = base::words(told).unwrap_or_default();
    let code =
        ends.iter().find_map(|end| code_of(end)).or_else(|| exit_code(&words)).filter(|code| *code != 0);
    let failed = code.is_some()
        || ends.iter().any(|end| has_failed(end))
        || output.get("success") == Some(&Json::Bool(false))
        || is_failure(told)
        || UNSUPPORTED.iter().any(|begin| words.starts_with(begin));
    let declined = |end: &&Json<'_>| status_of(end) == Some("declined");
    let rejected = words.trim_end().ends_with(REJECTED) || ends.iter().any(declined);
    if !failed && !rejected {
        event.outcome.result = match told {
            Json::Null => Content::Undisclosed,
            told => Content::Value(told.clone()),
        };
        return;
    }
    event.outcome.status = Status::Error;
    event.outcome.error_text = Some(words.into()).filter(|words: &Cow<'_, str>| !words.is_empty());
    event.facts.extend(code.map(|code| ("exit_code", Fact::Label(code.to_string().into()))));
    if rejected {
        deny(event, true);
    }
}

/// With which code a command ended.
fn code_of(end: &Json<'_>) -> Option<i64> {
    match end.get("item").unwrap_or(end).get("exit_code")? {
        Json::Int(code) => Some(*code),
        _ => None,
    }
}

fn status_of<'e>(end: &'e Json<'_>) -> Option<&'e str> {
    end.get("item").unwrap_or(end).get("status")?.as_str()
}

fn has_failed(end: &Json<'_>) -> bool {
    let item = end.get("item").unwrap_or(end);
    let result = item.get("result").unwrap_or(&Json::Null);
    // A result of Rust's, or one of MCP's.
    let refused =
        matches!(result, Json::Object(members) if members.iter().any(|(key, _)| *key == Text::from("Err")));
    status_of(end) == Some("failed")
        || item.get("success") == Some(&Json::Bool(false))
        || refused
        || is_failure(result)
        || result.get("Ok").is_some_and(is_failure)
}
