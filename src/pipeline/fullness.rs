//! Since when there is no room, for the log, `/readyz` and the metrics.

use super::quiet::Quiet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// There is room again when nobody missed it for so long.
const CALM: Duration = Duration::from_secs(5);

/// Whether and since when somebody finds no room.
#[derive(Debug, Default)]
pub struct Fullness {
    /// Looked at first, as mostly nothing is to be done.
    is_set: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When room was missed first and last.
    missed: Option<(Instant, Instant)>,
    quiet: Quiet,
}

impl Fullness {
    /// Somebody found no room.
    pub(super) fn missed(&self, in_flight: u64, limit: usize) {
        let now = Instant::now();
        let mut state = self.lock();
        let since = state.since(now).unwrap_or(now);
        state.missed = Some((since, now));
        self.is_set.store(true, Relaxed);
        let seconds = now.duration_since(since).as_secs();
        state.quiet.say("full", |left_out| {
            tracing::warn!(
                full_for_seconds = seconds,
                in_flight_bytes = in_flight,
                limit_bytes = limit,
                left_out,
                "there is no room for more requests (pipeline.max_in_flight_mib): the slowest bodies are cut, and \
                 senders are told to come back"
            );
        });
    }

    /// Somebody found room.
    pub(super) fn found(&self) {
        if !self.is_set.load(Relaxed) {
            return;
        }
        let now = Instant::now();
        let mut state = self.lock();
        let Some((since, last)) = state.missed else { return };
        if now.duration_since(last) < CALM {
            return;
        }
        state.missed = None;
        self.is_set.store(false, Relaxed);
        let seconds = last.duration_since(since).as_secs();
        state.quiet.say("room", |left_out| {
            tracing::info!(full_for_seconds = seconds, left_out, "there is room for requests again");
        });
    }

    /// For how long room has been missed by now; `None` when it is not.
    #[must_use]
    pub fn lasts(&self) -> Option<Duration> {
        let now = Instant::now();
        self.lock().since(now).map(|since| now.duration_since(since))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn since(&self, now: Instant) -> Option<Instant> {
        let (since, last) = self.missed?;
        (now.duration_since(last) < CALM).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn it_lasts_from_the_first_miss_until_nobody_missed_room_for_a_while() {
        let full = Fullness::default();
        full.found();
        assert_eq!(full.lasts(), None);
        for _ in 0..20 {
            full.missed(100, 100);
            full.found();
            advance(Duration::from_millis(500)).await;
        }
        assert_eq!(full.lasts(), Some(Duration::from_secs(10)));
        advance(Duration::from_millis(5100)).await;
        assert_eq!(full.lasts(), None);
        full.found();
        full.missed(100, 100);
        assert_eq!(full.lasts(), Some(Duration::ZERO));
    }
}
