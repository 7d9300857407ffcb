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
    closed: Counters,
    not_accepted: Counters,
}

/// The handles of one door. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ConnectionStats {
    pub door: &'static str,
    open: Gauge,
    pub limit: Gauge,
    accepted: Counter,
    broken: [Counter; Broken::ALL.len()],
    closed: [Counter; Closed::ALL.len()],
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

/// Why halod closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No request for too long.
    Idle,
    /// It was as old as it may become.
    Age,
    /// It was idle, and another one needed its place.
    Full,
    /// Its address had more than it may.
    Address,
    /// More pings, changes of settings, streams that are reset, or other frames without use than may be.
    Pings,
    Settings,
    Resets,
    Frames,
    /// halod stops.
    Draining,
}

impl Closed {
    const ALL: [(Self, &str); 9] = [
        (Self::Idle, "idle"),
        (Self::Age, "age"),
        (Self::Full, "full"),
        (Self::Address, "address"),
        (Self::Pings, "pings"),
        (Self::Settings, "settings"),
        (Self::Resets, "resets"),
        (Self::Frames, "frames"),
        (Self::Draining, "draining"),
    ];

    /// Whether its peer sends what nobody needs.
    pub(super) fn is_flood(self) -> bool {
        matches!(self, Self::Pings | Self::Settings | Self::Resets | Self::Frames)
    }
}

impl Broken {
    /// How a connection broke that came to nothing; one that nothing came on did not.
    pub(crate) fn of(turned: &Turned) -> Option<Self> {
        match turned {
            Turned::Left => None,
            Turned::Plain => Some(Self::NotTls),
            Turned::Late => Some(Self::Timeout),
            Turned::Failed(_) => Some(Self::Handshake),
        }
    }

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
        let Self { open, limit, accepted, broken, closed, not_accepted } = self;
        registry.register("halod_connections", "Connections that are open, by door", open.clone());
        registry.register(
            "halod_connections_limit",
            "Connections that may be open at a door; for one more the one that is idle for longest is closed, and where \
             none is idle it waits in the listen queue",
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
            "halod_connections_closed",
            "Connections that halod closed, by reason: idle, age, full (idle, for another one), address (its address has as \
             many as it may), pings, settings, resets and frames (more of these than may be), draining",
            closed.clone(),
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
            door,
            open: self.open.get_or_create_owned(&labels),
            limit: self.limit.get_or_create_owned(&labels),
            accepted: self.accepted.get_or_create_owned(&labels),
            broken: Broken::ALL.map(|(_, reason)| {
                self.broken.get_or_create_owned(&vec![("door", door), ("reason", reason)])
            }),
            closed: Closed::ALL.map(|(_, reason)| {
                self.closed.get_or_create_owned(&vec![("door", door), ("reason", reason)])
            }),
            not_accepted: self.not_accepted.get_or_create_owned(&labels),
        }
    }
}

impl ConnectionStats {
    /// Counts a connection that was accepted, and is open now.
    #[must_use]
    pub fn open(&self) -> Open {
        self.accepted.inc();
        self.open.inc();
        Open(self.open.clone())
    }

    /// Counts a connection that halod closed.
    pub fn closed(&self, why: Closed) {
        let at = Closed::ALL.iter().position(|(reason, _)| *reason == why);
        if let Some(counter) = at.and_then(|at| self.closed.get(at)) {
            counter.inc();
        }
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
