//! From what passed to records: two threads, so that neither a daemon that is slow nor a message that takes long to read
//! holds up what passes.
//!
//! ```text
//! Tap ─ bounded in bytes: what has no room is counted ─▶ watch ─ bounded in drafts ─▶ send
//! ```

use crate::capture::hook::{HookError, builder};
use crate::clock;
use crate::spool::RULES;
use crate::spool::outbox::Outbox;
use crate::spool::place::SpoolError;
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use halod_record::event::Event;
use halod_record::tenant::Tenant;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::Builder as Thread;
use std::time::{Duration, Instant, SystemTime};

/// Bytes that passed and are not looked at yet.
const MOST_BYTES: usize = 64 << 20;
/// Items of them.
const MOST_ITEMS: usize = 65_536;
/// Drafts that are not sent yet.
const MOST_DRAFTS: usize = 4096;
/// Drafts in one request: the daemon seals them with one sync.
const AT_ONCE: usize = 64;
/// How often the time is told where nothing passes.
const TICK: Duration = Duration::from_secs(1);
/// How long the daemon's rules are not looked at again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a watch is told; the time stands beside it.
pub type Tell<'t> = dyn FnMut(&Event<'_>) + 't;

/// Makes events of what passed. Each runs on one thread.
pub trait Watch: Send + 'static {
    type Item: Send + 'static;
    fn take(&mut self, item: Self::Item, tell: &mut Tell<'_>);
    fn tick(&mut self, at: u64, tell: &mut Tell<'_>);
    fn end(&mut self, at: u64, tell: &mut Tell<'_>);
}

/// Where records go, and whose they are.
#[derive(Clone, Debug)]
pub struct Place {
    pub directory: PathBuf,
    pub tenant: Tenant,
}

/// Something that passed and the bytes that it takes, or nothing any more.
type Passing<T> = Option<(T, usize)>;

/// Where what passed is told. Cheap to clone; never waits.
#[derive(Debug)]
pub struct Tap<T> {
    items: SyncSender<Passing<T>>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Clone for Tap<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

impl<T> Tap<T> {
    /// Tells of something that takes `bytes`. Whether there was room for it.
    pub fn offer(&self, item: T, bytes: usize) -> bool {
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before.saturating_add(bytes) <= MOST_BYTES;
        if has_room && self.items.try_send(Some((item, bytes))).is_ok() {
            return true;
        }
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        false
    }
}

/// The threads behind a tap.
#[derive(Debug)]
pub struct Recorder<T> {
    items: SyncSender<Passing<T>>,
    ended: Receiver<()>,
    lost: Arc<Lost>,
}

/// Records that could neither be sent nor kept, and why the last of them could not.
#[derive(Debug, Default)]
struct Lost {
    records: AtomicU64,
    why: std::sync::Mutex<String>,
}

impl Lost {
    fn add(&self, records: u64, why: &HookError) {
        self.records.fetch_add(records, Ordering::Relaxed);
        if let Ok(mut last) = self.why.lock() {
            *last = why.to_string();
        }
    }
}

impl<T: Send + 'static> Recorder<T> {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(watch: impl Watch<Item = T>, place: Place) -> io::Result<(Tap<T>, Self)> {
        let (items, to_watch) = sync_channel(MOST_ITEMS);
        let (drafts, to_send) = sync_channel(MOST_DRAFTS);
        let (end, ended) = sync_channel(1);
        let waiting = Arc::<AtomicUsize>::default();
        let lost = Arc::<Lost>::default();
        let rules = Rules::new(place.directory.clone());
        let watching = Watching {
            rules,
            tenant: place.tenant,
            scratch: Scratch::capturing(),
            drafts,
            lost: Arc::clone(&lost),
        };
        let (room, of_sender) = (Arc::clone(&waiting), Arc::clone(&lost));
        Thread::new().name("watch".into()).spawn(move || watching.run(watch, &to_watch, &room))?;
        Thread::new().name("send".into()).spawn(move || {
            send(&place.directory, &to_send, &of_sender);
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        Ok((Tap { items: items.clone(), waiting }, Self { items, ended, lost }))
    }

    /// Waits until all that was told by now is sent or kept, for `patience` at most. What is told from now on is not taken.
    ///
    /// # Errors
    /// Some records could neither be sent nor kept.
    pub fn finish(self, patience: Duration) -> Result<(), String> {
        // Without the thread there is nobody to tell.
        let _ = self.items.send(None);
        let in_time = self.ended.recv_timeout(patience) != Err(RecvTimeoutError::Timeout);
        let lost = self.lost.records.load(Ordering::Relaxed);
        let why = self.lost.why.lock().map(|why| why.clone()).unwrap_or_default();
        match (in_time, lost) {
            (true, 0) => Ok(()),
            (true, lost) => Err(format!("{lost} records could neither be sent nor kept: {why}")),
            (false, _) => Err(format!(
                "what passed last is not recorded: it was not read within {} s",
                patience.as_secs()
            )),
        }
    }
}

/// The daemon's rules of redaction, read again when they change.
struct Rules {
    directory: PathBuf,
    builder: Option<Builder>,
    /// Of the file that they were read from.
    stamp: Option<(SystemTime, u64)>,
    looked: Option<Instant>,
}

impl Rules {
    fn new(directory: PathBuf) -> Self {
        Self { directory, builder: None, stamp: None, looked: None }
    }

    fn builder(&mut self) -> Result<&Builder, HookError> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= PAUSE) {
            self.looked = Some(Instant::now());
            let stat = std::fs::metadata(self.directory.join(RULES)).ok();
            let stamp = stat.and_then(|stat| Some((stat.modified().ok()?, stat.len())));
            if stamp.is_some() && stamp != self.stamp {
                match builder(&self.directory) {
                    Ok(builder) => (self.builder, self.stamp) = (Some(builder), stamp),
                    // Those that are known hold until others can be used.
                    Err(error) if self.builder.is_none() => return Err(error),
                    Err(_) => {}
                }
            }
        }
        self.builder.as_ref().ok_or_else(|| SpoolError::NoDaemon(self.directory.clone()).into())
    }
}

/// What the first thread has.
struct Watching {
    rules: Rules,
    tenant: Tenant,
    scratch: Scratch,
    drafts: SyncSender<(u64, Draft)>,
    lost: Arc<Lost>,
}

impl Watching {
    fn run<W: Watch>(mut self, mut watch: W, items: &Receiver<Passing<W::Item>>, waiting: &AtomicUsize) {
        loop {
            match items.recv_timeout(TICK) {
                Ok(Some((item, bytes))) => {
                    waiting.fetch_sub(bytes, Ordering::Relaxed);
                    watch.take(item, &mut |event| self.draft(event));
                }
                Err(RecvTimeoutError::Timeout) => {
                    watch.tick(clock::unix_nanos(), &mut |event| self.draft(event));
                }
                Ok(None) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        watch.end(clock::unix_nanos(), &mut |event| self.draft(event));
    }

    fn draft(&mut self, event: &Event<'_>) {
        match self.rules.builder() {
            Ok(builder) => {
                let draft = builder.draft(event, &self.tenant, &mut self.scratch);
                // The other thread goes only after this one.
                let _ = self.drafts.send((clock::unix_nanos(), draft));
            }
            Err(error) => self.lost.add(1, &error),
        }
    }
}

/// Sends drafts as they come, those that wait together.
fn send(directory: &std::path::Path, drafts: &Receiver<(u64, Draft)>, lost: &Lost) {
    let mut outbox: Option<Outbox> = None;
    while let Ok(first) = drafts.recv() {
        let mut batch = vec![first];
        while batch.len() < AT_ONCE {
            match drafts.try_recv() {
                Ok(draft) => batch.push(draft),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let opened = match outbox.take() {
            Some(open) => Ok(open),
            None => Outbox::open(directory),
        };
        let sent = opened.and_then(|open| open.send(&batch).map(|_| open));
        match sent {
            Ok(open) => outbox = Some(open),
            Err(error) => lost.add(batch.len() as u64, &error.into()),
        }
    }
}

/// Whether records of a directory can be made at all.
///
/// # Errors
/// Why not.
pub fn check(place: &Place) -> Result<(), HookError> {
    builder(&place.directory)?;
    Outbox::open(&place.directory)?;
    Ok(())
}
