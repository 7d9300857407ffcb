//! From one row to the events that it tells, for the formats whose rows are JSON or CSV.

use super::chunk::{Chunk, FileMeta, Row};
use super::csv;
use super::format::Format;
use super::traces::trace_of;
use crate::net::status::Fault;
use halo_adapters::store::{self, is_observation, is_trace};
use halo_adapters::{langfuse, langsmith, litellm, openai_agents, transcript};
use halod_record::event::Event;
use halod_record::json::{Json, parse};
use halod_record::unusable::Unusable;
use std::borrow::Cow;
use std::collections::HashSet;

/// What one item of a row is: an event, nothing that an agent did, or nothing that can be used.
pub(super) type Item<'e> = Result<Option<Event<'e>>, Unusable>;

/// The function that gets each item; a fault ends the chunk.
pub(super) type Each<'t> = dyn FnMut(Item<'_>) -> Result<(), Fault> + 't;

/// Reads the rows of one chunk.
pub(super) struct Rows<'c> {
    chunk: &'c Chunk,
}

impl<'c> Rows<'c> {
    pub(super) fn new(chunk: &'c Chunk) -> Self {
        Self { chunk }
    }

    /// Tells `each` of a row's items. The outer error is of the whole row.
    pub(super) fn row(&self, row: &Row, each: &mut Each<'_>) -> Result<Result<(), String>, Fault> {
        let bytes = self.chunk.row(row);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Ok(Err(format!("not UTF-8 at byte {} of the row", error.valid_up_to()))),
        };
        let FileMeta { shape, columns, format, .. } = &*self.chunk.meta;
        if shape.separator().is_some() {
            let fields = match csv::fields(text, *shape) {
                Ok(fields) => fields,
                Err(why) => return Ok(Err(costs(row, text, why))),
            };
            return match csv::object(columns, &fields, *shape) {
                Ok(object) => self.items(*format, &object, each).map(Ok),
                Err(why) => Ok(Err(costs(row, text, &why))),
            };
        }
        match parse(text) {
            Ok(value) => self.items(*format, &value, each).map(Ok),
            Err(error) => Ok(Err(format!("not JSON: {} at byte {} of the row", error.problem, error.offset))),
        }
    }

    /// The items of a value: of a list each, and of an answer of an API those in it.
    fn items(&self, format: Format, value: &Json<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
        let mut one = |value: &Json<'_>| match format {
            Format::Langfuse => self.langfuse(value, each),
            Format::Litellm => of_litellm(value, each),
            Format::Langsmith => of_langsmith(value, each),
            Format::Transcript(client) => each(transcript::event(client, value).map(Some)),
            // These are read elsewhere.
            Format::Otlp | Format::OpenaiAgents | Format::Gateway(_) => each(Ok(None)),
        };
        match (format, listed(format, value)) {
            (Format::Transcript(_), _) => one(value),
            (Format::OpenaiAgents, items) => {
                self.agents(items.map_or(std::slice::from_ref(value), Vec::as_slice), each)
            }
            (_, Some(items)) => items.iter().try_for_each(one),
            (_, None) => one(value),
        }
    }

    /// The Agents SDK's, parents before their children. A span is its trace's tenant's, and of its group.
    fn agents(&self, items: &[Json<'_>], each: &mut Each<'_>) -> Result<(), Fault> {
        let mut events = Vec::new();
        for item in items {
            match openai_agents::item(item) {
                Ok(Some(mut event)) => {
                    if let Some([tenant, session, principal]) = self.trace_of_span(item) {
                        event.tenant = event.tenant.or(tenant);
                        openai_agents::inherit(&mut event, session, principal);
                    }
                    events.push(event);
                }
                other => each(other)?,
            }
        }
        openai_agents::parents_first(&mut events, |event| event);
        events.into_iter().try_for_each(|event| each(Ok(Some(event))))
    }

    /// The tenant, the session and the user that a span's trace says.
    fn trace_of_span(&self, span: &Json<'_>) -> Option<[Owned; 3]> {
        let (traces, id) = self.chunk.traces.as_ref().zip(trace_of(span))?;
        let trace = parse(traces.get(id)?).ok()?;
        let event = openai_agents::item(&trace).ok()??;
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| text.into_owned().into());
        Some([owned(event.tenant), owned(event.session), owned(event.principal)])
    }

    /// A trace with all that is in it, or a row of any kind.
    fn langfuse(&self, row: &Json<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
        if langfuse::is_deleted(row) {
            return each(Ok(None));
        }
        if is_observation(row) {
            let known = self.chunk.traces.as_ref().zip(trace_of(row));
            let known = known.and_then(|(traces, id)| parse(traces.get(id)?).ok());
            return each(langfuse::observation(row, known.as_ref()));
        }
        if is_trace(row) {
            return of_trace(row, row, each);
        }
        // What the page of a trace gives to be downloaded has its observations beside it.
        if let (Some(trace @ Json::Object(_)), Some(_)) = (row.get("trace"), list(row, "observations")) {
            return of_trace(trace, row, each);
        }
        if row.get("type").is_some() && trace_of(row).is_some() {
            let what = "not a type of observation that Langfuse has, or one without its start";
            return each(Err(Unusable::new("type", what)));
        }
        match langfuse::score(row) {
            Err(_) if matches!(store::of(row), Some(store::Row::Aside(..))) => each(Ok(None)),
            score => each(score),
        }
    }
}

type Owned = Option<Cow<'static, str>>;

/// A trace, and what is in it and in what stands around it: of the same things those around it say more.
fn of_trace(trace: &Json<'_>, around: &Json<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
    each(langfuse::trace(trace))?;
    let outer = if std::ptr::eq(trace, around) { &Json::Null } else { around };
    let mut told = HashSet::new();
    for holder in [outer, trace] {
        // A list of traces names its observations by their ids alone.
        let within =
            |key| list(holder, key).into_iter().flatten().filter(|item| matches!(item, Json::Object(_)));
        for (observation, is_score) in
            within("observations").map(|it| (it, false)).chain(within("scores").map(|it| (it, true)))
        {
            let id = observation.get("id").and_then(Json::as_str);
            if id.is_some_and(|id| !told.insert((is_score, id.to_owned()))) {
                continue;
            }
            each(match is_score {
                true => langfuse::score(observation),
                false => langfuse::observation(observation, Some(trace)),
            })?;
        }
    }
    Ok(())
}

/// Why a record of a table cannot be used, with all the lines that it takes: other records may be among them.
fn costs(row: &Row, text: &str, why: &str) -> String {
    match memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64 {
        0 => why.to_owned(),
        more => format!("{why}; it goes to line {}", row.place.line + more),
    }
}

/// The traces that a chunk's rows are parts of.
pub(super) fn traces(chunk: &Chunk) -> HashSet<String> {
    let mut found = HashSet::new();
    for row in &chunk.rows {
        let Ok(text) = std::str::from_utf8(chunk.row(row)) else { continue };
        if chunk.meta.shape.separator().is_some() {
            let Ok(fields) = csv::fields(text, chunk.meta.shape) else { continue };
            if let Ok(object) = csv::object(&chunk.meta.columns, &fields, chunk.meta.shape) {
                found.extend(trace_of(&object).map(str::to_owned));
            }
        } else if let Ok(value) = parse(text) {
            match listed(Format::Langfuse, &value) {
                Some(items) => found.extend(items.iter().filter_map(trace_of).map(str::to_owned)),
                None => found.extend(trace_of(&value).map(str::to_owned)),
            }
        }
    }
    found
}

/// The items of a list, or of an answer of an API.
fn listed<'v, 'j>(format: Format, value: &'v Json<'j>) -> Option<&'v Vec<Json<'j>>> {
    match (format, value) {
        (_, Json::Array(items)) => Some(items),
        (Format::Langsmith, _) => list(value, "runs"),
        (Format::Langfuse | Format::OpenaiAgents | Format::Litellm, _) => list(value, "data"),
        _ => None,
    }
}

fn list<'v, 'j>(value: &'v Json<'j>, key: &str) -> Option<&'v Vec<Json<'j>>> {
    match value.get(key) {
        Some(Json::Array(items)) => Some(items),
        _ => None,
    }
}

fn has(row: &Json<'_>, key: &str) -> bool {
    !matches!(row.get(key), None | Some(Json::Null))
}

fn of_litellm(row: &Json<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
    // Its callback for Datadog puts the payload into the message of a log.
    let message = row.get("message").and_then(Json::as_str).filter(|_| has(row, "ddsource"));
    if let Some(payload) = message.and_then(|message| parse(message).ok()) {
        return each(litellm::event(&payload));
    }
    // A payload has the id of its call under another name.
    each(match has(row, "request_id") && !has(row, "id") {
        true => litellm::spend_row(row),
        false => litellm::event(row),
    })
}

fn of_langsmith(row: &Json<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
    let judges = ["run_id", "trace_id", "session_id", "feedback_source"].iter().any(|key| has(row, key));
    if !has(row, "run_type") && has(row, "key") && judges {
        return each(langsmith::feedback(row));
    }
    match langsmith::decoded(row) {
        Some(row) => each(langsmith::run(&row)),
        None => each(langsmith::run(row)),
    }
}
