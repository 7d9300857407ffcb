//! Langfuse: what its SDKs send when `LANGFUSE_HOST` or `LANGFUSE_BASE_URL` points at halod.
//!
//! The older SDKs send batches of events to `/api/public/ingestion`, create and update of one
//! observation apart: [`crate::hold`] puts them together. The current ones send spans over OTLP to
//! `/api/public/otel/v1/traces`: those go to that receiver. What else they ask for is answered in
//! Langfuse's own words, and what halod does not keep is not found.

mod ingest;
mod keys;
#[cfg(test)]
mod tests;

pub use self::keys::Keys;

use super::gate::{Gate, Receiver};
use super::otlp::signals::Signals;
use super::otlp::{Guest, OtlpService};
use super::unserved::doubled;
use crate::auth::Identity;
use crate::hold::Hold;
use crate::ingest::claim::{Claimant, SenderTraces, TenantRule};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Body, Ingest, RequestBuilder};
use crate::net::answer;
use crate::net::body::{Incoming, Reader};
use crate::net::status::Fault;
use axum::Router;
use axum::response::Response;
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use halod_chain::traces::TraceTenants;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use ingest::{Batch, Scores};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers requests of Langfuse's SDKs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LangfuseService {
    pub ingest: Arc<Ingest>,
    pub hold: Hold,
    pub otlp: OtlpService,
    /// The way of what comes over OTLP.
    pub otlp_ingest: Signals<Arc<Ingest>>,
    pub tenant: Arc<TenantRule>,
    pub keys: Arc<Keys>,
    /// What is known of traces: scores come apart from the spans that they judge.
    pub traces: Arc<TraceTenants>,
}

/// The paths of Langfuse's public API.
const PREFIX: &str = "/api/public/";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Traces,
    Ingestion,
    Score,
    Health,
    Projects,
    /// With what would have been right.
    Method(&'static str),
    Unknown,
}

impl Wanted {
    fn of(method: &Method, path: &str) -> Self {
        let path = path.strip_prefix(PREFIX).unwrap_or_default().trim_end_matches('/');
        let (wanted, allowed) = match path {
            "otel/v1/traces" => (Self::Traces, "POST"),
            "ingestion" => (Self::Ingestion, "POST"),
            "scores" | "v2/scores" | "v3/scores" if method == Method::POST => (Self::Score, "POST"),
            "health" | "ready" => (Self::Health, "GET"),
            "projects" => (Self::Projects, "GET"),
            _ => return Self::Unknown,
        };
        if method.as_str() == allowed { wanted } else { Self::Method(allowed) }
    }
}

impl Receiver for LangfuseService {
    const NAME: &'static str = "langfuse";

    fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    fn vouches(&self, head: &Parts) -> bool {
        self.keys.vouch(&head.headers) || Wanted::of(&head.method, head.uri.path()) == Wanted::Health
    }

    async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
        let wanted = Wanted::of(request.method(), request.uri().path());
        let is_identified = request.extensions().get::<Arc<Identity>>().is_some();
        let known = if is_identified { Ok(None) } else { self.keys.tenant(request.headers()) };
        let claimant =
            known.map(|tenant| self.tenant.claimant(tenant, request.headers(), request.extensions()));
        match (wanted, claimant) {
            (Wanted::Health, _) => {
                let body = json!({ "status": "OK", "version": env!("CARGO_PKG_VERSION") });
                answer::json(StatusCode::OK, &body, None)
            }
            (_, Err(fault)) => self.refuse(request, entry, &fault).await,
            (Wanted::Traces, Ok(claimant)) => {
                let guest = Guest { signal: Signal::Traces, claimant, ingest: &self.otlp_ingest };
                self.otlp.answer_guest(request, guest, entry).await
            }
            (Wanted::Ingestion | Wanted::Score, Ok(claimant)) => {
                self.take(request, entry, wanted, claimant).await
            }
            (Wanted::Projects, Ok(_)) => answer::json(StatusCode::OK, &projects(), None),
            (Wanted::Method(allowed), Ok(_)) => {
                entry.refuse(&Fault::Method);
                let what = format!("only {allowed} is answered here");
                answer::json(StatusCode::METHOD_NOT_ALLOWED, &error(&what, "MethodNotAllowedError"), None)
            }
            (Wanted::Unknown, Ok(_)) => {
                let path = request.uri().path();
                let twice = doubled(path, "/api/public").or_else(|| doubled(path, "/v1/traces"));
                let what = twice.unwrap_or(
                    "halod keeps no prompts, datasets, media or the like, and gives nothing out: it makes records of \
                     what agents do",
                );
                entry.refuse(&Fault::Unserved(what));
                answer::json(StatusCode::NOT_FOUND, &error(what, "LangfuseNotFoundError"), None)
            }
        }
    }
}

impl LangfuseService {
    /// Where it takes requests: all of Langfuse's public API.
    pub fn routes(self, routes: Router, gate: &Gate) -> Router {
        let gated = gate.before(self);
        routes.route_service("/api/public/", gated.clone()).route_service("/api/public/{*rest}", gated)
    }

    async fn take(
        &self,
        request: Request<Incoming>,
        entry: &mut RequestEntry,
        wanted: Wanted,
        claimant: Claimant,
    ) -> Response {
        let (head, body) = request.into_parts();
        let mut reader = Reader::new(body, &self.ingest.limits);
        let tenant = claimant.known();
        let taken = match self.ingest.read(&head, &mut reader).await {
            Ok(body) if wanted == Wanted::Score => {
                self.seal(body, entry, claimant, Scores::read).await.map(|scores| scores.answer())
            }
            Ok(body) => {
                let batch = self.seal(body, entry, claimant, Batch::read).await;
                batch.map(|batch| (StatusCode::MULTI_STATUS, batch.answer()))
            }
            Err(fault) => Err(fault),
        };
        match taken {
            Ok((status, answer)) => answer::json(status, &answer, None),
            Err(fault) => {
                self.ingest.refused(entry, &fault, tenant.as_ref(), &reader);
                reader.make_way(&head).await;
                said(&fault)
            }
        }
    }

    /// Reads a body, seals what is in it, and tells of what can't be used.
    async fn seal<T: Send + 'static>(
        &self,
        body: Body,
        entry: &mut RequestEntry,
        claimant: Claimant,
        read: fn(&Bytes, &mut RequestBuilder) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let tenant = claimant.known();
        let traces = SenderTraces::new(Arc::clone(&self.traces), &claimant);
        let work = self.ingest.work(body, claimant, move |bytes, request| {
            request.tenants.know_traces(traces);
            read(bytes, request)
        });
        let (request, told) = work.await?;
        match request.finish() {
            Ok(request) => drop(request.assemble(&self.hold).await?),
            // It is answered event by event all the same.
            Err(unusable) => {
                self.ingest.lost(unusable.items, tenant.as_ref());
                entry.refuse(&unusable.into());
            }
        }
        Ok(told)
    }

    async fn refuse(&self, request: Request<Incoming>, entry: &mut RequestEntry, fault: &Fault) -> Response {
        let (head, body) = request.into_parts();
        let reader = Reader::new(body, &self.ingest.limits);
        // Who it is is not known: nothing is said of it in a chain.
        entry.refuse(fault);
        reader.make_way(&head).await;
        said(fault)
    }
}

/// A refusal as Langfuse says it.
fn said(fault: &Fault) -> Response {
    let row = fault.row();
    let name = match row.http {
        StatusCode::BAD_REQUEST => "InvalidRequestError",
        StatusCode::UNAUTHORIZED => "UnauthorizedError",
        StatusCode::PAYLOAD_TOO_LARGE => "PayloadTooLargeError",
        _ => "ServiceUnavailableError",
    };
    answer::json(row.http, &error(&answer::shorten(fault.to_string()), name), row.retry_after)
}

/// As Langfuse words its errors.
fn error(message: &str, name: &str) -> Value {
    json!({ "message": message, "error": name })
}

/// What the SDKs ask for to see whether their keys are right.
fn projects() -> Value {
    json!({ "data": [{ "id": "halod", "name": "halod", "metadata": {}, "organization": { "id": "halod", "name": "halod" } }] })
}
