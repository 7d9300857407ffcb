//! The bounds on one door. Every one is counted and configured in one place.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; further ones wait in the listen queue.
    pub connections: usize,
    /// HTTP/2 streams per connection.
    pub concurrent_streams: u32,
    /// Bytes of one message, on the wire and after decompression.
    pub body: usize,
    /// Bytes of a request's headers.
    pub headers: usize,
    /// From the connection's start, or the end of the request before, to the end of a request's
    /// headers; so an HTTP/1.1 connection idle for longer is closed. An HTTP/2 connection may idle
    /// once it has begun; it is pinged.
    pub header_timeout: Duration,
    /// Between two reads of a body, which must also bring 16 KiB a second after that long.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            concurrent_streams: 128,
            body: 64 << 20,
            headers: 32 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
        }
    }
}
