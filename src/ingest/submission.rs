//! A request in the writer's hands, until it has its receipt.

use super::request::{Request, RequestBuilder};
use super::{Ingest, contain};
use crate::hold::Hold;
use crate::net::status::Fault;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::{Pending, Permit};
use crate::pipeline::items::{Divided, Items};
use crate::tee::Kept;
use halod_record::draft::{Draft, Scratch};
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::sync::Arc;

/// A request whose drafts are in the writer's hands.
#[derive(Debug)]
#[must_use = "nothing may be acknowledged before it is sealed"]
pub struct Submission {
    receipt: Option<Pending>,
    rest: Rest,
}

/// What is done when a request is sealed.
#[derive(Debug)]
struct Rest {
    ingest: Arc<Ingest>,
    kept: Kept,
    rejected: u64,
    tenant: Option<Tenant>,
}

impl Rest {
    /// Passes the request on, and tells what of it is lost.
    fn done(self) {
        self.kept.forward();
        self.ingest.lost(self.rejected, self.tenant.as_ref());
    }
}

impl Submission {
    pub(super) fn new(request: Request, detailed: bool) -> Self {
        let (Content { drafts, permit, .. }, items, rest) = divide(request);
        let batch = Batch::new(drafts, permit).told_to(items);
        let batch = if detailed { batch.in_detail() } else { batch };
        Self { receipt: hand_over(&rest.ingest, batch), rest }
    }

    /// Waits until all of it is sealed, passes the request on, and tells what of it is lost.
    ///
    /// # Errors
    /// A retryable refusal: none of it, or only parts that may be sent again without harm, is sealed.
    pub async fn sealed(self) -> Result<Receipt, Fault> {
        let receipt = match self.receipt {
            Some(pending) => pending.await?,
            None => Receipt::default(),
        };
        self.rest.done();
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
        let (content, items, rest) = divide(self);
        let mut items = Some(items);
        let receipt = seal_whole(&rest.ingest, hold, content, &mut items).await.inspect_err(|_| {
            // Those that the writer has are counted there.
            if let Some(items) = items.take() {
                items.refuse();
            }
        })?;
        rest.done();
        Ok(receipt)
    }
}

/// What of a request is to be sealed.
struct Content {
    drafts: Vec<Draft>,
    parts: Vec<crate::hold::Item>,
    uneven: HashMap<RecordId, u64>,
    scratch: Scratch,
    permit: Permit,
}

/// The items are those of the drafts.
fn divide(Request { builder, items }: Request) -> (Content, Items, Rest) {
    let (rejected, tenant) = (builder.counted().rejected, builder.tenants.known());
    let RequestBuilder { ingest, drafts, parts, uneven, kept, scratch, permit, .. } = builder;
    let items = if uneven.is_empty() { items } else { items.weighing(weights(&drafts, &uneven)) };
    (Content { drafts, parts, uneven, scratch, permit }, items, Rest { ingest, kept, rejected, tenant })
}

/// How many items each draft tells of.
fn weights(drafts: &[Draft], uneven: &HashMap<RecordId, u64>) -> Vec<(RecordId, u64)> {
    let weight = |draft: &Draft| (draft.id(), uneven.get(&draft.id()).copied().unwrap_or(1));
    drafts.iter().map(weight).collect()
}

/// Seals the drafts, and of the parts those whose actions are whole. `items` are taken when the writer gets the
/// drafts.
async fn seal_whole(
    ingest: &Ingest,
    hold: &Hold,
    content: Content,
    items: &mut Option<Items>,
) -> Result<Receipt, Fault> {
    let Content { mut drafts, parts, uneven, mut scratch, mut permit } = content;
    let weights = weights(&drafts, &uneven);
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
    permit.grow_to(drafts.iter().map(|draft| size_of::<Draft>() + draft.len()).sum())?;
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
    Some(ingest.intake.send(batch))
}
