//! Export requests that come in a file: read as at the doors, several of them sealed as one batch.

use super::Reading;
use super::decode::{Arrival, Decoded, Encoding};
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::pipeline::batch::{Batch, Receipt};
use crate::pipeline::intake::Intake;
use crate::pipeline::items::Items;
use crate::receivers::tenancy::HeaderClaim;
use bytes::Bytes;
use halo_adapters::otlp::{DecodeError, Signal, json, protobuf};

/// The first bytes of a zstd frame: the Collector's file exporter compresses each message by itself.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// One request that was read.
#[derive(Debug)]
pub struct Request(Decoded);

impl Request {
    /// Items that came to something, that tell of no action, and that cannot be used.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.0.items, self.0.filtered, self.0.invalid + self.0.misplaced)
    }

    /// Why the first of those that cannot be used was.
    #[must_use]
    pub fn first_reason(&self) -> Option<&str> {
        self.0.first_reason.as_deref()
    }
}

impl Reading {
    /// Reads a request of at most `limit` bytes.
    ///
    /// # Errors
    /// `Undecodable` and `TooLarge` for good; a refusal when it does not fit in flight.
    pub fn request(
        &self,
        body: Bytes,
        limit: usize,
        claim: HeaderClaim,
        intake: &Intake,
    ) -> Result<Request, Fault> {
        let mut permit = intake.admit(body.len())?;
        let body = if body.starts_with(ZSTD) { Coding::Zstd.decode(body, limit, &mut permit)? } else { body };
        let (signal, encoding) = kind(&body).map_err(Fault::Undecodable)?;
        let arrival = Arrival { signal, encoding, coding: Coding::Identity, body, permit, claim };
        arrival.decode(self, limit).map(Request)
    }

    /// Seals requests as one batch. Content whose span is not here yet waits for it, as at the doors.
    ///
    /// # Errors
    /// A retryable refusal; what was sealed of it meanwhile is recognised when it comes again.
    pub async fn seal(
        &self,
        requests: Vec<Request>,
        items: Items,
        intake: &Intake,
    ) -> Result<Receipt, Fault> {
        let (mut drafts, mut shares) = (Vec::new(), Vec::new());
        let (mut joined, mut permits) = (Vec::new(), Vec::new());
        let weights = if requests.iter().any(|Request(decoded)| !decoded.shares.is_empty()) {
            requests.iter().flat_map(|Request(decoded)| decoded.weights_of_all()).collect()
        } else {
            Vec::new()
        };
        let items = items.weighing(weights);
        for Request(decoded) in requests {
            drafts.extend(decoded.drafts);
            shares.extend(decoded.shares);
            joined.push(decoded.joined);
            permits.push(decoded.permit);
        }
        if !shares.is_empty() {
            drafts.extend(self.joins.hold(shares).end().await);
        }
        let sealed = match permits.pop() {
            Some(permit) if !drafts.is_empty() => {
                intake.send(Batch::new(drafts, permit).told_to(items)).await
            }
            _ => {
                items.seal(&Receipt::default());
                Ok(Receipt::default())
            }
        };
        joined.into_iter().for_each(|joined| joined.settle(sealed.is_ok()));
        drop(permits);
        Ok(sealed?)
    }
}

/// What a request is, by itself: a file has no path and no content type.
fn kind(body: &[u8]) -> Result<(Signal, Encoding), String> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    // A protobuf request begins with a line feed, which is white space, and any byte may follow.
    let as_protobuf = || match protobuf::traces(body) {
        Ok(_) => Ok(Signal::Traces),
        Err(DecodeError::WrongSignal { found, .. }) => Ok(found),
        Err(error) => protobuf::logs(body).map(|_| Signal::Logs).map_err(|_| error),
    };
    if first == Some(&b'{') && (body.first() != Some(&b'\n') || as_protobuf().is_err()) {
        return Ok((signal_of_json(body)?, Encoding::Json));
    }
    match as_protobuf() {
        Ok(signal) => Ok((signal, Encoding::Protobuf)),
        Err(error) => Err(format!("no OTLP request, neither JSON nor protobuf: {error}")),
    }
}

fn signal_of_json(body: &[u8]) -> Result<Signal, String> {
    let keys = [
        (&b"\"resourceSpans\""[..], Signal::Traces),
        (b"\"resourceLogs\"", Signal::Logs),
        (b"\"resourceMetrics\"", Signal::Metrics),
    ];
    let inside = body.trim_ascii_start().get(1..).unwrap_or_default().trim_ascii_start();
    if let Some((_, signal)) = keys.iter().find(|(key, _)| inside.starts_with(key)) {
        return Ok(*signal);
    }
    match json::traces(body) {
        Err(DecodeError::WrongSignal { found, .. }) => Ok(found),
        Ok(traces) if traces.resource_spans.is_empty() => {
            Err("no OTLP request: it has neither resourceSpans nor resourceLogs".to_owned())
        }
        Ok(_) => Ok(Signal::Traces),
        Err(error) => Err(error.to_string()),
    }
}
