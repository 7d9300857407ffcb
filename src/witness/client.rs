//! One witness, asked over HTTP: a blocking client for the thread that has checkpoints cosigned.
//!
//! What it costs is bounded whatever the witness does: the time of one exchange, and the bytes of an answer. What an answer
//! means is decided by [`Cosigning`]; nothing of it is believed here.

use crate::clock;
use crate::tee::settings::Target;
use crate::tee::way::{Way, retry_after};
use bytes::Bytes;
use halod_evidence::Hash;
use halod_evidence::cosigning::{Cosigning, Next};
use halod_evidence::witness::MAX_BYTES;
use halod_record::hash::{hex_text, sha256};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};

/// For one exchange, from connecting to the end of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

const AGENT: HeaderValue = HeaderValue::from_static(concat!("halod/", env!("CARGO_PKG_VERSION")));

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A request: a body goes with POST, and has a type.
struct Said<'a> {
    path: &'a str,
    body: Option<(&'static str, Vec<u8>)>,
    key: Option<&'a HeaderValue>,
}

/// A client of one witness. It keeps its connection from one exchange to the next, as the specification wants.
pub struct Client {
    way: Way,
    timeout: Duration,
    /// Bytes that are read of an answer.
    most: usize,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("witness", &self.way.target).finish_non_exhaustive()
    }
}

/// Why an exchange came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("the witness at {address} can't be asked: {what}")]
    Setup { address: String, what: String },
    #[error("the witness at {address} can't be reached: {what}")]
    Unreachable { address: String, what: String },
    #[error("the witness at {address} did not answer within {} s", .within.as_secs())]
    Late { address: String, within: Duration },
    #[error("the witness at {address} broke off: {what}")]
    Broken { address: String, what: String },
    #[error("the witness at {address} answers with more than {most} bytes")]
    TooLarge { address: String, most: usize },
}

/// Why a checkpoint was not brought to a witness.
#[derive(Debug, thiserror::Error)]
pub enum CosignError<E> {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Of the log that proves, not of the witness.
    #[error("no proof of consistency can be made: {0}")]
    Proof(E),
}

/// What a witness answered; nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub status: u16,
    pub content_type: Option<String>,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Client {
    /// Of the witness with this submission prefix. `ca_file` has the authorities to trust in the system's place. Connects
    /// nowhere yet.
    ///
    /// # Errors
    /// The certificates can't be read, or the system has no thread left.
    pub fn new(witness: Target, ca_file: Option<&Path>) -> Result<Self, ClientError> {
        let address = witness.to_string();
        let failed = |what: String| ClientError::Setup { address: address.clone(), what };
        let way = Way::new(witness, ca_file).map_err(|error| failed(error.to_string()))?;
        // One blocking thread, for the names of hosts.
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        let runtime = Some(runtime.map_err(|error| failed(error.to_string()))?);
        Ok(Self { way, timeout: TIMEOUT, most: MAX_BYTES, runtime, connection: None })
    }

    /// Sets other bounds: the time of an exchange, and the bytes of an answer.
    pub fn set_bounds(&mut self, timeout: Duration, most: usize) {
        (self.timeout, self.most) = (timeout, most);
    }

    /// Has a checkpoint cosigned: sends it, and again as often as the witness names another size, with the proof that `prove`
    /// makes from one size to another. Returns what that came to, and how long the witness wants to be left alone.
    ///
    /// # Errors
    /// The witness could not be asked, or nothing can be proven to it.
    pub fn cosign<E>(
        &mut self,
        cosigning: &mut Cosigning,
        mut prove: impl FnMut(u64, u64) -> Result<Vec<Hash>, E>,
    ) -> Result<(Next, Option<Duration>), CosignError<E>> {
        loop {
            let proof = prove(cosigning.from(), cosigning.size()).map_err(CosignError::Proof)?;
            let body = cosigning.request(proof).write();
            let said = Said { path: "/add-checkpoint", body: Some((TEXT, body.into_bytes())), key: None };
            let received = self.exchange(&said)?;
            let Received { status, content_type, retry_after, body } = received;
            let now = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            match cosigning.answered(status, content_type.as_deref(), &body, now) {
                Next::Prove(_) => {}
                next => return Ok((next, retry_after)),
            }
        }
    }

    /// The checkpoint that the witness cosigned last for a log (tlog-witness, "Monitor Retrieval Mechanism"): after a refusal
    /// as inconsistent, what it contradicts. Monitors may have another address than logs.
    ///
    /// # Errors
    /// The witness could not be asked.
    pub fn checkpoint(&mut self, origin: &str) -> Result<Received, ClientError> {
        let path = format!("/{}/checkpoint", hex_text(&sha256(origin.as_bytes())));
        self.exchange(&Said { path: &path, body: None, key: None })
    }

    /// Sends an anchor, as the reference's `halo anchor --remote` does.
    ///
    /// # Errors
    /// The witness could not be asked.
    pub fn anchor(&mut self, json: Vec<u8>, key: Option<&HeaderValue>) -> Result<Received, ClientError> {
        self.exchange(&Said { path: "/anchor", body: Some((JSON, json)), key })
    }

    /// The anchors of a chain, by a query of `GET /v1/checkpoints`.
    ///
    /// # Errors
    /// The witness could not be asked.
    pub fn anchors(&mut self, query: &str, key: Option<&HeaderValue>) -> Result<Received, ClientError> {
        self.exchange(&Said { path: &format!("/v1/checkpoints?{query}"), body: None, key })
    }

    /// Once more at once where the connection was an old one and turns out to be closed: a request that was answered before
    /// is answered again.
    fn exchange(&mut self, said: &Said<'_>) -> Result<Received, ClientError> {
        let reused = self.connection.is_some();
        match self.attempt(said) {
            Err(ClientError::Broken { .. }) if reused => self.attempt(said),
            ended => ended,
        }
    }

    fn attempt(&mut self, said: &Said<'_>) -> Result<Received, ClientError> {
        let address = || self.way.target.to_string();
        let uri = format!("{}{}", self.way.target.path, said.path);
        let uri: Uri =
            uri.parse().map_err(|_| ClientError::Setup { address: address(), what: "its path".into() })?;
        let (method, bytes) = match &said.body {
            Some((_, bytes)) => (Method::POST, Bytes::from(bytes.clone())),
            None => (Method::GET, Bytes::new()),
        };
        let length = bytes.len();
        let mut request = Request::new(Full::new(bytes));
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        let headers = request.headers_mut();
        headers.insert(HOST, self.way.host.clone());
        headers.insert(USER_AGENT, AGENT);
        if let Some(key) = said.key {
            headers.insert(AUTHORIZATION, key.clone());
        }
        if let Some((kind, _)) = said.body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let (within, open) = (self.timeout, self.connection.take());
        let Some(runtime) = &self.runtime else {
            return Err(ClientError::Setup { address: address(), what: "it is closed".into() });
        };
        let talk = converse(&self.way, open, request, self.most);
        let ended = runtime.block_on(async { tokio::time::timeout(within, talk).await });
        let (received, connection) =
            ended.unwrap_or_else(|_| Err(ClientError::Late { address: address(), within }))?;
        self.connection = Some(connection);
        Ok(received)
    }
}

/// The name server may hang, and nobody waits for that.
impl Drop for Client {
    fn drop(&mut self) {
        self.connection = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One request and its answer, on an open connection or on a new one.
async fn converse(
    way: &Way,
    open: Option<SendRequest<Full<Bytes>>>,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<(Received, SendRequest<Full<Bytes>>), ClientError> {
    let address = || way.target.to_string();
    let broken = |what: String| ClientError::Broken { address: address(), what };
    let mut connection = match open {
        Some(open) => open,
        None => way
            .connect()
            .await
            .map_err(|error| ClientError::Unreachable { address: address(), what: error.to_string() })?,
    };
    connection.ready().await.map_err(|error| broken(error.to_string()))?;
    let response = connection.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut received = Received {
        status: response.status().as_u16(),
        content_type: content_type.map(str::to_owned),
        retry_after: retry_after(response.headers(), clock::now()),
        body: Vec::new(),
    };
    match Limited::new(response.into_body(), most).collect().await {
        Ok(body) => received.body = body.to_bytes().to_vec(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(ClientError::TooLarge { address: address(), most });
        }
        Err(error) => return Err(broken(error.to_string())),
    }
    Ok((received, connection))
}
