//! Export requests that come in a file: read as at the doors, several of them sealed as one batch.

pub use super::read::Content;

use super::OtlpState;
use super::read::Encoding;
use super::turns::LARGE;
use crate::ingest::{Request, RequestBuilder};
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::pipeline::batch::Receipt;
use bytes::Bytes;
use halo_adapters::otlp::{DecodeError, Signal, json, protobuf};
use halod_record::charge;

/// The first bytes of a zstd frame: the Collector's file exporter compresses each message by itself.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

impl OtlpState {
    /// Reads an export request of at most `limit` bytes as one of several.
    ///
    /// # Errors
    /// `Undecodable` and `TooLarge` for good; a refusal when it does not fit in flight.
    pub fn read_row(
        &self,
        body: Bytes,
        limit: usize,
        request: &mut RequestBuilder,
        content: &mut Content,
    ) -> Result<(), Fault> {
        let mut permit = request.intake().admit(0)?;
        let body = if body.starts_with(ZSTD) { Coding::Zstd.decode(body, limit, &mut permit)? } else { body };
        let kind = {
            let _glance = charge::passing();
            kind(&body).map_err(Fault::Undecodable)?
        };
        self.read_into(content, kind, &body, request)
    }

    /// Seals what was read. Content whose span is not here yet waits for it, as at the doors.
    ///
    /// # Errors
    /// A retryable refusal; what was sealed of it meanwhile is recognised when it comes again.
    pub async fn seal(&self, request: Request, content: Content) -> Result<Receipt, Fault> {
        content.seal(request, self).await
    }
}

/// What a request is, by itself: a file has no path and no content type.
fn kind(body: &[u8]) -> Result<(Signal, Encoding), String> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    // A protobuf request begins with a line feed, which is white space, and any byte may follow.
    let large = body.len() > LARGE;
    let traces = || match large {
        true => protobuf::span_places(body).map(drop),
        false => protobuf::traces(body).map(drop),
    };
    let logs = || match large {
        true => protobuf::log_places(body).map(drop),
        false => protobuf::logs(body).map(drop),
    };
    let as_protobuf = || match traces() {
        Ok(()) => Ok(Signal::Traces),
        Err(DecodeError::WrongSignal { found, .. }) => Ok(found),
        Err(error) => logs().map(|()| Signal::Logs).map_err(|_| error),
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
