//! What the checkpointer tells: to metrics, to `/status`, and once to the log of the process.

use super::{EpochError, Halt};
use crate::pipeline::meter::Gauge;
use crate::pipeline::quiet::Quiet;
use halod_evidence::note::VerifierKey;
use halod_timestamp::Verified;
use halod_tlog::Alarm;
use halod_tlog::log::Signed;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Chains that are named of those whose slots keep their state.
const NAMES: usize = 20;

/// Counters since start, and what was signed last.
#[derive(Debug, Default)]
pub struct CheckpointStats {
    size: Gauge,
    epochs: Counter,
    records: Counter,
    failures: Counter,
    alarmed: Gauge,
    rolled_back: Gauge,
    stamps: Counter,
    stamp_failures: Counter,
    anchored: Counter,
    anchors_waiting: Gauge,
    unanchorable: Gauge,
    newest: Mutex<Newest>,
    quiet: Mutex<Quiet>,
}

/// What is known of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Its verifier key, once it is open, and the fingerprint of that.
    pub key: Option<(String, String)>,
    /// Entries, root in hexadecimal digits and number of the newest checkpoint that was signed since the start.
    pub signed: Option<(u64, String, u64, SystemTime)>,
    /// The first chains whose slots keep their state, and why.
    pub alarms: Vec<(String, String)>,
    /// Each witness: what it cosigned last (entries, Unix seconds), and why it did not since.
    pub witnesses: BTreeMap<String, Witnessed>,
    /// What was time-stamped last since the start, and why nothing was after that.
    pub stamped: Stamped,
    /// What became of chains' ends, where they are sent to a witness of chains.
    pub anchoring: Option<Anchoring>,
    /// Why nothing is signed any more.
    pub halt: Option<Halt>,
    /// Why the last epoch came to nothing.
    pub failure: Option<String>,
}

/// What a time-stamping service did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamped {
    /// Entries of the checkpoint, the token's time since 1970, and the service's name.
    pub newest: Option<(u64, Duration, String)>,
    /// Why the newest checkpoint has no token.
    pub failure: Option<String>,
}

/// What a witness did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// Entries of the checkpoint that it cosigned last, and when, in Unix seconds.
    pub newest: Option<(u64, u64)>,
    /// Why it did not cosign since then.
    pub failure: Option<String>,
}

/// What a witness of chains was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchoring {
    /// Since the start.
    pub posted: u64,
    /// Chains with an end that the witness does not know yet.
    pub waiting: u64,
    pub unanchorable: u64,
    /// The first tenants whose chains can't be anchored there, and why.
    pub first: Vec<(String, String)>,
    /// Why nothing can be sent now.
    pub failure: Option<String>,
}

impl CheckpointStats {
    pub fn register(&self, registry: &mut Registry) {
        self.register_anchors(registry);
        let Self { size, epochs, records, failures, alarmed, rolled_back, .. } = self;
        let Self { stamps, stamp_failures, .. } = self;
        registry.register(
            "halod_log_size",
            "Entries of the log of which the newest checkpoint was signed since the start",
            size.clone(),
        );
        registry.register("halod_log_epochs", "Epochs that were signed", epochs.clone());
        registry.register("halod_log_records", "Records that came into a tree to be signed", records.clone());
        registry.register(
            "halod_log_failures",
            "Epochs that came to nothing because the log's files failed; /status says why, and it is tried again",
            failures.clone(),
        );
        registry.register(
            "halod_log_chains_alarmed",
            "Chains that are not what was signed of them, or do not verify: nothing new of them is signed; /status names them",
            alarmed.clone(),
        );
        registry.register(
            "halod_log_rolled_back",
            "1 where a witness knows more of the log than is here, or something else: nothing is signed any more until an \
             operator decided; /status says what it knows",
            rolled_back.clone(),
        );
        registry.register(
            "halod_log_timestamps",
            "Tokens of the time-stamping service that were verified and stored",
            stamps.clone(),
        );
        registry.register(
            "halod_log_timestamp_failures",
            "Times that the newest checkpoint could not be time-stamped; /status says why, and the service is asked again",
            stamp_failures.clone(),
        );
    }

    fn register_anchors(&self, registry: &mut Registry) {
        registry.register(
            "halod_log_anchors",
            "Ends of chains that the witness of checkpoint.halo_witness took",
            self.anchored.clone(),
        );
        registry.register(
            "halod_log_anchors_waiting",
            "Chains with an end that the witness of checkpoint.halo_witness does not know yet",
            self.anchors_waiting.clone(),
        );
        registry.register(
            "halod_log_unanchorable",
            "Tenants whose chains can't be anchored at the witness of checkpoint.halo_witness; /status says why",
            self.unanchorable.clone(),
        );
    }

    /// What became of the ends of chains.
    pub fn anchoring(&self, anchoring: Anchoring) {
        self.anchors_waiting.set(anchoring.waiting);
        self.unanchorable.set(anchoring.unanchorable);
        self.anchored.inc_by(anchoring.posted.saturating_sub(self.anchored.get()));
        self.lock().anchoring = Some(anchoring);
    }

    pub fn cosigned(&self, witness: &str, size: u64, time: u64) {
        self.lock()
            .witnesses
            .insert(witness.to_owned(), Witnessed { newest: Some((size, time)), failure: None });
    }

    pub fn not_cosigned(&self, witness: &str, why: &str) {
        self.lock().witnesses.entry(witness.to_owned()).or_default().failure = Some(why.to_owned());
    }

    pub fn stamped(&self, size: u64, token: &Verified) {
        self.stamps.inc();
        let newest = Some((size, token.time, token.tsa.clone()));
        self.lock().stamped = Stamped { newest, failure: None };
    }

    pub fn not_stamped(&self, why: &str) {
        self.stamp_failures.inc();
        self.lock().stamped.failure = Some(why.to_owned());
    }

    pub fn halted(&self, why: &Halt) {
        self.rolled_back.set(1);
        self.lock().halt = Some(why.clone());
    }

    /// What is known now.
    #[must_use]
    pub fn newest(&self) -> Newest {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self, key: &VerifierKey, fingerprint: String) {
        self.lock().key = Some((key.to_string(), fingerprint));
    }

    pub(super) fn signed(&self, signed: &Signed, records: u64, took: Duration) {
        let Signed { checkpoint, epoch, .. } = signed;
        self.size.set(checkpoint.size);
        self.epochs.inc();
        self.records.inc_by(records);
        let root = halod_record::hash::hex_text(&checkpoint.root);
        self.lock().signed = Some((checkpoint.size, root, *epoch, crate::clock::now()));
        if took > Duration::from_secs(60) {
            tracing::info!(?took, records, "an epoch took long: many records were not in their trees yet");
        }
    }

    pub(super) fn alarm(&self, chain: &str, alarm: Alarm) {
        let text = format!("{chain}: {alarm}");
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.say(&text, |again| {
            tracing::error!(
                chain,
                %alarm,
                again,
                "nothing new of a chain is signed: its slot in the log keeps the state that was signed last"
            );
        });
    }

    pub(super) fn set_alarms<'a>(&self, alarms: impl Iterator<Item = (&'a str, &'a Alarm)>) {
        let (mut count, mut first) = (0, Vec::new());
        for (chain, alarm) in alarms {
            count += 1;
            if first.len() < NAMES {
                first.push((chain.to_owned(), alarm.to_string()));
            }
        }
        self.alarmed.set(count);
        self.lock().alarms = first;
    }

    pub(super) fn failed(&self, error: &EpochError) {
        self.failures.inc();
        let text = error.to_string();
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.say(&text, |again| {
            tracing::error!(
                error = text,
                again,
                "an epoch could not be signed; records are sealed all the same"
            );
        });
        self.lock().failure = Some(text);
    }

    pub(super) fn went_well(&self) {
        self.lock().failure = None;
    }
}
