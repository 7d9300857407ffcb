//! What a log can say of a request, and what the fields of the usual logs are called.

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
    Gateway, Host, InputTokens, Latency, Method, Model, OutputTokens, Path, Principal, Provider, Query,
    Request, RequestId, Session, SpanId, Started, Status, Tenant, Tool, TotalTokens, TraceId, Traceparent,
    Upstream, UpstreamStatus, Url, UserAgent, XRequestId,
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

/// What a key in an access log of an operator's own making most likely stands for: names of nginx's
/// variables, Apache's and HAProxy's letters, Envoy's operators, and the reference's own. Where two keys
/// of one object stand for the same, the first wins, except that a finer time does.
pub(super) fn usual(key: &str) -> Option<Field> {
    let mut buffer = [0; LONGEST];
    let key = normal(key, &mut buffer)?;
    named(key).or_else(|| {
        Some(match key {
            "request_method" | "http_method" | "verb" | "req_method" | "http_request_method" => Method,
            "uri"
            | "request_uri"
            | "request_path"
            | "uri_path"
            | "http_uri"
            | "pathname"
            | "route_path"
            | "x_envoy_original_path"
            | "original_path"
            | "endpoint"
            | "url_path"
            | "http_target" => Path,
            "args" | "query_string" | "querystring" | "request_query" | "url_query" => Query,
            "request_url" | "url_full" | "http_url" => Url,
            "request_line" => Request,
            "http_host" | "server_name" | "authority" | "vhost" | "request_host" | "x_forwarded_host" => Host,
            "status_code"
            | "response_code"
            | "http_status"
            | "response_status"
            | "http_status_code"
            | "http_response_status_code"
            | "response_status_code" => Status,
            "gen_ai_request_model" | "llm_model" | "ai_model" | "x_model" | "model_name" | "http_x_model" => {
                Model
            }
            "gen_ai_provider_name" | "llm_provider" | "ai_org" => Provider,
            "timestamp" | "ts" | "msec" | "time_iso8601" | "time_local" | "@timestamp" | "date"
            | "datetime" => Ended,
            "start_time" | "started_at" | "startutc" | "startlocal" | "request_start" | "tr" => Started,
            "end_time" | "ended_at" => Ended,
            "request_time" | "rt" | "duration_seconds" | "response_time_s" | "elapsed_seconds" => {
                Duration(SECOND)
            }
            "ta" | "latency" | "response_time_ms" | "elapsed_ms" | "request_time_ms" | "total_time_ms" => {
                Duration(MILLI)
            }
            "upstream_response_time" | "urt" => Latency(SECOND),
            "upstream_service_time" | "x_envoy_upstream_service_time" | "upstream_latency_ms" => {
                Latency(MILLI)
            }
            "request_length" | "bytes_received" | "request_size" | "req_bytes" => BytesIn,
            "body_bytes_sent" | "bytes_sent" | "bytes" | "bytes_read" | "response_size" | "size"
            | "content_length" | "resp_bytes" => BytesOut,
            "remote_addr"
            | "client_ip"
            | "remote_ip"
            | "clientip"
            | "remote_host"
            | "downstream_remote_address"
            | "client_addr"
            | "source_ip" => Client,
            "x_forwarded_for" | "http_x_forwarded_for" | "xff" => ForwardedFor,
            "remote_user"
            | "user"
            | "user_id"
            | "username"
            | "ssl_client_s_dn"
            | "client_dn"
            | "api_key_id"
            | "api_key_alias"
            | "key_alias"
            | "consumer"
            | "mtls_subject"
            | "downstream_peer_subject"
            | "jwt_sub" => Principal,
            "sess"
            | "http_x_session_id"
            | "x_session_id"
            | "conversation_id"
            | "mcp_session_id"
            | "http_mcp_session_id" => Session,
            "tenant_id" | "http_x_tenant" | "http_x_tenant_id" | "x_tenant_id" | "x_tenant" | "subject" => {
                Tenant
            }
            "rid" | "id" | "req_id" | "unique_id" | "requestid" => RequestId,
            "http_x_request_id" | "upstream_request_id" | "upstream_http_x_request_id" => XRequestId,
            "litellm_call_id" | "x_litellm_call_id" | "upstream_http_x_litellm_call_id" => CallId,
            "http_traceparent" => Traceparent,
            "traceid" | "trace" | "otel_trace_id" | "opentelemetry_trace_id" => TraceId,
            "spanid" | "otel_span_id" | "opentelemetry_span_id" => SpanId,
            "upstream_addr" | "upstream_host" | "server" | "upstream_cluster" | "proxy_upstream_name" => {
                Upstream
            }
            "http_user_agent" | "ua" | "useragent" => UserAgent,
            "err" | "error_message" | "error_reason" | "response_code_details_error" => Error,
            "error_code" | "error_class" => ErrorType,
            "response_flags" | "termination_state" => Flags,
            "proxy" => Gateway,
            "prompt_tokens" | "req_units" => InputTokens,
            "completion_tokens" | "res_units" => OutputTokens,
            "total_units" => TotalTokens,
            _ => return None,
        })
    })
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
