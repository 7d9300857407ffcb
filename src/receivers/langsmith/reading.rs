//! What a body tells: its runs and feedback, one by one.

use super::homes::Homes;
use crate::ingest::RequestBuilder;
use crate::ingest::claim::{HeaderClaim, Said, overruled};
use crate::net::status::Fault;
use halo_adapters::langsmith::{Op, feedback, form, fragment, multipart};
use halod_record::charge;
use halod_record::fragment::Fragment;
use halod_record::json::{self, Json};
use halod_record::tenant::Tenant;
use halod_record::trace::{Trace, trace_key};

/// Values in one text of JSON at most, as in a request of OTLP: what is parsed takes many times the room
/// of its text.
const MAX_VALUES: usize = 2_000_000;

/// What a request brings, by its path.
#[derive(Debug)]
pub(super) enum Asked {
    /// With this boundary.
    Form(String),
    Batch,
    Post,
    /// Of the run of this id.
    Patch(String),
    Feedback,
    /// Of the feedback of this id.
    FeedbackUpdate(String),
}

/// Reads what `bytes` tell into the request. What cannot be used is rejected there.
///
/// # Errors
/// The body as a whole cannot be read, or its drafts do not fit in flight.
pub(super) fn read(
    bytes: &[u8],
    asked: &Asked,
    homes: &Homes,
    request: &mut RequestBuilder,
) -> Result<(), Fault> {
    let mut reading = Reading { homes, request };
    match asked {
        Asked::Form(boundary) => reading.form(bytes, boundary),
        Asked::Batch => reading.batch(&whole(bytes)?),
        Asked::Post => reading.run(Op::Post, &whole(bytes)?),
        Asked::Patch(id) => reading.run(Op::Patch, &with_id(whole(bytes)?, id)),
        Asked::Feedback => reading.feedback(&whole(bytes)?),
        Asked::FeedbackUpdate(id) => reading.feedback(&with_id(whole(bytes)?, id)),
    }
}

/// A project as a client asks for it.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) start_time: Option<String>,
    pub(super) reference_dataset_id: Option<String>,
}

/// Reads the body by which a client makes a project.
///
/// # Errors
/// The body is not JSON.
pub(super) fn project(bytes: &[u8]) -> Result<Project, Fault> {
    let asked = whole(bytes)?;
    let said = |key: &str| asked.get(key).and_then(Json::as_str).map(str::to_owned);
    Ok(Project {
        id: said("id"),
        name: said("name"),
        start_time: said("start_time"),
        reference_dataset_id: said("reference_dataset_id"),
    })
}

/// What of a request has been read so far.
struct Reading<'r> {
    homes: &'r Homes,
    request: &'r mut RequestBuilder,
}

impl Reading<'_> {
    fn form(&mut self, bytes: &[u8], boundary: &str) -> Result<(), Fault> {
        let parts =
            multipart::parts(bytes, boundary).map_err(|error| Fault::Undecodable(error.to_string()))?;
        for told in form::told(&parts) {
            let _item = charge::passing();
            match told {
                form::Told::Run(run) => match run.assemble(parse) {
                    Ok(whole) => self.run(run.op, &whole)?,
                    Err(reason) => self.request.reject(reason),
                },
                form::Told::Feedback(content) => match parse(content) {
                    Ok(row) => self.feedback(&row)?,
                    Err(reason) => self.request.reject(format!("feedback: {reason}")),
                },
                form::Told::Unknown(place) => {
                    self.request.reject(format!("part {place} has a name that no rule explains"));
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Json<'_>) -> Result<(), Fault> {
        let runs = |key: &str| match batch.get(key) {
            Some(Json::Array(runs)) => Ok(runs.as_slice()),
            None | Some(Json::Null) if matches!(batch, Json::Object(_)) => Ok(&[][..]),
            _ => Err(Fault::Undecodable("a batch is an object with lists under post and patch".into())),
        };
        for (op, runs) in [(Op::Post, runs("post")?), (Op::Patch, runs("patch")?)] {
            for run in runs {
                let _item = charge::passing();
                self.run(op, run)?;
            }
        }
        Ok(())
    }

    fn run(&mut self, op: Op, run: &Json<'_>) -> Result<(), Fault> {
        match fragment(op, run) {
            Ok(fragment) => self.tell(fragment),
            Err(unusable) => {
                self.request.reject(format!("a run cannot be used: {unusable}"));
                Ok(())
            }
        }
    }

    fn tell(&mut self, mut fragment: Fragment<'_>) -> Result<(), Fault> {
        let (tenant, other) = match self.request.tenants.of(fragment.tenant.as_deref()) {
            Ok(placed) => placed,
            Err(error) => {
                self.request.reject(error.to_string());
                return Ok(());
            }
        };
        let is_open = *self.request.tenants.claim() == HeaderClaim::Absent;
        if is_open && other.is_some() {
            fragment.tenant = None;
        }
        fragment.facts.extend(overruled(other));
        if !is_open {
            return self.request.push_part(fragment, Some(tenant));
        }
        // What a run claims may be told by another of its messages than this one, or for all of its trace.
        if let Some(trace) = fragment.within.as_ref().and_then(|trace| trace.last()) {
            let said = Said { stated: None, dialect: fragment.tenant.as_deref() };
            self.request.tenants.note(said, &trace_key(trace));
        }
        let of_trace = || {
            let home = self.homes.of(fragment.within.as_ref()?.last()?);
            home.filter(|tenant| self.request.tenants.includes(tenant))
        };
        let home = if fragment.tenant.is_some() { Some(tenant) } else { of_trace() };
        if let Some(home) = home {
            fragment.id.iter().for_each(|run| self.homes.remember(run, &home));
        }
        self.request.push_part(fragment, None)
    }

    fn feedback(&mut self, row: &Json<'_>) -> Result<(), Fault> {
        let event = match feedback(row) {
            Ok(event) => event,
            Err(unusable) => {
                self.request.reject(format!("a feedback cannot be used: {unusable}"));
                return Ok(());
            }
        };
        let Some(mut event) = event else {
            self.request.filter(1);
            return Ok(());
        };
        match self.judged(row, event.tenant.as_deref()) {
            Ok((tenant, other)) => {
                if let Some(id) = row.get("id").and_then(Json::as_str) {
                    self.homes.remember(&verdict(id), &tenant);
                }
                event.facts.extend(overruled(other));
                self.request.push(&event, &tenant)
            }
            Err(reason) => {
                self.request.reject(reason);
                Ok(())
            }
        }
    }

    /// Whose chain a feedback goes to: where the run went that it judges, or the feedback that it
    /// changes, if that is known.
    fn judged(&mut self, row: &Json<'_>, said: Option<&str>) -> Result<(Tenant, Option<String>), String> {
        let text = |key: &str| row.get(key).and_then(Json::as_str);
        let of_run = |key: &str| self.homes.of(text(key)?);
        let known = || {
            of_run("run_id").or_else(|| of_run("trace_id")).or_else(|| self.homes.of(&verdict(text("id")?)))
        };
        // A trace may have come as spans, or before a restart.
        let trace = text("trace_id").and_then(|id| self.request.tenants.trace(&trace_key(id)));
        let known = || known().or_else(|| trace.as_deref().and_then(Trace::tenant));
        if *self.request.tenants.claim() == HeaderClaim::Absent
            && said.is_none()
            && let Some(tenant) = known().filter(|tenant| self.request.tenants.includes(tenant))
        {
            return Ok((tenant, None));
        }
        self.request.tenants.of(said).map_err(|error| error.to_string())
    }
}

/// What a feedback is remembered as, beside runs.
fn verdict(id: &str) -> String {
    ["feedback ", id].concat()
}

fn whole(bytes: &[u8]) -> Result<Json<'_>, Fault> {
    parse(bytes).map_err(|reason| Fault::Undecodable(format!("the body: {reason}")))
}

/// `bytes` as JSON, within bounds.
fn parse(bytes: &[u8]) -> Result<Json<'_>, String> {
    let text = form::text(bytes)?;
    if json::values_in(text) > MAX_VALUES {
        return Err(format!("it has more than {MAX_VALUES} values"));
    }
    json::parse(text).map_err(|error| error.to_string())
}

/// An update as one of what its path names.
fn with_id<'a>(update: Json<'a>, id: &'a str) -> Json<'a> {
    match update {
        Json::Object(mut members) => {
            members.push(("id".into(), Json::str(id)));
            Json::object(members)
        }
        other => other,
    }
}
