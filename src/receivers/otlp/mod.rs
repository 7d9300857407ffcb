//! The OTLP receiver: gRPC and HTTP, on any door, told apart by content type.
//!
//! ```text
//! request ─▶ grpc | http: who, what, how long ─▶ ingest: admit, read ─▶ read: events ─▶ ingest: seal ─▶ answer
//!                                                          content of spans ─▶ join ──┘
//! ```
//!
//! Rules are those of the OTLP specification 1.11 (`docs/specification.md`) and of gRPC over
//! HTTP/2; `proto/` holds the messages. An answer of success means: linked and on disk.

mod data;
pub mod file;
mod grpc;
mod http;
mod inherit;
pub mod join;
mod logs;
mod parents;
pub mod preview;
mod read;
mod response;
pub mod scopes;
pub mod signals;
mod spans;
pub mod stats;
#[cfg(test)]
mod tests;
mod turns;

use self::data::DataSpans;
pub use self::grpc::{LogsService, MetricsService, TraceService};
use self::join::ContentJoin;
use self::read::Encoding;
use self::response::Partial;
use self::signals::Signals;
use self::stats::OtlpStats;
use super::gate::{Gate, Receiver};
use crate::ingest::claim::{Claimant, HeaderClaim, SenderTraces, TenantRule};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Body, Ingest};
use crate::net::body::Incoming;
use crate::net::grpc::{is_grpc, methods_of};
use crate::net::status::Fault;
use ::http::{HeaderName, Request};
use axum::Router;
use axum::response::Response;
use halo_adapters::otlp::Signal;
use halod_chain::traces::TraceTenants;
use halod_evidence::receipt::SignedReceipt;
use std::sync::Arc;

/// Records that a receipt lists: it goes into a header.
pub const LISTED: usize = 16;

/// The header of an answer with the signed receipt's file, in base64.
const RECEIPT: HeaderName = HeaderName::from_static("halod-receipt");

/// Characters of that header. Clients and proxies take 8 KiB of headers; 16 records of one tenant take less than half of this.
const RECEIPT_LENGTH: usize = 6000;

/// Answers OTLP requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OtlpService {
    state: Arc<OtlpState>,
    /// The way of what comes to OTLP's own paths.
    ingest: Signals<Arc<Ingest>>,
}

/// OTLP as it is received in one place.
#[derive(Debug)]
struct OtlpPlace {
    service: OtlpService,
    place: Place,
}

/// Where a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// To the path of a signal over HTTP.
    Path(Signal),
    /// To the gRPC service that takes a signal.
    Service(Signal),
    /// Where nothing is received.
    Nowhere,
}

impl Receiver for OtlpPlace {
    const NAME: &'static str = "otlp";
    /// It knows its types itself.
    const REFUSES_FORMS: bool = false;

    fn begin(&self, transport: Transport) -> RequestEntry {
        self.service.ingest.traces.stats.begin(transport)
    }

    async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
        let Self { service, place } = self;
        let grpc = is_grpc(request.headers());
        let signal = match *place {
            Place::Path(signal) if !grpc => Some(signal),
            Place::Service(signal) if grpc => Some(signal),
            _ => None,
        };
        if grpc {
            grpc::answer(service, request, signal, entry).await
        } else {
            http::answer(service, request, signal, entry).await
        }
    }
}

/// A request over OTLP that came to a path of another receiver's.
#[derive(Debug)]
pub struct Guest<'a> {
    pub signal: Signal,
    /// Whose it is, as far as that receiver knows.
    pub claimant: Claimant,
    /// The way of that receiver.
    pub ingest: &'a Signals<Arc<Ingest>>,
}

/// How requests are read, at whichever door they arrive, and what is known across them.
#[derive(Debug)]
pub struct OtlpState {
    tenant: TenantRule,
    joins: ContentJoin,
    traces: Arc<TraceTenants>,
    stats: Arc<OtlpStats>,
    /// There where what actions touched is recorded too.
    data: Option<DataSpans>,
}

impl OtlpState {
    #[must_use]
    pub fn new(
        tenant: TenantRule,
        joins: ContentJoin,
        traces: Arc<TraceTenants>,
        stats: Arc<OtlpStats>,
    ) -> Self {
        Self { tenant, joins, traces, stats, data: None }
    }

    /// The same, recording what actions touched if `data` says so: spans of databases and HTTP clients.
    #[must_use]
    pub fn recording(self, data: bool) -> Self {
        Self { data: data.then(DataSpans::new), ..self }
    }
}

impl OtlpState {
    /// What is known of the traces in files that the operator imports.
    #[must_use]
    pub fn traces_of_files(&self, claim: &HeaderClaim) -> SenderTraces {
        SenderTraces::of_files(Arc::clone(&self.traces), claim)
    }
}

impl OtlpService {
    #[must_use]
    pub fn new(state: Arc<OtlpState>, ingest: Signals<Arc<Ingest>>) -> Self {
        Self { state, ingest }
    }

    /// Where it takes requests, and the answer to what nobody receives: its answers tell which paths there are.
    pub fn routes(&self, routes: Router, gate: &Gate) -> Router {
        let at = |place| gate.before(OtlpPlace { service: self.clone(), place });
        let method = |signal| at(Place::Service(signal));
        routes
            .route_service("/v1/traces", at(Place::Path(Signal::Traces)))
            .route_service("/v1/logs", at(Place::Path(Signal::Logs)))
            .route_service("/v1/metrics", at(Place::Path(Signal::Metrics)))
            .route_service(&methods_of::<TraceService>(), method(Signal::Traces))
            .route_service(&methods_of::<LogsService>(), method(Signal::Logs))
            .route_service(&methods_of::<MetricsService>(), method(Signal::Metrics))
            .fallback_service(at(Place::Nowhere))
    }

    /// Answers one request over HTTP that another receiver took in.
    pub async fn answer_guest(
        &self,
        request: Request<Incoming>,
        guest: Guest<'_>,
        entry: &mut RequestEntry,
    ) -> Response {
        http::answer_guest(self, request, guest, entry).await
    }

    /// Takes a request that has arrived: reads it and has it sealed.
    async fn export(
        &self,
        ingest: &Arc<Ingest>,
        (signal, encoding): (Signal, Encoding),
        claimant: Claimant,
        body: Body,
    ) -> Result<(Partial, SealedReceipt), Fault> {
        let state = Arc::clone(&self.state);
        let traces = SenderTraces::new(Arc::clone(&state.traces), &claimant);
        let work = ingest.work(body, claimant, move |bytes, request| {
            request.tenants.know_traces(traces);
            state.read(signal, encoding, bytes, request)
        });
        let (request, content) = work.await?;
        self.state.stats.filtered.add(signal, content.filtered_by());
        let request = request.finish().map_err(|unusable| Partial::none(signal, &unusable))?;
        let partial = Partial::of(signal, &request);
        let sealed = content.seal(request, &self.state).await?;
        Ok((partial, SealedReceipt(sealed.signed)))
    }
}

/// The receipt of a request, where its sender gets one.
#[derive(Debug)]
struct SealedReceipt(Option<Box<SignedReceipt>>);

impl SealedReceipt {
    /// The same answer, with the receipt in its header.
    fn put_into(&self, mut response: Response) -> Response {
        let value = self.0.as_ref().and_then(|signed| signed.header(RECEIPT_LENGTH).try_into().ok());
        if let Some(value) = value {
            response.headers_mut().insert(RECEIPT, value);
        }
        response
    }
}
