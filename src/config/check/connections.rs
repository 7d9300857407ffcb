//! How many connections a door may have, and for how long each.

use super::{GRPC, Reader};
use crate::config::DoorSettings;
use std::time::Duration;

const YEAR: (Duration, &str) = (Duration::from_secs(8760 * 3600), "8760h");

impl Reader<'_> {
    /// Those of the door whose section is `door`; the key `idle` has the time after which one is idle.
    pub(super) fn connections(&mut self, door: &str, idle: &str, into: &mut DoorSettings) {
        let limits = &mut into.limits;
        self.count(&format!("{door}.max_connections"), 1..=1_000_000, &mut limits.connections);
        let mut per_address = 0;
        self.count(&format!("{door}.max_connections_per_address"), 1..=1_000_000, &mut per_address);
        limits.per_address = (per_address > 0).then_some(per_address);
        let age = if door == GRPC {
            format!("{door}.keepalive.server_parameters.max_connection_age")
        } else {
            format!("{door}.max_connection_age")
        };
        self.at_most_for(idle, &mut limits.idle_timeout);
        self.at_most_for(&age, &mut limits.max_age);
        self.duration(&format!("{age}_grace"), YEAR, &mut limits.age_grace);
    }

    /// A time that is never over where it is 0s.
    fn at_most_for(&mut self, key: &str, into: &mut Option<Duration>) {
        let mut time = into.unwrap_or_default();
        self.duration(key, YEAR, &mut time);
        *into = (!time.is_zero()).then_some(time);
    }
}
