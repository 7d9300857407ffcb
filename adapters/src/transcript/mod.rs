//! Transcripts: what coding agents keep of their sessions on the machine where they run, a JSON object a line.
//!
//! ```text
//! lines ─ join: which of them tell of one action ─▶ a row for each action ─ event ─▶ Event
//! ```
//!
//! A model call stands in several lines, a tool call in two or more that may be far apart. [`join::Joiner`] puts those
//! of one action together; the row that it makes of them is what [`event`] reads. Lines that tell of no action are
//! prompts, settings, summaries, snapshots.
//!
//! The shapes are those of transcripts that Claude Code 2.1.197 and Codex CLI 0.171.0 wrote (`golden/transcript`), and
//! those of Codex before it wrote `token_usage_record`, by its source (`RolloutLine` in `codex-rs/protocol/src/protocol.rs`,
//! and what is kept of it by `codex-rs/core/src/rollout/policy.rs`).

mod base;
mod claude_code;
mod codex;
pub mod join;
#[cfg(test)]
mod tests;

pub(crate) use base::tool;
pub(crate) use claude_code::refused_by_human as refusal;

use halod_record::event::Event;
use halod_record::json::Json;
use halod_record::unusable::Unusable;

/// Whose transcripts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `~/.claude/projects/<directory>/<session>.jsonl`, and those of sub-agents below a session's directory.
    ClaudeCode,
    /// `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`.
    Codex,
}

/// Tells the event of a row that [`join::Joiner`] made.
///
/// # Errors
/// The row is none that a joiner made: a line that could not be read, or the result of a tool whose call is not there.
pub fn event<'a>(client: Client, row: &Json<'a>) -> Result<Event<'a>, Unusable> {
    let action = base::Action::of(row)?;
    match client {
        Client::ClaudeCode => claude_code::event(&action),
        Client::Codex => codex::event(&action),
    }
}
