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
mod heads;
pub(crate) mod identities;
pub mod process;
mod receiving;
mod reload;
mod socket;
mod start;
mod waiting;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use self::certificates::Certificates;
use self::doors::{ADMIN, BindError, Bound, GRPC, HTTP, LOCAL};
pub use self::drain::End;
use self::drain::{Over, Running};
use self::identities::Keeper;
use self::process::{Reload, Signals};
use self::receiving::{Receiving, Taking};
pub use self::reload::Source;
use self::reload::{Change, Reloader};
pub use self::start::writer_of;
use self::start::{Opened, Opening, Queues, Started};
use self::waiting::Waiting;
use crate::auth::Authenticator;
use crate::checkpointer::CheckpointStats;
use crate::checkpointer::receipts::ReceiptSigner;
use crate::clock;
use crate::config::descriptors::{self, Share, TooFew};
use crate::config::{Config, DoorSettings, Endpoint};
use crate::hold::{Hold, sweep};
use crate::import::folder::Folders;
use crate::ingest::gaps::{self, Sealer};
use crate::ingest::tap::Tap;
use crate::net::connections::ConnectionFamilies;
use crate::net::tls::config::TlsError;
use crate::net::windows::Windows;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::{self, WriterEnd};
use crate::receivers::stats::Counters;
use crate::tee::{self, TeeError, Tees};
use crate::telemetry::admin;
use crate::telemetry::control::{self, Asking, Control};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::reloads::Reloads;
use halod_chain::directory::{self, DirectoryError};
use halod_chain::disk::OsDisk;
use halod_chain::error::{ChainError, with_causes};
use halod_tlog::log::place;
use halod_tlog::notes::Notes;

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

/// What stays while configurations come and go.
struct Lasting {
    started: SystemTime,
    /// Those of the receivers are closed when halod stops: nobody shall wait for what does not come.
    sockets: Mutex<Doors>,
    lock: Arc<directory::Lock>,
    stats: Arc<Stats>,
    counters: Arc<Counters>,
    checkpoints: Arc<CheckpointStats>,
    connections: ConnectionFamilies,
    receipts: Arc<ReceiptSigner>,
    /// One writer of signatures at a time, whichever configuration it is of.
    notes: Arc<Notes>,
    directory: PathBuf,
    reloads: Arc<Reloads>,
    tap: Tap,
}

/// Runs until a signal or a failure of the writer; with the configuration that `source` reads whenever it is asked to.
///
/// # Errors
/// What keeps the daemon from starting.
pub async fn run(config: Config, source: Source) -> Result<End, StartError> {
    let started = clock::now();
    // Before anything else: a terminal may be closed at any time.
    let Signals { ends: mut signals, reload } = process::signals().map_err(StartError::Signals)?;
    let lock = match directory::open(&config.storage.directory) {
        Err(error) if !error.is_want_of_room() => return Err(error.into()),
        lock => lock,
    };
    let certificates = Certificates::load(&config)?;
    let sockets = Doors::bind(&config, &certificates).await?;
    let (stats, counters) = (Arc::<Stats>::default(), Arc::<Counters>::default());
    let connections = ConnectionFamilies::default();
    let lock = match lock {
        Ok(lock) => lock,
        Err(full) => {
            let _watch = certificates.watch(&reload);
            let waiting = Waiting {
                config: &config,
                doors: &sockets,
                certificates: &certificates,
                counting: (&stats, &counters, &connections),
                gaps: &gaps::gaps().0,
                started,
                identities: keeper(&config)?.0,
            };
            let Some(lock) = waiting.for_room(full, &mut signals).await? else { return Ok(End::Drained) };
            lock
        }
    };
    drop(certificates);
    let notes = Arc::new(Notes::new(&place(&config.storage.directory), Arc::new(OsDisk)));
    let lasting = Lasting {
        started,
        sockets: Mutex::new(sockets),
        lock: Arc::new(lock),
        stats,
        counters,
        checkpoints: Arc::default(),
        connections,
        receipts: Arc::default(),
        notes,
        directory: config.storage.directory.clone(),
        reloads: Arc::new(Reloads::new()),
        tap: Tap::default(),
    };
    let reloading = Reloader::new(config.clone(), source, reload.clone(), Arc::clone(&lasting.reloads));
    lasting.generations(config, reloading, (reload, signals)).await
}

/// Who keeps the identities of senders, where they are asked.
fn keeper(config: &Config) -> Result<(Option<Arc<Authenticator>>, Option<Keeper>), StartError> {
    let kept = config.auth.as_ref().map(Keeper::new).transpose().map_err(StartError::Random)?;
    Ok(kept.unzip())
}

impl Lasting {
    /// Runs one configuration after the other. One that comes to nothing makes way for the one before it.
    async fn generations(
        self,
        mut config: Config,
        (reloader, asking, mut changes): (Reloader, Asking, mpsc::Receiver<Change>),
        (reload, mut signals): (Reload, mpsc::Receiver<&'static str>),
    ) -> Result<End, StartError> {
        if let Err(error) = heads::look(self.directory.clone(), Arc::clone(&self.stats)) {
            tracing::warn!(%error, "metrics tell nothing of a chain before something is sealed into it");
        }
        let (shown, state) = watch::channel(None);
        let mut beside = JoinSet::new();
        beside.spawn(reloader.run());
        if let Some(control) = self.control(state, asking).await {
            beside.spawn(control);
        }
        let mut admin: Option<JoinHandle<()>> = None;
        let (mut before, mut up) = (None, None);
        let end = loop {
            self.stats.stopping.store(false, Relaxed);
            let over = match self.prepare(config.clone(), &reload) {
                Ok((generation, door)) => {
                    let state = Arc::clone(&generation.state);
                    let served = tokio::spawn(admin::serve(door.socket, door.tls, Arc::clone(&state)));
                    if let Some(old) = admin.replace(served) {
                        old.abort();
                    }
                    shown.send_replace(Some(state));
                    generation.run(&self, &reload, (&mut signals, &mut changes), up.take()).await
                }
                Err(error) => Err(error),
            };
            match (over, before.take()) {
                (Ok(Over::End(end)), _) => break Ok(end),
                (Ok(Over::Next(next)), _) => {
                    before = Some(config);
                    (config, up) = (next.config, Some(next.up));
                }
                (Err(error), Some(last)) => {
                    self.reloads.fell_back(&error.to_string());
                    config = last;
                }
                (Err(error), None) => break Err(error),
            }
        };
        // Their sockets go with them; were that left to the end of the process, files might stay.
        if let Some(admin) = admin {
            admin.abort();
            let _ = admin.await;
        }
        beside.shutdown().await;
        end
    }

    fn sockets(&self) -> MutexGuard<'_, Doors> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else gets in.
    fn close(&self) {
        let mut sockets = self.sockets();
        (sockets.grpc, sockets.http) = (None, None);
    }

    /// The socket for halod's own verbs, which outlasts configurations.
    async fn control(
        &self,
        state: watch::Receiver<Option<Arc<admin::State>>>,
        asking: Asking,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let path = self.directory.join(control::SOCKET);
        match socket::bind(&path, socket::PRIVATE).await {
            Ok(socket) => Some(control::serve(socket, Control { state, asking, tap: self.tap.clone() })),
            Err(error) => {
                tracing::warn!(%error, "halod reload, status and tap can't reach this daemon: its socket can't be opened");
                None
            }
        }
    }

    /// What runs by a configuration, as far as it can fail before anything is taken in; and the admin port's door.
    fn prepare(&self, mut config: Config, reload: &Reload) -> Result<(Generation, Bound), StartError> {
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
        let doors = self.sockets().twins_with(&certificates).map_err(StartError::Twins)?;
        let (identities, keeper) = keeper(&config)?;
        let bounds = tee::Bounds {
            memory: config.pipeline.max_in_flight,
            min_free_disk: config.storage.min_free_disk,
        };
        let tees = Tees::open(&config.tees, &self.directory, bounds)?;
        let Self { stats, counters, checkpoints, connections, started, .. } = self;
        let metrics = Metrics::new(stats, &counters.otlp.filtered, *started)
            .with(|registry| counters.register(registry))
            .with(|registry| checkpoints.register(registry))
            .with(|registry| connections.register(registry))
            .with(|registry| certificates.register(registry))
            .with(|registry| self.reloads.register(registry))
            .with(|registry| tees.register(registry));
        let state = Arc::new(admin::State {
            doors: doors.addresses(),
            directory: std::path::absolute(&self.directory).unwrap_or_else(|_| self.directory.clone()),
            started: *started,
            starting: true.into(),
            stats: Arc::clone(stats),
            checkpoints: Arc::clone(checkpoints),
            reloads: Arc::clone(&self.reloads),
            metrics,
            connections: connections.of(ADMIN),
            web: config.web.clone(),
            identities: identities.clone().filter(|_| config.admin_access.asks),
        });
        let watch = certificates.watch(reload);
        let sockets = [doors.grpc, doors.http];
        let generation =
            Generation { config, share, sockets, tees, state, identities, keeper, _certificates: watch };
        Ok((generation, doors.admin))
    }
}

/// One configuration, ready to run.
struct Generation {
    config: Config,
    share: Share,
    sockets: [Option<Bound>; 2],
    tees: Tees,
    state: Arc<admin::State>,
    identities: Option<Arc<Authenticator>>,
    keeper: Option<Keeper>,
    /// Reads certificates again for as long as this is there.
    _certificates: JoinSet<()>,
}

impl Generation {
    /// From the doors being bound to the end, or to the next configuration. `up` is told when it serves.
    async fn run(
        self,
        lasting: &Lasting,
        reload: &Reload,
        (signals, changes): (&mut mpsc::Receiver<&'static str>, &mut mpsc::Receiver<Change>),
        up: Option<oneshot::Sender<()>>,
    ) -> Result<Over, StartError> {
        let Self { config, share, sockets, tees, state, identities, keeper, .. } = self;
        let counting =
            Counting { state: &state, counters: &lasting.counters, connections: &lasting.connections };
        let opening = lasting.opening(&config, share.chains);
        let opened = tokio::select! {
            opened = opening.open() => opened,
            Some(signal) = signals.recv() => {
                tracing::info!(signal, "halod was asked to stop before it accepted anything");
                return Ok(Over::End(End::Drained));
            }
        };
        let opened = match opened {
            Err(StartError::Store(full)) if full.is_want_of_room() => Err(full),
            opened => Ok(opened?),
        };
        let (gaps, sealer) = gaps::gaps();
        let (intake, jobs) = writer::intake(config.pipeline.max_in_flight, &state.stats);
        let (hold, held) = Hold::new(Arc::clone(&opening.traces));
        let bodies = intake.bodies();
        let (traces, receipts) = (Arc::clone(&opening.traces), Arc::clone(&opening.receipts));
        let tap = lasting.tap.clone();
        let taking = Taking { intake, hold, gaps, traces, identities, receipts, tap };
        let (drain, draining) = watch::channel(false);
        let timeout = config.shutdown_timeout;
        let files = Files {
            opening,
            opened,
            queues: Queues { jobs, held },
            state: &state,
            draining: draining.clone(),
        };
        if files.opened.is_ok() {
            state.starting.store(false, Relaxed);
        } else {
            state.stats.disk_low.store(true, Relaxed);
        }
        let mut doors =
            receive(config, share, sockets, &counting, &tees, (taking, sealer), draining.clone()).await?;
        if let Some(keeper) = keeper {
            doors.spawn(keeper.run(reload.clone(), draining));
        }
        announce(&state);
        if let Some(up) = up {
            // Whoever asked for it may have left.
            let _ = up.send(());
        }
        let running = Running { doors, drain, timeout, bodies };
        let over =
            drain::supervise(running, files.run(), (signals, changes), (&state.stats, &|| lasting.close()))
                .await;
        match &over {
            Over::End(end) => tracing::info!(?end, "halod ended"),
            Over::Next(_) => {}
        }
        if !matches!(over, Over::End(End::Failed | End::Interrupted)) {
            tees.finish().await;
        }
        Ok(over)
    }
}

/// Where a run counts.
struct Counting<'a> {
    state: &'a Arc<admin::State>,
    counters: &'a Arc<Counters>,
    connections: &'a ConnectionFamilies,
}

impl Lasting {
    /// What opening the chains takes by a configuration.
    fn opening(&self, config: &Config, open_chains: usize) -> Opening {
        Opening {
            config: config.clone(),
            open_chains,
            lock: Arc::clone(&self.lock),
            stats: Arc::clone(&self.stats),
            checkpoints: Arc::clone(&self.checkpoints),
            receipts: Arc::clone(&self.receipts),
            notes: Arc::clone(&self.notes),
            ledger: self.counters.of_hold(),
            traces: Arc::default(),
            owed: Arc::default(),
        }
    }
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

    /// The same sockets once more, with these certificates.
    fn twins_with(&self, certificates: &Certificates) -> io::Result<Self> {
        let mut twins = self.twins()?;
        let all = [(GRPC, twins.grpc.as_mut()), (HTTP, twins.http.as_mut()), (ADMIN, Some(&mut twins.admin))];
        for (name, door) in all {
            if let Some(door) = door {
                door.tls = certificates.of(name);
            }
        }
        Ok(twins)
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
