//! The checkpointer: a thread beside the writer that signs, epoch by epoch, what the chains hold.
//!
//! ```text
//! every interval:  look which files changed ─▶ sync, verify, put into trees (spread over half the interval) ─▶ sign
//! ```
//!
//! It has no share in a commit: it reads chains from disk as anybody could. What fails here is told and tried
//! again, and keeps no record from being sealed. `docs/checkpoints.md` has the formats.

mod permit;
pub mod receipts;
mod stats;

pub use permit::{Halt, Permit};
pub use stats::{Anchoring, CheckpointStats, Newest, Stamped, Witnessed};

use self::receipts::ReceiptSigner;
use crate::clock::unix_millis;
use crate::pipeline::stats::Stats;
use crate::tee::settings::Target;
use crate::tsa::TsaSettings;
use halod_chain::directory::Lock;
use halod_chain::disk::OsDisk;
use halod_evidence::note::VerifierKey;
use halod_tlog::key::{KeySettings, fingerprint};
use halod_tlog::log::{Log, Signed};
use halod_tlog::notes::Notes;
use halod_tlog::{Taken, TlogError};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The longest pause between two chains of an epoch.
const PAUSE: Duration = Duration::from_millis(50);
/// Before the first epoch, so that a start is not held up by it.
const FIRST: Duration = Duration::from_secs(1);
/// How long chains are read for the last epoch, when halod stops.
const LAST: Duration = Duration::from_secs(5);

/// What is signed how often, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSettings {
    /// From one epoch to the next; zero for none at all.
    pub interval: Duration,
    pub key: KeySettings,
    /// Whether requests are answered with signed receipts.
    pub receipts: bool,
    pub witnesses: Vec<WitnessSettings>,
    /// How old a cosignature of the newest checkpoint may get before the witness is asked again.
    pub max_age: Duration,
    /// Who time-stamps checkpoints, if anybody does.
    pub tsa: Option<TsaSettings>,
    pub halo_witness: Option<HaloWitnessSettings>,
}

/// A witness to which the end of each tenant's chain is sent (`halo witness-serve`, `halod witness`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaloWitnessSettings {
    /// What `/anchor` is put behind.
    pub url: Target,
    /// The file with the key that the witness knows this vendor by.
    pub key_file: Option<PathBuf>,
    /// Authorities to trust, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// A witness that has every checkpoint to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessSettings {
    pub key: VerifierKey,
    /// Its submission prefix (C2SP tlog-witness, "add-checkpoint").
    pub url: Target,
    /// Authorities to trust, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        let (key, witnesses) = (KeySettings::default(), Vec::new());
        Self {
            interval: Duration::from_secs(60),
            key,
            witnesses,
            max_age: Duration::from_secs(3600),
            tsa: None,
            receipts: false,
            halo_witness: None,
        }
    }
}

/// What a checkpointer needs.
#[derive(Debug)]
pub struct Checkpointer {
    pub directory: PathBuf,
    pub settings: CheckpointSettings,
    /// Nothing is written into a directory that another daemon may have.
    pub lock: Arc<Lock>,
    /// Which chains are set aside: of those nothing is signed.
    pub pipeline: Arc<Stats>,
    pub stats: Arc<CheckpointStats>,
    /// Who is given the key that receipts are signed with.
    pub receipts: Arc<ReceiptSigner>,
    /// Shared with who has them cosigned.
    pub notes: Arc<Notes>,
    pub permit: Arc<Permit>,
}

/// The running thread.
#[derive(Debug)]
pub struct Handle {
    permit: Arc<Permit>,
    stop: Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Handle {
    /// Signs what was sealed since the last epoch, and ends the thread.
    pub async fn finish(self) {
        // A thread that ended by itself has nobody who listens.
        let _ = self.stop.send(());
        let _ = self.ended.await;
        self.permit.end();
    }
}

/// How an epoch is gone about.
struct Hurry<'a> {
    stop: &'a Receiver<()>,
    /// Over how long chains are spread.
    spread: Duration,
    until: Option<Instant>,
}

impl Hurry<'_> {
    /// Waits a moment before the next chain; `false` where an end was asked for, or time is up.
    fn pause(&self, chains: usize) -> bool {
        if let Some(until) = self.until {
            return Instant::now() < until;
        }
        let pause = PAUSE.min(self.spread / u32::try_from(chains).unwrap_or(u32::MAX).max(1));
        matches!(self.stop.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }
}

impl Checkpointer {
    /// Starts the thread; `None` where nothing is to be signed.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(self) -> std::io::Result<Option<Handle>> {
        if self.settings.interval.is_zero() {
            return Ok(None);
        }
        let (stop, stopping) = channel();
        let (end, ended) = oneshot::channel();
        let permit = Arc::clone(&self.permit);
        // No request is to be answered without a receipt because it came early.
        let opened = self.settings.receipts.then(|| self.open());
        let log = opened.and_then(|opened| opened.map_err(|error| self.stats.failed(&error.into())).ok());
        let run = move || {
            self.run(log, &stopping);
            drop(self);
            // Nobody is listening any more when the daemon was told to exit at once.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("halod-checkpoint".into()).spawn(run)?;
        Ok(Some(Handle { permit, stop, ended }))
    }

    fn run(&self, mut log: Option<Log>, stop: &Receiver<()>) {
        let mut wait = FIRST.min(self.settings.interval);
        loop {
            let is_last = match stop.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => false,
                // Without a handle nobody waits for a last epoch.
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(()) => true,
            };
            let began = Instant::now();
            let hurry = if is_last {
                Hurry { stop, spread: Duration::ZERO, until: Some(began + LAST) }
            } else {
                Hurry { stop, spread: self.settings.interval / 2, until: None }
            };
            // Who was asked to end while chains were read signs what is in the trees by then.
            let asked_to_end = self.epoch(&mut log, &hurry) == Outcome::AskedToEnd;
            if is_last || asked_to_end {
                if asked_to_end {
                    self.epoch(
                        &mut log,
                        &Hurry { stop, spread: Duration::ZERO, until: Some(Instant::now() + LAST) },
                    );
                }
                return;
            }
            wait = self.settings.interval.saturating_sub(began.elapsed()).max(PAUSE);
        }
    }

    fn epoch(&self, log: &mut Option<Log>, hurry: &Hurry<'_>) -> Outcome {
        match self.try_epoch(log, hurry) {
            Ok(outcome) => outcome,
            Err(error) => {
                // What is on disk is unknown: the next epoch begins with a look at it.
                *log = None;
                self.stats.failed(&error);
                Outcome::Done
            }
        }
    }

    fn try_epoch(&self, log: &mut Option<Log>, hurry: &Hurry<'_>) -> Result<Outcome, EpochError> {
        self.lock.check()?;
        let log = match log {
            Some(log) => log,
            none => none.insert(self.open()?),
        };
        let began = Instant::now();
        let chains = log.look(|stem| self.is_set_aside(stem))?;
        let (mut records, mut outcome) = (0, Outcome::Done);
        for stem in &chains {
            match log.take_in(stem)? {
                Taken::Records(new) => records += new,
                Taken::Alarm(alarm) => self.stats.alarm(stem, alarm),
                Taken::Nothing => {}
            }
            if !hurry.pause(chains.len()) {
                outcome = Outcome::AskedToEnd;
                break;
            }
        }
        if outcome == Outcome::AskedToEnd && hurry.until.is_none() {
            return Ok(outcome);
        }
        self.lock.check()?;
        self.stats.set_alarms(log.alarms());
        if self.permit.is_given()
            && let Some(signed) = log.sign(unix_millis())?
        {
            self.tell(&signed, records, began.elapsed());
            // Who waits for that looks at what was told.
            self.permit.signed();
        }
        self.stats.went_well();
        if let Err(error) = log.thin(unix_millis()) {
            tracing::warn!(%error, "states of old epochs are not thinned out, and take their room; that is tried again tomorrow");
        }
        Ok(Outcome::Done)
    }

    fn open(&self) -> Result<Log, TlogError> {
        let log = Log::open(&self.directory, &self.settings.key, Arc::new(OsDisk), Arc::clone(&self.notes))?;
        let key = log.keys().signer.key();
        self.stats.opened(key, fingerprint(key));
        if self.settings.receipts {
            self.receipts.open(log.keys());
        }
        Ok(log)
    }

    fn is_set_aside(&self, stem: &str) -> bool {
        let aside = self.pipeline.aside.lock().unwrap_or_else(PoisonError::into_inner);
        aside.first.iter().any(|one| one.chain == stem) || aside.records_of.iter().any(|one| one == stem)
    }

    fn tell(&self, signed: &Signed, records: u64, took: Duration) {
        let Signed { checkpoint, epoch, chains, .. } = signed;
        tracing::debug!(epoch, size = checkpoint.size, chains, records, ?took, "an epoch is signed");
        self.stats.signed(signed, records, took);
    }
}

/// How an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    AskedToEnd,
}

/// Why an epoch came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error(transparent)]
    Lock(#[from] halod_chain::directory::LockLost),
}
