//! The daemon: the only place where the parts meet, and the order in which they start and stop.
//!
//! ```text
//! directory lock ─▶ descriptors shared out ─▶ every door bound, tees opened ─▶ admin served: starting
//!   ─▶ store opened ─▶ doors served, writer started: ready ─▶ signal or writer's end
//!   ─▶ not ready ─▶ doors finish what they began ─▶ writer ends ─▶ a last epoch is signed ─▶ tees end ─▶ lock given back
//! ```
//!
//! What can fail fails before the first request is taken; what fails later is the writer's, and
//! ends the run. A full disk fails nothing: the doors are served, refuse everything, and the directory is
//! made and the store opened when there is room.

pub mod certificates;
pub mod doors;
mod drain;
mod files;
mod halted;
pub(crate) mod identities;
pub mod process;
mod receiving;
mod socket;
mod start;
mod waiting;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::certificates::Certificates;
use self::doors::{ADMIN, BindError, Bound, GRPC, HTTP, LOCAL};
pub use self::drain::End;
use self::drain::Running;
use self::identities::Keeper;
use self::process::{Reload, Signals};
use self::receiving::{Receiving, Taking};
pub use self::start::writer_of;
use self::start::{Opened, Opening, Queues, Started};
use self::waiting::Waiting;
use crate::auth::Authenticator;
use crate::checkpointer::CheckpointStats;
use crate::clock;
use crate::config::descriptors::{self, Share, TooFew};
use crate::config::{Config, DoorSettings, Endpoint};
use crate::hold::{Hold, sweep};
use crate::import::folder::Folders;
use crate::ingest::gaps::{self, Gaps, Sealer};
use crate::net::connections::ConnectionFamilies;
use crate::net::tls::config::TlsError;
use crate::net::windows::Windows;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::{self, WriterEnd};
use crate::receivers::stats::Counters;
use crate::tee::{self, TeeError, Tees};
use crate::telemetry::admin;
use crate::telemetry::metrics::Metrics;
use halod_chain::directory::{self, DirectoryError};
use halod_chain::error::{ChainError, with_causes};
use halod_chain::traces::TraceTenants;

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
    Tls(#[from] TlsError),
    #[error(transparent)]
    Tee(#[from] TeeError),
    #[error("the chains can't be opened: {}", with_causes(.0))]
    Store(#[from] ChainError),
    #[error("opening the chains failed, which is a bug: {0}")]
    StorePanicked(#[source] tokio::task::JoinError),
    #[error("logs can't be followed: {0}")]
    Logs(#[source] io::Error),
    #[error("the doors can't be served before there is room on the disk: {0}")]
    Twins(#[source] io::Error),
    #[error("checkpoints can't be signed: {0}")]
    Checkpointer(#[source] io::Error),
    #[error("passwords can't be remembered: {0}")]
    Random(#[source] io::Error),
    #[error("signals can't be handled: {0}")]
    Signals(#[source] io::Error),
}

/// How long signing what was sealed last may take when halod stops.
const LAST_EPOCH: Duration = Duration::from_secs(10);

/// Runs until a signal or a failure of the writer.
///
/// # Errors
/// What keeps the daemon from starting.
pub async fn run(mut config: Config) -> Result<End, StartError> {
    let started = clock::now();
    // Before anything else: a terminal may be closed at any time.
    let Signals { ends: mut signals, reload } = process::signals().map_err(StartError::Signals)?;
    let lock = match directory::open(&config.storage.directory) {
        Err(error) if !error.is_want_of_room() => return Err(error.into()),
        lock => lock,
    };
    let share = descriptors::share(&mut config, process::raise_descriptors())?;
    if share.withheld > 0 {
        tracing::warn!(
            connections = share.withheld,
            "fewer connections than configured: too few file descriptors; raise LimitNOFILE or ulimit -n"
        );
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let certificates = Certificates::load(&config)?;
    let bound = Doors::bind(&config, &certificates).await?;
    let _watch = certificates.watch(&reload);
    let stats = Arc::new(Stats::default());
    let counters = Arc::new(Counters::default());
    let checkpoints = Arc::new(CheckpointStats::default());
    let connections = ConnectionFamilies::default();
    let gaps = gaps::gaps();
    let kept = config.auth.as_ref().map(Keeper::new).transpose().map_err(StartError::Random)?;
    let (identities, keeper) = kept.unzip();
    let lock = match lock {
        Ok(lock) => lock,
        Err(full) => {
            let counting = (&stats, &counters, &connections);
            let waiting = Waiting {
                config: &config,
                doors: &bound,
                certificates: &certificates,
                counting,
                gaps: &gaps.0,
                started,
                identities: identities.clone(),
            };
            let Some(lock) = waiting.for_room(full, &mut signals).await? else { return Ok(End::Drained) };
            lock
        }
    };
    let lock = Arc::new(lock);
    let bounds =
        tee::Bounds { memory: config.pipeline.max_in_flight, min_free_disk: config.storage.min_free_disk };
    let tees = Tees::open(&config.tees, &config.storage.directory, bounds)?;
    let metrics = Metrics::new(&stats, &counters.otlp.filtered, started)
        .with(|registry| counters.register(registry))
        .with(|registry| checkpoints.register(registry))
        .with(|registry| connections.register(registry))
        .with(|registry| certificates.register(registry))
        .with(|registry| tees.register(registry));
    let state = Arc::new(admin::State {
        doors: bound.addresses(),
        directory: config.storage.absolute(),
        started,
        starting: true.into(),
        stats: Arc::clone(&stats),
        checkpoints,
        metrics,
        connections: connections.of(ADMIN),
        web: config.web.clone(),
        identities: identities.clone().filter(|_| config.admin_access.asks),
    });
    let admin = tokio::spawn(admin::serve(bound.admin.socket, bound.admin.tls, Arc::clone(&state)));

    let sockets = [bound.grpc, bound.http];
    let counting = Counting { state: &state, counters: &counters, connections: &connections };
    let end = up(
        config,
        (share, Arc::clone(&lock)),
        sockets,
        counting,
        (&tees, gaps),
        (identities, keeper, reload),
        signals,
    )
    .await;
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
    state: &'a Arc<admin::State>,
    counters: &'a Arc<Counters>,
    connections: &'a ConnectionFamilies,
}

/// From the doors being bound to the end.
async fn up(
    config: Config,
    (share, lock): (Share, Arc<directory::Lock>),
    sockets: [Option<Bound>; 2],
    counting: Counting<'_>,
    (tees, (gaps, sealer)): (&Tees, (Gaps, Sealer)),
    (identities, keeper, reload): (Option<Arc<Authenticator>>, Option<Keeper>, Reload),
    mut signals: mpsc::Receiver<&'static str>,
) -> Result<End, StartError> {
    let Counting { state, counters, .. } = counting;
    let traces = Arc::<TraceTenants>::default();
    let opening = Opening {
        config: config.clone(),
        open_chains: share.chains,
        lock,
        stats: Arc::clone(&state.stats),
        checkpoints: Arc::clone(&state.checkpoints),
        receipts: Arc::default(),
        ledger: counters.of_hold(),
        traces: Arc::clone(&traces),
        owed: Arc::default(),
    };
    let opened = tokio::select! {
        opened = opening.open() => opened,
        Some(signal) = signals.recv() => {
            tracing::info!(signal, "halod was asked to stop before it accepted anything");
            return Ok(End::Drained);
        }
    };
    let opened = match opened {
        Err(StartError::Store(full)) if full.is_want_of_room() => Err(full),
        opened => Ok(opened?),
    };
    let (intake, jobs) = writer::intake(config.pipeline.max_in_flight, &state.stats);
    let (hold, held) = Hold::new(Arc::clone(&traces));
    let bodies = intake.bodies();
    let receipts = Arc::clone(&opening.receipts);
    let taking = Taking { intake, hold, gaps, traces, identities, receipts };
    let (drain, draining) = watch::channel(false);
    let timeout = config.shutdown_timeout;
    let files = Files { opening, opened, queues: Queues { jobs, held }, state, draining: draining.clone() };
    if files.opened.is_ok() {
        state.starting.store(false, Relaxed);
    } else {
        state.stats.disk_low.store(true, Relaxed);
    }
    let mut doors =
        receive(config, share, sockets, &counting, tees, (taking, sealer), draining.clone()).await?;
    if let Some(keeper) = keeper {
        doors.spawn(keeper.run(reload, draining));
    }
    announce(state);
    let end =
        drain::supervise(Running { doors, drain, timeout, bodies }, files.run(), signals, &state.stats).await;
    tracing::info!(?end, "halod ended");
    Ok(end)
}

/// What owns files, from its being opened to its end.
struct Files<'a> {
    opening: Opening,
    /// Or why there is no room for it.
    opened: Result<Opened, ChainError>,
    queues: Queues,
    state: &'a admin::State,
    draining: watch::Receiver<bool>,
}

impl Files<'_> {
    /// Runs until nobody can hand it anything, or until it fails.
    async fn run(self) -> WriterEnd {
        let Self { opening, opened, queues, state, mut draining } = self;
        let opened = match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(full) => opening.open_when_there_is_room(full, &mut draining).await,
        };
        drop(opening);
        let started = match opened {
            Ok(Some(opened)) => opened.start(queues),
            Ok(None) => return WriterEnd::Clean,
            Err(failed) => Err(failed),
        };
        let Started { writer, held, checkpointer } = match started {
            Ok(started) => started,
            Err(failed) => return WriterEnd::Failed(failed.to_string()),
        };
        if state.starting.swap(false, Relaxed) {
            tracing::info!("there is room on the disk: the chains are open");
        }
        // The hold ends after every door and the sweep, unless it fails.
        let end = tokio::select! {
            end = writer.finished() => end,
            Some(error) = held.finished() => WriterEnd::Failed(error),
        };
        if let (Some(checkpointer), WriterEnd::Clean) = (checkpointer, &end)
            && tokio::time::timeout(LAST_EPOCH, checkpointer.finish()).await.is_err()
        {
            tracing::warn!("a chain is read for its first epoch; the next start goes on with it");
        }
        end
    }
}

/// Starts everything that takes telemetry in. The tasks end when they are drained.
async fn receive(
    config: Config,
    share: Share,
    sockets: [Option<Bound>; 2],
    counting: &Counting<'_>,
    tees: &Tees,
    (taking, sealer): (Taking, Sealer),
    draining: watch::Receiver<bool>,
) -> Result<JoinSet<()>, StartError> {
    let Counting { state, counters, connections } = *counting;
    let receiving = Receiving::new(&config, counters, &taking, tees, (&draining, admin::readiness(state)));
    let Taking { intake, hold, gaps, traces, .. } = taking;
    // The sealer ends when nobody can tell it of another gap.
    drop(gaps);
    let mut doors = JoinSet::new();
    let takers =
        files::Takers { importer: receiving.importer(), taker: receiving.taker(), intake: intake.clone() };
    let folders = config.import.map(|own| Folders { logs: config.file_logs.clone(), ..own });
    let local = connections.of(LOCAL);
    let place = (&*config.storage.directory, &*config.rules);
    files::local(place, folders, takers, &draining, &mut doors, local).await;
    let settings = [config.grpc, config.http];
    let windows = Windows::within(config.pipeline.max_in_flight);
    receiving.serve(sockets, settings, (connections, windows), &draining, &mut doors);
    if !config.file_logs.is_empty() {
        let bounds = files::Bounds { open: share.logs, in_flight: config.pipeline.max_in_flight };
        let followed = files::follow(
            config.file_logs,
            receiving.ingest_of_logs(),
            Arc::clone(&counters.tail),
            &config.storage.directory,
            bounds,
            draining.clone(),
        );
        doors.spawn(followed.map_err(StartError::Logs)?);
    }
    let builder = Arc::clone(&receiving.builder);
    drop(receiving);
    doors.spawn(halted::tell(Arc::clone(&state.checkpoints), intake.clone(), draining.clone()));
    doors.spawn(sweep(hold, builder, intake.clone(), draining));
    // Ends when every door has, and nobody can tell it of another gap.
    doors.spawn(sealer.run(intake, traces, config.gap_interval));
    Ok(doors)
}

/// The sockets of one run.
struct Doors {
    grpc: Option<Bound>,
    http: Option<Bound>,
    admin: Bound,
}

impl Doors {
    async fn bind(config: &Config, certificates: &Certificates) -> Result<Self, BindError> {
        let bind = async |name, endpoint: &Endpoint| {
            let bound = doors::bind(name, endpoint).await?;
            Ok::<_, BindError>(Bound { tls: certificates.of(name), ..bound })
        };
        let receiver = async |name, door: &Option<DoorSettings>| match door {
            Some(door) => bind(name, &door.endpoint).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            grpc: receiver(GRPC, &config.grpc).await?,
            http: receiver(HTTP, &config.http).await?,
            admin: bind(ADMIN, &config.admin).await?,
        })
    }

    /// The same sockets once more: who connects meanwhile is served by whichever accepts first.
    fn twins(&self) -> io::Result<Self> {
        let twin = |door: &Option<Bound>| door.as_ref().map(Bound::twin).transpose();
        Ok(Self { grpc: twin(&self.grpc)?, http: twin(&self.http)?, admin: self.admin.twin()? })
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        let all = [(GRPC, self.grpc.as_ref()), (HTTP, self.http.as_ref()), (ADMIN, Some(&self.admin))];
        all.into_iter().filter_map(|(name, bound)| Some((name, bound?.address.clone()))).collect()
    }
}

/// One line with everything a sender or an operator has to know.
fn announce(state: &admin::State) {
    let ready = state.not_ready().is_empty();
    let address = |name| state.doors.iter().find(|(door, _)| *door == name).map(|(_, at)| at);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        grpc = address(GRPC),
        http = address(HTTP),
        admin = address(ADMIN),
        directory = %state.directory.display(),
        "{}", if ready { "halod is ready" } else { "halod is up, and not ready" }
    );
}
