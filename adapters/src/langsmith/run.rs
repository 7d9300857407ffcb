//! A run, as a post, a patch or an export tells it.

use super::read::{at, disclosed, first, word, words};
use super::time::{compact, time};
use super::usage::usage;
use super::{EXPORT, LIVE, SPACE, error};
use crate::fields::{decimal, structure, unread_times};
use crate::provider::normalised;
use halod_record::charge;
use halod_record::event::{Agent, Content, Event, Fact, Status, Usage};
use halod_record::fragment::{Fragment, Kind, trace_of};
use halod_record::json::{self, Json, Text};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// How a message tells of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// From its start; with an end, where the client had both before it sent.
    Post,
    /// What is new, and at the end all of it.
    Patch,
}

/// Bytes of an id at most: LangSmith's own are UUIDs.
const MAX_ID: usize = 256;

/// Of a run's tags, so many are kept.
const MAX_TAGS: usize = 64;

/// What a post or a patch tells of its run. Members that are missing or null are silence.
///
/// # Errors
/// It is no object, or has no id.
pub fn fragment<'a>(op: Op, run: &'a Json<'a>) -> Result<Fragment<'a>, Unusable> {
    if !matches!(run, Json::Object(_)) {
        return Err(Unusable::new("", "a run is an object"));
    }
    let id = id_of(run, "id")?.ok_or_else(|| Unusable::new("id", "a run's id is missing"))?;
    let order = Order::of(run);
    let parent = id_of(run, "parent_run_id")?.or_else(|| order.parent.clone());
    let metadata = at(run, &["extra", "metadata"]).unwrap_or(&Json::Null);
    let started = run.get("start_time").and_then(time).or(order.started);
    let ended = run.get("end_time").and_then(time);
    let opens = op == Op::Post;
    let kind = kind(run, metadata, opens);
    let error = run.get("error").and_then(word);
    let trace = id_of(run, "trace_id")?.or_else(|| order.trace.clone());
    // Said once, where the run begins: a patch that is silent on the project must not overrule it.
    let first_said = |text: Option<Cow<'a, str>>| if opens { text } else { None };
    let (usage, unclear) = if calls_model(kind) { usage(run) } else { (Usage::default(), None) };
    let mut facts = facts(
        run,
        metadata,
        [&id, &trace.clone().unwrap_or_default(), &parent.clone().unwrap_or_default()],
        started,
    );
    facts.extend(unclear);
    let failed = first(run, &[&["status"]]).is_some_and(|status| status == "error");
    Ok(Fragment {
        parent: parent.clone().map(|parent| vec![parent]),
        // The trace is its first run.
        within: trace.map(|trace| vec![trace]),
        // A patch is sent after the post of its run, though both may say the same times.
        said: ended.or(started).unwrap_or(0).saturating_add(u64::from(!opens)),
        opens,
        closes: ended.is_some(),
        kind,
        name: first(run, &[&["name"]]),
        model: model(run, metadata, kind),
        provider: provider(run, metadata, kind),
        call_id: call_id(run, kind),
        agent: Agent {
            id: None,
            name: agent(run, metadata, kind).or_else(|| first_said(first(run, &[&["session_name"]]))),
            version: first(metadata, &[&["revision_id"]]),
        },
        session: first(metadata, &[&["thread_id"], &["session_id"], &["conversation_id"]]),
        principal: first(metadata, &[&["user_id"], &["userId"]]),
        tenant: tenant(metadata),
        input: input(run, kind),
        result: result(run, kind),
        status: failed.then_some(Status::Error),
        error_type: error.as_deref().and_then(error::class).map(|class| Cow::Owned(class.to_owned())),
        error: error.map_or(Content::Undisclosed, |text| Content::Value(Json::Str(text.into()))),
        started,
        ended,
        usage,
        facts,
        ..Fragment::new(SPACE, vec![id], LIVE)
    })
}

/// One run of an export, whole.
///
/// # Errors
/// As [`fragment`]; or it is no run: the store always says a run's type.
pub fn run<'a>(row: &'a Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    if row.get("run_type").and_then(word).is_none() && matches!(row, Json::Object(_)) {
        return Err(Unusable::new("run_type", "must be the type of a run: it is none of LangSmith's"));
    }
    let mut run = fragment(Op::Post, row)?;
    if run.ended.is_none() {
        run.facts.push(("unfinished", Fact::Flag(true)));
    }
    // Only the clients name the project; the API gives its id.
    if row.get("session_name").is_none() {
        run.source = EXPORT;
        run.facts.extend(decimal(row, "total_cost").map(|cost| ("cost", Fact::Label(cost))));
    }
    let unfinished = run.ended.is_none() && run.is_open();
    let mut event = run.event();
    event.session = event.session.take().or_else(|| trace_of(&event));
    if unfinished {
        event.outcome.status = Status::Unfinished;
    }
    Ok(Some(event))
}

/// Members of a run that hold structures, which its files for bulk export and tables have as JSON in strings.
const STRUCTURES: [&str; 8] =
    ["inputs", "outputs", "extra", "events", "serialized", "tags", "attachments", "feedback_stats"];

/// The run with its structures as such, where it has one in a string.
#[must_use]
pub fn decoded<'a>(row: &Json<'a>) -> Option<Json<'a>> {
    let Json::Object(members) = row else { return None };
    let inner = |(key, value): &(Text<'a>, Json<'a>)| {
        let named = key.as_str().is_some_and(|key| STRUCTURES.contains(&key));
        let text = matches!(value, Json::Str(_));
        if named && text { structure(Some(value)) } else { None }
    };
    if !members.iter().any(|member| inner(member).is_some()) {
        return None;
    }
    charge::take(row.weight()).ok()?;
    let member =
        |member: &(Text<'a>, Json<'a>)| (member.0.clone(), inner(member).unwrap_or_else(|| member.1.clone()));
    Some(Json::Object(members.iter().map(member).collect()))
}

/// The id at `key`: of a UUID the usual form, so that one run has one id however it is written.
pub(super) fn id_of<'a>(of: &'a Json<'a>, key: &'static str) -> Result<Option<Cow<'a, str>>, Unusable> {
    match of.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Str(text)) if (1..=MAX_ID).contains(&text.as_bytes().len()) => {
            Ok(text.as_str().map(usual))
        }
        Some(_) => Err(Unusable::new(key, "an id is a text of 1 to 256 bytes")),
    }
}

pub(super) fn usual(id: &str) -> Cow<'_, str> {
    let hex: String = id.chars().filter(|digit| *digit != '-').collect();
    if hex.len() != 32 || !matches!(id.len(), 32 | 36) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Cow::Borrowed(id);
    }
    let hex = hex.to_ascii_lowercase();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
    let usual = parts.join("-");
    if usual == id { Cow::Borrowed(id) } else { Cow::Owned(usual) }
}

/// What a run's dotted order says: the start and id of each run from the trace's first to this one.
#[derive(Default)]
struct Order<'a> {
    trace: Option<Cow<'a, str>>,
    parent: Option<Cow<'a, str>>,
    started: Option<u64>,
}

impl<'a> Order<'a> {
    fn of(run: &'a Json<'a>) -> Self {
        let Some(text) = run.get("dotted_order").and_then(Json::as_str) else { return Self::default() };
        let id = |segment: &'a str| {
            let (_, id) = segment.split_once('Z')?;
            (1..=MAX_ID).contains(&id.len()).then(|| usual(id))
        };
        let mut last = text.rsplit('.');
        Self {
            started: last.next().and_then(compact),
            parent: last.next().and_then(id),
            trace: text.split('.').next().and_then(id),
        }
    }
}

fn kind(run: &Json<'_>, metadata: &Json<'_>, opens: bool) -> Option<Kind> {
    let Some(said) = run.get("run_type").and_then(word) else {
        // The SDKs' default.
        return opens.then_some(Kind::Boundary("chain"));
    };
    let embeds = || first(metadata, &[&["ls_model_type"]]).is_some_and(|kind| kind.starts_with("embedding"));
    Some(match said.as_ref() {
        "llm" | "chat_model" if embeds() => Kind::Embed,
        "llm" | "chat_model" => Kind::Generate,
        "embedding" => Kind::Embed,
        "tool" => Kind::Tool,
        "retriever" => Kind::Retrieve,
        "chain" if is_agent(run, metadata) => Kind::Boundary("invoke"),
        "chain" => Kind::Boundary("chain"),
        "prompt" => Kind::Boundary("prompt"),
        "parser" => Kind::Boundary("step"),
        _ => Kind::Other,
    })
}

/// Whether a chain is a whole agent or graph, rather than a step of one. Metadata is handed down to the
/// steps, so an agent's name in it is only the run's own where the run has that name.
fn is_agent(run: &Json<'_>, metadata: &Json<'_>) -> bool {
    let name = first(run, &[&["name"]]).unwrap_or_default();
    let said = |key| first(metadata, &[&[key]]);
    said("lc_agent_name").is_some_and(|agent| agent == name)
        || matches!(name.as_ref(), "LangGraph" | "AgentExecutor")
        || said("ls_agent_type").is_some_and(|kind| kind == "root")
            && matches!(run.get("parent_run_id"), None | Some(Json::Null))
}

fn agent<'a>(run: &'a Json<'a>, metadata: &'a Json<'a>, kind: Option<Kind>) -> Option<Cow<'a, str>> {
    let named = first(metadata, &[&["lc_agent_name"], &["agent_name"]]);
    named.or_else(|| if kind == Some(Kind::Boundary("invoke")) { first(run, &[&["name"]]) } else { None })
}

/// The tenant that metadata claim.
pub(super) fn tenant<'a>(metadata: &'a Json<'a>) -> Option<Cow<'a, str>> {
    first(metadata, &[&["tenant.id"], &["halo.subject.id"], &["tenant"], &["tenant_id"]])
}

fn calls_model(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Generate | Kind::Embed) | None)
}

/// The model that answered, where it says so; else the one that was asked.
fn model<'a>(run: &'a Json<'a>, metadata: &'a Json<'a>, kind: Option<Kind>) -> Option<Cow<'a, str>> {
    if !calls_model(kind) {
        return None;
    }
    let answered = first(
        run,
        &[
            &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "model_name"],
            &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "model"],
            &["outputs", "llm_output", "model_name"],
            &["outputs", "model"],
        ],
    );
    answered.or_else(|| first(metadata, &[&["ls_model_name"]])).or_else(|| {
        first(
            run,
            &[
                &["extra", "invocation_params", "model"],
                &["extra", "invocation_params", "model_name"],
                &["serialized", "kwargs", "model"],
                &["serialized", "kwargs", "model_name"],
            ],
        )
    })
}

fn provider<'a>(run: &'a Json<'a>, metadata: &'a Json<'a>, kind: Option<Kind>) -> Option<Cow<'a, str>> {
    if !calls_model(kind) {
        return None;
    }
    let named = first(metadata, &[&["ls_provider"]]).or_else(|| {
        let answer = ["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata"];
        first(at(run, &answer)?, &[&["model_provider"]])
    });
    named.and_then(normalised)
}

fn call_id<'a>(run: &'a Json<'a>, kind: Option<Kind>) -> Option<Cow<'a, str>> {
    if kind != Some(Kind::Tool) {
        return None;
    }
    first(
        run,
        &[
            &["extra", "tool_call_id"],
            &["outputs", "output", "tool_call_id"],
            &["outputs", "output", "kwargs", "tool_call_id"],
            &["outputs", "tool_call_id"],
            &["outputs", "kwargs", "tool_call_id"],
        ],
    )
}

/// What went in. A tool's arguments may be an encoded object under `input`, where the SDK puts what
/// is no object.
fn input<'a>(run: &'a Json<'a>, kind: Option<Kind>) -> Content<'a> {
    let Some(inputs) = disclosed(run.get("inputs")) else { return Content::Undisclosed };
    let Some(inner) = only(inputs, "input").filter(|_| kind == Some(Kind::Tool)) else {
        return Content::Value(inputs.clone());
    };
    Content::Value(match inner.as_str() {
        Some(text) if text.trim_start().starts_with('{') => {
            json::parse_embedded(text).unwrap_or_else(|_| inner.clone())
        }
        _ => inner.clone(),
    })
}

/// What came out; of a tool what is under `output`, where the SDK puts what is no object.
fn result<'a>(run: &'a Json<'a>, kind: Option<Kind>) -> Content<'a> {
    let Some(outputs) = disclosed(run.get("outputs")) else { return Content::Undisclosed };
    let inner = only(outputs, "output").filter(|_| kind == Some(Kind::Tool));
    let told = inner.unwrap_or(outputs);
    // What JavaScript's tools return is an object of a class, told as its constructor was called.
    let made = if kind == Some(Kind::Tool) { constructed(told) } else { None };
    Content::Value(made.unwrap_or(told).clone())
}

/// The members of an object that LangChain's serialisation tells of:
/// `{"lc": 1, "type": "constructor", "id": [...], "kwargs": {...}}`.
fn constructed<'j, 'a>(value: &'j Json<'a>) -> Option<&'j Json<'a>> {
    let is = value.get("lc").is_some() && value.get("type").and_then(Json::as_str) == Some("constructor");
    if is { value.get("kwargs") } else { None }
}

/// The member `key` of an object that has no other.
fn only<'j, 'a>(value: &'j Json<'a>, key: &str) -> Option<&'j Json<'a>> {
    match value {
        Json::Object(members) => match members.as_slice() {
            [(name, inner)] if name.as_str() == Some(key) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

fn facts<'a>(
    run: &'a Json<'a>,
    metadata: &'a Json<'a>,
    [id, trace, parent]: [&Cow<'a, str>; 3],
    started: Option<u64>,
) -> Vec<(&'static str, Fact<'a>)> {
    let mut facts = vec![("run_id", Fact::Id(id.clone()))];
    let mut fact = |key, fact: Option<Fact<'a>>| facts.extend(fact.map(|fact| (key, fact)));
    let present = |id: &Cow<'a, str>| Some(id.clone()).filter(|id| !id.is_empty()).map(Fact::Id);
    fact("trace_id", present(trace));
    fact("parent_run_id", present(parent));
    fact("run_type", first(run, &[&["run_type"]]).map(Fact::Label));
    fact("run_name", first(run, &[&["name"]]).map(Fact::Label));
    fact("project", first(run, &[&["session_name"]]).map(Fact::Label));
    fact("langgraph_node", first(metadata, &[&["langgraph_node"]]).map(Fact::Label));
    fact("langgraph_step", metadata.get("langgraph_step").and_then(number).map(Fact::Number));
    fact("attachments", run.get("attachments").and_then(attachments).map(Fact::Number));
    fact("first_token_ms", first_token(run, started).map(Fact::Number));
    let mut tags = run.get("tags").map(words).unwrap_or_default();
    if !tags.is_empty() {
        // They come out of a set, in another order each time.
        tags.sort();
        tags.truncate(MAX_TAGS);
        fact("tags", Some(Fact::Labels(tags)));
    }
    facts.extend(unread_times(run, &["start_time", "end_time", "first_token_time"]));
    facts
}

fn number(value: &Json<'_>) -> Option<u64> {
    match value {
        Json::Int(int) => u64::try_from(*int).ok(),
        _ => None,
    }
}

/// How many files hang on the run: they are counted and not kept.
fn attachments(value: &Json<'_>) -> Option<u64> {
    let count = match value {
        Json::Object(members) => members.len() as u64,
        Json::Array(items) => items.len() as u64,
        other => number(other)?,
    };
    Some(count).filter(|count| *count > 0)
}

fn first_token(run: &Json<'_>, started: Option<u64>) -> Option<u64> {
    let token = match run.get("events") {
        Some(Json::Array(events)) => {
            events.iter().find(|event| event.get("name").and_then(Json::as_str) == Some("new_token"))
        }
        _ => None,
    };
    // The store keeps the time alone.
    let came = token.map_or(run.get("first_token_time"), |token| token.get("time")).and_then(time)?;
    came.checked_sub(started?).map(|nanos| nanos / 1_000_000)
}
