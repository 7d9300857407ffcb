//! How fast a body arrives: bytes a second over its recent life.

use std::time::Duration;
use tokio::time::Instant;

/// The recent life is this span and the one before it.
const SPAN: Duration = Duration::from_millis(500);

/// Counts what arrives.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    /// When the span that is counted now began, and what came in it.
    since: Instant,
    bytes: u64,
    /// What came in the span before it.
    before: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, since: now, bytes: 0, before: 0 }
    }

    pub(super) fn count(&mut self, bytes: usize, now: Instant) {
        self.turn(now);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Begins anew: until now nothing could arrive, as nothing was read.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Whether so little time has passed that the figure says nothing.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < SPAN
    }

    /// Bytes a second.
    pub(super) fn rate(&mut self, now: Instant) -> u64 {
        self.turn(now);
        let counted = now.saturating_duration_since(self.since);
        let first = self.since == self.began;
        let span = if first { counted } else { counted + SPAN };
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
        self.bytes.saturating_add(self.before).saturating_mul(1000) / millis
    }

    fn turn(&mut self, now: Instant) {
        let spans = now.saturating_duration_since(self.since).as_millis() / SPAN.as_millis();
        if spans > 0 {
            self.before = if spans == 1 { self.bytes } else { 0 };
            self.bytes = 0;
            self.since += SPAN * u32::try_from(spans).unwrap_or(u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_recent_life_counts() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(start);
        pace.count(1000, at(100));
        assert!(pace.is_young(at(499)) && !pace.is_young(at(500)));
        assert_eq!(pace.rate(at(250)), 4000);
        assert_eq!(pace.rate(at(750)), 1333);
        assert_eq!(pace.rate(at(1000)), 0, "it came two spans ago");
        pace.count(30_000_000, at(60_000));
        assert_eq!(pace.rate(at(60_250)), 40_000_000);
        assert_eq!(pace.rate(at(61_000)), 0);
        pace.restart(at(61_000));
        assert!(pace.is_young(at(61_250)));
    }
}
