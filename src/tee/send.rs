//! One request to the backend, over HTTP/1.1, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::entry::Entry;
use super::settings::Settings;
use super::stats::Retry;
use super::way::{Way, WayError, retry_after};
use super::{Door, TeeError};
use crate::clock;

/// How much of an answer's body is read, so that the connection can be used again; nothing looks at it.
const ANSWER: usize = 256 << 10;

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
    way: Way,
    headers: HeaderMap,
    timeout: Duration,
    one_path: bool,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Sender {
    /// Reads the certificates to trust; connects nowhere yet.
    ///
    /// # Errors
    /// There are none, or the host can't be one that has a certificate.
    pub(super) fn new(door: Door, settings: &Settings) -> Result<Self, TeeError> {
        let way = Way::new(settings.endpoint.clone(), settings.ca_file.as_deref());
        Ok(Self {
            way: way.map_err(|error| failed(door.name(), error))?,
            headers: settings.headers.clone(),
            timeout: settings.timeout,
            one_path: door.is_one_path(),
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
            None => self.way.connect().await.map_err(|error| {
                tracing::debug!(endpoint = %self.way.target, %error, "the tee can't connect");
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
        let mut target = self.way.target.path.clone();
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
        headers.insert(HOST, self.way.host.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(entry.body.len()));
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn failed(door: &'static str, error: WayError) -> TeeError {
    match error {
        WayError::Authority { path, what } => TeeError::Authority { door, path, what },
        WayError::NoAuthorities => TeeError::NoAuthorities { door },
        error @ (WayError::Name | WayError::Other(_)) => TeeError::Start { door, error: error.to_string() },
    }
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
