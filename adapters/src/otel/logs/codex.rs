//! OpenAI Codex CLI: `codex.*`, as its source (`codex-rs/otel`) writes them.
//!
//! A call that was not allowed has both a decision and a result with the same `call_id`: the result
//! is the call. `%` fields of its log macro arrive as strings, also numbers and truth values.

use super::Item;
use super::read::{Log, authorization, boundary, denied, failed};
use halod_record::event::{Action, Content, Event, Fact, Status, Usage};
use halod_record::verdict::exit_code;
use std::borrow::Cow;

/// How the output of a call ends that a human did not allow.
const REJECTED: &str = "rejected by user";

pub(super) fn item<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    match log.short {
        "tool_result" => Some(result(log)),
        "tool_decision" => Some(decision(log)),
        "api_request" | "websocket_request" => call(log),
        "sse_event" => stream(log),
        "user_prompt" => {
            Some(boundary(event(log, Action::Boundary { verb: "prompt" }), "prompt", log.content("prompt")))
        }
        // What it may do without asking: the sandbox and approval policies are the input.
        "conversation_starts" => {
            let policy = ["approval_policy", "sandbox_policy"].map(|key| (key.into(), log.content(key)));
            let told = policy.into_iter().filter_map(|(key, content)| match content {
                Content::Value(value) => Some((key, value)),
                Content::Undisclosed | Content::Digest(_) => None,
            });
            let input = Content::Value(halod_record::json::Json::Object(told.collect()));
            Some(boundary(event(log, Action::Boundary { verb: "start" }), "start", input))
        }
        _ => None,
    }
}

fn event<'a>(log: &Log<'_, 'a>, action: Action<'a>) -> Event<'a> {
    log.event("codex", "conversation.id", action)
}

fn tool<'a>(log: &Log<'_, 'a>) -> Cow<'a, str> {
    log.text("tool_name").unwrap_or(Cow::Borrowed("unnamed"))
}

fn result<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let action =
        Action::Tool { name: tool(log), mcp_server: log.text("mcp_server"), call_id: log.text("call_id") };
    let mut event = event(log, action);
    event.input = log.content("arguments");
    let output = log.content("output");
    // To Codex a command that ran has succeeded; what it says of its exit is another matter.
    let exit = log.text("output").and_then(|text| exit_code(&text)).filter(|code| *code != 0);
    if log.flag("success") == Some(false) || exit.is_some() {
        event.outcome = failed(output, log.text("error.type"), log.text("output"));
        event.facts.extend(exit.map(|code| ("exit_code", Fact::Label(code.to_string().into()))));
        if log.text("output").is_some_and(|text| text.trim_end().ends_with(REJECTED)) {
            event.outcome.status = Status::Denied;
        }
    } else {
        event.outcome.result = output;
    }
    Item::Event(Box::new(event))
}

fn decision<'a>(log: &Log<'_, 'a>) -> Item<'a> {
    let mut event = event(log, Action::Decide { tool: tool(log), call_id: log.text("call_id") });
    // Versions differ in how they write both: `User` and `user`.
    let decided = log.text("decision").unwrap_or_default().to_ascii_lowercase();
    let by = log.text("source").map(|by| Cow::Owned(by.to_ascii_lowercase()));
    event.authorization = authorization(&decided, by);
    if denied(event.authorization.as_ref()) {
        event.outcome.status = Status::Denied;
    }
    Item::Event(Box::new(event))
}

/// One attempt at a model call. One that is answered with a stream is told of again at the stream's end, which
/// knows the tokens and how it ended: that is the call. The same client also asks which models there are.
fn call<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    let endpoint = log.text("endpoint");
    let of = |name: &str| endpoint.as_ref().is_some_and(|path| path.trim_end_matches('/').ends_with(name));
    if of("models") {
        return None;
    }
    let status = log.int("http.response.status_code");
    let error = log.any(&["error.message", "error"]);
    let refused = status.is_some_and(|status| !(200..300).contains(&status));
    if refused || error.is_some() || log.flag("success") == Some(false) {
        let mut event = generate(log);
        event.outcome = failed(Content::Undisclosed, log.text("http.response.status_code"), error);
        return Some(Item::Event(Box::new(event)));
    }
    let streamed = endpoint.is_none() || of("/responses") || of("/chat/completions");
    let event = if streamed { event(log, Action::Boundary { verb: "attempt" }) } else { generate(log) };
    Some(Item::Event(Box::new(event)))
}

fn generate<'a>(log: &Log<'_, 'a>) -> Event<'a> {
    event(log, Action::Generate { provider: Some(Cow::Borrowed("openai")), model: log.text("model") })
}

/// The end of a streamed answer: the call, where it has the tokens or says that the stream broke. Codex tells of
/// a whole stream's end a second time without them, and of an event in it that it could not read.
fn stream<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    let kind = log.text("event.kind");
    let error = log.text("error.message");
    let completed = kind.as_deref() == Some("response.completed");
    let broken =
        kind.as_deref() == Some("response.failed") || error.is_some() && (completed || kind.is_none());
    if error.is_none() && !completed && !broken {
        return None;
    }
    let counted = log.value("input_token_count").is_some();
    let mut event = if broken || counted && error.is_none() {
        generate(log)
    } else {
        event(log, Action::Boundary { verb: "response" })
    };
    if error.is_some() || broken {
        event.outcome = failed(Content::Undisclosed, None, error);
    }
    event.usage = Usage {
        input_tokens: log.int("input_token_count"),
        output_tokens: log.int("output_token_count"),
        // It is called after tools, and is the total.
        total_tokens: log.int("tool_token_count"),
        cache_read_tokens: log.int("cached_token_count"),
        cache_write_tokens: log.int("cache_write_token_count"),
        reasoning_tokens: log.int("reasoning_token_count"),
        ..Usage::default()
    };
    Some(Item::Event(Box::new(event)))
}
