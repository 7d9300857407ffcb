//! The OpenAI Agents SDK's default exporter: `POST /v1/traces/ingest` with `{"data": [item, ...]}`, its
//! items traces and spans of them.
//!
//! The exporter sends again after a 5xx and a 429, three times in all, and drops what gets another error.

use super::gate::{Gate, Receiver};
use super::rejected::Rejected;
use crate::ingest::claim::{Said, SenderTraces, TenantRule, overruled};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Ingest, RequestBuilder};
use crate::net::answer::{json, shorten};
use crate::net::body::{Incoming, Reader};
use crate::net::status::Fault;
use crate::pipeline::batch::Receipt;
use axum::Router;
use axum::response::Response;
use halo_adapters::openai_agents;
use halod_chain::traces::TraceTenants;
use halod_record::charge;
use halod_record::event::{Event, Origin};
use halod_record::json::{Json, parse, values_in};
use halod_record::trace::trace_key;
use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;

/// Values in one request. The exporter sends 128 items at a time.
const MOST_VALUES: usize = 2_000_000;

/// Answers the exporter's requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OpenAiAgents {
    pub ingest: Arc<Ingest>,
    pub tenant: Arc<TenantRule>,
    pub traces: Arc<TraceTenants>,
}

impl Receiver for OpenAiAgents {
    const NAME: &'static str = "openai_agents";

    fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
        let (head, body) = request.into_parts();
        let mut reader = Reader::new(body, &self.ingest.limits);
        let fault = match self.take(&head, &mut reader).await {
            Ok((receipt, rejected)) => return sealed(receipt, &rejected),
            Err(fault) => fault,
        };
        let tenant = self.tenant.claimant(None, &head.headers, &head.extensions).known();
        self.ingest.refused(entry, &fault, tenant.as_ref(), &reader);
        reader.make_way(&head).await;
        refuse(&fault)
    }
}

impl OpenAiAgents {
    /// Where it takes requests.
    pub fn routes(self, routes: Router, gate: &Gate) -> Router {
        routes.route_service("/v1/traces/ingest", gate.before(self))
    }

    async fn take(
        &self,
        head: &Parts,
        reader: &mut Reader<'_, Incoming>,
    ) -> Result<(Receipt, Rejected), Fault> {
        if head.method != Method::POST {
            return Err(Fault::Method);
        }
        let body = self.ingest.read(head, reader).await?;
        let claimant = self.tenant.claimant(None, &head.headers, &head.extensions);
        let traces = SenderTraces::new(Arc::clone(&self.traces), &claimant);
        let work = self.ingest.work(body, claimant, move |bytes, request| {
            request.tenants.know_traces(traces);
            draft(bytes, request)
        });
        let (request, rejected) = work.await?;
        let receipt = request.finish()?.send().sealed().await?;
        Ok((receipt, rejected))
    }
}

/// What an event takes beside itself, but for its content; to sort them takes as much again as they do.
const BESIDE: usize = 512;

/// Drafts the items that tell of actions, parents before their children.
fn draft(bytes: &[u8], request: &mut RequestBuilder) -> Result<Rejected, Fault> {
    let undecodable = |what: String| Fault::Undecodable(what);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| undecodable(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
    if values_in(text) > MOST_VALUES {
        return Err(undecodable(format!("more than {MOST_VALUES} values in one request")));
    }
    let body = parse(text).map_err(|error| undecodable(format!("not JSON: {error}")))?;
    let Some(Json::Array(items)) = body.get("data") else {
        return Err(undecodable("data: must be an array of traces and spans".into()));
    };
    let mut rejected = Rejected::default();
    let mut events = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match openai_agents::item(item) {
            Ok(Some(event)) => {
                if let Some(trace) = trace_of(&event) {
                    request.tenants.note(said(&event), &trace);
                    if is_trace(&event) {
                        let around = [event.session.as_deref(), event.principal.as_deref()];
                        request.tenants.enclose(&trace, around);
                    }
                }
                charge::take(BESIDE + size_of::<(usize, Event<'_>)>())?;
                charge::push(&mut events, (at, event))?;
            }
            Ok(None) => request.filter(1),
            Err(unusable) => rejected.add(at, unusable, request),
        }
    }
    request.allow_slices();
    openai_agents::parents_first(&mut events, |(_, event)| event);
    for (at, mut event) in events {
        let _item = charge::passing();
        let id = trace_of(&event);
        let trace = id.filter(|_| !is_trace(&event)).and_then(|id| request.tenants.trace(&id));
        let [session, principal] = trace.map(|trace| trace.around()).unwrap_or_default();
        let owned = |text: Option<Arc<str>>| text.map(|text| Cow::Owned(text.to_string()));
        openai_agents::inherit(&mut event, owned(session), owned(principal));
        match request.tenants.place_in_trace(said(&event), Said::default(), id.as_ref()) {
            Ok(placed) => {
                event.facts.extend(overruled(placed.overruled));
                request.push(&event, &placed.tenant)?;
            }
            Err(error) => rejected.add(at, error, request),
        }
    }
    Ok(rejected)
}

/// What an item says of its tenant: mostly only its trace does, which comes before it, in another request.
fn said<'e>(event: &'e Event<'_>) -> Said<'e> {
    Said { stated: None, dialect: event.tenant.as_deref() }
}

fn is_trace(event: &Event<'_>) -> bool {
    matches!(&event.origin, Origin::Keyed(keyed) if keyed.parent.is_none())
}

fn trace_of(event: &Event<'_>) -> Option<[u8; 16]> {
    match &event.origin {
        Origin::Keyed(keyed) => keyed.id.first().map(|trace| trace_key(trace)),
        _ => None,
    }
}

fn sealed(receipt: Receipt, rejected: &Rejected) -> Response {
    let Receipt { sealed, duplicate, conflict, .. } = receipt;
    let mut body = json!({"sealed": sealed, "duplicate": duplicate, "conflict": conflict});
    rejected.tell(&mut body);
    json(StatusCode::OK, &body, None)
}

/// An error as OpenAI's API says it.
fn refuse(fault: &Fault) -> Response {
    let row = fault.row();
    let kind = if row.http.is_server_error() { "server_error" } else { "invalid_request_error" };
    let message = shorten(fault.to_string());
    let error = json!({"message": message, "type": kind, "param": null, "code": fault.name()});
    let mut response = json(row.http, &json!({"error": error}), row.retry_after);
    if *fault == Fault::Method {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
