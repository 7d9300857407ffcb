//! The tee: what a door has had sealed is passed on, as it came, to the backend that its senders used
//! before, so that the dashboards people have keep working.
//!
//! ```text
//! request read ─▶ Tee::keep: its head, its bytes ─▶ sealed, receipt ─▶ Kept::forward ─▶ answer to the client
//!                                                                            ▼  in memory, bounded
//!               one thread per door:   queue (segments on disk) ◀────────────┘
//!                                        └─▶ send: one at a time, in order, until it is taken ─▶ backend
//! ```
//!
//! **The record comes first.** Nothing is passed on before its records are on disk, and nothing here can
//! delay or refuse a record: a tee has its own thread, its own runtime (so that a name server that hangs
//! blocks no worker), its own bound on memory and on disk, and where one of them is reached it is the
//! forward that is dropped, counted and logged. It syncs nothing: that would compete with the journal.
//!
//! **What is promised of a forward**: best effort, at least once, in the order of the receipts. The
//! client's answer waits for neither the queue nor the backend: the request is handed to the queue's
//! thread just before it is answered, and a crash before that thread has written it (microseconds, when
//! the disk is not stalled) loses the forward, never the record. What is in the queue outlives kill -9
//! and restarts; after power loss its newest part may be missing or damaged, which is noticed, skipped
//! and counted. What was being sent when halod ended is sent again. A client that repeats a request
//! because it did not get its answer may have it passed on twice. A request that halod refuses, or whose
//! sender left before the receipt, is not passed on: its sender sends it again.
//!
//! **In memory** stand, over all tees, at most `pipeline.max_in_flight_mib` of requests between their
//! arrival and the queue, and of each tee the one request that is being sent.
//!
//! **On disk in the clear.** The queue holds bodies and credentials as they came, the one exception to
//! "raw content never reaches disk": files of mode 0600 below `.halod/tee/<door>/`, removed as their
//! entries are delivered.
//!
//! **Which headers.** Every end-to-end header of the request, the credentials among them. Not the
//! connection's own (hop by hop), nor `Host`, `Content-Length`, `Expect`, `Accept-Encoding` and what
//! proxies before halod added about the client's address: these are set anew or said to nobody.
//! `x-tenant-id` and its like are passed on, because backends have tenants too (`x-scope-orgid`); an
//! empty value under `headers` leaves a header out.

pub mod entry;
pub mod queue;
mod send;
pub mod settings;
pub mod stats;
pub(crate) mod way;
mod worker;

use prometheus_client::registry::Registry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use tokio::sync::{mpsc, oneshot};

use self::queue::Queue;
use self::send::Sender;
pub use self::settings::Settings;
use self::stats::{Drop as Dropped, TeeFamilies, TeeStats};
use self::worker::Message;

/// How long the queues' threads may go on delivering when halod stops. What is left stays on disk.
pub const GRACE: Duration = Duration::from_secs(5);

/// Below `.halod/`.
const PLACE: &str = ".halod/tee";

/// Bodies up to this size are copied: a part of a connection's buffer would keep all of it.
const COPIED: usize = 64 << 10;

/// Whose requests are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Otlp,
    Litellm,
    Langfuse,
    Langsmith,
    OpenaiAgents,
}

impl Door {
    pub const ALL: [Self; 5] =
        [Self::Otlp, Self::Litellm, Self::Langfuse, Self::Langsmith, Self::OpenaiAgents];

    /// As in the configuration, in metrics and as the queue's directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::Litellm => "litellm",
            Self::Langfuse => "langfuse",
            Self::Langsmith => "langsmith",
            Self::OpenaiAgents => "openai_agents",
        }
    }

    /// Whether the configured address is that of the one path there is, rather than what stands before
    /// the request's own path: LiteLLM's loggers post to an address of the operator's choice.
    #[must_use]
    pub fn is_one_path(self) -> bool {
        self == Self::Litellm
    }
}

/// A tee can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum TeeError {
    #[error("receivers.{door}.tee: {} can't be used: {error}", .path.display())]
    Place { door: &'static str, path: PathBuf, error: io::Error },
    #[error("receivers.{door}.tee.ca_file: {} {what}", .path.display())]
    Authority { door: &'static str, path: PathBuf, what: String },
    #[error(
        "receivers.{door}.tee: no certificate authorities found on this machine; install them, or name a ca_file"
    )]
    NoAuthorities { door: &'static str },
    #[error("receivers.{door}.tee: {error}")]
    Start { door: &'static str, error: String },
}

/// What every tee is bounded by, besides its own settings.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that may be kept in memory over all tees, from a request's arrival to the queue.
    pub memory: usize,
    /// Free space that is left to records, in bytes; below twice as much nothing is queued.
    pub min_free_disk: u64,
}

/// Bytes in memory, over all tees.
#[derive(Debug)]
struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// The handle that a receiver keeps. Cheap to clone; one that is off does nothing.
#[derive(Clone, Debug, Default)]
pub struct Tee {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    messages: mpsc::UnboundedSender<Message>,
    budget: Arc<Budget>,
    stats: Arc<TeeStats>,
}

/// A request that will be passed on if it comes to a receipt; forgotten when it is dropped.
#[derive(Default)]
pub struct Kept {
    request: Option<(Request, Arc<Inner>)>,
}

/// One request, in memory, as it will stand in the queue.
pub(crate) struct Request {
    head: Vec<u8>,
    body: Bytes,
    paid: Paid,
}

/// Given back when it is dropped.
struct Paid {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Paid {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

/// What a request holds may be secret.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.request.as_ref().map(|(request, _)| request.paid.bytes);
        f.debug_struct("Kept").field("bytes", &bytes).finish()
    }
}

impl Tee {
    /// Whether anything is passed on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Keeps a request: `body` as it was on the wire.
    #[must_use]
    pub fn keep(&self, head: &Parts, body: &Bytes) -> Kept {
        self.keep_as(&head.method, &head.uri, &head.headers, body)
    }

    /// The same where the request is told in other words than it came in.
    #[must_use]
    pub fn keep_as(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Kept {
        let Some(inner) = &self.inner else { return Kept::default() };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let head = entry::head(method, target, headers);
        let Some(paid) = Budget::pay(&inner.budget, head.len() + body.len() + size_of::<Request>()) else {
            inner.stats.drop_one(Dropped::Memory);
            return Kept::default();
        };
        let body = if body.len() <= COPIED { Bytes::copy_from_slice(body) } else { body.clone() };
        Kept { request: Some((Request { head, body, paid }, Arc::clone(inner))) }
    }
}

impl Kept {
    /// Hands the request over to the queue's thread. Never waits.
    pub fn forward(self) {
        let Some((request, inner)) = self.request else { return };
        inner.stats.offered.inc();
        inner.stats.in_memory.inc();
        if inner.messages.send(Message::Forward(request)).is_err() {
            inner.stats.in_memory.dec();
            inner.stats.drop_one(Dropped::Disk);
        }
    }
}

impl Budget {
    fn pay(self: &Arc<Self>, bytes: usize) -> Option<Paid> {
        let fits = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, fits).ok()?;
        Some(Paid { budget: Arc::clone(self), bytes })
    }
}

/// Every tee of one run.
#[derive(Debug, Default)]
pub struct Tees {
    families: TeeFamilies,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    door: Door,
    tee: Tee,
    ended: oneshot::Receiver<()>,
}

impl Tees {
    /// Opens the queues below `directory` and starts their threads.
    ///
    /// # Errors
    /// A queue's directory can't be used, or the certificates to trust can't be read.
    pub fn open(doors: &[(Door, Settings)], directory: &Path, bounds: Bounds) -> Result<Self, TeeError> {
        let budget = Arc::new(Budget { limit: bounds.memory, used: AtomicUsize::new(0) });
        let (families, mut running) = (TeeFamilies::default(), Vec::new());
        for (door, settings) in doors {
            running.push(Running::start(*door, settings.clone(), directory, bounds, &budget, &families)?);
        }
        let is_on = |door: &Door| doors.iter().any(|(on, _)| on == door);
        for door in Door::ALL.iter().filter(|door| !is_on(door)) {
            let place = directory.join(PLACE).join(door.name());
            if queue::holds_anything(&place) {
                let place = place.display();
                tracing::warn!(%place, "requests wait here, with their credentials, for a tee that is no longer configured; delete them, or configure receivers.{}.tee", door.name());
            }
        }
        Ok(Self { families, running })
    }

    /// The handle of a door; off where it has no tee.
    #[must_use]
    pub fn of(&self, door: Door) -> Tee {
        self.running.iter().find(|one| one.door == door).map(|one| one.tee.clone()).unwrap_or_default()
    }

    /// Registers what is counted of the tees that are on.
    pub fn register(&self, registry: &mut Registry) {
        self.families.register(registry);
    }

    /// Stops the threads when they have queued what was handed to them and delivered what the backends
    /// take within [`GRACE`].
    pub async fn finish(self) {
        for one in &self.running {
            if let Some(inner) = &one.tee.inner {
                let _ = inner.messages.send(Message::Close);
            }
        }
        for one in self.running {
            // Writing what was handed over comes on top.
            if tokio::time::timeout(GRACE + GRACE, one.ended).await.is_err() {
                tracing::warn!(receiver = one.door.name(), "the tee's queue did not end in time");
            }
        }
    }
}

impl Running {
    fn start(
        door: Door,
        settings: Settings,
        directory: &Path,
        bounds: Bounds,
        budget: &Arc<Budget>,
        families: &TeeFamilies,
    ) -> Result<Self, TeeError> {
        let stats = Arc::new(families.of(door.name()));
        let path = directory.join(PLACE).join(door.name());
        let limits = queue::Limits {
            bytes: settings.queue_size,
            min_free_disk: bounds.min_free_disk.saturating_mul(2),
        };
        let queue = Queue::open(&path, limits, Arc::clone(&stats)).map_err(|error| TeeError::Place {
            door: door.name(),
            path,
            error,
        })?;
        let sender = Sender::new(door, &settings)?;
        let waiting = stats.entries.get();
        tracing::info!(receiver = door.name(), endpoint = %settings.endpoint, waiting, "what is sealed is passed on");
        let (messages, receiver) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let counts = Arc::clone(&stats);
        let failed = |error: io::Error| TeeError::Start { door: door.name(), error: error.to_string() };
        // One blocking thread, for the names of hosts.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .map_err(failed)?;
        std::thread::Builder::new()
            .name(format!("tee-{}", door.name()))
            .spawn(move || {
                runtime.block_on(worker::run(door, settings, queue, sender, receiver, counts));
                runtime.shutdown_background();
                drop(end);
            })
            .map_err(failed)?;
        let inner = Inner { messages, budget: Arc::clone(budget), stats };
        Ok(Self { door, tee: Tee { inner: Some(Arc::new(inner)) }, ended })
    }
}

/// Whether a tee could be opened, as far as that shows without making anything.
///
/// # Errors
/// As [`Tees::open`], for the certificates.
pub fn check(door: Door, settings: &Settings) -> Result<(), TeeError> {
    Sender::new(door, settings).map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stats(tees: &Tees) -> Arc<TeeStats> {
        Arc::clone(&tees.running[0].tee.inner.as_ref().unwrap().stats)
    }

    fn count(tees: &Tees, why: &str) -> u64 {
        stats(tees).dropped().find(|(reason, _)| *reason == why).unwrap().1
    }

    /// A backend that refuses connections.
    fn tees(dir: &Path, memory: usize) -> Tees {
        let settings = Settings::new("http://127.0.0.1:1".parse().unwrap());
        Tees::open(&[(Door::Litellm, settings)], dir, Bounds { memory, min_free_disk: 0 }).unwrap()
    }

    fn keep(tee: &Tee, body: usize) -> Kept {
        let (head, ()) = http::Request::post("/litellm").body(()).unwrap().into_parts();
        tee.keep(&head, &vec![b'x'; body].into())
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let tees = tees(dir.path(), 100_000);
        let tee = tees.of(Door::Litellm);
        assert!(tee.is_on() && !tees.of(Door::Otlp).is_on());
        let first = keep(&tee, 60_000);
        keep(&tee, 60_000).forward();
        assert_eq!((count(&tees, "memory"), stats(&tees).offered.get()), (1, 0));
        drop(first);
        keep(&tee, 99_000).forward();
        assert_eq!((count(&tees, "memory"), stats(&tees).offered.get()), (1, 1));
        keep(&Tee::default(), 1).forward();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let stats = stats(&tees);
        runtime.block_on(tees.finish());
        // The end waited for the queue, not for the backend.
        assert_eq!(stats.entries.get(), 1);
        assert!(queue::holds_anything(&dir.path().join(PLACE).join("litellm")));
        keep(&tee, 1).forward();
        assert_eq!(stats.dropped().map(|(_, count)| count).sum::<u64>(), 2);
    }
}
