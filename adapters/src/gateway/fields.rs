//! What a log can say of a request, and what the fields of the usual logs are called.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One thing that a log says of a request. The names are those of the groups of a `regex` format and of
/// the keys of a `json` format's map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `POST /v1/chat/completions HTTP/1.1`.
    Request,
    Method,
    /// The path, with or without the query, or the whole URL.
    Path,
    Query,
    Url,
    Host,
    Status,
    /// A status under a name that others use for codes of their own.
    LooseStatus,
    Tool,
    Model,
    Provider,
    /// When the request began; when it was over.
    Started,
    Ended,
    /// How long it took, in this many nanoseconds each.
    Duration(u64),
    /// How long the upstream took.
    Latency(u64),
    BytesIn,
    BytesOut,
    Client,
    ForwardedFor,
    Principal,
    Session,
    Tenant,
    RequestId,
    XRequestId,
    CallId,
    Traceparent,
    TraceId,
    SpanId,
    Upstream,
    UpstreamStatus,
    UserAgent,
    Error,
    ErrorType,
    /// Envoy's response flags, HAProxy's state at the end.
    Flags,
    Gateway,
    InputTokens,
    OutputTokens,
    TotalTokens,
    Cached,
}

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MILLI: u64 = 1_000_000;
pub(super) const MICRO: u64 = 1_000;

use Field::{
    BytesIn, BytesOut, Cached, CallId, Client, Duration, Ended, Error, ErrorType, Flags, ForwardedFor,
    Gateway, Host, InputTokens, Latency, LooseStatus, Method, Model, OutputTokens, Path, Principal, Provider,
    Query, Request, RequestId, Session, SpanId, Started, Status, Tenant, Tool, TotalTokens, TraceId,
    Traceparent, Upstream, UpstreamStatus, Url, UserAgent, XRequestId,
};

/// The names for a `regex` format's groups and a `json` format's map.
pub(super) const NAMES: [(&str, Field); 46] = [
    ("request", Request),
    ("method", Method),
    ("path", Path),
    ("query", Query),
    ("url", Url),
    ("host", Host),
    ("status", Status),
    ("tool", Tool),
    ("model", Model),
    ("provider", Provider),
    ("time", Ended),
    ("started", Started),
    ("ended", Ended),
    ("duration_s", Duration(SECOND)),
    ("duration_ms", Duration(MILLI)),
    ("duration_us", Duration(MICRO)),
    ("duration_ns", Duration(1)),
    ("latency_s", Latency(SECOND)),
    ("latency_ms", Latency(MILLI)),
    ("latency_us", Latency(MICRO)),
    ("latency_ns", Latency(1)),
    ("bytes_in", BytesIn),
    ("bytes_out", BytesOut),
    ("client", Client),
    ("forwarded_for", ForwardedFor),
    ("principal", Principal),
    ("session", Session),
    ("tenant", Tenant),
    ("request_id", RequestId),
    ("x_request_id", XRequestId),
    ("call_id", CallId),
    ("traceparent", Traceparent),
    ("trace_id", TraceId),
    ("span_id", SpanId),
    ("upstream", Upstream),
    ("upstream_status", UpstreamStatus),
    ("user_agent", UserAgent),
    ("error", Error),
    ("error_type", ErrorType),
    ("flags", Flags),
    ("gateway", Gateway),
    ("input_tokens", InputTokens),
    ("output_tokens", OutputTokens),
    ("total_tokens", TotalTokens),
    ("cached", Cached),
    // The reference's name for the session.
    ("session_id", Session),
];

/// The field of a name in a configuration.
pub(super) fn named(name: &str) -> Option<Field> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

/// What a key in an access log of an operator's own making most likely stands for, beside the names above:
/// names of nginx's variables, Envoy's operators, and what is usual.
#[rustfmt::skip]
const USUAL: [(&str, Field); 178] = [
    ("request_method", Method), ("http_method", Method), ("verb", Method), ("req_method", Method),
    ("http_request_method", Method),
    ("uri", Path), ("request_uri", Path), ("request_path", Path), ("uri_path", Path), ("http_uri", Path),
    ("pathname", Path), ("route_path", Path), ("x_envoy_original_path", Path), ("original_path", Path),
    ("endpoint", Path), ("url_path", Path), ("http_target", Path),
    ("args", Query), ("query_string", Query), ("querystring", Query), ("request_query", Query),
    ("url_query", Query),
    ("request_url", Url), ("url_full", Url), ("http_url", Url),
    ("request_line", Request),
    ("http_host", Host), ("server_name", Host), ("authority", Host), ("vhost", Host),
    ("request_host", Host), ("x_forwarded_host", Host),
    ("status_code", Status), ("response_code", Status), ("http_status", Status),
    ("response_status", Status), ("http_status_code", Status), ("http_response_status_code", Status),
    ("response_status_code", Status), ("statuscode", Status), ("httpstatus", Status),
    ("httpstatuscode", Status), ("responsestatus", Status), ("responsecode", Status),
    ("sc_status", Status), ("final_status", Status), ("code", LooseStatus), ("http_code", LooseStatus),
    ("gen_ai_request_model", Model), ("llm_model", Model), ("ai_model", Model), ("x_model", Model),
    ("model_name", Model), ("http_x_model", Model),
    ("gen_ai_provider_name", Provider), ("llm_provider", Provider), ("ai_org", Provider),
    ("timestamp", Ended), ("ts", Ended), ("msec", Ended), ("time_iso8601", Ended), ("time_local", Ended),
    ("@timestamp", Ended), ("date", Ended), ("datetime", Ended),
    ("start_time", Started), ("started_at", Started), ("startutc", Started), ("startlocal", Started),
    ("request_start", Started), ("tr", Started),
    ("end_time", Ended), ("ended_at", Ended),
    ("request_time", Duration(SECOND)), ("rt", Duration(SECOND)), ("duration_seconds", Duration(SECOND)),
    ("response_time_s", Duration(SECOND)), ("elapsed_seconds", Duration(SECOND)),
    ("ta", Duration(MILLI)), ("latency", Duration(MILLI)), ("response_time_ms", Duration(MILLI)),
    ("elapsed_ms", Duration(MILLI)), ("request_time_ms", Duration(MILLI)),
    ("total_time_ms", Duration(MILLI)),
    ("upstream_response_time", Latency(SECOND)), ("urt", Latency(SECOND)),
    ("upstream_service_time", Latency(MILLI)), ("x_envoy_upstream_service_time", Latency(MILLI)),
    ("upstream_latency_ms", Latency(MILLI)),
    ("request_length", BytesIn), ("bytes_received", BytesIn), ("request_size", BytesIn),
    ("req_bytes", BytesIn),
    ("body_bytes_sent", BytesOut), ("bytes_sent", BytesOut), ("bytes", BytesOut), ("bytes_read", BytesOut),
    ("response_size", BytesOut), ("size", BytesOut), ("content_length", BytesOut),
    ("resp_bytes", BytesOut),
    ("remote_addr", Client), ("client_ip", Client), ("remote_ip", Client), ("clientip", Client),
    ("remote_host", Client), ("downstream_remote_address", Client), ("client_addr", Client),
    ("source_ip", Client),
    ("x_forwarded_for", ForwardedFor), ("http_x_forwarded_for", ForwardedFor), ("xff", ForwardedFor),
    ("remote_user", Principal), ("user", Principal), ("user_id", Principal), ("username", Principal),
    ("ssl_client_s_dn", Principal), ("client_dn", Principal), ("api_key_id", Principal),
    ("api_key_alias", Principal), ("key_alias", Principal), ("consumer", Principal),
    ("mtls_subject", Principal), ("downstream_peer_subject", Principal), ("jwt_sub", Principal),
    ("sess", Session), ("http_x_session_id", Session), ("x_session_id", Session),
    ("conversation_id", Session), ("mcp_session_id", Session), ("http_mcp_session_id", Session),
    ("tenant_id", Tenant), ("http_x_tenant", Tenant), ("http_x_tenant_id", Tenant),
    ("x_tenant_id", Tenant), ("x_tenant", Tenant), ("subject", Tenant),
    ("rid", RequestId), ("id", RequestId), ("req_id", RequestId), ("unique_id", RequestId),
    ("requestid", RequestId),
    ("http_x_request_id", XRequestId), ("upstream_request_id", XRequestId),
    ("upstream_http_x_request_id", XRequestId),
    ("litellm_call_id", CallId), ("x_litellm_call_id", CallId),
    ("upstream_http_x_litellm_call_id", CallId),
    ("http_traceparent", Traceparent),
    ("traceid", TraceId), ("trace", TraceId), ("otel_trace_id", TraceId),
    ("opentelemetry_trace_id", TraceId),
    ("spanid", SpanId), ("otel_span_id", SpanId), ("opentelemetry_span_id", SpanId),
    ("upstream_addr", Upstream), ("upstream_host", Upstream), ("server", Upstream),
    ("upstream_cluster", Upstream), ("proxy_upstream_name", Upstream),
    ("http_user_agent", UserAgent), ("ua", UserAgent), ("useragent", UserAgent),
    ("err", Error), ("error_message", Error), ("error_reason", Error),
    ("response_code_details_error", Error),
    ("error_code", ErrorType), ("error_class", ErrorType),
    ("response_flags", Flags), ("termination_state", Flags),
    ("proxy", Gateway),
    ("prompt_tokens", InputTokens), ("req_units", InputTokens),
    ("completion_tokens", OutputTokens), ("res_units", OutputTokens),
    ("total_units", TotalTokens),
];

/// Both lists: a line of JSON has twenty keys, and each is looked up.
static INDEX: LazyLock<HashMap<&str, Field>> =
    LazyLock::new(|| USUAL.iter().chain(&NAMES).copied().collect());

/// The field of a key, however it is spelled.
pub(super) fn usual(key: &str) -> Option<Field> {
    let mut buffer = [0; LONGEST];
    INDEX.get(normal(key, &mut buffer)?).copied()
}

/// Longer keys than this are nobody's.
const LONGEST: usize = 40;

/// A key in small letters, with `_` for `-`, `.` and blanks.
pub(super) fn normal<'b>(key: &str, buffer: &'b mut [u8; LONGEST]) -> Option<&'b str> {
    let place = buffer.get_mut(..key.len())?;
    for (slot, byte) in place.iter_mut().zip(key.bytes()) {
        *slot = match byte {
            b'-' | b'.' | b' ' => b'_',
            _ => byte.to_ascii_lowercase(),
        };
    }
    std::str::from_utf8(place).ok()
}

impl Field {
    /// Whether it says what was requested.
    pub(super) fn asks(self) -> bool {
        matches!(self, Self::Path | Self::Url | Self::Request | Self::Model | Self::Tool)
    }
}
