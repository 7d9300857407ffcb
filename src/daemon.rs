//! The daemon: the only place where the parts meet, and the order in which they start and stop.
//!
//! ```text
//! directory lock ─▶ descriptors shared out ─▶ every door bound ─▶ admin served: starting
//!   ─▶ store opened, writer started ─▶ doors served: ready ─▶ signal or writer's end
//!   ─▶ not ready ─▶ doors finish what they began ─▶ writer ends ─▶ lock given back
//! ```
//!
//! What can fail fails before the first request is taken; what fails later is the writer's, and
//! ends the run.

pub mod directory;
pub mod doors;
mod drain;
pub mod process;
mod socket;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::directory::DirectoryError;
use self::doors::{ADMIN, BindError, Bound, GRPC, HTTP};
pub use self::drain::End;
use self::drain::Running;
use crate::chain::disk::OsDisk;
use crate::chain::error::{ChainError, with_causes};
use crate::chain::store::{self, Store};
use crate::config::descriptors::{self, Share, TooFew};
use crate::config::{Config, DoorSettings, PipelineSettings, StorageSettings};
use crate::net::listener;
use crate::pipeline::intake::Intake;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::{self, WriterHandle};
use crate::receivers::delivery::Delivery;
use crate::receivers::door::{Door, Receivers};
use crate::receivers::otlp::join::Joins;
use crate::receivers::otlp::{OtlpService, Reading};
use crate::receivers::stats::Counters;
use crate::receivers::tail::{self, Tail};
use crate::record::build::Builder;
use crate::telemetry::{admin, receivers};

/// Why the daemon did not start. Nothing was taken from anyone.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the chains can't be opened: {}", with_causes(.0))]
    Store(#[from] ChainError),
    #[error("opening the chains failed, which is a bug: {0}")]
    StorePanicked(#[source] tokio::task::JoinError),
    #[error("logs can't be followed: {0}")]
    Logs(#[source] io::Error),
    #[error("signals can't be handled: {0}")]
    Signals(#[source] io::Error),
}

/// Runs until a signal or a failure of the writer.
///
/// # Errors
/// What keeps the daemon from starting.
pub async fn run(mut config: Config) -> Result<End, StartError> {
    let started = SystemTime::now();
    let _lock = directory::open(&config.storage.directory)?;
    let share = descriptors::share(&mut config, process::raise_descriptors())?;
    if share.withheld > 0 {
        tracing::warn!(
            connections = share.withheld,
            "fewer connections than configured: too few file descriptors; raise LimitNOFILE or ulimit -n"
        );
    }
    let signals = process::signals().map_err(StartError::Signals)?;
    let bound = Doors::bind(&config).await?;
    let stats = Arc::new(Stats::default());
    let counters = Arc::new(Counters::default());
    let counted = Arc::clone(&counters);
    let state = Arc::new(admin::State {
        doors: bound.addresses(),
        directory: std::path::absolute(&config.storage.directory)
            .unwrap_or_else(|_| config.storage.directory.clone()),
        started,
        starting: true.into(),
        stats: Arc::clone(&stats),
        receivers: Box::new(move || receivers::all(&counted)),
    });
    let admin = tokio::spawn(admin::serve(bound.admin.socket, Arc::clone(&state)));

    let end = up(config, share, [bound.grpc, bound.http], &state, &counters, signals).await;
    admin.abort();
    // Its socket goes with it; were that left to the end of the process, a file might stay.
    let _ = admin.await;
    end
}

/// From the doors being bound to the end.
async fn up(
    config: Config,
    share: Share,
    sockets: [Option<Bound>; 2],
    state: &admin::State,
    counters: &Arc<Counters>,
    mut signals: mpsc::Receiver<&'static str>,
) -> Result<End, StartError> {
    let (storage, pipeline, counts) =
        (config.storage.clone(), config.pipeline.clone(), Arc::clone(&state.stats));
    let starting =
        tokio::task::spawn_blocking(move || start_writer(storage, share.chains, &pipeline, counts));
    let (intake, writer) = tokio::select! {
        started = starting => started.map_err(StartError::StorePanicked)??,
        Some(signal) = signals.recv() => {
            tracing::info!(signal, "asked to stop before anything was accepted");
            return Ok(End::Drained);
        }
    };
    state.starting.store(false, Relaxed);

    let (drain, draining) = watch::channel(false);
    // Content that waits must leave room for the spans that it waits for.
    let joins = Joins::new(config.join_wait, config.pipeline.max_in_flight / 4, draining.clone());
    let builder = Arc::new(Builder::new(config.records.hash_only));
    let reading = Arc::new(Reading::new(config.tenant, Arc::clone(&builder), joins));
    let mut doors = JoinSet::new();
    for (bound, settings) in sockets.into_iter().zip([config.grpc, config.http]) {
        if let (Some(bound), Some(settings)) = (bound, settings) {
            let door = open(bound, settings, intake.clone(), &reading, counters, draining.clone());
            doors.spawn(door);
        }
    }
    if !config.file_logs.is_empty() {
        let delivery = Delivery {
            intake: intake.clone(),
            builder,
            limits: Arc::default(),
            counters: Arc::clone(counters),
            stats: |counters| &counters.file_log,
        };
        let directory = config.storage.directory.join(".halod/tail");
        let bounds = (share.logs, config.pipeline.max_in_flight);
        let followed = follow(config.file_logs, delivery, directory, bounds, draining);
        doors.spawn(followed.map_err(StartError::Logs)?);
    }
    drop(intake);
    announce(state);
    let running = Running { doors, drain, timeout: config.shutdown_timeout };
    let end = drain::supervise(running, writer.finished(), signals, &state.stats).await;
    tracing::info!(?end, "halod ended");
    Ok(end)
}

/// The sockets of one run.
struct Doors {
    grpc: Option<Bound>,
    http: Option<Bound>,
    admin: Bound,
}

impl Doors {
    async fn bind(config: &Config) -> Result<Self, BindError> {
        let receiver = async |name, door: &Option<DoorSettings>| match door {
            Some(door) => doors::bind(name, &door.endpoint).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            grpc: receiver(GRPC, &config.grpc).await?,
            http: receiver(HTTP, &config.http).await?,
            admin: doors::bind(ADMIN, &config.admin).await?,
        })
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        let all = [(GRPC, self.grpc.as_ref()), (HTTP, self.http.as_ref()), (ADMIN, Some(&self.admin))];
        all.into_iter().filter_map(|(name, bound)| Some((name, bound?.address.clone()))).collect()
    }
}

/// One line with everything a sender or an operator has to know.
fn announce(state: &admin::State) {
    let address = |name| state.doors.iter().find(|(door, _)| *door == name).map(|(_, at)| at);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        grpc = address(GRPC),
        http = address(HTTP),
        admin = address(ADMIN),
        directory = %state.directory.display(),
        "halod is ready"
    );
}

/// Serves every receiver at one door until it is drained.
fn open(
    bound: Bound,
    settings: DoorSettings,
    intake: Intake,
    reading: &Arc<Reading>,
    counters: &Arc<Counters>,
    draining: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let limits = Arc::new(settings.limits);
    let otlp = OtlpService::new(intake, Arc::clone(reading), Arc::clone(&limits), Arc::clone(counters));
    listener::serve(bound.socket, Door::new(Receivers { otlp }), limits, draining)
}

/// Follows the configured logs until it is drained.
fn follow(
    logs: Vec<tail::Settings>,
    delivery: Delivery,
    directory: PathBuf,
    (max_open, max_in_flight): (usize, usize),
    draining: watch::Receiver<bool>,
) -> io::Result<impl Future<Output = ()> + use<>> {
    let instance = |settings: tail::Settings| {
        let formats = tail::Formats::new(&settings);
        // The configuration has been checked.
        let formats =
            formats.map_err(|(key, what)| io::Error::other(format!("{}.{key}: {what}", settings.name)))?;
        Ok((settings, formats))
    };
    tail::start(Tail {
        instances: logs.into_iter().map(instance).collect::<io::Result<_>>()?,
        delivery,
        directory,
        max_open,
        max_in_flight,
        draining,
    })
}

/// Opens the store, completes what a crash interrupted, and starts the writer thread. Blocks for as
/// long as recovery takes.
fn start_writer(
    storage: StorageSettings,
    open_chains: usize,
    pipeline: &PipelineSettings,
    stats: Arc<Stats>,
) -> Result<(Intake, WriterHandle), ChainError> {
    let settings = store::Settings {
        directory: storage.directory.clone(),
        open_chains,
        max_tenants: storage.max_tenants,
        journal_size: storage.journal_size,
    };
    let (store, recovered) = Store::open(settings, Arc::new(OsDisk))?;
    if let Some(why) = &recovered.index_rebuilt {
        tracing::warn!(%why, "the exactly-once index is made anew from the chains");
    }
    if recovered.completed > 0 || !recovered.orphans.is_empty() {
        let (completed, orphans) = (recovered.completed, recovered.orphans.len());
        tracing::warn!(completed, orphans, "the last halod ended abruptly; its journal was applied");
    }
    let settings = writer::Settings {
        max_in_flight: pipeline.max_in_flight,
        directory: storage.directory,
        min_free_disk: storage.min_free_disk,
    };
    writer::spawn(store, recovered.orphans, settings, stats)
}
