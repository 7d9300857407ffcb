//! Sends the end of every chain that grew to a witness of chains: a thread of its own, on which nobody waits.
//!
//! ```text
//! checkpointer ─signed─▶ Follower.look ─▶ Ends, each chain once ─▶ [POST /anchor] ─▶ receipt ─▶ Anchored, on disk
//!                        (what the last epochs signed)             50 a minute
//! ```
//!
//! What is sent was signed, so it was on disk before; no chain is ever sent with fewer records than before. Over a kill -9
//! the newest end is sent once more.

use super::anchor::Anchor;
use super::anchored::Anchored;
use super::client::Client;
use super::ends::Ends;
use super::posted::{Posted, posted};
use crate::checkpointer::{Anchoring, CheckpointStats, HaloWitnessSettings, Permit};
use crate::config::bearer;
use crate::pipeline::quiet::Quiet;
use halod_chain::directory::Lock;
use halod_evidence::Hash;
use halod_evidence::cosigning::wait_after;
use halod_tlog::book::Row;
use halod_tlog::follow::{Follower, signed_epoch};
use halod_tlog::log::place;
use http::HeaderValue;
use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From one anchor to the next: 50 a minute. The reference's witness takes 60 of one key.
const PACE: Duration = Duration::from_millis(1200);

/// How often is looked whether the log may be signed, while a witness is to be asked first.
const POLL: Duration = Duration::from_secs(1);

/// Where nothing waits, the next signature is waited for.
const IDLE: Duration = Duration::from_secs(3600);

/// What the thread needs.
#[derive(Debug)]
pub struct Outbox {
    pub directory: PathBuf,
    pub settings: HaloWitnessSettings,
    /// Nothing is written into a directory that another daemon may have.
    pub lock: Arc<Lock>,
    pub permit: Arc<Permit>,
    pub stats: Arc<CheckpointStats>,
}

/// What the thread knows.
struct Known {
    follower: Follower,
    /// The epoch that was signed last before the start, once it was looked for.
    before: Option<u64>,
    ends: Ends,
    anchored: Option<Anchored>,
    client: Option<(Client, Option<HeaderValue>)>,
    posted: u64,
    failures: u32,
    failure: Option<String>,
    quiet: Quiet,
    /// When the next anchor may be sent.
    next: Instant,
    /// Something was signed since the last look.
    is_due: bool,
}

impl Outbox {
    /// Starts the thread, which ends with [`Permit::end`].
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(self) -> io::Result<()> {
        std::thread::Builder::new().name("halod-anchor".into()).spawn(move || self.run()).map(drop)
    }

    fn run(&self) {
        let mut known = Known {
            follower: Follower::new(&self.directory),
            before: None,
            ends: Ends::default(),
            anchored: None,
            client: None,
            posted: 0,
            failures: 0,
            failure: None,
            quiet: Quiet::default(),
            next: Instant::now(),
            is_due: true,
        };
        let (mut seen, mut wait) = (0, Duration::ZERO);
        while let Some(signed) = self.permit.wait(seen, wait) {
            known.is_due |= signed != seen;
            seen = signed;
            wait = self.turn(&mut known);
            let (posted, failure) = (known.posted, known.failure.clone());
            self.stats.anchoring(Anchoring { posted, failure, ..known.ends.told() });
        }
    }

    /// Looks what was signed, and sends one anchor if its time has come. Tells how long there is nothing to do.
    fn turn(&self, known: &mut Known) -> Duration {
        if let Some(halt) = self.permit.halted() {
            // The directory may be an older copy: its chains are not what the witness was told.
            known.failure = Some(format!("no chain is anchored: {halt}"));
            return IDLE;
        }
        if !self.permit.is_given() {
            return POLL;
        }
        let left = known.next.saturating_duration_since(Instant::now());
        if known.failures > 0 && !left.is_zero() {
            return left;
        }
        if known.is_due {
            if let Err(error) = self.look(known) {
                return known.failed(error, None);
            }
            known.is_due = false;
        }
        if !left.is_zero() {
            return left;
        }
        let Some((slot, anchor)) = known.ends.next() else {
            (known.failures, known.failure) = (0, None);
            return IDLE;
        };
        self.send(known, slot, &anchor)
    }

    /// Takes what was signed since the last look.
    fn look(&self, known: &mut Known) -> Result<(), Box<dyn std::error::Error>> {
        self.lock.check()?;
        let Known { follower, before, ends, anchored, .. } = known;
        let anchored = match anchored {
            Some(anchored) => anchored,
            none => {
                let path = place(&self.directory).join("anchored");
                none.insert(Anchored::open(&path, &self.settings.url.to_string())?)
            }
        };
        let epoch = match self.stats.newest().signed {
            Some((.., epoch, _)) => epoch,
            None => match *before {
                Some(epoch) => epoch,
                None => *before.insert(signed_epoch(&self.directory)?.unwrap_or(0)),
            },
        };
        // Of a slot the last state counts: the ones before it are shorter than what the witness may have.
        let mut rows = HashMap::new();
        let take = |row: Row| {
            rows.insert(row.slot, row);
        };
        follower.look(epoch, |named| ends.name(named), take)?;
        for row in rows.values() {
            ends.state(row, anchored.most(&row.slot));
        }
        Ok(())
    }

    fn send(&self, known: &mut Known, slot: Hash, anchor: &Anchor) -> Duration {
        known.next = Instant::now() + PACE;
        match self.post(known, anchor) {
            Posted::Kept => {
                (known.failures, known.failure) = (0, None);
                known.posted += 1;
                known.ends.kept(&slot);
                let anchored = known.anchored.as_mut();
                let remembered = self.lock.check().map_err(|lost| lost.to_string()).and_then(|()| {
                    anchored
                        .map_or(Ok(()), |known| known.set(slot, anchor.count))
                        .map_err(|error| error.to_string())
                });
                if let Err(error) = remembered {
                    return known.failed(format!("what was anchored can't be written down: {error}"), None);
                }
            }
            Posted::Refused { status, why } => {
                (known.failures, known.failure) = (0, None);
                let subject = anchor.subject.as_deref().unwrap_or_default();
                known.quiet.say(&why, |again| {
                    tracing::warn!(
                        subject,
                        why,
                        again,
                        "a chain can't be anchored; /status names such chains"
                    );
                });
                known.ends.refused(&slot, status, why);
            }
            Posted::Failed { why, wait } => {
                known.ends.failed(slot);
                return known.failed(why, wait);
            }
        }
        known.next.saturating_duration_since(Instant::now())
    }

    fn post(&self, known: &mut Known, anchor: &Anchor) -> Posted {
        let failed = |why: String| Posted::Failed { why, wait: None };
        let (client, key) = match &mut known.client {
            Some(client) => client,
            none => match self.connect() {
                Ok(client) => none.insert(client),
                Err(why) => return failed(why),
            },
        };
        match client.anchor(anchor.body(), key.as_ref()) {
            Ok(received) => posted(&received, anchor),
            Err(error) => failed(error.to_string()),
        }
    }

    fn connect(&self) -> Result<(Client, Option<HeaderValue>), String> {
        let HaloWitnessSettings { url, key_file, ca_file } = &self.settings;
        let key = key_file.as_deref().map(bearer::read).transpose()?;
        let client = Client::new(url.clone(), ca_file.as_deref()).map_err(|error| error.to_string())?;
        Ok((client, key))
    }
}

impl Known {
    /// Tells how long to wait. Key and certificates are read again then.
    fn failed(&mut self, why: impl Display, wait: Option<Duration>) -> Duration {
        let why = why.to_string();
        self.client = None;
        self.failures = self.failures.saturating_add(1);
        self.quiet.say(&why, |again| {
            tracing::warn!(why, again, "chains are not anchored; it is tried again");
        });
        self.failure = Some(why);
        let wait = wait.unwrap_or_else(|| wait_after(self.failures)).max(PACE);
        self.next = Instant::now() + wait;
        wait
    }
}
