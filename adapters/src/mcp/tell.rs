//! From a call and what became of it to an event.

use super::answer::{Answer, digest, outcome};
use super::call::{Call, Kept, Method, Side, subject};
use super::observer::{Party, Session};
use crate::MAPPING;
use crate::fields::text;
use halod_record::event::{
    Action, Agent, Content, Event, Fact, Origin, Outcome, Source, Status, Told, Usage,
};
use halod_record::hash::parse_hex;
use halod_record::json::{Json, Text, parse};
use std::borrow::Cow;

/// What a session is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'c> {
    pub(super) session: &'c Session,
    pub(super) client: &'c Party,
    pub(super) server: &'c Party,
    pub(super) protocol: Option<&'c str>,
    /// The number of the record in its session.
    pub(super) seq: u64,
}

const SOURCE: Source = Source { adapter: "mcp", via: "MCP proxy", dialect: "mcp.proxy", mapping: MAPPING };

/// What Claude Code says in `_meta` of a call: the id that the model gave it, and its own session.
const TOOL_USE: &str = "claudecode/toolUseId";
const AGENT_SESSION: &str = "claudecode/sessionId";
/// What version 2026-07-28 says with each request in place of `initialize`.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

impl Context<'_> {
    /// Tells of a call that was answered at `at`, or is not waited for any more.
    pub(super) fn call(self, call: &Call, answer: &Answer<'_>, at: u64, tell: &mut dyn FnMut(&Event<'_>)) {
        let request = match &call.request {
            Kept::Whole(text) => parse(text).ok(),
            Kept::Large(_) | Kept::Dropped(_) => None,
        };
        let params = request.as_ref().and_then(|request| request.get("params"));
        let meta = params.and_then(|params| params.get("_meta"));
        let about = match &call.request {
            Kept::Whole(_) => params.and_then(subject),
            Kept::Large(large) => large.outline.subject.as_deref().map(Cow::Borrowed),
            Kept::Dropped(about) => about.as_deref().map(Cow::Borrowed),
        };
        let about = about.unwrap_or(Cow::Borrowed("unnamed"));
        let task_failed = call.task.as_ref().is_some_and(|task| task.status.as_deref() == Some("failed"));
        let trace = meta.and_then(|meta| text(meta, "traceparent")).and_then(|text| traced(&text));
        let mut event = self.event(trace, call.method.name(), outcome(call.method, answer, task_failed));
        event.action = self.action(call.method, about, meta);
        event.started = Some(call.at);
        if !matches!(answer, Answer::None(_)) {
            event.ended = Some(at);
        }
        event.input = match &call.request {
            Kept::Whole(_) => params.map_or(Content::Undisclosed, |params| input(call.method, params)),
            Kept::Large(large) => digest(large, Told::Input),
            Kept::Dropped(_) => Content::Undisclosed,
        };
        if let Some(session) = meta.and_then(|meta| text(meta, AGENT_SESSION)) {
            event.session = Some(session);
        }
        if let Some(info) = meta.and_then(|meta| meta.get(CLIENT_INFO)) {
            event.agent.name = text(info, "name").or(event.agent.name);
            event.agent.version = text(info, "version").or(event.agent.version);
        }
        said_of(call, answer, &mut event);
        tell(&event);
    }

    /// Tells that the session began: who talks to whom.
    pub(super) fn start(self, call: &Call, answer: &Answer<'_>, at: u64, tell: &mut dyn FnMut(&Event<'_>)) {
        let mut event = self.event(None, call.method.name(), outcome(call.method, answer, false));
        event.action = Action::Boundary { verb: "session_start" };
        event.started = Some(call.at);
        event.ended = Some(at);
        tell(&event);
    }

    /// Tells that the session ended, and what of it nobody else tells.
    pub(super) fn end(self, counts: &[(&'static str, u64)], at: u64, tell: &mut dyn FnMut(&Event<'_>)) {
        let ended =
            Outcome { status: Status::Ok, result: Content::Undisclosed, error_type: None, error_text: None };
        let mut event = self.event(None, "end", ended);
        event.action = Action::Boundary { verb: "session_end" };
        event.ended = Some(at);
        event.facts.extend(counts.iter().map(|(name, count)| (*name, Fact::Number(*count))));
        tell(&event);
    }

    fn event<'e>(
        &'e self,
        trace: Option<([u8; 16], [u8; 8], u8)>,
        method: &'static str,
        outcome: Outcome<'e>,
    ) -> Event<'e> {
        let Self { session, client, server, protocol, seq } = *self;
        let (ids, flags) = match trace {
            Some((trace, span, flags)) => (Some((trace, span)), Some(flags)),
            None => (None, None),
        };
        let borrowed = |text: &'e Option<String>| text.as_deref().map(Cow::Borrowed);
        let mut facts = vec![
            ("mcp_method", Fact::Label(Cow::Borrowed(method))),
            ("seq", Fact::Number(seq)),
            ("run", Fact::Id(Cow::Borrowed(session.run.as_str()))),
            ("transport", Fact::Label(Cow::Borrowed(session.transport))),
        ];
        facts.extend(protocol.map(|version| ("protocol_version", Fact::Label(Cow::Borrowed(version)))));
        facts.extend(borrowed(&server.name).map(|name| ("server_name", Fact::Label(name))));
        facts.extend(borrowed(&server.version).map(|version| ("server_version", Fact::Label(version))));
        Event {
            action: Action::Boundary { verb: "session_start" },
            agent: Agent { id: None, name: borrowed(&client.name), version: borrowed(&client.version) },
            session: Some(Cow::Borrowed(&session.id)),
            principal: None,
            tenant: None,
            input: Content::Undisclosed,
            outcome,
            authorization: None,
            origin: Origin::Log {
                trace: ids.map(|(trace, _)| trace),
                span: ids.map(|(_, span)| span),
                name: Cow::Borrowed(method),
                identity: Json::Array(vec![
                    Json::str("mcp"),
                    Json::str(&session.run),
                    Json::Int(i64::try_from(seq).unwrap_or(i64::MAX)),
                ]),
            },
            started: None,
            ended: None,
            usage: Usage::default(),
            source: SOURCE,
            dropped: 0,
            trace_flags: flags,
            facts,
        }
    }

    fn action<'e>(&'e self, method: Method, about: Cow<'e, str>, meta: Option<&Json<'e>>) -> Action<'e> {
        let server = || self.session.server.as_deref().or(self.server.name.as_deref()).unwrap_or("unknown");
        match method {
            Method::ToolCall => Action::Tool {
                name: about,
                mcp_server: Some(Cow::Borrowed(server())),
                call_id: meta.and_then(|meta| text(meta, TOOL_USE)),
            },
            Method::Resource | Method::Prompt => Action::Retrieve { name: about },
            Method::Sample => Action::Boundary { verb: "sample" },
            Method::Elicit => Action::Boundary { verb: "elicit" },
            Method::Initialize | Method::TaskResult => Action::Boundary { verb: "session_start" },
        }
    }
}

/// What is said of a call beside what went in and came out.
fn said_of<'e>(call: &'e Call, answer: &Answer<'e>, event: &mut Event<'e>) {
    let facts = &mut event.facts;
    facts.push(("rpc_id", Fact::Id(String::from_utf8_lossy(&call.id))));
    facts.push(("asked_by", Fact::Label(Cow::Borrowed(call.by.name()))));
    if call.progress > 0 {
        facts.push(("progress", Fact::Number(call.progress)));
    }
    if call.id_reused {
        facts.push(("id_reused", Fact::Flag(true)));
    }
    if let Some(cancelled) = &call.cancelled {
        facts.push(("cancelled_by", Fact::Label(Cow::Borrowed(call.by.name()))));
        let reason = cancelled.reason.as_deref();
        facts.extend(reason.map(|reason| ("cancel_reason", Fact::Text(Cow::Borrowed(reason)))));
    }
    if let Some(task) = &call.task {
        facts.push(("task_id", Fact::Id(Cow::Borrowed(&task.id))));
        let status = task.status.as_deref();
        facts.extend(status.map(|status| ("task_status", Fact::Label(Cow::Borrowed(status)))));
    }
    let mut hashed = Vec::new();
    if let Kept::Large(large) = &call.request {
        facts.push(("request_bytes", Fact::Number(large.bytes)));
        hashed.push(Cow::Borrowed("input"));
    }
    if matches!(call.request, Kept::Dropped(_)) {
        facts.push(("request_dropped", Fact::Flag(true)));
    }
    match answer {
        Answer::Large(large) => {
            facts.push(("answer_bytes", Fact::Number(large.bytes)));
            hashed.push(Cow::Borrowed("outcome"));
        }
        Answer::None(end) => facts.push(("ended_by", Fact::Label(Cow::Borrowed(end.name())))),
        Answer::Result(result) => {
            let model = if call.method == Method::Sample { text(result, "model") } else { None };
            facts.extend(model.map(|model| ("model", Fact::Label(model))));
        }
        Answer::Refused(status) => facts.push(("http_status", Fact::Number((*status).into()))),
        Answer::Error(_) => {}
    }
    if !hashed.is_empty() {
        facts.push(("hash_of_message", Fact::Labels(hashed)));
    }
}

/// What went into a call: of a tool its arguments, as everybody else tells them; else what was asked for, without what the
/// protocol puts beside it.
fn input<'a>(method: Method, params: &Json<'a>) -> Content<'a> {
    match (method, params) {
        (Method::ToolCall, _) => match params.get("arguments") {
            None => Content::Value(Json::Object(Vec::new())),
            Some(arguments) => Content::Value(arguments.clone()),
        },
        (_, Json::Object(members)) => {
            let own = |key: &Text<'_>| !matches!(key.as_str(), Some("_meta" | "task"));
            Content::Value(Json::object(members.iter().filter(|(key, _)| own(key)).cloned().collect()))
        }
        _ => Content::Undisclosed,
    }
}

/// The trace, the span and the flags of a W3C `traceparent`.
fn traced(text: &str) -> Option<([u8; 16], [u8; 8], u8)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let [version] = parse_hex::<1>(version.as_bytes())?;
    let (trace, span) = (parse_hex::<16>(trace.as_bytes())?, parse_hex::<8>(span.as_bytes())?);
    let [flags] = parse_hex::<1>(flags.as_bytes())?;
    (version != 0xff && trace != [0; 16] && span != [0; 8]).then_some((trace, span, flags))
}

impl Side {
    /// Whether a method is asked for by this side.
    pub(super) fn asks(self, method: Method) -> bool {
        match method {
            Method::Sample | Method::Elicit => self == Self::Server,
            Method::TaskResult => true,
            Method::Initialize | Method::ToolCall | Method::Resource | Method::Prompt => self == Self::Client,
        }
    }
}
