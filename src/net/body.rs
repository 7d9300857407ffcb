//! Reading a request's body into memory: into room that is taken as it comes, up to a limit, against the clock.

use super::limits::Limits;
use super::peer::Draining;
use super::status::Fault;
use crate::pipeline::arriving::{Arriving, Patience};
use crate::pipeline::intake::{Intake, Permit};
use crate::pipeline::refusal::{Large, Refusal};
use bytes::Bytes;
use http::Version;
use http::header::EXPECT;
use http::request::Parts;
use http_body::Body;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes per second below which a body is given up: without it, one byte per timeout would hold
/// a reservation for ever.
const SLOWEST: u64 = 16 << 10;

/// How long, and how much of, the rest of a body is read after its answer; then the stream is reset, without an
/// error, so that the sender of a large one need not send all of it in vain.
const LEAVE: Duration = Duration::from_secs(10);
const LEAVE_BYTES: u64 = 1 << 20;

/// How long the rest of a body is read when halod stops, until the answer is given.
const LAST: Duration = Duration::from_millis(500);

/// The body of a request, as it comes.
pub type Incoming = axum::body::Body;

/// A body and what has been read of it.
#[derive(Debug)]
pub struct Reader<'a, B> {
    body: B,
    limits: &'a Limits,
    started: Instant,
    declared: Option<u64>,
    received: u64,
    begun: bool,
    broken: bool,
}

impl<'a, B> Reader<'a, B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub fn new(body: B, limits: &'a Limits) -> Self {
        let declared = body.size_hint().exact();
        let started = Instant::now();
        Self { body, limits, started, declared, received: 0, begun: false, broken: false }
    }

    /// Whether the body has been asked for; until then no "100 Continue" is sent.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the sender broke off, or framed the body wrongly: it has seen no answer.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Bytes of the body: as its sender states them, else those that have come.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.declared.unwrap_or(self.received)
    }

    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// `SlowBody` when it does not come in time, `Undecodable` when the sender broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let idle = self.limits.body_timeout;
        self.begun = true;
        loop {
            let earned = Duration::from_secs(self.received / SLOWEST);
            let deadline = (Instant::now() + idle).min(self.started + idle + earned);
            let frame = timeout_at(deadline, self.body.frame())
                .await
                .map_err(|_| Fault::SlowBody(idle.as_secs()))?
                .transpose();
            let frame = frame.map_err(|_| {
                self.broken = true;
                Fault::Undecodable("the body breaks off or is framed wrongly".into())
            })?;
            let Some(frame) = frame else { return Ok(None) };
            // Anything but data is trailers, in which OTLP has nothing to say.
            if let Ok(data) = frame.into_data() {
                self.received += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }

    /// The next piece, unless the body loses its room to others first.
    ///
    /// # Errors
    /// As [`Self::next`], and `BodyCut`.
    pub async fn next_of(&mut self, arriving: &Arriving) -> Result<Option<Bytes>, Fault> {
        tokio::select! {
            biased;
            refusal = arriving.cut() => Err(refusal.into()),
            piece = self.next() => piece,
        }
    }

    /// Has `piece` taken. The body is not late because it was kept waiting for room.
    ///
    /// # Errors
    /// As [`Arriving::push`].
    pub async fn keep(&mut self, arriving: &mut Arriving, piece: &[u8]) -> Result<(), Fault> {
        let began = Instant::now();
        let kept = arriving.push(piece).await;
        self.started += began.elapsed();
        Ok(kept?)
    }

    /// The whole body, and the permit that covers it. Room is taken as the body comes; one that is declared
    /// larger than what could be had now is refused before a byte is read.
    ///
    /// # Errors
    /// `TooLarge`, what [`Intake::arrive`] and [`Arriving::push`] say, and what [`Self::next`] says.
    pub async fn collect(&mut self, intake: &Intake) -> Result<(Bytes, Permit), Fault> {
        let declared = declared_length(&self.body, self.limits)?;
        let arriving = intake.arrive(declared)?;
        self.collect_into(arriving, declared).await
    }

    /// The same for a sender that does not send again: halod waits for room where it would refuse others.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn collect_by(
        &mut self,
        intake: &Intake,
        patience: Patience,
    ) -> Result<(Bytes, Permit), Fault> {
        let declared = declared_length(&self.body, self.limits)?;
        let arriving = intake.arrive_by(declared, patience).await?;
        // Its clock begins now: a body is not late because it was kept waiting.
        self.started = Instant::now();
        self.collect_into(arriving, declared).await
    }

    async fn collect_into(
        &mut self,
        mut arriving: Arriving,
        declared: Option<usize>,
    ) -> Result<(Bytes, Permit), Fault> {
        let limit = self.limits.body;
        arriving.at_most(limit);
        let first = self.next_of(&arriving).await?.unwrap_or_default();
        if declared == Some(first.len()) {
            let permit = arriving.finish_with(first.len()).await?;
            return Ok((first, permit));
        }
        let mut length = 0_usize;
        let mut piece = Some(first);
        while let Some(data) = piece {
            length = length.saturating_add(data.len());
            if length > limit {
                return Err(Refusal::TooLarge { what: Large::Body, limit }.into());
            }
            self.keep(&mut arriving, &data).await?;
            drop(data);
            piece = self.next_of(&arriving).await?;
        }
        Ok(arriving.finish()?)
    }

    /// Has what is left of the body read and dropped, where an answer given before it would be lost: an
    /// HTTP/1 connection that is closed on unread data is reset. Who waits for "100 Continue" has sent
    /// nothing.
    pub async fn make_way(self, head: &Parts)
    where
        B: Send + 'static,
    {
        let waits = !self.begun && head.headers.contains_key(EXPECT);
        if head.version >= Version::HTTP_2 {
            self.leave();
        } else if !waits {
            let draining = head.extensions.get::<Draining>().cloned();
            let stopping = async {
                match draining {
                    Some(draining) => draining.lasts(LAST).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.discard() => {}
                () = stopping => {}
            }
        }
    }

    /// Lets the sender of an HTTP/2 stream have its answer at once, and reads and drops the rest meanwhile. A
    /// stream whose body nobody reads is reset instead; the HTTP/2 library takes what still comes on too many of
    /// those for an attack, and ends the connection with all that is under way on it.
    pub fn leave(self)
    where
        B: Send + 'static,
    {
        if self.body.is_end_stream() {
            return;
        }
        let Self { body, limits, started, declared, received, begun, broken } = self;
        let limits = limits.clone();
        tokio::spawn(async move {
            let limits = &limits;
            let rest = Reader { body, limits, started, declared, received, begun, broken };
            let _ = timeout(LEAVE, rest.discard_up_to(LEAVE_BYTES)).await;
        });
    }

    /// Reads and drops what is left, so that an HTTP/1 sender that reads only after it has written
    /// everything gets to see its answer. Gives up after as much as a legal body, or on any fault.
    pub async fn discard(self) {
        let most = 2 * self.limits.body as u64;
        self.discard_up_to(most).await;
    }

    async fn discard_up_to(mut self, most: u64) {
        let until = self.received.saturating_add(most);
        while self.received < until && matches!(self.next().await, Ok(Some(_))) {}
    }
}

/// The length that a request's headers state for its body, if they do.
///
/// # Errors
/// `TooLarge`: it can never be taken.
pub fn declared_length<B: Body>(body: &B, limits: &Limits) -> Result<Option<usize>, Refusal> {
    let exact = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    match exact {
        Some(length) if length > limits.body => {
            Err(Refusal::TooLarge { what: Large::Body, limit: limits.body })
        }
        length => Ok(length),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http_body::Frame;
    use http_body_util::Full;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll};

    fn intake(limit: usize) -> Intake {
        Intake::with_writer(mpsc::channel().0, limit)
    }

    fn limits(body: usize) -> Limits {
        Limits { body, ..Limits::default() }
    }

    /// A body of undeclared length that comes in pieces of `size` bytes.
    struct Pieces {
        left: usize,
        size: usize,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let length = self.size.min(self.left);
            self.left -= length;
            Poll::Ready((length > 0).then(|| Ok(Frame::data(vec![b'x'; length].into()))))
        }
    }

    fn chunked(left: usize, size: usize) -> Pieces {
        Pieces { left, size }
    }

    #[tokio::test]
    async fn a_declared_length_is_admitted_before_reading() {
        let body = Full::new(Bytes::from(vec![b'x'; 5000]));
        let intake = intake(4000);
        let limits = limits(5000);
        let mut reader = Reader::new(body, &limits);
        assert!(matches!(reader.collect(&intake).await, Err(Fault::Refused(_))));
        assert_eq!((reader.received, intake.in_flight()), (0, 0));
    }

    #[tokio::test]
    async fn undeclared_lengths_grow_under_the_permit_up_to_the_limit() {
        let limits = limits(100_000);
        for (total, size) in [(0, 1), (1, 1), (99_999, 7), (100_000, 1000), (100_000, 100_000)] {
            let intake = intake(100_000);
            let (body, permit) = Reader::new(chunked(total, size), &limits).collect(&intake).await.unwrap();
            assert_eq!(body.len(), total);
            assert!((total..=100_000).contains(&intake.in_flight()));
            drop(permit);
            assert_eq!(intake.in_flight(), 0);
        }
        let refused = Reader::new(chunked(100_001, 1000), &limits).collect(&intake(1 << 20)).await;
        assert_eq!(refused.unwrap_err(), Refusal::TooLarge { what: Large::Body, limit: 100_000 }.into());
        let refused = Reader::new(chunked(100_000, 1000), &limits).collect(&intake(50_000)).await;
        assert!(matches!(refused, Err(Fault::Refused(_))));
    }
}
