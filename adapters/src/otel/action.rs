//! What kind of thing a span is, and to what it happened.

use super::Resource;
use super::read::Found;
use super::rows::Field;
use crate::event::Action;
use crate::otlp::model::Span;
use std::borrow::Cow;

/// `SPAN_KIND_SERVER` (`trace.proto`).
const SERVER: i32 = 2;

#[derive(Clone, Copy)]
enum Kind {
    Generate,
    Embed,
    Tool,
    Retrieve,
    /// An action on an agent's memory: a tool with the operation's own name.
    Memory,
    Boundary(&'static str),
}

/// The kinds of `gen_ai.operation.name`: those of semantic-conventions-genai, then the names that
/// LiteLLM and Gemini CLI put there.
fn of_operation(operation: &str) -> Option<Kind> {
    Some(match operation {
        "chat" | "text_completion" | "generate_content" => Kind::Generate,
        "embeddings" => Kind::Embed,
        "execute_tool" => Kind::Tool,
        "retrieval" | "search_memory" => Kind::Retrieve,
        "create_memory"
        | "update_memory"
        | "upsert_memory"
        | "delete_memory"
        | "create_memory_store"
        | "delete_memory_store" => Kind::Memory,
        "invoke_agent" => Kind::Boundary("invoke"),
        "create_agent" => Kind::Boundary("create"),
        "invoke_workflow" => Kind::Boundary("workflow"),
        "plan" => Kind::Boundary("plan"),
        "completion" | "acompletion" | "atext_completion" | "responses" | "aresponses"
        | "anthropic_messages" | "llm_call" => Kind::Generate,
        "embedding" | "aembedding" => Kind::Embed,
        "tool_call" => Kind::Tool,
        _ => return None,
    })
}

/// The action of a span; `None` when it is none of an agent.
pub(super) fn of<'a>(found: &Found<'a>, resource: &Resource<'a>, span: &'a Span<'a>) -> Option<Action<'a>> {
    if let Some(method) = found.text(Field::McpMethod) {
        return of_mcp(&method, found, resource, span);
    }
    let operation = found.text(Field::Operation);
    let kind = match operation.as_deref().map(of_operation) {
        Some(Some(kind)) => kind,
        _ if found.value(Field::ToolName).is_some() => Kind::Tool,
        // The convention lets a sender name operations of its own.
        Some(None) => Kind::Boundary("step"),
        None if !found.known => return None,
        None => of_name(found, span)?,
    };
    let action = match kind {
        Kind::Generate => {
            Action::Generate { provider: found.text(Field::Provider), model: found.text(Field::Model) }
        }
        Kind::Embed => {
            Action::Embed { provider: found.text(Field::Provider), model: found.text(Field::Model) }
        }
        Kind::Tool => tool(found, span, None),
        Kind::Retrieve => Action::Retrieve { name: target(found, span) },
        Kind::Memory => Action::Tool { name: operation.unwrap_or_default(), mcp_server: None, call_id: None },
        Kind::Boundary(verb) => Action::Boundary { verb },
    };
    // Google ADK closes parallel tool calls with a span of this name; the calls have their own.
    match &action {
        Action::Tool { name, .. } if name == "(merged tools)" => None,
        _ => Some(action),
    }
}

/// A span without an operation: by its name, which starts with it; else a model call if it names a
/// model and who provides it (the conventions had no operation before 1.27).
fn of_name(found: &Found<'_>, span: &Span<'_>) -> Option<Kind> {
    let model = found.value(Field::Model).is_some();
    match span.name.split(' ').next().unwrap_or_default() {
        name @ ("execute_tool" | "invoke_agent" | "create_agent" | "invoke_workflow") => of_operation(name),
        name @ ("chat" | "text_completion" | "generate_content" | "embeddings") if model => {
            of_operation(name)
        }
        _ => (model && found.value(Field::Provider).is_some()).then_some(Kind::Generate),
    }
}

/// What follows the operation in a span's name: `execute_tool lookup_customer`.
fn name_after<'a>(span: &'a Span<'a>) -> Option<Cow<'a, str>> {
    let (_, rest) = span.name.split_once(' ')?;
    (!rest.is_empty()).then_some(Cow::Borrowed(rest))
}

fn tool<'a>(found: &Found<'a>, span: &'a Span<'a>, mcp_server: Option<Cow<'a, str>>) -> Action<'a> {
    let name = found.text(Field::ToolName).or_else(|| name_after(span)).unwrap_or(Cow::Borrowed("unnamed"));
    Action::Tool { name, mcp_server, call_id: found.text(Field::ToolCallId) }
}

/// What was read.
fn target<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Cow<'a, str> {
    found.text(Field::Target).or_else(|| name_after(span)).unwrap_or(Cow::Borrowed("unnamed"))
}

/// The methods of the Model Context Protocol. Those that only keep a connection going
/// (`initialize`, `ping`, notifications, subscriptions) are no agent's action.
fn of_mcp<'a>(
    method: &str,
    found: &Found<'a>,
    resource: &Resource<'a>,
    span: &'a Span<'a>,
) -> Option<Action<'a>> {
    match method {
        "tools/call" => Some(tool(found, span, Some(mcp_server(found, resource, span)))),
        "resources/read" | "prompts/get" => Some(Action::Retrieve { name: target(found, span) }),
        "tools/list" => Some(Action::Retrieve { name: Cow::Borrowed("tools/list") }),
        "resources/list" => Some(Action::Retrieve { name: Cow::Borrowed("resources/list") }),
        "prompts/list" => Some(Action::Retrieve { name: Cow::Borrowed("prompts/list") }),
        "sampling/createMessage" => Some(Action::Boundary { verb: "sample" }),
        "elicitation/create" => Some(Action::Boundary { verb: "elicit" }),
        _ => None,
    }
}

/// The server's name. Its own spans come from a resource named after it; a client's resource is
/// named after the agent, so there only the address tells, and a server on stdio has none.
fn mcp_server<'a>(found: &Found<'a>, resource: &Resource<'a>, span: &Span<'_>) -> Cow<'a, str> {
    let own = if span.kind == SERVER { resource.service_name.clone() } else { None };
    own.or_else(|| found.text(Field::ServerAddress)).unwrap_or(Cow::Borrowed("unknown"))
}
