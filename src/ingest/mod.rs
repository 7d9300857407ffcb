//! The one way from a receiver to the writer: whose it is, what it costs, drafts, parts, counts, the receipt.
//!
//! ```text
//! read: admit, take in, unpack ─▶ work: parse, adapt, push on a RequestBuilder ─▶ finish ─▶ Request
//!   └─ kept as it came                  charge, draft, reject, filter                │ unusable: refused
//!                                                                                    ▼
//!                    tee ◀── sealed: receipt, losses told ◀── Submission ◀── send: counted, in order
//! ```
//!
//! Whether a request can be used at all is decided by [`RequestBuilder::finish`], before the writer or the tee
//! has anything of it.

mod body;
pub mod claim;
pub mod elsewhere;
pub mod gaps;
mod memory;
mod request;
pub mod requests;
mod slices;
pub mod stats;
mod submission;
pub mod tap;

pub use self::body::Body;
pub use self::request::{Counted, Request, RequestBuilder, Unusable};
pub use self::submission::Submission;

use self::gaps::{Gaps, Loss, Sender};
use self::requests::RequestEntry;
use self::stats::ReceiverStats;
use self::tap::Tap;
use crate::checkpointer::receipts::Receipts;
use crate::net::body::Reader;
use crate::net::limits::Limits;
use crate::net::status::Fault;
use crate::pipeline::intake::Intake;
use crate::tee::Tee;
use bytes::Bytes;
use halod_record::build::Builder;
use halod_record::tenant::Tenant;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// The way of one receiver at one listener, or of what comes in files.
#[derive(Debug)]
pub struct Ingest {
    pub intake: Intake,
    pub builder: Arc<Builder>,
    pub limits: Arc<Limits>,
    pub stats: Arc<ReceiverStats>,
    /// Where its requests are passed on to, if anywhere.
    pub tee: Tee,
    /// Where its losses are told; `None` where the sender is told of each item, or halod reads the file itself.
    pub gaps: Option<Gaps>,
    /// Whether its tenants' rates hold. They don't for files: one tenant's lines would keep all others' waiting.
    pub limited: bool,
    /// How its senders get receipts, if they do.
    pub receipts: Option<Receipts>,
    /// Where it is told what becomes of its requests.
    pub tap: Tap,
}

impl Ingest {
    /// The way of what halod reads from files itself.
    #[must_use]
    pub fn of_files(intake: Intake, builder: Arc<Builder>, stats: Arc<ReceiverStats>) -> Self {
        Self {
            intake,
            builder,
            limits: Arc::default(),
            stats,
            tee: Tee::default(),
            gaps: None,
            limited: false,
            receipts: None,
            tap: Tap::default(),
        }
    }

    /// The same, telling `tap` of its requests.
    #[must_use]
    pub fn told_to(self, tap: Tap) -> Self {
        Self { tap, ..self }
    }

    /// Counts a request that is refused, and notes what it held if its sender, which tries again what
    /// was refused for a while, will not send it again. Who broke off does.
    pub fn refused<B>(
        &self,
        entry: &mut RequestEntry,
        fault: &Fault,
        tenant: Option<&Tenant>,
        reader: &Reader<'_, B>,
    ) where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        entry.refuse_unless(reader.is_broken(), fault);
        if let Some(gaps) = self.gaps.as_ref().filter(|_| !reader.is_broken()) {
            gaps.refused(Sender::Retries, fault, Loss::of_body(self.stats.name, tenant, reader.length()));
        }
        self.tap.refused(self.stats.name, tenant, fault.name(), &fault.to_string());
        tracing::debug!(receiver = self.stats.name, fault = fault.name(), "request refused");
    }

    /// Notes items of a request that was taken which cannot become records.
    pub(crate) fn lost(&self, items: u64, tenant: Option<&Tenant>) {
        if let Some(gaps) = self.gaps.as_ref().filter(|_| items > 0) {
            gaps.note(Loss::of_items(self.stats.name, tenant, items));
        }
    }
}

/// Turns a panic into a fault of this one request. It is reported as transient: a fault of halod's
/// own must not make a sender throw its data away.
pub(crate) fn contain<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Crashed))
}

/// The same for work that waits.
pub(crate) async fn contain_future<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    let mut work = pin!(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(Fault::Crashed)),
    })
    .await
}
