//! Claude Code's transcripts.
//!
//! A line of `type` `assistant` has a part of a model's answer (`message`, as Anthropic's Messages API has it): its
//! text, its thinking, or a tool call (`tool_use`). Lines of one `message.id` are one answer, whose usage each
//! repeats; earlier versions wrote what was counted so far, so the largest count is that of the call. A tool's
//! result (`tool_result`) is in a line of `type` `user`, as are prompts. All others tell of no action.

mod call;
mod tool;

pub(crate) use tool::refused_by_human;

use super::base::{Action, time};
use super::join::{After, Of, PARTS, Part, Read, Role};
use crate::MAPPING;
use halod_record::event::{Event, Fact, Source};
use halod_record::json::Json;
use halod_record::unusable::Unusable;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Ids of Claude Code's.
const SPACE: &str = "claude_code";

const SOURCE: Source = Source {
    adapter: "claude_code_transcript",
    via: "Claude Code transcript",
    dialect: "claude_code.transcript",
    mapping: MAPPING,
};

/// The name that stands for a model in lines that Claude Code itself says.
const SYNTHETIC: &str = "<synthetic>";

/// Tells the part that a line has in actions; `None` where the line is no object.
pub(super) fn read(line: &Json<'_>) -> Option<Read> {
    let Json::Object(_) = line else { return None };
    let mut read = Read { named: named(line), ..Read::default() };
    let message = line.get("message").unwrap_or(&Json::Null);
    let own = |value: &Json<'_>, key: &str| value.get(key).and_then(Json::as_str).map(str::to_owned);
    // One more than there may be tells that there are too many.
    let mut part = |of, id: String, role| {
        if read.parts.len() <= PARTS {
            read.parts.push(Part { of, id, role });
        }
    };
    match line.get("type").and_then(Json::as_str) {
        Some("assistant") if message.get("model").and_then(Json::as_str) == Some(SYNTHETIC) => {
            if line.get("isApiErrorMessage") == Some(&Json::Bool(true))
                && let Some(id) = own(line, "uuid")
            {
                part(Of::Failure, id, Role::Tells);
            }
        }
        Some("assistant") => {
            read.after = line
                .get("parentUuid")
                .and_then(Json::as_str)
                .map_or(After::Unknown, |name| After::Line(short(name)));
            let answer = own(message, "id").or_else(|| own(line, "uuid"));
            if let Some(id) = answer.clone() {
                part(Of::Model, id, Role::Tells);
            }
            for block in blocks(message) {
                if let Some(id) = call_of(block) {
                    part(Of::Tool, id.to_owned(), Role::Asks(answer.clone()));
                } else if let Some(id) = result_of(block) {
                    part(Of::Tool, id.to_owned(), Role::Answers);
                }
            }
        }
        Some("user") => {
            for id in blocks(message).filter_map(result_of) {
                part(Of::Tool, id.to_owned(), Role::Answers);
            }
        }
        _ => {}
    }
    Some(read)
}

/// The name of a line that an answer may follow: no other part of an answer has one.
fn named(line: &Json<'_>) -> Option<(u64, u64)> {
    let follows = line.get("type").and_then(Json::as_str) != Some("assistant");
    let name = line.get("uuid").filter(|_| follows)?.as_str()?;
    Some((short(name), time(line)?))
}

/// Enough of a UUID.
fn short(uuid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uuid.hash(&mut hasher);
    hasher.finish()
}

/// Tells the event of an action's lines.
pub(super) fn event<'a>(action: &Action<'_, 'a>) -> Result<Event<'a>, Unusable> {
    let mut event = match action.of {
        Of::Model => call::answer(action),
        Of::Failure => call::failure(action),
        Of::Tool => tool::event(action)?,
    };
    session(action, &mut event);
    Ok(event)
}

/// What all lines say of the session and the agent.
fn session<'a>(action: &Action<'_, 'a>, event: &mut Event<'a>) {
    let said = |key: &str| action.lines.iter().find_map(|line| crate::fields::text(line, key));
    event.session = said("sessionId");
    event.agent.version = said("version");
    // As its telemetry calls it (`service.name`); a sub-agent by its kind.
    event.agent.id = said("agentId");
    event.agent.name = said("attributionAgent").or(Some(Cow::Borrowed("claude-code")));
    if action.lines.iter().any(|line| line.get("isSidechain") == Some(&Json::Bool(true))) {
        event.facts.push(("sidechain", Fact::Flag(true)));
    }
}

/// The parts of a message.
fn blocks<'m, 'a>(message: &'m Json<'a>) -> impl Iterator<Item = &'m Json<'a>> {
    let blocks = match message.get("content") {
        Some(Json::Array(blocks)) => blocks.as_slice(),
        _ => &[],
    };
    blocks.iter()
}

/// The id of the tool call that a part asks for: of Claude Code itself, or of Anthropic's servers.
fn call_of<'b>(block: &'b Json<'_>) -> Option<&'b str> {
    let kind = block.get("type")?.as_str()?;
    if !matches!(kind, "tool_use" | "server_tool_use" | "mcp_tool_use") {
        return None;
    }
    block.get("id")?.as_str()
}

/// The id of the tool call whose result a part is: `tool_result`, `web_search_tool_result` and others.
fn result_of<'b>(block: &'b Json<'_>) -> Option<&'b str> {
    if !block.get("type")?.as_str()?.ends_with("tool_result") {
        return None;
    }
    block.get("tool_use_id")?.as_str()
}
