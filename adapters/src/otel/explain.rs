//! Why a span comes out as it does: the same mapping as [`super::event`], with its reasons.

use super::action::{self, Why};
use super::dialects;
use super::read::Found;
use super::table::{FIELDS, Field, Kind};
use super::{Resource, dialect, event_of};
use crate::otlp::model::{AnyValue, KeyValue, Span};
use halod_record::event::Event;
use std::borrow::Cow;

/// What became of a span, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation<'a> {
    /// `None` when the span tells of no agent's action: `reason` says why.
    pub event: Option<Event<'a>>,
    pub dialect: &'static str,
    /// `generate`, `embed`, `tool`, `retrieve`, `guard`, `agent.<verb>`, `other` or `nothing`.
    pub kind: Cow<'static, str>,
    pub reason: Reason<'a>,
    /// Of each thing that an attribute says, which attribute's word counts.
    pub fields: Vec<FieldSource<'a>>,
    /// The attributes that nothing is made of, in the order of the span.
    pub unread: Vec<&'a str>,
}

/// What decided the kind of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The attribute by which the dialect says so.
    Marker { key: &'static str, value: Cow<'a, str> },
    /// Such an attribute, with a value that the dialect does not list.
    UnlistedMarker { key: &'static str, value: Cow<'a, str> },
    /// The span's name, which the pattern stands for.
    SpanName { pattern: &'static str },
    /// An attribute names a tool.
    ToolName { key: &'static str },
    /// An attribute is of those that only tool calls have.
    ToolCall { key: &'static str },
    /// Attributes name a model, and who provides it or what it was asked.
    Model { key: &'static str },
    /// An attribute's key looks like that of a model or a tool in some dialect that is not known.
    Looks { key: &'a str },
    /// Attributes, or the scope, are of a dialect that is read, but of no kind of span that it has.
    Known,
    /// Nothing speaks for an agent's action.
    Silent,
}

/// Where one thing about an event comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSource<'a> {
    /// What the attribute says: `input_tokens`.
    pub field: String,
    /// The attribute, or of an indexed list the prefix that its attributes share.
    pub key: &'a str,
    /// The attributes that say the same and count less.
    pub beaten: Vec<&'a str>,
}

/// What [`super::event`] makes of `span`, and why.
#[must_use]
pub fn explain<'a>(resource: &Resource<'a>, scope: &'a str, span: &'a Span<'a>) -> Explanation<'a> {
    let mut found = Found::of_span(scope, span);
    let decision = action::decide(&found, span);
    let key = |field| found.row(field).map_or("", |row| row.key);
    let value = |field| found.text(field).unwrap_or_default();
    let reason = match decision.why {
        Why::Marker(field) => Reason::Marker { key: key(field), value: value(field) },
        Why::Unlisted(field) => Reason::UnlistedMarker { key: key(field), value: value(field) },
        Why::Name(pattern) => Reason::SpanName { pattern },
        Why::ToolName => Reason::ToolName { key: key(Field::ToolName) },
        Why::LooseTool => Reason::ToolName { key: key(Field::LooseToolName) },
        Why::ToolCall => {
            let told = [Field::ToolCallId, Field::Arguments, Field::Result, Field::ToolMark];
            let first = told.into_iter().find(|field| found.conventional(*field));
            Reason::ToolCall { key: first.map_or("", key) }
        }
        Why::Known => Reason::Known,
        Why::Model => Reason::Model { key: key(Field::Model) },
        Why::Looks(place) => {
            Reason::Looks { key: span.attributes.get(place).map_or("", |pair| pair.key.as_ref()) }
        }
        Why::Silent => Reason::Silent,
    };
    let kind = if decision.is_other() { Cow::Borrowed("other") } else { name_of(decision.kind) };
    let (fields, unread) = sources(&found, &span.attributes);
    let dialect = dialect(&decision, &found);
    Explanation {
        event: event_of(&decision, &mut found, resource, span),
        dialect,
        kind,
        reason,
        fields,
        unread,
    }
}

fn name_of(kind: Kind) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        Kind::Generate => "generate",
        Kind::Embed => "embed",
        Kind::Tool | Kind::McpTool | Kind::Memory => "tool",
        Kind::Retrieve | Kind::Listing => "retrieve",
        Kind::Guard => "guard",
        Kind::Agent => "agent.invoke",
        Kind::Boundary(verb) => return Cow::Owned(format!("agent.{verb}")),
        Kind::Nothing => "nothing",
    })
}

fn sources<'a>(found: &Found<'a>, attributes: &'a [KeyValue<'a>]) -> (Vec<FieldSource<'a>>, Vec<&'a str>) {
    let mut by_field: Vec<Option<FieldSource<'a>>> = vec![None; FIELDS];
    let mut lists: Vec<FieldSource<'a>> = Vec::new();
    let mut unread = Vec::new();
    for KeyValue { key, value } in attributes {
        let Some(entry) = dialects::find(key) else {
            match dialects::family(key) {
                Some((family, ..)) if lists.iter().all(|list| list.key != family.prefix) => {
                    lists.push(FieldSource {
                        field: snake(&format!("{:?}", family.side)),
                        key: family.prefix,
                        beaten: Vec::new(),
                    });
                }
                Some(_) => {}
                None => unread.push(key.as_ref()),
            }
            continue;
        };
        let empty = match value {
            AnyValue::Empty => true,
            AnyValue::Str(text) => text.is_empty(),
            _ => false,
        };
        if empty && !entry.field.is_content() {
            unread.push(key.as_ref());
            continue;
        }
        let wins = |field| found.row(field).is_some_and(|row| row.place == entry.place);
        let framework = entry.field == Field::Provider && wins(Field::Framework);
        let field = if framework { Field::Framework } else { entry.field };
        let Some(slot) = by_field.get_mut(field as usize) else { continue };
        let source = slot.get_or_insert_with(|| FieldSource {
            field: snake(&format!("{field:?}")),
            key: "",
            beaten: Vec::new(),
        });
        if wins(field) {
            source.key = key;
        } else {
            source.beaten.push(key);
        }
    }
    // A value of an event of the span may have beaten all of its attributes.
    let fields = by_field.into_iter().flatten().map(|mut source| {
        if source.key.is_empty() {
            source.key = "(a span event)";
        }
        source
    });
    (fields.chain(lists).collect(), unread)
}

/// `InputTokens` as `input_tokens`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
