//! The receivers' counters as samples of [`super::metrics`].

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use halo_adapters::otlp::Signal;

use super::metrics::Sample;
use crate::net::status::Fault;
use crate::receivers::otlp::stats::{OtlpStats, SIGNALS, SignalStats, Transport};
use crate::receivers::stats::{Counters, ReceiverStats};
use crate::receivers::tail::TailStats;
use crate::tee::stats::TeeStats;

/// Everything the receivers count.
#[must_use]
pub fn all(counters: &Counters, tees: &[(&'static str, Arc<TeeStats>)]) -> Vec<Sample> {
    let mut samples = otlp(&counters.otlp);
    samples.extend(counters.others().into_iter().flat_map(other));
    samples.extend(tail(&counters.tail));
    samples.extend(tees.iter().flat_map(|(receiver, stats)| tee(receiver, stats)));
    samples
}

/// Everything a tee counts.
fn tee(receiver: &str, stats: &TeeStats) -> Vec<Sample> {
    let labels = vec![("receiver", receiver.to_owned())];
    let mut samples: Vec<_> = [
        ("halod_tee_offered_total", &stats.offered),
        ("halod_tee_forwarded_total", &stats.forwarded),
        ("halod_tee_queue_bytes", &stats.bytes),
    ]
    .into_iter()
    .map(|(name, count)| sample(name, labels.clone(), count.load(Relaxed)))
    .collect();
    for (place, count) in [("memory", &stats.in_memory), ("disk", &stats.entries)] {
        samples.push(sample("halod_tee_queue_requests", with(&labels, "place", place), count.load(Relaxed)));
    }
    let dropped = stats.dropped().map(|(reason, count)| ("halod_tee_dropped_total", reason, count));
    let retried = stats.retried().map(|(reason, count)| ("halod_tee_retried_total", reason, count));
    for (name, reason, count) in dropped.chain(retried) {
        samples.push(sample(name, with(&labels, "reason", reason), count));
    }
    samples
}

/// Everything the OTLP receiver counts.
fn otlp(stats: &OtlpStats) -> Vec<Sample> {
    let labels = vec![("receiver", "otlp".to_owned())];
    let mut samples = vec![sample("halod_receiver_waiting_requests", labels, stats.waiting.load(Relaxed))];
    for transport in Transport::ALL {
        let labels = vec![("receiver", "otlp".to_owned()), ("transport", transport.name().to_owned())];
        for signal in SIGNALS {
            let counts = stats.signal(transport, signal);
            let with_signal = with(&labels, "signal", &signal.to_string());
            samples.push(sample("halod_receiver_requests_total", with_signal, counts.requests.load(Relaxed)));
            match signal {
                Signal::Traces => spans(counts, &labels, &mut samples),
                Signal::Logs => others("halod_receiver_log_records_total", counts, &labels, &mut samples),
                Signal::Metrics => others("halod_receiver_data_points_total", counts, &labels, &mut samples),
            }
        }
        for (reason, count) in Fault::NAMES.iter().zip(stats.faults(transport)) {
            let labels = with(&labels, "reason", reason);
            samples.push(sample("halod_receiver_faults_total", labels, count.load(Relaxed)));
        }
    }
    for signal in SIGNALS {
        for (scope, items) in stats.filtered.get(signal).labelled() {
            let labels = vec![("signal", signal.to_string()), ("scope", scope)];
            samples.push(sample("halod_filtered_total", labels, items));
        }
    }
    samples
}

/// Everything another receiver counts.
fn other(stats: &ReceiverStats) -> Vec<Sample> {
    let labels = vec![("receiver", stats.name.to_owned())];
    let mut samples =
        vec![sample("halod_receiver_requests_total", labels.clone(), stats.requests.load(Relaxed))];
    for (outcome, count) in stats.outcomes() {
        samples.push(sample("halod_receiver_items_total", with(&labels, "outcome", outcome), count));
    }
    for (reason, count) in Fault::NAMES.iter().zip(&stats.faults) {
        samples.push(sample(
            "halod_receiver_faults_total",
            with(&labels, "reason", reason),
            count.load(Relaxed),
        ));
    }
    samples
}

/// What is known of the logs that are followed.
fn tail(stats: &TailStats) -> Vec<Sample> {
    [
        ("halod_tail_files", &stats.files),
        ("halod_tail_lag_bytes", &stats.lag_bytes),
        ("halod_tail_gaps_total", &stats.gaps),
        ("halod_tail_gap_bytes_total", &stats.gap_bytes),
        ("halod_tail_notices_total", &stats.notices),
    ]
    .map(|(name, value)| sample(name, Vec::new(), value.load(Relaxed)))
    .into()
}

fn spans(counts: &SignalStats, labels: &Labels, samples: &mut Vec<Sample>) {
    for (name, count) in [
        ("halod_receiver_received_spans_total", &counts.received),
        ("halod_receiver_accepted_spans_total", &counts.accepted),
        ("halod_receiver_refused_spans_total", &counts.refused),
        ("halod_receiver_abandoned_spans_total", &counts.abandoned),
        ("halod_spans_filtered_total", &counts.filtered),
    ] {
        samples.push(sample(name, labels.clone(), count.load(Relaxed)));
    }
    for (reason, count) in SignalStats::REASONS.iter().zip(&counts.rejected) {
        samples.push(sample(
            "halod_spans_rejected_total",
            with(labels, "reason", reason),
            count.load(Relaxed),
        ));
    }
}

fn others(name: &'static str, counts: &SignalStats, labels: &Labels, samples: &mut Vec<Sample>) {
    let rejected = counts.rejected.iter().map(|count| count.load(Relaxed)).sum();
    for (outcome, count) in [
        ("accepted", counts.accepted.load(Relaxed)),
        ("filtered", counts.filtered.load(Relaxed)),
        ("rejected", rejected),
        ("refused", counts.refused.load(Relaxed)),
        ("abandoned", counts.abandoned.load(Relaxed)),
    ] {
        samples.push(sample(name, with(labels, "outcome", outcome), count));
    }
}

type Labels = Vec<(&'static str, String)>;

fn with(labels: &Labels, name: &'static str, value: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((name, value.to_owned()));
    labels
}

fn sample(name: &'static str, labels: Labels, value: u64) -> Sample {
    Sample { name, labels, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::otlp::scopes::ScopeCounts;
    use crate::telemetry::metrics::FAMILIES;

    /// A sample of an unknown family would never be seen.
    #[test]
    fn every_sample_has_its_family() {
        let stats = OtlpStats::default();
        stats.signal(Transport::Http, Signal::Traces).accepted.store(4, Relaxed);
        let mut filtered = ScopeCounts::default();
        filtered.add("acme.web", 3);
        stats.filtered.add(Signal::Traces, &filtered);
        let samples = otlp(&stats);
        let others = [
            other(&ReceiverStats::new("litellm")),
            tail(&TailStats::default()),
            tee("otlp", &TeeStats::default()),
        ]
        .concat();
        for sample in samples.iter().chain(&others) {
            assert!(FAMILIES.iter().any(|(name, ..)| *name == sample.name), "{}", sample.name);
        }
        let accepted = |transport: &str| {
            let fits = |sample: &&Sample| {
                sample.name == "halod_receiver_accepted_spans_total"
                    && sample.labels.iter().any(|(_, value)| value == transport)
            };
            samples.iter().find(fits).map(|sample| sample.value)
        };
        assert_eq!((accepted("http"), accepted("grpc")), (Some(4), Some(0)));
        let labels = vec![("signal", "traces".to_owned()), ("scope", "acme.web".to_owned())];
        assert!(samples.contains(&sample("halod_filtered_total", labels, 3)));
    }
}
