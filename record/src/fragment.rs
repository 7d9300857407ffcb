//! What one message tells of an action that is told in several: Langfuse's create and update of an
//! observation, LangSmith's post and patch of a run.
//!
//! A fragment says nothing of what its message is silent about. Those of one action are laid over each
//! other, those that open it first and then in the order in which they were said, and the whole is an
//! [`Event`].
//!
//! A fragment that is kept until the others come is reduced first: each content is a digest, of which a
//! record says the same as of the value, and every name is masked.

use crate::event::{
    Action, Agent, Content, Event, Fact, Found, Keyed, Origin, Outcome, Source, Status, Told, Usage,
};
use crate::json::Json;
use crate::verdict;
use std::borrow::Cow;

/// The parts of an id that a sender gave.
pub type Id<'a> = Vec<Cow<'a, str>>;

#[derive(Clone, Debug, PartialEq)]
pub struct Fragment<'a> {
    /// As in [`crate::event::Keyed`].
    pub space: &'static str,
    pub id: Id<'a>,
    pub parent: Option<Id<'a>>,
    /// The whole that it is a part of, such as a trace: what is said of its session, principal and
    /// tenant holds for the part too. It is waited for, shortly. An action that is within itself is the whole.
    pub within: Option<Id<'a>>,
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
    /// The identity by which it came; that of the first one counts.
    pub account: Option<Cow<'a, str>>,
    pub tenant: Option<Cow<'a, str>>,
    pub input: Content<'a>,
    pub result: Content<'a>,
    pub status: Option<Status>,
    pub error_type: Option<Cow<'a, str>>,
    /// The error's text. An action with one failed, unless its status says otherwise.
    pub error: Content<'a>,
    pub started: Option<u64>,
    pub ended: Option<u64>,
    pub usage: Usage<'a>,
    pub facts: Vec<(&'static str, Fact<'a>)>,
    /// What was found in fields that are masked already, by the field's name. Empty unless reduced.
    pub found: Vec<(&'static str, Found)>,
    /// Ids that are masked already, by the field's name, as [`crate::ids::kept_part`] keeps them: calls are
    /// known by them. Empty unless reduced.
    pub kept: Vec<(&'static str, String)>,
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
    /// Something that no rule explains: `agent.activity`, with its own name beside it.
    Other,
    /// A step of which the sender does not say what it is: `agent.step`. That it is named as tools are, and
    /// has an input, is no evidence of a tool call.
    Step,
    /// A step with the name of a tool that a model was offered or asked for: a tool call.
    Called,
    /// Something that never closes, like a trace: `agent.invoke` of its agent, whole when nothing
    /// more is said of it for as long as a hold lasts. Others may be `within` it.
    Trace,
}

impl<'a> Fragment<'a> {
    /// A fragment that says nothing yet.
    #[must_use]
    pub fn new(space: &'static str, id: Id<'a>, source: Source) -> Self {
        Self {
            space,
            id,
            parent: None,
            within: None,
            said: 0,
            opens: false,
            closes: false,
            kind: None,
            name: None,
            model: None,
            provider: None,
            mcp_server: None,
            call_id: None,
            agent: Agent::default(),
            session: None,
            principal: None,
            account: None,
            tenant: None,
            input: Content::Undisclosed,
            result: Content::Undisclosed,
            status: None,
            error_type: None,
            error: Content::Undisclosed,
            started: None,
            ended: None,
            usage: Usage::default(),
            facts: Vec::new(),
            found: Vec::new(),
            kept: Vec::new(),
            source,
        }
    }

    /// Lays `later` over this one: what it says wins.
    pub fn lay(&mut self, later: Self) {
        fn over<T>(earlier: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *earlier = later;
            }
        }
        fn told<'a>(earlier: &mut Content<'a>, later: Content<'a>) {
            if later != Content::Undisclosed {
                *earlier = later;
            }
        }
        let says = |field: &str| match field {
            "name" => later.name.is_some(),
            "call_id" => later.call_id.is_some(),
            "session" => later.session.is_some(),
            "error_type" => later.error_type.is_some(),
            "finish_reason" => later.usage.finish_reason.is_some(),
            "response_id" => later.usage.response_id.is_some(),
            field => later.facts.iter().any(|(key, _)| *key == field),
        };
        self.found.retain(|(field, _)| !says(field));
        self.kept.retain(|(field, _)| !says(field));
        over(&mut self.parent, later.parent);
        over(&mut self.within, later.within);
        self.said = self.said.max(later.said);
        self.opens |= later.opens;
        self.closes |= later.closes;
        // Of a step that was told to be more than that, an update repeats only what it was opened as.
        if later.kind != Some(Kind::Step) || self.kind.is_none() {
            over(&mut self.kind, later.kind);
        }
        over(&mut self.name, later.name);
        over(&mut self.model, later.model);
        over(&mut self.provider, later.provider);
        over(&mut self.mcp_server, later.mcp_server);
        over(&mut self.call_id, later.call_id);
        over(&mut self.agent.id, later.agent.id);
        over(&mut self.agent.name, later.agent.name);
        over(&mut self.agent.version, later.agent.version);
        over(&mut self.session, later.session);
        over(&mut self.principal, later.principal);
        self.account = self.account.take().or(later.account);
        over(&mut self.tenant, later.tenant);
        told(&mut self.input, later.input);
        told(&mut self.result, later.result);
        over(&mut self.status, later.status);
        over(&mut self.error_type, later.error_type);
        // A class stands for the text only where there is none.
        if self.error == Content::Undisclosed || !is_class(&later.error) || is_class(&self.error) {
            told(&mut self.error, later.error);
        }
        over(&mut self.started, later.started);
        over(&mut self.ended, later.ended);
        over(&mut self.usage.input_tokens, later.usage.input_tokens);
        over(&mut self.usage.output_tokens, later.usage.output_tokens);
        over(&mut self.usage.total_tokens, later.usage.total_tokens);
        over(&mut self.usage.cache_read_tokens, later.usage.cache_read_tokens);
        over(&mut self.usage.cache_write_tokens, later.usage.cache_write_tokens);
        over(&mut self.usage.reasoning_tokens, later.usage.reasoning_tokens);
        over(&mut self.usage.finish_reason, later.usage.finish_reason);
        over(&mut self.usage.response_id, later.usage.response_id);
        for (key, fact) in later.facts {
            match self.facts.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = fact,
                None => self.facts.push((key, fact)),
            }
        }
        self.found.extend(later.found);
        self.kept.extend(later.kept);
    }

    /// Whether it says nothing of how the action ended: neither outright, nor by a result or an error.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let told = |content: &Content<'_>| *content != Content::Undisclosed;
        self.status.is_none() && self.error_type.is_none() && !told(&self.result) && !told(&self.error)
    }

    /// The whole.
    #[must_use]
    pub fn event(self) -> Event<'a> {
        let action = self.action();
        let status = self.status.unwrap_or_else(|| self.implied(&action));
        let (mut result, mut error_text) = (self.result, None);
        if status != Status::Ok {
            match self.error {
                Content::Value(Json::Str(text)) => error_text = Some(text.to_lossy().into_owned().into()),
                // A record says of a failed action what its error says.
                error @ Content::Digest(_) => result = error,
                Content::Value(_) | Content::Undisclosed => {}
            }
        }
        let mut facts = self.facts;
        let mut usage = self.usage;
        if matches!(action, Action::Boundary { .. }) {
            facts.extend(usage.take_sums());
        }
        if matches!(action, Action::Boundary { .. } | Action::Other { .. }) {
            facts.extend(self.name.map(|name| ("name", Fact::Label(name))));
        }
        Event {
            action,
            agent: self.agent,
            session: self.session,
            principal: self.principal,
            tenant: self.tenant,
            input: self.input,
            outcome: Outcome { status, result, error_type: self.error_type, error_text },
            authorization: None,
            origin: Origin::Keyed(Keyed { space: self.space, id: self.id, parent: self.parent }),
            started: self.started,
            ended: self.ended,
            usage,
            source: self.source,
            dropped: 0,
            trace_flags: None,
            facts,
        }
    }

    pub(crate) fn action(&self) -> Action<'a> {
        let name = || self.name.clone().unwrap_or(Cow::Borrowed("unnamed"));
        let tool = || Action::Tool {
            name: name(),
            mcp_server: self.mcp_server.clone(),
            call_id: self.call_id.clone(),
        };
        match self.kind {
            Some(Kind::Generate) => {
                Action::Generate { provider: self.provider.clone(), model: self.model.clone() }
            }
            Some(Kind::Embed) => Action::Embed { provider: self.provider.clone(), model: self.model.clone() },
            Some(Kind::Tool | Kind::Called) => tool(),
            Some(Kind::Retrieve) => Action::Retrieve { name: name() },
            Some(Kind::Boundary(verb)) => Action::Boundary { verb },
            Some(Kind::Guard) => Action::Guard { name: name() },
            Some(Kind::Other) => Action::Other { name: name() },
            Some(Kind::Trace) => Action::Boundary { verb: "invoke" },
            Some(Kind::Step) | None => Action::Boundary { verb: "step" },
        }
    }

    /// How the action ended, where nobody says so.
    fn implied(&self, action: &Action<'_>) -> Status {
        let (failed, denied) = match &self.result {
            Content::Value(result) => (tells_of_failure(result), says_no(result)),
            Content::Digest(digest) => match digest.of {
                Told::Result { failed, denied } => (failed, denied),
                _ => (false, false),
            },
            Content::Undisclosed => (false, false),
        };
        match action {
            _ if self.error != Content::Undisclosed || self.error_type.is_some() => Status::Error,
            Action::Tool { .. } if failed => Status::Error,
            Action::Guard { .. } if denied => Status::Denied,
            _ => Status::Ok,
        }
    }
}

fn is_class(error: &Content<'_>) -> bool {
    matches!(error, Content::Digest(digest) if digest.of == Told::ErrorType)
}

/// The trace that an action stands in, as its facts say: its session, where the sender names none.
#[must_use]
pub fn trace_of<'a>(event: &Event<'a>) -> Option<Cow<'a, str>> {
    event.facts.iter().find_map(|(key, fact)| match fact {
        Fact::Id(id) if *key == "trace_id" => Some(id.clone()),
        _ => None,
    })
}

/// Whether a tool's result tells that it failed, as the reference derives it.
#[must_use]
pub fn tells_of_failure(result: &Json<'_>) -> bool {
    verdict::tells_of_failure(result)
}

/// Whether a guard's verdict is no.
#[must_use]
pub fn says_no(verdict: &Json<'_>) -> bool {
    verdict::says_no(verdict)
}
