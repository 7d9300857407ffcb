//! What one request comes to, from its first event to its hand-over.

use super::Ingest;
use super::claim::{Claimant, TenantResolver};
use super::memory::MemoryCharge;
use super::slices::Slices;
use super::submission::Submission;
use crate::hold::Item;
use crate::net::status::Fault;
use crate::pipeline::intake::{Intake, Permit};
use crate::pipeline::items::{Divided, Items};
use crate::tee::Kept;
use halod_record::build::Builder;
use halod_record::charge;
use halod_record::draft::{Draft, Scratch};
use halod_record::event::Event;
use halod_record::fragment::Fragment;
use halod_record::ids::RecordId;
use halod_record::native::{Capture, Record};
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::sync::Arc;

/// A request's items by what became of them, while it is read.
#[derive(Debug)]
pub struct RequestBuilder {
    /// Whose an event is.
    pub tenants: TenantResolver,
    pub(super) ingest: Arc<Ingest>,
    pub(super) drafts: Vec<Draft>,
    /// Messages that tell an action in parts, for the hold.
    pub(super) parts: Vec<Item>,
    /// Drafts that do not tell of one item each, and of how many they do.
    pub(super) uneven: HashMap<RecordId, u64>,
    pub(super) kept: Kept,
    pub(super) scratch: Scratch,
    pub(super) permit: Permit,
    pub(super) slices: Slices,
    /// Bytes of the drafts that are here.
    pub(super) draft_bytes: usize,
    counted: Counted,
    first_reason: Option<String>,
    charge: MemoryCharge,
}

/// How many items of a request were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Items that are told by a draft or kept elsewhere.
    pub usable: u64,
    pub filtered: u64,
    /// Items that cannot become a record, by themselves or because of their tenant.
    pub rejected: u64,
    /// Of these, the ones whose tenant cannot be used.
    pub misplaced: u64,
}

impl Counted {
    /// All items.
    #[must_use]
    pub fn received(self) -> u64 {
        self.usable + self.filtered + self.rejected
    }
}

/// A request of which something can be used, or nothing had to be rejected. Its items are in flight.
#[derive(Debug)]
#[must_use = "its items are counted as abandoned when it is dropped"]
pub struct Request {
    pub(super) builder: RequestBuilder,
    pub(super) items: Items,
}

/// A request of which no item can be used: an error for its sender, and nothing for the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub items: u64,
    /// Why the first of them was rejected.
    pub reason: String,
}

impl From<Unusable> for Fault {
    fn from(unusable: Unusable) -> Self {
        Self::Undecodable(format!("no item can be used; {}", unusable.reason))
    }
}

impl RequestBuilder {
    /// For the items of a body of `body` bytes, which `permit` covers.
    #[must_use]
    pub fn new(ingest: Arc<Ingest>, claimant: impl Into<Claimant>, permit: Permit, body: usize) -> Self {
        let tenants = TenantResolver::new(claimant.into());
        let mut scratch = Scratch::default();
        if let Some(account) = tenants.account() {
            scratch.come_by(Arc::clone(account));
        }
        Self {
            tenants,
            ingest,
            drafts: Vec::new(),
            parts: Vec::new(),
            uneven: HashMap::new(),
            kept: Kept::default(),
            scratch,
            permit,
            slices: Slices::default(),
            draft_bytes: 0,
            counted: Counted::default(),
            first_reason: None,
            charge: MemoryCharge::new(body),
        }
    }

    /// Has the request passed on when it has its receipt.
    pub(super) fn keep(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// Gives back the room of the body, which is gone.
    pub fn release_body(&mut self) {
        self.permit.shrink_to(self.charge.held());
    }

    /// Does `work` on the body, in which the readers are charged for what they hold.
    ///
    /// # Errors
    /// What `work` says, or that there was no room for what it read.
    pub fn reading<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.reading_within(usize::MAX, work)
    }

    /// The same for a part of a file, which waits for room where there is none. So that it can only wait for
    /// others, it is too large when it takes more than half of all room. What was read is gone afterwards.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn reading_file<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let done = self.reading_within(self.ingest.intake.limit() / 2, work);
        self.permit.shrink_to(self.charge.owing());
        done
    }

    fn reading_within<T>(
        &mut self,
        most: usize,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let permit = std::mem::replace(&mut self.permit, self.ingest.intake.owed());
        let payer = self.charge.lend(permit, most);
        let (payer, done) = charge::charged(payer, || work(self));
        let fault = payer.fault();
        self.permit = self.charge.settle(&payer, self.ingest.intake.owed());
        done.unwrap_or(Err(fault))
    }

    /// Pays for `bytes` that are held beside the drafts until the request is sealed.
    ///
    /// # Errors
    /// They do not fit in flight.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.charge.add(bytes, &mut self.permit)
    }

    /// Whether so many bytes more can be paid for now.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        self.charge.has_room(bytes, &mut self.permit)
    }

    /// Takes drafts of so many bytes out of what is charged here, and the permit that covers them.
    pub(super) fn take_out(&mut self, bytes: usize) -> Permit {
        self.charge.take_out(bytes, &mut self.permit)
    }

    /// How many items each draft tells of.
    pub(super) fn weights_of(&self, drafts: &[Draft]) -> Vec<(RecordId, u64)> {
        let weight = |draft: &Draft| (draft.id(), self.uneven.get(&draft.id()).copied().unwrap_or(1));
        drafts.iter().map(weight).collect()
    }

    /// Drafts one event, as one item.
    ///
    /// # Errors
    /// The drafts do not fit in flight.
    pub fn push(&mut self, event: &Event<'_>, tenant: &Tenant) -> Result<(), Fault> {
        let draft = self.draft(event, tenant);
        self.push_draft(draft)
    }

    /// The draft of an event, which is not taken yet.
    pub fn draft(&mut self, event: &Event<'_>, tenant: &Tenant) -> Draft {
        self.ingest.builder.draft(event, tenant, &mut self.scratch)
    }

    /// Where further room is asked for.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.ingest.intake
    }

    /// What drafts are made by.
    #[must_use]
    pub fn builder(&self) -> &Builder {
        &self.ingest.builder
    }

    /// The draft of a record of the sender's own, which is not taken yet.
    pub fn native(&mut self, record: &Record<'_>, tenant: &Tenant, capture: Capture) -> Draft {
        self.ingest.builder.native(record, tenant, capture, &mut self.scratch)
    }

    /// Takes a draft, as one item.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_draft(&mut self, draft: Draft) -> Result<(), Fault> {
        self.counted.usable += 1;
        self.add(draft)
    }

    /// Takes what halod says by itself: no item, as nobody sent it.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_notice(&mut self, draft: Draft) -> Result<(), Fault> {
        self.uneven.insert(draft.id(), 0);
        self.add(draft)
    }

    fn add(&mut self, draft: Draft) -> Result<(), Fault> {
        let bytes = draft.weight();
        self.drafts.push(draft);
        self.charge_draft(bytes)
    }

    /// Takes a message that tells an action in parts, as one item. `tenant` is whose it is where the
    /// sender's credentials or headers tell; else the messages themselves do.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_part(&mut self, fragment: Fragment<'_>, tenant: Option<Tenant>) -> Result<(), Fault> {
        let message = self.ingest.builder.reduce(fragment, &mut self.scratch);
        self.counted.usable += 1;
        let bytes = size_of::<Item>() + message.weight();
        let sender = self.tenants.sender().filter(|_| tenant.is_none());
        self.parts.push(Item { tenant, sender, message });
        self.charge(bytes)
    }

    /// Counts items that are told by what the receiver keeps itself.
    pub fn keep_items(&mut self, items: u64) {
        self.counted.usable += items;
    }

    /// Counts an item that tells of no action.
    pub fn filter(&mut self, items: u64) {
        self.counted.filtered += items;
    }

    /// Counts an item that cannot become a record, and keeps the first reason.
    pub fn reject(&mut self, reason: impl Into<String>) {
        self.reject_all(1, || reason.into());
    }

    /// The same for several items.
    pub fn reject_all(&mut self, items: u64, reason: impl FnOnce() -> String) {
        if items > 0 {
            self.counted.rejected += items;
            self.first_reason.get_or_insert_with(reason);
        }
    }

    /// Counts an item whose tenant cannot be used.
    pub fn misplace(&mut self, reason: impl Into<String>) {
        self.counted.misplaced += 1;
        self.reject(reason);
    }

    #[must_use]
    pub fn counted(&self) -> Counted {
        self.counted
    }

    /// Why the first of the rejected items was.
    #[must_use]
    pub fn first_reason(&self) -> Option<&str> {
        self.first_reason.as_deref()
    }

    /// The same, so that the next rejected item is the first again.
    pub fn take_reason(&mut self) -> String {
        self.first_reason.take().unwrap_or_else(|| "no reason is known".to_owned())
    }

    /// The drafts alone, for who only wants to see them.
    #[must_use]
    pub fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }

    /// The request as a whole, with its items counted.
    ///
    /// # Errors
    /// Items had to be rejected, and not one is left.
    pub fn finish(self) -> Result<Request, Unusable> {
        let Counted { usable, filtered, rejected, .. } = self.counted;
        if rejected > 0 && usable + filtered == 0 {
            let reason = self.first_reason.clone();
            drop(self.finish_anyhow());
            return Err(Unusable { items: rejected, reason: reason.unwrap_or_default() });
        }
        Ok(self.finish_anyhow())
    }

    /// The same for a part of a file, of which nothing need be usable.
    pub fn finish_anyhow(self) -> Request {
        let Counted { usable, filtered, rejected, misplaced } = self.counted;
        let usable = usable - self.parts.len() as u64 - self.slices.items;
        let divided = Divided { usable, filtered, invalid: rejected - misplaced, misplaced };
        let items = self.ingest.stats.items.receive(divided);
        Request { builder: self, items }
    }
}

impl Request {
    #[must_use]
    pub fn counted(&self) -> Counted {
        self.builder.counted
    }

    /// Why the first of the rejected items was.
    #[must_use]
    pub fn first_reason(&self) -> Option<&str> {
        self.builder.first_reason()
    }

    /// Adds the drafts of what the receiver kept, each with the items that it tells of. They are paid for
    /// already.
    pub fn add_kept(&mut self, drafts: impl IntoIterator<Item = (u64, Draft)>) {
        for (items, draft) in drafts {
            self.builder.uneven.insert(draft.id(), items);
            self.builder.drafts.push(draft);
        }
    }

    /// Hands the drafts to the writer, in the order of these calls.
    pub fn send(self) -> Submission {
        Submission::new(self, false)
    }

    /// The same, for a receipt that tells of each draft.
    pub fn send_for_detail(self) -> Submission {
        Submission::new(self, true)
    }
}
