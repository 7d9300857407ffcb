//! What owns files, opened and started: chains, the writer, the hold.

use super::{StartError, process};
use crate::checkpointer::receipts::ReceiptSigner;
use crate::checkpointer::{self, CheckpointStats, Checkpointer, Permit};
use crate::config::Config;
use crate::config::descriptors;
use crate::hold::{self, HoldHandle};
use crate::pipeline::intake::Intake;
use crate::pipeline::quiet::Quiet;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::{self, Writer, WriterHandle};
use crate::tsa::Stamper;
use crate::witness::cosigner::Cosigner;
use crate::witness::outbox::Outbox;
use halod_chain::directory;
use halod_chain::disk::{OsDisk, free_bytes};
use halod_chain::error::{ChainError, with_causes};
use halod_chain::store::{self, Store};
use halod_chain::traces::TraceTenants;
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;
use halod_tlog::notes::Notes;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The writer of a directory that no daemon runs on, for as long as the lock is held.
///
/// # Errors
/// The directory is another's, or can't be used.
pub fn writer_of(
    config: &mut Config,
    traces: &Arc<TraceTenants>,
) -> Result<(Arc<directory::Lock>, Intake, WriterHandle), StartError> {
    let lock = Arc::new(directory::open(&config.storage.directory)?);
    let share = descriptors::share(config, process::raise_descriptors())?;
    let held = Arc::clone(&lock);
    let settings = settings(config, held);
    let stats = Arc::new(Stats::default());
    let started = recover(config, share.chains, traces, &stats)
        .and_then(|(store, notices)| writer::spawn(store, notices, settings, stats));
    started.map(|(intake, writer)| (lock, intake, writer)).map_err(StartError::Store)
}

/// What opening takes.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub config: Config,
    pub open_chains: usize,
    pub lock: Arc<directory::Lock>,
    pub stats: Arc<Stats>,
    pub checkpoints: Arc<CheckpointStats>,
    pub receipts: Arc<ReceiptSigner>,
    pub notes: Arc<Notes>,
    pub ledger: hold::Ledger,
    /// What the spans of a trace said for it.
    pub traces: Arc<TraceTenants>,
    /// What the chains should say of what a try found that failed later: the next one finds it no more.
    pub owed: Arc<Mutex<Vec<Draft>>>,
}

/// Chains and the hold, opened, before their threads are started.
#[derive(Debug)]
pub(super) struct Opened {
    writer: Writer,
    hold: hold::Opened,
    checkpointer: Checkpointer,
}

/// What is taken in before there is anybody who seals it.
#[derive(Debug)]
pub(super) struct Queues {
    pub jobs: writer::Queue,
    pub held: hold::Queue,
}

/// What owns files, once it runs.
#[derive(Debug)]
pub(super) struct Started {
    pub writer: WriterHandle,
    pub held: HoldHandle,
    /// `None` where nothing is to be signed.
    pub checkpointer: Option<checkpointer::Handle>,
}

impl Opening {
    /// Opens the store, and completes what a crash interrupted. Takes as long as recovery does.
    pub(super) async fn open(&self) -> Result<Opened, StartError> {
        let own = self.clone();
        let opened = tokio::task::spawn_blocking(move || own.open_now()).await;
        opened.map_err(StartError::StorePanicked)?.map_err(StartError::Store)
    }

    /// The same, where it failed because the disk is full: tries again until there is room. `None` when
    /// `draining` comes first.
    pub(super) async fn open_when_there_is_room(
        &self,
        mut why: ChainError,
        draining: &mut watch::Receiver<bool>,
    ) -> Result<Option<Opened>, StartError> {
        let mut pause = FIRST_PAUSE;
        let mut quiet = Quiet::default();
        loop {
            let error = with_causes(&why);
            quiet.say(&error, |_| {
                tracing::error!(
                    error,
                    "the disk is full: nothing is accepted, and the chains are opened when there is room"
                );
            });
            self.stats.disk_low.store(true, Relaxed);
            if let Ok(free) = free_bytes(&self.config.storage.directory) {
                self.stats.disk_free.set(free);
            }
            tokio::select! {
                // A daemon that is gone drains no more.
                _ = draining.wait_for(|draining| *draining) => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.open().await {
                Ok(opened) => return Ok(Some(opened)),
                Err(StartError::Store(error)) if error.is_want_of_room() => why = error,
                Err(other) => return Err(other),
            }
        }
    }

    fn open_now(self) -> Result<Opened, ChainError> {
        let Self { config, open_chains, lock, stats, checkpoints, receipts, notes, ledger, traces, owed } =
            self;
        let hold = hold::Settings {
            directory: config.storage.directory.clone(),
            wait: config.hold.wait,
            bytes: config.hold.bytes,
        };
        let hold = hold::Opened::read(hold, Arc::clone(&traces), ledger)?;
        let (store, notices) = recover(&config, open_chains, &traces, &stats)?;
        let mut owed = owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.extend(notices);
        owed.extend(damage_notice(&hold.damage));
        let permit = Arc::new(Permit::new(!config.checkpoint.witnesses.is_empty()));
        let checkpointer = Checkpointer {
            notes,
            permit,
            directory: config.storage.directory.clone(),
            settings: config.checkpoint.clone(),
            lock: Arc::clone(&lock),
            pipeline: Arc::clone(&stats),
            stats: checkpoints,
            receipts,
        };
        let writer = Writer::new(store, owed.clone(), settings(&config, lock), stats)?;
        owed.clear();
        Ok(Opened { writer, hold, checkpointer })
    }
}

impl Opened {
    /// Starts the threads, on what waits already.
    pub(super) fn start(self, queues: Queues) -> Result<Started, StartError> {
        let held = self.hold.start(queues.held).map_err(StartError::Store)?;
        let Checkpointer { directory, settings, lock, notes, permit, stats, .. } = &self.checkpointer;
        let cosigner = Cosigner {
            directory: directory.clone(),
            notes: Arc::clone(notes),
            permit: Arc::clone(permit),
            stats: Arc::clone(stats),
            max_age: settings.max_age,
        };
        cosigner.start(&settings.witnesses).map_err(StartError::Checkpointer)?;
        if let Some(settings) = settings.tsa.clone() {
            let (directory, permit, stats) = (directory.clone(), Arc::clone(permit), Arc::clone(stats));
            let stamper = Stamper { directory, permit, stats, settings };
            stamper.start().map_err(StartError::Checkpointer)?;
        }
        if let Some(witness) = &settings.halo_witness {
            let outbox = Outbox {
                directory: directory.clone(),
                settings: witness.clone(),
                lock: Arc::clone(lock),
                permit: Arc::clone(permit),
                stats: Arc::clone(stats),
            };
            outbox.start().map_err(StartError::Checkpointer)?;
        }
        // Before the writer, whose first answers have receipts, too.
        let checkpointer = self.checkpointer.start().map_err(StartError::Checkpointer)?;
        let writer = self.writer.start(queues.jobs).map_err(StartError::Store)?;
        Ok(Started { writer, held, checkpointer })
    }
}

/// What the local chain should say of a hold's log that was damaged.
fn damage_notice(damage: &hold::Damage) -> Option<Draft> {
    let &hold::Damage { lines, bytes, offset } = damage;
    if lines == 0 {
        return None;
    }
    tracing::error!(lines, bytes, offset, "the log of held messages was damaged; what is lost is disclosed");
    let about = [("bytes", bytes), ("lines", lines), ("offset", offset)];
    let about = about.map(|(key, number)| (key, About::Number(number)));
    let summary = format!(
        "{lines} damaged lines, {bytes} bytes, in the log of messages that waited for the rest of their action: the messages are lost."
    );
    Some(Notice::of_loss("hold_damaged", &summary, &about).draft(&Tenant::Local))
}

/// Before a full disk is tried again; twice as long each time, up to the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a tenant is refused whose chain can't be had, before it is tried again.
const CHAIN_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a chain that hold up other tenants while they are read: about a millisecond.
const READ_AT_ONCE: u64 = 256 << 10;

fn recover(
    config: &Config,
    open_chains: usize,
    traces: &Arc<TraceTenants>,
    stats: &Stats,
) -> Result<(Store, Vec<Draft>), ChainError> {
    let storage = &config.storage;
    let settings = store::Settings {
        directory: storage.directory.clone(),
        open_chains,
        max_tenants: storage.max_tenants,
        new_chains: config.per_tenant.new_chains(),
        journal_size: storage.journal_size,
        patience: CHAIN_PATIENCE,
        read_at_once: READ_AT_ONCE,
        join_calls: config.records.join_calls,
        traces: Arc::clone(traces),
    };
    let (store, recovered) = Store::open(settings, Arc::new(OsDisk))?;
    if let Some(why) = &recovered.index_rebuilt {
        tracing::warn!(%why, "the exactly-once index is made anew from the chains");
    }
    if recovered.completed > 0 {
        let completed = recovered.completed;
        tracing::warn!(completed, "the last halod ended abruptly; its journal was applied");
    }
    for warning in &recovered.warnings {
        tracing::error!("a chain is set aside: {warning}");
    }
    for damage in &recovered.journal_damage {
        tracing::error!("the journal was damaged, and acknowledged records may be missing: {damage}");
    }
    stats.journal_damage.lock().unwrap_or_else(PoisonError::into_inner).extend(recovered.journal_damage);
    Ok((store, recovered.notices))
}

fn settings(config: &Config, lock: Arc<directory::Lock>) -> writer::Settings {
    writer::Settings {
        max_in_flight: config.pipeline.max_in_flight,
        directory: config.storage.directory.clone(),
        min_free_disk: config.storage.min_free_disk,
        per_tenant: config.per_tenant,
        lock,
    }
}
