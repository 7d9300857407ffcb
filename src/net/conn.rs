//! One connection: HTTP/1.1, or HTTP/2 by prior knowledge, until its peer leaves or halod drains.

use super::answer::Reply;
use super::connections::Broken;
use super::limits::Limits;
use super::socket::Stream;
use super::tls::HANDSHAKE;
use super::windows::Window;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// An HTTP/2 peer that is silent this long is asked whether it lives, and given this long to say.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// The HTTP/2 preface: when so much has come, the protocol is known and its own timeouts apply.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// hyper refuses smaller HTTP/1 buffers.
const SMALLEST_BUFFER: usize = 8 << 10;

pub(super) type Builder = auto::Builder<TokioExecutor>;

/// The settings of every connection behind one door, but for its window.
pub(super) fn builder(limits: &Limits, window: u32) -> Builder {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.headers.max(SMALLEST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams)
        .initial_stream_window_size(window)
        .initial_connection_window_size(window)
        .max_header_list_size(u32::try_from(limits.headers).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}

/// Serves one connection to its end; its first request has to begin by `deadline`. When `drain` turns true, requests in flight are finished, no
/// new ones are taken (HTTP/2: GOAWAY; HTTP/1: `connection: close`), and the connection is closed.
pub(super) async fn serve<S>(
    (stream, window): (Stream, Option<Window>),
    builder: &Builder,
    service: S,
    deadline: Instant,
    mut drain: watch::Receiver<bool>,
) -> std::result::Result<(), Broken>
where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let why = Arc::<OnceLock<Broken>>::default();
    let io = TokioIo::new(FirstBytes::new(stream, window, deadline, Arc::clone(&why)));
    let mut connection = pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drained(&mut drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(|error| {
        // Peers that vanish or speak nonsense are everyday matters; the receivers count what
        // reached them.
        tracing::debug!(%error, "connection ended");
        why.get().copied().unwrap_or(Broken::Other)
    })
}

/// Returns when `drain` is true, or when its sender is gone and nobody is left to serve for.
pub(super) async fn drained(drain: &mut watch::Receiver<bool>) {
    let _ = drain.wait_for(|&draining| draining).await;
}

/// The stream, with a deadline on the first bytes: before they have come, no protocol is chosen
/// and neither protocol's timeouts run.
struct FirstBytes {
    stream: Stream,
    seen: usize,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Given back when this turns out not to be HTTP/2.
    window: Option<Window>,
    /// Set where the first bytes tell why this comes to nothing.
    why: Arc<OnceLock<Broken>>,
}

impl FirstBytes {
    fn new(stream: Stream, window: Option<Window>, deadline: Instant, why: Arc<OnceLock<Broken>>) -> Self {
        let deadline = Some(Box::pin(sleep_until(deadline)));
        Self { stream, seen: 0, deadline, window, why }
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        let Some(deadline) = &mut this.deadline else {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        };
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let new = buf.filled().get(before..).unwrap_or_default();
        if !PREFACE.get(this.seen..).unwrap_or_default().iter().zip(new).all(|(one, other)| one == other) {
            this.window = None;
        }
        if this.seen == 0 && new.first() == Some(&HANDSHAKE) {
            let _ = this.why.set(Broken::Tls);
        }
        this.seen += new.len();
        if read.is_pending() && deadline.as_mut().poll(cx).is_ready() {
            let _ = this.why.set(Broken::Timeout);
            return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "no request came")));
        }
        if this.seen >= PREFACE.len() {
            this.deadline = None;
        }
        read
    }
}

impl AsyncWrite for FirstBytes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
