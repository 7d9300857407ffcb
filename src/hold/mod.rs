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
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod thread;

pub use self::log::{Damage, HoldError};
pub use self::sweep::sweep;
pub use self::table::Due;

use self::table::Key;
use self::thread::Job;
use crate::pipeline::refusal::Refusal;
use crate::record::build::Builder;
use crate::record::draft::{Draft, Scratch};
use crate::record::tenant::Tenant;
use crate::record::told::{Message, Whole};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Where and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub directory: PathBuf,
    /// How long an action may take to become whole.
    pub wait: Duration,
    /// Bytes of messages beyond which the oldest are sealed early.
    pub bytes: usize,
}

/// One message, and whose it is: `None` where only the messages themselves tell.
#[derive(Clone, Debug)]
pub struct Item {
    pub tenant: Option<Tenant>,
    pub message: Message,
}

/// The receivers' side. Cheap to clone; the thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Hold {
    jobs: mpsc::Sender<Job>,
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

impl Hold {
    /// Reads what the last run held, and starts the thread.
    ///
    /// # Errors
    /// The log can't be read or written.
    pub fn open(settings: Settings) -> Result<(Self, HoldHandle, Damage), HoldError> {
        let (jobs, queue) = mpsc::channel();
        let (ended, damage) = thread::spawn(settings, queue)?;
        Ok((Self { jobs }, HoldHandle { ended }, damage))
    }

    /// Takes messages. When this returns, those of actions that are not whole are on disk; the others are
    /// to be sealed before they are acknowledged.
    ///
    /// # Errors
    /// A retryable refusal.
    pub async fn put(&self, items: Vec<Item>) -> Result<Ready, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Put { items, reply })?;
        let due = answer.await.unwrap_or(Err(Refusal::Poisoned))?;
        Ok(self.ready(due))
    }

    /// What has been held for long enough, about `bytes` of it.
    ///
    /// # Errors
    /// The thread has failed.
    async fn overdue(&self, bytes: usize) -> Result<Ready, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Overdue { bytes, reply })?;
        let due = answer.await.map_err(|_| Refusal::Poisoned)?;
        Ok(self.ready(due))
    }

    fn send(&self, job: Job) -> Result<(), Refusal> {
        self.jobs.send(job).map_err(|_| Refusal::Poisoned)
    }

    fn ready(&self, due: Vec<Due>) -> Ready {
        Ready { keys: due.iter().map(|due| (due.key, due.last)).collect(), due, jobs: self.jobs.clone() }
    }
}

/// Actions that are to be sealed now. Dropped without a word, they are held on.
#[derive(Debug)]
#[must_use = "what is sealed must be said to be, or it is sealed again"]
pub struct Ready {
    due: Vec<Due>,
    keys: Vec<(Key, u64)>,
    jobs: mpsc::Sender<Job>,
}

impl Ready {
    /// The drafts of these actions; a second call has none.
    pub fn drafts(&mut self, builder: &Builder, scratch: &mut Scratch) -> Vec<Draft> {
        let due = std::mem::take(&mut self.due);
        due.iter().filter_map(|due| builder.whole(due.whole(), &due.tenant, scratch)).collect()
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

    /// They are on disk.
    pub fn sealed(mut self) {
        self.tell(true);
    }

    fn tell(&mut self, sealed: bool) {
        let keys = std::mem::take(&mut self.keys);
        if !keys.is_empty() {
            // A thread that is gone has nothing left to remember.
            let _ = self.jobs.send(Job::Settle { keys, sealed });
        }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.tell(false);
    }
}

impl Due {
    fn whole(&self) -> Whole<'_> {
        Whole {
            messages: &self.messages,
            context: &self.context,
            inner: self.inner,
            unfinished: self.unfinished,
        }
    }
}
