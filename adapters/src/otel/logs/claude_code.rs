//! Claude Code (2.1): `claude_code.*`, as its documentation and captures of it have them.
//!
//! Every tool call is decided (`tool_decision`) and, unless the decision was no, has a result with
//! the same `tool_use_id`: an accepted decision is a record of its own, a rejected one is the call.

use super::Item;
use super::read::{Log, authorization, boundary, denied, failed, member};
use crate::tokens::{Parts, inclusive};
use halod_record::event::{Action, Content, Event, Fact, Status, Usage};
use std::borrow::Cow;

pub(super) fn item<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    match log.short {
        "tool_result" => Some(result(log)),
        "tool_decision" => Some(decision(log)),
        "api_request" | "api_error" => Some(call(log)),
        "user_prompt" => {
            Some(boundary(event(log, Action::Boundary { verb: "prompt" }), "prompt", log.content("prompt")))
        }
        "assistant_response" => response(log),
        _ => None,
    }
}

fn event<'a>(log: &Log<'_, 'a>, action: Action<'a>) -> Event<'a> {
    log.event("claude_code", "session.id", action)
}

/// The tool's own name. Of MCP tools it says `mcp_tool`, and which only when it may tell details.
fn tool<'a>(log: &Log<'_, 'a>) -> (Cow<'a, str>, Option<Cow<'a, str>>) {
    let details = |key| match log.content("tool_parameters") {
        Content::Value(parameters) => member(parameters, key),
        Content::Undisclosed | Content::Digest(_) => None,
    };
    match (details("mcp_tool_name"), details("mcp_server_name")) {
        (Some(tool), Some(server)) => (tool, Some(server)),
        _ => (log.text("tool_name").unwrap_or(Cow::Borrowed("unnamed")), None),
    }
}

/// The arguments: older versions tell them as parameters. Those of an MCP tool only name it.
fn arguments<'a>(log: &Log<'_, 'a>, mcp: bool) -> Content<'a> {
    match log.content("tool_input") {
        Content::Undisclosed if !mcp => log.content("tool_parameters"),
        input => input,
    }
}

fn result<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let (name, mcp_server) = tool(log);
    let input = arguments(log, mcp_server.is_some());
    let call_id = log.text("tool_use_id");
    let decided = log.any(&["decision_type", "decision"]);
    let by = log.any(&["decision_source", "source"]);
    let authorization = decided.and_then(|decision| authorization(&decision, by));
    let mut event = if denied(authorization.as_ref()) {
        // The call itself is the rejected decision.
        event(log, Action::Decide { tool: name, call_id })
    } else {
        event(log, Action::Tool { name, mcp_server, call_id })
    };
    event.input = input;
    if log.flag("success") == Some(false) {
        event.outcome = failed(Content::Undisclosed, log.text("error_type"), log.text("error"));
    }
    if denied(authorization.as_ref()) {
        event.outcome.status = Status::Denied;
    }
    event.authorization = authorization;
    Item::Event(Box::new(event))
}

fn decision<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let (name, mcp_server) = tool(log);
    let input = arguments(log, mcp_server.is_some());
    let call_id = log.text("tool_use_id");
    let decided = log.text("decision").unwrap_or_default();
    let authorization = authorization(&decided, log.text("source"));
    let mut event = if denied(authorization.as_ref()) {
        let mut event = event(log, Action::Tool { name, mcp_server, call_id });
        event.outcome.status = Status::Denied;
        event
    } else {
        event(log, Action::Decide { tool: name, call_id })
    };
    event.input = input;
    event.authorization = authorization;
    Item::Event(Box::new(event))
}

/// One model call: `api_error` stands in place of `api_request`.
fn call<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let provider = Some(Cow::Borrowed("anthropic"));
    let mut event = event(log, Action::Generate { provider, model: log.text("model") });
    if log.short == "api_error" {
        let class = log.any(&["error_type", "status_code"]);
        event.outcome = failed(Content::Undisclosed, class, log.text("error"));
    }
    let usage = Usage {
        input_tokens: log.int("input_tokens"),
        output_tokens: log.int("output_tokens"),
        cache_read_tokens: log.int("cache_read_tokens"),
        cache_write_tokens: log.int("cache_creation_tokens"),
        ..Usage::default()
    };
    // As Anthropic counts: the cache's beside the input.
    let (usage, unclear) = inclusive(usage, Parts::Beside, Parts::Within);
    event.usage = usage;
    event.facts.extend(unclear);
    event.facts.extend(log.text("request_id").map(|id| ("request_id", Fact::Id(id))));
    Item::Event(Box::new(event))
}

/// What the model answered, told after the call. Without its text it says nothing new.
fn response<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    let result @ Content::Value(_) = log.content("response") else { return None };
    let mut event = event(log, Action::Boundary { verb: "response" });
    event.outcome.result = result;
    Some(Item::Event(Box::new(event)))
}
