//! The writer: one thread, owner of every chain.
//!
//! It takes a fair share of what waits, commits it as one, and answers. While a commit syncs, the next one
//! gathers, so groups form by themselves and no timer is in the path of a record.

use super::fair::FairQueue;
use super::intake::{Intake, Job};
use super::quiet::Quiet;
use super::rates::{PerTenant, Rates};
use super::refusal::Refusal;
use super::stats::{HeadAge, REPORTED_HEADS, Stats};
use crate::clock::{self, unix_nanos};
use halod_chain::commit::{Committed, WaitsFor, Work};
use halod_chain::directory::Lock;
use halod_chain::disk::free_bytes;
use halod_chain::error::{ChainError, ChainUnusable, with_causes};
use halod_chain::setaside::Resealed;
use halod_chain::store::Store;
use halod_record::draft::Draft;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a chain may be locked by another process, or be read, before its senders are refused.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a chain that can't be had is tried again.
const RETRY: Duration = Duration::from_millis(2);
/// How often the log says how much is still to be read; /readyz is more up to date.
const PROGRESS: Duration = Duration::from_secs(10);
const TELL: Duration = Duration::from_millis(250);
/// Chains that are named of those that are still to be read, or are set aside.
const NAMES: usize = 20;
/// How often free disk space is looked at.
const DISK_CHECK: Duration = Duration::from_millis(500);
/// Bytes below which a disk counts as full: a commit may need more. One that fails for want of them ends halod.
const SCANT: u64 = 1 << 20;
/// How often it is tried to seal what is set aside.
const RESEAL: Duration = Duration::from_secs(10);

/// What the writer needs besides its store.
#[derive(Clone, Debug)]
pub struct Settings {
    pub max_in_flight: usize,
    /// The file system that is watched, and the bytes that must stay free on it.
    pub directory: PathBuf,
    pub min_free_disk: u64,
    pub per_tenant: PerTenant,
    /// Keeps other daemons out of the directory; given back when the writer has ended.
    pub lock: Arc<Lock>,
}

impl Settings {
    /// What must stay free whatever is configured.
    fn floor(&self) -> u64 {
        self.min_free_disk.max(SCANT)
    }
}

/// How the writer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterEnd {
    /// Every intake was dropped, and what they had handed over is sealed and answered.
    Clean,
    /// A write or sync failed: everything in flight was refused.
    Failed(String),
}

/// The running writer.
#[derive(Debug)]
pub struct WriterHandle {
    ended: oneshot::Receiver<WriterEnd>,
}

impl WriterHandle {
    /// Waits for the writer's end.
    pub async fn finished(self) -> WriterEnd {
        let gone = || WriterEnd::Failed("the writer thread panicked: this is a bug".into());
        self.ended.await.unwrap_or_else(|_| gone())
    }
}

/// What was handed to an intake and waits for its writer. Dropped, it refuses all of that.
#[derive(Debug)]
pub struct Queue(Receiver<Job>);

/// An intake, and the queue of what is handed to it until [`Writer::start`].
#[must_use]
pub fn intake(max_in_flight: usize, stats: &Arc<Stats>) -> (Intake, Queue) {
    let (jobs, queue) = channel();
    (Intake::new(jobs, max_in_flight, Arc::clone(stats)), Queue(queue))
}

/// Seals what recovery left over and halod's own `notices`, then starts the writer thread.
///
/// # Errors
/// When they cannot be sealed or no thread can be had.
pub fn spawn(
    store: Store,
    notices: Vec<Draft>,
    settings: Settings,
    stats: Arc<Stats>,
) -> Result<(Intake, WriterHandle), ChainError> {
    let (intake, queue) = intake(settings.max_in_flight, &stats);
    let handle = Writer::new(store, notices, settings, stats)?.start(queue)?;
    Ok((intake, handle))
}

/// Seals again what is set aside, as far as that can be done now.
fn reseal(store: &mut Store, stats: &Stats) -> Result<(), ChainError> {
    let Resealed { sealed, duplicate, waiting, warnings, notices } = store.reseal(unix_nanos())?;
    notices.iter().for_each(|kind| stats.notice(kind));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if sealed + duplicate > 0 {
        tracing::info!(sealed, duplicate, waiting, "linked records that had been set aside");
    }
    Ok(())
}

/// The owner of a store, before it has its thread and in it.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    stats: Arc<Stats>,
    settings: Settings,
    /// What waits for a commit.
    queue: FairQueue,
    disk_checked: Option<Instant>,
    quiet: Quiet,
    /// When it was tried last to seal what is set aside.
    resealed: Instant,
    /// While chains are being read: when that was told last, and when it was logged.
    reading: Option<(Instant, Instant)>,
    /// Notices whose chains could not be had yet.
    owed: Vec<Draft>,
}

impl Writer {
    /// Seals what recovery left over and halod's own `notices`.
    ///
    /// # Errors
    /// When they cannot be sealed.
    pub fn new(
        mut store: Store,
        notices: Vec<Draft>,
        settings: Settings,
        stats: Arc<Stats>,
    ) -> Result<Self, ChainError> {
        reseal(&mut store, &stats)?;
        stats.disk_floor.set(settings.floor());
        stats.chains.set(store.chain_count() as u64);
        let (queue, disk_checked, quiet) =
            (FairQueue::new(Rates::new(settings.per_tenant)), None, Quiet::default());
        let resealed = Instant::now();
        let reading = None;
        let owed = notices;
        let mut writer = Self { store, stats, settings, queue, disk_checked, quiet, resealed, reading, owed };
        writer.seal_owed()?;
        writer.check_disk();
        writer.read_on()?;
        writer.tell_aside();
        Ok(writer)
    }

    /// Starts the thread that seals what is put to the other end of `queue`.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(mut self, queue: Queue) -> Result<WriterHandle, ChainError> {
        let (end, ended) = oneshot::channel();
        let directory = self.settings.directory.clone();
        let thread = std::thread::Builder::new().name("halod-writer".into());
        let run = move || {
            let outcome = match self.run(&queue.0) {
                // What is written when a store is closed would go into another one's directory.
                Ok(()) => match self.settings.lock.check() {
                    Ok(()) => self.store.close(),
                    Err(lost) => Err(lost.into()),
                },
                Err(failed) => {
                    self.refuse_all(&queue.0);
                    Err(failed)
                }
            };
            // Who is told of the end may open the directory at once.
            drop(self.settings);
            // Nobody is listening any more when the daemon was told to exit at once.
            let _ = end.send(match outcome {
                Ok(()) => WriterEnd::Clean,
                Err(failed) => WriterEnd::Failed(with_causes(&failed)),
            });
        };
        thread.spawn(run).map_err(ChainError::io("start the writer for", &directory))?;
        Ok(WriterHandle { ended })
    }

    fn run(&mut self, queue: &Receiver<Job>) -> Result<(), ChainError> {
        loop {
            self.check_disk();
            self.read_on()?;
            if !self.gather(queue) && self.queue.is_empty() {
                return Ok(());
            }
            self.settings.lock.check()?;
            if self.resealed.elapsed() >= RESEAL {
                self.resealed = Instant::now();
                reseal(&mut self.store, &self.stats)?;
                self.seal_owed()?;
            }
            self.commit()?;
            self.tell_aside();
        }
    }

    /// Takes all that waits, and waits itself where nothing may go into a commit now. `false` when nothing more
    /// can come.
    fn gather(&mut self, jobs: &Receiver<Job>) -> bool {
        if !self.queue.is_ready(Instant::now()) {
            let idle = self.queue.is_empty() && !self.store.is_reading();
            match jobs.recv_timeout(if idle { DISK_CHECK } else { RETRY }) {
                Ok(job) => self.queue.push(job, Instant::now()),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => {
                    if !self.queue.is_empty() {
                        std::thread::sleep(RETRY);
                    }
                    return false;
                }
            }
        }
        let now = Instant::now();
        loop {
            match jobs.try_recv() {
                Ok(job) => self.queue.push(job, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn commit(&mut self) -> Result<(), ChainError> {
        let mut shares = self.queue.take(Instant::now());
        if shares.is_empty() {
            return Ok(());
        }
        let mut works: Vec<Work> = shares.iter_mut().map(|share| std::mem::take(&mut share.work)).collect();
        let committed = self.store.commit(&mut works, unix_nanos())?;
        self.count(&committed);
        for warning in &committed.warnings {
            self.quiet.say(warning, |again| tracing::warn!(again, "{warning}"));
        }
        let mut waiting = Vec::new();
        for (mut share, work) in shares.into_iter().zip(works) {
            self.stats.sealed.inc_by(work.sealed.into());
            self.stats.duplicate.inc_by(work.duplicate.into());
            self.stats.conflict.inc_by(work.conflict.into());
            let failed = work.failed.clone();
            share.work = work;
            match failed {
                Some(why) => {
                    self.say_unusable(&why);
                    self.queue.done(share, Some(Refusal::from(&*why)));
                }
                None if share.work.dropped => {
                    self.quiet.say("rate", |_| {
                        tracing::warn!("a tenant is over its rate (limits.per_tenant) and told to come back");
                    });
                    let over = self.queue.over_rate(&share);
                    self.queue.done(share, Some(over));
                }
                None if share.work.drafts.is_empty() => self.queue.done(share, None),
                None => waiting.push(share),
            }
        }
        for share in self.queue.put_back(waiting, Instant::now(), RETRY, PATIENCE) {
            let why = match share.work.waits_for {
                Some(WaitsFor::Reading) => "a chain has been read for 5 s and longer",
                _ => "a chain's lock file has been locked by another process for 5 s",
            };
            self.quiet.say(why, |again| tracing::error!(again, "{why}; its sender is told to try again"));
            self.queue.done(share, Some(Refusal::ChainUnusable));
        }
        self.stats.metered.set(self.queue.rates().tenants() as u64);
        Ok(())
    }

    fn say_unusable(&mut self, why: &ChainUnusable) {
        let error = why.to_string();
        self.quiet.say(&error, |again| {
            tracing::error!(error, again, "a chain cannot be extended; its sender is told to try again");
        });
    }

    /// Seals notices, as far as their chains can be had.
    fn seal_owed(&mut self) -> Result<(), ChainError> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let mut works = [Work { drafts: self.owed.clone(), ..Work::default() }];
        let committed = self.store.commit(&mut works, unix_nanos())?;
        self.count(&committed);
        let [work] = works;
        if work.drafts.is_empty() && work.failed.is_none() {
            self.owed.clear();
        } else {
            self.quiet.say("owed", |_| {
                tracing::warn!("a notice can't be sealed yet: its chain can't be had; it is tried again");
            });
        }
        Ok(())
    }

    /// Goes on with chains that are being read, and tells of it.
    fn read_on(&mut self) -> Result<(), ChainError> {
        if !self.store.is_reading() && self.reading.is_none() {
            return Ok(());
        }
        self.store.read_on()?;
        let now = Instant::now();
        let due = |at: Instant, pause| now.duration_since(at) >= pause;
        let unread = self.store.unread(NAMES);
        let (chains, mib) = (unread.chains, unread.bytes >> 20);
        if !self.store.is_reading() {
            tracing::info!("every chain is read");
            self.reading = None;
            self.stats.tell_unread(unread);
        } else if self.reading.is_none_or(|(_, logged)| due(logged, PROGRESS)) {
            tracing::info!(chains, mib, "chains are being read; their tenants wait, all others are served");
            self.reading = Some((now, now));
            self.stats.tell_unread(unread);
        } else if let Some((told, _)) = &mut self.reading
            && due(*told, TELL)
        {
            *told = now;
            self.stats.tell_unread(unread);
        }
        Ok(())
    }

    fn tell_aside(&mut self) {
        if let Some(aside) = self.store.aside(NAMES) {
            self.stats.tell_aside(aside);
        }
    }

    fn count(&self, committed: &Committed) {
        if let Some(took) = committed.synced {
            self.stats.commits.inc();
            self.stats.sync.observe(took);
        }
        committed.notices.iter().for_each(|kind| self.stats.notice(kind));
        committed.joined.iter().for_each(|reason| self.stats.joined(*reason));
        self.stats.chains.set(self.store.chain_count() as u64);
        let sealed_at = clock::now();
        let mut heads = self.stats.heads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (stem, records) in committed.heads.iter().rev().take(REPORTED_HEADS) {
            if let Some(at) = heads.iter().position(|head| *head.chain == **stem) {
                heads.remove(at);
            }
            heads.push(HeadAge { chain: stem.to_string(), records: *records, sealed_at });
        }
        let excess = heads.len().saturating_sub(REPORTED_HEADS);
        heads.drain(..excess);
    }

    /// After a failed write or sync: nothing that is not answered yet was promised to anybody.
    fn refuse_all(&mut self, queue: &Receiver<Job>) {
        self.stats.poisoned.store(true, Relaxed);
        self.queue.refuse_all(&Refusal::Poisoned);
        while let Ok(job) = queue.try_recv() {
            job.reply.send(Err(Refusal::Poisoned));
        }
    }

    fn check_disk(&mut self) {
        if self.disk_checked.is_some_and(|at| at.elapsed() < DISK_CHECK) {
            return;
        }
        self.disk_checked = Some(Instant::now());
        // A file system that cannot be asked will show its trouble at the next write.
        let Ok(free) = free_bytes(&self.settings.directory) else { return };
        self.stats.disk_free.set(free);
        let low = free < self.settings.floor();
        if self.stats.disk_low.swap(low, Relaxed) != low {
            let floor = self.settings.floor();
            if low {
                tracing::error!(
                    free_bytes = free,
                    floor_bytes = floor,
                    directory = %self.settings.directory.display(),
                    "the disk is nearly full: nothing is accepted until there is more free space than storage.min_free_disk_mib"
                );
            } else {
                tracing::info!(
                    free_bytes = free,
                    floor_bytes = floor,
                    "there is free space on the disk again: telemetry is accepted"
                );
            }
        }
    }
}
