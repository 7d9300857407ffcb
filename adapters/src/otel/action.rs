//! What kind of thing a span is, and to what it happened.

use super::Resource;
use super::dialects::{ADJUSTED, ADJUSTED_BITS, DIALECTS, MARKERS};
use super::loose;
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
    Model,
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
        matches!(self.why, Why::Looks(_))
    }
}

/// In the order of detection: the markers; a tool's name; a marker with a value of the sender's
/// own; the span's name; a model; what looks like either in a dialect that is not known.
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
    if let Some((marker, table)) = unlisted {
        return by_marker(marker, table, Kind::Boundary("step"), Why::Unlisted(marker.field));
    }
    if let Some(decision) = by_name(found, span) {
        return decision;
    }
    // Before 1.27 the conventions had no operation: a model and who provides it were a call.
    let provided = found.has(Field::Provider) || found.has(Field::Framework);
    if found.known && provided && found.has(Field::Model) {
        return Decision::of(Kind::Generate, Why::Model);
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
        Kind::Generate => Action::Generate { provider: provider(found), model: model(found) },
        Kind::Embed => Action::Embed { provider: provider(found), model: model(found) },
        Kind::Tool => tool(decision, found, span, None),
        Kind::McpTool => tool(decision, found, span, Some(mcp_server(found, resource, span))),
        Kind::Retrieve => Action::Retrieve { name: named(decision, found, span, Field::Target) },
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

fn tool<'a>(
    decision: &Decision,
    found: &Found<'a>,
    span: &'a Span<'a>,
    mcp_server: Option<Cow<'a, str>>,
) -> Action<'a> {
    let name = found
        .text(Field::ToolName)
        .or_else(|| found.text(Field::LooseToolName))
        .unwrap_or_else(|| named(decision, found, span, Field::EntityName));
    // What Google's kit writes for a call that the model gave no id.
    let call_id = found.text(Field::ToolCallId).filter(|id| id != "<not specified>");
    Action::Tool { name, mcp_server, call_id }
}

/// The server's name. Its own spans come from a resource named after it; a client's resource is
/// named after the agent, so there only the address tells, and a server on stdio has none.
fn mcp_server<'a>(found: &Found<'a>, resource: &Resource<'a>, span: &Span<'_>) -> Cow<'a, str> {
    let own = if span.kind == SERVER { resource.service_name.clone() } else { None };
    own.or_else(|| found.text(Field::ServerAddress)).unwrap_or(Cow::Borrowed("unknown"))
}

fn model<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    let asked = || found.member(Field::Parameters, &["model", "model_name"]);
    let model = found.text(Field::Model).or_else(|| found.text(Field::LooseModel));
    model.or_else(asked).or_else(|| Some(qualified(found)?.1))
}

/// The provider and the model of `openai/gpt-4o`.
fn qualified<'a>(found: &Found<'a>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    match found.text(Field::QualifiedModel)? {
        Cow::Borrowed(text) => {
            text.split_once('/').map(|(provider, model)| (Cow::Borrowed(provider), Cow::Borrowed(model)))
        }
        Cow::Owned(text) => text
            .split_once('/')
            .map(|(provider, model)| (Cow::Owned(provider.to_owned()), Cow::Owned(model.to_owned()))),
    }
}

/// Who provides the model; a framework's name only where there is no better one.
fn provider<'a>(found: &Found<'a>) -> Option<Cow<'a, str>> {
    let named = found.text(Field::Provider).map(service);
    named.or_else(|| Some(qualified(found)?.0)).or_else(|| found.text(Field::Framework))
}

/// The Vercel AI SDK names the interface of a provider too: `openai.chat`, `anthropic.messages`.
/// A provider's name never ends like that.
fn service(provider: Cow<'_, str>) -> Cow<'_, str> {
    const INTERFACES: [&str; 7] =
        [".chat", ".responses", ".messages", ".completion", ".embedding", ".textEmbedding", ".generative-ai"];
    if !provider.contains('.') {
        return provider;
    }
    let Some(end) = INTERFACES.iter().find_map(|end| provider.strip_suffix(end)).map(str::len) else {
        return provider;
    };
    match provider {
        Cow::Borrowed(name) => Cow::Borrowed(name.get(..end).unwrap_or(name)),
        Cow::Owned(mut name) => {
            name.truncate(end);
            Cow::Owned(name)
        }
    }
}
