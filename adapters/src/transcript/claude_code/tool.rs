//! A tool call and its result.

use super::super::base::{self, Action, deny, time, tool};
use super::{SOURCE, SPACE, blocks, call_of, result_of};
use crate::fields::text;
use halod_record::event::{Content, Event, Fact, Status};
use halod_record::json::Json;
use halod_record::unusable::Unusable;
use std::borrow::Cow;

pub(super) fn event<'a>(action: &Action<'_, 'a>) -> Result<Event<'a>, Unusable> {
    let all = || {
        let of = |line: &&'_ Json<'a>| line.get("message").is_some();
        action.lines.iter().copied().filter(of)
    };
    let find = |id_of: for<'b> fn(&'b Json<'_>) -> Option<&'b str>| {
        all().find_map(|line| {
            let mut blocks = blocks(line.get("message")?);
            Some((line, blocks.find(|block| id_of(block) == Some(&action.id))?))
        })
    };
    let (asked, call) = find(call_of)
        .ok_or_else(|| Unusable::new("tool_use_id", "the result of a tool call that is not in the file"))?;
    let result = find(result_of);
    let name = text(call, "name").unwrap_or(Cow::Borrowed("unnamed"));
    let kind = tool(name, Some(action.id.clone()));
    // Some servers give the calls of each answer the same ids.
    let message = asked.get("message").and_then(|message| text(message, "id"));
    let mut id = vec![Cow::Borrowed("tool")];
    id.extend(message.or_else(|| text(asked, "uuid")));
    id.push(action.id.clone());
    let mut event = action.event(kind, (SPACE, id), SOURCE);
    event.started = time(asked);
    event.ended = result.and_then(|(line, _)| time(line));
    if let Some(input) = call.get("input") {
        event.input = Content::Value(input.clone());
    }
    match result {
        Some((line, block)) => end(line, block, &mut event),
        None => event.outcome.status = Status::Unfinished,
    }
    Ok(event)
}

/// How the call ended: as the model was told.
fn end<'a>(line: &Json<'a>, block: &Json<'a>, event: &mut Event<'a>) {
    let content = block.get("content").unwrap_or(&Json::Null);
    let own = line.get("toolUseResult").unwrap_or(&Json::Null);
    let sub = text(own, "agentId");
    event.facts.extend(sub.map(|id| ("subagent_id", Fact::Id(id))));
    // The results of Anthropic's own tools have their errors within.
    let within = content.get("error_code").and_then(Json::as_str);
    if block.get("is_error") != Some(&Json::Bool(true)) && within.is_none() {
        if *content != Json::Null {
            event.outcome.result = Content::Value(content.clone());
        }
        return;
    }
    let words = base::words(content);
    event.outcome.status = Status::Error;
    event.outcome.error_type = within.map(|code| Cow::Owned(code.to_owned()));
    let said = words.as_deref().unwrap_or_default();
    match refusal(said) {
        Some(by) => deny(event, by == By::Human),
        None if own.as_str() == Some("User rejected tool use") => deny(event, true),
        None => {}
    }
    event.outcome.error_text = words.map(Cow::Owned);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Human,
    Rule,
}

/// Whether a call did not run because it was refused, in the words of Claude Code 2.1.197.
fn refusal(said: &str) -> Option<By> {
    let said = said.trim_start().strip_prefix("<tool_use_error>").unwrap_or(said);
    let first = said.lines().next().unwrap_or_default();
    let begins = |with: &str| said.starts_with(with);
    if begins("The user doesn't want to proceed with this tool use.")
        || begins("The user doesn't want to take this action right now.")
    {
        return Some(By::Human);
    }
    let asked = begins("Claude requested permissions to ") && first.contains("you haven't granted it yet");
    let denied = (begins("Permission to ") || begins("Permission for ") || begins("Agent type '"))
        && first.contains(" has been denied");
    let by_settings =
        first.trim_end_matches("</tool_use_error>").ends_with(" is denied by your permission settings.");
    // A hook that exits with 2 blocks the call.
    let by_hook = begins("PreToolUse:") && first.contains(" hook error:");
    (asked || denied || by_settings || by_hook).then_some(By::Rule)
}

/// Whether a human refused a call whose error says `said`; `None` where nobody refused it.
pub(crate) fn refused_by_human(said: &str) -> Option<bool> {
    refusal(said).map(|by| by == By::Human)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_failures() {
        for (said, by) in [
            (
                "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed.",
                Some(By::Human),
            ),
            (
                "The user doesn't want to take this action right now. STOP what you are doing and wait for the user to tell you how to proceed.",
                Some(By::Human),
            ),
            ("Claude requested permissions to use WebFetch, but you haven't granted it yet.", Some(By::Rule)),
            ("Permission to use Bash with command rm -rf / has been denied.", Some(By::Rule)),
            ("Permission for this action has been denied. Reason: no", Some(By::Rule)),
            ("Agent type 'x' has been denied by permission rule 'Agent(x)' from user.", Some(By::Rule)),
            (
                "<tool_use_error>File is in a directory that is denied by your permission settings.</tool_use_error>",
                Some(By::Rule),
            ),
            ("PreToolUse:Bash hook error: [echo no; exit 2]: no\n", Some(By::Rule)),
            ("Exit code 7", None),
            ("bash: permission denied", None),
            ("Permission to land was requested", None),
            ("", None),
        ] {
            assert_eq!(refusal(said), by, "{said}");
        }
    }
}
