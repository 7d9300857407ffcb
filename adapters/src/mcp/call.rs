//! A call that was asked for, and what is told of it until it is answered.

use super::outline::Outline;
use super::{Large, MOST};
use crate::fields::text;
use halod_record::json::{Json, parse};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// What is asked for, of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Initialize,
    ToolCall,
    Resource,
    Prompt,
    Sample,
    Elicit,
    /// What became of a task.
    TaskResult,
}

impl Method {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "initialize" => Self::Initialize,
            "tools/call" => Self::ToolCall,
            "resources/read" => Self::Resource,
            "prompts/get" => Self::Prompt,
            "sampling/createMessage" => Self::Sample,
            "elicitation/create" => Self::Elicit,
            "tasks/result" => Self::TaskResult,
            _ => return None,
        })
    }

    /// Whether it is no action by itself.
    pub(super) fn is_a_step(self) -> bool {
        matches!(self, Self::Initialize | Self::TaskResult)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::ToolCall => "tools/call",
            Self::Resource => "resources/read",
            Self::Prompt => "prompts/get",
            Self::Sample => "sampling/createMessage",
            Self::Elicit => "elicitation/create",
            Self::TaskResult => "tasks/result",
        }
    }
}

/// An id as it is written, one text for each value: `1`, `"1"`, `null`.
pub(super) type Id = Vec<u8>;

/// Bytes of an id by which messages are told apart. What has a longer one is counted, and nothing more.
const LONGEST_ID: usize = 512;

/// The id of a message; `None` where it has none, or one by which nothing is told apart.
pub(super) fn id_of(value: Option<&Json<'_>>) -> Option<Id> {
    let id = match value? {
        Json::Null => b"null".to_vec(),
        Json::Int(int) => int.to_string().into_bytes(),
        Json::BigInt(digits) => digits.as_bytes().to_vec(),
        // Some peers write every number as a double.
        Json::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
            (*float as i64).to_string().into_bytes()
        }
        Json::Float(float) => float.to_string().into_bytes(),
        Json::Str(text) => [b"\"", text.as_bytes(), b"\""].concat(),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    (id.len() <= LONGEST_ID).then_some(id)
}

/// The same of a message that was only looked through.
pub(super) fn id_in(outline: &Outline) -> Option<Id> {
    let written = std::str::from_utf8(outline.id.as_deref()?).ok()?;
    id_of(Some(&parse(written).ok()?))
}

/// What is kept of a request until it is answered.
#[derive(Debug)]
pub(super) enum Kept {
    /// As it was sent.
    Whole(String),
    /// It was too large: what it is about.
    Large(Box<Large>),
    /// There was no room for it beside other calls that wait: what it is about.
    Dropped(Option<String>),
}

impl Kept {
    /// Bytes beside the struct.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Large(_) => size_of::<Large>(),
            Self::Dropped(about) => about.as_ref().map_or(0, String::len),
        }
    }

    /// The same with nothing but what it is about.
    pub(super) fn dropped(&self) -> Self {
        match self {
            Self::Whole(text) => {
                let about = parse(text).ok().and_then(|message| {
                    let params = message.get("params")?;
                    subject(params).map(|about| about.chars().take(MOST_ABOUT).collect())
                });
                Self::Dropped(about)
            }
            Self::Large(large) => Self::Dropped(large.outline.subject.clone()),
            Self::Dropped(about) => Self::Dropped(about.clone()),
        }
    }
}

const MOST_ABOUT: usize = 256;

const _: () = assert!(LONGEST_ID < MOST);

/// What a request is about: the name of a tool or a prompt, the URI of a resource.
pub(super) fn subject<'a>(params: &Json<'a>) -> Option<std::borrow::Cow<'a, str>> {
    text(params, "name").or_else(|| text(params, "uri"))
}

/// A call that waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Who asked.
    pub(super) by: Side,
    pub(super) id: Id,
    pub(super) scope: u64,
    pub(super) request: Kept,
    pub(super) at: u64,
    /// Notifications of progress on it.
    pub(super) progress: u64,
    /// As it is written.
    pub(super) progress_token: Option<Id>,
    pub(super) cancelled: Option<Cancelled>,
    pub(super) task: Option<Task>,
    /// Another call with the same id waited when it came.
    pub(super) id_reused: bool,
}

/// That whoever asked for a call no longer wants its answer.
#[derive(Clone, Debug)]
pub(super) struct Cancelled {
    pub(super) at: u64,
    pub(super) reason: Option<String>,
}

/// What a call became whose answer is asked for later.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) status: Option<String>,
}
