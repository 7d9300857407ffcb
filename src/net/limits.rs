//! The bounds on one door. Every one is counted and configured in one place.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; for further ones idle ones are closed, or they wait in the listen queue.
    pub connections: usize,
    /// Of these, from one address. Without it a quarter, and any number from this machine's own.
    pub per_address: Option<usize>,
    /// HTTP/2 streams per connection.
    pub concurrent_streams: u32,
    /// Bytes of one message, on the wire and after decompression.
    pub body: usize,
    /// Bytes of a request's headers.
    pub headers: usize,
    /// From the connection's start, or the end of the request before, to the end of a request's
    /// headers; so an HTTP/1.1 connection idle for longer is closed.
    pub header_timeout: Duration,
    /// After so long without a request an HTTP/2 connection is closed. It is pinged meanwhile.
    pub idle_timeout: Option<Duration>,
    /// How old a connection may become, a tenth more or less, and how long its requests may take then.
    pub max_age: Option<Duration>,
    pub age_grace: Duration,
    /// Between two reads of a body, which must also bring 16 KiB a second after that long.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_address: None,
            concurrent_streams: 128,
            body: 64 << 20,
            headers: 32 << 10,
            header_timeout: Duration::from_secs(10),
            // Twice the interval of metrics exporters.
            idle_timeout: Some(Duration::from_secs(120)),
            max_age: Some(Duration::from_secs(3600)),
            age_grace: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
        }
    }
}
