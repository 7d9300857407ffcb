//! From one row to the events that it tells, for the formats whose rows are JSON or CSV.

use super::chunk::{Chunk, FileMeta, Row};
use super::csv;
use super::format::Format;
use super::scan::Shape;
use super::traces::{is_observation, is_trace, trace_of};
use crate::net::status::Fault;
use halo_adapters::{langfuse, langsmith, litellm, openai_agents};
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
        if *shape == Shape::Csv {
            let fields = match csv::fields(text) {
                Ok(fields) => fields,
                Err(why) => return Ok(Err(why.to_owned())),
            };
            return match csv::object(columns, &fields) {
                Ok(object) => self.items(*format, &object, each).map(Ok),
                Err(why) => Ok(Err(why)),
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
            _ => each(item(format, value)),
        };
        match (format, listed(format, value)) {
            (Format::OpenaiAgents, items) => {
                self.agents(items.map_or(std::slice::from_ref(value), Vec::as_slice), each)
            }
            (_, Some(items)) => items.iter().try_for_each(one),
            (_, None) => one(value),
        }
    }

    /// The Agents SDK's, parents before their children. A span is its trace's tenant's.
    fn agents(&self, items: &[Json<'_>], each: &mut Each<'_>) -> Result<(), Fault> {
        let mut events = Vec::new();
        for item in items {
            match openai_agents::item(item) {
                Ok(Some(mut event)) => {
                    event.tenant = event.tenant.or_else(|| self.tenant_of_trace(item));
                    events.push(event);
                }
                other => each(other)?,
            }
        }
        openai_agents::parents_first(&mut events, |event| event);
        events.into_iter().try_for_each(|event| each(Ok(Some(event))))
    }

    fn tenant_of_trace(&self, span: &Json<'_>) -> Option<Cow<'static, str>> {
        let (traces, id) = self.chunk.traces.as_ref().zip(trace_of(span))?;
        let trace = parse(traces.get(id)?).ok()?;
        let event = openai_agents::item(&trace).ok()??;
        event.tenant.map(|tenant| tenant.into_owned().into())
    }

    /// A trace with all that is in it, or a row of any kind.
    fn langfuse(&self, row: &Json<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
        if is_observation(row) {
            let known = self.chunk.traces.as_ref().zip(trace_of(row));
            let known = known.and_then(|(traces, id)| parse(traces.get(id)?).ok());
            return each(langfuse::observation(row, known.as_ref()));
        }
        if !is_trace(row) {
            return each(langfuse::score(row));
        }
        each(langfuse::trace(row))?;
        // A list of traces names its observations by their ids alone.
        let within =
            |key| list(row, key).into_iter().flatten().filter(|item| matches!(item, Json::Object(_)));
        within("observations")
            .try_for_each(|observation| each(langfuse::observation(observation, Some(row))))?;
        within("scores").try_for_each(|score| each(langfuse::score(score)))
    }
}

/// The traces that a chunk's rows are parts of.
pub(super) fn traces(chunk: &Chunk) -> HashSet<String> {
    let mut found = HashSet::new();
    for row in &chunk.rows {
        let Ok(text) = std::str::from_utf8(chunk.row(row)) else { continue };
        if chunk.meta.shape == Shape::Csv {
            let Ok(fields) = csv::fields(text) else { continue };
            if let Ok(object) = csv::object(&chunk.meta.columns, &fields) {
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
        (Format::Langfuse | Format::OpenaiAgents, _) => list(value, "data"),
        _ => None,
    }
}

fn list<'v, 'j>(value: &'v Json<'j>, key: &str) -> Option<&'v Vec<Json<'j>>> {
    match value.get(key) {
        Some(Json::Array(items)) => Some(items),
        _ => None,
    }
}

fn item<'j>(format: Format, item: &'j Json<'j>) -> Item<'j> {
    let has = |key: &str| !matches!(item.get(key), None | Some(Json::Null));
    match format {
        // A payload has the id of its call under another name.
        Format::Litellm if has("request_id") && !has("id") => litellm::spend_row(item),
        Format::Litellm => litellm::event(item),
        Format::Langsmith if !has("run_type") && has("key") => langsmith::feedback(item),
        Format::Langsmith => langsmith::run(item),
        // These are read elsewhere.
        Format::Otlp | Format::Langfuse | Format::OpenaiAgents | Format::Gateway(_) => Ok(None),
    }
}
