//! One agent action in neutral words: what every adapter produces and `record::build` consumes.
//!
//! An [`Event`] says what a sender said. It is not redacted, not bounded and not trusted:
//! bounding, redaction and hashing happen where records are built.

use crate::json::Json;
use std::borrow::Cow;

/// One agent action, as its sender described it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    pub action: Action<'a>,
    pub agent: Agent<'a>,
    /// The conversation or session; `None` when the sender names none.
    pub session: Option<Cow<'a, str>>,
    /// The human or account on whose behalf the agent acted (`user.id`, `enduser.id`, ...).
    pub principal: Option<Cow<'a, str>>,
    /// The tenant that the event itself claims. A claim only: authentication may overrule it.
    pub tenant: Option<Cow<'a, str>>,
    /// What went in: tool arguments, or the messages to a model.
    pub input: Content<'a>,
    pub outcome: Outcome<'a>,
    /// What was decided about the action before it ran, where the sender says so.
    pub authorization: Option<Authorization<'a>>,
    pub origin: Origin<'a>,
    /// Unix nanoseconds; `None` when absent or zero.
    pub started: Option<u64>,
    pub ended: Option<u64>,
    pub usage: Usage<'a>,
    pub source: Source,
    /// What the sender says it dropped before sending: attributes, events and links of a span.
    pub dropped: u64,
    /// The W3C trace flags, where the sender says them: 1 is "sampled".
    pub trace_flags: Option<u8>,
    /// What else goes into the record's `data`. A key that the record fills by itself is left alone.
    pub facts: Vec<(&'static str, Fact<'a>)>,
}

/// The fact that lists under which names a sender told what no table maps: what may be there is not said
/// to be undisclosed.
pub const UNMAPPED: &str = "unmapped";

/// The fact that lists what a record has from those around it: `session`, `principal`.
pub const INHERITED: &str = "inherited";

/// One member of a record's `data`: an integer, a flag, or text by how it is masked.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'a> {
    Number(u64),
    Flag(bool),
    /// An id: kept when it looks like one.
    Id(Cow<'a, str>),
    /// A name from a fixed or chosen vocabulary: masked by the patterns of secrets.
    Label(Cow<'a, str>),
    Labels(Vec<Cow<'a, str>>),
    /// A network address: kept, as the name of who is answerable is.
    Address(Cow<'a, str>),
    /// Anything else: masked like content.
    Text(Cow<'a, str>),
}

/// What kind of thing happened, and to what. Names as in the design's table of actions.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<'a> {
    /// A model call: `model.generate`, scope `model:<provider>`.
    Generate { provider: Option<Cow<'a, str>>, model: Option<Cow<'a, str>> },
    /// An embedding call: `model.embed`.
    Embed { provider: Option<Cow<'a, str>>, model: Option<Cow<'a, str>> },
    /// A tool call. `mcp_server` only where a real MCP signal was seen.
    Tool { name: Cow<'a, str>, mcp_server: Option<Cow<'a, str>>, call_id: Option<Cow<'a, str>> },
    /// A retrieval, memory search or MCP resource read: `retrieve:<name>`.
    Retrieve { name: Cow<'a, str> },
    /// An agent, chain, workflow or hand-off boundary: `agent.<verb>`, e.g. `agent.invoke`.
    Boundary { verb: &'static str },
    /// The verdict of a guardrail or an evaluator: the guard's own name.
    Guard { name: Cow<'a, str> },
    /// A decision about a tool call, told apart from the call: `decide:<tool>`. The call itself has
    /// the same `call_id`.
    Decide { tool: Cow<'a, str>, call_id: Option<Cow<'a, str>> },
    /// A request that a gateway logged. `tool` is the reference's: the row's own tool, else
    /// `gen_ai:<model>`, else `http:<path>`.
    Request { tool: Cow<'a, str>, model: Option<Cow<'a, str>> },
    /// What an action touched: a database (`db:<system>`), or a server over HTTP (`http:<host>`).
    Access { of: Cow<'a, str>, to: Access },
    /// Something with a model or a tool that no table explains: `agent.activity`. The sender's own name for
    /// it is none of a tool; a record has it among its facts.
    Other { name: Cow<'a, str> },
}

/// What was done to something that an action touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A database was read.
    Read,
    /// A database was written.
    Write,
    /// A database was asked something that tells neither.
    Query,
    /// A server was sent a request over HTTP.
    Request,
}

/// The fact that says what kind of thing was touched: `database` or `http`.
pub const ACCESS: &str = "access";

/// A decision about an action: allowed, denied, or approved by a human.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    pub decision: Decision,
    /// Who or what decided, where it is said.
    pub approver: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    Denied,
    HumanApproved,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent<'a> {
    pub id: Option<Cow<'a, str>>,
    pub name: Option<Cow<'a, str>>,
    pub version: Option<Cow<'a, str>>,
}

/// Content that a sender may or may not disclose. Undisclosed is not the same as empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Content<'a> {
    #[default]
    Undisclosed,
    Value(Json<'a>),
    /// What a record says of a value that is kept nowhere: see [`crate::fragment`].
    Digest(Box<Digest>),
}

/// All that a record says of a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub of: Told,
    /// As a record states it: SHA-256.
    pub hash: [u8; 32],
    /// Masked; `None` where there is nothing to say, or no text is kept.
    pub summary: Option<String>,
    pub findings: Vec<Found>,
}

/// What a digested value was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Input,
    /// A result, and what it says of how the action ended.
    Result {
        failed: bool,
        denied: bool,
    },
    /// An error's text.
    Error,
    /// An error's class, where there is no text.
    ErrorType,
}

/// Something that redaction found in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `findings[].type` of a record.
    pub kind: String,
    /// Masked.
    pub sample: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'a> {
    pub status: Status,
    pub result: Content<'a>,
    /// The error's class or code as sent (`error.type`), an identifier rather than prose.
    pub error_type: Option<Cow<'a, str>>,
    /// The error's text (status message, exception message): prose, hashed but never stored raw.
    pub error_text: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    Error,
    Denied,
    /// Nobody said how it ended, and the sender's silence does not mean that it came off.
    Unknown,
    /// It was told of before it ended.
    Unfinished,
}

impl Status {
    /// Whether it is known that the action did not come off.
    #[must_use]
    pub fn failed(self) -> bool {
        matches!(self, Self::Error | Self::Denied)
    }

    /// The schema's word (`outcome.status`), where it has one.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Ok => Some("ok"),
            Self::Error => Some("error"),
            Self::Denied => Some("denied"),
            Self::Unknown | Self::Unfinished => None,
        }
    }

    /// What `data.outcome` says in place of it.
    #[must_use]
    pub fn open_word(self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("unknown"),
            Self::Unfinished => Some("unfinished"),
            Self::Ok | Self::Error | Self::Denied => None,
        }
    }
}

/// Where the event came from: the identity that its record's id is derived from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin<'a> {
    Span {
        trace: [u8; 16],
        span: [u8; 8],
        parent: Option<[u8; 8]>,
        name: Cow<'a, str>,
    },
    /// A log record. It has no id of its own: `identity` holds what tells it from every other one
    /// (a session and a sequence number, or all that it says).
    Log {
        trace: Option<[u8; 16]>,
        /// The span it was written under: the parent of the action.
        span: Option<[u8; 8]>,
        name: Cow<'a, str>,
        identity: Json<'a>,
    },
    Keyed(Keyed<'a>),
}

/// The space of what stands in a file without an id: its ids are made of what the file holds.
pub const FILE: &str = "file";

/// Something that its sender gives an id of its own: a call, a run, an observation, a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed<'a> {
    /// Whose ids they are, e.g. `langfuse`: ids of two kinds of sender never meet.
    pub space: &'static str,
    /// What tells it from every other one in that space.
    pub id: Vec<Cow<'a, str>>,
    /// The same of the action that it was a part of.
    pub parent: Option<Vec<Cow<'a, str>>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage<'a> {
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub total_tokens: Option<i64>,
    pub cache_read_tokens: Option<i64>,
    pub cache_write_tokens: Option<i64>,
    pub reasoning_tokens: Option<i64>,
    pub finish_reason: Option<Cow<'a, str>>,
    /// The provider's own id of its answer: two model calls with the same one are one.
    pub response_id: Option<Cow<'a, str>>,
}

impl Usage<'_> {
    /// Takes the counts out, as sums over what happened within: they are no call's, and have names of their
    /// own so that nobody adds them to those of the calls.
    #[must_use]
    pub fn take_sums<'f>(&mut self) -> Vec<(&'static str, Fact<'f>)> {
        [
            ("sum_cache_read_tokens", self.cache_read_tokens.take()),
            ("sum_cache_write_tokens", self.cache_write_tokens.take()),
            ("sum_input_tokens", self.input_tokens.take()),
            ("sum_output_tokens", self.output_tokens.take()),
            ("sum_reasoning_tokens", self.reasoning_tokens.take()),
            ("sum_total_tokens", self.total_tokens.take()),
        ]
        .into_iter()
        .filter_map(|(key, count)| Some((key, Fact::Number(u64::try_from(count?).ok()?))))
        .collect()
    }
}

/// Which adapter read the event, from which dialect, by which version of the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The reference's tag, e.g. `otel`.
    pub adapter: &'static str,
    /// The reference's words, e.g. `OpenTelemetry GenAI spans`.
    pub via: &'static str,
    /// e.g. `gen_ai`, `gen_ai.legacy`.
    pub dialect: &'static str,
    /// Version of the mapping table, e.g. `1`.
    pub mapping: &'static str,
}
