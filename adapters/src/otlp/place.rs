//! Where the items of a large request are, so that each is decoded when its turn comes.
//!
//! A decoded span takes ten times its bytes. So what is kept of a large request are the bytes of each span or log
//! record, which were decoded once to see that they can be, and are decoded again one at a time.

use super::ids::BadId;
use super::model::{LogRecord, Span};
use super::{DecodeError, json, protobuf};
use halod_record::charge;

/// How an item is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Written {
    #[default]
    Protobuf,
    Json,
}

/// The bytes of one item in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) written: Written,
}

/// A span in a request, and what has to be known of it before its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanPlace<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent_span_id: Option<[u8; 8]>,
    pub start_time_unix_nano: u64,
    bytes: &'a [u8],
    written: Written,
}

/// A log record in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordPlace<'a> {
    at: Bytes<'a>,
}

impl<'a> SpanPlace<'a> {
    /// How many bytes the span has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The span, decoded again.
    ///
    /// # Errors
    /// There is no memory for it: it was decoded before.
    pub fn read(&self) -> Result<Span<'a>, DecodeError> {
        match self.written {
            Written::Protobuf => protobuf::span_at(self.bytes),
            Written::Json => json::span_at(self.bytes),
        }
    }
}

impl<'a> RecordPlace<'a> {
    /// How many bytes the record has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.at.bytes.len()
    }

    /// The record, decoded again.
    ///
    /// # Errors
    /// There is no memory for it: it was decoded before.
    pub fn read(&self) -> Result<LogRecord<'a>, DecodeError> {
        match self.at.written {
            Written::Protobuf => protobuf::record_at(self.at.bytes),
            Written::Json => json::record_at(self.at.bytes),
        }
    }
}

/// What a decoder keeps of an item: the item itself, or its place.
pub(super) trait Keep<'a>: Sized {
    type Item;
    /// Whether the item goes when it is kept, with all that it took.
    const PLACE: bool;

    fn of(item: Self::Item, at: Bytes<'a>) -> Self;
}

/// Keeps the item that `read` decodes, with where it is. The inner errors are about the item alone.
#[inline]
pub(super) fn keep<'a, K: Keep<'a>, E>(
    read: impl FnOnce() -> Result<Result<(K::Item, Bytes<'a>), BadId>, E>,
) -> Result<Result<K, BadId>, E> {
    let _decoded = K::PLACE.then(charge::passing);
    Ok(read()?.map(|(item, at)| K::of(item, at)))
}

impl<'a> Keep<'a> for Span<'a> {
    type Item = Self;
    const PLACE: bool = false;

    #[inline]
    fn of(span: Self, _: Bytes<'a>) -> Self {
        span
    }
}

impl<'a> Keep<'a> for SpanPlace<'a> {
    type Item = Span<'a>;
    const PLACE: bool = true;

    fn of(span: Span<'a>, Bytes { bytes, written }: Bytes<'a>) -> Self {
        let Span { trace_id, span_id, parent_span_id, start_time_unix_nano, .. } = span;
        Self { trace_id, span_id, parent_span_id, start_time_unix_nano, bytes, written }
    }
}

impl<'a> Keep<'a> for LogRecord<'a> {
    type Item = Self;
    const PLACE: bool = false;

    #[inline]
    fn of(record: Self, _: Bytes<'a>) -> Self {
        record
    }
}

impl<'a> Keep<'a> for RecordPlace<'a> {
    type Item = LogRecord<'a>;
    const PLACE: bool = true;

    fn of(_: LogRecord<'a>, at: Bytes<'a>) -> Self {
        Self { at }
    }
}

#[cfg(test)]
mod tests;
