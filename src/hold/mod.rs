//! Actions that are told in several messages, until they are whole.
//!
//! ```text
//! receiver: reduce ─▶ put ─▶ hold thread: lay together ─▶ whole: drafts, sealed before the answer
//!                                                      └▶ not whole: on disk before the answer
//!                            sweep: what was held for long enough is sealed as it is
//! ```
//!
//! What is held is what records would say: contents are digests and names are masked before a message
//! gets here. An acknowledged message is sealed or in the log under `.halod/hold`, which is read again at
//! start. The log needs no exactness beyond that: what is sealed twice is recognised by the chain.

pub mod line;
mod log;
mod place;
mod shares;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod thread;

pub use self::log::{Damage, HoldError};
pub use self::sweep::sweep;
pub use self::table::Due;
pub use self::thread::Ledger;

use self::table::Key;
use self::thread::{Job, Keeper};
use crate::pipeline::batch::{Account, Receipt};
use crate::pipeline::items::{Ended, Items};
use crate::pipeline::refusal::Refusal;
use halod_chain::commit::Fate;
use halod_chain::traces::TraceTenants;
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use halod_record::fragment::{Fragment, Kind};
use halod_record::ids::RecordId;
use halod_record::parts::{Message, Whole};
use halod_record::tenant::Tenant;
use halod_record::trace::{Rank, parts_elsewhere, trace_key};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// Where and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub directory: PathBuf,
    /// How long an action may take to become whole.
    pub wait: Duration,
    /// Bytes of messages beyond which the oldest of the tenant that has most of them are sealed early.
    pub bytes: usize,
}

/// One message, and whose it is: `None` where only the messages themselves tell.
#[derive(Clone, Debug)]
pub struct Item {
    pub tenant: Option<Tenant>,
    /// By which its sender is told from others where only the messages tell whose they are.
    pub sender: Option<SenderDigest>,
    pub message: Message,
}

/// A digest by which the traces of one sender are known.
pub type SenderDigest = [u8; 8];

/// Whose word the hold's is on traces: no span is placed by it.
const HOLD: [u8; 8] = [0; 8];

/// The receivers' side. Cheap to clone; the thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Hold {
    jobs: mpsc::Sender<Job>,
    traces: Arc<TraceTenants>,
}

/// What was put into a hold and waits for its thread. Dropped, it refuses all of that.
#[derive(Debug)]
pub struct Queue(mpsc::Receiver<Job>);

/// What the last run held, read back.
#[derive(Debug)]
pub struct Opened {
    keeper: Keeper,
    pub damage: Damage,
}

/// What the daemon keeps of the thread.
#[derive(Debug)]
pub struct HoldHandle {
    ended: oneshot::Receiver<Option<String>>,
}

impl HoldHandle {
    /// Waits for the thread's end: why it failed, if it did.
    pub async fn finished(self) -> Option<String> {
        self.ended.await.unwrap_or_else(|_| Some("the hold's thread panicked: this is a bug".into()))
    }
}

impl Opened {
    /// Reads what the last run held. Messages are counted in `ledger`; `traces` are those of spans.
    ///
    /// # Errors
    /// The log can't be read or written.
    pub fn read(settings: Settings, traces: Arc<TraceTenants>, ledger: Ledger) -> Result<Self, HoldError> {
        let (keeper, damage) = Keeper::open(settings, traces, ledger)?;
        Ok(Self { keeper, damage })
    }

    /// Starts the thread on what is put to the other end of `queue`.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(self, queue: Queue) -> Result<HoldHandle, HoldError> {
        Ok(HoldHandle { ended: self.keeper.spawn(queue.0)? })
    }
}

impl Hold {
    /// A hold that says in `traces` whose they are, and the queue of what is put into it until [`Opened::start`].
    #[must_use]
    pub fn new(traces: Arc<TraceTenants>) -> (Self, Queue) {
        let (jobs, queue) = mpsc::channel();
        (Self { jobs, traces }, Queue(queue))
    }

    /// Takes messages. When this returns, those of actions that are not whole are on disk; the others are
    /// to be sealed before they are acknowledged. `account` is the messages': what becomes of them is counted
    /// there, whether the sender waits for it or not.
    ///
    /// # Errors
    /// A retryable refusal.
    pub async fn put(&self, items: Vec<Item>, account: Items) -> Result<Ready, Refusal> {
        let (reply, answer) = oneshot::channel();
        if let Err(mpsc::SendError(job)) = self.jobs.send(Job::Put { items, account, reply }) {
            job.refuse();
            return Err(Refusal::Poisoned);
        }
        let due = answer.await.unwrap_or(Err(Refusal::Poisoned))?;
        Ok(self.ready(due))
    }

    /// What has been held for long enough, about `bytes` of it.
    ///
    /// # Errors
    /// The thread has failed.
    async fn overdue(&self, bytes: usize) -> Result<Ready, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Overdue { bytes, reply }).map_err(|_| Refusal::Poisoned)?;
        let due = answer.await.map_err(|_| Refusal::Poisoned)?;
        Ok(self.ready(due))
    }

    fn ready(&self, due: Vec<Due>) -> Ready {
        let keys = due.iter().map(|due| (due.key, due.last)).collect();
        Ready { due, keys, ids: Vec::new(), jobs: self.jobs.clone(), traces: Arc::clone(&self.traces) }
    }
}

/// Actions that are to be sealed now. The hold keeps the actions of one that is dropped before it was told that
/// they are on disk.
#[derive(Debug)]
#[must_use = "the batch of these drafts has to tell it what became of them, or they are sealed again"]
pub struct Ready {
    due: Vec<Due>,
    keys: Vec<(Key, u64)>,
    /// The draft of each, if there is anything to say.
    ids: Vec<Option<RecordId>>,
    jobs: mpsc::Sender<Job>,
    traces: Arc<TraceTenants>,
}

impl Ready {
    /// The drafts of these actions; a second call has none.
    pub fn drafts(&mut self, builder: &Builder, scratch: &mut Scratch) -> Vec<Draft> {
        let due = std::mem::take(&mut self.due);
        let drafts: Vec<Option<Draft>> =
            due.iter().map(|due| builder.whole(due.whole(), &due.tenant, scratch)).collect();
        self.ids.extend(drafts.iter().map(|draft| draft.as_ref().map(Draft::id)));
        due.iter().for_each(|due| due.tell(&self.traces));
        let told = due.iter().zip(&drafts).filter_map(|(due, draft)| due.elsewhere(draft.as_ref()?.id()));
        let told: Vec<Draft> = told.collect();
        drafts.into_iter().flatten().chain(told).collect()
    }

    /// How many actions these are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn tell(&mut self, ends: Option<Vec<Ended>>) {
        let keys = std::mem::take(&mut self.keys);
        if !keys.is_empty() {
            // A thread that is gone has nothing left to remember.
            let _ = self.jobs.send(Job::Settle { keys, ends });
        }
    }
}

impl Account for Ready {
    fn wants_detail(&self) -> bool {
        !self.keys.is_empty()
    }

    fn settle(mut self: Box<Self>, outcome: Result<&Receipt, &Refusal>) {
        let Ok(receipt) = outcome else { return };
        let mut fates = receipt.fates();
        let end = |id: &Option<RecordId>| match id.map(|id| fates.next(id)) {
            None => Ended::Filtered,
            Some(Some(Fate::Duplicate)) => Ended::Duplicate,
            Some(_) => Ended::Sealed,
        };
        let ends = self.ids.iter().map(end).collect();
        self.tell(Some(ends));
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.tell(None);
    }
}

impl Due {
    /// Says whose the trace is, for exports of it that don't.
    fn tell(&self, traces: &TraceTenants) {
        let fragments = || self.messages.iter().map(Message::fragment);
        let within = fragments().find_map(|fragment| fragment.within.as_ref()?.last());
        // What came as a span of OpenTelemetry has kept its ids.
        let own = || match fragments().next()? {
            Fragment { kind: Some(Kind::Trace), id, .. } => id.last(),
            Fragment { id, .. } => id.get(1).filter(|_| id.len() == 3),
        };
        if self.tenant != Tenant::Local
            && let Some(id) = within.or_else(own)
        {
            let trace = traces.trace(HOLD, trace_key(id));
            traces.claim(&trace, &self.tenant, Rank::Dialect);
        }
    }

    /// What the chain of the claimed tenant says, where the parts of the action are in another one: they came before
    /// anybody said whose they are.
    fn elsewhere(&self, record: RecordId) -> Option<Draft> {
        let claimed = self.claim.as_ref().filter(|claimed| **claimed != self.tenant)?;
        Some(parts_elsewhere(claimed, &self.tenant, record))
    }

    fn whole(&self) -> Whole<'_> {
        Whole { messages: &self.messages, context: &self.context, unfinished: self.unfinished }
    }
}
