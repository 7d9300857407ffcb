//! A unary gRPC client over hyper, blocking at the outside. Frames by hand, so that tests can send
//! what no library would.

use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

pub const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// One HTTP/2 connection.
pub struct Grpc {
    runtime: Runtime,
    send: SendRequest<Full<Bytes>>,
}

#[derive(Debug)]
pub struct Answer {
    /// `google.rpc.Code`; from the trailers, or from the headers of a trailers-only answer.
    pub code: i32,
    pub message: String,
    /// `google.rpc.Status` of an error.
    pub details: Vec<u8>,
    /// The one message, without its frame; empty with an error.
    pub body: Vec<u8>,
    /// The initial metadata.
    pub headers: http::HeaderMap,
}

impl Grpc {
    pub fn connect(to: SocketAddr) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let send = runtime.block_on(async {
            let stream = TcpStream::connect(to).await.map_err(|e| e.to_string())?;
            stream.set_nodelay(true).map_err(|e| e.to_string())?;
            let (send, connection) =
                handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
            tokio::spawn(connection);
            Ok::<_, String>(send)
        })?;
        Ok(Self { runtime, send })
    }

    /// Sends one message, uncompressed.
    pub fn export(&mut self, message: &[u8]) -> Result<Answer, String> {
        self.send(EXPORT, &[], &frame(0, message))
    }

    /// Sends `body` as it is: the frame is the caller's.
    pub fn send(&mut self, path: &str, metadata: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let mut request = http::Request::post(format!("http://halod{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in metadata {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).map_err(|e| e.to_string())?;
        let send = &mut self.send;
        self.runtime.block_on(async {
            let exchange = async {
                send.ready().await.map_err(|e| e.to_string())?;
                let response = send.send_request(request).await.map_err(|e| e.to_string())?;
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(|e| e.to_string())?;
                let trailers = body.trailers().cloned().unwrap_or_default();
                let status = |name: &str| {
                    let value = trailers.get(name).or_else(|| head.headers.get(name));
                    value.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                };
                let code = status("grpc-status").ok_or(format!("no grpc-status; HTTP {}", head.status))?;
                Ok(Answer {
                    code: code.parse().map_err(|_| format!("grpc-status {code:?}"))?,
                    message: status("grpc-message").unwrap_or_default(),
                    details: status("grpc-status-details-bin")
                        .and_then(|text| BASE64_NOPAD.decode(text.as_bytes()).ok())
                        .unwrap_or_default(),
                    body: body.to_bytes().get(5..).unwrap_or_default().to_vec(),
                    headers: head.headers,
                })
            };
            tokio::time::timeout(Duration::from_secs(60), exchange)
                .await
                .map_err(|_| "no answer".to_owned())?
        })
    }
}

/// The gRPC length-prefixed message; `flag` 1 says compressed.
pub fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![flag];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}
