//! The daemon: the only place where the parts meet, and the order in which they start and stop.
//!
//! ```text
//! directory lock ─▶ descriptors shared out ─▶ every door bound, tees opened ─▶ admin served: starting
//!   ─▶ store opened, writer started ─▶ doors served: ready ─▶ signal or writer's end
//!   ─▶ not ready ─▶ doors finish what they began ─▶ writer ends ─▶ tees end ─▶ lock given back
//! ```
//!
//! What can fail fails before the first request is taken; what fails later is the writer's, and
//! ends the run.

pub mod doors;
mod drain;
mod files;
pub mod process;
mod receiving;
mod socket;
mod start;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::doors::{ADMIN, BindError, Bound, GRPC, HTTP, IMPORT};
pub use self::drain::End;
use self::drain::Running;
use self::receiving::Receiving;
use self::start::Started;
pub use self::start::writer_of;
use crate::config::descriptors::{self, Share, TooFew};
use crate::config::{Config, DoorSettings};
use crate::hold::sweep;
use crate::import::folder::Folders;
use crate::net::connections::ConnectionFamilies;
use crate::net::listener;
use crate::net::windows::Windows;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::WriterEnd;
use crate::receivers::door::Door;
use crate::receivers::gaps;
use crate::receivers::langsmith;
use crate::receivers::native::Senders;
use crate::receivers::otlp::Reading;
use crate::receivers::otlp::join::Joins;
use crate::receivers::stats::Counters;
use crate::tee::{self, TeeError, Tees};
use crate::telemetry::admin;
use crate::telemetry::metrics::Metrics;
use halod_chain::directory::{self, DirectoryError};
use halod_chain::error::{ChainError, with_causes};
use halod_record::build::Builder;

/// Why the daemon did not start. Nothing was taken from anyone.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tee(#[from] TeeError),
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
    // Before anything else: a terminal may be closed at any time.
    let signals = process::signals().map_err(StartError::Signals)?;
    let lock = Arc::new(directory::open(&config.storage.directory)?);
    let share = descriptors::share(&mut config, process::raise_descriptors())?;
    if share.withheld > 0 {
        tracing::warn!(
            connections = share.withheld,
            "fewer connections than configured: too few file descriptors; raise LimitNOFILE or ulimit -n"
        );
    }
    let bound = Doors::bind(&config).await?;
    let stats = Arc::new(Stats::default());
    let counters = Arc::new(Counters::default());
    let bounds =
        tee::Bounds { memory: config.pipeline.max_in_flight, min_free_disk: config.storage.min_free_disk };
    let tees = Tees::open(&config.tees, &config.storage.directory, bounds)?;
    let connections = ConnectionFamilies::default();
    let metrics = Metrics::new(&stats, &counters.otlp.filtered, started)
        .with(|registry| counters.register(registry))
        .with(|registry| connections.register(registry))
        .with(|registry| tees.register(registry));
    let state = Arc::new(admin::State {
        doors: bound.addresses(),
        directory: std::path::absolute(&config.storage.directory)
            .unwrap_or_else(|_| config.storage.directory.clone()),
        started,
        starting: true.into(),
        stats: Arc::clone(&stats),
        metrics,
        connections: connections.of(ADMIN),
    });
    let admin = tokio::spawn(admin::serve(bound.admin.socket, Arc::clone(&state)));

    let sockets = [bound.grpc, bound.http];
    let counting = Counting { state: &state, counters: &counters, connections: &connections };
    let end = up(config, (share, Arc::clone(&lock)), sockets, counting, &tees, signals).await;
    if matches!(end, Ok(End::Drained)) {
        tees.finish().await;
    }
    admin.abort();
    // Its socket goes with it; were that left to the end of the process, a file might stay.
    let _ = admin.await;
    end
}

/// Where a run counts.
struct Counting<'a> {
    state: &'a admin::State,
    counters: &'a Arc<Counters>,
    connections: &'a ConnectionFamilies,
}

/// From the doors being bound to the end.
async fn up(
    config: Config,
    (share, lock): (Share, Arc<directory::Lock>),
    sockets: [Option<Bound>; 2],
    counting: Counting<'_>,
    tees: &Tees,
    mut signals: mpsc::Receiver<&'static str>,
) -> Result<End, StartError> {
    let Counting { state, counters, connections } = counting;
    let (parts, counts) = (config.clone(), Arc::clone(&state.stats));
    let ledger = counters.of_hold();
    let starting =
        tokio::task::spawn_blocking(move || start::writer(&parts, share.chains, lock, counts, ledger));
    let Started { intake, writer, hold, held } = tokio::select! {
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
    let (gaps, sealer) = gaps::gaps();
    let reading =
        Reading::new(config.tenant.clone(), Arc::clone(&builder), joins).with_tee(tees.of(tee::Door::Otlp));
    let receiving = Receiving {
        intake: intake.clone(),
        reading: Arc::new(reading),
        builder: Arc::clone(&builder),
        counters: Arc::clone(counters),
        hold: hold.clone(),
        langsmith: Arc::new(langsmith::Shared::new(config.tenant.clone(), config.langsmith, hold.clone())),
        tenant: Arc::new(config.tenant.clone()),
        langfuse: Arc::new(config.langfuse),
        senders: Arc::new(Senders { tenant: config.tenant, tokens: config.native }),
        gaps,
        litellm_wait: config.litellm_wait,
        traces: Arc::default(),
        tees,
    };
    let mut doors = JoinSet::new();
    let desk = receiving.desk();
    let folders = config.import.map(|own| Folders { logs: config.file_logs.clone(), ..own });
    let import = connections.of(IMPORT);
    files::imports(&config.storage.directory, folders, &desk, &intake, &draining, &mut doors, import).await;
    // It holds an intake: the writer ends when nobody does.
    drop(desk);
    let windows = Windows::within(config.pipeline.max_in_flight);
    for ((name, bound), settings) in [GRPC, HTTP].into_iter().zip(sockets).zip([config.grpc, config.http]) {
        if let (Some(bound), Some(settings)) = (bound, settings) {
            let limits = Arc::new(settings.limits);
            let door = Door::new(receiving.receivers(&limits));
            let (draining, connections) = (draining.clone(), connections.of(name));
            doors.spawn(listener::serve(bound.socket, door, limits, draining, connections, windows.clone()));
        }
    }
    if !config.file_logs.is_empty() {
        let bounds = files::Bounds { open: share.logs, in_flight: config.pipeline.max_in_flight };
        let followed = files::follow(
            config.file_logs,
            receiving.delivery_of_logs(),
            &config.storage.directory,
            bounds,
            draining.clone(),
        );
        doors.spawn(followed.map_err(StartError::Logs)?);
    }
    drop(receiving);
    doors.spawn(sweep(hold, builder, intake.clone(), draining));
    // Ends when every door has, and nobody can tell it of another gap.
    doors.spawn(sealer.run(intake, config.gap_interval));
    announce(state);
    let running = Running { doors, drain, timeout: config.shutdown_timeout };
    let writer = async {
        // The hold ends after every door and the sweep, unless it fails.
        tokio::select! {
            end = writer.finished() => end,
            Some(error) = held.finished() => WriterEnd::Failed(error),
        }
    };
    let end = drain::supervise(running, writer, signals, &state.stats).await;
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
