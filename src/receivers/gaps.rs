//! What halod refused and the sender will not send again, told in the chains themselves: a gap that is
//! known is no gap that is hidden.
//!
//! Losses add up in memory; once an interval what has come together becomes one notice, `halod.gap`, in
//! the tenant's chain if the tenant is known, else in the local one. So a sender can't inflate a chain by
//! being refused. A notice that cannot be sealed now (the disk is low, a chain is locked) is sealed when
//! it can be; what came together since the last one is sealed when halod stops.

use crate::net::status::Fault;
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use crate::pipeline::refusal::Refusal;
use crate::record::build::{About, notice};
use crate::record::draft::Draft;
use crate::record::tenant::Tenant;
use crate::record::time;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
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

type Ledger = BTreeMap<Option<String>, Tally>;

/// What one tenant lost since its last notice.
#[derive(Clone, Debug, Default)]
struct Tally {
    bytes: u64,
    items: u64,
    requests: u64,
    /// How often, by receiver and reason.
    reasons: BTreeMap<(&'static str, &'static str), u64>,
    /// Unix nanoseconds.
    first: u64,
    last: u64,
}

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
            self.note(Loss { reason: fault.name(), ..loss });
        }
    }

    /// Notes what is lost.
    pub fn note(&self, loss: Loss<'_>) {
        let subject = loss.tenant.and_then(Tenant::subject);
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let known = subject.is_some_and(|subject| ledger.contains_key(&Some(subject.to_owned())));
        let own = known || ledger.len() < MOST_TENANTS;
        let now = now();
        let tally = ledger.entry(subject.filter(|_| own).map(str::to_owned)).or_default();
        tally.add(&Tally {
            bytes: loss.bytes,
            items: loss.items,
            requests: 1,
            reasons: BTreeMap::from([((loss.receiver, loss.reason), 1)]),
            first: now,
            last: now,
        });
    }
}

/// Whether the sender has nothing left of what was refused. A request that is at the wrong address, or of
/// another kind, is no telemetry that was meant for halod.
fn loses(sender: Sender, fault: &Fault) -> bool {
    match fault {
        Fault::Refused(Refusal::TooLarge { .. }) | Fault::Undecodable(_) | Fault::Coding => true,
        Fault::MediaType
        | Fault::Method
        | Fault::Unserved(_)
        | Fault::Unauthenticated(_)
        | Fault::NeedsHttp2 => false,
        Fault::Refused(_) | Fault::SlowBody(_) | Fault::Crashed => sender == Sender::SendsOnce,
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.first = if self.requests == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.items = self.items.saturating_add(other.items);
        self.requests = self.requests.saturating_add(other.requests);
        for (reason, count) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += count;
        }
    }

    fn notice(&self, tenant: &Tenant) -> Draft {
        let [first, last] = [self.first, self.last].map(time::rfc3339);
        let [first, last] = [&first, &last].map(|at| std::str::from_utf8(at).unwrap_or_default());
        let mut about: BTreeMap<String, About<'_>> = self
            .reasons
            .iter()
            .map(|((receiver, reason), count)| (format!("{receiver}.{reason}"), About::Number(*count)))
            .collect();
        about.insert("bytes".into(), About::Number(self.bytes));
        about.insert("first_at".into(), About::Text(first));
        about.insert("items".into(), About::Number(self.items));
        about.insert("last_at".into(), About::Text(last));
        about.insert("requests".into(), About::Number(self.requests));
        let about: Vec<_> = about.iter().map(|(key, fact)| (key.as_str(), *fact)).collect();
        notice(tenant, "gap", &about)
    }
}

impl Sealer {
    /// Seals once an `interval` until every receiver is gone, then what is left.
    pub async fn run(mut self, intake: Intake, interval: Duration) {
        let mut wait = interval;
        loop {
            let open = tokio::time::timeout(wait, self.closed.recv()).await.is_err();
            let sealed = self.seal(&intake, open).await;
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
        for (subject, tally) in noted {
            let claimed = subject.as_deref().map_or(Ok(Tenant::Local), Tenant::claimed);
            let tenant = claimed.unwrap_or(Tenant::Local);
            let drafts = vec![tally.notice(&tenant)];
            match intake.submit(Batch { drafts, permit: intake.owed() }).await {
                Ok(_) => tracing::warn!(
                    requests = tally.requests,
                    bytes = tally.bytes,
                    items = tally.items,
                    "telemetry was refused and is lost; its tenant's chain says so (halod.gap)"
                ),
                Err(refusal) => {
                    all = false;
                    tracing::error!(%refusal, "a gap cannot be told in its chain now");
                    // A chain that cannot be had must not keep the others' gaps from being told.
                    let other = matches!(refusal, Refusal::ChainUnusable) && subject.is_some();
                    let under = if other { None } else { subject };
                    self.lock().entry(under).or_default().add(&tally);
                }
            }
        }
        // The loop above may have put something into the local chain's tally after its turn.
        if !all && !open { self.last_try(intake).await } else { all }
    }

    async fn last_try(&self, intake: &Intake) -> bool {
        let noted = std::mem::take(&mut *self.lock());
        let mut all = Tally::default();
        noted.values().for_each(|tally| all.add(tally));
        let drafts = vec![all.notice(&Tenant::Local)];
        intake.submit(Batch { drafts, permit: intake.owed() }).await.is_ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pipeline::batch::Receipt;
    use crate::pipeline::intake::Job;
    use crate::record::draft::GENESIS;
    use serde_json::Value;
    use std::sync::mpsc as std_mpsc;

    /// What a writer sealed.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<Value>>>);

    impl Told {
        fn take(&self) -> Vec<Value> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    /// A writer that answers with `answers` in turn, then with success, and keeps what it sealed.
    fn writer(answers: Vec<Refusal>) -> (Intake, Told) {
        let (jobs, queue) = std_mpsc::channel::<Job>();
        let told = Told::default();
        let seal = {
            let told = told.clone();
            let mut answers = answers.into_iter();
            move |Job { batch, reply, .. }: Job| {
                if let Some(refusal) = answers.next() {
                    let _ = reply.send(Err(refusal));
                    return;
                }
                for draft in &batch.drafts {
                    let mut line = Vec::new();
                    draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
                    told.0.lock().unwrap().push(serde_json::from_slice(&line).unwrap());
                }
                let _ = reply.send(Ok(Receipt::default()));
            }
        };
        tokio::spawn(async move {
            let mut seal = seal;
            loop {
                match queue.try_recv() {
                    Ok(job) => seal(job),
                    Err(std_mpsc::TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(std_mpsc::TryRecvError::Disconnected) => return,
                }
            }
        });
        (Intake::with_writer(jobs, 1000), told)
    }

    fn loss<'a>(reason: &'static str, tenant: Option<&'a Tenant>) -> Loss<'a> {
        Loss { receiver: "litellm", reason, tenant, bytes: 10, items: 1 }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn one_notice_a_tenant_and_interval_says_everything() {
        let (intake, told) = writer(vec![]);
        let (gaps, sealer) = gaps();
        let acme = Tenant::Subject("acme".into());
        let running = tokio::spawn(sealer.run(intake, MINUTE));
        for _ in 0..1000 {
            gaps.note(loss("full", None));
            gaps.note(loss("full", Some(&acme)));
        }
        gaps.note(loss("too_large", Some(&acme)));
        tokio::time::sleep(MINUTE + RETRY).await;
        let [local, acme] = <[Value; 2]>::try_from(told.take()).unwrap();
        assert_eq!(local["action"]["tool"], "halod.gap");
        assert_eq!((local["subject"].is_null(), acme["subject"]["id"].as_str()), (true, Some("acme")));
        assert_eq!(
            (&local["data"]["requests"], &local["data"]["litellm.full"]),
            (&1000.into(), &1000.into())
        );
        assert_eq!(acme["data"]["bytes"], 10_010);
        assert_eq!((&acme["data"]["items"], &acme["data"]["litellm.too_large"]), (&1001.into(), &1.into()));
        tokio::time::sleep(2 * MINUTE).await;
        assert_eq!(told.take().len(), 0);
        gaps.note(loss("full", None));
        drop(gaps);
        running.await.unwrap();
        let [last] = <[Value; 1]>::try_from(told.take()).unwrap();
        assert_eq!(last["data"]["requests"], 1, "what is left is said at the end");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sealed_is_sealed_later_and_once() {
        let full = Refusal::Full { limit: 1, retry_after: RETRY };
        let (intake, told) = writer(vec![full.clone(), full]);
        intake.stats().disk_low.store(true, Relaxed);
        let (gaps, sealer) = gaps();
        let running = tokio::spawn(sealer.run(intake.clone(), MINUTE));
        gaps.note(loss("disk_low", None));
        tokio::time::sleep(2 * MINUTE).await;
        gaps.note(loss("disk_low", None));
        assert_eq!(told.take().len(), 0);
        intake.stats().disk_low.store(false, Relaxed);
        tokio::time::sleep(5 * RETRY).await;
        drop((gaps, intake));
        running.await.unwrap();
        let [notice] = <[Value; 1]>::try_from(told.take()).unwrap();
        assert_eq!(notice["data"]["litellm.disk_low"], 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_that_cannot_be_had_leaves_its_gap_to_the_local_one() {
        let (intake, told) = writer(vec![Refusal::ChainUnusable]);
        let (gaps, sealer) = gaps();
        let running = tokio::spawn(sealer.run(intake, MINUTE));
        gaps.note(loss("full", Some(&Tenant::Subject("made up".into()))));
        drop(gaps);
        running.await.unwrap();
        let [notice] = <[Value; 1]>::try_from(told.take()).unwrap();
        assert!(notice["subject"].is_null());
    }

    #[test]
    fn made_up_tenants_share_the_local_chain() {
        let (gaps, sealer) = gaps();
        for n in 0..1000 {
            gaps.note(loss("full", Some(&Tenant::Subject(n.to_string().into()))));
        }
        let ledger = sealer.lock();
        assert!(ledger.len() <= MOST_TENANTS + 1);
        assert_eq!(ledger.values().map(|tally| tally.requests).sum::<u64>(), 1000);
    }

    #[test]
    fn only_what_is_lost_is_a_gap() {
        let full = Fault::Refused(Refusal::Full { limit: 1, retry_after: RETRY });
        assert!(loses(Sender::SendsOnce, &full) && !loses(Sender::Retries, &full));
        let large = Fault::Refused(Refusal::TooLarge { limit: 1 });
        assert!(loses(Sender::SendsOnce, &large) && loses(Sender::Retries, &large));
        assert!(!loses(Sender::SendsOnce, &Fault::Method));
    }
}
