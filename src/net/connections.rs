//! What is counted of connections, by door.

use crate::pipeline::meter::{Counters, Gauge, Gauges};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The families of all doors.
#[derive(Debug, Default)]
pub struct ConnectionFamilies {
    open: Gauges,
    limit: Gauges,
    accepted: Counters,
    broken: Counters,
    not_accepted: Counters,
}

/// The handles of one door. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ConnectionStats {
    open: Gauge,
    pub limit: Gauge,
    accepted: Counter,
    pub broken: Counter,
    pub not_accepted: Counter,
}

/// A connection, as long as it is open.
#[derive(Debug)]
pub struct Open(Gauge);

impl ConnectionFamilies {
    pub fn register(&self, registry: &mut Registry) {
        let Self { open, limit, accepted, broken, not_accepted } = self;
        registry.register("halod_connections", "Connections that are open, by door", open.clone());
        registry.register(
            "halod_connections_limit",
            "Connections that may be open at a door; further ones are not refused but wait in the listen queue",
            limit.clone(),
        );
        registry.register("halod_connections_accepted", "Connections that were accepted", accepted.clone());
        registry.register(
            "halod_connections_broken",
            "Connections that ended with an error: the peer vanished, spoke another protocol, or sent no request in \
             time and was turned away",
            broken.clone(),
        );
        registry.register(
            "halod_connections_not_accepted",
            "Attempts to accept a connection that failed: too few file descriptors or too little memory, or the peer \
             was gone",
            not_accepted.clone(),
        );
    }

    /// The handles of a door, which are there from now on.
    #[must_use]
    pub fn of(&self, door: &'static str) -> ConnectionStats {
        let labels = vec![("door", door)];
        ConnectionStats {
            open: self.open.get_or_create_owned(&labels),
            limit: self.limit.get_or_create_owned(&labels),
            accepted: self.accepted.get_or_create_owned(&labels),
            broken: self.broken.get_or_create_owned(&labels),
            not_accepted: self.not_accepted.get_or_create_owned(&labels),
        }
    }
}

impl ConnectionStats {
    /// Counts a connection that was accepted.
    #[must_use]
    pub fn open(&self) -> Open {
        self.accepted.inc();
        self.open.inc();
        Open(self.open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
