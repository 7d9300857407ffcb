//! What an action is called in a record: tool, class and scope. The table is the design's; the
//! tool classes are the reference's.

use crate::event::{Access, Action};
use std::borrow::Cow;

/// `action.type` and `action.category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub kind: &'static str,
    pub category: &'static str,
}

/// The words that one action is recorded in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    pub tool: Cow<'a, str>,
    pub class: Class,
    pub scope: Option<Cow<'a, str>>,
    pub model: Option<&'a str>,
    pub call_id: Option<&'a str>,
}

const MODEL: Class = Class { kind: "tool_call", category: "privacy" };
const READ: Class = Class { kind: "read", category: "privacy" };
const GUARD: Class = Class { kind: "agent_message", category: "safety" };
const BOUNDARY: Class = Class { kind: "agent_message", category: "reliability" };

impl<'a> Words<'a> {
    #[must_use]
    pub fn of(action: &'a Action<'a>) -> Self {
        match action {
            Action::Generate { provider, model } => Self::model("model.generate", provider, model),
            Action::Embed { provider, model } => Self::model("model.embed", provider, model),
            Action::Tool { name, mcp_server: Some(server), call_id } => Self {
                tool: Cow::Owned(["mcp__", server, "__", name].concat()),
                class: CONNECTOR.0,
                scope: Some(Cow::Owned(["mcp:", server].concat())),
                model: None,
                call_id: call_id.as_deref(),
            },
            Action::Tool { name, mcp_server: None, call_id } => {
                let (class, scope) = classify(name);
                Self {
                    tool: Cow::Borrowed(name),
                    class,
                    scope: Some(Cow::Borrowed(scope)),
                    model: None,
                    call_id: call_id.as_deref(),
                }
            }
            Action::Retrieve { name } => Self {
                tool: Cow::Owned(["retrieve:", name].concat()),
                class: READ,
                scope: Some(Cow::Borrowed("retrieval")),
                model: None,
                call_id: None,
            },
            Action::Boundary { verb } => Self {
                tool: Cow::Owned(["agent.", verb].concat()),
                class: BOUNDARY,
                scope: None,
                model: None,
                call_id: None,
            },
            Action::Guard { name } => Self::plain(name, GUARD),
            Action::Decide { tool, call_id } => Self {
                tool: Cow::Owned(["decide:", tool].concat()),
                class: GUARD,
                scope: None,
                model: None,
                call_id: call_id.as_deref(),
            },
            Action::Request { tool, model } => {
                let (class, scope) = classify(tool);
                let server = tool.strip_prefix("mcp__").map(|rest| rest.split("__").next().unwrap_or(rest));
                let scope = server.map_or(Cow::Borrowed(scope), |server| ["mcp:", server].concat().into());
                Self {
                    tool: Cow::Borrowed(tool),
                    class,
                    scope: Some(scope),
                    model: model.as_deref(),
                    call_id: None,
                }
            }
            Action::Access { of, to } => {
                let (family, class, scope) = match to {
                    Access::Read => ("db:", READ, "db.read"),
                    Access::Write => ("db:", WRITE.0, "db.write"),
                    Access::Query => ("db:", NETWORK.0, "db"),
                    Access::Request => ("http:", NETWORK.0, NETWORK.1),
                };
                let tool = Cow::Owned([family, of].concat());
                Self { tool, class, scope: Some(Cow::Borrowed(scope)), model: None, call_id: None }
            }
            Action::Other { .. } => Self::plain("agent.activity", BOUNDARY),
        }
    }

    fn plain(tool: &'a str, class: Class) -> Self {
        Self { tool: Cow::Borrowed(tool), class, scope: None, model: None, call_id: None }
    }

    fn model(
        tool: &'static str,
        provider: &'a Option<Cow<'a, str>>,
        model: &'a Option<Cow<'a, str>>,
    ) -> Self {
        Self {
            tool: Cow::Borrowed(tool),
            class: MODEL,
            scope: Some(Cow::Owned(["model:", provider.as_deref().unwrap_or("unknown")].concat())),
            model: model.as_deref(),
            call_id: None,
        }
    }
}

type Classed = (Class, &'static str);
const CONNECTOR: Classed = (Class { kind: "tool_call", category: "security" }, "connector");
const EXEC: Classed = (Class { kind: "tool_call", category: "security" }, "exec");
const WRITE: Classed = (Class { kind: "write", category: "safety" }, "fs.write");
const FS_READ: Classed = (READ, "fs.read");
const NETWORK: Classed = (Class { kind: "network", category: "security" }, "network");

/// The reference's classes by tool name (halo-record 0.2.46, `classify_tool`).
fn classify(tool: &str) -> Classed {
    // The longest name in the table has 16 bytes; a longer one needs no lower-casing.
    if tool.len() > 16 {
        return CONNECTOR;
    }
    match tool.to_ascii_lowercase().as_str() {
        "bash" | "shell" | "exec" | "python" | "code_interpreter" => EXEC,
        "write" | "edit" | "write_file" | "create_file" | "put" => WRITE,
        "read" | "glob" | "grep" | "ls" | "read_file" | "list" | "get" => FS_READ,
        "webfetch" | "websearch" | "fetch" | "search" | "http" | "browse" => NETWORK,
        _ => CONNECTOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_fall_into_the_references_classes() {
        let table = [
            ("bash", "tool_call", "exec"),
            ("Edit", "write", "fs.write"),
            ("read_file", "read", "fs.read"),
            ("WebFetch", "network", "network"),
            ("lookup_customer", "tool_call", "connector"),
            ("code_interpreter", "tool_call", "exec"),
            ("code_interpreters", "tool_call", "connector"),
        ];
        for (tool, kind, scope) in table {
            let action = Action::Tool { name: tool.into(), mcp_server: None, call_id: None };
            let words = Words::of(&action);
            assert_eq!((words.class.kind, words.scope.as_deref()), (kind, Some(scope)), "{tool}");
        }
    }

    #[test]
    fn only_real_mcp_gets_the_mcp_name() {
        let action = Action::Tool { name: "search".into(), mcp_server: Some("kb".into()), call_id: None };
        let words = Words::of(&action);
        assert_eq!(words.tool, "mcp__kb__search");
        assert_eq!(words.scope.as_deref(), Some("mcp:kb"));
    }
}
