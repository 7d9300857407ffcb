//! The hooks of a client's settings, put in and taken out as text: what else stands there stays to the byte.

use super::jsonc::{Member, Tree, Value};
use halo_adapters::hook::Client;
use serde_json::json;
use std::ops::Range;

/// The events of which a client calls a hook, and whether they are about tools. A client that is older than an event does
/// not call it.
pub(super) fn events(client: Client) -> &'static [(&'static str, bool)] {
    match client {
        Client::ClaudeCode => &[
            ("SessionStart", false),
            ("UserPromptSubmit", false),
            ("PreToolUse", true),
            ("PermissionRequest", true),
            ("PermissionDenied", true),
            ("PostToolUse", true),
            ("PostToolUseFailure", true),
            ("SubagentStart", false),
            ("SubagentStop", false),
            ("Stop", false),
            ("SessionEnd", false),
        ],
        Client::Codex => &[
            ("SessionStart", false),
            ("UserPromptSubmit", false),
            ("PreToolUse", true),
            ("PermissionRequest", true),
            ("PostToolUse", true),
            ("SubagentStart", false),
            ("SubagentStop", false),
            ("Stop", false),
            ("SessionEnd", false),
        ],
        Client::Gemini => &[
            ("SessionStart", false),
            ("BeforeAgent", false),
            ("BeforeTool", true),
            ("AfterTool", true),
            ("Notification", false),
            ("PreCompress", false),
            ("AfterAgent", false),
            ("SessionEnd", false),
        ],
    }
}

/// Whether a command is one that was put in here.
fn is_ours(command: &str) -> bool {
    let Some((program, rest)) = command.split_once(" hook --client ") else { return false };
    let program = program.trim_matches('\'');
    !rest.is_empty() && program.rsplit('/').next() == Some("halod")
}

/// The settings with a hook of `command` for every event. Hooks that were put in before are replaced.
///
/// # Errors
/// The text is no JSON object, or its hooks are none.
pub(super) fn install(text: &str, client: Client, command: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        let new = install("{}", client, command)?;
        return Ok(new + "\n");
    }
    let mut text = uninstall(text)?;
    for (event, of_tool) in events(client) {
        text = put(&text, event, *of_tool, command)?;
    }
    Ok(text)
}

/// The settings without the hooks that were put in, and without what is empty then.
///
/// # Errors
/// As [`install`].
pub(super) fn uninstall(text: &str) -> Result<String, String> {
    let mut text = text.to_owned();
    loop {
        let root = Tree::read(&text)?;
        let Some(cut) = ours(&root) else { return Ok(text) };
        cut.from(&mut text);
    }
}

/// One thing to take out of an object or an array.
struct Cut {
    /// The inside of what it stands in.
    inside: Range<usize>,
    span: Range<usize>,
    /// The end of what stands before it.
    before: Option<usize>,
    /// The begin of what stands after it.
    after: Option<usize>,
}

impl Cut {
    fn of(within: &Tree, spans: &[Range<usize>], at: usize) -> Option<Self> {
        Some(Self {
            inside: within.span.start + 1..within.span.end - 1,
            span: spans.get(at)?.clone(),
            before: at.checked_sub(1).and_then(|at| Some(spans.get(at)?.end)),
            after: spans.get(at + 1).map(|span| span.start),
        })
    }

    fn from(self, text: &mut String) {
        let range = match (self.before, self.after) {
            (Some(before), _) => before..self.span.end,
            (None, Some(after)) => self.span.start..after,
            (None, None) => self.inside,
        };
        text.replace_range(range, "");
    }
}

/// What is to be taken out next: a hook, a group of nothing else, an event or all hooks that are empty by that.
fn ours(root: &Tree) -> Option<Cut> {
    let hooks = root.get("hooks")?;
    let Value::Object(events) = &hooks.value else { return None };
    for (nth, event) in events.iter().enumerate() {
        let groups = event.tree.items();
        for (at, group) in groups.iter().enumerate() {
            let Some(list) = group.get("hooks") else { continue };
            let commands = list.items();
            let own = |hook: &Tree| hook.get("command").and_then(Tree::text).is_some_and(is_ours);
            let Some(first) = commands.iter().position(own) else { continue };
            if !commands.iter().all(own) {
                return Cut::of(list, &spans(commands), first);
            }
            if groups.len() > 1 {
                return Cut::of(&event.tree, &spans(groups), at);
            }
            if events.len() > 1 {
                return Cut::of(hooks, &member_spans(events), nth);
            }
            let Value::Object(members) = &root.value else { return None };
            let at = members.iter().position(|member| member.key == "hooks")?;
            return Cut::of(root, &member_spans(members), at);
        }
    }
    None
}

fn spans(items: &[Tree]) -> Vec<Range<usize>> {
    items.iter().map(|item| item.span.clone()).collect()
}

fn member_spans(members: &[Member]) -> Vec<Range<usize>> {
    members.iter().map(|member| member.span.clone()).collect()
}

fn put(text: &str, event: &str, of_tool: bool, command: &str) -> Result<String, String> {
    let root = Tree::read(text)?;
    let Value::Object(_) = root.value else { return Err("holds no JSON object".into()) };
    let hook = json!({ "type": "command", "command": command });
    // Every tool; the other events have nothing to be matched by.
    let group =
        if of_tool { json!({ "matcher": ".*", "hooks": [hook] }) } else { json!({ "hooks": [hook] }) };
    let Some(hooks) = root.get("hooks") else {
        return Ok(add(text, &root, 1, Some("hooks"), &json!({ event: [group] })));
    };
    let Value::Object(_) = hooks.value else { return Err("has `hooks` that are no JSON object".into()) };
    let Some(groups) = hooks.get(event) else {
        return Ok(add(text, hooks, 2, Some(event), &json!([group])));
    };
    let Value::Array(_) = groups.value else {
        return Err(format!("has `hooks.{event}` that is no list"));
    };
    Ok(add(text, groups, 3, None, &group))
}

/// Adds a member or an item as the last one, `depth` levels deep.
fn add(text: &str, to: &Tree, depth: usize, key: Option<&str>, value: &serde_json::Value) -> String {
    let indent = "  ".repeat(depth);
    let pretty =
        serde_json::to_string_pretty(value).unwrap_or_default().replace('\n', &format!("\n{indent}"));
    let item = match key {
        Some(key) => format!("{}: {pretty}", json!(key)),
        None => pretty,
    };
    let last = match &to.value {
        Value::Object(members) => members.last().map(|member| member.span.end),
        _ => to.items().last().map(|item| item.span.end),
    };
    let (at, added) = match last {
        Some(end) => (end, format!(",\n{indent}{item}")),
        None => (to.span.start + 1, format!("\n{indent}{item}\n{}", "  ".repeat(depth - 1))),
    };
    let (before, after) = text.split_at(at);
    [before, &added, after].concat()
}
