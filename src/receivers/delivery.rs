//! What the receivers of JSON share: a request's body, the drafts that become of it, the receipt.
//!
//! ```text
//! read: admit, take in, decompress ─▶ work: parse, adapt, draft on a Sheet ─▶ submit ─▶ Receipt
//! ```

use super::bill::Bill;
use super::contain;
use super::stats::{Counters, Pending, ReceiverStats};
use crate::net::body::Reader;
use crate::net::coding::Coding;
use crate::net::limits::Limits;
use crate::net::status::Fault;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::{Intake, Permit};
use crate::record::build::Builder;
use crate::record::draft::{Draft, Scratch};
use crate::record::tenant::Tenant;
use bytes::Bytes;
use halo_adapters::event::Event;
use http::HeaderMap;
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The way from one receiver at one door to the chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub intake: Intake,
    pub builder: Arc<Builder>,
    pub limits: Arc<Limits>,
    pub counters: Arc<Counters>,
    /// Whose of the counters.
    pub stats: fn(&Counters) -> &ReceiverStats,
}

/// A body that has arrived whole, without compression.
#[derive(Debug)]
pub struct Body {
    pub bytes: Bytes,
    /// Covers `bytes`.
    pub permit: Permit,
    heavy: bool,
}

/// What a request comes to: its drafts, and its items by what became of them.
#[derive(Debug)]
pub struct Sheet {
    pub drafts: Vec<Draft>,
    /// Items that are told by a draft or kept elsewhere.
    pub items: u64,
    pub filtered: u64,
    pub rejected: u64,
    /// Why the first of the rejected ones was.
    pub first_reason: Option<String>,
    builder: Arc<Builder>,
    scratch: Scratch,
    bill: Bill,
    permit: Permit,
}

impl Delivery {
    /// The receiver's own counters.
    #[must_use]
    pub fn stats(&self) -> &ReceiverStats {
        (self.stats)(&self.counters)
    }

    /// Reads a request's body and decompresses it.
    ///
    /// # Errors
    /// As [`Reader::collect`] and [`Coding::decode`].
    pub async fn read(&self, headers: &HeaderMap, reader: &mut Reader<'_, Incoming>) -> Result<Body, Fault> {
        let coding = Coding::of(headers)?;
        let (bytes, permit) = reader.collect(&self.intake).await?;
        self.plain(coding, bytes, permit).await
    }

    /// The same under a permit that was given for it, which may cover more than the body.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_under(
        &self,
        permit: Permit,
        headers: &HeaderMap,
        reader: &mut Reader<'_, Incoming>,
    ) -> Result<Body, Fault> {
        let coding = Coding::of(headers)?;
        let (bytes, permit) = reader.collect_under(permit).await?;
        self.plain(coding, bytes, permit).await
    }

    async fn plain(&self, coding: Coding, bytes: Bytes, mut permit: Permit) -> Result<Body, Fault> {
        let limit = self.limits.body;
        if !coding.is_heavy(bytes.len()) {
            let bytes = contain(|| coding.decode(bytes, limit, &mut permit))?;
            // A little may hold a lot.
            return Ok(Body { heavy: Coding::Identity.is_heavy(bytes.len()), bytes, permit });
        }
        let inflate =
            move || contain(|| coding.decode(bytes, limit, &mut permit)).map(|bytes| (bytes, permit));
        let (bytes, permit) = tokio::task::spawn_blocking(inflate).await.unwrap_or(Err(Fault::Crashed))?;
        Ok(Body { bytes, permit, heavy: true })
    }

    /// Runs `work` on the body, off the workers when it is large. A panic is a fault of this request.
    ///
    /// # Errors
    /// What `work` says.
    pub async fn work<T, F>(&self, body: Body, work: F) -> Result<(Sheet, T), Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Bytes, &mut Sheet) -> Result<T, Fault> + Send + 'static,
    {
        let Body { bytes, permit, heavy } = body;
        let mut sheet = Sheet::new(Arc::clone(&self.builder), permit, bytes.len());
        let run = move || {
            contain(|| {
                let done = work(&bytes, &mut sheet)?;
                drop(bytes);
                sheet.permit.shrink_to(sheet.bill.held());
                Ok((sheet, done))
            })
        };
        if heavy { tokio::task::spawn_blocking(run).await.unwrap_or(Err(Fault::Crashed)) } else { run() }
    }

    /// Counts what a request came to and has its drafts sealed.
    ///
    /// # Errors
    /// A retryable refusal: none of it, or only parts that may be sent again without harm, is sealed.
    pub async fn submit(&self, sheet: Sheet) -> Result<Receipt, Fault> {
        let Sheet { drafts, items, filtered, rejected, permit, .. } = sheet;
        let stats = self.stats();
        stats.received.fetch_add(items + filtered + rejected, Relaxed);
        stats.filtered.fetch_add(filtered, Relaxed);
        stats.rejected.fetch_add(rejected, Relaxed);
        let pending = Pending::new([&stats.accepted, &stats.refused, &stats.abandoned], items);
        let receipt = if drafts.is_empty() {
            Ok(Receipt::default())
        } else {
            self.intake.submit(Batch { drafts, permit }).await
        };
        pending.end(receipt.is_ok());
        let receipt = receipt?;
        stats.requests.fetch_add(1, Relaxed);
        Ok(receipt)
    }
}

impl Sheet {
    /// A sheet for the items of a body of `body` bytes, which `permit` covers.
    #[must_use]
    pub fn new(builder: Arc<Builder>, permit: Permit, body: usize) -> Self {
        Self {
            drafts: Vec::new(),
            items: 0,
            filtered: 0,
            rejected: 0,
            first_reason: None,
            builder,
            scratch: Scratch::default(),
            bill: Bill::new(body),
            permit,
        }
    }

    /// Drafts one event, as one item.
    ///
    /// # Errors
    /// The drafts do not fit in flight.
    pub fn event(&mut self, event: &Event<'_>, tenant: &Tenant) -> Result<(), Fault> {
        let draft = self.builder.draft(event, tenant, &mut self.scratch);
        self.draft(draft)
    }

    /// Takes a draft, as one item.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn draft(&mut self, draft: Draft) -> Result<(), Fault> {
        self.items += 1;
        self.bill.add(size_of::<Draft>() + draft.len());
        self.drafts.push(draft);
        self.bill.pay(&mut self.permit)
    }

    /// Counts an item that cannot become a record, and keeps the first reason.
    pub fn reject(&mut self, reason: impl Into<String>) {
        self.rejected += 1;
        self.first_reason.get_or_insert_with(|| reason.into());
    }
}
