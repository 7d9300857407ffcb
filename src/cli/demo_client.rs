//! The least OTLP/gRPC client: one unary call over HTTP/2, for the demo.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One agent's export, and the tenant its request names.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) tenant: &'static str,
    pub(super) body: &'static [u8],
}

/// Sends it and waits for the answer. Returns how long that took, without connecting.
pub(super) fn send(to: SocketAddr, export: &Export) -> io::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(call(to, export)).map_err(|error| io::Error::other(error.to_string()))
}

async fn call(to: SocketAddr, export: &Export) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    // A message is prefixed with "not compressed" and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
    let mut framed = BytesMut::with_capacity(export.body.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(export.body.len())?);
    framed.put_slice(export.body);
    let request = http::Request::post(format!(
        "http://{to}/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("x-tenant-id", export.tenant)
    .body(Full::<Bytes>::new(framed.freeze()))?;
    let start = Instant::now();
    let response = sender.send_request(request).await?;
    let status = |headers: &http::HeaderMap| headers.get("grpc-status").map(|value| value.as_bytes() == b"0");
    let early = status(response.headers());
    let body = response.into_body().collect().await?;
    match early.or_else(|| body.trailers().and_then(status)) {
        Some(true) => Ok(start.elapsed()),
        _ => Err("the export was refused".into()),
    }
}
