//! What one message tells of an action that is told in several: Langfuse's create and update of an
//! observation, LangSmith's post and patch of a run.
//!
//! A fragment says nothing of what its message is silent about. Those of one action are laid over each
//! other in the order in which they were said, and the whole is an [`Event`].

use crate::event::{Agent, Content, Fact, Source, Status, Usage};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq)]
pub struct Fragment<'a> {
    /// As in [`crate::event::Keyed`].
    pub space: &'static str,
    pub id: Vec<Cow<'a, str>>,
    pub parent: Option<Vec<Cow<'a, str>>>,
    /// When it was said, in Unix nanoseconds by the sender's clock; what is said later wins.
    pub said: u64,
    /// It opens the action: what others say of it before this came waits.
    pub opens: bool,
    /// It closes the action: nothing more is to be expected.
    pub closes: bool,
    pub kind: Option<Kind>,
    /// Of the tool, retriever, guard or step; what it stands for depends on the kind.
    pub name: Option<Cow<'a, str>>,
    pub model: Option<Cow<'a, str>>,
    pub provider: Option<Cow<'a, str>>,
    pub mcp_server: Option<Cow<'a, str>>,
    pub call_id: Option<Cow<'a, str>>,
    pub agent: Agent<'a>,
    pub session: Option<Cow<'a, str>>,
    pub principal: Option<Cow<'a, str>>,
    pub tenant: Option<Cow<'a, str>>,
    pub input: Content<'a>,
    pub result: Content<'a>,
    pub status: Option<Status>,
    pub error_type: Option<Cow<'a, str>>,
    pub error_text: Option<Cow<'a, str>>,
    pub started: Option<u64>,
    pub ended: Option<u64>,
    pub usage: Usage<'a>,
    pub facts: Vec<(&'static str, Fact<'a>)>,
    pub source: Source,
}

/// What kind of action a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Generate,
    Embed,
    Tool,
    Retrieve,
    /// `agent.<verb>`.
    Boundary(&'static str),
    Guard,
    /// A step that no rule explains, under its own name.
    Other,
}
