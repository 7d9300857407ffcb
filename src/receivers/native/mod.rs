//! The native receiver: records that an application states itself, over HTTP and gRPC.
//!
//! ```text
//! POST /v1/records, gRPC halo.ingest.v1 ─▶ who sends ─▶ read ─▶ take: record by record, checked,
//!   placed, drafted ─▶ submit, asking for detail ─▶ answer: a result for each record, and the heads
//! ```
//!
//! What a record may hold: [`halod_record::native`]; the messages: `proto/halo/ingest/v1`. A request is
//! taken in part where a part of it is wrong, and each of its records is told what became of it. What is
//! no list of records at all is refused whole.

mod answer;
mod grpc;
mod http;
mod take;
pub mod tokens;

use self::answer::Answer;
pub use self::take::MAX_RECORDS;
use self::tokens::{Grant, Tokens};
use super::gate::{Gate, Receiver};
use crate::auth::Identity;
use crate::ingest::claim::{Claimant, HeaderClaim, TenantRule};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Body, Ingest};
use crate::net::body::Incoming;
use crate::net::grpc::{is_grpc, methods_of};
use crate::net::status::Fault;
use ::http::Request;
use ::http::request::Parts;
use axum::Router;
use axum::response::Response;
use halod_chain::commit::Detail;
use std::sync::Arc;
use tonic::server::NamedService;

/// The path of the HTTP door.
pub const PATH: &str = "/v1/records";

/// The gRPC service.
#[derive(Clone, Copy, Debug)]
pub struct RecordService;

impl NamedService for RecordService {
    const NAME: &'static str = "halo.ingest.v1.RecordService";
}

/// Answers requests with records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NativeService {
    ingest: Arc<Ingest>,
    senders: Arc<Senders>,
}

/// Who may send, and whose records they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    pub tenant: TenantRule,
    pub tokens: Tokens,
}

/// How the records of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    Protobuf,
}

/// What is known of a request before its body is read.
#[derive(Debug)]
struct Caller {
    grant: Grant,
    claimant: Claimant,
    /// What the headers claim, whether it counts or not.
    header: HeaderClaim,
}

impl Receiver for NativeService {
    const NAME: &'static str = "native";

    fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    fn vouches(&self, head: &Parts) -> bool {
        self.senders.tokens.vouch(&head.headers)
    }

    async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
        if is_grpc(request.headers()) {
            grpc::answer(self, request, entry).await
        } else {
            http::answer(self, request, entry).await
        }
    }
}

impl NativeService {
    #[must_use]
    pub fn new(ingest: Arc<Ingest>, senders: Arc<Senders>) -> Self {
        Self { ingest, senders }
    }

    /// Where it takes requests.
    pub fn routes(self, routes: Router, gate: &Gate) -> Router {
        let gated = gate.before(self);
        routes.route_service(PATH, gated.clone()).route_service(&methods_of::<RecordService>(), gated)
    }

    fn caller(&self, head: &Parts) -> Result<Caller, Fault> {
        let Senders { tenant, tokens } = &*self.senders;
        let identity = head.extensions.get::<Arc<Identity>>();
        let grant = tokens.grant(identity.map(|identity| &**identity), &head.headers)?;
        let claimant = tenant.claimant(None, &head.headers, &head.extensions);
        Ok(Caller { grant, claimant, header: tenant.header_claim(&head.headers) })
    }

    /// Seals what can be of a body's records.
    async fn write(
        &self,
        body: Body,
        caller: Caller,
        encoding: Encoding,
        entry: &mut RequestEntry,
    ) -> Result<Answer, Fault> {
        let Caller { grant, claimant, header } = caller;
        let work = self.ingest.work(body, claimant, move |bytes, request| {
            take::records(bytes, encoding, (&grant, &header), request)
        });
        let (request, items) = work.await?;
        match request.finish() {
            Ok(request) => {
                let receipt = request.send_for_detail().sealed().await?;
                let signed = receipt.signed.map(|signed| signed.to_string());
                Ok(Answer::new(items, receipt.detail.map(|detail| *detail).unwrap_or_default(), signed))
            }
            // It is answered record by record all the same.
            Err(unusable) => {
                entry.refuse(&unusable.into());
                Ok(Answer::new(items, Detail::default(), None))
            }
        }
    }
}
