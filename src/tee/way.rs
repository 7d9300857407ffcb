//! The way to a backend: its address, the certificates that are trusted there, and connections over HTTP/1.1.
//!
//! Only the configured host is ever connected to: redirects are not followed, and no proxy is asked.

use super::settings::Target;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use hyper::body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest `Retry-After` that is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Why there is no way to an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WayError {
    #[error("no certificate can be made out to the endpoint's host")]
    Name,
    #[error("{} {what}", .path.display())]
    Authority { path: PathBuf, what: String },
    #[error("no certificate authorities found on this machine; install them, or name a ca_file")]
    NoAuthorities,
    #[error("{0}")]
    Other(String),
}

/// Connects to one address.
pub(crate) struct Way {
    pub(crate) target: Target,
    /// What the `Host` header says.
    pub(crate) host: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Way {
    /// Reads the certificates to trust, the system's without a file; connects nowhere yet.
    ///
    /// # Errors
    /// There are none, or the host can't be one that has a certificate.
    pub(crate) fn new(target: Target, ca_file: Option<&Path>) -> Result<Self, WayError> {
        let tls = if target.tls {
            let name = ServerName::try_from(target.host.clone()).map_err(|_| WayError::Name)?;
            Some((TlsConnector::from(Arc::new(tls(ca_file)?)), name))
        } else {
            None
        };
        let host = HeaderValue::from_str(&target.authority()).map_err(|e| WayError::Other(e.to_string()))?;
        Ok(Self { target, host, tls })
    }

    pub(crate) async fn connect<B>(&self) -> Result<SendRequest<B>, Box<dyn StdError + Send + Sync>>
    where
        B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
    {
        let stream = TcpStream::connect((self.target.host.as_str(), self.target.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => handshake(stream).await,
            Some((connector, name)) => handshake(connector.connect(name.clone(), stream).await?).await,
        }
    }
}

async fn handshake<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<B>, Box<dyn StdError + Send + Sync>>
where
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            SystemTime::from(at).duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, WayError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let failed = |what: String| WayError::Authority { path: path.to_owned(), what };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(format!("can't be read as PEM: {error}")))?;
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| failed(format!("holds an unusable certificate: {error}")))?;
        }
        if roots.is_empty() {
            return Err(failed("holds no certificate".into()));
        }
    } else {
        // What can't be read of the system's is as good as not there.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(WayError::NoAuthorities);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| WayError::Other(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        for (value, seconds) in [
            ("5", Some(5)),
            ("0", Some(0)),
            ("99999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
