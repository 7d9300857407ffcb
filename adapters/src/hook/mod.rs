//! Hooks: what a coding agent says on a program's standard input while it works, one event a run of the program.
//!
//! ```text
//! event ─ whose is it ─▶ Client ─ its own names ─▶ Deed: what a hook can tell ─▶ Event
//! ```
//!
//! The shapes are those that Claude Code 2.1.197 and 2.1.332, Codex CLI 0.171.0 and Gemini CLI 0.61.0 write, by captures
//! of them, by the schemas in their programs and by Gemini CLI's documentation. The Claude Agent SDK runs Claude Code.

mod client;
mod deed;
#[cfg(test)]
mod tests;

pub use client::Client;

use self::deed::Deed;
use crate::MAPPING;
use crate::fields::{count, text};
use crate::transcript::tool;
use halod_record::event::{
    Action, Agent, Authorization, Content, Decision, Event, Fact, Keyed, Origin, Outcome, Source, Status,
    Usage,
};
use halod_record::fragment::tells_of_failure;
use halod_record::json::Json;
use halod_record::unusable::Unusable;
use halod_record::verdict::exit_code;
use std::borrow::Cow;

/// What is known of an event beside what it says.
#[derive(Clone, Copy, Debug)]
pub struct Capture<'a> {
    /// When it was read, in Unix nanoseconds: hooks run while the agent waits.
    pub at: u64,
    /// What tells it from every other one, where its client gives it no id.
    pub id: &'a str,
    /// Whose event it is, where the caller knows it.
    pub client: Option<Client>,
}

/// Tells the action of an event; `None` where it tells of none that others do not tell of.
///
/// # Errors
/// It is no event of a hook.
pub fn event<'a>(said: &Json<'a>, capture: &Capture<'_>) -> Result<Option<Event<'a>>, Unusable> {
    let Json::Object(_) = said else { return Err(Unusable::new("", "not a JSON object")) };
    let Some(name) = text(said, "hook_event_name") else {
        return Err(Unusable::new("hook_event_name", "must be there: it says what happened"));
    };
    let client = capture.client.unwrap_or_else(|| Client::of(said, &name));
    let Some(deed) = client.deed(&name) else { return Ok(None) };
    let mut event = base(said, client, deed, capture);
    event.facts.push(("hook_event", Fact::Label(name)));
    deed::tell(deed, said, &mut event);
    if deed == Deed::Called
        && event.outcome.status == Status::Ok
        && !client.tells_the_end(said.get("tool_response"))
    {
        event.outcome.status = Status::Unknown;
    }
    Ok(Some(event))
}

/// What the events of all hooks say alike.
fn base<'a>(said: &Json<'a>, client: Client, deed: Deed, capture: &Capture<'_>) -> Event<'a> {
    let session = text(said, "session_id");
    let turn = text(said, "prompt_id").or_else(|| text(said, "turn_id"));
    let call_id = text(said, "tool_use_id");
    let action = match deed {
        Deed::Called | Deed::Failed | Deed::Refused => client.tool(said, call_id.clone()),
        Deed::Asked => Action::Decide { tool: named(&client.tool(said, None)), call_id: call_id.clone() },
        Deed::Boundary(verb) => Action::Boundary { verb },
        Deed::Unknown => Action::Other { name: Cow::Borrowed("hook") },
    };
    let mut id = vec![Cow::Borrowed(deed.kind())];
    match call_id.filter(|_| deed.is_of_tool()) {
        // Some servers give the calls of each answer the same ids.
        Some(call) => {
            id.extend([session.clone(), turn.clone()].map(Option::unwrap_or_default));
            id.push(call);
        }
        None => id.push(Cow::Owned(capture.id.to_owned())),
    }
    let lasted = count(said, "duration_ms").and_then(|ms| u64::try_from(ms).ok());
    let lasted = lasted.unwrap_or(0).saturating_mul(1_000_000);
    let mut facts: Vec<(&'static str, Fact<'a>)> = Vec::new();
    let mut fact = |key, fact: Option<Fact<'a>>| facts.extend(fact.map(|fact| (key, fact)));
    fact("permission_mode", text(said, "permission_mode").map(Fact::Label));
    fact("turn_id", turn.map(Fact::Id));
    fact("model", text(said, "model").map(Fact::Id));
    Event {
        action,
        agent: Agent {
            // A sub-agent by its kind, as its transcript calls it.
            id: text(said, "agent_id"),
            name: text(said, "agent_type").or(Some(Cow::Borrowed(client.name()))),
            version: None,
        },
        session,
        principal: None,
        tenant: None,
        input: Content::Undisclosed,
        outcome: Outcome {
            status: Status::Ok,
            result: Content::Undisclosed,
            error_type: None,
            error_text: None,
        },
        authorization: None,
        origin: Origin::Keyed(Keyed { space: client.space(), id, parent: None }),
        started: Some(capture.at.saturating_sub(lasted)),
        // What is no call is a point in time.
        ended: deed.is_a_call().then_some(capture.at),
        usage: Usage::default(),
        source: client.source(deed.is_of_tool()),
        dropped: 0,
        trace_flags: None,
        facts,
    }
}

fn named<'a>(action: &Action<'a>) -> Cow<'a, str> {
    match action {
        Action::Tool { name, mcp_server: Some(server), .. } => {
            Cow::Owned(["mcp__", server, "__", name].concat())
        }
        Action::Tool { name, .. } => name.clone(),
        _ => Cow::Borrowed("unnamed"),
    }
}

/// What a value discloses.
fn disclosed<'a>(value: Option<&Json<'a>>) -> Content<'a> {
    match value {
        None | Some(Json::Null) => Content::Undisclosed,
        Some(value) => Content::Value(value.clone()),
    }
}

/// How a call ended that came back, by its result: to a client a command that ran has come off, whatever its exit.
fn by_result<'a>(client_result: Option<&Json<'a>>, event: &mut Event<'a>) {
    event.outcome.result = disclosed(client_result);
    let Some(result) = client_result else { return };
    // Gemini CLI's results have what the model is told within.
    let told = result.get("llmContent").unwrap_or(result);
    let code = told.as_str().and_then(|text| exit_code(text).or_else(|| code_at_end(text)));
    let code = code.filter(|code| *code != 0);
    if code.is_some() || tells_of_failure(result) {
        event.outcome.status = Status::Error;
        event.outcome.error_text =
            told.as_str().or_else(|| message(result)).map(|text| text.to_owned().into());
        event.facts.extend(code.map(|code| ("exit_code", Fact::Label(code.to_string().into()))));
    }
}

/// Lines that Gemini CLI writes behind what a command printed, at most.
const TAIL: usize = 6;

/// The exit code at the end of what Gemini CLI tells of a command.
fn code_at_end(told: &str) -> Option<i64> {
    let tail = told.trim_end().lines().rev().take(TAIL);
    tail.filter_map(|line| line.strip_prefix("Exit Code: ")).find_map(|code| code.trim().parse().ok())
}

/// The text of an error that a result has within.
fn message<'r>(result: &'r Json<'_>) -> Option<&'r str> {
    let error = result.get("error")?;
    error.as_str().or_else(|| error.get("message")?.as_str())
}

fn deny(event: &mut Event<'_>, approver: Option<&'static str>) {
    event.outcome.status = Status::Denied;
    let approver = approver.map(Cow::Borrowed);
    event.authorization = Some(Authorization { decision: Decision::Denied, approver });
}
