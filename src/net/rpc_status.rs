//! The error messages of `proto/google/rpc`, as OTLP puts them into its answers.

use prost::Message;
use std::time::Duration;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.rpc.RetryInfo`: the request may succeed when sent again after this delay.
#[derive(Clone, PartialEq, Message)]
pub struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ProtoDuration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `google.rpc.BadRequest`: which part of the request cannot be used.
#[derive(Clone, PartialEq, Message)]
pub struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
pub struct FieldViolation {
    #[prost(string, tag = "1")]
    pub field: String,
    #[prost(string, tag = "2")]
    pub description: String,
}

impl RetryInfo {
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.RetryInfo";

    #[must_use]
    pub fn after(delay: Duration) -> Self {
        let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(delay.subsec_nanos()).unwrap_or(0);
        Self { retry_delay: Some(ProtoDuration { seconds, nanos }) }
    }
}

impl BadRequest {
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.BadRequest";

    #[must_use]
    pub fn body(description: &str) -> Self {
        Self {
            field_violations: vec![FieldViolation { field: "body".into(), description: description.into() }],
        }
    }
}

impl Any {
    pub fn pack(type_url: &str, message: &impl Message) -> Self {
        Self { type_url: type_url.into(), value: message.encode_to_vec() }
    }
}
