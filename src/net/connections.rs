//! What is counted of connections, by door.

use super::tls::Turned;
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
    broken: [Counter; Broken::ALL.len()],
    pub not_accepted: Counter,
}

/// How a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The TLS handshake failed: no certificate, a wrong one, an old version.
    Handshake,
    /// A door that speaks TLS was spoken to without.
    NotTls,
    /// A door that does not speak TLS was spoken to with it.
    Tls,
    /// No request came in time.
    Timeout,
    /// The peer vanished, or spoke another protocol.
    Other,
}

impl From<&Turned> for Broken {
    fn from(turned: &Turned) -> Self {
        match turned {
            Turned::Plain => Self::NotTls,
            Turned::Late => Self::Timeout,
            Turned::Failed(_) => Self::Handshake,
        }
    }
}

impl Broken {
    const ALL: [(Self, &str); 5] = [
        (Self::Handshake, "handshake"),
        (Self::NotTls, "not_tls"),
        (Self::Tls, "tls"),
        (Self::Timeout, "timeout"),
        (Self::Other, "other"),
    ];
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
            "Connections that ended with an error, by reason: handshake (TLS failed), not_tls (no TLS came at a door that \
             speaks it), tls (TLS came at one that does not), timeout (no request in time), other (the peer vanished or \
             spoke another protocol)",
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
            broken: Broken::ALL.map(|(_, reason)| {
                self.broken.get_or_create_owned(&vec![("door", door), ("reason", reason)])
            }),
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

impl ConnectionStats {
    /// Counts a connection that broke.
    pub fn broke(&self, how: Broken) {
        let at = Broken::ALL.iter().position(|(reason, _)| *reason == how);
        if let Some(counter) = at.and_then(|at| self.broken.get(at)) {
            counter.inc();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
