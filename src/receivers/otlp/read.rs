//! From a request's bytes to drafts and to content that waits for its spans.
//!
//! Synchronous and without I/O, so that it can run on a worker or on a blocking thread.

use super::OtlpState;
use super::join::{Joined, Share};
use super::scopes::ScopeCounts;
use super::stats::Waiting;
use super::turns::{self, LARGE};
use crate::ingest::{Request, RequestBuilder};
use crate::net::status::Fault;
use crate::pipeline::batch::Receipt;
use crate::pipeline::quiet::Quiet;
use halo_adapters::otlp::{DecodeError, Signal, json, protobuf};
use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// How the message itself is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// What requests tell of the content of spans, beside their drafts.
#[derive(Debug, Default)]
pub struct Content {
    /// Filtered items whose scope was read.
    pub(super) filtered_by: ScopeCounts,
    /// Content of spans, in log records.
    pub(super) shares: Vec<Share>,
    /// Spans, with the content that waited for them.
    pub(super) joined: Joined,
}

impl OtlpState {
    /// Reads a request without compression.
    ///
    /// # Errors
    /// `Undecodable` for good; a refusal when the drafts do not fit in flight.
    pub(super) fn read(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: &[u8],
        request: &mut RequestBuilder,
    ) -> Result<Content, Fault> {
        let mut content = Content::default();
        self.read_into(&mut content, (signal, encoding), body, request)?;
        Ok(content)
    }

    /// The same for one of several requests that are sealed together.
    pub(super) fn read_into(
        &self,
        content: &mut Content,
        (signal, encoding): (Signal, Encoding),
        body: &[u8],
        request: &mut RequestBuilder,
    ) -> Result<(), Fault> {
        match signal {
            Signal::Traces if body.len() > LARGE => {
                let traces = turns::span_places(encoding, body)?;
                tell_unread(signal, encoding, body, traces.resource_spans.is_empty());
                content.spans(&traces, self, request)
            }
            Signal::Traces => {
                let traces = turns::traces(encoding, body)?;
                tell_unread(signal, encoding, body, traces.resource_spans.is_empty());
                content.spans(&traces, self, request)
            }
            Signal::Logs if body.len() > LARGE => {
                let logs = turns::log_places(encoding, body)?;
                tell_unread(signal, encoding, body, logs.resource_logs.is_empty());
                content.logs(&logs, self, request)
            }
            Signal::Logs => {
                let logs = turns::logs(encoding, body)?;
                tell_unread(signal, encoding, body, logs.resource_logs.is_empty());
                content.logs(&logs, self, request)
            }
            Signal::Metrics => {
                request.filter(skeleton(encoding, signal, body).map_err(undecodable)? as u64);
                Ok(())
            }
        }
    }
}

impl Content {
    pub(super) fn filtered_by(&self) -> &ScopeCounts {
        &self.filtered_by
    }

    /// Seals the request. Content whose span is not here yet waits for it.
    ///
    /// # Errors
    /// A retryable refusal; what was sealed of it meanwhile is recognised when it comes again.
    pub(super) async fn seal(self, mut request: Request, state: &OtlpState) -> Result<Receipt, Fault> {
        let Self { shares, joined, .. } = self;
        if !shares.is_empty() {
            let items = |share: &Share| (share.draft.id(), share.parts.len() as u64);
            let items: HashMap<RecordId, u64> = shares.iter().map(items).collect();
            let waiting = state.joins.wait_for_spans(shares);
            let _waiting = Waiting::new(&state.stats);
            let alone = waiting.end().await;
            // Content that spans have taken is on disk with them.
            let told = |draft: Draft| (items.get(&draft.id()).copied().unwrap_or(1), draft);
            request.add_kept(alone.into_iter().map(told));
        }
        let sealed = request.send().sealed().await;
        joined.settle(sealed.is_ok());
        sealed
    }
}

/// Checks a request of which nothing is kept, and counts its items.
fn skeleton(encoding: Encoding, signal: Signal, body: &[u8]) -> Result<usize, DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf::skeleton(body, signal),
        Encoding::Json => json::skeleton(body, signal),
    }
}

/// Says of a body with members none of which is of OTLP that nothing of it was read: by the protocol it is a
/// success, as an export of nothing is.
fn tell_unread(signal: Signal, encoding: Encoding, body: &[u8], empty: bool) {
    if empty && encoding == Encoding::Json && json::is_foreign(body) {
        static SAID: LazyLock<Mutex<Quiet>> = LazyLock::new(Mutex::default);
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        said.say(&signal.to_string(), |again| {
            tracing::warn!(
                %signal,
                again,
                "a JSON body has members, but none of an OTLP request (resourceSpans, resourceLogs): nothing of it was read"
            );
        });
    }
}

pub(super) fn undecodable(error: DecodeError) -> Fault {
    Fault::Undecodable(error.to_string())
}
