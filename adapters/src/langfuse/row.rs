//! Rows of the public API and of exports: whole actions.

use super::kind_of;
use super::read::{Body, Form};
use super::source;
use crate::fields::text;
use halod_record::event::{Event, Origin, Status};
use halod_record::fragment::{Fragment, Kind};
use halod_record::json::Json;
use halod_record::unusable::Unusable;

/// A row of a list of observations, in either spelling; `trace` is the row of its trace, where it is
/// known. `None` means that it is nothing that an agent did.
///
/// # Errors
/// It is no observation.
pub fn observation<'a>(
    row: &'a Json<'a>,
    trace: Option<&'a Json<'a>>,
) -> Result<Option<Event<'a>>, Unusable> {
    let body = body(row)?;
    let name =
        text(row, "type").ok_or_else(|| Unusable::new("type", "expected the type of an observation"))?;
    let kind = kind_of(&name).ok_or_else(|| Unusable::new("type", "not a type of observation"))?;
    let mut fragment = body.observation(Some(kind))?;
    if let Some(trace) = trace {
        let told = Body { json: trace, form: Form::Row, envelope: None }.trace()?;
        fragment.session = fragment.session.or(told.session);
        fragment.principal = fragment.principal.or(told.principal);
        fragment.tenant = fragment.tenant.or(told.tenant);
    }
    let (trace, id) = (body.text(["traceId", "trace_id"]), body.id().ok());
    let parent = body.parent();
    let name = text(row, "name").unwrap_or_default();
    let mut event = whole(fragment);
    // What came as a span of OpenTelemetry has kept its ids.
    if let (Some(trace), Some(span)) = (trace.as_deref().and_then(bytes), id.as_deref().and_then(bytes)) {
        event.origin = Origin::Span { trace, span, parent: parent.as_deref().and_then(bytes), name };
    }
    Ok(Some(event))
}

/// A row of a list of traces, or a trace with its observations.
///
/// # Errors
/// It is no trace.
pub fn trace<'a>(row: &'a Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    let fragment = body(row)?.trace()?;
    // The trace of spans is no span: what began it has a record.
    let spans = text(row, "id").as_deref().and_then(bytes::<16>).is_some();
    Ok((!spans).then(|| whole(fragment)))
}

/// A row of a list of scores.
///
/// # Errors
/// The row is no score: many things have a name and a value, but a score names what it judges.
pub fn score<'a>(row: &'a Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    let body = body(row)?;
    let score = body.score()?;
    let of = |names| body.text(names).is_some();
    let of_another = of(["sessionId", "session_id"]) || of(["datasetRunId", "dataset_run_id"]);
    if !(of(["traceId", "trace_id"]) || of_another && of(["dataType", "data_type"])) {
        return Err(Unusable::new("traceId", "expected what is scored: it is no score of Langfuse's"));
    }
    Ok(Some(whole(score)))
}

/// Whether the store has deleted what a row of its database tells.
#[must_use]
pub fn is_deleted(row: &Json<'_>) -> bool {
    match row.get("is_deleted") {
        Some(Json::Int(flag)) => *flag != 0,
        Some(Json::Bool(flag)) => *flag,
        Some(Json::Str(flag)) => flag.as_bytes() == b"1" || flag.as_bytes().eq_ignore_ascii_case(b"true"),
        _ => false,
    }
}

fn body<'a>(row: &'a Json<'a>) -> Result<Body<'a>, Unusable> {
    match row {
        Json::Object(_) => Ok(Body { json: row, form: Form::Row, envelope: None }),
        _ => Err(Unusable::new("", "expected an object")),
    }
}

fn whole(fragment: Fragment<'_>) -> Event<'_> {
    // A trace, a score and a point in time have no end.
    let lasts = !matches!(fragment.kind, Some(Kind::Trace | Kind::Guard | Kind::Boundary("event")));
    let unfinished = lasts && fragment.ended.is_none() && fragment.is_open();
    let mut event = fragment.event();
    if unfinished {
        event.outcome.status = Status::Unfinished;
    }
    event.source = source("langfuse.export");
    event.session = event.session.clone().or_else(|| halod_record::fragment::trace_of(&event));
    event
}

/// An id of OpenTelemetry's: so many bytes in hexadecimal, not all of them zero.
fn bytes<const N: usize>(id: &str) -> Option<[u8; N]> {
    if id.len() != 2 * N || !id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return None;
    }
    let mut out = [0; N];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(id.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    (out != [0; N]).then_some(out)
}
