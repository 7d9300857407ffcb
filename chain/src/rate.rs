//! How much of something may come in a time: a token bucket, kept as the time at which it is full again.

use std::time::{Duration, Instant};

/// So much in a time, and so much at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    units: u64,
    per: Duration,
    burst: Duration,
}

/// What of a rate is used up. A new one is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Option<Instant>,
}

impl Rate {
    /// `units`, at least one, in each `per`; a full bucket has what comes in `burst`.
    #[must_use]
    pub fn new(units: u64, per: Duration, burst: Duration) -> Self {
        Self { units: units.max(1), per, burst }
    }

    /// How long so much takes.
    fn time_of(&self, units: u64) -> Duration {
        let nanos = self.per.as_nanos().saturating_mul(units.into()) / u128::from(self.units);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How much comes in a time.
    fn units_in(&self, time: Duration) -> u64 {
        let units = time.as_nanos().saturating_mul(self.units.into()) / self.per.as_nanos().max(1);
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

impl Bucket {
    /// How much is left at `now`.
    #[must_use]
    pub fn left(&self, rate: &Rate, now: Instant) -> u64 {
        rate.units_in(rate.burst.saturating_sub(self.until_full(now)))
    }

    /// How long it takes until so much is left, or all that there can be.
    #[must_use]
    pub fn until(&self, units: u64, rate: &Rate, now: Instant) -> Duration {
        let spare = rate.burst.saturating_sub(rate.time_of(units));
        self.until_full(now).saturating_sub(spare)
    }

    /// Takes so much, also what is not there: that has to come in again first.
    pub fn take(&mut self, units: u64, rate: &Rate, now: Instant) {
        if units > 0 {
            let full_at = self.full_at.map_or(now, |at| at.max(now));
            self.full_at = full_at.checked_add(rate.time_of(units)).or(Some(full_at));
        }
    }

    /// Whether it is like a new one.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.until_full(now).is_zero()
    }

    fn until_full(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_there_at_once_and_the_rest_as_time_goes_by() {
        let (rate, mut now) = (Rate::new(100, SECOND, 10 * SECOND), Instant::now());
        let mut bucket = Bucket::default();
        assert_eq!((bucket.left(&rate, now), bucket.is_full(now)), (1000, true));
        bucket.take(1000, &rate, now);
        assert_eq!((bucket.left(&rate, now), bucket.until(100, &rate, now)), (0, SECOND));
        now += SECOND / 2;
        assert_eq!((bucket.left(&rate, now), bucket.until(50, &rate, now)), (50, Duration::ZERO));
        // More than there is: a debt.
        bucket.take(250, &rate, now);
        assert_eq!((bucket.left(&rate, now), bucket.until(1, &rate, now)), (0, 2010 * SECOND / 1000));
        now += 12 * SECOND;
        assert_eq!((bucket.left(&rate, now), bucket.is_full(now)), (1000, true));
        assert_eq!(
            bucket.until(5000, &rate, now),
            Duration::ZERO,
            "more than there can be is not waited for"
        );
    }

    proptest! {
        /// Who takes only while something is left gets no more than the burst and what came in since, but for
        /// what the last take was larger; and never less than that, as long as it asks for it.
        #[test]
        fn no_more_is_taken_than_came_in(
            units in 1..5_000u64,
            burst in 1..100u32,
            steps in prop::collection::vec((0..5_000u64, 0..3_000u64), 1..200),
        ) {
            let rate = Rate::new(units, SECOND, burst * SECOND);
            let begun = Instant::now();
            let (mut now, mut bucket, mut taken, mut last) = (begun, Bucket::default(), 0u64, 0);
            for (pause, asked) in steps {
                now += Duration::from_millis(pause);
                let left = bucket.left(&rate, now);
                prop_assert!(left <= units * u64::from(burst));
                if left > 0 {
                    bucket.take(asked, &rate, now);
                    (taken, last) = (taken + asked, asked);
                    prop_assert!(bucket.left(&rate, now) <= left.saturating_sub(asked) + 1);
                }
                let came_in = units * u64::from(burst) + units * u64::try_from((now - begun).as_millis()).unwrap_or(0) / 1000;
                prop_assert!(taken <= came_in + last + 1, "{taken} of {came_in}");
                let wait = bucket.until(1, &rate, now);
                prop_assert_eq!(bucket.left(&rate, now + wait + Duration::from_nanos(1)) > 0, true);
            }
        }

        #[test]
        fn no_amount_overflows(units: u64, taken: u64, pause in 0..u64::MAX / 4) {
            let rate = Rate::new(units, 60 * SECOND, 60 * SECOND);
            let now = Instant::now();
            let mut bucket = Bucket::default();
            bucket.take(taken, &rate, now);
            bucket.take(u64::MAX, &rate, now);
            if let Some(later) = now.checked_add(Duration::from_nanos(pause)) {
                prop_assert!(bucket.left(&rate, later) <= units.max(1));
                prop_assert!(bucket.until(taken, &rate, later) <= Duration::from_secs(u64::MAX));
            }
        }
    }
}
