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
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};

/// For one exchange, from connecting to the end of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

const AGENT: HeaderValue = HeaderValue::from_static(concat!("halod/", env!("CARGO_PKG_VERSION")));

/// A client of one witness. It keeps its connection from one exchange to the next, as the specification wants.
pub struct Client {
    way: Way,
    timeout: Duration,
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
    #[error("the witness at {address} answers with more than {MAX_BYTES} bytes")]
    TooLarge { address: String },
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
        Ok(Self { way, timeout: TIMEOUT, runtime, connection: None })
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
            let received = self.exchange(Method::POST, "/add-checkpoint", body.into())?;
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
        self.exchange(Method::GET, &path, Bytes::new())
    }

    /// Once more at once where the connection was an old one and turns out to be closed: a request that was answered before
    /// is answered again.
    fn exchange(&mut self, method: Method, path: &str, body: Bytes) -> Result<Received, ClientError> {
        let reused = self.connection.is_some();
        match self.attempt(&method, path, body.clone()) {
            Err(ClientError::Broken { .. }) if reused => self.attempt(&method, path, body),
            ended => ended,
        }
    }

    fn attempt(&mut self, method: &Method, path: &str, body: Bytes) -> Result<Received, ClientError> {
        let address = || self.way.target.to_string();
        let uri = format!("{}{path}", self.way.target.path);
        let uri: Uri =
            uri.parse().map_err(|_| ClientError::Setup { address: address(), what: "its path".into() })?;
        let mut request = Request::new(Full::new(body.clone()));
        (*request.method_mut(), *request.uri_mut()) = (method.clone(), uri);
        let headers = request.headers_mut();
        headers.insert(HOST, self.way.host.clone());
        headers.insert(USER_AGENT, AGENT);
        if *method == Method::POST {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        let (within, open) = (self.timeout, self.connection.take());
        let Some(runtime) = &self.runtime else {
            return Err(ClientError::Setup { address: address(), what: "it is closed".into() });
        };
        let ended = runtime
            .block_on(async { tokio::time::timeout(within, converse(&self.way, open, request)).await });
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
    match Limited::new(response.into_body(), MAX_BYTES).collect().await {
        Ok(body) => received.body = body.to_bytes().to_vec(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(ClientError::TooLarge { address: address() });
        }
        Err(error) => return Err(broken(error.to_string())),
    }
    Ok((received, connection))
}
