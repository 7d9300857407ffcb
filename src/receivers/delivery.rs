//! What the receivers of JSON share: a request's body, the drafts that become of it, the receipt.
//!
//! ```text
//! read: admit, take in, decompress ─▶ work: parse, adapt, draft on a Sheet ─▶ submit ─▶ Receipt
//!   └─ kept as it came ───────────────────────────────────────────────────────────────────┴─▶ tee
//! ```

use super::bill::Bill;
use super::contain;
use super::gaps::{Gaps, Loss, Sender};
use super::requests::RequestEntry;
use super::stats::{Counters, ReceiverStats};
use crate::hold::{Hold, Item};
use crate::net::body::Reader;
use crate::net::coding::Coding;
use crate::net::limits::Limits;
use crate::net::status::Fault;
use crate::pipeline::arriving::Patience;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::{Intake, Pending, Permit};
use crate::pipeline::items::{Divided, Items};
use crate::tee::{Kept, Tee};
use bytes::Bytes;
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use halod_record::event::Event;
use halod_record::fragment::Fragment;
use halod_record::tenant::Tenant;
use http::request::Parts;
use hyper::body::Incoming;
use std::sync::Arc;

/// The way from one receiver at one door to the chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub intake: Intake,
    pub builder: Arc<Builder>,
    pub limits: Arc<Limits>,
    pub counters: Arc<Counters>,
    /// Whose of the counters.
    pub stats: fn(&Counters) -> &ReceiverStats,
    /// Where its requests are passed on to, if anywhere.
    pub tee: Tee,
    /// Where it says what is lost.
    pub gaps: Gaps,
}

/// A body that has arrived whole, without compression.
#[derive(Debug)]
pub struct Body {
    pub bytes: Bytes,
    /// Covers `bytes`.
    pub permit: Permit,
    kept: Kept,
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
    /// Messages that tell an action in parts, for the hold.
    fragments: Vec<Item>,
    /// The request itself, to be passed on when it has its receipt.
    pub kept: Kept,
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
        let stats = self.stats();
        entry.refuse_unless(reader.is_broken(), fault);
        if !reader.is_broken() {
            self.gaps.refused(Sender::Retries, fault, Loss::of_body(stats.name, tenant, reader.length()));
        }
        tracing::debug!(receiver = stats.name, fault = fault.name(), "request refused");
    }

    /// Notes items of a request that was taken which cannot become records.
    pub fn unusable(&self, items: u64, tenant: Option<&Tenant>) {
        if items > 0 {
            self.gaps.note(Loss::of_items(self.stats().name, tenant, items));
        }
    }

    /// Reads a request's body and decompresses it. The request is kept as it came, for the tee:
    /// [`Sent::sealed`] passes it on when it has a receipt.
    ///
    /// # Errors
    /// As [`Reader::collect`] and [`Coding::decode`].
    pub async fn read(&self, head: &Parts, reader: &mut Reader<'_, Incoming>) -> Result<Body, Fault> {
        let coding = Coding::of(&head.headers)?;
        let (bytes, permit) = reader.collect(&self.intake).await?;
        let kept = self.tee.keep(head, &bytes);
        let body = self.unpack(coding, bytes, permit).await?;
        Ok(Body { kept, ..body })
    }

    /// The same for a sender that does not send again: halod waits for room.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_by(
        &self,
        patience: Patience,
        head: &Parts,
        reader: &mut Reader<'_, Incoming>,
    ) -> Result<Body, Fault> {
        let coding = Coding::of(&head.headers)?;
        let (bytes, permit) = reader.collect_by(&self.intake, patience).await?;
        let kept = self.tee.keep(head, &bytes);
        let body = self.unpack(coding, bytes, permit).await?;
        Ok(Body { kept, ..body })
    }

    /// Decompresses a body that has arrived.
    ///
    /// # Errors
    /// As [`Coding::decode`].
    pub async fn unpack(&self, coding: Coding, bytes: Bytes, mut permit: Permit) -> Result<Body, Fault> {
        let kept = Kept::default();
        let limit = self.limits.body;
        if !coding.is_heavy(bytes.len()) {
            let bytes = contain(|| coding.decode(bytes, limit, &mut permit))?;
            // A little may hold a lot.
            return Ok(Body { heavy: Coding::Identity.is_heavy(bytes.len()), bytes, permit, kept });
        }
        let inflate =
            move || contain(|| coding.decode(bytes, limit, &mut permit)).map(|bytes| (bytes, permit));
        let (bytes, permit) = tokio::task::spawn_blocking(inflate).await.unwrap_or(Err(Fault::Crashed))?;
        Ok(Body { bytes, permit, kept, heavy: true })
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
        let Body { bytes, permit, kept, heavy } = body;
        let mut sheet = Sheet::new(Arc::clone(&self.builder), permit, bytes.len());
        sheet.kept = kept;
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

    /// Why a request is no success, if nothing of it can be used; its items are counted then. To be asked
    /// before it is submitted: what was submitted counts as a success, and is passed on.
    #[must_use]
    pub fn nothing_of(&self, sheet: &Sheet) -> Option<Fault> {
        if sheet.rejected == 0 || sheet.items + sheet.filtered > 0 {
            return None;
        }
        drop(self.count(sheet));
        let reason = sheet.first_reason.as_deref().unwrap_or("no reason is known");
        Some(Fault::Undecodable(format!("no item can be used; {reason}")))
    }

    /// Counts what a request came to and hands its drafts to the writer, in the order of these calls.
    pub fn send(&self, sheet: Sheet) -> Sent {
        let items = self.count(&sheet);
        let Sheet { drafts, kept, permit, .. } = sheet;
        Sent { receipt: self.hand_over(Batch::new(drafts, permit).told_to(items)), kept }
    }

    /// The same, for a receipt that tells of each draft.
    pub fn send_for_detail(&self, sheet: Sheet) -> Sent {
        let items = self.count(&sheet);
        let Sheet { drafts, kept, permit, .. } = sheet;
        Sent { receipt: self.hand_over(Batch::new(drafts, permit).told_to(items).in_detail()), kept }
    }

    /// As [`Self::send`], to its end; actions that are told in parts are sealed when they are whole, and
    /// kept on disk by `hold` until then.
    ///
    /// # Errors
    /// As [`Sent::sealed`].
    pub async fn submit_to(&self, hold: &Hold, mut sheet: Sheet) -> Result<Receipt, Fault> {
        let mut items = Some(self.count(&sheet));
        let kept = std::mem::take(&mut sheet.kept);
        let receipt = self.seal_whole(hold, sheet, &mut items).await.inspect_err(|_| {
            // Those that the writer has are counted there.
            if let Some(items) = items.take() {
                items.refuse();
            }
        })?;
        kept.forward();
        Ok(receipt)
    }

    /// `items` are those of the sheet's drafts, and are taken when the writer gets these.
    async fn seal_whole(
        &self,
        hold: &Hold,
        sheet: Sheet,
        items: &mut Option<Items>,
    ) -> Result<Receipt, Fault> {
        let Sheet { mut drafts, fragments, mut permit, mut scratch, .. } = sheet;
        if fragments.is_empty() {
            let batch = Batch::new(drafts, permit);
            let told = items.take().into_iter().fold(batch, Batch::told_to);
            return self.seal(told).await;
        }
        let weights = drafts.iter().map(|draft| (draft.id(), 1)).collect();
        let told = Divided { usable: fragments.len() as u64, ..Divided::default() };
        let mut ready = hold.put(fragments, self.stats().items.receive(told)).await?;
        let ready_len = ready.len();
        let builder = Arc::clone(&self.builder);
        let draft = move || {
            contain(|| {
                let whole = ready.drafts(&builder, &mut scratch);
                Ok((ready, whole))
            })
        };
        // Drafting takes some ten microseconds a message.
        let many = ready_len > 100;
        let drafted = if many {
            tokio::task::spawn_blocking(draft).await.unwrap_or(Err(Fault::Crashed))
        } else {
            draft()
        };
        let (ready, whole) = drafted?;
        drafts.extend(whole);
        permit.grow_to(drafts.iter().map(|draft| size_of::<Draft>() + draft.len()).sum())?;
        let mut batch = Batch::new(drafts, permit).told_to(ready);
        if let Some(items) = items.take() {
            batch = batch.told_to(items.weighing(weights));
        }
        self.seal(batch).await
    }

    async fn seal(&self, batch: Batch) -> Result<Receipt, Fault> {
        match self.hand_over(batch) {
            Some(pending) => Ok(pending.await?),
            None => Ok(Receipt::default()),
        }
    }

    /// `None` for a batch of nothing, which the writer need not see.
    fn hand_over(&self, batch: Batch) -> Option<Pending> {
        if batch.drafts.is_empty() {
            let nothing = Receipt::default();
            batch.accounts.into_iter().for_each(|account| account.settle(Ok(&nothing)));
            return None;
        }
        Some(self.intake.send(batch))
    }

    /// Counts what a request came to, its messages for the hold aside.
    fn count(&self, sheet: &Sheet) -> Items {
        let Sheet { items, filtered, rejected, fragments, drafts, .. } = sheet;
        let usable = items - fragments.len() as u64;
        let divided = Divided { usable, filtered: *filtered, invalid: *rejected, misplaced: 0 };
        let items = self.stats().items.receive(divided);
        if drafts.len() as u64 == usable {
            return items;
        }
        // Notices are no items.
        items.weighing(drafts.iter().map(|draft| (draft.id(), u64::from(draft.notice().is_none()))).collect())
    }
}

/// A request whose drafts are in the writer's hands.
#[derive(Debug)]
#[must_use = "nothing may be acknowledged before it is sealed"]
pub struct Sent {
    receipt: Option<Pending>,
    kept: Kept,
}

impl Sent {
    /// Waits until all of it is sealed, and passes the request on.
    ///
    /// # Errors
    /// A retryable refusal: none of it, or only parts that may be sent again without harm, is sealed.
    pub async fn sealed(self) -> Result<Receipt, Fault> {
        let receipt = match self.receipt {
            Some(pending) => pending.await?,
            None => Receipt::default(),
        };
        self.kept.forward();
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
            fragments: Vec::new(),
            kept: Kept::default(),
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
        self.notice(draft)
    }

    /// Takes what halod says by itself: no item, as nobody sent it.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn notice(&mut self, draft: Draft) -> Result<(), Fault> {
        self.bill.add(size_of::<Draft>() + draft.len());
        self.drafts.push(draft);
        self.bill.pay(&mut self.permit)
    }

    /// Takes a message that tells an action in parts, as one item. `tenant` is whose it is where the
    /// sender's credentials or headers tell; else the messages themselves do.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn fragment(&mut self, fragment: Fragment<'_>, tenant: Option<Tenant>) -> Result<(), Fault> {
        let message = self.builder.reduce(fragment, &mut self.scratch);
        self.items += 1;
        self.bill.add(size_of::<Item>() + message.weight());
        self.fragments.push(Item { tenant, message });
        self.bill.pay(&mut self.permit)
    }

    /// Counts an item that cannot become a record, and keeps the first reason.
    pub fn reject(&mut self, reason: impl Into<String>) {
        self.rejected += 1;
        self.first_reason.get_or_insert_with(|| reason.into());
    }
}
