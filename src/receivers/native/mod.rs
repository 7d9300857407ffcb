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
use self::tokens::{Grant, Tokens};
use super::delivery::{Body, Delivery};
use super::requests::RequestEntry;
use super::tenancy::{HeaderClaim, TenantRule};
use crate::net::answer::Reply;
use crate::net::grpc::is_grpc;
use crate::net::status::Fault;
use ::http::{HeaderMap, Request, Response};
use halod_chain::commit::Detail;
use hyper::body::Incoming;
use std::sync::Arc;

/// The path of the HTTP door.
pub const PATH: &str = "/v1/records";

/// What the paths of the gRPC service begin with.
pub const SERVICE: &str = "/halo.ingest.v1.";

/// Answers requests with records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NativeService {
    delivery: Delivery,
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
    claim: HeaderClaim,
}

impl NativeService {
    #[must_use]
    pub fn new(delivery: Delivery, senders: Arc<Senders>) -> Self {
        Self { delivery, senders }
    }

    /// Whether the path is one of this receiver's.
    #[must_use]
    pub fn serves(path: &str) -> bool {
        path == PATH || path.starts_with(SERVICE)
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response<Reply> {
        if is_grpc(request.headers()) {
            grpc::answer(self, request, entry).await
        } else {
            http::answer(self, request, entry).await
        }
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let grant = self.senders.tokens.grant(headers)?;
        Ok(Caller { grant, claim: self.senders.tenant.header_claim(headers) })
    }

    /// Seals what can be of a body's records.
    async fn write(
        &self,
        body: Body,
        caller: Caller,
        encoding: Encoding,
        entry: &mut RequestEntry,
    ) -> Result<Answer, Fault> {
        let builder = Arc::clone(&self.delivery.builder);
        let work = self
            .delivery
            .work(body, move |bytes, sheet| take::records(bytes, encoding, &caller, &builder, sheet));
        let (sheet, items) = work.await?;
        // It is answered record by record all the same.
        if let Some(fault) = self.delivery.nothing_of(&sheet) {
            entry.refuse(&fault);
            return Ok(Answer::new(items, Detail::default()));
        }
        let receipt = self.delivery.send_for_detail(sheet).sealed().await?;
        Ok(Answer::new(items, receipt.detail.map(|detail| *detail).unwrap_or_default()))
    }
}
