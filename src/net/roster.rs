//! Who is connected to a door, and who has to leave when others come: the one that has asked for nothing for longest.

use super::connections::{Closed, ConnectionStats};
use super::life::Life;
use super::limits::Limits;
use super::peer::Peer;
use crate::pipeline::quiet::Quiet;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a place that was made free is waited for before another is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// An address, or what of an IPv6 address a site has: 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin(IpAddr);

impl Origin {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

/// The connections of one door.
#[derive(Debug)]
pub(super) struct Roster {
    slots: Arc<Semaphore>,
    limit: usize,
    /// Of one address. By default this machine's own are not counted: all of its processes have the same.
    per_address: usize,
    counts_loopback: bool,
    stats: ConnectionStats,
    open: Mutex<Open>,
    told: Mutex<Quiet>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    lives: BTreeMap<u64, Arc<Life>>,
    /// Without those that have to leave.
    from: HashMap<Origin, usize>,
}

/// A connection in the roster, until it is dropped.
#[derive(Debug)]
pub(super) struct Member {
    roster: Arc<Roster>,
    key: u64,
    pub(super) life: Arc<Life>,
    /// Its place among those that are served, once it has one.
    slot: Option<OwnedSemaphorePermit>,
}

impl Roster {
    pub(super) fn new(limits: &Limits, stats: ConnectionStats) -> Self {
        let limit = limits.connections.min(Semaphore::MAX_PERMITS);
        stats.limit.set(limit as u64);
        Self {
            slots: Arc::new(Semaphore::new(limit)),
            limit,
            per_address: limits.per_address.unwrap_or(limit / 4).max(1),
            counts_loopback: limits.per_address.is_some(),
            stats,
            open: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Takes a connection in, or not: its address has as many as it may, and on each a request is under way.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Member> {
        let origin = match peer {
            Peer::Ip(address) if self.counts_loopback || !address.to_canonical().is_loopback() => {
                Some(Origin::of(address))
            }
            Peer::Ip(_) | Peer::Local { .. } => None,
        };
        let mut open = self.lock();
        if let Some(origin) = origin {
            let has = open.from.get(&origin).copied().unwrap_or(0);
            if has >= self.per_address {
                let (door, limit) = (self.stats.door, self.per_address);
                self.say("address", |again| {
                    tracing::warn!(door, %peer, limit, again, "an address has as many connections as it may");
                });
                if !open.evict_idle(Closed::Address, |life| life.origin == Some(origin)) {
                    self.stats.closed(Closed::Address);
                    return None;
                }
            }
            *open.from.entry(origin).or_default() += 1;
        }
        let life = Arc::new(Life::new(origin));
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        if slot.is_some() {
            life.serve();
        }
        open.last += 1;
        let key = open.last;
        open.lives.insert(key, Arc::clone(&life));
        Some(Member { roster: Arc::clone(self), key, life, slot })
    }

    /// A place among those that are served. Where there is none, the one that is idle for longest loses its own.
    async fn slot(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return slot;
            }
            let (door, limit) = (self.stats.door, self.limit);
            self.say("full", |again| {
                tracing::warn!(door, limit, again, "the door is full of connections; idle ones are closed");
            });
            self.lock().evict_idle(Closed::Full, |_| true);
            if let Ok(Ok(slot)) = timeout(LOOK, Arc::clone(&self.slots).acquire_owned()).await {
                return slot;
            }
        }
    }

    /// Says a line at most once a minute.
    pub(super) fn say(&self, line: &str, log: impl FnOnce(u64)) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).say(line, log);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Whether one was idle, and has to leave.
    fn evict_idle(&mut self, why: Closed, may: impl Fn(&Life) -> bool) -> bool {
        let idle = self.lives.values().filter(|life| may(life));
        let oldest = idle.filter_map(|life| Some((life.idle_since()?, life))).min_by_key(|(since, _)| *since);
        let Some((_, oldest)) = oldest else { return false };
        let origin = oldest.origin;
        // A request may have come since.
        let evicted = oldest.evict(why);
        if evicted {
            self.leave(origin);
        }
        evicted
    }

    fn leave(&mut self, origin: Option<Origin>) {
        let Some(origin) = origin else { return };
        if let Some(has) = self.from.get_mut(&origin) {
            *has -= 1;
            if *has == 0 {
                self.from.remove(&origin);
            }
        }
    }
}

impl Member {
    /// Returns when it has its place.
    pub(super) async fn placed(&mut self) {
        if self.slot.is_none() {
            self.slot = Some(self.roster.slot().await);
            self.life.serve();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = self.roster.lock();
        open.lives.remove(&self.key);
        if !self.life.is_evicted() {
            open.leave(self.life.origin);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn roster(connections: usize, per_address: Option<usize>) -> Arc<Roster> {
        let limits = Limits { connections, per_address, ..Limits::default() };
        Arc::new(Roster::new(&limits, ConnectionStats::default()))
    }

    fn peer(text: &str) -> Peer {
        Peer::Ip(text.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_own_bound_and_loses_its_own_idle_ones() {
        let roster = roster(100, Some(2));
        let admit = |text| roster.admit(peer(text));
        let [one, two] = [(); 2].map(|()| admit("192.0.2.1").unwrap());
        let other = admit("192.0.2.2").unwrap();
        // Mapped into IPv6 it is the same.
        let busy = two.life.begin();
        let three = admit("::ffff:192.0.2.1").unwrap();
        assert!(one.life.is_evicted() && !two.life.is_evicted() && !other.life.is_evicted());
        let also = three.life.begin();
        assert!(admit("192.0.2.1").is_none(), "a request is under way on each");
        drop((busy, two));
        let four = admit("192.0.2.1").unwrap();
        assert_eq!(roster.lock().from.len(), 2);
        drop((one, three, also, four, other));
        assert!(roster.lock().from.is_empty() && roster.lock().lives.is_empty());
    }

    #[tokio::test]
    async fn a_site_has_one_bound_and_this_machine_none_by_default() {
        let roster = roster(4, None);
        let one = roster.admit(peer("2001:db8::1")).unwrap();
        let _busy = one.life.begin();
        assert!(roster.admit(peer("2001:db8::ffff:1:2")).is_none());
        assert!(roster.admit(peer("2001:db8:0:1::1")).is_some());
        let own: Vec<_> = (0..50).map(|_| roster.admit(peer("127.0.0.1"))).collect();
        assert!(own.iter().all(Option::is_some));
        assert!(roster.admit(Peer::Local { uid: 0, gid: 0 }).is_some());
    }
}
