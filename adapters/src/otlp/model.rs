//! OTLP trace and log messages, borrowed from the request's bytes.
//!
//! Field names follow opentelemetry-proto 1.11 (`trace.proto`, `logs.proto`, `common.proto`). Only what halod
//! reads is kept; unknown fields are skipped by the decoders.

use std::borrow::Cow;

/// `ExportTraceServiceRequest`, with whole spans or with their places ([`super::place::SpanPlace`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traces<'a, S = Span<'a>> {
    pub resource_spans: Vec<ResourceSpans<'a, S>>,
    /// Spans that cannot be used, by themselves: refused in `partial_success`, the rest is taken.
    pub rejected: Rejected,
}

/// Spans or log records left out by the decoder, and why the first of them was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    pub items: u64,
    pub first_reason: Option<String>,
}

impl Rejected {
    /// Counts one more item; its reason is asked for only when this is the first.
    pub(super) fn add(&mut self, reason: impl FnOnce() -> String) {
        self.items += 1;
        self.first_reason.get_or_insert_with(reason);
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSpans<'a, S = Span<'a>> {
    pub resource: Vec<KeyValue<'a>>,
    pub scopes: Vec<ScopeSpans<'a, S>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeSpans<'a, S = Span<'a>> {
    pub scope_name: Cow<'a, str>,
    pub scope_version: Cow<'a, str>,
    pub spans: Vec<S>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    /// `None` for a root span.
    pub parent_span_id: Option<[u8; 8]>,
    pub name: Cow<'a, str>,
    pub kind: i32,
    pub start_time_unix_nano: u64,
    pub end_time_unix_nano: u64,
    pub attributes: Vec<KeyValue<'a>>,
    pub events: Vec<SpanEvent<'a>>,
    pub status_code: i32,
    pub status_message: Cow<'a, str>,
    /// Sum of `dropped_attributes_count`, `dropped_events_count` and `dropped_links_count`.
    pub dropped: u64,
    pub flags: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanEvent<'a> {
    pub time_unix_nano: u64,
    pub name: Cow<'a, str>,
    pub attributes: Vec<KeyValue<'a>>,
}

/// `ExportLogsServiceRequest`, with whole records or with their places ([`super::place::RecordPlace`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs<'a, R = LogRecord<'a>> {
    pub resource_logs: Vec<ResourceLogs<'a, R>>,
    /// Records that cannot be used, by themselves: refused in `partial_success`, the rest is taken.
    pub rejected: Rejected,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceLogs<'a, R = LogRecord<'a>> {
    pub resource: Vec<KeyValue<'a>>,
    pub scopes: Vec<ScopeLogs<'a, R>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeLogs<'a, R = LogRecord<'a>> {
    pub scope_name: Cow<'a, str>,
    pub scope_version: Cow<'a, str>,
    pub records: Vec<R>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogRecord<'a> {
    pub time_unix_nano: u64,
    pub observed_time_unix_nano: u64,
    pub severity_number: i32,
    pub severity_text: Cow<'a, str>,
    pub body: AnyValue<'a>,
    pub attributes: Vec<KeyValue<'a>>,
    /// `dropped_attributes_count`.
    pub dropped: u64,
    pub flags: u32,
    /// `None` outside of a trace; several SDKs then write zero bytes.
    pub trace_id: Option<[u8; 16]>,
    pub span_id: Option<[u8; 8]>,
    pub event_name: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue<'a> {
    pub key: Cow<'a, str>,
    pub value: AnyValue<'a>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum AnyValue<'a> {
    /// No arm set, or an arm this version does not know.
    #[default]
    Empty,
    Str(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    Array(Vec<AnyValue<'a>>),
    KvList(Vec<KeyValue<'a>>),
}
