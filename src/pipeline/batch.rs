//! What crosses from a receiver to the writer, and what comes back.

use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::Refusal;
use halod_chain::commit::{Detail, Fate};
use halod_chain::placed::Placed;
use halod_evidence::receipt::SignedReceipt;
use halod_record::call::arrange::arrange;
use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;

/// Everything one request asks to seal. The permit is held until it is durable.
#[derive(Debug)]
pub struct Batch {
    pub drafts: Vec<Draft>,
    pub permit: Permit,
    pub accounts: Vec<Box<dyn Account>>,
    /// Whether the receipt is to tell of each draft and of the chains' heads.
    pub detailed: bool,
    /// Whether the receipt is to tell where the records are, too.
    pub placed: bool,
    /// Whether it counts against its tenants' rates.
    pub limited: bool,
}

/// Who has to know what became of a batch, whether its sender waits for the answer or has left.
pub trait Account: Debug + Send {
    /// Whether it has to be told of each draft.
    fn wants_detail(&self) -> bool;

    /// Told before the sender is.
    fn settle(self: Box<Self>, outcome: Result<&Receipt, &Refusal>);
}

/// The drafts of one batch are linked and on disk, or were there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    pub sealed: u32,
    /// Sealed before: nothing was written for these.
    pub duplicate: u32,
    /// Of the sealed ones, how many contradict an earlier record of the same origin.
    pub conflict: u32,
    /// Of the duplicates, how many are in another chain than the draft was for.
    pub elsewhere: u32,
    /// How many were sealed for each tenant.
    pub sealed_for: Vec<(Tenant, u32)>,
    /// Draft by draft, where that was asked for.
    pub detail: Option<Box<Detail>>,
    /// What the sender gets of it, where receipts are signed.
    pub signed: Option<Box<SignedReceipt>>,
}

/// What became of the drafts of a batch, by their ids.
#[derive(Debug, Default)]
pub struct Fates(HashMap<RecordId, VecDeque<Fate>>);

impl Batch {
    /// A batch that nobody keeps an account of, and no rate limits. The accounts of one call are put in order.
    #[must_use]
    pub fn new(mut drafts: Vec<Draft>, permit: Permit) -> Self {
        arrange(&mut drafts);
        Self { drafts, permit, accounts: Vec::new(), detailed: false, placed: false, limited: false }
    }

    /// The same, for a receipt that tells of each draft.
    #[must_use]
    pub fn in_detail(self) -> Self {
        Self { detailed: true, ..self }
    }

    /// The same, for a receipt that tells of each draft and, if `placed`, where the records are.
    #[must_use]
    pub fn placing(self, placed: bool) -> Self {
        Self { detailed: self.detailed || placed, placed, ..self }
    }

    /// The same, limited by its tenants' rates or not.
    #[must_use]
    pub fn limited(self, limited: bool) -> Self {
        Self { limited, ..self }
    }

    /// The same, with `account` being told what became of it.
    #[must_use]
    pub fn told_to(mut self, account: impl Account + 'static) -> Self {
        self.accounts.push(Box::new(account));
        self
    }
}

impl std::ops::AddAssign for Receipt {
    /// Tells of both, though of neither draft by draft.
    fn add_assign(&mut self, other: Self) {
        self.sealed += other.sealed;
        self.duplicate += other.duplicate;
        self.conflict += other.conflict;
        self.elsewhere += other.elsewhere;
        other.sealed_for.into_iter().for_each(|(tenant, sealed)| self.seal_for(&tenant, sealed));
        self.detail = None;
    }
}

impl Receipt {
    /// Notes so many records that were sealed for a tenant.
    pub(crate) fn seal_for(&mut self, tenant: &Tenant, sealed: u32) {
        match self.sealed_for.iter_mut().find(|(known, _)| known == tenant) {
            _ if sealed == 0 => {}
            Some((_, all)) => *all += sealed,
            None => self.sealed_for.push((tenant.clone(), sealed)),
        }
    }

    /// The records that the drafts came to; none where that was not asked for.
    #[must_use]
    pub fn placed(&self) -> &[Placed] {
        self.detail.as_ref().and_then(|detail| detail.placed.as_deref()).unwrap_or_default()
    }

    /// What became of each draft; knows none where that was not asked for.
    #[must_use]
    pub fn fates(&self) -> Fates {
        let mut fates = Fates::default();
        for told in self.detail.iter().flat_map(|detail| &detail.fates) {
            fates.0.entry(told.asked).or_default().push_back(told.fate);
        }
        fates
    }
}

impl Fates {
    /// What became of the next draft with this id, in the order of the batch.
    pub fn next(&mut self, id: RecordId) -> Option<Fate> {
        self.0.get_mut(&id)?.pop_front()
    }
}
