//! `halod witness`: the server, its settings and its run. What it answers is in [`doors`].

mod doors;

use super::anchors::Anchors;
use super::contradictions::{Contradictions, Whose};
use super::keys::{KeyError, Keys};
use super::logs::Logs;
use crate::auth::Authenticator;
use crate::config::{AuthSettings, Endpoint};
use crate::daemon::certificates::Certificates;
use crate::daemon::doors::{BindError, bind};
use crate::daemon::identities::Keeper;
use crate::daemon::process;
use crate::net::connections::ConnectionFamilies;
use crate::net::limits::Limits;
use crate::net::listener::{self, Door};
use crate::net::tls::TlsSettings;
use crate::net::tls::config::{Speaks, TlsError};
use crate::net::windows::Windows;
use halod_chain::rate::Bucket;
use halod_evidence::contradiction::Contradiction;
use halod_evidence::note::{Checkpoint, Kind, VerifierKey};
use halod_evidence::witness::MAX_BYTES;
use std::collections::HashMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Where it listens if nothing is said: the port of the reference's.
pub const PORT: u16 = 8730;

/// The name of the door in what is logged; its end is that of the flag which moves it.
const DOOR: &str = "witness/listen";

/// How long requests under way may take when the witness is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// What a witness is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub directory: PathBuf,
    pub endpoint: Endpoint,
    /// The keys of the logs that are watched.
    pub logs: Vec<VerifierKey>,
    /// What the witness is called, when its keys are made.
    pub name: Option<String>,
    /// Who may anchor, and read anchors.
    pub auth: Option<AuthSettings>,
    /// Anybody may read anchors who knows a subject.
    pub public_reads: bool,
    pub tls: Option<TlsSettings>,
}

/// The witness can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{}: {error}", .path.display())]
    Directory { path: PathBuf, error: io::Error },
    #[error("{}: another witness runs on this directory", .0.display())]
    Taken(PathBuf),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the key of {0} is that of a witness (type 4); a log's is of type 1")]
    NoLog(String),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the system refuses: {0}")]
    System(io::Error),
}

/// Who may anchor.
#[derive(Debug)]
enum Access {
    /// Anybody on this machine, which is all who reach it.
    Open,
    /// Nobody: other machines reach it, and it knows no identities.
    Closed,
    Identities(Arc<Authenticator>),
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Witness {
    keys: Keys,
    logs: Logs,
    anchors: Mutex<Anchors>,
    contradictions: Contradictions,
    access: Access,
    public_reads: bool,
    limits: Limits,
    /// What each identity has used up of its rate.
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Witness {
    pub(super) fn anchors(&self) -> MutexGuard<'_, Anchors> {
        self.anchors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the directory of a witness.
///
/// # Errors
/// It can't be made.
pub fn directory(path: &Path) -> Result<(), ServeError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| ServeError::Directory { path: path.to_owned(), error })
}

/// The directory's lock, until it is dropped.
fn lock(directory: &Path) -> Result<File, ServeError> {
    let path = directory.join("lock");
    let failed = |error| ServeError::Directory { path: path.clone(), error };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::Taken(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whose a kept contradiction is.
fn whose(text: &str) -> Option<Whose> {
    if let Ok(found) = Contradiction::parse(text) {
        let [note, _] = &found.notes;
        return Some(Whose::Log(Checkpoint::parse_extended(&note.text).ok()?.origin));
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(Whose::Chain(value.get("chain")?.as_str()?.to_owned()))
}

impl Witness {
    fn open(settings: &Settings, access: Access) -> Result<Self, ServeError> {
        let at = &settings.directory;
        let failed = |error| ServeError::Directory { path: at.clone(), error };
        if let Some(key) = settings.logs.iter().find(|key| key.kind() != Kind::Text) {
            return Err(ServeError::NoLog(key.name().to_owned()));
        }
        let keys = Keys::open(at, settings.name.as_deref())?;
        Ok(Self {
            logs: Logs::open(at, settings.logs.clone(), keys.cosigns.key()).map_err(failed)?,
            anchors: Mutex::new(Anchors::open(at).map_err(failed)?),
            contradictions: Contradictions::open(at, whose).map_err(failed)?,
            keys,
            access,
            public_reads: settings.public_reads,
            limits: limits(),
            buckets: Mutex::default(),
        })
    }
}

/// Bodies are small, and as many as these connections may send stand in memory.
fn limits() -> Limits {
    Limits {
        connections: 256,
        concurrent_streams: 8,
        body: MAX_BYTES,
        headers: 16 << 10,
        ..Limits::default()
    }
}

/// Runs until it is asked to stop.
///
/// # Errors
/// Why it can't start.
pub async fn run(settings: Settings) -> Result<(), ServeError> {
    directory(&settings.directory)?;
    let _lock = lock(&settings.directory)?;
    let process::Signals { mut ends, reload } = process::signals().map_err(ServeError::System)?;
    let mut keeper = None;
    let access = match &settings.auth {
        Some(auth) => {
            let (identities, keeps) = Keeper::new(auth).map_err(ServeError::System)?;
            keeper = Some(keeps);
            Access::Identities(identities)
        }
        None if settings.endpoint.is_of_this_machine() => Access::Open,
        None => Access::Closed,
    };
    let certificates = Certificates::of_doors(settings.tls.iter().map(|tls| (DOOR, tls, Speaks::Both)))?;
    let witness = Arc::new(Witness::open(&settings, access)?);
    let bound = bind(DOOR, &settings.endpoint).await?;
    announce(&witness, &bound.address, settings.logs.len());
    let (drain, draining) = watch::channel(false);
    let mut tasks = certificates.watch(&reload);
    if let Some(keeper) = keeper {
        tasks.spawn(keeper.run(reload, draining.clone()));
    }
    let door = Door {
        socket: bound.socket,
        tls: certificates.of(DOOR),
        limits: Arc::new(witness.limits.clone()),
        windows: Windows::default(),
        stats: ConnectionFamilies::default().of(DOOR),
    };
    let mut served = tokio::spawn(listener::serve(door, doors::service(witness), draining));
    tokio::select! {
        // It ends only when it is drained.
        _ = &mut served => return Ok(()),
        signal = ends.recv() => tracing::info!(signal, "the witness stops"),
    }
    let _ = drain.send(true);
    if tokio::time::timeout(GRACE, served).await.is_err() {
        tracing::warn!("requests that were under way are cut off");
    }
    Ok(())
}

fn announce(witness: &Witness, address: &str, logs: usize) {
    let vkey = witness.keys.cosigns.key();
    let anchors = match witness.access {
        Access::Open => "from anybody on this machine",
        Access::Closed => "from nobody: other machines reach this address; name those who may with --auth",
        Access::Identities(_) => "from identities",
    };
    tracing::info!(witness = address, %vkey, logs, anchors, "the witness listens");
}
