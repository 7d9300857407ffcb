//! `halod serve`: customers' reports behind a gate, from a process of its own that changes no chain.
//!
//! ```text
//! request ─ doors: whose proxy, whose page ─▶ gate: whose address ─▶ list: may they ─▶ shelf: link → key → one file, verified
//!                                                                                        └▶ data: meta, records, chain, proofs
//! ```

mod checkpoints;
mod codes;
mod console;
mod customer;
mod data;
mod doors;
pub mod form;
mod gate;
mod headers;
mod mail;
mod pages;
mod rates;
pub mod session;
mod shelf;
mod stream;

pub use gate::Gate;
pub use mail::Mailer;

use self::codes::Codes;
use self::console::Operators;
use self::rates::{Block, Rates};
use self::shelf::{Shelf, Table};
use super::access::list::{self, AccessList};
use super::access::secret::Secret;
use super::access::{AccessError, secret};
use crate::config::{Endpoint, secret_file};
use crate::daemon::certificates::Certificates;
use crate::daemon::doors::{BindError, bind};
use crate::daemon::process;
use crate::net::connections::ConnectionFamilies;
use crate::net::limits::Limits;
use crate::net::listener::{self, Door};
use crate::net::tls::TlsSettings;
use crate::net::tls::config::{Speaks, TlsError};
use crate::net::windows::Windows;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Where it listens if nothing is said: the port of the reference's.
pub const PORT: u16 = 8721;

/// The name of the door in what is logged; its end is that of the flag which moves it.
const DOOR: &str = "serve/listen";

/// How long requests under way may take when the server is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Posts to gates, and wrong keys of operators, of an address block in a minute.
const POSTS: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// Answers that take much reading, at once: proofs, bundles, lists of checkpoints.
const HEAVY: usize = 2;
/// Mails that are sent at once.
const MAILS: usize = 8;

/// What the server is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub directory: PathBuf,
    pub endpoint: Endpoint,
    pub gate: Gate,
    pub tls: Option<TlsSettings>,
    /// The addresses of proxies that end TLS in front. They alone may come then.
    pub proxies: Vec<IpAddr>,
    /// What was signed of a chain may be read by anybody who knows its subject.
    pub publish_checkpoints: bool,
    /// A file of the reference's witness, whose lines go with the reports.
    pub witness: Option<PathBuf>,
}

/// The server can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{} is no directory of chains: {what}", path.display())]
    Directory { path: PathBuf, what: String },
    #[error("{0}")]
    Settings(&'static str),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the system refuses: {0}")]
    System(std::io::Error),
}

impl Settings {
    /// Whether reports may be served so.
    ///
    /// # Errors
    /// They would be for others to read, or nobody could be let in.
    pub fn check(&self) -> Result<(), ServeError> {
        let is_local = self.endpoint.is_of_this_machine();
        let what = match self.gate {
            Gate::Open if !is_local || !self.proxies.is_empty() => {
                "--open shows reports to everybody who reaches this address, so it is for this machine alone: listen on 127.0.0.1, \
                 without --behind-proxy"
            }
            Gate::Proxy(_) if self.proxies.is_empty() => {
                "--proxy-auth believes a header, so it has to be said who may set it: --behind-proxy ADDRESS"
            }
            _ if !is_local && self.tls.is_none() && self.proxies.is_empty() => {
                "beyond this machine reports are served over TLS: give --tls-cert and --tls-key, or --behind-proxy ADDRESS where a \
                 proxy ends TLS"
            }
            _ => return Ok(()),
        };
        Err(ServeError::Settings(what))
    }

    /// Whether browsers come over TLS.
    fn is_secure(&self) -> bool {
        self.tls.is_some() || !self.proxies.is_empty()
    }
}

/// What all requests share.
#[derive(Debug)]
struct Serving {
    settings: Settings,
    limits: Limits,
    shelf: Shelf,
    secret: RwLock<Arc<Secret>>,
    list: Mutex<Listed>,
    codes: Codes,
    operators: Operators,
    posts: Rates<Block>,
    reads: Rates<Block>,
    heavy: Arc<Semaphore>,
    mails: Arc<Semaphore>,
    /// Held while all chains are looked at.
    warming: Arc<Semaphore>,
    /// When somebody was last noted to have seen a state of a chain.
    noted: Mutex<HashMap<(String, String, u64), Instant>>,
    /// What pages were given, by chain, with what it was made of.
    given: Mutex<HashMap<String, Arc<data::Given>>>,
}

/// The list as it was read last.
#[derive(Debug, Default)]
struct Listed {
    stamp: Option<Option<secret_file::Stamp>>,
    list: Arc<AccessList>,
    /// Why nobody is let in.
    wrong: Option<String>,
}

impl Serving {
    fn new(settings: Settings) -> Result<Self, ServeError> {
        let secret = Secret::open(&settings.directory)?;
        let random = || AccessError::Refused("the system gives no random numbers".into());
        Ok(Self {
            limits: limits(),
            shelf: Shelf::new(&settings.directory),
            secret: RwLock::new(Arc::new(secret)),
            list: Mutex::default(),
            codes: Codes::new().ok_or_else(random)?,
            operators: Operators::default(),
            posts: Rates::new(POSTS, MINUTE),
            reads: Rates::new(6 * POSTS, MINUTE),
            heavy: Arc::new(Semaphore::new(HEAVY)),
            mails: Arc::new(Semaphore::new(MAILS)),
            warming: Arc::new(Semaphore::new(1)),
            noted: Mutex::default(),
            given: Mutex::default(),
            settings,
        })
    }

    /// The secret, which may have been made anew. Blocks for a moment.
    fn secret(&self) -> Result<Arc<Secret>, AccessError> {
        let own = Arc::clone(&self.secret.read().unwrap_or_else(PoisonError::into_inner));
        if !own.is_outdated(&self.settings.directory) {
            return Ok(own);
        }
        let new = Arc::new(Secret::open(&self.settings.directory)?);
        *self.secret.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        self.operators.forget();
        Ok(new)
    }

    /// The list as it is now, and why it lets nobody in where it can't be read. Blocks for a moment.
    fn list(&self) -> (Arc<AccessList>, Option<String>) {
        let mut listed = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken first: what changes meanwhile is seen at the next look.
        let stamp = list::stamp(&self.settings.directory);
        if listed.stamp != Some(stamp) {
            let (list, wrong) = match AccessList::read(&self.settings.directory) {
                Ok(list) => (list, None),
                Err(error) => {
                    tracing::error!(%error, "nobody is let in");
                    (AccessList::default(), Some(error.to_string()))
                }
            };
            *listed = Listed { stamp: Some(stamp), list: Arc::new(list), wrong };
        }
        (Arc::clone(&listed.list), listed.wrong.clone())
    }

    /// What there is now: chains and their links, and whom they are shared with. Blocks for a moment.
    fn standing(&self) -> Result<Standing, AccessError> {
        let secret = self.secret()?;
        let table = self.shelf.table(&secret)?;
        Ok((secret, table, self.list().0))
    }
}

/// The links' secret, the chains, and whom they are shared with.
type Standing = (Arc<Secret>, Arc<Table>, Arc<AccessList>);

/// Bodies are forms; a chain may take a while to read.
fn limits() -> Limits {
    Limits {
        connections: 512,
        concurrent_streams: 16,
        body: 4 << 10,
        headers: 16 << 10,
        max_age: Some(Duration::from_secs(30 * 60)),
        age_grace: Duration::from_secs(30 * 60),
        ..Limits::default()
    }
}

/// Runs until it is asked to stop.
///
/// # Errors
/// Why it can't start.
pub async fn run(settings: Settings) -> Result<(), ServeError> {
    settings.check()?;
    let path = &settings.directory;
    let found = std::fs::metadata(path).map_err(|error| error.to_string());
    let found =
        found.and_then(|found| if found.is_dir() { Ok(()) } else { Err("it is no directory".into()) });
    found.map_err(|what| ServeError::Directory { path: path.clone(), what })?;
    let process::Signals { mut ends, reload } = process::signals().map_err(ServeError::System)?;
    let certificates = Certificates::of_doors(settings.tls.iter().map(|tls| (DOOR, tls, Speaks::Both)))?;
    let bound = bind(DOOR, &settings.endpoint).await?;
    let serving = Arc::new(Serving::new(settings)?);
    announce(&serving, &bound.address)?;
    let (drain, draining) = watch::channel(false);
    let _tasks = certificates.watch(&reload);
    let door = Door {
        socket: bound.socket,
        tls: certificates.of(DOOR),
        limits: Arc::new(serving.limits.clone()),
        windows: Windows::default(),
        stats: ConnectionFamilies::default().of(DOOR),
    };
    warm(&serving, true);
    let mut served = tokio::spawn(listener::serve(door, doors::service(serving), draining));
    tokio::select! {
        // It ends only when it is drained.
        _ = &mut served => return Ok(()),
        signal = ends.recv() => tracing::info!(signal, "the server stops"),
    }
    let _ = drain.send(true);
    if tokio::time::timeout(GRACE, served).await.is_err() {
        tracing::warn!("requests that were under way are cut off");
    }
    Ok(())
}

/// Looks at all chains, one after the other, so that their readers need not wait for it, and the operator sees how they are. Where
/// that is being done already, nothing happens. What is withheld is logged where `says_so`.
fn warm(serving: &Arc<Serving>, says_so: bool) {
    let Ok(turn) = Arc::clone(&serving.warming).try_acquire_owned() else { return };
    let serving = Arc::clone(serving);
    tokio::spawn(async move {
        let own = Arc::clone(&serving);
        let table = tokio::task::spawn_blocking(move || own.standing()).await;
        let Ok(Ok((_, table, _))) = table else { return };
        for entry in &table.entries {
            let _ = serving.shelf.look(entry, None).await;
            match serving.shelf.told(entry) {
                shelf::Told::Withheld(why) if says_so => {
                    tracing::warn!(chain = entry.stem, why, "a chain is withheld from everybody");
                }
                _ => {}
            }
        }
        drop(turn);
    });
}

fn announce(serving: &Serving, address: &str) -> Result<(), ServeError> {
    let settings = &serving.settings;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let (_, table, _) = serving.standing()?;
    tracing::info!(serve = address, chains = table.entries.len(), gate = %settings.gate, "reports are served");
    if matches!(settings.gate, Gate::Unverified) {
        tracing::warn!(
            "nobody verifies that an address is the reader's own: who knows a link and an address of the list gets in"
        );
    }
    let once = serving.operators.invite(&secret::random()?);
    tracing::info!("the operator's console, by this link once: {scheme}://{address}/?once={once}");
    Ok(())
}
