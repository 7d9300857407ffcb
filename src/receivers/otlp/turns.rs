//! The items of a request: all decoded at once, or each when its turn comes.
//!
//! A large request is not held decoded, because that takes ten times its bytes. Its first reading decodes every
//! item and keeps its place; then each is decoded again, drafted and dropped. What became of them is the same.

use super::parents::SpanIds;
use super::read::{Encoding, undecodable};
use crate::net::status::Fault;
use halo_adapters::otlp::model::{LogRecord, Logs, Span, Traces};
use halo_adapters::otlp::place::{RecordPlace, SpanPlace};
use halo_adapters::otlp::{json, protobuf};
use std::borrow::Cow;

/// Bytes of a body whose items are decoded one by one: the same that is read off the workers, and may wait.
pub(super) const LARGE: usize = 1 << 20;

/// About how much memory an item of so many bytes takes decoded, with what its draft is made in. One that takes
/// more is read all the same if there is room.
const fn decoded(bytes: usize) -> usize {
    (16 << 10) + bytes.saturating_mul(8)
}

/// A span of a request.
pub(super) trait SpanTurn<'a> {
    fn ids(&self) -> SpanIds;
    /// About how much memory its turn takes.
    fn weight(&self) -> usize;
    fn span(&self) -> Result<Cow<'_, Span<'a>>, Fault>;
}

/// A log record of a request.
pub(super) trait RecordTurn<'a> {
    /// About how much memory its turn takes.
    fn weight(&self) -> usize;
    fn record(&self) -> Result<Cow<'_, LogRecord<'a>>, Fault>;
}

impl<'a> SpanTurn<'a> for Span<'a> {
    fn ids(&self) -> SpanIds {
        SpanIds {
            key: (self.trace_id, self.span_id),
            parent: self.parent_span_id,
            started: self.start_time_unix_nano,
        }
    }

    fn weight(&self) -> usize {
        0
    }

    fn span(&self) -> Result<Cow<'_, Span<'a>>, Fault> {
        Ok(Cow::Borrowed(self))
    }
}

impl<'a> SpanTurn<'a> for SpanPlace<'a> {
    fn ids(&self) -> SpanIds {
        SpanIds {
            key: (self.trace_id, self.span_id),
            parent: self.parent_span_id,
            started: self.start_time_unix_nano,
        }
    }

    fn weight(&self) -> usize {
        decoded(self.size())
    }

    fn span(&self) -> Result<Cow<'_, Span<'a>>, Fault> {
        self.read().map(Cow::Owned).map_err(undecodable)
    }
}

impl<'a> RecordTurn<'a> for LogRecord<'a> {
    fn weight(&self) -> usize {
        0
    }

    fn record(&self) -> Result<Cow<'_, LogRecord<'a>>, Fault> {
        Ok(Cow::Borrowed(self))
    }
}

impl<'a> RecordTurn<'a> for RecordPlace<'a> {
    fn weight(&self) -> usize {
        decoded(self.size())
    }

    fn record(&self) -> Result<Cow<'_, LogRecord<'a>>, Fault> {
        self.read().map(Cow::Owned).map_err(undecodable)
    }
}

pub(super) fn traces(encoding: Encoding, body: &[u8]) -> Result<Traces<'_>, Fault> {
    match encoding {
        Encoding::Protobuf => protobuf::traces(body),
        Encoding::Json => json::traces(body),
    }
    .map_err(undecodable)
}

pub(super) fn span_places(encoding: Encoding, body: &[u8]) -> Result<Traces<'_, SpanPlace<'_>>, Fault> {
    match encoding {
        Encoding::Protobuf => protobuf::span_places(body),
        Encoding::Json => json::span_places(body),
    }
    .map_err(undecodable)
}

pub(super) fn logs(encoding: Encoding, body: &[u8]) -> Result<Logs<'_>, Fault> {
    match encoding {
        Encoding::Protobuf => protobuf::logs(body),
        Encoding::Json => json::logs(body),
    }
    .map_err(undecodable)
}

pub(super) fn log_places(encoding: Encoding, body: &[u8]) -> Result<Logs<'_, RecordPlace<'_>>, Fault> {
    match encoding {
        Encoding::Protobuf => protobuf::log_places(body),
        Encoding::Json => json::log_places(body),
    }
    .map_err(undecodable)
}
