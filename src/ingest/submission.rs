//! A request in the writer's hands, until it has its receipt.

use super::request::{Counted, Request, RequestBuilder};
use super::slices::Slices;
use super::tap::Sealing;
use super::{Ingest, contain};
use crate::checkpointer::receipts::list;
use crate::hold::Hold;
use crate::net::status::Fault;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::{Pending, Permit};
use crate::pipeline::items::{Divided, Items};
use crate::tee::Kept;
use halod_record::draft::{Draft, Scratch};
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use std::sync::Arc;

/// A request whose drafts are in the writer's hands.
#[derive(Debug)]
#[must_use = "nothing may be acknowledged before it is sealed"]
pub struct Submission {
    receipt: Option<Pending>,
    slices: Slices,
    rest: Rest,
}

/// What is done when a request is sealed.
#[derive(Debug)]
struct Rest {
    ingest: Arc<Ingest>,
    kept: Kept,
    counted: Counted,
    /// Why the first of the rejected items was.
    reason: Option<String>,
    tenant: Option<Tenant>,
    sealing: Option<Sealing>,
}

impl Rest {
    /// Passes the request on, and tells what of it is lost.
    fn done(self, receipt: &Receipt) {
        let Self { ingest, kept, counted, reason, tenant, sealing } = self;
        kept.forward();
        ingest.lost(counted.rejected, tenant.as_ref());
        let (tap, name) = (&ingest.tap, ingest.stats.name);
        tap.sealed(name, sealing, receipt);
        let told = [
            ("filtered", counted.filtered, "it tells of no action of an agent"),
            ("rejected", counted.rejected, reason.as_deref().unwrap_or_default()),
        ];
        for (what, items, why) in told {
            tap.not_sealed(what, name, tenant.as_ref(), items, why);
        }
    }
}

impl Submission {
    pub(super) fn new(request: Request, detailed: bool) -> Self {
        let (Content { drafts, permit, .. }, items, slices, rest) = divide(request);
        let batch = Batch::new(drafts, permit).told_to(items);
        let batch = if detailed { batch.in_detail() } else { batch };
        let batch = batch.placing(rest.ingest.receipts.is_some());
        Self { receipt: hand_over(&rest.ingest, batch), slices, rest }
    }

    /// Waits until all of it is sealed, passes the request on, and tells what of it is lost.
    ///
    /// # Errors
    /// A retryable refusal: none of it, or only parts that may be sent again without harm, is sealed.
    pub async fn sealed(self) -> Result<Receipt, Fault> {
        let (before, listing) = self.slices.sealed().await?;
        let mut receipt = match self.receipt {
            Some(pending) => pending.await?,
            None => Receipt::default(),
        };
        if let Some(receipts) = &self.rest.ingest.receipts {
            let mut listing = listing.unwrap_or_else(|| receipts.listing());
            list(&mut listing, receipt.placed());
            receipt.signed = receipts.sign(listing).map(Box::new);
        }
        if before != Receipt::default() {
            receipt += before;
        }
        self.rest.done(&receipt);
        Ok(receipt)
    }
}

impl Request {
    /// Sends the request and waits until it is sealed. Actions that are told in parts are sealed when they are
    /// whole, and kept on disk by `hold` until then.
    ///
    /// # Errors
    /// As [`Submission::sealed`].
    pub async fn assemble(self, hold: &Hold) -> Result<Receipt, Fault> {
        if self.builder.parts.is_empty() {
            return self.send().sealed().await;
        }
        let (content, items, _, rest) = divide(self);
        let mut items = Some(items);
        let receipt = seal_whole(&rest.ingest, hold, content, &mut items).await.inspect_err(|_| {
            // Those that the writer has are counted there.
            if let Some(items) = items.take() {
                items.refuse();
            }
        })?;
        rest.done(&receipt);
        Ok(receipt)
    }
}

/// What of a request is to be sealed.
struct Content {
    drafts: Vec<Draft>,
    parts: Vec<crate::hold::Item>,
    weights: Vec<(RecordId, u64)>,
    scratch: Scratch,
    permit: Permit,
}

/// The items are those of the drafts.
fn divide(Request { builder, items }: Request) -> (Content, Items, Slices, Rest) {
    let (counted, tenant) = (builder.counted(), builder.tenants.known());
    let reason = builder.first_reason().map(str::to_owned);
    let even = builder.uneven.is_empty() && builder.parts.is_empty();
    let weights = if even { Vec::new() } else { builder.weights_of(&builder.drafts) };
    let RequestBuilder { ingest, drafts, parts, kept, scratch, permit, slices, uneven, .. } = builder;
    let items = if uneven.is_empty() { items } else { items.weighing(weights.clone()) };
    let content = Content { drafts, parts, weights, scratch, permit };
    let sealing = ingest.tap.sealing(&content.drafts);
    (content, items, slices, Rest { ingest, kept, counted, reason, tenant, sealing })
}

/// Seals the drafts, and of the parts those whose actions are whole. `items` are taken when the writer gets the
/// drafts.
async fn seal_whole(
    ingest: &Ingest,
    hold: &Hold,
    content: Content,
    items: &mut Option<Items>,
) -> Result<Receipt, Fault> {
    let Content { mut drafts, parts, weights, mut scratch, mut permit } = content;
    let told = Divided { usable: parts.len() as u64, ..Divided::default() };
    let mut ready = hold.put(parts, ingest.stats.items.receive(told)).await?;
    let builder = Arc::clone(&ingest.builder);
    // Drafting takes some ten microseconds a message.
    let many = ready.len() > 100;
    let draft = move || {
        contain(|| {
            let whole = ready.drafts(&builder, &mut scratch);
            Ok((ready, whole))
        })
    };
    let drafted =
        if many { tokio::task::spawn_blocking(draft).await.unwrap_or(Err(Fault::Crashed)) } else { draft() };
    let (ready, whole) = drafted?;
    drafts.extend(whole);
    permit.grow_to(drafts.iter().map(Draft::weight).sum())?;
    let mut batch = Batch::new(drafts, permit).told_to(ready);
    if let Some(items) = items.take() {
        batch = batch.told_to(items.weighing(weights));
    }
    match hand_over(ingest, batch) {
        Some(pending) => Ok(pending.await?),
        None => Ok(Receipt::default()),
    }
}

/// `None` for a batch of nothing, which the writer need not see.
fn hand_over(ingest: &Ingest, batch: Batch) -> Option<Pending> {
    if batch.drafts.is_empty() {
        let nothing = Receipt::default();
        batch.accounts.into_iter().for_each(|account| account.settle(Ok(&nothing)));
        return None;
    }
    Some(ingest.intake.send(batch.limited(ingest.limited)))
}
