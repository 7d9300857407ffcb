//! The deeds that events tell of, in the words of no client, and what an event says of each.

use super::{by_result, deny, disclosed};
use crate::fields::{is_true, text};
use crate::transcript::refusal;
use halod_record::event::{Content, Event, Fact, Status};
use halod_record::json::Json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A tool was called, and came back.
    Called,
    /// A tool was called, and failed.
    Failed,
    /// A tool was not called, because that was refused.
    Refused,
    /// A tool is about to be called, or somebody is asked whether it may.
    Asked,
    /// `agent.<verb>`.
    Boundary(&'static str),
    /// An event of a version that came later.
    Unknown,
}

impl Deed {
    /// Whether it is about a tool.
    pub(super) fn is_of_tool(self) -> bool {
        self.is_a_call() || self == Self::Asked
    }

    /// Whether it is what became of a call.
    pub(super) fn is_a_call(self) -> bool {
        matches!(self, Self::Called | Self::Failed | Self::Refused)
    }

    /// The part of an id that tells a call from other deeds with the same id: a call is one, whatever became of it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Called | Self::Failed | Self::Refused => "tool",
            Self::Asked => "asked",
            Self::Boundary(_) | Self::Unknown => "event",
        }
    }
}

/// Members that are told by themselves, or are no part of what happened.
const ASIDE: [&str; 15] = [
    "agent_id",
    "agent_transcript_path",
    "agent_type",
    "cwd",
    "effort",
    "hook_event_name",
    "last_assistant_message",
    "model",
    "permission_mode",
    "prompt_id",
    "prompt_response",
    "session_id",
    "timestamp",
    "transcript_path",
    "turn_id",
];

pub(super) fn tell<'a>(deed: Deed, said: &Json<'a>, event: &mut Event<'a>) {
    match deed {
        Deed::Called => {
            event.input = disclosed(said.get("tool_input"));
            by_result(said.get("tool_response"), event);
        }
        Deed::Failed => {
            event.input = disclosed(said.get("tool_input"));
            event.outcome.status = Status::Error;
            let error = text(said, "error");
            match error.as_deref().and_then(refusal) {
                Some(by_human) => deny(event, by_human.then_some("user")),
                None if is_true(said, "is_interrupt") => event.facts.push(("interrupted", Fact::Flag(true))),
                None => {}
            }
            event.outcome.error_text = error;
        }
        Deed::Refused => {
            event.input = disclosed(said.get("tool_input"));
            deny(event, None);
            event.outcome.error_text = text(said, "reason");
        }
        Deed::Asked => {
            event.input = disclosed(said.get("tool_input"));
            // What was decided is told by what becomes of the call.
            event.outcome.status = Status::Unknown;
        }
        Deed::Boundary(_) | Deed::Unknown => boundary(said, event),
    }
}

fn boundary<'a>(said: &Json<'a>, event: &mut Event<'a>) {
    for (key, name) in [("source", "source"), ("reason", "reason"), ("trigger", "trigger")] {
        event.facts.extend(text(said, key).map(|word| (name, Fact::Label(word))));
    }
    let answer = said.get("last_assistant_message").or_else(|| said.get("prompt_response"));
    event.outcome.result = disclosed(answer);
    if let Some(error) = text(said, "error") {
        event.outcome.status = Status::Error;
        event.outcome.error_type = Some(error);
        event.outcome.error_text = text(said, "error_details");
    }
    event.input = match said.get("prompt") {
        Some(prompt) => disclosed(Some(prompt)),
        None => rest(said),
    };
}

/// What else an event says.
fn rest<'a>(said: &Json<'a>) -> Content<'a> {
    let Json::Object(members) = said else { return Content::Undisclosed };
    let own = |key: &str| !ASIDE.contains(&key) && !matches!(key, "source" | "reason" | "trigger" | "error");
    let kept: Vec<_> = members.iter().filter(|(key, _)| key.as_str().is_some_and(own)).cloned().collect();
    if kept.is_empty() { Content::Undisclosed } else { Content::Value(Json::object(kept)) }
}
