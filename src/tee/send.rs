//! One request to the backend, over HTTP/1.1, and what its answer means.
//!
//! Only the configured host is ever connected to: redirects are not followed, and no proxy is asked.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::entry::Entry;
use super::settings::{Settings, Target};
use super::stats::Retry;
use super::{Door, TeeError};
use crate::clock;

/// How much of an answer's body is read, so that the connection can be used again; nothing looks at it.
const ANSWER: usize = 256 << 10;

/// The longest `Retry-After` that is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Taken,
    /// For good.
    Refused(StatusCode),
    /// To be tried again, not before a time that the backend may have named.
    Again {
        why: Retry,
        wait: Option<Duration>,
    },
}

/// The way to one backend, with the connection that is open.
pub(super) struct Sender {
    target: Target,
    host: HeaderValue,
    headers: HeaderMap,
    timeout: Duration,
    one_path: bool,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Sender {
    /// Reads the certificates to trust; connects nowhere yet.
    ///
    /// # Errors
    /// There are none, or the host can't be one that has a certificate.
    pub(super) fn new(door: Door, settings: &Settings) -> Result<Self, TeeError> {
        let target = settings.endpoint.clone();
        let failed = |error: String| TeeError::Start { door: door.name(), error };
        let tls = if target.tls {
            let name = ServerName::try_from(target.host.clone())
                .map_err(|_| failed("no certificate can be made out to the endpoint's host".into()))?;
            Some((TlsConnector::from(Arc::new(tls(door, settings)?)), name))
        } else {
            None
        };
        let host = HeaderValue::from_str(&target.authority()).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            target,
            host,
            headers: settings.headers.clone(),
            timeout: settings.timeout,
            one_path: door.is_one_path(),
            tls,
            connection: None,
        })
    }

    /// Sends the entry once; a second time at once when the connection was an old one and turns out
    /// to be closed.
    pub(super) async fn attempt(&mut self, entry: &Entry) -> Attempt {
        let reused = self.connection.is_some();
        match self.timed(entry).await {
            Attempt::Again { why: Retry::Broken, .. } if reused => self.timed(entry).await,
            attempt => attempt,
        }
    }

    async fn timed(&mut self, entry: &Entry) -> Attempt {
        let within = self.timeout;
        let ended = tokio::time::timeout(within, self.exchange(entry)).await;
        let attempt = ended.unwrap_or(Ok(again(Retry::Timeout))).unwrap_or_else(again);
        if matches!(attempt, Attempt::Again { why: Retry::Timeout | Retry::Broken, .. }) {
            self.connection = None;
        }
        attempt
    }

    async fn exchange(&mut self, entry: &Entry) -> Result<Attempt, Retry> {
        let request = self.request(entry)?;
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => self.connect().await.map_err(|error| {
                tracing::debug!(endpoint = %self.target, %error, "the tee can't connect");
                Retry::Unreachable
            })?,
        };
        connection.ready().await.map_err(|_| Retry::Broken)?;
        let response = connection.send_request(request).await.map_err(|_| Retry::Broken)?;
        let attempt = judge(&response);
        // An answer that is cut off or endless costs the connection and nothing else.
        if Limited::new(response.into_body(), ANSWER).collect().await.is_ok() {
            self.connection = Some(connection);
        }
        Ok(attempt)
    }

    fn request(&self, entry: &Entry) -> Result<Request<Full<Bytes>>, Retry> {
        let mut target = self.target.path.clone();
        if !self.one_path {
            target.push_str(entry.target.as_str());
        }
        if target.is_empty() {
            target.push('/');
        }
        // Both parts were valid, so the whole is.
        let uri: Uri = target.parse().map_err(|_| Retry::Failing)?;
        let mut request = Request::new(Full::new(entry.body.clone()));
        *request.method_mut() = entry.method.clone();
        *request.uri_mut() = uri;
        let mut headers = entry.headers.clone();
        for (name, value) in &self.headers {
            if value.is_empty() {
                headers.remove(name);
            } else {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(entry.body.len()));
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn StdError + Send + Sync>> {
        let stream = TcpStream::connect((self.target.host.as_str(), self.target.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => handshake(stream).await,
            Some((connector, name)) => handshake(connector.connect(name.clone(), stream).await?).await,
        }
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, Box<dyn StdError + Send + Sync>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn again(why: Retry) -> Attempt {
    Attempt::Again { why, wait: None }
}

/// What an answer means. Codes that speak of the moment are tried again without end, codes that may
/// speak of the request for a number of times, all others are final: a redirect, too.
fn judge(response: &Response<Incoming>) -> Attempt {
    let wait = retry_after(response.headers(), clock::now());
    match response.status() {
        status if status.is_success() => Attempt::Taken,
        StatusCode::TOO_MANY_REQUESTS => Attempt::Again { why: Retry::Throttled, wait },
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_EARLY
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Attempt::Again { why: Retry::Unavailable, wait },
        status if status.is_server_error() => Attempt::Again { why: Retry::Failing, wait },
        status => Attempt::Refused(status),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
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

fn tls(door: Door, settings: &Settings) -> Result<ClientConfig, TeeError> {
    let door = door.name();
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        let failed = |what: String| TeeError::Authority { door, path: path.clone(), what };
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
            return Err(TeeError::NoAuthorities { door });
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TeeError::Start { door, error: error.to_string() })?;
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
