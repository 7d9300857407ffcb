//! What halod refused and the sender will not send again, told in the chains themselves: a gap that is
//! known is no gap that is hidden.
//!
//! Losses add up in memory; once an interval what has come together becomes one notice, `halod.gap`, in
//! the tenant's chain if the tenant is known, else in the local one, which says so. So a sender can't
//! inflate a chain by being refused. A notice that cannot be sealed now (the disk is low, a chain is locked) is sealed when
//! it can be; what came together since the last one is sealed when halod stops.

mod loss_counter;
#[cfg(test)]
mod tests;

use self::loss_counter::LossCounter;
use super::elsewhere::disclose;
use crate::clock::unix_nanos;
use crate::net::status::Fault;
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use crate::pipeline::refusal::Refusal;
use halod_chain::traces::TraceTenants;
use halod_record::tenant::Tenant;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Tenants that get a notice of their own in one interval; the losses of further ones are told in the
/// local chain. A sender that makes tenants up gets no chain for each.
const MOST_TENANTS: usize = 64;
/// How long until a notice that could not be sealed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What is lost when a sender is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It sends again what was refused for a while: only what is refused for good is lost.
    Retries,
    /// It sends everything once.
    SendsOnce,
}

/// Where receivers say what is lost. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gaps {
    ledger: Arc<Mutex<Ledger>>,
    /// Closed when the last receiver is gone.
    _open: mpsc::Sender<Infallible>,
}

/// Seals what [`Gaps`] was told.
#[derive(Debug)]
pub struct Sealer {
    ledger: Arc<Mutex<Ledger>>,
    closed: mpsc::Receiver<Infallible>,
}

/// One refusal, or the items of one request that could not be used.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    pub receiver: &'static str,
    /// A word of a bounded set, such as [`Fault::name`].
    pub reason: &'static str,
    pub tenant: Option<&'a Tenant>,
    /// Of a body that was refused; 0 for items of one that was not.
    pub bytes: u64,
    /// As far as they were counted.
    pub items: u64,
}

impl<'a> Loss<'a> {
    /// A body of so many bytes, refused for a reason that [`Gaps::refused`] takes from the fault.
    #[must_use]
    pub fn of_body(receiver: &'static str, tenant: Option<&'a Tenant>, bytes: u64) -> Self {
        Self { receiver, reason: "refused", tenant, bytes, items: 0 }
    }

    /// Items of a body that was taken, which cannot become records.
    #[must_use]
    pub fn of_items(receiver: &'static str, tenant: Option<&'a Tenant>, items: u64) -> Self {
        Self { receiver, reason: "rejected", tenant, bytes: 0, items }
    }
}

/// By subject; under none what is to be told in the local chain.
type Ledger = BTreeMap<Option<String>, LossCounter>;

/// The two ends of one ledger.
#[must_use]
pub fn gaps() -> (Gaps, Sealer) {
    let ledger = Arc::default();
    let (open, closed) = mpsc::channel(1);
    (Gaps { ledger: Arc::clone(&ledger), _open: open }, Sealer { ledger, closed })
}

impl Gaps {
    /// Notes a request that was refused, if what it held is lost by that.
    pub fn refused(&self, sender: Sender, fault: &Fault, loss: Loss<'_>) {
        if loses(sender, fault) {
            // A tenant that may have no chain can't be told in it, and one that may have none yet shall not get it
            // by that.
            let no_chain =
                matches!(fault, Fault::Refused(Refusal::TooManyTenants | Refusal::ChainRate { .. }));
            let tenant = loss.tenant.filter(|_| !no_chain);
            self.note(Loss { reason: fault.name(), tenant, ..loss });
        }
    }

    /// Notes what is lost.
    pub fn note(&self, loss: Loss<'_>) {
        let subject = loss.tenant.and_then(Tenant::subject);
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let known = subject.is_some_and(|subject| ledger.contains_key(&Some(subject.to_owned())));
        let own = known || ledger.len() < MOST_TENANTS;
        let mut counter = LossCounter::of(&loss, unix_nanos());
        if !own {
            counter.move_to_local();
        }
        ledger.entry(subject.filter(|_| own).map(str::to_owned)).or_default().add(&counter);
    }
}

/// Whether the sender has nothing left of what was refused. A request that is at the wrong address, or of
/// another kind, is no telemetry that was meant for halod.
fn loses(sender: Sender, fault: &Fault) -> bool {
    match fault {
        // A sender that tries again for minutes still finds no chain: only an operator can make room.
        Fault::Refused(Refusal::TooLarge { .. } | Refusal::TooManyTenants)
        | Fault::Undecodable(_)
        | Fault::Coding => true,
        Fault::MediaType
        | Fault::Method
        | Fault::Unserved(_)
        | Fault::Unauthenticated(_)
        | Fault::Forbidden(_)
        | Fault::ForeignOrigin
        | Fault::ForeignHost
        | Fault::NeedsHttp2 => false,
        Fault::Refused(_) | Fault::SlowBody(_) | Fault::PasswordsBusy | Fault::Crashed => {
            sender == Sender::SendsOnce
        }
    }
}

impl Sealer {
    /// Seals once an `interval` until every receiver is gone, then what is left; also what is to be disclosed of `traces`.
    pub async fn run(mut self, intake: Intake, traces: Arc<TraceTenants>, interval: Duration) {
        let mut wait = interval;
        loop {
            let open = tokio::time::timeout(wait, self.closed.recv()).await.is_err();
            let disclosed = disclose(&traces, &intake).await;
            let sealed = self.seal(&intake, open).await && disclosed;
            if !open {
                if !sealed {
                    tracing::error!("refusals could not be told in the chains before halod stopped");
                }
                return;
            }
            wait = if sealed { interval } else { RETRY.min(interval) };
        }
    }

    /// Whether everything that was noted is sealed.
    async fn seal(&self, intake: &Intake, open: bool) -> bool {
        if intake.stats().disk_low.load(Relaxed) {
            return self.lock().is_empty();
        }
        let noted = std::mem::take(&mut *self.lock());
        let mut all = true;
        for (subject, mut counter) in noted {
            let tenant = Tenant::stored(subject.as_deref().unwrap_or_default());
            let drafts = vec![counter.notice(&tenant)];
            match intake.send(Batch::new(drafts, intake.owed())).await {
                Ok(_) => tracing::warn!(
                    requests = counter.requests,
                    bytes = counter.bytes,
                    items = counter.items,
                    why = counter.reasons(),
                    senders = counter.peers(),
                    chain = tenant.file_stem(),
                    "telemetry was refused and is lost; the chain says so (halod.gap)"
                ),
                Err(refusal) => {
                    all = false;
                    tracing::error!(%refusal, "a gap cannot be told in its chain now");
                    // A chain that cannot be had must not keep the others' gaps from being told.
                    let other = matches!(refusal, Refusal::ChainUnusable | Refusal::TooManyTenants);
                    if other {
                        counter.move_to_local();
                    }
                    let under = if other { None } else { subject };
                    self.lock().entry(under).or_default().add(&counter);
                }
            }
        }
        // The loop above may have put something into the local chain's counter after its turn.
        if !all && !open { self.last_try(intake).await } else { all }
    }

    async fn last_try(&self, intake: &Intake) -> bool {
        let noted = std::mem::take(&mut *self.lock());
        let mut all = LossCounter::default();
        for (subject, mut counter) in noted {
            if subject.is_some() {
                counter.move_to_local();
            }
            all.add(&counter);
        }
        let drafts = vec![all.notice(&Tenant::Local)];
        intake.send(Batch::new(drafts, intake.owed())).await.is_ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
