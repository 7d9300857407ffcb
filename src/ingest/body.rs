//! A request's body, and the work on it.

use super::claim::Claimant;
use super::request::RequestBuilder;
use super::{Ingest, contain};
use crate::net::body::{Incoming, Reader};
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::pipeline::arriving::Patience;
use crate::pipeline::intake::Permit;
use crate::tee::Kept;
use bytes::Bytes;
use http::request::Parts;
use std::sync::Arc;

/// A body that has arrived whole, without compression.
#[derive(Debug)]
pub struct Body {
    pub bytes: Bytes,
    /// Covers `bytes`.
    pub permit: Permit,
    /// The request as it came, to be passed on when it has its receipt.
    kept: Kept,
    heavy: bool,
}

impl Body {
    /// The same with the request that is to be passed on.
    #[must_use]
    pub fn keeping(self, kept: Kept) -> Self {
        Self { kept, ..self }
    }
}

impl Ingest {
    /// Reads a request's body and decompresses it. The request is kept as it came, for the tee.
    ///
    /// # Errors
    /// As [`Reader::collect`] and [`Coding::decode`].
    pub async fn read(&self, head: &Parts, reader: &mut Reader<'_, Incoming>) -> Result<Body, Fault> {
        let coding = Coding::of(&head.headers)?;
        let (bytes, permit) = reader.collect(&self.intake).await?;
        self.arrived(head, coding, bytes, permit).await
    }

    /// The same for a sender that does not send again: halod waits for room.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_by(
        &self,
        patience: Patience,
        head: &Parts,
        reader: &mut Reader<'_, Incoming>,
    ) -> Result<Body, Fault> {
        let coding = Coding::of(&head.headers)?;
        let (bytes, permit) = reader.collect_by(&self.intake, patience).await?;
        self.arrived(head, coding, bytes, permit).await
    }

    async fn arrived(
        &self,
        head: &Parts,
        coding: Coding,
        bytes: Bytes,
        permit: Permit,
    ) -> Result<Body, Fault> {
        let kept = self.tee.keep(head, &bytes);
        Ok(self.unpack(coding, bytes, permit).await?.keeping(kept))
    }

    /// Decompresses a body that has arrived, off the workers when it is large.
    ///
    /// # Errors
    /// As [`Coding::decode`].
    pub async fn unpack(&self, coding: Coding, bytes: Bytes, mut permit: Permit) -> Result<Body, Fault> {
        let kept = Kept::default();
        let limit = self.limits.body;
        if !coding.is_heavy(bytes.len()) {
            let bytes = contain(|| coding.decode(bytes, limit, &mut permit))?;
            // A little may hold a lot.
            return Ok(Body { heavy: Coding::Identity.is_heavy(bytes.len()), bytes, permit, kept });
        }
        if coding == Coding::Identity {
            return Ok(Body { bytes, permit, kept, heavy: true });
        }
        let inflate =
            move || contain(|| coding.decode(bytes, limit, &mut permit)).map(|bytes| (bytes, permit));
        let (bytes, permit) = tokio::task::spawn_blocking(inflate).await.unwrap_or(Err(Fault::Crashed))?;
        Ok(Body { bytes, permit, kept, heavy: true })
    }

    /// Runs `work` on the body, off the workers when it is large. A panic is a fault of this request.
    ///
    /// # Errors
    /// What `work` says.
    pub async fn work<T, F>(
        self: &Arc<Self>,
        body: Body,
        claimant: Claimant,
        work: F,
    ) -> Result<(RequestBuilder, T), Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Bytes, &mut RequestBuilder) -> Result<T, Fault> + Send + 'static,
    {
        let Body { bytes, permit, kept, heavy } = body;
        let mut request = RequestBuilder::new(Arc::clone(self), claimant, permit, bytes.len());
        request.keep(kept);
        request.slices.on_blocking_thread = heavy;
        let run = move || {
            contain(|| {
                let done = request.reading(|request| work(&bytes, request))?;
                drop(bytes);
                request.release_body();
                Ok((request, done))
            })
        };
        if heavy { tokio::task::spawn_blocking(run).await.unwrap_or(Err(Fault::Crashed)) } else { run() }
    }
}
