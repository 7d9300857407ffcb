//! What the bodies of events and the rows of exports say; they have the same fields.

use super::{SPACE, source};
use crate::fields::{content, decimal, nanos, structure, text, text_of, texts, unread_times};
use crate::provider::normalised;
use halod_record::charge;
use halod_record::event::{Content, Fact, Status};
use halod_record::fragment::{Fragment, Id, Kind};
use halod_record::json::{Json, Text};
use halod_record::time::rfc3339;
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// Tags of a trace that are kept.
const TAGS: usize = 32;

/// Where a body comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// From an SDK.
    Live,
    /// From the API or an export. Some of these encode content as JSON in a string, and fill in counts
    /// of zero.
    Row,
}

/// The fields of a trace, an observation or a score.
#[derive(Clone, Debug)]
pub(super) struct Body<'a> {
    pub(super) json: &'a Json<'a>,
    pub(super) form: Form,
    /// The id of the event that the body came in: some senders leave its own to the server.
    pub(super) envelope: Option<Cow<'a, str>>,
}

/// A field's name in the API, and in exports.
type Names = [&'static str; 2];

const TRACE_ID: Names = ["traceId", "trace_id"];
/// The fourth version of the store has spans in place of observations.
const PARENT: [Names; 2] =
    [["parentObservationId", "parent_observation_id"], ["parentSpanId", "parent_span_id"]];
const OBSERVATION_ID: Names = ["observationId", "observation_id"];
const START: Names = ["startTime", "start_time"];
const END: Names = ["endTime", "end_time"];
const MESSAGE: Names = ["statusMessage", "status_message"];
const SESSION: Names = ["sessionId", "session_id"];
const USER: Names = ["userId", "user_id"];
const USAGE: Names = ["usageDetails", "usage_details"];
const COSTS: Names = ["costDetails", "cost_details"];
const PROMPT: Names = ["promptName", "prompt_name"];
const PROMPT_VERSION: Names = ["promptVersion", "prompt_version"];
const DATA_TYPE: Names = ["dataType", "data_type"];
const STRING_VALUE: Names = ["stringValue", "string_value"];
const COMPLETION_START: Names = ["completionStartTime", "completion_start_time"];
/// The model as the sender called it.
const MODEL: [Names; 2] = [["model", "provided_model_name"], ["providedModelName", "provided_model_name"]];

/// When the store changed the row last.
const CHANGED: [&str; 3] = ["event_ts", "updatedAt", "updated_at"];

/// The names of tools that a model asked for.
const ASKED: Names = ["toolCallNames", "tool_call_names"];
const ASKED_MOST: usize = 64;

/// Fields of times, in both spellings.
const TIMES: [&str; 7] = [
    "timestamp",
    "startTime",
    "start_time",
    "endTime",
    "end_time",
    "completionStartTime",
    "completion_start_time",
];

impl<'a> Body<'a> {
    fn field(&self, names: Names) -> Option<&'a Json<'a>> {
        let [camel, snake] = names;
        [camel, snake].iter().find_map(|name| self.json.get(name).filter(|value| **value != Json::Null))
    }

    pub(super) fn text(&self, names: Names) -> Option<Cow<'a, str>> {
        self.field(names).and_then(text_of)
    }

    /// The id, or the event's own.
    pub(super) fn id(&self) -> Result<Cow<'a, str>, Unusable> {
        let own = text(self.json, "id").or_else(|| text(self.json, "span_id"));
        own.or_else(|| self.envelope.clone()).ok_or_else(|| {
            Unusable::new("body.id", "expected an id: without one it can't be told from others")
        })
    }

    pub(super) fn parent(&self) -> Option<Cow<'a, str>> {
        PARENT.into_iter().find_map(|names| self.text(names))
    }

    pub(super) fn instant(&self, names: Names) -> Option<u64> {
        nanos(self.field(names))
    }

    /// Content as it is told; of a row, decoded where it is JSON in a string.
    fn content(&self, key: &str) -> Content<'a> {
        match (self.json.get(key), self.form) {
            (None | Some(Json::Null), _) => Content::Undisclosed,
            (Some(value), Form::Live) => Content::Value(value.clone()),
            // A table's column has no null: an empty text stands for it.
            (Some(Json::Str(text)), Form::Row) if text.as_str() == Some("") => Content::Undisclosed,
            (value @ Some(Json::Str(text)), Form::Row) => {
                // The string of a string is how the second version of the API tells a text.
                let quoted = text.as_str().filter(|text| text.starts_with('"'));
                match quoted.and_then(|text| halod_record::json::parse_embedded(text).ok()) {
                    Some(Json::Str(inner)) => {
                        Content::Value(Json::Str(Text::from(inner.to_lossy().into_owned())))
                    }
                    _ => content(value),
                }
            }
            (value, Form::Row) => content(value),
        }
    }

    fn metadata(&self) -> Option<Json<'a>> {
        structure(self.json.get("metadata"))
    }

    fn facts(&self, fragment: &mut Fragment<'a>) {
        let label = |key: &str| text(self.json, key);
        let environment = label("environment").filter(|name| name != "default");
        let all =
            [("version", label("version")), ("release", label("release")), ("environment", environment)];
        let told = all.into_iter().filter_map(|(key, value)| Some((key, Fact::Label(value?))));
        fragment.facts.extend(told);
        let mut tags = texts(self.json.get("tags"));
        tags.truncate(TAGS);
        if !tags.is_empty() {
            fragment.facts.push(("tags", Fact::Labels(tags)));
        }
        // Of messages the receiver judges each by itself, so that the record would say it more than once.
        if self.form == Form::Row {
            fragment.facts.extend(unread_times(self.json, &TIMES));
            let changed = CHANGED.iter().find_map(|key| nanos(self.json.get(key))).map(rfc3339);
            let changed = changed.map(|at| Fact::Label(at.map(char::from).iter().collect::<String>().into()));
            fragment.facts.extend(changed.map(|at| ("changed_at", at)));
        }
    }

    /// Whose it is, as the sender's own particulars say.
    fn tenant(&self, metadata: Option<&Json<'a>>) -> Option<Cow<'a, str>> {
        let metadata = metadata?;
        ["tenant", "tenant_id", "tenantId"].iter().find_map(|key| text(metadata, key))
    }

    pub(super) fn trace(&self) -> Result<Fragment<'a>, Unusable> {
        let id = self.id()?;
        let mut fragment = Fragment::new(SPACE, trace_id(id.clone()), source("langfuse"));
        fragment.opens = true;
        fragment.kind = Some(Kind::Trace);
        fragment.agent.name = text(self.json, "name");
        fragment.session = self.text(SESSION);
        fragment.principal = self.text(USER);
        fragment.tenant = self.tenant(self.metadata().as_ref());
        fragment.input = self.content("input");
        fragment.result = self.content("output");
        // The SDKs repeat the time of the message here; only the first says when the trace began.
        let says = fragment.agent.name.is_some() || fragment.input != Content::Undisclosed;
        fragment.started = self.instant(["timestamp", "timestamp"]).filter(|_| says);
        self.facts(&mut fragment);
        fragment.facts.push(("trace_id", Fact::Id(id)));
        Ok(fragment)
    }

    /// What an observation says. It opens the action or not: its event tells.
    pub(super) fn observation(&self, kind: Option<Kind>) -> Result<Fragment<'a>, Unusable> {
        let id = self.id()?;
        let trace = self.text(TRACE_ID);
        let metadata = self.metadata();
        let mut fragment = Fragment::new(SPACE, observation_id(id.clone()), source("langfuse"));
        let parent = self.parent();
        fragment.parent = parent.clone().map(observation_id).or_else(|| trace.clone().map(trace_id));
        fragment.within = trace.clone().map(trace_id);
        fragment.started = self.instant(START);
        fragment.ended = self.instant(END);
        fragment.closes = fragment.ended.is_some();
        fragment.model = MODEL.into_iter().find_map(|names| self.text(names));
        fragment.provider =
            metadata.as_ref().and_then(|metadata| text(metadata, "ls_provider")).and_then(normalised);
        fragment.kind = match kind {
            Some(Kind::Step) if fragment.model.is_some() => Some(Kind::Generate),
            kind => kind,
        };
        self.name(&mut fragment);
        fragment.session = self.text(SESSION);
        fragment.principal = self.text(USER);
        fragment.tenant = self.tenant(metadata.as_ref());
        fragment.input = self.content("input");
        fragment.result = self.content("output");
        self.level(&mut fragment);
        self.usage(&mut fragment);
        self.facts(&mut fragment);
        // The parts of an action that comes live tell its start and this apart from each other.
        let first = self.instant(COMPLETION_START).zip(fragment.started).filter(|_| self.form == Form::Row);
        let first = first.and_then(|(at, from)| at.checked_sub(from));
        fragment.facts.extend(first.map(|nanos| ("first_token_ms", Fact::Number(nanos / 1_000_000))));
        if self.form == Form::Row
            && let Some(Json::Array(names)) = structure(self.field(ASKED))
        {
            let mut names = texts(Some(&Json::Array(names)));
            names.truncate(ASKED_MOST);
            if !names.is_empty() {
                fragment.facts.push(("tool_call_names", Fact::Labels(names)));
            }
        }
        if let Some(prompt) = self.text(PROMPT) {
            fragment.facts.push(("prompt", Fact::Label(prompt)));
        }
        if let Some(Json::Int(version)) = self.field(PROMPT_VERSION) {
            fragment.facts.extend(u64::try_from(*version).ok().map(|n| ("prompt_version", Fact::Number(n))));
        }
        fragment.facts.push(("observation_id", Fact::Id(id)));
        fragment.facts.extend(parent.map(|parent| ("parent_observation_id", Fact::Id(parent))));
        fragment.facts.extend(trace.map(|trace| ("trace_id", Fact::Id(trace))));
        Ok(fragment)
    }

    fn name(&self, fragment: &mut Fragment<'a>) {
        let Some(name) = text(self.json, "name") else { return };
        if fragment.kind == Some(Kind::Boundary("invoke")) {
            fragment.agent.name = Some(name);
            return;
        }
        if matches!(fragment.kind, Some(Kind::Step | Kind::Tool))
            && let Some((server, tool)) = mcp(&name)
        {
            (fragment.kind, fragment.mcp_server) = (Some(Kind::Tool), Some(server));
            fragment.name = Some(tool);
            return;
        }
        fragment.name = Some(name);
    }

    fn level(&self, fragment: &mut Fragment<'a>) {
        let message = self.text(MESSAGE);
        match text(self.json, "level").as_deref() {
            Some("ERROR") => {
                fragment.status = Some(Status::Error);
                if let Some(message) = message {
                    fragment.error = Content::Value(Json::Str(Text::Utf8(message)));
                }
                return;
            }
            Some(level @ ("WARNING" | "DEBUG")) => {
                fragment.facts.push(("level", Fact::Label(level.to_owned().into())));
            }
            _ => {}
        }
        fragment.facts.extend(message.map(|message| ("status_message", Fact::Text(message))));
    }

    fn usage(&self, fragment: &mut Fragment<'a>) {
        let models = matches!(fragment.kind, None | Some(Kind::Generate | Kind::Embed));
        let details = structure(self.field(USAGE));
        let usage = structure(self.json.get("usage"));
        if models || self.form == Form::Live {
            self.counts(details.as_ref(), usage.as_ref(), fragment);
        }
        let costs = structure(self.field(COSTS));
        let cost = costs.as_ref().and_then(|costs| decimal(costs, "total"));
        let cost = cost.or_else(|| usage.as_ref().and_then(|usage| decimal(usage, "totalCost")));
        let cost = cost.or_else(|| {
            // A price (`totalPrice`) is that of one unit.
            ["calculatedTotalCost", "totalCost", "total_cost"].iter().find_map(|key| decimal(self.json, key))
        });
        if let Some(cost) = cost {
            fragment.facts.push(("cost", Fact::Label(cost.into_owned().into())));
        }
    }

    pub(super) fn score(&self) -> Result<Fragment<'a>, Unusable> {
        let name = text(self.json, "name")
            .ok_or_else(|| Unusable::new("body.name", "expected the name of what is scored"))?;
        // The store keeps a number beside the category that was given; an SDK sends the category alone.
        let word = self.field(STRING_VALUE).filter(|_| self.form == Form::Row);
        let kind = self.text(DATA_TYPE);
        let worded = kind.is_some_and(|kind| matches!(kind.as_ref(), "CATEGORICAL" | "TEXT" | "CORRECTION"));
        let value = match self.json.get("value") {
            None | Some(Json::Null) => self.field(STRING_VALUE),
            _ if worded && word.is_some() => word,
            value => value,
        };
        let value = value.ok_or_else(|| Unusable::new("body.value", "expected a number or a text"))?;
        let (trace, observation) = (self.text(TRACE_ID), self.text(OBSERVATION_ID));
        let session = self.text(SESSION);
        let mut fragment = Fragment::new(SPACE, self.score_id(), source("langfuse"));
        (fragment.opens, fragment.closes) = (true, true);
        fragment.kind = Some(Kind::Guard);
        fragment.name = Some(name);
        fragment.parent = judged(trace.clone(), observation.clone());
        // Nobody tells of the trace of spans here.
        let spans = trace.as_deref().is_some_and(|trace| is_hex(trace, 32));
        fragment.within = trace.clone().filter(|_| !spans).map(trace_id);
        fragment.ended = self.instant(["timestamp", "timestamp"]);
        fragment.tenant = self.tenant(self.metadata().as_ref());
        fragment.session = session;
        let mut verdict = vec![("value".into(), value.clone())];
        if let Some(comment) = self.json.get("comment").filter(|comment| **comment != Json::Null) {
            verdict.push(("comment".into(), comment.clone()));
        }
        fragment.result = Content::Value(Json::Object(verdict));
        fragment.facts.push(("score", scored(value)));
        if let Some(kind) = self.text(DATA_TYPE) {
            fragment.facts.push(("score_type", Fact::Label(kind)));
        }
        self.facts(&mut fragment);
        fragment.facts.extend(observation.map(|id| ("observation_id", Fact::Id(id))));
        fragment.facts.extend(trace.map(|id| ("trace_id", Fact::Id(id))));
        Ok(fragment)
    }

    /// The sender's own id; without one, all that tells one score from another.
    fn score_id(&self) -> Id<'a> {
        let mut id: Id<'a> = vec!["score".into()];
        match text(self.json, "id").or_else(|| self.envelope.clone()) {
            Some(own) => id.push(own),
            None => {
                let parts = [TRACE_ID, OBSERVATION_ID, SESSION, ["name", "name"], ["timestamp", "timestamp"]];
                id.extend(parts.map(|part| self.text(part).unwrap_or_default()));
                id.push(match self.json.get("value") {
                    Some(Json::Str(text)) => text.to_lossy().into_owned().into(),
                    Some(value) if charge::take(value.weight().saturating_mul(4)).is_ok() => {
                        format!("{value:?}").into()
                    }
                    Some(_) => Cow::Borrowed(""),
                    None => Cow::Borrowed(""),
                });
            }
        }
        id
    }
}

pub(super) fn trace_id(id: Cow<'_, str>) -> Id<'_> {
    vec!["trace".into(), id]
}

pub(super) fn observation_id(id: Cow<'_, str>) -> Id<'_> {
    vec!["observation".into(), id]
}

/// What a score is about. What came as a span of OpenTelemetry has kept its ids, and its trace has no
/// record.
fn judged<'a>(trace: Option<Cow<'a, str>>, observation: Option<Cow<'a, str>>) -> Option<Id<'a>> {
    match (trace, observation) {
        (Some(trace), Some(span)) if is_hex(&trace, 32) && is_hex(&span, 16) => {
            Some(vec!["span".into(), trace, span])
        }
        (_, Some(observation)) => Some(observation_id(observation)),
        (Some(trace), None) => (!is_hex(&trace, 32)).then(|| trace_id(trace)),
        (None, None) => None,
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A whole number as one, anything else as text.
fn scored<'a>(value: &Json<'a>) -> Fact<'a> {
    match value {
        Json::Int(int) if *int >= 0 => Fact::Number(int.unsigned_abs()),
        Json::Int(int) => Fact::Label(int.to_string().into()),
        Json::Float(float) if float.is_finite() => Fact::Label(float.to_string().into()),
        Json::Bool(flag) => Fact::Flag(*flag),
        Json::Str(text) => Fact::Text(text.to_lossy().into_owned().into()),
        _ => Fact::Label("structure".into()),
    }
}

/// The server and the tool of `mcp__<server>__<tool>`.
fn mcp<'a>(name: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    match name {
        Cow::Borrowed(name) => {
            let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
            Some((server.into(), tool.into()))
        }
        Cow::Owned(name) => {
            let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
            Some((server.to_owned().into(), tool.to_owned().into()))
        }
    }
    .filter(|(server, tool): &(Cow<'_, str>, Cow<'_, str>)| !server.is_empty() && !tool.is_empty())
}
