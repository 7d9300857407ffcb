//! LiteLLM's `generic_api` callback: `POST /litellm` with StandardLoggingPayloads, as an array, one
//! object, or one a line.
//!
//! ```text
//! read, waiting for room ─▶ split ─▶ each: parse, adapter, draft ─▶ submit ─▶ 200, and what was not usable
//! ```
//!
//! LiteLLM sends every batch once, whatever the answer. So halod waits where it would refuse other
//! senders, for each part of the body and for the drafts that become of it. It says before what it will need in
//! all, so that no two who wait block each other. What it refuses all the same is told as a gap ([`super::gaps`]).

use super::gate::{Gate, Receiver};
use super::rejected::Rejected;
use crate::ingest::claim::{Claimant, TenantRule, overruled};
use crate::ingest::gaps::{Gaps, Loss, Sender};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Body, Counted, Ingest, RequestBuilder};
use crate::net::answer::{json, shorten};
use crate::net::body::{Incoming, Reader, declared_length};
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::pipeline::arriving::Patience;
use crate::pipeline::batch::Receipt;
use axum::Router;
use axum::response::Response;
use halo_adapters::litellm;
use halod_record::charge;
use halod_record::json::{Most, parse, split};
use halod_record::tenant::Tenant;
use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What gaps call this receiver.
const RECEIVER: &str = "litellm";

/// LiteLLM sends 512 calls at a time by default.
const MOST: Most = Most { items: 100_000, values: 2_000_000 };

/// Room for drafts beside a small body, which may become more than it is.
const DRAFTS: usize = 64 << 10;
/// A body that does not say its length is taken for this part of the largest one.
const UNDECLARED: usize = 8;
/// How much a compressed body is taken to grow; what it really needs is waited for when it is known.
const GROWTH: usize = 10;

/// Answers LiteLLM's requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LiteLlm {
    pub ingest: Arc<Ingest>,
    pub tenant: Arc<TenantRule>,
    /// How long a request may wait for room.
    pub wait: Duration,
}

impl Receiver for LiteLlm {
    const NAME: &'static str = "litellm";

    fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
        let (head, body) = request.into_parts();
        let claimant = self.tenant.claimant(None, &head.headers, &head.extensions);
        let mut loss = Unsettled::new(self.ingest.gaps.as_ref(), claimant.known());
        match self.take(&head, body, claimant, &mut loss).await {
            Ok((receipt, filtered, rejected)) => sealed(receipt, filtered, &rejected),
            Err(fault) => {
                entry.refuse_unless(loss.broken, &fault);
                loss.refused(&fault);
                tracing::debug!(receiver = RECEIVER, fault = fault.name(), "request refused");
                refuse(&fault)
            }
        }
    }
}

impl LiteLlm {
    /// Where it takes requests.
    pub fn routes(self, routes: Router, gate: &Gate) -> Router {
        let gated = gate.before(self);
        routes.route_service("/litellm", gated.clone()).route_service("/litellm/", gated)
    }

    async fn take(
        &self,
        head: &Parts,
        body: Incoming,
        claimant: Claimant,
        loss: &mut Unsettled<'_>,
    ) -> Result<(Receipt, u64, Rejected), Fault> {
        let until = Instant::now() + self.wait;
        let patience = self.patience(head, &body, until);
        let mut reader = Reader::new(body, &self.ingest.limits);
        loss.bytes = reader.length();
        let read = match patience {
            Ok(patience) => self.ingest.read_by(patience, head, &mut reader).await,
            Err(fault) => Err(fault),
        };
        loss.bytes = reader.length();
        loss.broken = reader.is_broken();
        let mut body = match read {
            Ok(body) => body,
            Err(fault) => {
                reader.make_way(head).await;
                return Err(fault);
            }
        };
        let needed = self.needed(body.bytes.len(), Coding::Identity);
        body.permit.grow_by(needed, until).await?;
        self.seal(body, claimant, loss).await
    }

    fn patience(&self, head: &Parts, body: &Incoming, until: Instant) -> Result<Patience, Fault> {
        if head.method != Method::POST {
            return Err(Fault::Method);
        }
        let limits = &self.ingest.limits;
        let length = declared_length(body, limits)?.unwrap_or(limits.body / UNDECLARED);
        Ok(Patience { need: self.needed(length, Coding::of(&head.headers)?), until })
    }

    /// What a body of `length` bytes is waited for with: itself, and as much again for its drafts.
    fn needed(&self, length: usize, coding: Coding) -> usize {
        let plain = if coding == Coding::Identity { length } else { length.saturating_mul(GROWTH) };
        let limit = self.ingest.intake.limit();
        plain.saturating_mul(2).saturating_add(DRAFTS).min(limit).max(length)
    }

    async fn seal(
        &self,
        body: Body,
        claimant: Claimant,
        loss: &mut Unsettled<'_>,
    ) -> Result<(Receipt, u64, Rejected), Fault> {
        let (request, rejected) =
            self.ingest.work(body, claimant, |bytes, request| draft(bytes, request)).await?;
        let Counted { usable, filtered, rejected: refused, .. } = request.counted();
        loss.items = usable + refused;
        let request = request.finish()?;
        // From here on the writer has it, whether the sender stays or not.
        loss.settle();
        let receipt = request.send().sealed().await?;
        Ok((receipt, filtered, rejected))
    }
}

fn sealed(receipt: Receipt, filtered: u64, rejected: &Rejected) -> Response {
    let Receipt { sealed, duplicate, conflict, .. } = receipt;
    let mut body =
        json!({"sealed": sealed, "duplicate": duplicate, "conflict": conflict, "filtered": filtered});
    rejected.tell(&mut body);
    json(StatusCode::OK, &body, None)
}

/// Drafts each item that can become a record.
fn draft(bytes: &[u8], request: &mut RequestBuilder) -> Result<Rejected, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Fault::Undecodable(format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let (_, items) = split(text, &MOST).map_err(|error| Fault::Undecodable(format!("not JSON: {error}")))?;
    request.allow_slices();
    let mut rejected = Rejected::default();
    for (at, item) in items.into_iter().enumerate() {
        let _item = charge::passing();
        let parsed = match parse(item) {
            Ok(parsed) => parsed,
            Err(error) => {
                rejected.add(at, format_args!("not JSON: {error}"), request);
                continue;
            }
        };
        match litellm::event(&parsed) {
            Ok(Some(mut event)) => match request.tenants.of(event.tenant.as_deref()) {
                Ok((tenant, other)) => {
                    event.facts.extend(overruled(other));
                    request.push(&event, &tenant)?;
                }
                Err(error) => rejected.add(at, error, request),
            },
            Ok(None) => request.filter(1),
            Err(unusable) => rejected.add(at, unusable, request),
        }
    }
    Ok(rejected)
}

fn refuse(fault: &Fault) -> Response {
    let row = fault.row();
    let error = json!({"error": {"code": fault.name(), "message": shorten(fault.to_string())}});
    let mut response = json(row.http, &error, row.retry_after);
    if *fault == Fault::Method {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// A request of which it is not known yet what becomes of it. Dropped so, its sender has gone, and what
/// it sent is lost.
struct Unsettled<'a> {
    gaps: Option<&'a Gaps>,
    tenant: Option<Tenant>,
    bytes: u64,
    items: u64,
    /// The sender broke off.
    broken: bool,
    open: bool,
}

impl<'a> Unsettled<'a> {
    fn new(gaps: Option<&'a Gaps>, tenant: Option<Tenant>) -> Self {
        Self { gaps, tenant, bytes: 0, items: 0, broken: false, open: true }
    }

    fn loss(&self) -> Loss<'_> {
        Loss { items: self.items, ..Loss::of_body(RECEIVER, self.tenant.as_ref(), self.bytes) }
    }

    fn settle(&mut self) {
        self.open = false;
    }

    fn refused(&mut self, fault: &Fault) {
        self.open = false;
        if let Some(gaps) = self.gaps {
            gaps.refused(Sender::SendsOnce, fault, self.loss());
        }
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if let Some(gaps) = self.gaps.filter(|_| self.open) {
            gaps.note(Loss { reason: "abandoned", ..self.loss() });
        }
    }
}
