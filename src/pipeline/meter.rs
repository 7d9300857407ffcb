//! Handles of what is counted, and the families that they belong to.
//!
//! A handle is resolved once, at start; to count is then one atomic addition. The values of labels are words
//! of the program's own: what comes from outside has no `'static` lifetime, and so no label here.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Names and values, in the order in which they are written.
pub type Labels = Vec<(&'static str, &'static str)>;

/// A gauge of something that is never negative.
pub type Gauge = gauge::Gauge<u64, AtomicU64>;

pub type Counters = Family<Labels, Counter>;
pub type Gauges = Family<Labels, Gauge>;
pub type Histograms = Family<Labels, Histogram>;

/// Durations by buckets. The library's own histogram takes a lock for each observation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Histogram {
    inner: Arc<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    /// Upper bounds in microseconds; the last bucket has none.
    bounds: &'static [u64],
    observed: Vec<AtomicU64>,
    sum_us: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds, in microseconds and in order.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let observed = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Self { inner: Arc::new(Buckets { bounds, observed, sum_us: AtomicU64::new(0) }) }
    }

    pub fn observe(&self, took: Duration) {
        let Buckets { bounds, observed, sum_us } = &*self.inner;
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = observed.get(bounds.partition_point(|&bound| bound < us)) {
            bucket.fetch_add(1, Relaxed);
        }
        sum_us.fetch_add(us, Relaxed);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let Buckets { bounds, observed, sum_us } = &*self.inner;
        let bounds = bounds.iter().map(|&us| seconds(us)).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(observed.iter().map(|observed| observed.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, observed)| observed).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(sum_us.load(Relaxed)), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
