//! OpenTelemetry log records as agent actions, or as what belongs to one.
//!
//! Two kinds of sender write logs: coding agents, whose log records *are* their actions (one table a
//! file: `claude_code`, `codex`, `gemini_cli`), and GenAI instrumentation, which tells the content of
//! a span's action in log records beside the span (`gen_ai`). The latter come as [`Part`]s, to be
//! joined to their spans by who sees both.

mod claude_code;
mod codex;
mod gemini_cli;
mod gen_ai;
mod mastra;
mod read;
#[cfg(test)]
mod tests;

pub use gen_ai::assemble;

use super::MAPPING;
use super::read as spans;
use crate::otlp::model::{AnyValue, KeyValue, LogRecord};
use halod_record::event::{Agent, Content, Event, Source};
use read::Log;
use std::borrow::Cow;

const fn source(dialect: &'static str) -> Source {
    Source { adapter: "otel", via: "OpenTelemetry GenAI events", dialect, mapping: MAPPING }
}

/// What a log record is.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// Something that an agent did.
    Event(Box<Event<'a>>),
    /// Content of an action that a span tells of.
    Part(Box<Part<'a>>),
}

/// Content of the action of a span, told in a log record.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    /// Unix nanoseconds: the order of the parts of one span.
    pub time: u64,
    pub piece: Piece<'a>,
    pub agent: Agent<'a>,
    pub session: Option<Cow<'a, str>>,
    pub principal: Option<Cow<'a, str>>,
    pub source: Source,
}

/// Which piece of the content. Undisclosed is one that is known to be there, but is not told.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece<'a> {
    /// One message of the input.
    Message(Content<'a>),
    /// One choice of the outcome.
    Choice(Content<'a>),
    /// All of both.
    Whole { input: Content<'a>, outcome: Content<'a> },
}

impl Piece<'_> {
    /// Whether anything is told.
    #[must_use]
    pub fn discloses(&self) -> bool {
        let told = |content: &Content<'_>| matches!(content, Content::Value(_));
        match self {
            Self::Message(content) | Self::Choice(content) => told(content),
            Self::Whole { input, outcome } => told(input) || told(outcome),
        }
    }
}

/// What a resource says about the log records under it. Read it once for all of them.
#[derive(Clone, Debug, Default)]
pub struct Resource<'a> {
    shared: super::Resource<'a>,
    /// Tells two processes of one service apart.
    instance: Option<Cow<'a, str>>,
}

impl<'a> Resource<'a> {
    #[must_use]
    pub fn new(attributes: &'a [KeyValue<'a>]) -> Self {
        let instance = attributes.iter().rev().find(|pair| pair.key == "service.instance.id");
        Self {
            shared: super::Resource::new(attributes),
            instance: instance.and_then(|pair| spans::text(&pair.value)),
        }
    }
}

/// What `record` is, written by instrumentation called `scope`; `None` when it is nothing of an
/// agent's.
///
/// An event's `tenant` is left empty: see [`super::tenant_claim`].
#[must_use]
pub fn item<'a>(resource: &Resource<'a>, scope: &str, record: &'a LogRecord<'a>) -> Option<Item<'a>> {
    // An event's name is where senders of its time put it. Bridges from logging libraries put a
    // source location into the newest of the three places.
    let attribute = || {
        let pair = record.attributes.iter().rev().find(|pair| pair.key == "event.name")?;
        string(&pair.value)
    };
    if scope.starts_with(mastra::SCOPE) {
        return mastra::item(&Log { record, resource, name: "mastra.log", short: "log" });
    }
    let places = [Some(record.event_name.as_ref()), attribute(), string(&record.body)];
    places.into_iter().flatten().filter(|name| !name.is_empty()).find_map(|name| {
        let (table, short) = table(name, scope)?;
        table(&Log { record, resource, name, short })
    })
}

fn string<'a>(value: &'a AnyValue<'a>) -> Option<&'a str> {
    match value {
        AnyValue::Str(text) => Some(text),
        _ => None,
    }
}

type Table = for<'x, 'a> fn(&'x Log<'x, 'a>) -> Option<Item<'a>>;

/// The table that knows events of this name, and the name in it.
fn table<'n>(name: &'n str, scope: &str) -> Option<(Table, &'n str)> {
    if let Some(short) = name.strip_prefix("claude_code.") {
        Some((claude_code::item, short))
    } else if scope.starts_with("com.anthropic.claude_code") {
        Some((claude_code::item, name))
    } else if let Some(short) = name.strip_prefix("codex.") {
        Some((codex::item, short))
    } else if let Some(short) = name.strip_prefix("gemini_cli.") {
        Some((gemini_cli::item, short))
    } else if scope == "gemini-cli" {
        // It tells each model call twice more, in the conventions' words.
        None
    } else {
        name.strip_prefix("gen_ai.").map(|short| (gen_ai::item as Table, short))
    }
}
