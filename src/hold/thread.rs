//! The hold's thread: owner of the table and of its log.

use super::log::{Damage, HoldError, Log};
use super::table::{Due, Key, Table};
use super::{Item, Settings};
use crate::clock::unix_millis;
use crate::pipeline::items::{Ended, ItemStats, Items};
use crate::pipeline::refusal::Refusal;
use halod_chain::error::{ChainError, with_causes};
use halod_chain::traces::TraceTenants;
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::sync::oneshot;

/// A log that is smaller than this is not written anew.
const SMALL: u64 = 4 << 20;

/// Jobs that are answered by one sync.
const GROUP: usize = 1024;

/// Where messages are counted, by their space.
pub type Ledger = HashMap<&'static str, Arc<ItemStats>>;

type PutReply = oneshot::Sender<Result<Vec<Due>, Refusal>>;

#[derive(Debug)]
pub(super) enum Job {
    Put {
        items: Vec<Item>,
        account: Items,
        reply: PutReply,
    },
    Overdue {
        bytes: usize,
        reply: oneshot::Sender<Vec<Due>>,
    },
    /// How each ended; the hold keeps the messages where that is not known.
    Settle {
        keys: Vec<(Key, u64)>,
        ends: Option<Vec<Ended>>,
    },
}

impl Job {
    /// Answers that nothing can be taken.
    pub(super) fn refuse(self) {
        if let Self::Put { account, reply, .. } = self {
            account.refuse();
            let _ = reply.send(Err(Refusal::Poisoned));
        }
    }
}

/// Owns the table and its log.
#[derive(Debug)]
pub(super) struct Keeper {
    table: Table,
    log: Log,
    ledger: Ledger,
    lines: Vec<u8>,
    /// The tenants of the actions that are being sealed.
    placed: HashMap<Key, Tenant>,
}

/// An answer that waits for the disk.
enum Answer {
    Put(PutReply, Vec<Due>),
    Overdue(oneshot::Sender<Vec<Due>>, Vec<Due>),
}

impl Keeper {
    /// A keeper of what the log holds.
    pub(super) fn open(
        settings: Settings,
        traces: Arc<TraceTenants>,
        ledger: Ledger,
    ) -> Result<(Self, Damage), HoldError> {
        let directory = settings.directory.clone();
        let mut table = Table::new(settings, traces);
        let (log, damage) = Log::open(&directory, |line| table.replay(line))?;
        Ok((Self { table, log, ledger, lines: Vec::new(), placed: HashMap::new() }, damage))
    }

    /// Starts the thread.
    pub(super) fn spawn(
        mut self,
        queue: Receiver<Job>,
    ) -> Result<oneshot::Receiver<Option<String>>, HoldError> {
        for (space, messages) in self.table.messages() {
            if let Some(stats) = self.ledger.get(space) {
                stats.found_in_hold(messages);
            }
        }
        let (end, ended) = oneshot::channel();
        let path = self.log.path().to_owned();
        std::thread::Builder::new()
            .name("halod-hold".into())
            .spawn(move || {
                let failed = self.run(&queue).err().map(|error| with_causes(&error));
                let refuses = failed.is_some();
                if let Some(error) = &failed {
                    tracing::error!(error, "what is held can't be kept; halod stops, a restart recovers");
                }
                // Nobody listens any more when the daemon was told to exit at once.
                let _ = end.send(failed);
                if refuses {
                    refuse_all(&queue);
                }
            })
            .map_err(ChainError::io("start the thread for", &path))?;
        Ok(ended)
    }

    fn run(&mut self, queue: &Receiver<Job>) -> Result<(), HoldError> {
        while let Ok(first) = queue.recv() {
            let now = unix_millis();
            let mut answers = Vec::new();
            let mut sync = false;
            let jobs = std::iter::once(first).chain(queue.try_iter().take(GROUP));
            for job in jobs {
                let before = self.lines.len();
                match job {
                    Job::Put { items, account, reply } if self.table.is_full_for(&items) => {
                        account.refuse();
                        let limit = self.table.bytes();
                        let full = Refusal::Full { limit, retry_after: Duration::from_secs(1) };
                        let _ = reply.send(Err(full));
                    }
                    Job::Put { items, account, reply } => {
                        let due = self.table.put(items, now, &mut self.lines);
                        account.hold(self.table.took());
                        answers.push(Answer::Put(reply, due));
                        sync |= self.lines.len() > before;
                    }
                    Job::Overdue { bytes, reply } => {
                        let due = self.table.overdue(now, bytes, &mut self.lines);
                        answers.push(Answer::Overdue(reply, due));
                        sync |= self.lines.len() > before;
                    }
                    Job::Settle { keys, ends } => self.settle(&keys, ends.as_deref(), now),
                }
            }
            self.log.append(&self.lines)?;
            self.lines.clear();
            if sync {
                self.log.sync()?;
            }
            answers.into_iter().for_each(|answer| self.answer(answer, now));
            self.compact()?;
        }
        Ok(())
    }

    fn settle(&mut self, keys: &[(Key, u64)], ends: Option<&[Ended]>, now: u64) {
        for (at, due) in keys.iter().enumerate() {
            let end = ends.map(|ends| ends.get(at).copied().unwrap_or(Ended::Sealed));
            let tenant = end.and_then(|_| self.placed.remove(&due.0));
            if let Some(tenant) = tenant {
                self.table.remember(due.0, tenant);
            }
            let left = self.table.settle(due, end.is_some(), now, &mut self.lines);
            if let (Some(end), Some((space, messages))) = (end, left)
                && let Some(stats) = self.ledger.get(space)
            {
                stats.leave_hold(messages, end);
            }
        }
    }

    fn answer(&mut self, answer: Answer, now: u64) {
        let (Answer::Put(_, due) | Answer::Overdue(_, due)) = &answer;
        for due in due {
            self.placed.insert(due.key, due.tenant.clone());
        }
        let left = match answer {
            Answer::Put(reply, due) => reply.send(Ok(due)).err().and_then(Result::ok),
            Answer::Overdue(reply, due) => reply.send(due).err(),
        };
        // The request is gone: what it would have sealed is sealed with what is overdue.
        for due in left.into_iter().flatten() {
            self.settle(&[(due.key, due.last)], None, now);
        }
    }

    /// Writes the log anew when most of it is of the past.
    fn compact(&mut self) -> Result<(), HoldError> {
        if self.log.len() < SMALL.max(4 * self.table.bytes() as u64) {
            return Ok(());
        }
        let mut lines = Vec::new();
        self.table.snapshot(&mut lines);
        self.log.replace(&lines)
    }
}

fn refuse_all(queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job.refuse();
    }
}
