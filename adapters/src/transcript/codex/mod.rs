//! Codex CLI's transcripts (rollouts): lines of `timestamp`, `type` and `payload`.
//!
//! | `type` | tells |
//! |---|---|
//! | `session_meta`, `turn_context` | the session, the client, the provider; the model of the lines that follow |
//! | `response_item` | a part of a model's answer (`reasoning`, a `message` of the assistant, a call), or a call's output |
//! | `token_usage_record` | the end of an answer, its id and what it counted |
//! | `event_msg` `token_count` | the same without an id, in versions that write no such record; other versions repeat it |
//! | `event_msg` `item_completed`, `exec_command_end`, `mcp_tool_call_end` | how a call ended |
//! | `event_msg` `error`, `task_complete` with an `error` | that the model did not answer |
//!
//! The items before the end of an answer are its parts: no line says to which answer one belongs. A transcript of a
//! version that counted no tokens tells of no model calls.

mod call;
mod session;
mod tool;

pub(super) use session::Session;

use super::base::Action;
use super::join::Of;
use crate::MAPPING;
use crate::fields::text;
use halod_record::event::{Event, Source};
use halod_record::json::Json;
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// Ids of Codex'.
const SPACE: &str = "codex";

const SOURCE: Source = Source {
    adapter: "codex_transcript",
    via: "Codex CLI transcript",
    dialect: "codex.rollout",
    mapping: MAPPING,
};

/// Tells the event of an action's lines.
pub(super) fn event<'a>(action: &Action<'_, 'a>) -> Result<Event<'a>, Unusable> {
    let said = |key: &str| text(action.context, key);
    let session = said("session").ok_or_else(|| {
        Unusable::new("session_meta", "the transcript does not say whose session it is: its begin is missing")
    })?;
    let mut event = match action.of {
        Of::Model => call::answer(action, session.clone()),
        Of::Failure => call::failure(action, session.clone()),
        Of::Tool => tool::event(action, session.clone())?,
    };
    event.session = Some(session);
    event.agent.version = said("version");
    // As its telemetry calls it (`service.name`).
    event.agent.name = said("originator").or(Some(Cow::Borrowed("codex")));
    Ok(event)
}

/// The payload of a line, if the line is of this type.
fn payload<'l, 'a>(line: &'l Json<'a>, kind: &str) -> Option<&'l Json<'a>> {
    line.get("payload").filter(|_| line.get("type").and_then(Json::as_str) == Some(kind))
}

/// The type within a line.
fn kind<'p>(payload: &'p Json<'_>) -> Option<&'p str> {
    payload.get("type")?.as_str()
}

/// The id of the call that an item asks for, or had the provider do.
fn call_of<'p>(item: &'p Json<'_>) -> Option<&'p str> {
    if !kind(item)?.ends_with("_call") {
        return None;
    }
    item.get("call_id").and_then(Json::as_str).or_else(|| item.get("id")?.as_str())
}

/// The id of the call whose output an item is.
fn output_of<'p>(item: &'p Json<'_>) -> Option<&'p str> {
    if !kind(item)?.ends_with("_output") {
        return None;
    }
    item.get("call_id")?.as_str()
}

/// The id of the call of whose end a message tells.
fn end_of<'p>(message: &'p Json<'_>) -> Option<&'p str> {
    const WORDS: [&str; 3] = ["Reasoning", "AgentMessage", "UserMessage"];
    match kind(message)? {
        "item_completed" => {
            let item = message.get("item")?;
            if WORDS.contains(&kind(item)?) { None } else { item.get("id")?.as_str() }
        }
        "exec_command_end" | "mcp_tool_call_end" | "patch_apply_end" => message.get("call_id")?.as_str(),
        _ => None,
    }
}

/// Why a turn ended without an answer.
fn error_of<'m, 'a>(message: &'m Json<'a>) -> Option<&'m Json<'a>> {
    match kind(message)? {
        "error" => Some(message),
        "task_complete" => message.get("error").filter(|error| matches!(error, Json::Object(_))),
        _ => None,
    }
}

/// The class of an error: a name, or an object of which a name is the only key.
fn class_of<'e>(error: &'e Json<'_>) -> Option<&'e str> {
    match error.get("codex_error_info")? {
        Json::Object(members) => members.first()?.0.as_str(),
        class => class.as_str(),
    }
}

/// Whether an error is the model's, or its provider's: not one of what Codex itself did.
fn is_of_model(error: &Json<'_>) -> bool {
    !matches!(
        class_of(error),
        None | Some("other" | "sandbox_error" | "thread_rollback_failed" | "active_turn_not_steerable")
    )
}
