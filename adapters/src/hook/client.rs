//! The clients whose hooks are read, and the names that each has for events and tools.

use super::deed::Deed;
use super::{MAPPING, Source, tool};
use crate::fields::text;
use halod_record::event::Action;
use halod_record::json::Json;
use std::borrow::Cow;

/// The program whose hook says an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Claude Code, and the Claude Agent SDK, which runs it.
    ClaudeCode,
    Codex,
    Gemini,
}

/// The names of Gemini CLI's events that no other client has.
const OF_GEMINI: [&str; 8] = [
    "BeforeTool",
    "AfterTool",
    "BeforeAgent",
    "AfterAgent",
    "BeforeModel",
    "AfterModel",
    "BeforeToolSelection",
    "PreCompress",
];

impl Client {
    pub const ALL: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::Gemini];

    /// As the command line and `agent.name` spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini-cli",
        }
    }

    /// By what an event says: Gemini CLI dates its events, Codex names the turn, or a transcript as it calls its own.
    pub(super) fn of(said: &Json<'_>, event: &str) -> Self {
        let has = |key| said.get(key).is_some_and(|value| value.as_str().is_some());
        if OF_GEMINI.contains(&event) || has("timestamp") && !has("prompt_id") {
            Self::Gemini
        } else if has("turn_id") && !has("prompt_id") || is_rollout(said) {
            Self::Codex
        } else {
            Self::ClaudeCode
        }
    }

    /// Whether a result that is text says that its call came off: Codex' hooks have what a command printed, and not how it
    /// ended.
    pub(super) fn tells_the_end(self, result: Option<&Json<'_>>) -> bool {
        self != Self::Codex || result.is_none_or(|result| result.as_str().is_none())
    }

    pub(super) fn space(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude_code.hook",
            Self::Codex => "codex.hook",
            Self::Gemini => "gemini_cli.hook",
        }
    }

    /// The first two are the reference's tags, whose words speak of tools alone.
    pub(super) fn source(self, of_tool: bool) -> Source {
        let (adapter, via) = match (self, of_tool) {
            (Self::ClaudeCode, true) => ("hook", "Claude Code PostToolUse hook"),
            (Self::ClaudeCode, false) => ("hook", "Claude Code hook"),
            (Self::Codex, true) => ("codex_hook", "Codex CLI PostToolUse hook"),
            (Self::Codex, false) => ("codex_hook", "Codex CLI hook"),
            (Self::Gemini, true) => ("gemini_hook", "Gemini CLI AfterTool hook"),
            (Self::Gemini, false) => ("gemini_hook", "Gemini CLI hook"),
        };
        Source { adapter, via, dialect: self.space(), mapping: MAPPING }
    }

    /// The deed that an event of this name tells; `None` where other events tell the same, or where the event is a piece of what is shown.
    pub(super) fn deed(self, event: &str) -> Option<Deed> {
        let deed = match event {
            "PostToolUse" | "AfterTool" => Deed::Called,
            "PostToolUseFailure" => Deed::Failed,
            "PermissionDenied" => Deed::Refused,
            "PreToolUse" | "BeforeTool" | "PermissionRequest" => Deed::Asked,
            "SessionStart" => Deed::Boundary("session_start"),
            "SessionEnd" => Deed::Boundary("session_end"),
            "UserPromptSubmit" | "BeforeAgent" => Deed::Boundary("prompt"),
            "Stop" | "AfterAgent" => Deed::Boundary("stop"),
            "StopFailure" => Deed::Boundary("stop"),
            "Interrupt" => Deed::Boundary("interrupt"),
            "SubagentStart" => Deed::Boundary("subagent_start"),
            "SubagentStop" => Deed::Boundary("subagent_stop"),
            "PreCompact" | "PreCompress" | "PostCompact" => Deed::Boundary("compact"),
            "Notification" => Deed::Boundary("notification"),
            "Elicitation" | "ElicitationResult" => Deed::Boundary("elicitation"),
            "PreModelSwitch" | "PostModelSwitch" => Deed::Boundary("model_switch"),
            "TaskCreated" | "TaskCompleted" | "TeammateIdle" => Deed::Boundary("task"),
            "ConfigChange" | "InstructionsLoaded" | "Setup" => Deed::Boundary("configuration"),
            // A batch repeats what each call said; a model's request and answer come in pieces, and a message as it is
            // shown. Of model calls telemetry and transcripts tell.
            "PostToolBatch"
            | "MessageDisplay"
            | "UserPromptExpansion"
            | "BeforeModel"
            | "AfterModel"
            | "BeforeToolSelection" => return None,
            _ => Deed::Unknown,
        };
        Some(deed)
    }

    /// The tool of an event, by the name that the client's telemetry has for it.
    pub(super) fn tool<'a>(self, said: &Json<'a>, call_id: Option<Cow<'a, str>>) -> Action<'a> {
        let name = text(said, "tool_name").unwrap_or(Cow::Borrowed("unnamed"));
        let context = said.get("mcp_context").or_else(|| said.get("mcp_server"));
        let server = context
            .and_then(|context| ["server_name", "name"].into_iter().find_map(|key| text(context, key)));
        let bare = context.and_then(|context| text(context, "tool_name"));
        match (self, server, bare) {
            // Codex' hooks speak of its commands as Claude Code's do.
            (Self::Codex, ..) if name == "Bash" => tool(Cow::Borrowed("exec_command"), call_id),
            // A server's name may have two underscores.
            (Self::ClaudeCode, Some(server), _) => {
                let own = name
                    .strip_prefix("mcp__")
                    .and_then(|rest| rest.strip_prefix(&*server)?.strip_prefix("__"));
                match own.map(|own| Cow::Owned(own.to_owned())) {
                    Some(own) => Action::Tool { name: own, mcp_server: Some(server), call_id },
                    None => tool(name, call_id),
                }
            }
            (Self::Gemini, Some(server), Some(bare)) => {
                Action::Tool { name: bare, mcp_server: Some(server), call_id }
            }
            _ => tool(name, call_id),
        }
    }
}

/// Whether an event's transcript is one of Codex'.
fn is_rollout(said: &Json<'_>) -> bool {
    let path = said.get("transcript_path").and_then(Json::as_str).unwrap_or_default();
    path.rsplit('/').next().is_some_and(|name| name.starts_with("rollout-"))
}
