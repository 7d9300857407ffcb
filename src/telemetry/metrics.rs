//! `/metrics`: the pipeline's and the receivers' counters in Prometheus text format 0.0.4.
//!
//! Every family is in [`FAMILIES`], with its type and meaning; nothing else is ever rendered. Spans
//! are conserved: `received = accepted + filtered + rejected + refused + abandoned` whenever no
//! request is between decoding and its answer.

use std::fmt::Write;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use crate::pipeline::stats::{SYNC_BUCKETS_US, Stats};

/// The content type of the rendering.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric there is: name, kind, meaning.
pub const FAMILIES: &[(&str, Kind, &str)] = &[
    ("halod_up", Gauge, "Always 1: the process answers."),
    ("halod_ready", Gauge, "1 when requests are accepted, else 0; /readyz says why."),
    ("halod_build_info", Gauge, "Always 1; the version is in the labels."),
    ("process_start_time_seconds", Gauge, "When the process started, in seconds since 1970."),
    ("process_resident_memory_bytes", Gauge, "Memory of the process that is in RAM."),
    ("halod_receiver_requests_total", Counter, "Requests answered with success, wholly or in part."),
    (
        "halod_receiver_faults_total",
        Counter,
        "Requests that were refused, or of which nothing could be used, by reason.",
    ),
    ("halod_receiver_received_spans_total", Counter, "Spans in requests that could be decoded."),
    ("halod_receiver_accepted_spans_total", Counter, "Spans acknowledged: their records are on disk."),
    (
        "halod_receiver_refused_spans_total",
        Counter,
        "Spans of requests that were refused as a whole and may be sent again.",
    ),
    (
        "halod_receiver_abandoned_spans_total",
        Counter,
        "Spans whose sender left before the answer; they are sealed or refused.",
    ),
    (
        "halod_spans_filtered_total",
        Counter,
        "Spans that describe no agent action; nothing is sealed for them.",
    ),
    (
        "halod_filtered_total",
        Counter,
        "Spans that describe no agent action, by the instrumentation scope that sent them; 100 scopes, the rest as other.",
    ),
    (
        "halod_spans_rejected_total",
        Counter,
        "Spans that can't become records, by reason; the sender is told.",
    ),
    (
        "halod_receiver_log_records_total",
        Counter,
        "Log records in requests that could be decoded, by outcome.",
    ),
    (
        "halod_receiver_items_total",
        Counter,
        "What came to the other receivers (calls, events, runs, lines), by outcome; received is the sum of the others.",
    ),
    (
        "halod_receiver_waiting_requests",
        Gauge,
        "Logs requests that are not answered yet because the spans of their content may still come.",
    ),
    (
        "halod_receiver_data_points_total",
        Counter,
        "Metric data points in requests that could be decoded, by outcome.",
    ),
    ("halod_tail_files", Gauge, "Log files that are followed."),
    ("halod_tail_lag_bytes", Gauge, "Bytes in followed log files that are not sealed yet."),
    ("halod_tail_gaps_total", Counter, "Losses of log content that were found and disclosed."),
    ("halod_tail_gap_bytes_total", Counter, "Bytes of log content that are known to be lost."),
    (
        "halod_tail_notices_total",
        Counter,
        "Records of halod's own about followed logs: gaps, rewritten content, rejected lines.",
    ),
    (
        "halod_requests_refused_total",
        Counter,
        "Requests that were not taken, by reason; all but too_large may be sent again.",
    ),
    ("halod_tee_offered_total", Counter, "Sealed requests handed to a tee's queue, to be passed on."),
    ("halod_tee_forwarded_total", Counter, "Requests that the backend behind a tee took."),
    (
        "halod_tee_dropped_total",
        Counter,
        "Requests that were sealed and will not be passed on, by reason; memory: before the queue, full: the oldest.",
    ),
    ("halod_tee_retried_total", Counter, "Attempts to pass a request on that failed, by reason."),
    ("halod_tee_queue_bytes", Gauge, "Disk space that a tee's queue takes."),
    (
        "halod_tee_queue_requests",
        Gauge,
        "Requests that wait to be passed on: in the queue on disk, or in memory on their way to it.",
    ),
    ("halod_records_sealed_total", Counter, "Records linked into a chain and synced to disk."),
    ("halod_records_duplicate_total", Counter, "Records that were sealed before; nothing was written."),
    (
        "halod_records_conflict_total",
        Counter,
        "Sealed records that contradict an earlier record of the same origin.",
    ),
    ("halod_in_flight_bytes", Gauge, "Bytes of requests admitted and not yet on disk or refused."),
    ("halod_commits_total", Counter, "Commits: groups of requests written and synced together."),
    ("halod_sync_duration_seconds", Histogram, "Time until a commit's writes were synced to disk."),
    ("halod_chains", Gauge, "Chains written to or looked at since start."),
    (
        "halod_chain_head_age_seconds",
        Gauge,
        "Time since a chain last grew; the most recently grown 100 chains only.",
    ),
    ("halod_chain_records", Gauge, "Records in a chain; the most recently grown 100 chains only."),
];

/// One value of a family, as a receiver reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// A name from [`FAMILIES`]; samples of other names are not rendered.
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub value: u64,
}

/// Renders everything. `receivers` holds the samples that are not the pipeline's.
#[must_use]
pub fn render(
    stats: &Stats,
    receivers: &[Sample],
    ready: bool,
    started: SystemTime,
    now: SystemTime,
) -> String {
    let mut text = Text(String::with_capacity(8 << 10));
    let heads = stats.heads.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for &(name, kind, help) in FAMILIES {
        text.head(name, kind, help);
        match name {
            "halod_up" => text.sample(name, &[], 1),
            "halod_ready" => text.sample(name, &[], u64::from(ready)),
            "halod_build_info" => {
                text.sample(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
            }
            "process_start_time_seconds" => text.sample(name, &[], seconds(SystemTime::UNIX_EPOCH, started)),
            "process_resident_memory_bytes" => text.sample(name, &[], resident_memory()),
            "halod_requests_refused_total" => {
                for (reason, count) in Stats::REFUSALS.iter().zip(&stats.refused) {
                    text.sample(name, &[("reason", reason)], count.load(Relaxed));
                }
            }
            "halod_records_sealed_total" => text.sample(name, &[], stats.sealed.load(Relaxed)),
            "halod_records_duplicate_total" => text.sample(name, &[], stats.duplicate.load(Relaxed)),
            "halod_records_conflict_total" => text.sample(name, &[], stats.conflict.load(Relaxed)),
            "halod_in_flight_bytes" => text.sample(name, &[], stats.in_flight.load(Relaxed)),
            "halod_commits_total" => text.sample(name, &[], stats.commits.load(Relaxed)),
            "halod_sync_duration_seconds" => text.histogram(name, &stats.sync_buckets, &stats.sync_sum_us),
            "halod_chains" => text.sample(name, &[], stats.chains.load(Relaxed)),
            "halod_chain_head_age_seconds" => {
                for head in &heads {
                    text.sample(name, &[("chain", &head.chain)], seconds(head.sealed_at, now));
                }
            }
            "halod_chain_records" => {
                for head in &heads {
                    text.sample(name, &[("chain", &head.chain)], head.records);
                }
            }
            _ => {
                for sample in receivers.iter().filter(|sample| sample.name == name) {
                    let labels: Vec<_> =
                        sample.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
                    text.sample(name, &labels, sample.value);
                }
            }
        }
    }
    text.0
}

/// Whole seconds from one time to another; 0 when the clock went backwards in between.
fn seconds(from: SystemTime, to: SystemTime) -> u64 {
    to.duration_since(from).map_or(0, |age| age.as_secs())
}

/// 0 where the system does not tell.
fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The text under construction. Writing to a `String` does not fail.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.series(name, labels);
        let _ = writeln!(self.0, " {value}");
    }

    fn histogram(&mut self, name: &str, buckets: &[AtomicU64], sum_us: &AtomicU64) {
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (i, observed) in buckets.iter().enumerate() {
            count += observed.load(Relaxed);
            let bound = SYNC_BUCKETS_US.get(i).map_or_else(|| "+Inf".to_owned(), |us| micros(*us));
            self.sample(&bucket, &[("le", &bound)], count);
        }
        let _ = writeln!(self.0, "{name}_sum {}", micros(sum_us.load(Relaxed)));
        let _ = writeln!(self.0, "{name}_count {count}");
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.0.push_str(name);
        for (i, (key, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{key}=\"", if i == 0 { '{' } else { ',' });
            for c in value.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }
}

/// Microseconds as seconds, exactly.
fn micros(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
