//! The values a configuration is made of.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Where a door listens: `host:port`, or `unix:` and the path of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Resolved when it is bound. Port 0 takes a free one.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// Bytes that the system takes as the path of a socket (unix(7), `sun_path`), without the one that
/// ends it.
const SOCKET_PATH: usize = 107;

impl Endpoint {
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self::Tcp { host: "127.0.0.1".into(), port }
    }

    /// Whether two doors may have this same endpoint: each gets a port of its own.
    #[must_use]
    pub fn takes_a_free_port(&self) -> bool {
        matches!(self, Self::Tcp { port: 0, .. })
    }

    /// Whether nobody but this machine reaches it, as far as it says so itself: `localhost` (RFC 6761, section 6.3), a
    /// loopback address, a Unix socket. No name is looked up.
    #[must_use]
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                let ip = host.parse::<IpAddr>().map(|ip| ip.to_canonical().is_loopback());
                let name = host.to_ascii_lowercase();
                ip.unwrap_or_else(|_| name == "localhost" || name.ends_with(".localhost"))
            }
        }
    }

    /// The path, where this is a Unix socket.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp { .. } => None,
        }
    }

    /// The addresses the host stands for, IPv4 first: `localhost` means 127.0.0.1 to most senders.
    /// None for a Unix socket.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let Self::Tcp { host, port } = self else { return Ok(Vec::new()) };
        let mut addresses: Vec<_> = (host.as_str(), *port).to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        Ok(addresses)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text is not an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("must be host:port, like 127.0.0.1:4317 (port 0 takes a free one)")]
    Shape,
    #[error("must be host:port without a scheme or path, like 127.0.0.1:4318")]
    Url,
    #[error("names no host; write 127.0.0.1 for this machine only, 0.0.0.0 or [::] for every interface")]
    NoHost,
    #[error("the port must be a number from 0 to 65535")]
    Port,
    #[error("an IPv6 address must be in brackets, like [::1]:4317")]
    Brackets,
    #[error("a Unix socket is unix: and its path, like unix:/run/halod/otlp.sock")]
    SocketShape,
    #[error("the path of a Unix socket can have {SOCKET_PATH} bytes, this one has {0}; choose a shorter one")]
    SocketPath(usize),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path).map(Self::Unix);
        }
        if text.contains('/') {
            return Err(EndpointError::Url);
        }
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::Shape)?;
        let host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => match inner.parse::<std::net::Ipv6Addr>() {
                Ok(_) => inner,
                Err(_) => return Err(EndpointError::Brackets),
            },
            None if host.contains([':', '[', ']']) => return Err(EndpointError::Brackets),
            None => host,
        };
        if host.is_empty() {
            return Err(EndpointError::NoHost);
        }
        if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(EndpointError::Shape);
        }
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EndpointError::Port);
        }
        Ok(Self::Tcp { host: host.to_owned(), port: port.parse().map_err(|_| EndpointError::Port)? })
    }
}

/// The path in `unix:PATH` or `unix:///PATH`, as in the names of gRPC.
fn socket(path: &str) -> Result<PathBuf, EndpointError> {
    let path = match path.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        // What would stand there is a host.
        Some(_) => return Err(EndpointError::SocketShape),
        None => path,
    };
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err(EndpointError::SocketShape);
    }
    if path.len() > SOCKET_PATH {
        return Err(EndpointError::SocketPath(path.len()));
    }
    Ok(path.into())
}

/// Reads a duration as the Collector writes it: whole numbers with `ms`, `s`, `m` or `h`, joined
/// from the largest unit down, like `1m30s`. `None` when it is not one.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let (name, scale) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        if *scale >= smallest {
            return None;
        }
        smallest = *scale;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*scale)?)?;
        rest = unit.strip_prefix(name)?;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for text in ["127.0.0.1:4317", "localhost:0", "[::1]:4318", "0.0.0.0:65535", "halod.svc:1"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for (text, error) in [
            ("", EndpointError::Shape),
            ("4317", EndpointError::Shape),
            (":4317", EndpointError::NoHost),
            ("http://localhost:4318", EndpointError::Url),
            ("localhost:4318/v1/traces", EndpointError::Url),
            ("localhost:", EndpointError::Port),
            ("localhost:+80", EndpointError::Port),
            ("localhost:65536", EndpointError::Port),
            ("::1:4317", EndpointError::Brackets),
            ("[::1:4317", EndpointError::Brackets),
            ("[x]:4317", EndpointError::Brackets),
            ("a b:1", EndpointError::Shape),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }

    #[test]
    fn unix_sockets() {
        for text in ["unix:/run/halod/otlp.sock", "unix:otlp.sock", "unix:./a b:4317"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///run/x".parse::<Endpoint>().unwrap().to_string(), "unix:/run/x");
        let long = |length: usize| format!("unix:/{}", "x".repeat(length - 1));
        assert!(long(107).parse::<Endpoint>().is_ok());
        for (text, error) in [
            ("unix:", EndpointError::SocketShape),
            ("unix:/run/", EndpointError::SocketShape),
            ("unix://host/run/x", EndpointError::SocketShape),
            ("unix:/a\0b", EndpointError::SocketShape),
            (&long(108), EndpointError::SocketPath(108)),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }

    #[test]
    fn localhost_is_ipv4_first() {
        assert!("localhost:0".parse::<Endpoint>().unwrap().resolve().unwrap()[0].is_ipv4());
    }

    #[test]
    fn durations() {
        for (text, millis) in
            [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "1s1m", "1s1s", "30 s", "99999999999999999999h", "1d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
