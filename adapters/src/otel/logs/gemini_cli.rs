//! Gemini CLI (0.61): `gemini_cli.*`, as captures of it have them.
//!
//! A tool call is one record, its decision in it. A model call is its `api_response` or `api_error`;
//! the `api_request` before it is told only for what it asks.

use super::Item;
use super::read::{Log, authorization, boundary, denied, failed};
use crate::otlp::model::AnyValue;
use crate::tokens::{Parts, inclusive};
use halod_record::event::{Action, Content, Event, Fact, Status, Usage};
use halod_record::json::{Json, Text};
use halod_record::verdict::exit_code;
use std::borrow::Cow;

pub(super) fn item<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    match log.short {
        "tool_call" => Some(tool(log)),
        "api_response" | "api_error" => Some(call(log)),
        "api_request" => match log.content("request_text") {
            Content::Undisclosed | Content::Digest(_) => None,
            request => Some(boundary(event(log, Action::Boundary { verb: "request" }), "request", request)),
        },
        "user_prompt" => {
            Some(boundary(event(log, Action::Boundary { verb: "prompt" }), "prompt", log.content("prompt")))
        }
        _ => None,
    }
}

fn event<'a>(log: &Log<'_, 'a>, action: Action<'a>) -> Event<'a> {
    log.event("gemini_cli", "session.id", action)
}

fn tool<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let name = log.text("function_name").unwrap_or(Cow::Borrowed("unnamed"));
    let action = Action::Tool { name, mcp_server: log.text("mcp_server_name"), call_id: log.text("call_id") };
    let mut event = event(log, action);
    event.input = log.content("function_args");
    // A human may have said yes, or a mode that was chosen before: `accept` stands for both.
    event.authorization = log.text("decision").and_then(|decision| authorization(&decision, None));
    let command = Command::of(log);
    if log.flag("success") == Some(false) || command.failed {
        let class = log.any(&["error.type", "error_type"]);
        let text = log.any(&["error.message", "error"]).or(command.output);
        event.outcome = failed(Content::Undisclosed, class, text);
        let code = command.code.filter(|code| *code != 0);
        event.facts.extend(code.map(|code| ("exit_code", Fact::Label(code.to_string().into()))));
    }
    if denied(event.authorization.as_ref()) {
        event.outcome.status = Status::Denied;
    }
    Item::Event(Box::new(event))
}

/// What is told of a shell command. One that ran and failed is a success to Gemini CLI; what it says beside that
/// is not.
#[derive(Default)]
struct Command<'a> {
    failed: bool,
    code: Option<i64>,
    output: Option<Cow<'a, str>>,
}

impl<'a> Command<'a> {
    fn of(log: &Log<'_, 'a>) -> Self {
        let Content::Value(metadata) = log.content("metadata") else { return Self::default() };
        let text = |key: &&str| match metadata.get(key) {
            Some(Json::Str(Text::Utf8(text))) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let texts = || ["llmContent", "returnDisplay", "output"].iter().filter_map(text);
        let code = match metadata.get("exitCode") {
            Some(Json::Int(code)) => Some(*code),
            _ => texts().find_map(|text| exit_code(&text)),
        };
        let failed = metadata.get("isError") == Some(&Json::Bool(true)) || code.is_some_and(|code| code != 0);
        Self { failed, code, output: texts().next() }
    }
}

fn call<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let provider = Some(Cow::Borrowed("gcp.gen_ai"));
    let mut event = event(log, Action::Generate { provider, model: log.text("model") });
    if log.short == "api_error" {
        let class = log.any(&["error.type", "error_type", "status_code"]);
        event.outcome = failed(Content::Undisclosed, class, log.any(&["error.message", "error"]));
    } else {
        event.outcome.result = log.content("response_text");
    }
    let finish_reason = match log.value("finish_reasons") {
        Some(AnyValue::Array(reasons)) => reasons.first().and_then(super::spans::text),
        _ => None,
    };
    let usage = Usage {
        input_tokens: log.int("input_token_count"),
        output_tokens: log.int("output_token_count"),
        total_tokens: log.int("total_token_count"),
        cache_read_tokens: log.int("cached_content_token_count"),
        reasoning_tokens: log.int("thoughts_token_count"),
        finish_reason,
        ..Usage::default()
    };
    // As Google counts: thoughts beside the candidates.
    let (usage, unclear) = inclusive(usage, Parts::Within, Parts::Beside);
    event.usage = usage;
    event.facts.extend(unclear);
    Item::Event(Box::new(event))
}
