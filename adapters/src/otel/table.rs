//! What a dialect's table is made of.
//!
//! A dialect is one [`Table`]: rows that say which attribute tells what, a marker that says what
//! kind of thing a span is, names of spans, and the prefixes of indexed attributes.

use super::read::Found;
use crate::otlp::model::Span;

/// What an attribute says. One slot each in [`Found`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    // Markers: what kind of thing the span is.
    Observation,
    OpenInferenceKind,
    McpMethod,
    Operation,
    Evaluation,
    TraceloopKind,
    VercelOperation,
    MlflowType,
    LangsmithKind,
    ClaudeType,
    HaystackType,
    LogfireType,
    GenkitType,
    LaminarType,
    SpringType,
    RequestType,
    LangwatchType,
    MastraType,
    Ag2Type,
    // What it happened to.
    ToolName,
    /// A tool's name under a key that others use for other things: read only where the kind of the
    /// span is known from elsewhere.
    LooseToolName,
    ToolCallId,
    /// Something that only a tool call has.
    ToolMark,
    /// The name of the thing itself: of a tool, a task or an agent, as the kind says.
    EntityName,
    /// A data source, resource or prompt that was read.
    Target,
    ServerAddress,
    /// The MCP server's own name for itself.
    McpServer,
    /// Of the transport, not of a conversation.
    McpSession,
    /// What went into a step, as LlamaIndex prints it.
    Summary,
    Model,
    LooseModel,
    Provider,
    /// The name of a framework where that of a provider belongs.
    Framework,
    /// Provider and model in one: `openai/gpt-4o`.
    QualifiedModel,
    /// The class by which LlamaIndex calls a provider.
    ModelClass,
    /// What a model was asked with, in one JSON object, its name among it.
    Parameters,
    ResponseId,
    /// A gateway's own id of the call.
    GatewayCall,
    /// The provider's id of the request.
    RequestId,
    // Who did it.
    Session,
    /// A conversation under a key that others use for a thread of the processor: read only where it is known.
    LooseSession,
    AgentId,
    AgentName,
    AgentVersion,
    Principal,
    Tenant,
    /// A sender's own particulars, in one JSON object.
    Metadata,
    /// What reviewers ask: why, where, what was decided before it and by whom.
    Purpose,
    Region,
    Decided,
    DecidedBy,
    // How it ended.
    ErrorType,
    ErrorText,
    RpcStatus,
    ExceptionType,
    ExceptionMessage,
    /// A word for success or failure.
    Outcome,
    /// A flag for success.
    Success,
    /// What a guard or a human decided.
    Verdict,
    /// Who decided, or what.
    Approver,
    // Content: of a tool, of a model, of whatever the span is.
    Arguments,
    Result,
    InputMessages,
    OutputMessages,
    SystemInstructions,
    Input,
    InputMime,
    Output,
    OutputMime,
    // Usage.
    InputTokens,
    OutputTokens,
    TotalTokens,
    CacheReadTokens,
    CacheWriteTokens,
    ReasoningTokens,
    /// All of them in one JSON object.
    UsageObject,
    FinishReason,
    /// Nothing that an event has: only that the span is told in a dialect.
    Mark,
    // Only of a resource.
    Project,
    ServiceName,
    ServiceVersion,
}

pub(super) const FIELDS: usize = Field::ServiceVersion as usize + 1;

impl Field {
    /// Whether it does not say what was done, but for whom, or of which sort the span is as a span: senders
    /// put such things on every span.
    pub(super) const fn is_context(self) -> bool {
        matches!(
            self,
            Self::Session
                | Self::LooseSession
                | Self::AgentId
                | Self::AgentName
                | Self::AgentVersion
                | Self::Principal
                | Self::Tenant
                | Self::Metadata
                | Self::Purpose
                | Self::Region
                | Self::Decided
                | Self::DecidedBy
                | Self::McpSession
                | Self::LogfireType
        )
    }

    /// Whether an empty value says something: of an output yes, of a name no.
    pub(super) const fn is_content(self) -> bool {
        matches!(
            self,
            Self::Arguments
                | Self::Result
                | Self::InputMessages
                | Self::OutputMessages
                | Self::SystemInstructions
                | Self::Input
                | Self::Output
        )
    }
}

/// What kind of thing a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Generate,
    Embed,
    Tool,
    /// A tool call that goes over the Model Context Protocol.
    McpTool,
    Retrieve,
    /// A list that was asked for: a retrieval with the marker's own value as its name.
    Listing,
    /// An action on an agent's memory: a tool with the marker's own value as its name.
    Memory,
    Guard,
    /// The run of an agent that the span is named after.
    Agent,
    Boundary(&'static str),
    /// No action of an agent, whatever else the span says.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) field: Field,
    /// Only this dialect uses the name, so the span is told in it.
    pub(super) tells: bool,
    /// The value is JSON, also where it is only a string or a number.
    pub(super) encoded: bool,
}

/// A name that only this dialect uses.
pub(super) const fn own(key: &'static str, field: Field) -> Row {
    Row { key, field, tells: true, encoded: false }
}

/// A name that several use, or that is found on spans of every kind: it says nothing of the dialect.
pub(super) const fn shared(key: &'static str, field: Field) -> Row {
    Row { key, field, tells: false, encoded: false }
}

/// A name that only this dialect uses, and whose value is always JSON.
pub(super) const fn encoded(key: &'static str, field: Field) -> Row {
    Row { key, field, tells: true, encoded: true }
}

/// The attribute whose value is the kind.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) field: Field,
    /// The names of the spans that it is read on.
    pub(super) only: &'static str,
    /// Compared without regard to case; `*X` stands for every value that ends with `X`.
    pub(super) kinds: &'static [(&'static str, Kind)],
    pub(super) other: Other,
    /// The span's own name is that of its tool, agent or guard.
    pub(super) names_span: bool,
}

/// What a value says that is not among a marker's kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// A step of the sender's own, unless something else tells more.
    Step,
    /// No action.
    Nothing,
    /// Nothing at all: others use the attribute for other things.
    Unknown,
}

/// A span's name that says what it is where no marker does.
#[derive(Debug)]
pub(super) struct Name {
    /// `X*` stands for every name that starts with `X`, `*X` for every one that ends with it.
    pub(super) pattern: &'static str,
    pub(super) kind: Kind,
    pub(super) needs: Needs,
}

/// What else must be there for a name to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Some attribute of a dialect that is read.
    Known,
    /// An attribute of this very dialect, or the scope of its instrumentation.
    Dialect,
    Model,
}

/// Attributes that together are a list: `<prefix><index>.<item><name>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) prefix: &'static str,
    /// Left out of the names of an entry where they start with it.
    pub(super) item: &'static str,
    /// An entry of this name is no content.
    pub(super) skip: &'static str,
    pub(super) side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Input,
    Output,
}

/// Says otherwise about a span of its dialect where rows cannot.
pub(super) type Adjust = for<'a> fn(Kind, &Found<'a>, &Span<'_>) -> Kind;

#[derive(Debug)]
pub(super) struct Table {
    /// As in [`halod_record::event::Source::dialect`].
    pub(super) name: &'static str,
    pub(super) rows: &'static [Row],
    pub(super) names: &'static [Name],
    pub(super) families: &'static [Family],
    /// What senders of this dialect write where the provider belongs.
    pub(super) frameworks: &'static [&'static str],
    /// The names of the scopes that write it: spans under them are told in it, whatever they say.
    pub(super) scopes: &'static [&'static str],
    pub(super) adjust: Option<Adjust>,
}

impl Table {
    /// A table with nothing in it, to be filled in with `..Table::EMPTY`.
    pub(super) const EMPTY: Self =
        Self { name: "", rows: &[], names: &[], families: &[], frameworks: &[], scopes: &[], adjust: None };
}

/// Whether `text` is what `pattern` stands for, without regard to case.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    match pattern {
        [b'*', end @ ..] => {
            text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end)
        }
        [start @ .., b'*'] => text.len() >= start.len() && text[..start.len()].eq_ignore_ascii_case(start),
        _ => text.eq_ignore_ascii_case(pattern),
    }
}
