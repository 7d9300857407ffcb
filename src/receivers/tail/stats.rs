//! What is known of the logs that are followed. Written by the engine, read by telemetry.

use std::sync::atomic::AtomicU64;

#[derive(Debug, Default)]
pub struct TailStats {
    /// Files that are followed now.
    pub files: AtomicU64,
    /// Bytes in them that are not sealed, as far as it was looked.
    pub lag_bytes: AtomicU64,
    /// Losses that were disclosed, and the bytes known of them.
    pub gaps: AtomicU64,
    pub gap_bytes: AtomicU64,
    /// Records of halod's own about logs, sealed now or before: no lines, so no items of the receiver.
    pub notices: AtomicU64,
}
