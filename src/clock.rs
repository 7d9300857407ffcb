//! What time it is, by the system's clock. It may be set at any time, so nothing here is for measuring.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time itself, where it is told to another library or compared with such.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Nanoseconds since 1970; none before that.
#[must_use]
pub fn unix_nanos() -> u64 {
    u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970; none before that.
#[must_use]
pub fn unix_millis() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

fn since_1970() -> Duration {
    now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
