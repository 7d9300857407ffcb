//! How often something may be done: so many times in any stretch of a time, for each of a bounded number of keys.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys that are remembered at once.
const KEYS: usize = 10_000;

/// An address, or what of an IPv6 address a site has: 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Block(Option<IpAddr>);

impl Block {
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        }))
    }
}

#[derive(Debug)]
pub(super) struct Rates<K> {
    most: usize,
    per: Duration,
    times: Mutex<HashMap<K, VecDeque<Instant>>>,
}

impl<K: Eq + Hash> Rates<K> {
    pub(super) fn new(most: usize, per: Duration) -> Self {
        Self { most, per, times: Mutex::default() }
    }

    /// Whether it may be done once more, which counts then. Where there are too many keys it may not.
    pub(super) fn take(&self, key: K, now: Instant) -> bool {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let is_past = |at: &Instant| now.saturating_duration_since(*at) >= self.per;
        if times.len() >= KEYS && !times.contains_key(&key) {
            times.retain(|_, done| done.back().is_some_and(|at| !is_past(at)));
            if times.len() >= KEYS {
                return false;
            }
        }
        let done = times.entry(key).or_default();
        while done.front().is_some_and(is_past) {
            done.pop_front();
        }
        let may = done.len() < self.most;
        if may {
            done.push_back(now);
        }
        may
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_holds_in_every_stretch() {
        let rates = Rates::new(2, Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(rates.take("a", at(0)) && rates.take("a", at(50)) && !rates.take("a", at(59)));
        assert!(rates.take("b", at(59)), "each has its own");
        assert!(rates.take("a", at(60)) && !rates.take("a", at(61)) && rates.take("a", at(110)));
    }

    #[test]
    fn keys_are_bounded_and_old_ones_make_way() {
        let rates = Rates::new(1, Duration::from_secs(60));
        let start = Instant::now();
        assert!((0..KEYS).all(|key| rates.take(key, start)));
        assert!(!rates.take(KEYS, start));
        assert!(rates.take(KEYS, start + Duration::from_secs(60)));
    }

    #[test]
    fn a_site_of_ipv6_is_one() {
        let block = |text: &str| Block::of(Some(text.parse().unwrap()));
        assert_eq!(block("2001:db8::1"), block("2001:db8::ffff:1"));
        assert_ne!(block("2001:db8::1"), block("2001:db8:0:1::1"));
        assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
    }
}
