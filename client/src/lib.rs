//! A client of the native door: records of an application's own, sealed by a halod.
//!
//! ```no_run
//! use halod_client::{Client, Fate};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), halod_client::ClientError> {
//! let halod = Client::new("http://127.0.0.1:4318")?;
//! let receipt = halod.record(&[json!({
//!     "key": "order-77/refund", // stays the same when it is sent again
//!     "subject": "acme-corp",
//!     "action": {"type": "write", "category": "safety", "tool": "issue_refund", "input": {"order": 77}},
//!     "outcome": {"value": {"refund": "r-1"}},
//! })])?;
//! assert!(receipt.results.iter().all(|result| result.fate != Fate::Rejected));
//! # Ok(())
//! # }
//! ```
//!
//! `halod_record::native` and `proto/halo/ingest/v1/record.proto` say what a record may hold. A call
//! returns when everything that could be taken is on disk. While halod is away or asks to wait, it sends again: keys make that safe.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderValue, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// How long a call goes on by default while halod takes nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two tries, where halod doesn't say.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends records to one halod. Each call is a connection of its own.
#[derive(Clone)]
pub struct Client {
    /// `host:port`
    address: String,
    token: Option<String>,
    patience: Duration,
}

/// Why nothing, or not everything, of a call is sealed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the endpoint must be like http://127.0.0.1:4318")]
    Endpoint,
    /// Nothing was sent. The token is not repeated.
    #[error(
        "the token can't be sent: character {at} of {length} is a line break, or another one that no header may \
         hold; take it out (a file often ends in a line break that is no part of the token in it)"
    )]
    Token { at: usize, length: usize },
    /// For good: the same again would be refused again.
    #[error("halod refused the request with status {status}: {answer}")]
    Refused { status: u16, answer: String },
    /// Nothing is known of the records; they may be sent again.
    #[error("halod took nothing for {} s: {why}", .waited.as_secs())]
    Unavailable { waited: Duration, why: String },
    #[error("what answered is not halod: {0}")]
    Answer(String),
}

/// What became of the records of a call, and where that leaves the chains.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// One for each record, in their order.
    pub results: Vec<Outcome>,
    /// The head of every chain that was touched. Keep them: a chain that still has this hash at this place was
    /// not changed since.
    pub heads: Vec<Head>,
    /// The file of the signed receipt, where halod gives one (`checkpoint.receipts`). Keep it as it is: with it, `halod check
    /// --receipt FILE` shows if a record was left out.
    pub receipt: Option<String>,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    #[serde(rename = "status")]
    pub fate: Fate,
    /// The id of the record that says it; none when it was rejected.
    pub record_id: Option<String>,
    /// Where that says something else than the first record of the key: the first one's id.
    pub conflicts_with: Option<String>,
    /// Why it was rejected.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    Sealed,
    /// Was sealed before.
    Duplicate,
    /// Sealed beside an earlier record of the same key that says something else.
    Conflict,
    /// Never sealed as it is.
    Rejected,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FieldError {
    /// `records[3].action.type`
    pub field: String,
    pub message: String,
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// None for the chain of records without a subject.
    pub subject: Option<String>,
    /// Of the last record, in hex.
    pub hash: String,
    /// How many the chain has.
    pub records: u64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

/// One answer, as it came.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Client {
    /// A client of the halod at `endpoint`, its HTTP door: `http://host:port`.
    ///
    /// # Errors
    /// It is no such address.
    pub fn new(endpoint: &str) -> Result<Self, ClientError> {
        let uri = Uri::from_str(endpoint).map_err(|_| ClientError::Endpoint)?;
        let authority = uri.authority().ok_or(ClientError::Endpoint)?;
        let plain =
            uri.scheme_str() == Some("http") && uri.path() == "/" && !authority.as_str().contains('@');
        if !plain {
            return Err(ClientError::Endpoint);
        }
        let port = authority.port_u16().unwrap_or(80);
        let address = format!("{}:{port}", authority.host());
        Ok(Self { address, token: None, patience: PATIENCE })
    }

    /// Sends this bearer token with every call. One that no header may hold is an error of each call.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How long a call goes on while halod takes nothing; half a minute unless told otherwise.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Has records sealed; returns when they are on disk. Blocks: not for asynchronous code.
    ///
    /// # Errors
    /// See [`ClientError`]. A record that is wrong by itself is no error of the call: see its result.
    pub fn record(&self, records: &[Value]) -> Result<Receipt, ClientError> {
        let authorization = self.authorization()?;
        let body = body(records);
        let started = Instant::now();
        loop {
            let left = self.patience.saturating_sub(started.elapsed()).max(PAUSE);
            match self.settle(self.post(&body, authorization.as_ref(), left), started) {
                Ok(settled) => return settled,
                Err(wait) => std::thread::sleep(wait),
            }
        }
    }

    /// The same for asynchronous code, on a tokio runtime.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub async fn record_async(&self, records: &[Value]) -> Result<Receipt, ClientError> {
        let authorization = self.authorization()?;
        let body = Bytes::from(body(records));
        let started = Instant::now();
        loop {
            let left = self.patience.saturating_sub(started.elapsed()).max(PAUSE);
            let post = self.post_async(body.clone(), authorization.clone());
            let answer = match tokio::time::timeout(left, post).await {
                Ok(answer) => answer,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            match self.settle(answer, started) {
                Ok(settled) => return settled,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// What a try came to, or how long to wait before the next.
    fn settle(
        &self,
        answer: io::Result<Answer>,
        started: Instant,
    ) -> Result<Result<Receipt, ClientError>, Duration> {
        let (wait, why) = match answer {
            Ok(Answer { status: 503, retry_after, body }) => {
                (retry_after.unwrap_or(PAUSE), String::from_utf8_lossy(&body).into_owned())
            }
            Ok(Answer { status, body, .. }) => return Ok(read(status, &body)),
            Err(error) => (PAUSE, error.to_string()),
        };
        let waited = started.elapsed();
        if waited + wait > self.patience {
            return Ok(Err(ClientError::Unavailable { waited, why }));
        }
        Err(wait)
    }

    /// The header's value, if there is a token: without it a halod that wants none would take the records
    /// for anybody's.
    fn authorization(&self) -> Result<Option<HeaderValue>, ClientError> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            let unfit = |c: char| c.is_ascii_control() && c != '\t';
            let length = token.chars().count();
            ClientError::Token { at: token.chars().position(unfit).map_or(length, |at| at + 1), length }
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn post(
        &self,
        body: &[u8],
        authorization: Option<&HeaderValue>,
        timeout: Duration,
    ) -> io::Result<Answer> {
        let mut stream = self.connect(timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        // By HTTP/1.0 the answer ends with the connection.
        let mut head = format!(
            "POST /v1/records HTTP/1.0\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        if let Some(authorization) = authorization {
            head.extend_from_slice(b"authorization: ");
            head.extend_from_slice(authorization.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        // An answer may come before the body is written; then that counts.
        let sent = stream.write_all(&head).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let got = stream.take(MAX_ANSWER as u64).read_to_end(&mut answer);
        parse(&answer).ok_or_else(|| {
            sent.err().or(got.err()).unwrap_or_else(|| io::Error::other("the answer is not HTTP, or cut off"))
        })
    }

    fn connect(&self, timeout: Duration) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the host has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn post_async(&self, body: Bytes, authorization: Option<HeaderValue>) -> io::Result<Answer> {
        let stream = tokio::net::TcpStream::connect(&self.address).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let mut request = http::Request::post("/v1/records")
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?));
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(io::Error::other)?;
        Ok(Answer { status: head.status.as_u16(), retry_after, body: body.to_bytes().into() })
    }
}

fn body(records: &[Value]) -> Vec<u8> {
    let mut body = vec![b'['];
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record.to_string().as_bytes());
    }
    body.push(b']');
    body
}

/// An answer other than "come back": a receipt also where all records were rejected.
fn read(status: u16, body: &[u8]) -> Result<Receipt, ClientError> {
    let receipt = serde_json::from_slice(body);
    match (status, receipt) {
        (200 | 207 | 400, Ok(receipt)) => Ok(receipt),
        (200..=299, Err(error)) => Err(ClientError::Answer(error.to_string())),
        _ => {
            let answer = String::from_utf8_lossy(body).chars().take(1000).collect();
            Err(ClientError::Refused { status, answer })
        }
    }
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let body = answer.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let (mut retry_after, mut length) = (None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("retry-after") {
            retry_after = seconds(value.trim());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        }
    }
    // Cut off: nothing is known.
    (length.is_none_or(|length| length == body.len())).then(|| Answer {
        status,
        retry_after,
        body: body.to_vec(),
    })
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked() {
        for (endpoint, address) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318"),
            ("http://[::1]:1/", "[::1]:1"),
            ("http://halod", "halod:80"),
        ] {
            assert_eq!(Client::new(endpoint).unwrap().address, address);
        }
        for endpoint in
            ["", "127.0.0.1:4318", "https://halod:1", "http://u:p@halod:1", "http://halod:1/v1/records"]
        {
            assert!(matches!(Client::new(endpoint), Err(ClientError::Endpoint)), "{endpoint}");
        }
        let client = Client::new("http://halod:1").unwrap().with_token("hunter2");
        assert!(!format!("{client:?}").contains("hunter2"));
    }

    /// No request may go out without the token, and the call must not wait for an answer.
    #[tokio::test]
    async fn a_token_that_no_header_holds_is_an_error_that_does_not_show_it() {
        for (token, at, length) in
            [("hunter2\n", 8, 8), ("hunter2\r\n", 8, 9), ("hun\nter2", 4, 8), ("h\0", 2, 2), ("\u{7f}", 1, 1)]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let client = Client::new(&endpoint).unwrap().with_token(token);
            for error in [client.record(&[]).unwrap_err(), client.record_async(&[]).await.unwrap_err()] {
                assert!(
                    matches!(error, ClientError::Token { at: a, length: l } if (a, l) == (at, length)),
                    "{error:?}"
                );
                let text = format!("{error} {error:?}");
                assert!(text.contains("line break") && !text.contains("hun"), "{text}");
            }
            assert!(listener.accept().is_err(), "nothing was sent");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let whole = b"HTTP/1.0 503 x\r\nRetry-After: 7\r\ncontent-length: 2\r\n\r\n{}";
        let answer = parse(whole).unwrap();
        assert_eq!(
            (answer.status, answer.retry_after, &*answer.body),
            (503, Some(Duration::from_secs(7)), &b"{}"[..])
        );
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn rejected_records_are_a_receipt_and_a_broken_request_is_not() {
        let body = br#"{"heads":[],"results":[{"status":"rejected","errors":[{"field":"records[0].key","message":"m"}]}]}"#;
        let receipt = read(400, body).unwrap();
        assert_eq!(receipt.results[0].fate, Fate::Rejected);
        assert!(matches!(read(400, br#"{"code":3}"#), Err(ClientError::Refused { status: 400, .. })));
        assert!(matches!(read(200, b"<html>"), Err(ClientError::Answer(_))));
    }

    #[test]
    fn patience_ends() {
        // Nothing listens there: the port was just given back.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client::new(&format!("http://{free}")).unwrap().with_patience(Duration::ZERO);
        assert!(matches!(client.record(&[]), Err(ClientError::Unavailable { .. })));
    }
}
