//! What is known of the logs that are followed. Written by the engine, read by telemetry.

use crate::pipeline::meter::Gauge;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

#[derive(Debug, Default)]
pub struct TailStats {
    /// Files that are followed now.
    pub files: Gauge,
    /// Bytes in them that are not sealed, as far as it was looked.
    pub lag_bytes: Gauge,
    /// Losses that were found, and the bytes known of them.
    pub gaps: Counter,
    pub gap_bytes: Counter,
}

impl TailStats {
    pub fn register(&self, registry: &mut Registry) {
        let Self { files, lag_bytes, gaps, gap_bytes } = self;
        registry.register("halod_tail_files", "Log files that are followed", files.clone());
        registry.register(
            "halod_tail_lag_bytes",
            "Bytes in followed log files that are not sealed yet, packed files aside",
            lag_bytes.clone(),
        );
        registry.register(
            "halod_tail_gaps",
            "Losses of log content that were found; each is told in its chain",
            gaps.clone(),
        );
        registry.register(
            "halod_tail_gap_bytes",
            "Bytes of log content that are known to be lost",
            gap_bytes.clone(),
        );
    }
}
