//! One connection: HTTP/1.1, or HTTP/2 by prior knowledge, until its peer leaves or halod drains.

use super::connections::{Broken, Closed};
use super::frames::Frames;
use super::life::Life;
use super::limits::Limits;
use super::peer::Counted;
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
use std::hash::{BuildHasher, RandomState};
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

/// How long a connection that is closed may be without a request until what is left of it is cut off: for the
/// answers that are on their way, and for the last requests of who has not heard yet (RFC 9113, section 6.8).
const LAST: Duration = Duration::from_secs(1);

/// The same where another connection waits for its place.
const HURRIED: Duration = Duration::from_millis(20);

/// Why a connection ended, but for its peer that closed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Broken(Broken),
    Closed(Closed),
}

/// What a connection is served with.
pub(super) struct Serving<'a> {
    pub(super) builder: &'a Builder,
    pub(super) limits: &'a Limits,
    pub(super) life: &'a Life,
    /// When its first request must have begun.
    pub(super) deadline: Instant,
    pub(super) drain: watch::Receiver<bool>,
}

impl Serving<'_> {
    /// Serves one connection to its end, and says why it ended. When halod closes it, requests in flight are finished,
    /// no new ones are taken (HTTP/2: GOAWAY; HTTP/1: `connection: close`).
    pub(super) async fn serve<S>(
        mut self,
        (stream, window): (Stream, Option<Window>),
        service: S,
    ) -> Option<Ending>
    where
        S: Service<Request<Incoming>, Response = Response<Counted>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let why = Arc::<OnceLock<Ending>>::default();
        let io = TokioIo::new(FirstBytes::new(stream, window, self.deadline, Arc::clone(&why)));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let closed = tokio::select! {
            ended = connection.as_mut() => {
                // Peers that vanish or speak nonsense are everyday matters; the receivers count what reached them.
                let error = ended.err()?;
                tracing::debug!(%error, "connection ended");
                return Some(why.get().copied().unwrap_or(Ending::Broken(Broken::Other)));
            }
            closed = self.closed() => closed,
        };
        connection.as_mut().graceful_shutdown();
        let rest = if matches!(closed, Closed::Full | Closed::Address) { HURRIED } else { LAST };
        let grace = if closed == Closed::Age { Some(self.limits.age_grace) } else { None };
        tokio::select! {
            _ = connection => {}
            () = self.life.rest_for(rest) => {}
            () = after(grace) => {}
        }
        Some(Ending::Closed(closed))
    }

    /// Returns when halod has to close the connection.
    async fn closed(&mut self) -> Closed {
        let Self { limits, life, drain, .. } = self;
        let idle = async {
            match limits.idle_timeout {
                Some(wait) => life.idle_for(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = drained(drain) => Closed::Draining,
            why = life.eviction() => why,
            () = idle => Closed::Idle,
            () = after(limits.max_age.map(around)) => Closed::Age,
        }
    }
}

/// A tenth more or less, so that connections that came together do not go together.
fn around(age: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) % 201).unwrap_or(0);
    age.mul_f64(0.9 + f64::from(random) / 1000.0)
}

/// Returns after so long, or never.
async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Returns when `drain` is true, or when its sender is gone and nobody is left to serve for.
pub(super) async fn drained(drain: &mut watch::Receiver<bool>) {
    let _ = drain.wait_for(|&draining| draining).await;
}

/// The stream, with a deadline on the first bytes: before they have come, no protocol is chosen
/// and neither protocol's timeouts run. After them the frames of HTTP/2 are counted.
struct FirstBytes {
    stream: Stream,
    seen: usize,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Given back when this turns out not to be HTTP/2.
    window: Option<Window>,
    /// There as long as this may be HTTP/2.
    frames: Option<Box<Frames>>,
    /// Set where the bytes tell why this comes to an end.
    why: Arc<OnceLock<Ending>>,
}

impl FirstBytes {
    fn new(stream: Stream, window: Option<Window>, deadline: Instant, why: Arc<OnceLock<Ending>>) -> Self {
        let deadline = Some(Box::pin(sleep_until(deadline)));
        Self { stream, seen: 0, deadline, window, frames: Some(Box::new(Frames::new())), why }
    }

    /// Looks at what came. Returns how much of it stands before the first frame.
    fn look(&mut self, new: &[u8]) -> usize {
        if self.deadline.is_none() {
            return 0;
        }
        let rest = PREFACE.get(self.seen..).unwrap_or_default();
        if !rest.iter().zip(new).all(|(one, other)| one == other) {
            (self.window, self.frames) = (None, None);
        }
        if self.seen == 0 && new.first() == Some(&HANDSHAKE) {
            let _ = self.why.set(Ending::Broken(Broken::Tls));
        }
        self.seen += new.len();
        if self.seen >= PREFACE.len() {
            self.deadline = None;
        }
        rest.len().min(new.len())
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let new = buf.filled().get(before..).unwrap_or_default();
        let begin = this.look(new);
        if let Some(frames) = &mut this.frames
            && let Err(flood) = frames.pass(new.get(begin..).unwrap_or_default())
        {
            let _ = this.why.set(Ending::Closed(flood));
            return Poll::Ready(Err(Error::new(ErrorKind::ConnectionAborted, "too many frames without use")));
        }
        if let Some(deadline) = &mut this.deadline
            && read.is_pending()
            && deadline.as_mut().poll(cx).is_ready()
        {
            let _ = this.why.set(Ending::Broken(Broken::Timeout));
            return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "no request came")));
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
