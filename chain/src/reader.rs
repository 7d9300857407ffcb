//! Long stretches of chain files are read by a thread beside the writer: their tenants wait, nobody else does.
//!
//! Much is to be read when the index is gone, after a crash, and where others have written much. What is found
//! at the start to be long is read at once; whoever comes for a chain meanwhile, comes first. One stretch of a
//! chain is ordered at a time, so that chains are read side by side.

use super::error::{ChainError, ChainUnusable};
use super::index::Index;
use super::joins::MOST;
use super::scan::{Scan, first_tenant, scan};
use super::store::{FOREIGN, Readiness, Settings, Store};
use super::tail::file_id;
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of one order.
const STRETCH: u64 = if cfg!(test) { 16 << 10 } else { 4 << 20 };
/// Stretches that may wait for the writer.
const NEWS: usize = 4;
/// Chains that nobody has come for, read side by side.
const BESIDE: usize = 4;

/// What of a chain's file is left to the reader.
#[derive(Debug)]
pub(super) struct Reading {
    /// Device and inode of the file.
    file: (u64, u64),
    /// How long it was when the last stretch was ordered.
    until: u64,
    /// The order that is under way.
    order: Option<u64>,
    /// A line is longer than a stretch: the rest is read as a whole.
    whole: bool,
    failed: Option<ChainUnusable>,
}

impl Reading {
    /// Whether it is of this file, which was read to `read` and has `len` bytes now.
    pub(super) fn is_of(&self, file: (u64, u64), read: u64, len: u64) -> bool {
        self.file == file && read <= len
    }
}

/// Chains that are not read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    pub chains: usize,
    pub bytes: u64,
    /// The first of them, by file name without `.jsonl`.
    pub names: Vec<String>,
}

#[derive(Debug)]
struct Order {
    chain: usize,
    number: u64,
    path: PathBuf,
    file: (u64, u64),
    stretch: (u64, u64),
    tenant: Tenant,
}

/// What an order came to.
struct News {
    chain: usize,
    number: u64,
    /// `None` where a line is longer than the stretch.
    found: io::Result<Option<Scan>>,
    /// Of the records: key in the index, offset.
    pairs: Vec<(u64, u64)>,
}

/// A chain that nobody has come for yet.
#[derive(Debug)]
struct Found {
    tenant: Tenant,
    stem: String,
    bytes: u64,
}

/// The writer's side of the thread.
#[derive(Debug)]
pub(super) struct Reader {
    orders: Arc<Orders>,
    news: Receiver<News>,
    last: u64,
    found: VecDeque<Found>,
    /// Chains that are being read.
    chains: Vec<usize>,
}

#[derive(Debug, Default)]
struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody waits for these.
    urgent: VecDeque<Order>,
    others: VecDeque<Order>,
    ended: bool,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, news: &SyncSender<News>) {
        loop {
            let mut state = self.lock();
            let order = loop {
                if state.ended {
                    return;
                }
                if let Some(order) = state.urgent.pop_front() {
                    break order;
                }
                if let Some(order) = state.others.pop_front() {
                    break order;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            let mut pairs = Vec::new();
            let found = order.read(&mut pairs);
            if news.send(News { chain: order.chain, number: order.number, found, pairs }).is_err() {
                return;
            }
        }
    }
}

impl Order {
    fn read(&self, pairs: &mut Vec<(u64, u64)>) -> io::Result<Option<Scan>> {
        let file = File::open(&self.path)?;
        if file_id(&file.metadata()?) != self.file {
            return Err(io::Error::other("it was replaced while it was read"));
        }
        let found = scan(&file, self.stretch, self.tenant.subject(), &mut |offset, facts| {
            pairs.extend(facts.record_id.as_deref().and_then(RecordId::parse).map(|id| (id.key(), offset)));
            pairs.extend(facts.keys.iter().map(|key| (*key, offset)));
        })?;
        Ok((!found.unterminated).then_some(found))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.orders.lock().ended = true;
        self.orders.changed.notify_all();
    }
}

impl Reader {
    /// Starts the thread, and looks which chains have long stretches that the index does not cover.
    pub(super) fn start(settings: &Settings, index: &Index) -> Result<Self, ChainError> {
        let (report, news) = sync_channel(NEWS);
        let orders = Arc::new(Orders::default());
        let thread = (std::thread::Builder::new().name("halod-reader".into()), Arc::clone(&orders));
        let (builder, own) = thread;
        builder
            .spawn(move || own.serve(&report))
            .map_err(ChainError::io("start the thread that reads", &settings.directory))?;
        let found = unread(settings, index).unwrap_or_default();
        Ok(Self { orders, news, last: 0, found, chains: Vec::new() })
    }

    fn order(&mut self, order: Order, urgent: bool) {
        let mut state = self.orders.lock();
        if urgent { &mut state.urgent } else { &mut state.others }.push_back(order);
        drop(state);
        self.orders.changed.notify_all();
    }

    /// Somebody waits for this order.
    fn hurry(&self, number: u64) {
        let mut state = self.orders.lock();
        let at = state.others.iter().position(|order| order.number == number);
        if let Some(order) = at.and_then(|at| state.others.remove(at)) {
            state.urgent.push_back(order);
        }
    }
}

/// Files that are called as chains are and are longer, beyond what the index covers, than is read at once.
/// Whose they are is only taken for granted until they are read.
fn unread(settings: &Settings, index: &Index) -> io::Result<VecDeque<Found>> {
    let mut found = VecDeque::new();
    for entry in std::fs::read_dir(&settings.directory)?.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else { continue };
        let Some(meta) = entry.metadata().ok().filter(std::fs::Metadata::is_file) else { continue };
        let covered = index.position(stem).map_or(0, |position| position.len);
        let bytes = meta.len().saturating_sub(covered);
        if bytes > settings.read_at_once
            && let Some(tenant) = first_tenant(&entry.path())
        {
            found.push_back(Found { tenant, stem: stem.to_owned(), bytes });
        }
    }
    Ok(found)
}

impl Store {
    /// Whether the rest of a chain is not to be read now, because it is long.
    pub(super) fn is_left_to_the_reader(
        &mut self,
        at: usize,
        file: (u64, u64),
        len: u64,
    ) -> Result<bool, ChainUnusable> {
        let chain = &mut self.chains[at];
        if let Some(reading) = &mut chain.reading {
            if let Some(failed) = reading.failed.take() {
                chain.reading = None;
                chain.forget();
                return Err(failed);
            }
            if reading.order.is_some() || reading.whole {
                return Ok(reading.order.is_some());
            }
        }
        if len.saturating_sub(chain.len) <= self.settings.read_at_once {
            return Ok(false);
        }
        self.order(at, file, len);
        Ok(true)
    }

    fn order(&mut self, at: usize, file: (u64, u64), until: u64) {
        let urgent = std::mem::take(&mut self.chains[at].urgent);
        let chain = &mut self.chains[at];
        self.reader.last += 1;
        let number = self.reader.last;
        // What is left in the end is for the writer: only under the lock is it known whether a line is whole.
        let end = until.saturating_sub(self.settings.read_at_once).min(chain.len + STRETCH);
        let order = Order {
            chain: at,
            number,
            path: chain.path.clone(),
            file,
            stretch: (chain.len, end),
            tenant: chain.tenant.clone(),
        };
        if chain.reading.is_none() {
            self.reader.chains.push(at);
            self.reader.found.retain(|found| *found.stem != *chain.stem);
        }
        chain.reading = Some(Reading { file, until, order: Some(number), whole: false, failed: None });
        self.reader.order(order, urgent);
    }

    /// Somebody waits for a chain.
    pub(super) fn hurry(&mut self, at: usize) {
        self.chains[at].urgent = true;
        if let Some(number) = self.chains[at].reading.as_ref().and_then(|reading| reading.order) {
            self.reader.hurry(number);
        }
    }

    /// Whether chains are being read, so that [`Self::read_on`] has something to do.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        !self.reader.chains.is_empty() || !self.reader.found.is_empty()
    }

    /// Takes over what of long chains was read meanwhile. To be called between commits, and often while
    /// [`Self::is_reading`].
    ///
    /// # Errors
    /// The index fails.
    pub fn read_on(&mut self) -> Result<(), ChainError> {
        for _ in 0..NEWS {
            let Ok(news) = self.reader.news.try_recv() else { break };
            self.take_news(news);
            self.flush_index()?;
        }
        for at in std::mem::take(&mut self.reader.chains) {
            let under_way = |reading: &Reading| reading.order.is_some();
            if self.chains[at].reading.as_ref().is_some_and(|reading| !under_way(reading)) {
                self.come_for(at);
            }
            if self.chains[at].reading.is_some() && !self.reader.chains.contains(&at) {
                self.reader.chains.push(at);
            }
        }
        while self.reader.chains.len() < BESIDE
            && let Some(Found { tenant, stem, .. }) = self.reader.found.pop_front()
        {
            let Ok(at) = self.chain_of(&tenant, false) else { continue };
            let chain = &self.chains[at];
            if *chain.stem == *stem && chain.file_id.is_none() && chain.reading.is_none() {
                self.come_for(at);
            }
        }
        Ok(())
    }

    /// Looks at a chain that nobody may wait for.
    fn come_for(&mut self, at: usize) {
        match self.ready(at) {
            Ok(Readiness::Ready(_) | Readiness::Waits(_)) => {}
            Err(unusable) => self.warnings.push(unusable.to_string()),
        }
    }

    fn take_news(&mut self, news: News) {
        let News { chain: at, number, found, pairs } = news;
        let chain = &mut self.chains[at];
        let Some(reading) = chain.reading.as_mut().filter(|reading| reading.order == Some(number)) else {
            return;
        };
        reading.order = None;
        match found {
            Ok(Some(found)) if found.foreign => {
                let path = chain.path.clone();
                reading.failed = Some(ChainUnusable::NotAChain { path, why: FOREIGN });
            }
            Ok(Some(found)) => {
                pairs.into_iter().for_each(|(key, offset)| self.index.insert_few(key, offset, MOST));
                let (file, until) = (reading.file, reading.until);
                chain.advance(&found);
                if until.saturating_sub(chain.len) > self.settings.read_at_once {
                    self.order(at, file, until);
                }
            }
            Ok(None) => reading.whole = true,
            Err(source) => reading.failed = Some(ChainUnusable::io("read", &chain.path)(source)),
        }
    }

    /// What is not read yet, with the names of `most` chains.
    #[must_use]
    pub fn unread(&self, most: usize) -> Unread {
        let mut unread = Unread::default();
        let being_read = self.reader.chains.iter().filter_map(|&at| {
            let chain = &self.chains[at];
            let reading = chain.reading.as_ref()?;
            Some((&*chain.stem, reading.until.saturating_sub(chain.len)))
        });
        let found = self.reader.found.iter().map(|found| (&*found.stem, found.bytes));
        for (stem, bytes) in being_read.chain(found) {
            unread.chains += 1;
            unread.bytes += bytes;
            if unread.names.len() < most {
                unread.names.push(stem.to_owned());
            }
        }
        unread
    }
}
