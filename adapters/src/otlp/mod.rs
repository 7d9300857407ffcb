//! OTLP on the wire: the borrowed messages, and the two decoders that fill them.
//!
//! Both decoders read the whole request or refuse it with a [`DecodeError`]; a span or log record
//! that is unusable by itself is left out and counted in [`model::Rejected`], as `partial_success`
//! wants. Metrics requests are only checked for shape: see [`protobuf::skeleton`] and
//! [`json::skeleton`]. Of a request too large to be held decoded only the places of its items are kept: see
//! [`place`].

mod ids;
pub mod json;
pub mod model;
#[cfg(test)]
mod oracle;
pub mod place;
pub mod protobuf;
mod schema;
pub(crate) mod wire;

use halod_record::charge::Exhausted;
use std::fmt;
use thiserror::Error;

/// Messages (spans, attributes, values, ...) in one request. An empty one is two bytes on the wire
/// and up to a hundred in memory, so without this bound a body of 64 MiB could ask for gigabytes. A
/// body of that size full of ordinary spans has about 1.6 million.
pub const MAX_MESSAGES: u32 = 2_000_000;

/// The three kinds of request that OTLP has a stable service for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        })
    }
}

/// Why a request cannot be read at all. Sending the same bytes again cannot help, unless there was no memory.
///
/// Offsets count bytes of the decompressed body from 0. Nothing of the body's content is quoted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("the body ends inside the field at byte {offset}")]
    Truncated { offset: usize },
    #[error("the number at byte {offset} is longer than 64 bits")]
    Varint { offset: usize },
    #[error("byte {offset} does not start a protobuf field")]
    Key { offset: usize },
    #[error("field {tag} at byte {offset} has the wrong wire type for {message}")]
    WireType { offset: usize, tag: u32, message: &'static str },
    #[error("the group that ends at byte {offset} was not begun")]
    Group { offset: usize },
    #[error("the string at byte {offset} is not UTF-8")]
    Utf8 { offset: usize },
    #[error("values are nested too deep at byte {offset}; the limit is {limit} levels")]
    TooDeep { offset: usize, limit: u32 },
    #[error("the request has more than {limit} elements, such as attributes and values; send it in parts")]
    TooMany { limit: u32 },
    #[error("not JSON at byte {offset}: {problem}")]
    Json { offset: usize, problem: &'static str },
    #[error("{path}: {problem}")]
    Field { path: String, problem: &'static str },
    /// There is no memory for its messages, whatever the bytes.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    #[error(
        "this is a {found} request, but it was sent to where {expected} are received; send it to the {found} path or service"
    )]
    WrongSignal { expected: Signal, found: Signal },
}
