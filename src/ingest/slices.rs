//! A large request is sealed in slices while it is read, so that its drafts are never in memory all at once. It is
//! answered once, after the last slice.

use super::request::RequestBuilder;
use crate::checkpointer::receipts::list;
use crate::net::status::Fault;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::Pending;
use crate::pipeline::items::Divided;
use crate::pipeline::refusal::Refusal;
use halod_evidence::receipt::Listing;
use halod_record::charge;

/// What part of all room the drafts of one slice take: two are held at a time, one that is made and one that is
/// sealed.
const SHARE: usize = 16;

/// What of a request was handed over before it was read to its end.
#[derive(Debug, Default)]
pub(super) struct Slices {
    /// Whether slices may be handed over: the work is on a thread that may wait.
    pub(super) on_blocking_thread: bool,
    /// Bytes of drafts that make a slice, where the receiver allows any.
    size: Option<usize>,
    pending: Option<Pending>,
    /// Of those that are sealed.
    receipt: Receipt,
    /// Their records, where the sender gets a receipt.
    listing: Option<Listing>,
    /// Items of all of them.
    pub(super) items: u64,
}

impl Slices {
    fn wait(&mut self) -> Result<(), Refusal> {
        if let Some(pending) = self.pending.take() {
            let receipt = pending.wait()?;
            self.add(receipt);
        }
        Ok(())
    }

    fn add(&mut self, receipt: Receipt) {
        if let Some(listing) = &mut self.listing {
            list(listing, receipt.placed());
        }
        self.receipt += receipt;
    }

    /// The receipt of all slices, and the list of their records.
    ///
    /// # Errors
    /// The last one was refused.
    pub(super) async fn sealed(mut self) -> Result<(Receipt, Option<Listing>), Refusal> {
        if let Some(pending) = self.pending.take() {
            let receipt = pending.await?;
            self.add(receipt);
        }
        Ok((self.receipt, self.listing))
    }
}

impl RequestBuilder {
    /// Lets drafts be sealed before the request is read to its end. From here on the request can no longer turn out
    /// to be unusable as a whole. A small request, which is read on a worker, stays whole.
    pub fn allow_slices(&mut self) {
        if self.slices.on_blocking_thread {
            self.slices.size = Some(self.ingest.intake.limit() / SHARE);
        }
    }

    /// Makes sure that there is room for one slice beside what was read, so that no slice is a draft or two: a
    /// request that kept the room full for thousands of commits would keep others out.
    ///
    /// # Errors
    /// There is none.
    pub fn keep_room_for_a_slice(&self) -> Result<(), Fault> {
        let _slice = charge::passing();
        Ok(charge::take(self.slices.size.unwrap_or(0))?)
    }

    /// Where there is no room for so many bytes more, has the drafts that are here sealed, and waits for their room.
    ///
    /// # Errors
    /// They were refused.
    pub fn make_room(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.slices.size.is_some() && !self.drafts.is_empty() && !self.has_room(bytes) {
            self.hand_over_slice()?;
            self.slices.wait()?;
        }
        Ok(())
    }

    /// Pays for a draft, which stands behind the others already. Where there is no room, that of the drafts before it
    /// is waited for. Drafts that make a slice are handed over.
    pub(super) fn charge_draft(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.slices.size.is_some() {
            let last = self.drafts.pop();
            self.make_room(bytes)?;
            self.drafts.extend(last);
        }
        self.draft_bytes += bytes;
        self.charge(bytes)?;
        match self.slices.size {
            Some(size) if self.draft_bytes >= size => self.hand_over_slice(),
            _ => Ok(()),
        }
    }

    fn hand_over_slice(&mut self) -> Result<(), Fault> {
        self.slices.wait()?;
        let drafts = std::mem::take(&mut self.drafts);
        let bytes = std::mem::take(&mut self.draft_bytes);
        let weights = self.weights_of(&drafts);
        let usable = weights.iter().map(|(_, items)| items).sum();
        let items = self.ingest.stats.items.receive(Divided { usable, ..Divided::default() });
        let items = if self.uneven.is_empty() { items } else { items.weighing(weights) };
        let permit = self.take_out(bytes);
        self.slices.items += usable;
        let receipts = &self.ingest.receipts;
        if let (None, Some(receipts)) = (&self.slices.listing, receipts) {
            self.slices.listing = Some(receipts.listing());
        }
        let batch = Batch::new(drafts, permit).told_to(items).limited(self.ingest.limited);
        let batch = batch.placing(receipts.is_some());
        self.slices.pending = Some(self.ingest.intake.send(batch));
        Ok(())
    }
}
