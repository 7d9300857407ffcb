//! Bodies on their way: each frame passes on, and is told of.

use super::rewrite::Endpoint;
use super::watch::Passed;
use crate::capture::mcp::recorder::Tap;
use crate::clock;
use bytes::Bytes;
use halo_adapters::mcp::Side;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What goes to the server.
pub(super) type Sent = Told;
/// What comes back to the client.
pub(super) type Answered = Either<Told, Full<Bytes>>;

/// A body that tells what passes of it.
#[derive(Debug)]
pub(super) struct Told {
    inner: Incoming,
    tap: Tap<Passed>,
    exchange: u64,
    from: Side,
    missed: u64,
    ended: bool,
    /// What looks for the older transport's address at the begin of a stream of events.
    endpoint: Option<Endpoint>,
}

impl Told {
    pub(super) fn new(inner: Incoming, tap: Tap<Passed>, exchange: u64, from: Side) -> Self {
        Self { inner, tap, exchange, from, missed: 0, ended: false, endpoint: None }
    }

    pub(super) fn with_endpoint(mut self, endpoint: Option<Endpoint>) -> Self {
        self.endpoint = endpoint;
        self
    }

    fn pass(&mut self, bytes: &Bytes) {
        let (exchange, from, missed) = (self.exchange, self.from, self.missed);
        let passed = Passed::Bytes { exchange, from, at: clock::unix_nanos(), bytes: bytes.clone(), missed };
        if self.tap.offer(passed, bytes.len()) {
            self.missed = 0;
        } else {
            self.missed += bytes.len() as u64;
        }
    }

    fn end(&mut self, whole: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (exchange, from) = (self.exchange, self.from);
        let whole = whole && self.missed == 0;
        self.tap.offer(Passed::End { exchange, from, at: clock::unix_nanos(), whole }, 0);
    }
}

impl Body for Told {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
            let Some(Ok(frame)) = frame else {
                self.end(frame.is_none());
                let rest = self.endpoint.take().map(Endpoint::rest).filter(|rest| !rest.is_empty());
                return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest))).or(frame));
            };
            let bytes = match frame.into_data() {
                Ok(bytes) => bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            self.pass(&bytes);
            // The end of what has a known length is not asked for any more.
            if self.inner.is_end_stream() {
                self.end(true);
            }
            let Some(endpoint) = &mut self.endpoint else {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            };
            if let Some(bytes) = endpoint.push(&bytes) {
                self.endpoint = None;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.endpoint.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.endpoint.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // A body of a known length is dropped when that has come.
        let whole = self.inner.is_end_stream();
        self.end(whole);
    }
}
