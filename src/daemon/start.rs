//! What owns files, opened and started: chains, the writer, the hold.

use super::{StartError, process};
use crate::config::Config;
use crate::config::descriptors;
use crate::hold::{self, Hold, HoldHandle};
use crate::pipeline::intake::Intake;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::{self, WriterHandle};
use halod_chain::directory;
use halod_chain::disk::OsDisk;
use halod_chain::error::ChainError;
use halod_chain::store::{self, Store};
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;
use std::sync::Arc;
use std::time::Duration;

/// The writer of a directory that no daemon runs on, for as long as the lock is held.
///
/// # Errors
/// The directory is another's, or can't be used.
pub fn writer_of(config: &mut Config) -> Result<(Arc<directory::Lock>, Intake, WriterHandle), StartError> {
    let lock = Arc::new(directory::open(&config.storage.directory)?);
    let share = descriptors::share(config, process::raise_descriptors())?;
    let held = Arc::clone(&lock);
    let started = recover(config, share.chains)
        .and_then(|(store, notices)| start(config, store, notices, held, Arc::default()));
    started.map(|(intake, writer)| (lock, intake, writer)).map_err(StartError::Store)
}

/// Opens the store, completes what a crash interrupted, and starts the writer thread. Blocks for as
/// long as recovery takes.
pub(super) fn writer(
    config: &Config,
    open_chains: usize,
    lock: Arc<directory::Lock>,
    stats: Arc<Stats>,
    ledger: hold::Ledger,
) -> Result<Started, ChainError> {
    let (store, mut notices) = recover(config, open_chains)?;
    let settings = hold::Settings {
        directory: config.storage.directory.clone(),
        wait: config.hold.wait,
        bytes: config.hold.bytes,
    };
    let (hold, held, damage) = Hold::open(settings, ledger)?;
    if damage.lines > 0 {
        let hold::Damage { lines, bytes, offset } = damage;
        tracing::error!(
            lines,
            bytes,
            offset,
            "the log of held messages was damaged; what is lost is disclosed"
        );
        let about = [("bytes", bytes), ("lines", lines), ("offset", offset)];
        let about = about.map(|(key, number)| (key, About::Number(number)));
        let summary = format!(
            "{lines} damaged lines, {bytes} bytes, in the log of messages that waited for the rest of their action: the messages are lost."
        );
        let notice = Notice::of_loss("hold_damaged", &summary, &about);
        notices.push(notice.draft(&Tenant::Local));
    }
    let (intake, writer) = start(config, store, notices, lock, stats)?;
    Ok(Started { intake, writer, hold, held })
}

/// How long a tenant is refused whose chain can't be had, before it is tried again.
const CHAIN_PATIENCE: Duration = Duration::from_secs(10);

fn recover(config: &Config, open_chains: usize) -> Result<(Store, Vec<Draft>), ChainError> {
    let storage = &config.storage;
    let settings = store::Settings {
        directory: storage.directory.clone(),
        open_chains,
        max_tenants: storage.max_tenants,
        journal_size: storage.journal_size,
        patience: CHAIN_PATIENCE,
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
    Ok((store, recovered.notices))
}

fn start(
    config: &Config,
    store: Store,
    notices: Vec<Draft>,
    lock: Arc<directory::Lock>,
    stats: Arc<Stats>,
) -> Result<(Intake, WriterHandle), ChainError> {
    let settings = writer::Settings {
        max_in_flight: config.pipeline.max_in_flight,
        directory: config.storage.directory.clone(),
        min_free_disk: config.storage.min_free_disk,
        lock,
    };
    writer::spawn(store, notices, settings, stats)
}

/// What owns files, once it runs.
pub(super) struct Started {
    pub intake: Intake,
    pub writer: WriterHandle,
    pub hold: Hold,
    pub held: HoldHandle,
}
