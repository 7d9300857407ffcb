//! LangSmith's API, as far as its SDKs send to it: `LANGSMITH_ENDPOINT` at halod is all that LangChain and
//! LangGraph need.
//!
//! ```text
//! /runs/multipart ─ form: parts ─▶ told: runs, feedback ─┐
//! /runs/batch, /runs, /runs/{id} ────────────────────────┴▶ reading ─▶ hold ─▶ drafts ─▶ submit ─▶ 202
//! /feedback ─────────────────────────────────────────────▶ a verdict, a child of its run
//! /otel/v1/traces ─▶ OTLP
//! ```
//!
//! The SDKs send again what is answered with 429 or 5xx, and lose what is answered with any other error.
//! One run that cannot be used does not keep the others of its request from being sealed.

mod answer;
mod homes;
mod keys;
mod reading;
mod route;

pub use self::keys::Keys;

use self::homes::Homes;
use self::reading::Asked;
use self::route::Route;
use super::gate::{Gate, Receiver};
use super::otlp::signals::Signals;
use super::otlp::{Guest, OtlpService};
use super::unserved::{doubled, hint};
use crate::auth::Identity;
use crate::hold::Hold;
use crate::ingest::Ingest;
use crate::ingest::claim::{Claimant, SenderTraces, TenantRule};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::net::body::{Incoming, Reader};
use crate::net::status::Fault;
use crate::net::web::is_of_a_form;
use axum::Router;
use axum::response::Response;
use halo_adapters::langsmith::multipart;
use halod_chain::traces::TraceTenants;
use http::Request;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use std::sync::Arc;

/// Answers LangSmith's SDKs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LangSmithService {
    ingest: Arc<Ingest>,
    otlp: OtlpService,
    /// The way of what comes over OTLP.
    otlp_ingest: Signals<Arc<Ingest>>,
    shared: Arc<Shared>,
}

/// What is the same at every door.
#[derive(Debug)]
pub struct Shared {
    tenant: TenantRule,
    keys: Keys,
    homes: Homes,
    hold: Hold,
    traces: Arc<TraceTenants>,
}

impl Shared {
    #[must_use]
    pub fn new(tenant: TenantRule, keys: Keys, hold: Hold, traces: Arc<TraceTenants>) -> Self {
        Self { tenant, keys, homes: Homes::default(), hold, traces }
    }
}

impl Receiver for LangSmithService {
    const NAME: &'static str = "langsmith";
    /// It knows its types itself.
    const REFUSES_FORMS: bool = false;

    fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    fn vouches(&self, head: &Parts) -> bool {
        let own = route::below_ours(&head.uri);
        let path = own.as_ref().unwrap_or(&head.uri).path();
        self.shared.keys.vouch(&head.headers) || Route::of(&head.method, path) == Route::Info
    }

    async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
        let (mut head, body) = request.into_parts();
        // Whoever else gets the request knows nothing of halod's own path.
        if let Some(uri) = route::below_ours(&head.uri) {
            head.uri = uri;
        }
        let path = head.uri.path().to_owned();
        let route = Route::of(&head.method, &path);
        let is_identified = head.extensions.get::<Arc<Identity>>().is_some();
        let known = if is_identified { Ok(None) } else { self.shared.keys.tenant(&head.headers) };
        let claimant = match known {
            // What a server can do is asked without a key.
            _ if route == Route::Info => return answer::info(&self.ingest.limits),
            Ok(tenant) => self.shared.tenant.claimant(tenant, &head.headers, &head.extensions),
            // Who it is is not known: nothing is said of it in a chain.
            Err(fault) => {
                let reader = Reader::new(body, &self.ingest.limits);
                return self.refuse(&head, reader, entry, &fault).await;
            }
        };
        if let Some(signal) = route::of_otlp(&path) {
            let guest = Guest { signal, claimant, ingest: &self.otlp_ingest };
            return self.otlp.answer_guest(Request::from_parts(head, body), guest, entry).await;
        }
        let mut reader = Reader::new(body, &self.ingest.limits);
        let tenant = claimant.known();
        match self.serve(&head, route, claimant, &mut reader, entry).await {
            Ok(response) => response,
            // A project holds nothing that an agent did.
            Err(fault) if route == Route::Project => self.refuse(&head, reader, entry, &fault).await,
            Err(fault) => {
                self.ingest.refused(entry, &fault, tenant.as_ref(), &reader);
                reader.make_way(&head).await;
                answer::error(&fault)
            }
        }
    }
}

impl LangSmithService {
    #[must_use]
    pub fn new(
        ingest: Arc<Ingest>,
        otlp: OtlpService,
        otlp_ingest: Signals<Arc<Ingest>>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { ingest, otlp, otlp_ingest, shared }
    }

    /// Where it takes requests.
    pub fn routes(self, routes: Router, gate: &Gate) -> Router {
        let gated = gate.before(self);
        route::paths().fold(routes, |routes, path| routes.route_service(&path, gated.clone()))
    }

    /// Refuses a request by which nothing is lost.
    async fn refuse(
        &self,
        head: &Parts,
        reader: Reader<'_, Incoming>,
        entry: &mut RequestEntry,
        fault: &Fault,
    ) -> Response {
        entry.refuse_unless(reader.is_broken(), fault);
        reader.make_way(head).await;
        answer::error(fault)
    }

    async fn serve(
        &self,
        head: &Parts,
        route: Route<'_>,
        claimant: Claimant,
        reader: &mut Reader<'_, Incoming>,
        entry: &mut RequestEntry,
    ) -> Result<Response, Fault> {
        if is_of_a_form(&head.headers) {
            return Err(Fault::MediaType);
        }
        let asked = match route {
            Route::Info => return Ok(answer::info(&self.ingest.limits)),
            Route::Settings => return Ok(answer::settings()),
            Route::Projects => return Ok(answer::projects()),
            Route::Project => return self.project(head, claimant, reader).await,
            Route::Multipart => Asked::Form(form_boundary(head)?),
            Route::Batch => Asked::Batch,
            Route::Post => Asked::Post,
            Route::Patch(id) => Asked::Patch(id.to_owned()),
            Route::Feedback => Asked::Feedback,
            Route::FeedbackUpdate(id) => Asked::FeedbackUpdate(id.to_owned()),
            Route::Method => return Err(Fault::Method),
            Route::Reading => return Err(Fault::Unserved("runs and feedback are taken, and not given back")),
            Route::Unknown => {
                let path = head.uri.path();
                // Its first `/langsmith` is taken off already.
                let own = if path.contains("/langsmith") { Some(hint(path, false)) } else { None };
                let twice = own.or_else(|| doubled(path, "/api/v1"));
                let said = "of LangSmith's API there are /info, /runs and /feedback";
                return Err(Fault::Unserved(twice.unwrap_or(said)));
            }
        };
        self.take(head, asked, claimant, reader, entry).await
    }

    async fn take(
        &self,
        head: &Parts,
        asked: Asked,
        claimant: Claimant,
        reader: &mut Reader<'_, Incoming>,
        entry: &mut RequestEntry,
    ) -> Result<Response, Fault> {
        let body = self.ingest.read(head, reader).await?;
        let tenant = claimant.known();
        let shared = Arc::clone(&self.shared);
        let traces = SenderTraces::new(Arc::clone(&shared.traces), &claimant);
        let work = self.ingest.work(body, claimant, move |bytes, request| {
            request.tenants.know_traces(traces);
            reading::read(bytes, &asked, &shared.homes, request)
        });
        let (request, ()) = work.await?;
        match request.finish() {
            Ok(request) => request.assemble(&self.shared.hold).await?,
            Err(unusable) => {
                // Its items are counted, which says more than how long it was.
                self.ingest.lost(unusable.items, tenant.as_ref());
                let fault = unusable.into();
                entry.refuse(&fault);
                return Ok(answer::error(&fault));
            }
        };
        Ok(answer::accepted())
    }

    /// A project that a client makes before it sends: its runs name it themselves.
    async fn project(
        &self,
        head: &Parts,
        claimant: Claimant,
        reader: &mut Reader<'_, Incoming>,
    ) -> Result<Response, Fault> {
        let body = self.ingest.read(head, reader).await?;
        // Nothing of it is kept, but reading it is charged as any other body is.
        let (_, project) = self.ingest.work(body, claimant, |bytes, _| reading::project(bytes)).await?;
        Ok(answer::project(project))
    }
}

fn form_boundary(head: &Parts) -> Result<String, Fault> {
    let content_type = head.headers.get(CONTENT_TYPE).ok_or(Fault::MediaType)?;
    multipart::boundary(content_type.as_bytes()).ok_or(Fault::MediaType)
}
