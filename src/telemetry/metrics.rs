//! `/metrics`: one registry of everything that is counted, and its text.
//!
//! Each part registers its own families, beside the handles that it counts with; what is read at a scrape only
//! (the process, the chains, the scopes of what was filtered) is added here. The text is OpenMetrics 1.0 for who
//! asks for that, as Prometheus does, and Prometheus' own format 0.0.4 for everybody else.

use crate::clock;
use crate::pipeline::meter::Gauge;
use crate::pipeline::stats::Stats;
use crate::receivers::otlp::scopes::Filtered;
use crate::receivers::otlp::stats::SIGNALS;
use http::HeaderMap;
use http::header::ACCEPT;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge as FloatGauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

/// The commit that the program was built from, if that was known; see `build.rs`.
pub const REVISION: &str = env!("HALOD_BUILD_REVISION");

/// In which of its two formats the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ready: Gauge,
    memory: Gauge,
}

impl Format {
    const OPEN_METRICS: &str = "application/openmetrics-text";

    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a scraper asks for by its `Accept` headers: OpenMetrics where that is named, and not less wanted than
    /// plain text.
    #[must_use]
    pub fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accepted.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            if name.eq_ignore_ascii_case(Self::OPEN_METRICS) {
                open = open.max(weight);
            } else if name.eq_ignore_ascii_case("text/plain") {
                plain = plain.max(weight);
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }
}

impl Metrics {
    /// The pipeline's families and the process's. `filtered` is told by scope.
    #[must_use]
    pub fn new(stats: &Arc<Stats>, filtered: &Arc<Filtered>, started: SystemTime) -> Self {
        let mut registry = Registry::default();
        let (ready, memory, up) = (Gauge::default(), Gauge::default(), Gauge::default());
        up.set(1);
        registry.register("halod_up", "1: the process answers", up);
        registry.register(
            "halod_ready",
            "1 when requests are accepted, else 0; /readyz says why",
            ready.clone(),
        );
        registry.register(
            "halod_build",
            "1; the version of halod and the commit that it was built from are in the labels",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION")), ("revision", REVISION)]),
        );
        let start = FloatGauge::<f64, AtomicU64>::default();
        start.set(started.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            start,
        );
        registry.register(
            "process_resident_memory_bytes",
            "Bytes of the process that are in RAM",
            memory.clone(),
        );
        stats.register(&mut registry);
        registry.register_collector(Box::new(Full(Arc::clone(stats))));
        registry.register_collector(Box::new(Heads(Arc::clone(stats))));
        registry.register_collector(Box::new(Scopes(Arc::clone(filtered))));
        Self { registry, ready, memory }
    }

    /// Adds the families of another part.
    #[must_use]
    pub fn with(mut self, register: impl FnOnce(&mut Registry)) -> Self {
        register(&mut self.registry);
        self
    }

    /// The text as of now.
    ///
    /// # Errors
    /// None: writing to a `String` does not fail.
    pub fn render(&self, ready: bool, format: Format) -> Result<String, fmt::Error> {
        self.ready.set(u64::from(ready));
        self.memory.set(resident_memory());
        let mut out = String::with_capacity(64 << 10);
        match format {
            Format::Prometheus => prometheus_text::encode(&mut out, &self.registry)?,
            Format::OpenMetrics => text::encode(&mut out, &self.registry)?,
        }
        Ok(out)
    }
}

/// Since when there is no room.
#[derive(Debug)]
struct Full(Arc<Stats>);

impl Collector for Full {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let lasts = self.0.full.lasts().unwrap_or_default();
        let help = "For how many seconds requests have found no room (pipeline.max_in_flight_mib), or only room that \
                    was taken from slower ones; 0 when there is room";
        let gauge = ConstGauge::new(lasts.as_secs_f64());
        gauge.encode(encoder.encode_descriptor("halod_full_seconds", help, None, MetricType::Gauge)?)
    }
}

/// The chains that grew last.
#[derive(Debug)]
struct Heads(Arc<Stats>);

impl Collector for Heads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let heads = self.0.heads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if heads.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let help = "Seconds since a chain last grew; of the 100 chains that grew last.";
        let mut ages =
            encoder.encode_descriptor("halod_chain_head_age_seconds", help, None, MetricType::Gauge)?;
        for head in &heads {
            // The clock may have gone back in between.
            let age = now.duration_since(head.sealed_at).map_or(0.0, |age| age.as_secs_f64());
            ConstGauge::new(age).encode(ages.encode_family(&[("chain", head.chain.as_str())])?)?;
        }
        let help = "Records in a chain; of the 100 chains that grew last.";
        let mut records = encoder.encode_descriptor("halod_chain_records", help, None, MetricType::Gauge)?;
        for head in &heads {
            ConstGauge::new(head.records)
                .encode(records.encode_family(&[("chain", head.chain.as_str())])?)?;
        }
        Ok(())
    }
}

/// What was filtered, by who sent it.
#[derive(Debug)]
struct Scopes(Arc<Filtered>);

impl Collector for Scopes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts: Vec<_> = SIGNALS.map(|signal| (signal.to_string(), self.0.get(signal).labelled())).into();
        if counts.iter().all(|(_, scopes)| scopes.is_empty()) {
            return Ok(());
        }
        let help = "Spans and log records that tell of no action, by the instrumentation scope that sent them, over all \
                    receivers; the first 100 scopes of a signal, the rest as other.";
        let mut family = encoder.encode_descriptor("halod_filtered", help, None, MetricType::Counter)?;
        for (signal, scopes) in &counts {
            for (scope, items) in scopes {
                let labels = [("signal", signal.as_str()), ("scope", scope.as_str())];
                ConstCounter::new(*items).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// 0 where the system does not tell.
fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
