//! The files of certificates and keys: read and checked at start, and read again when they change.

use super::doors::{ADMIN, GRPC, HTTP};
use super::process::Reload;
use crate::config::Config;
use crate::config::secret_file::{self, Stamp, is_anybodys_to_change, is_anybodys_to_read, stamp};
use crate::net::tls::config::{Pem, Served, Speaks, TlsError, server};
use crate::net::tls::{Tls, TlsSettings};
use crate::pipeline::meter::{Counters, Gauge, Gauges};
use halod_record::time::rfc3339;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// Bytes that a file may have.
const MOST: usize = 1 << 20;

/// So long before a certificate's end it is told, and how often.
const SOON: Duration = Duration::from_secs(7 * 86_400);
const AGAIN: Duration = Duration::from_secs(86_400);

/// The files of a door are changed one after the other: what does not fit together is looked at once more.
const SETTLE: Duration = Duration::from_secs(1);

/// The certificates of all doors that speak TLS.
#[derive(Debug)]
pub(crate) struct Certificates {
    doors: Vec<Arc<Kept>>,
    ends: Gauges,
    reloads: Counters,
}

/// What one door speaks TLS with, and from which files.
#[derive(Debug)]
struct Kept {
    door: &'static str,
    settings: TlsSettings,
    speaks: Speaks,
    tls: Arc<Tls>,
    /// When the certificate ends, in seconds since 1970.
    ends: Gauge,
    reloaded: Counter,
    failed: Counter,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The files that are in use.
    stamps: Stamps,
    /// What was wrong with the ones that came after them.
    wrong: Option<String>,
    /// When the certificate's end was told last.
    told: Option<Instant>,
}

/// The states of a door's files.
type Stamps = [Option<Stamp>; 3];

/// What the files of a door hold.
struct Loaded {
    served: Served,
    stamps: Stamps,
    warnings: Vec<String>,
}

/// The doors that speak TLS.
fn doors(config: &Config) -> impl Iterator<Item = (&'static str, &TlsSettings, Speaks)> {
    let grpc = config.grpc.as_ref().and_then(|door| door.tls.as_ref());
    let http = config.http.as_ref().and_then(|door| door.tls.as_ref());
    let all = [
        (GRPC, grpc, Speaks::Both),
        (HTTP, http, Speaks::Both),
        (ADMIN, config.admin_tls.as_ref(), Speaks::Http1),
    ];
    all.into_iter().filter_map(|(name, settings, speaks)| Some((name, settings?, speaks)))
}

/// A door, its settings, and what was found.
pub type Checked<'a> = (&'static str, &'a TlsSettings, Result<Vec<String>, TlsError>);

/// The doors that speak TLS, each with what its operator should know, or why its files can't be used.
#[must_use]
pub fn check_each(config: &Config) -> Vec<Checked<'_>> {
    let check = |settings, speaks, door| {
        let loaded = load(settings, speaks)?;
        let ending = ending(loaded.served.not_after).map(|what| format!("{door}: {what}"));
        Ok(loaded.warnings.into_iter().chain(ending).collect())
    };
    doors(config).map(|(door, settings, speaks)| (door, settings, check(settings, speaks, door))).collect()
}

/// What is wrong with the files of the doors, and what else their operator should know.
#[must_use]
pub fn check(config: &Config) -> (Vec<String>, Vec<String>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (door, _, checked) in check_each(config) {
        match checked {
            Ok(told) => warnings.extend(told),
            Err(error) => problems.push(format!("{door}: {error}")),
        }
    }
    (problems, warnings)
}

impl Certificates {
    /// Reads the files of every door that speaks TLS.
    ///
    /// # Errors
    /// One of them can't be used.
    pub(super) fn load(config: &Config) -> Result<Self, TlsError> {
        Self::of_doors(doors(config))
    }

    /// Those of these doors.
    ///
    /// # Errors
    /// One of the files can't be used.
    pub(crate) fn of_doors<'s>(
        doors: impl Iterator<Item = (&'static str, &'s TlsSettings, Speaks)>,
    ) -> Result<Self, TlsError> {
        let (ends, reloads) = (Gauges::default(), Counters::default());
        let mut kept = Vec::new();
        for (door, settings, speaks) in doors {
            let Loaded { served, stamps, warnings } = load(settings, speaks)?;
            for warning in warnings {
                tracing::warn!(door, "{warning}");
            }
            tracing::info!(door, ends = date(served.not_after), "the door speaks TLS");
            let outcome = |outcome| reloads.get_or_create_owned(&vec![("door", door), ("outcome", outcome)]);
            let one = Kept {
                door,
                settings: settings.clone(),
                speaks,
                ends: ends.get_or_create_owned(&vec![("door", door)]),
                reloaded: outcome("ok"),
                failed: outcome("failed"),
                state: Mutex::new(State { stamps, wrong: None, told: None }),
                tls: Arc::new(Tls::new(served.clone())),
            };
            one.note_end(served.not_after);
            kept.push(Arc::new(one));
        }
        Ok(Self { doors: kept, ends, reloads })
    }

    /// What a door speaks TLS with, if it does.
    pub(crate) fn of(&self, door: &str) -> Option<Arc<Tls>> {
        self.doors.iter().find(|kept| kept.door == door).map(|kept| Arc::clone(&kept.tls))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        if self.doors.is_empty() {
            return;
        }
        registry.register(
            "halod_tls_certificate_expiry_time_seconds",
            "When the certificate that a door has now ends, in seconds since 1970",
            self.ends.clone(),
        );
        registry.register(
            "halod_tls_reloads",
            "Times that a door's certificate was read again: ok, or failed, and the door keeps the one that it had",
            self.reloads.clone(),
        );
    }

    /// Reads files again that change, and all of them on SIGHUP, until the tasks are dropped.
    pub(crate) fn watch(&self, reload: &Reload) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for kept in &self.doors {
            tasks.spawn(Arc::clone(kept).watch(reload.clone()));
        }
        tasks
    }
}

impl Kept {
    async fn watch(self: Arc<Self>, mut reload: Reload) {
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(self.settings.reload_interval) => false,
                Ok(()) = reload.changed() => true,
            };
            let mut done = self.clone().looked_at(asked, false).await;
            if !done {
                tokio::time::sleep(SETTLE).await;
                done = self.clone().looked_at(asked, true).await;
            }
            if done {
                self.warn_of_end();
            }
        }
    }

    /// Whether what the files hold is in use now. `last` says what is wrong if it is not.
    async fn looked_at(self: Arc<Self>, asked: bool, last: bool) -> bool {
        // A volume may be slow, or another machine's.
        tokio::task::spawn_blocking(move || self.look(asked, last)).await.unwrap_or(true)
    }

    fn look(&self, asked: bool, last: bool) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked && stamps(&self.settings) == state.stamps {
            state.wrong = None;
            return true;
        }
        let door = self.door;
        match load(&self.settings, self.speaks) {
            Ok(Loaded { served, stamps, warnings }) => {
                for warning in warnings {
                    tracing::warn!(door, "{warning}");
                }
                tracing::info!(door, ends = date(served.not_after), "the door's certificate was read again");
                *state = State { stamps, wrong: None, told: None };
                drop(state);
                self.note_end(served.not_after);
                self.reloaded.inc();
                self.tls.replace(served);
                true
            }
            Err(error) => {
                let error = error.to_string();
                if last && (asked || state.wrong.as_ref() != Some(&error)) {
                    tracing::error!(door, error, "the door keeps the certificate that it has");
                    self.failed.inc();
                    state.wrong = Some(error);
                }
                false
            }
        }
    }

    fn note_end(&self, not_after: Duration) {
        self.ends.set(not_after.as_secs());
        self.warn_of_end();
    }

    /// Tells of the certificate's end when it is near, once a day.
    fn warn_of_end(&self) {
        let Some(what) = ending(Duration::from_secs(self.ends.get())) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            state.told = Some(Instant::now());
            tracing::warn!(door = self.door, "{what}");
        }
    }
}

/// What to say of a certificate that ends, if that is soon.
fn ending(not_after: Duration) -> Option<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = date(not_after);
    if not_after <= now {
        Some(format!("the certificate ended on {at}: clients refuse it"))
    } else if not_after - now < SOON {
        Some(format!("the certificate ends on {at}"))
    } else {
        None
    }
}

fn date(since_1970: Duration) -> String {
    let nanos = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
    String::from_utf8_lossy(&rfc3339(nanos)).into_owned()
}

fn stamps(settings: &TlsSettings) -> Stamps {
    let authorities = settings.client_ca_file.as_deref();
    [stamp(&settings.cert_file), stamp(&settings.key_file), authorities.and_then(stamp)]
}

fn load(settings: &TlsSettings, speaks: Speaks) -> Result<Loaded, TlsError> {
    // Taken first: what changes meanwhile is seen at the next look.
    let stamps = stamps(settings);
    let (certificates, _) = read(&settings.cert_file)?;
    let (key, mode) = read(&settings.key_file)?;
    let mut warnings = Vec::new();
    let path = settings.key_file.display();
    if is_anybodys_to_change(mode) {
        return Err(TlsError::new(&settings.key_file, format!("anybody may change it; chmod o= {path}")));
    }
    if is_anybodys_to_read(mode) {
        warnings.push(format!("{path}: anybody on this machine may read the key; chmod o= {path}"));
    }
    let authorities = match &settings.client_ca_file {
        None => None,
        Some(file) => {
            let (pem, mode) = read(file)?;
            if is_anybodys_to_change(mode) {
                let how = format!("anybody may change whose clients come in; chmod o-w {}", file.display());
                return Err(TlsError::new(file, how));
            }
            Some(pem)
        }
    };
    let served = server(settings, &Pem { certificates, key, authorities }, speaks)?;
    Ok(Loaded { served, stamps, warnings })
}

/// A file's content and mode.
fn read(path: &Path) -> Result<(Vec<u8>, u32), TlsError> {
    secret_file::read_with_mode(path, MOST).map_err(|what| TlsError::new(path, what))
}
