//! Requests as they are on the wire, and what comes back: HTTP/1.1 written by hand, HTTP/2 by
//! hyper, gRPC framed here. No SDK is between the table and the socket.

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::Value;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// What an exchange may take. Longer than any timeout of halod's own.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub type Outcome<T> = Result<T, String>;

/// A gRPC call; the body is framed already.
pub struct Call {
    pub path: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// An HTTP request.
pub struct Post {
    pub method: &'static str,
    pub path: &'static str,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
    pub chunked: bool,
    /// HTTP/2 by prior knowledge.
    pub h2: bool,
}

pub const PROTOBUF: &str = "application/x-protobuf";
pub const JSON: &str = "application/json";

impl Post {
    pub fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.as_bytes().to_vec())];
        Self { method: "POST", path: "/v1/traces", headers, body: body.into(), chunked: false, h2: false }
    }

    pub fn to(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub fn h2(mut self) -> Self {
        self.h2 = true;
        self
    }

    /// The encoding that errors should have, where the request says one.
    pub fn form(&self) -> Option<&'static str> {
        let sent = &self.headers.iter().find(|(name, _)| *name == "content-type")?.1;
        let sent = String::from_utf8_lossy(sent).to_ascii_lowercase();
        [PROTOBUF, JSON].into_iter().find(|form| sent.split(';').next().unwrap().trim() == *form)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: otlp\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if self.chunked {
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(64 << 10) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub status: u16,
    /// Names in lower case; trailers after the headers.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// `google.rpc.Status`, as far as the table looks.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Detail {
    #[prost(string, tag = "1")]
    pub type_url: String,
}

impl Status {
    pub fn has(&self, detail: &str) -> bool {
        self.details.iter().any(|d| d.type_url.ends_with(&format!("google.rpc.{detail}")))
    }
}

/// `Export*ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    #[prost(message, optional, tag = "1")]
    pub partial: Option<Partial>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Partial {
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    #[prost(string, tag = "2")]
    pub message: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// In a few words, for the table.
    pub fn summary(&self) -> String {
        let code = self.header("grpc-status").map(|code| format!(" grpc {code}")).unwrap_or_default();
        let said = match self.header("grpc-message") {
            Some(said) => said.to_owned(),
            None => String::from_utf8_lossy(&self.body).chars().filter(|c| !c.is_control()).collect(),
        };
        let said: String = said.chars().take(110).collect();
        let form = self.header("content-type").unwrap_or("no content type");
        format!("HTTP {}{code}, {form}, {} bytes: {said}", self.status, self.body.len())
    }

    pub fn code(&self) -> Outcome<i32> {
        let code = self.header("grpc-status").ok_or_else(|| format!("no grpc-status: {}", self.summary()))?;
        code.parse().map_err(|_| format!("grpc-status {code:?}"))
    }

    /// The status that a gRPC error carries beside its code; the code alone where it carries none.
    pub fn grpc_status(&self) -> Outcome<Status> {
        match self.header("grpc-status-details-bin") {
            Some(text) => {
                Status::decode(&*unbase64(text)).map_err(|e| format!("grpc-status-details-bin: {e}"))
            }
            None => Ok(Status { code: self.code()?, ..Status::default() }),
        }
    }

    /// The status in the body of an HTTP error.
    pub fn http_status(&self, form: Option<&str>) -> Outcome<Status> {
        let said = self.header("content-type").unwrap_or_default().to_owned();
        if form.is_some_and(|form| form != said) {
            return Err(format!("the error is in {said:?}: {}", self.summary()));
        }
        if said == PROTOBUF {
            return Status::decode(&*self.body).map_err(|e| format!("no Status: {e}"));
        }
        let body: Value = serde_json::from_slice(&self.body).map_err(|e| format!("no Status: {e}"))?;
        let details = body["details"].as_array().cloned().unwrap_or_default();
        let detail = |d: &Value| Detail { type_url: d["@type"].as_str().unwrap_or_default().to_owned() };
        Ok(Status {
            code: i32::try_from(body["code"].as_i64().unwrap_or(-1)).unwrap_or(-1),
            message: body["message"].as_str().unwrap_or_default().to_owned(),
            details: details.iter().map(detail).collect(),
        })
    }

    /// The response message of a gRPC success, its frame checked.
    pub fn grpc_message(&self) -> Outcome<&[u8]> {
        let [0, a, b, c, d, message @ ..] = self.body.as_slice() else {
            return Err(format!("no frame: {:?}", self.body));
        };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if length == message.len() {
            Ok(message)
        } else {
            Err(format!("a frame of {length}: {:?}", self.body))
        }
    }

    /// What was not taken of a request, by the answer of either protocol.
    pub fn partial(&self) -> Outcome<Partial> {
        if self.header("grpc-status").is_some() {
            let response = Response::decode(self.grpc_message()?).map_err(|e| e.to_string())?;
            return Ok(response.partial.unwrap_or_default());
        }
        if self.header("content-type") == Some(PROTOBUF) {
            let response = Response::decode(&*self.body).map_err(|e| e.to_string())?;
            return Ok(response.partial.unwrap_or_default());
        }
        let body: Value =
            serde_json::from_slice(&self.body).map_err(|e| format!("{e}: {}", self.summary()))?;
        let partial = &body["partialSuccess"];
        let rejected = ["rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"]
            .iter()
            .find_map(|name| partial[name].as_str().and_then(|n| n.parse().ok()).or(partial[name].as_i64()));
        let message = partial["errorMessage"].as_str().unwrap_or_default().to_owned();
        Ok(Partial { rejected: rejected.unwrap_or(0), message })
    }
}

/// Sends an HTTP/1.1 request, byte for byte, and reads one answer.
pub fn http1(to: SocketAddr, request: &[u8]) -> Outcome<Seen> {
    let mut wire = Wire::connect(to)?;
    let sent = wire.write(request);
    // A refusal may come before the body is read; the answer counts, not the broken pipe.
    match (wire.answer(), sent) {
        (Ok(seen), _) => Ok(seen),
        (Err(_), Err(e)) | (Err(e), Ok(())) => Err(e),
    }
}

/// A plain connection.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub fn connect(to: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).map_err(|e| format!("connect: {e}"))?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Ok(Self { stream, read: Vec::new() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.stream.write_all(bytes).map_err(|e| format!("write: {e}"))
    }

    /// Reads until `done` of what has come, or the peer closes.
    pub fn read_until(&mut self, mut done: impl FnMut(&[u8]) -> bool) -> Outcome<&[u8]> {
        let mut piece = [0; 16 << 10];
        while !done(&self.read) {
            match self.stream.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => self.read.extend_from_slice(&piece[..n]),
                Err(e) => return Err(format!("read: {e}")),
            }
        }
        Ok(&self.read)
    }

    /// Everything until the peer closes; an error when it does not.
    pub fn read_to_end(&mut self) -> Outcome<&[u8]> {
        self.read_until(|_| false)
    }

    /// The next answer with its body; "100 Continue" is an answer of its own.
    pub fn answer(&mut self) -> Outcome<Seen> {
        let head_end = |bytes: &[u8]| bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        let end = head_end(self.read_until(|bytes| head_end(bytes).is_some())?)
            .ok_or("closed without an answer")?;
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
        let mut seen = Seen { status: status.ok_or(format!("not HTTP: {head:?}"))?, ..Seen::default() };
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(format!("not a header: {line:?}"))?;
            seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if let Some(length) = seen.header("content-length").map(str::parse::<usize>) {
            let length = length.map_err(|e| format!("content-length: {e}"))?;
            self.read_until(|bytes| bytes.len() >= length)?;
            if self.read.len() < length {
                return Err("closed within the body".into());
            }
            seen.body = self.read.drain(..length).collect();
        } else if seen.header("transfer-encoding").is_some() {
            self.read_until(|bytes| bytes.ends_with(b"0\r\n\r\n"))?;
            seen.body = unchunk(&std::mem::take(&mut self.read))?;
        }
        Ok(seen)
    }
}

fn unchunk(mut bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|w| w == b"\r\n").ok_or("a chunk without a size")?;
        let size = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|e| format!("chunk size: {e}"))?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(bytes.get(end + 2..end + 2 + size).ok_or("a chunk is cut")?);
        bytes = bytes.get(end + 4 + size..).ok_or("a chunk is cut")?;
    }
}

/// A body that is sent as it is fed, and ends when its feeder is dropped.
pub struct Fed(mpsc::UnboundedReceiver<Bytes>);

pub type Feeder = mpsc::UnboundedSender<Bytes>;

pub fn fed() -> (Feeder, Fed) {
    let (feeder, receiver) = mpsc::unbounded_channel();
    (feeder, Fed(receiver))
}

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

pub type Sending = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// One HTTP/2 connection.
pub struct H2 {
    send: SendRequest<Sending>,
    pub connection: tokio::task::JoinHandle<()>,
}

impl H2 {
    pub async fn tcp(to: SocketAddr) -> Outcome<Self> {
        let stream = tokio::net::TcpStream::connect(to).await.map_err(|e| format!("connect: {e}"))?;
        Self::over(stream).await
    }

    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Outcome<Self> {
        let (send, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|e| format!("handshake: {e}"))?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send, connection })
    }

    /// Sends the request; the answer is the future's.
    pub async fn begin(
        &mut self,
        request: http::Request<Sending>,
    ) -> Outcome<impl Future<Output = Outcome<Seen>> + Send + use<>> {
        self.send.ready().await.map_err(|e| format!("connection: {e}"))?;
        let response = self.send.send_request(request);
        Ok(async move {
            let (head, body) = response.await.map_err(|e| format!("no answer: {e:?}"))?.into_parts();
            let body = body.collect().await.map_err(|e| format!("answer broken off: {e:?}"))?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            let headers = head.headers.iter().chain(trailers.iter()).map(text).collect();
            Ok(Seen { status: head.status.as_u16(), headers, body: body.to_bytes().to_vec() })
        })
    }

    pub async fn exchange(&mut self, request: http::Request<Sending>) -> Outcome<Seen> {
        let answer = self.begin(request).await?;
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| "no answer in time".to_owned())?
    }
}

pub fn whole(body: impl Into<Bytes>) -> Sending {
    BodyExt::boxed(Full::new(body.into()))
}

pub fn grpc_request(path: &str, headers: &[(&'static str, String)], body: Sending) -> http::Request<Sending> {
    let mut request = http::Request::post(format!("http://otlp{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(body).unwrap()
}

pub fn h2_request(post: &Post) -> http::Request<Sending> {
    let mut request = http::Request::builder().method(post.method).uri(format!("http://otlp{}", post.path));
    for (name, value) in &post.headers {
        request = request.header(*name, value.as_slice());
    }
    request.body(whole(post.body.clone())).unwrap()
}

fn unbase64(text: &str) -> Vec<u8> {
    data_encoding::BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).unwrap()
}
