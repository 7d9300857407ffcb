//! The thread that has checkpoints time-stamped.

use super::client::{AskError, Client};
use super::{Roots, RootsError, TsaSettings};
use crate::checkpointer::{CheckpointStats, Permit};
use crate::pipeline::quiet::Quiet;
use halod_chain::disk::OsDisk;
use halod_evidence::cosigning::wait_after;
use halod_evidence::note::{Checkpoint, NoteError};
use halod_record::hash::sha256;
use halod_timestamp::{Policies, TokenError, Verified, request};
use halod_tlog::log::place;
use halod_tlog::{TlogError, notes, stamps};
use ring::rand::{SecureRandom, SystemRandom};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the thread needs.
#[derive(Debug)]
pub struct Stamper {
    pub directory: PathBuf,
    pub permit: Arc<Permit>,
    pub stats: Arc<CheckpointStats>,
    pub settings: TsaSettings,
}

/// Why a checkpoint has no token.
#[derive(Debug, thiserror::Error)]
enum StampError {
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error("the newest checkpoint: {0}")]
    Note(#[from] NoteError),
    #[error(transparent)]
    Roots(#[from] RootsError),
    #[error("random bytes can't be had from the system")]
    Random,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the answer of {address} is not stored: {source}")]
    Answer { address: String, source: TokenError },
}

impl StampError {
    /// How long the service wants to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Ask(AskError::Status { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

impl Stamper {
    /// Starts the thread; it ends with [`Permit::end`].
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(self) -> io::Result<()> {
        std::thread::Builder::new().name("halod-tsa".into()).spawn(move || self.run()).map(drop)
    }

    fn run(&self) {
        let (mut due, mut failures, mut quiet) = (Instant::now() + self.rest(), 0_u32, Quiet::default());
        let (mut seen, mut wait) = (0, Duration::ZERO);
        while let Some(signed) = self.permit.wait(seen, wait) {
            seen = signed;
            wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                continue;
            }
            match self.stamp() {
                // A token stays due until something is signed.
                Ok(None) => {
                    wait = self.settings.every;
                    continue;
                }
                Ok(Some((size, verified))) => {
                    failures = 0;
                    self.stats.stamped(size, &verified);
                    wait = self.settings.every;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.failed(&error, &mut quiet);
                    // A service that is busy is not asked without a pause, whatever it says.
                    wait = wait_after(failures).max(error.retry_after().unwrap_or_default());
                }
            }
            due = Instant::now() + wait;
        }
    }

    /// What is left of the interval since the last token, which may be one of an earlier run.
    fn rest(&self) -> Duration {
        // What is wrong with the files is told when the next token is to be stored.
        let age = stamps::age(&place(&self.directory)).ok().flatten();
        age.map_or(Duration::ZERO, |age| self.settings.every.saturating_sub(age))
    }

    /// Has the newest checkpoint time-stamped, if it has no token yet.
    fn stamp(&self) -> Result<Option<(u64, Verified)>, StampError> {
        let log = place(&self.directory);
        let Some(note) = notes::newest(&log)? else { return Ok(None) };
        let size = Checkpoint::parse(&note.text)?.size;
        if stamps::place(&log).join(stamps::name(size)).exists() {
            return Ok(None);
        }
        let TsaSettings { url, roots, policies, ca_file, .. } = &self.settings;
        // Files that were replaced are read anew: a token an hour costs nothing.
        let roots = Roots::read(roots)?;
        let client = Client::new(url.clone(), ca_file.as_deref())?;
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).map_err(|_| StampError::Random)?;
        let nonce = u64::from_be_bytes(random);
        let answer = client.ask(request(&sha256(note.text.as_bytes()), Some(nonce), true))?;
        let policies = if policies.is_empty() { Policies::Any } else { Policies::Only(policies) };
        let verified = roots.verify(&answer, &note.text, Some(nonce), policies);
        let verified = verified.map_err(|source| StampError::Answer { address: url.to_string(), source })?;
        stamps::keep(&log, size, &answer, &OsDisk)?;
        Ok(Some((size, verified)))
    }

    fn failed(&self, error: &StampError, quiet: &mut Quiet) {
        let why = error.to_string();
        quiet.say(&why, |again| {
            tracing::warn!(why, again, "the newest checkpoint has no time-stamp; the service is asked again");
        });
        self.stats.not_stamped(&why);
    }
}
