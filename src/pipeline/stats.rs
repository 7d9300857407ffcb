//! What the pipeline counts. Written by the intake and the writer, read by telemetry.

use super::fullness::Fullness;
use super::meter::{Counters, Gauge, Histogram};
use super::refusal::Refusal;
use halod_chain::reader::Unread;
use halod_chain::setaside::Asides;
use halod_record::call::Reason;
use halod_record::notice;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

/// Upper bounds, in microseconds, of the sync duration histogram.
const SYNC_BUCKETS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// Chains whose head age is reported one by one; the others share one figure.
pub const REPORTED_HEADS: usize = 100;

/// Counters since start, and gauges.
#[derive(Debug)]
pub struct Stats {
    pub sealed: Counter,
    pub duplicate: Counter,
    pub conflict: Counter,
    /// Bytes admitted and not yet durable or refused.
    pub in_flight: Gauge,
    /// Bodies that were cut for others.
    pub cut: Counter,
    /// Since when there is no room.
    pub full: Fullness,
    pub commits: Counter,
    pub poisoned: AtomicBool,
    pub stopping: AtomicBool,
    pub disk_low: AtomicBool,
    pub disk_free: Gauge,
    pub disk_floor: Gauge,
    /// How often each refusal was given, in the order of [`Refusal::NAMES`].
    pub refused: [Counter; Refusal::NAMES.len()],
    refusals: Counters,
    /// In the order of [`notice::KINDS`].
    notices: [Counter; notice::KINDS.len()],
    notice_kinds: Counters,
    /// In the order of [`Reason::ALL`].
    joined: [Counter; Reason::ALL.len()],
    join_reasons: Counters,
    pub sync: Histogram,
    /// The most recently sealed chains, at most [`REPORTED_HEADS`].
    pub heads: Mutex<Vec<HeadAge>>,
    /// Chains on disk, reported one by one or not.
    pub chains: Gauge,
    /// Chains whose tenants wait until they are read.
    pub unread: Mutex<Unread>,
    unread_chains: Gauge,
    /// Chains that can't be had, and records that wait for theirs.
    pub aside: Mutex<Asides>,
    aside_chains: Gauge,
    /// Tenants that have used something of their rates.
    pub metered: Gauge,
    /// What was wrong with the journal when halod started.
    pub journal_damage: Mutex<Vec<String>>,
}

/// When a chain last grew.
#[derive(Clone, Debug)]
pub struct HeadAge {
    /// The chain's file name without `.jsonl`: safe for labels, unlike the raw subject id.
    pub chain: String,
    pub records: u64,
    pub sealed_at: std::time::SystemTime,
}

impl Default for Stats {
    fn default() -> Self {
        let (refusals, notice_kinds, join_reasons) =
            (Counters::default(), Counters::default(), Counters::default());
        Self {
            sealed: Counter::default(),
            duplicate: Counter::default(),
            conflict: Counter::default(),
            in_flight: Gauge::default(),
            cut: Counter::default(),
            full: Fullness::default(),
            commits: Counter::default(),
            poisoned: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            disk_low: AtomicBool::new(false),
            disk_free: Gauge::default(),
            disk_floor: Gauge::default(),
            refused: Refusal::NAMES.map(|reason| refusals.get_or_create_owned(&vec![("reason", reason)])),
            refusals,
            notices: notice::KINDS.map(|kind| notice_kinds.get_or_create_owned(&vec![("kind", kind)])),
            notice_kinds,
            joined: Reason::ALL.map(|by| join_reasons.get_or_create_owned(&vec![("reason", by.name())])),
            join_reasons,
            sync: Histogram::new(&SYNC_BUCKETS_US),
            heads: Mutex::default(),
            chains: Gauge::default(),
            unread: Mutex::default(),
            unread_chains: Gauge::default(),
            aside: Mutex::default(),
            aside_chains: Gauge::default(),
            metered: Gauge::default(),
            journal_damage: Mutex::default(),
        }
    }
}

impl Stats {
    /// Counts one refusal, whichever step gave it.
    pub fn count(&self, refusal: &Refusal) {
        self.refused[refusal.index()].inc();
    }

    /// Tells which chains are not read yet.
    pub fn tell_unread(&self, unread: Unread) {
        self.unread_chains.set(unread.chains as u64);
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }

    /// Tells what is set aside.
    pub fn tell_aside(&self, aside: Asides) {
        self.aside_chains.set(aside.chains as u64);
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) = aside;
    }

    /// Counts a notice that was sealed.
    pub fn notice(&self, kind: &'static str) {
        let at = notice::KINDS.iter().position(|known| *known == kind);
        if let Some(counter) = at.and_then(|at| self.notices.get(at)) {
            counter.inc();
        }
    }

    /// Counts an account that was sealed as a corroboration.
    pub fn joined(&self, reason: Reason) {
        let at = Reason::ALL.iter().position(|known| *known == reason);
        if let Some(counter) = at.and_then(|at| self.joined.get(at)) {
            counter.inc();
        }
    }

    fn register_chains(&self, registry: &mut Registry) {
        registry.register(
            "halod_notices",
            "Notices of halod's own that were sealed into chains, by kind; gap: telemetry is lost and its chain \
             says so",
            self.notice_kinds.clone(),
        );
        registry.register(
            "halod_corroborations",
            "Records that are further accounts of a call whose action was sealed before, by what joined them",
            self.join_reasons.clone(),
        );
        registry.register(
            "halod_chains_unread",
            "Chains that are read again, because the index does not cover them: their tenants wait, all others are served",
            self.unread_chains.clone(),
        );
        registry.register(
            "halod_chains_set_aside",
            "Chains that can't be had, so that their tenants are refused; /status says why, and they are tried again",
            self.aside_chains.clone(),
        );
        registry.register(
            "halod_tenants_metered",
            "Tenants that sealed something lately which counts against limits.per_tenant; those of which nothing counts \
             any more are forgotten when they are many",
            self.metered.clone(),
        );
        registry.register(
            "halod_chains",
            "Chains on disk, and those that have just begun",
            self.chains.clone(),
        );
    }

    pub fn register(&self, registry: &mut Registry) {
        // A field that is added does not compile until it is named here.
        let Self {
            sealed,
            duplicate,
            conflict,
            in_flight,
            cut,
            commits,
            disk_free,
            disk_floor,
            sync,
            chains: _,
            unread_chains: _,
            aside_chains: _,
            metered: _,
            refusals,
            notice_kinds: _,
            join_reasons: _,
            joined: _,
            poisoned: _,
            stopping: _,
            disk_low: _,
            refused: _,
            notices: _,
            heads: _,
            unread: _,
            aside: _,
            journal_damage: _,
            full: _,
        } = self;
        self.register_chains(registry);
        registry.register(
            "halod_records_sealed",
            "Records that were handed to the writer, linked into a chain and synced to disk; conflicts are among \
             them",
            sealed.clone(),
        );
        registry.register(
            "halod_records_duplicate",
            "Records that were handed to the writer and had been sealed before; nothing was written for them",
            duplicate.clone(),
        );
        registry.register(
            "halod_records_conflict",
            "Sealed records that contradict an earlier record of the same origin",
            conflict.clone(),
        );
        registry.register(
            "halod_pipeline_refusals",
            "How often the pipeline refused room or a batch, by reason, to receivers and to halod's own parts; a \
             request that asks several times counts several times",
            refusals.clone(),
        );
        registry.register(
            "halod_in_flight_bytes",
            "Bytes of requests that were admitted and are not yet on disk or refused",
            in_flight.clone(),
        );
        registry.register(
            "halod_bodies_cut",
            "Bodies that arrived so slowly that their room was given to others; their senders are told to send again",
            cut.clone(),
        );
        registry.register(
            "halod_commits",
            "Commits: groups of requests that were written and synced together",
            commits.clone(),
        );
        registry.register(
            "halod_sync_duration_seconds",
            "Seconds until a commit's writes were synced to disk",
            sync.clone(),
        );
        registry.register(
            "halod_disk_free_bytes",
            "Bytes that are free on the file system of the chains, as of the last look, twice a second",
            disk_free.clone(),
        );
        registry.register(
            "halod_disk_floor_bytes",
            "Bytes that have to stay free there: below this nothing is accepted (storage.min_free_disk_mib)",
            disk_floor.clone(),
        );
    }
}
