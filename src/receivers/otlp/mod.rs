//! The OTLP receiver: gRPC and HTTP, on any door, told apart by content type.
//!
//! ```text
//! request ─▶ grpc | http: who, what, how long ─▶ admit ─▶ read ─▶ decode: drafts ─▶ submit ─▶ answer
//!                                                           content of spans ─▶ join ─┘
//! ```
//!
//! Rules are those of the OTLP specification 1.11 (`docs/specification.md`) and of gRPC over
//! HTTP/2; `proto/` holds the messages. An answer of success means: linked and on disk.

mod decode;
pub mod file;
mod grpc;
mod http;
pub mod join;
mod lineage;
mod logs;
pub mod preview;
mod response;
pub mod scopes;
mod spans;
pub mod stats;
#[cfg(test)]
mod tests;

use self::decode::{Arrival, Decoded};
use self::join::Joins;
use self::response::Partial;
use self::stats::{OtlpStats, RECEIVER, SignalItems, Waiting};
use super::contain;
use super::gaps::{Gaps, Loss, Sender};
use super::requests::RequestEntry;
use super::stats::Counters;
use super::tenancy::{HeaderClaim, TenantRule};
use crate::net::answer::Reply;
use crate::net::body::Reader;
use crate::net::grpc::is_grpc;
use crate::net::limits::Limits;
use crate::net::status::Fault;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::Intake;
use crate::tee::Tee;
use ::http::{Request, Response, Uri};
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use halod_record::build::Builder;
use http_body::Body;
use hyper::body::Incoming;
use std::sync::Arc;

/// Why metrics come to nothing, said in a warning rather than an error: SDKs that send all signals
/// to one address would fail on it.
const METRICS_WARNING: &str =
    "metrics are accepted and not kept: halod makes records of what agents do, from traces and logs";

/// Answers OTLP requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OtlpService {
    shared: Arc<Shared>,
}

/// Goes with a request that another receiver took in, at a path of its own.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Whose it is, as far as that receiver knows.
    pub claim: HeaderClaim,
    /// Where it is passed on to, and as what it came.
    pub tee: Tee,
    pub uri: Uri,
    /// Where its items are counted.
    pub items: Option<Arc<SignalItems>>,
}

/// How requests are read, at whichever door they arrive.
#[derive(Debug)]
pub struct Reading {
    tenant: TenantRule,
    builder: Arc<Builder>,
    joins: Joins,
    tee: Tee,
}

impl Reading {
    #[must_use]
    pub fn new(tenant: TenantRule, builder: Arc<Builder>, joins: Joins) -> Self {
        Self { tenant, builder, joins, tee: Tee::default() }
    }

    /// The same, with what was sealed being passed on.
    #[must_use]
    pub fn with_tee(self, tee: Tee) -> Self {
        Self { tee, ..self }
    }
}

#[derive(Debug)]
struct Shared {
    intake: Intake,
    reading: Arc<Reading>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    gaps: Gaps,
}

impl OtlpService {
    #[must_use]
    pub fn new(
        intake: Intake,
        reading: Arc<Reading>,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
        gaps: Gaps,
    ) -> Self {
        Self { shared: Arc::new(Shared { intake, reading, limits, counters, gaps }) }
    }
}

impl OtlpService {
    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response<Reply> {
        if is_grpc(request.headers()) {
            grpc::answer(&self.shared, request, entry).await
        } else {
            http::answer(&self.shared, request, entry).await
        }
    }
}

impl Shared {
    fn stats(&self) -> &OtlpStats {
        &self.counters.otlp
    }

    /// Notes what a sender that was refused does not send again. Whoever broke off does.
    fn lost<B>(&self, fault: &Fault, claim: &HeaderClaim, reader: &Reader<'_, B>)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if !reader.is_broken() {
            let tenant = claim.known();
            let loss = Loss::of_body(RECEIVER, tenant.as_ref(), reader.length());
            self.gaps.refused(Sender::Retries, fault, loss);
        }
    }

    /// Takes a request that has arrived: decodes it and has it sealed.
    async fn export(self: &Arc<Self>, items: &SignalItems, arrival: Arrival) -> Result<Partial, Fault> {
        let signal = arrival.signal;
        let tenant = arrival.claim.known();
        let decoded = self.decode(arrival).await?;
        self.stats().filtered.add(signal, &decoded.filtered_by);
        let items = items.of(signal).receive(decoded.divided()).weighing(decoded.weights());
        let partial = partial(signal, &decoded)?;
        let Decoded { mut drafts, shares, joined, permit, .. } = decoded;
        if !shares.is_empty() {
            let hold = self.reading.joins.hold(shares);
            let _waiting = Waiting::new(self.stats());
            drafts.extend(hold.end().await);
        }
        let sealed = if drafts.is_empty() {
            // Content that spans have taken is on disk with them.
            items.seal(&Receipt::default());
            Ok(())
        } else {
            self.intake.send(Batch::new(drafts, permit).told_to(items)).await.map(drop)
        };
        joined.settle(sealed.is_ok());
        sealed?;
        // Of a request that is refused its sender sends all again.
        if partial.rejected > 0 {
            self.gaps.note(Loss::of_items(RECEIVER, tenant.as_ref(), partial.rejected));
        }
        Ok(partial)
    }

    async fn decode(self: &Arc<Self>, mut arrival: Arrival) -> Result<Decoded, Fault> {
        let limit = self.limits.body;
        if !arrival.is_heavy() {
            // A little gzip may hold a lot, so its size is looked at again.
            arrival = contain(|| arrival.inflate(limit))?;
        }
        if !arrival.is_heavy() {
            return contain(|| arrival.decode(&self.reading, limit));
        }
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || contain(|| arrival.decode(&shared.reading, limit)))
            .await
            .unwrap_or(Err(Fault::Crashed))
    }
}

/// What of a request was not taken.
///
/// # Errors
/// `Undecodable` when not one item can be used: that is no partial success.
fn partial(signal: Signal, decoded: &Decoded) -> Result<Partial, Fault> {
    let rejected = decoded.invalid + decoded.misplaced;
    if rejected > 0 {
        let reason = decoded.first_reason.as_deref().unwrap_or("no reason is known");
        let items = match signal {
            Signal::Traces => "spans",
            Signal::Logs => "log records",
            Signal::Metrics => "data points",
        };
        let message =
            format!("{rejected} of {} {items} cannot be used; the first: {reason}", decoded.received);
        return if rejected == decoded.received {
            Err(Fault::Undecodable(message))
        } else {
            Ok(Partial { rejected, message })
        };
    }
    Ok(match signal {
        Signal::Metrics => Partial { rejected: 0, message: METRICS_WARNING.into() },
        Signal::Traces | Signal::Logs => Partial::default(),
    })
}
