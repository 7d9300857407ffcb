//! Where a tee sends to, and how patiently.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, Uri};

/// One tee's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub endpoint: Target,
    /// Put in the place of the request's own. The values are marked sensitive, so that nothing prints
    /// them; an empty one leaves the header out.
    pub headers: HeaderMap,
    /// Bytes of the queue on disk.
    pub queue_size: u64,
    /// What waits for longer is dropped.
    pub max_age: Duration,
    /// How often a request is tried that the backend fails on, or does not answer.
    pub max_attempts: u64,
    /// For one attempt, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Certificates of the authorities to trust, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// The defaults for a backend.
    #[must_use]
    pub fn new(endpoint: Target) -> Self {
        Self {
            endpoint,
            headers: HeaderMap::new(),
            queue_size: 256 << 20,
            max_age: Duration::from_secs(24 * 3600),
            max_attempts: 20,
            timeout: Duration::from_secs(30),
            ca_file: None,
        }
    }
}

/// The address of a backend: `http://` or `https://`, a host, perhaps a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub tls: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// Without a slash at its end; empty for none.
    pub path: String,
}

/// Why a text is no address of a backend. The text is not repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("must be a URL like https://cloud.langfuse.com or http://127.0.0.1:4318")]
    Shape,
    #[error("must begin with http:// or https://")]
    Scheme,
    #[error("must not carry a user or password; put credentials of the tee's own under `headers`")]
    Credentials,
    #[error(
        "must not have a query or fragment: the request's own is passed on; put credentials under `headers`"
    )]
    Query,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.contains(['?', '#']) {
            return Err(TargetError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| TargetError::Shape)?;
        let (tls, standard) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(TargetError::Scheme),
        };
        let authority = uri.authority().ok_or(TargetError::Shape)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::Credentials);
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        // A port that is no number is left out by the parser.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = if has_port { authority.port_u16().ok_or(TargetError::Shape)? } else { standard };
        if host.is_empty() || port == 0 {
            return Err(TargetError::Shape);
        }
        Ok(Self { tls, host: host.to_owned(), port, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl Target {
    /// `host` or `host:port`, as the `Host` header says it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, shown) in [
            ("https://cloud.langfuse.com", "https://cloud.langfuse.com"),
            ("https://cloud.langfuse.com:443/", "https://cloud.langfuse.com"),
            ("http://127.0.0.1:4318/api/public/otel/", "http://127.0.0.1:4318/api/public/otel"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
        for (text, error) in [
            ("", TargetError::Shape),
            ("cloud.langfuse.com", TargetError::Scheme),
            ("/v1/traces", TargetError::Scheme),
            ("ftp://x", TargetError::Scheme),
            ("https://", TargetError::Shape),
            ("https://x:0", TargetError::Shape),
            ("https://x:99999", TargetError::Shape),
            ("https://pk:sk@x", TargetError::Credentials),
            ("https://x?key=1", TargetError::Query),
            ("https://x/#a", TargetError::Query),
            ("https://x y", TargetError::Shape),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
    }
}
