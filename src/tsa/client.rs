//! The service, asked over HTTP (RFC 3161, section 3.4): a blocking client for the thread that asks. What it costs is bounded
//! whatever the service does: the time of one exchange, and the bytes of an answer. Nothing of an answer is believed here.

use crate::clock;
use crate::tee::settings::Target;
use crate::tee::way::{Way, retry_after};
use bytes::Bytes;
use halod_timestamp::MAX_BYTES;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// For one exchange, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

const AGENT: HeaderValue = HeaderValue::from_static(concat!("halod/", env!("CARGO_PKG_VERSION")));

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("the time-stamping service at {address} can't be asked: {what}")]
    Setup { address: String, what: String },
    #[error("the time-stamping service at {address} can't be reached: {what}")]
    Unreachable { address: String, what: String },
    #[error("the time-stamping service at {address} did not answer within {} s", TIMEOUT.as_secs())]
    Late { address: String },
    #[error("the time-stamping service at {address} broke off: {what}")]
    Broken { address: String, what: String },
    #[error("the time-stamping service at {address} answers with more than {MAX_BYTES} bytes")]
    TooLarge { address: String },
    #[error("the time-stamping service at {address} answers {status}, and not 200")]
    Status { address: String, status: u16, retry_after: Option<Duration> },
}

/// A client of one service. Tokens are hours apart, so each exchange has a connection of its own.
pub(super) struct Client {
    way: Way,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Client {
    /// Connects nowhere yet.
    pub(super) fn new(service: Target, ca_file: Option<&Path>) -> Result<Self, AskError> {
        let address = service.to_string();
        let failed = |what: String| AskError::Setup { address: address.clone(), what };
        let way = Way::new(service, ca_file).map_err(|error| failed(error.to_string()))?;
        // One blocking thread, for the names of hosts.
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        let runtime = Some(runtime.map_err(|error| failed(error.to_string()))?);
        Ok(Self { way, runtime })
    }

    /// Sends a request for a token; returns what came, whatever it is.
    pub(super) fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>, AskError> {
        let address = self.way.target.to_string();
        let path = if self.way.target.path.is_empty() { "/" } else { &self.way.target.path };
        let uri: Uri = path
            .parse()
            .map_err(|_| AskError::Setup { address: address.clone(), what: "its path is none".into() })?;
        let length = request.len();
        let mut request = Request::new(Full::new(Bytes::from(request)));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, uri);
        let headers = request.headers_mut();
        headers.insert(HOST, self.way.host.clone());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/timestamp-query"));
        let Some(runtime) = &self.runtime else {
            return Err(AskError::Setup { address, what: "the client is closed".into() });
        };
        let ended =
            runtime.block_on(async { tokio::time::timeout(TIMEOUT, converse(&self.way, request)).await });
        ended.unwrap_or(Err(AskError::Late { address }))
    }
}

/// The name server may hang, and nobody waits for that.
impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn converse(way: &Way, request: Request<Full<Bytes>>) -> Result<Vec<u8>, AskError> {
    let address = || way.target.to_string();
    let broken = |what: String| AskError::Broken { address: address(), what };
    let unreachable = |what: String| AskError::Unreachable { address: address(), what };
    let mut connection = way.connect().await.map_err(|error| unreachable(error.to_string()))?;
    let response = connection.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    if response.status() != StatusCode::OK {
        let retry_after = retry_after(response.headers(), clock::now());
        return Err(AskError::Status { address: address(), status: response.status().as_u16(), retry_after });
    }
    match Limited::new(response.into_body(), MAX_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(AskError::TooLarge { address: address() })
        }
        Err(error) => Err(broken(error.to_string())),
    }
}
