//! What kind of thing a span is, and to what it happened.

use super::Resource;
use super::dialects::{ADJUSTED, ADJUSTED_BITS, DIALECTS, MARKERS};
use super::loose;
use super::provider::{model, provider};
use super::read::{Found, text};
use super::table::{Field, Kind, Marker, Name, Needs, Other, Table, matches};
use crate::otlp::model::Span;
use halod_record::event::Action;
use std::borrow::Cow;

/// `SPAN_KIND_SERVER` (`trace.proto`).
const SERVER: i32 = 2;

/// What a span is, and how that was found out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    pub(super) kind: Kind,
    pub(super) why: Why,
    /// The dialect that decided, where it was a dialect.
    pub(super) dialect: Option<&'static str>,
    /// The span's own name is that of its tool, agent or guard.
    pub(super) names_span: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    Marker(Field),
    /// A marker whose value is not among those that its dialect knows.
    Unlisted(Field),
    Name(&'static str),
    ToolName,
    /// The span has what only a tool call has, without the tool's name.
    ToolCall,
    /// A tool's name under a key that others use too.
    LooseTool,
    Model,
    /// Something of a dialect that is read, but of no kind that it lists.
    Known,
    /// The attribute at this place looks like that of some dialect that is not known.
    Looks(usize),
    /// Nothing speaks for an agent's action.
    Silent,
}

impl Decision {
    fn of(kind: Kind, why: Why) -> Self {
        Self { kind, why, dialect: None, names_span: false }
    }

    /// Some sender's own word for what no table explains.
    pub(super) fn is_other(&self) -> bool {
        matches!(self.why, Why::Looks(_)) && self.kind == Kind::Boundary("step")
    }

    /// Whether it is a step of the sender's own, of which only the span's name says what it is.
    pub(super) fn is_step(&self) -> bool {
        self.kind == Kind::Boundary("step")
    }
}

/// In the order of detection: the markers; a tool's name, or what only a tool call has; a marker with a
/// value of the sender's own; the span's name; a model that was asked; a tool's name in a dialect that is
/// not known; anything else that a dialect says; what looks like a model or a tool.
pub(super) fn decide<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Decision {
    let mut decision = undisputed(found, span);
    // The tables of the dialects that were seen have the last word.
    if found.seen & ADJUSTED_BITS != 0 {
        for (bit, adjust) in ADJUSTED {
            if found.seen & bit != 0 {
                decision.kind = adjust(decision.kind, found, span);
            }
        }
    }
    decision
}

fn undisputed<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Decision {
    let mut unlisted = None;
    for (marker, table) in MARKERS {
        let Some(value) = found.value(marker.field).and_then(text) else { continue };
        if marker.only.len() > 1 && !matches(marker.only, &span.name) {
            continue;
        }
        match kind_of(marker, &value) {
            Some(kind) => return by_marker(marker, table, kind, Why::Marker(marker.field)),
            None if marker.other == Other::Nothing => {
                return by_marker(marker, table, Kind::Nothing, Why::Unlisted(marker.field));
            }
            None if marker.other == Other::Step => unlisted = unlisted.or(Some((marker, table))),
            None => {}
        }
    }
    if found.has(Field::ToolName) {
        return Decision::of(Kind::Tool, Why::ToolName);
    }
    let of_tool = |field| found.conventional(field);
    if [Field::ToolCallId, Field::Arguments, Field::Result, Field::ToolMark].into_iter().any(of_tool) {
        return Decision { names_span: true, ..Decision::of(Kind::Tool, Why::ToolCall) };
    }
    if let Some((marker, table)) = unlisted {
        return by_marker(marker, table, Kind::Boundary("step"), Why::Unlisted(marker.field));
    }
    if let Some(decision) = by_name(found, span) {
        return decision;
    }
    // Before 1.27 the conventions had no operation: a model and who provides it were a call.
    let provided = found.has(Field::Provider) || found.has(Field::Framework);
    let asked = || found.conventional(Field::Model) && found.converses();
    if found.has(Field::Model) && (found.known && provided || asked()) {
        return Decision::of(Kind::Generate, Why::Model);
    }
    undecided(found, span)
}

/// What a span is of which nothing says so outright.
fn undecided<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Decision {
    // `tool.name` is a tool's name to all who write it; `tool` only beside what the tool was given.
    let named = found.row(Field::LooseToolName).map(|row| row.key);
    if named == Some("tool.name") || named.is_some() && found.has(Field::Arguments) {
        return Decision::of(Kind::Tool, Why::LooseTool);
    }
    // Who was behind it may stand on the spans of any library.
    if found.acts || found.gen_ai && !loose::is_protocol(&span.attributes) {
        return Decision::of(Kind::Boundary("step"), Why::Known);
    }
    match loose::place(&span.attributes) {
        Some(place) => Decision::of(Kind::Boundary("step"), Why::Looks(place)),
        None => Decision::of(Kind::Nothing, Why::Silent),
    }
}

fn kind_of(marker: &Marker, value: &str) -> Option<Kind> {
    let exact = marker.kinds.iter().find(|(name, _)| *name == value);
    exact.or_else(|| marker.kinds.iter().find(|(pattern, _)| matches(pattern, value))).map(|(_, kind)| *kind)
}

fn by_marker(marker: &Marker, table: &Table, kind: Kind, why: Why) -> Decision {
    Decision { kind, why, dialect: Some(table.name), names_span: marker.names_span }
}

fn by_name(found: &Found<'_>, span: &Span<'_>) -> Option<Decision> {
    let counts = |bit: usize, name: &Name| match name.needs {
        Needs::Nothing => true,
        Needs::Known => found.known,
        Needs::Dialect => found.seen & (1 << bit) != 0,
        Needs::Model => found.known && found.has(Field::Model),
    };
    DIALECTS.iter().enumerate().find_map(|(bit, table)| {
        let named = |name: &&Name| matches(name.pattern, &span.name) && counts(bit, name);
        let name = table.names.iter().find(named)?;
        Some(Decision { dialect: Some(table.name), ..Decision::of(name.kind, Why::Name(name.pattern)) })
    })
}

/// The action of a span; `None` when it is none of an agent.
pub(super) fn of<'a>(
    decision: &Decision,
    found: &Found<'a>,
    resource: &Resource<'a>,
    span: &'a Span<'a>,
) -> Option<Action<'a>> {
    if decision.is_other() {
        return Some(Action::Other { name: Cow::Borrowed(&span.name) });
    }
    let marked = || match decision.why {
        Why::Marker(field) => found.text(field).unwrap_or_default(),
        _ => Cow::Borrowed("unnamed"),
    };
    let plain = |name| Action::Tool { name, mcp_server: None, call_id: None };
    Some(match decision.kind {
        Kind::Generate => Action::Generate { provider: provider(found, span), model: model(found, span) },
        Kind::Embed => Action::Embed { provider: provider(found, span), model: model(found, span) },
        Kind::Tool => tool(decision, found, span, None),
        Kind::McpTool => tool(decision, found, span, Some(mcp_server(found, resource, span))),
        Kind::Retrieve => Action::Retrieve { name: retrieved(decision, found, span) },
        Kind::Listing => Action::Retrieve { name: marked() },
        Kind::Memory => plain(marked()),
        Kind::Guard => Action::Guard { name: named(decision, found, span, Field::Evaluation) },
        Kind::Agent => Action::Boundary { verb: "invoke" },
        Kind::Boundary(verb) => Action::Boundary { verb },
        Kind::Nothing => return None,
    })
}

/// The agent that a span is named after.
pub(super) fn agent<'a>(decision: &Decision, found: &Found<'a>, span: &'a Span<'a>) -> Option<Cow<'a, str>> {
    (decision.kind == Kind::Agent).then(|| named(decision, found, span, Field::EntityName))
}

/// The name of what a span is about: as an attribute says; else the span's own, or what follows the
/// operation in it (`execute_tool lookup_customer`).
fn named<'a>(decision: &Decision, found: &Found<'a>, span: &'a Span<'a>, first: Field) -> Cow<'a, str> {
    let own = || match span.name.split_once(' ') {
        _ if span.name.is_empty() => None,
        _ if decision.names_span => Some(span.name.as_ref()),
        Some((_, rest)) if !rest.is_empty() => Some(rest),
        // Of a name that says what the span is, all but that.
        _ if matches!(decision.why, Why::Name(_)) => {
            Some(span.name.strip_suffix(".mcp").unwrap_or(&span.name))
        }
        _ => None,
    };
    found
        .text(first)
        .or_else(|| found.text(Field::EntityName))
        .or_else(|| own().map(Cow::Borrowed))
        .unwrap_or(Cow::Borrowed("unnamed"))
}

/// What was read. MCP's SDKs name a request after its method: `MCP send prompts/get greet`.
fn retrieved<'a>(decision: &Decision, found: &Found<'a>, span: &'a Span<'a>) -> Cow<'a, str> {
    let method = if found.has(Field::Target) { None } else { found.text(Field::McpMethod) };
    let after = |method: &str| Some(span.name.split_once(method)?.1.trim());
    match (method.as_deref().and_then(after), method) {
        (Some(""), Some(method)) => method,
        (Some(name), _) => Cow::Borrowed(name),
        _ => named(decision, found, span, Field::Target),
    }
}

fn tool<'a>(
    decision: &Decision,
    found: &Found<'a>,
    span: &'a Span<'a>,
    mcp_server: Option<Cow<'a, str>>,
) -> Action<'a> {
    let own = || match decision.kind {
        _ if is_attempt(found, span) => {
            Some(Cow::Borrowed("unnamed")).filter(|_| !found.has(Field::ToolName))
        }
        // `MCP send tools/call lookup_customer`
        Kind::McpTool => span.name.split_once("tools/call ").map(|(_, name)| Cow::Borrowed(name)),
        // Of a function that is wrapped twice OpenLLMetry's names of the entity are the outer one's.
        _ if decision.dialect == Some("traceloop") => span.name.strip_suffix(".tool").map(Cow::Borrowed),
        _ => None,
    };
    let name = own()
        .filter(|name| !name.is_empty())
        .or_else(|| found.text(Field::ToolName))
        .or_else(|| found.text(Field::LooseToolName))
        .or_else(|| summarised(found, "tool_name='", "'").map(Cow::Owned))
        .unwrap_or_else(|| named(decision, found, span, Field::EntityName));
    // What Google's kit writes for a call that the model gave no id.
    let call_id = found.text(Field::ToolCallId).filter(|id| id != "<not specified>");
    let call_id = call_id.or_else(|| summarised(found, "tool_id='", "'").map(Cow::Owned));
    Action::Tool { name, mcp_server, call_id }
}

/// Whether a span tells of one attempt at the call around it, by which alone the call may be known: Claude
/// Code's `tool.execution`, and what LiteLLM sent to a provider.
pub(super) fn is_attempt(found: &Found<'_>, span: &Span<'_>) -> bool {
    let execution = || found.text(Field::ClaudeType).as_deref() == Some("tool.execution");
    found.is_raw || span.name.starts_with("claude_code.") && execution()
}

/// What stands between two marks in LlamaIndex' print of what went into a tool's step:
/// `ToolCall(tool_name='lookup_customer', tool_kwargs={...}, tool_id='call_1')`.
fn summarised(found: &Found<'_>, open: &str, close: &str) -> Option<String> {
    let summary = found.text(Field::Summary)?;
    let rest = summary.strip_prefix("ToolCall(")?;
    // The arguments stand between the name and the id, and may look like either.
    let (_, rest) =
        if open.starts_with("tool_id") { rest.rsplit_once(open)? } else { rest.split_once(open)? };
    let (inner, _) = rest.split_once(close)?;
    (!inner.is_empty()).then(|| inner.to_owned())
}

/// What went into a tool, from the same print; `None` where the print was cut before its end.
pub(super) fn printed_arguments<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    let within = |summary: &str| {
        let (_, rest) = summary.strip_prefix("ToolCall(")?.split_once("tool_kwargs=")?;
        let (arguments, _) = rest.rsplit_once(", tool_id='")?;
        let start = summary.len() - rest.len();
        Some(start..start + arguments.len())
    };
    match found.text(Field::Summary)? {
        Cow::Borrowed(summary) => within(summary).and_then(|at| summary.get(at)).map(Cow::Borrowed),
        Cow::Owned(summary) => {
            within(&summary).and_then(|at| summary.get(at)).map(|text| Cow::Owned(text.to_owned()))
        }
    }
}

/// The server's name: its own word; else that of its process, if the span is the server's. A client's
/// resource is named after the agent, so there only the address tells, and a server on stdio has none.
fn mcp_server<'a>(found: &Found<'a>, resource: &Resource<'a>, span: &Span<'_>) -> Cow<'a, str> {
    let own = || if span.kind == SERVER { resource.service_name.clone() } else { None };
    let named = found.text(Field::McpServer).or_else(own);
    named.or_else(|| found.text(Field::ServerAddress)).unwrap_or(Cow::Borrowed("unknown"))
}
