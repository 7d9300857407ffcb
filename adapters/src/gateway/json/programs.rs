//! Objects whose keys a program chose, not its operator.

use super::{Entries, headers, members, take};
use crate::gateway::fields::{Field, MILLI, SECOND};
use crate::gateway::row::{Row, Value};
use halod_record::json::Json;

/// Members by name, each of them once.
fn each<'a>(object: Entries<'a>, row: &mut Row<'a>, field: impl Fn(&str) -> Option<Field>) {
    for (key, value) in object {
        if let Some(field) = key.as_str().and_then(&field)
            && let Some(value) = Value::of(value)
        {
            row.put(field, value);
        }
    }
}

/// Of what Caddy logs the access log alone: its errors tell of a request that is logged too.
pub(super) fn caddy(object: Entries<'_>) -> Row<'_> {
    let mut row = Row::default();
    let said =
        |key: &str| object.iter().find(|(name, _)| name.as_str() == Some(key)).and_then(|(_, v)| v.as_str());
    let access = said("msg") == Some("handled request")
        || said("logger").is_some_and(|logger| logger.starts_with("http.log.access"));
    if !access {
        return row;
    }
    for (key, value) in object {
        match (key.as_str().unwrap_or(""), value) {
            ("request", Json::Object(request)) => caddy_request(request, &mut row),
            ("resp_headers", Json::Object(response)) => headers(response, &mut row),
            (key, value) => {
                let field = match key {
                    "ts" => Field::Ended,
                    "duration" => Field::Duration(SECOND),
                    "status" => Field::Status,
                    "size" => Field::BytesOut,
                    "bytes_read" => Field::BytesIn,
                    "user_id" => Field::Principal,
                    "traceID" => Field::TraceId,
                    "spanID" => Field::SpanId,
                    _ => continue,
                };
                if let Some(value) = Value::of(value) {
                    row.put(field, value);
                }
            }
        }
    }
    row
}

fn caddy_request<'a>(request: Entries<'a>, row: &mut Row<'a>) {
    for (key, value) in request {
        match (key.as_str().unwrap_or(""), value) {
            ("headers", Json::Object(of_request)) => headers(of_request, row),
            // Of a client's certificate.
            ("tls", Json::Object(tls)) => take(tls, "client_common_name", Field::Principal, row),
            (key, value) => {
                let field = match key {
                    "method" => Field::Method,
                    "uri" => Field::Path,
                    "host" => Field::Host,
                    "client_ip" => Field::Client,
                    // Before Caddy 2.7 there was no other.
                    "remote_ip" => Field::Client,
                    _ => continue,
                };
                if let Some(value) = Value::of(value) {
                    row.put(field, value);
                }
            }
        }
    }
}

pub(super) fn traefik(object: Entries<'_>) -> Row<'_> {
    let mut row = Row::default();
    each(object, &mut row, |key| {
        Some(match key {
            "RequestMethod" => Field::Method,
            "RequestPath" => Field::Path,
            "RequestHost" => Field::Host,
            "DownstreamStatus" => Field::Status,
            "OriginStatus" => Field::UpstreamStatus,
            "Duration" => Field::Duration(1),
            "OriginDuration" => Field::Latency(1),
            "StartUTC" => Field::Started,
            "RequestContentSize" => Field::BytesIn,
            "DownstreamContentSize" => Field::BytesOut,
            "ClientHost" => Field::Client,
            "ClientUsername" => Field::Principal,
            "ServiceURL" => Field::Upstream,
            "TraceId" => Field::TraceId,
            "SpanId" => Field::SpanId,
            _ => {
                let name = key.strip_prefix("request_").or_else(|| key.strip_prefix("downstream_"))?;
                return super::header(name);
            }
        })
    });
    row
}

/// Keys are the operator's, and most likely HAProxy's own letters.
pub(super) fn haproxy(object: Entries<'_>) -> Row<'_> {
    let mut row = Row::default();
    let own = |key: &str| {
        Some(match key {
            "Ta" | "Tt" => Field::Duration(MILLI),
            "Tr" => Field::Latency(MILLI),
            "tr" | "t" | "accept_date" | "request_date" | "time" => Field::Started,
            "ts" | "tsc" => Field::Flags,
            "ST" => Field::Status,
            "B" => Field::BytesOut,
            "U" => Field::BytesIn,
            "HM" => Field::Method,
            "HU" | "HP" | "HPO" => Field::Path,
            "HQ" => Field::Query,
            "ci" => Field::Client,
            "r" => Field::Request,
            "s" | "server_name" => Field::Upstream,
            "ID" => Field::RequestId,
            _ => return None,
        })
    };
    members(object, &own, &mut row, 0);
    if row.method.as_deref() == Some("<BADREQ>") || row.path.as_deref() == Some("<BADREQ>") {
        (row.method, row.path, row.malformed) = (None, None, true);
    }
    row
}

pub(super) fn kong(object: Entries<'_>) -> Row<'_> {
    let mut row = Row::default();
    for (key, value) in object {
        match (key.as_str().unwrap_or(""), value) {
            ("request", Json::Object(request)) => kong_request(request, &mut row),
            ("response", Json::Object(response)) => kong_response(response, &mut row),
            ("latencies", Json::Object(latencies)) => each(latencies, &mut row, |key| match key {
                "request" => Some(Field::Duration(MILLI)),
                "proxy" => Some(Field::Latency(MILLI)),
                _ => None,
            }),
            ("consumer", Json::Object(consumer)) => {
                principal(consumer, &["username", "custom_id", "id"], &mut row);
            }
            // Which credential it was that was shown: its id.
            ("authenticated_entity", Json::Object(entity)) => principal(entity, &["id"], &mut row),
            ("service", Json::Object(service)) => take(service, "host", Field::Upstream, &mut row),
            ("ai", Json::Object(plugins)) => {
                plugins.into_iter().for_each(|(_, plugin)| kong_ai(plugin, &mut row));
            }
            (key, value) => {
                let field = match key {
                    "started_at" => Field::Started,
                    "client_ip" => Field::Client,
                    "upstream_status" => Field::UpstreamStatus,
                    _ => continue,
                };
                if let Some(value) = Value::of(value) {
                    row.put(field, value);
                }
            }
        }
    }
    row
}

fn kong_request<'a>(request: Entries<'a>, row: &mut Row<'a>) {
    for (key, value) in request {
        match (key.as_str().unwrap_or(""), value) {
            ("headers", Json::Object(of_request)) => headers(of_request, row),
            (key, value) => {
                let field = match key {
                    "method" => Field::Method,
                    "uri" => Field::Path,
                    "url" => Field::Url,
                    "size" => Field::BytesIn,
                    "id" => Field::RequestId,
                    _ => continue,
                };
                if let Some(value) = Value::of(value) {
                    row.put(field, value);
                }
            }
        }
    }
}

fn kong_response<'a>(response: Entries<'a>, row: &mut Row<'a>) {
    for (key, value) in response {
        match (key.as_str().unwrap_or(""), value) {
            ("headers", Json::Object(of_response)) => headers(of_response, row),
            ("status", value) => {
                if let Some(value) = Value::of(value) {
                    row.put(Field::Status, value);
                }
            }
            ("size", value) => {
                if let Some(value) = Value::of(value) {
                    row.put(Field::BytesOut, value);
                }
            }
            _ => {}
        }
    }
}

/// What an AI plugin adds.
fn kong_ai<'a>(plugin: Json<'a>, row: &mut Row<'a>) {
    let Json::Object(plugin) = plugin else { return };
    for (key, value) in plugin {
        let Json::Object(inner) = value else { continue };
        match key.as_str() {
            Some("meta") => each(inner, row, |key| match key {
                "request_model" => Some(Field::Model),
                "provider_name" => Some(Field::Provider),
                _ => None,
            }),
            Some("usage") => each(inner, row, |key| match key {
                "prompt_tokens" => Some(Field::InputTokens),
                "completion_tokens" => Some(Field::OutputTokens),
                "total_tokens" => Some(Field::TotalTokens),
                _ => None,
            }),
            _ => {}
        }
    }
}

/// The first of these members that says something.
fn principal<'a>(mut object: Entries<'a>, keys: &[&str], row: &mut Row<'a>) {
    for key in keys {
        if let Some(value) = super::at(&mut object, &[(*key).into()]).and_then(Value::of) {
            row.put(Field::Principal, value);
        }
    }
}

/// `ai_gateway_events`. Bodies come encrypted, and are not looked at.
pub(super) fn cloudflare(object: Entries<'_>) -> Row<'_> {
    let mut row = Row::default();
    let mut rest = Vec::with_capacity(object.len());
    for (key, value) in object {
        match (key.as_str().unwrap_or(""), value) {
            ("Metrics", Json::Object(metrics)) => {
                take(metrics, "durationMs", Field::Duration(MILLI), &mut row);
            }
            ("Metadata", Json::Object(metadata)) => each(metadata, &mut row, |key| match key {
                "user" | "user_id" | "userId" | "User" => Some(Field::Principal),
                "session" | "session_id" | "sessionId" => Some(Field::Session),
                "tenant" | "tenant_id" => Some(Field::Tenant),
                _ => None,
            }),
            (_, value) => rest.push((key, value)),
        }
    }
    each(rest, &mut row, |key| {
        Some(match key {
            "Cached" => Field::Cached,
            "Endpoint" => Field::Path,
            "Gateway" => Field::Gateway,
            "Model" => Field::Model,
            "Provider" => Field::Provider,
            "StatusCode" => Field::Status,
            "Timestamp" => Field::Ended,
            _ => return None,
        })
    });
    row
}

/// A log export. Prompts and answers are in it, and are not looked at.
pub(super) fn portkey(object: Entries<'_>) -> Row<'_> {
    let mut row = Row::default();
    let mut failed = false;
    let mut rest = Vec::with_capacity(object.len());
    for (key, value) in object {
        match (key.as_str().unwrap_or(""), value) {
            ("request", Json::Object(request)) => each(request, &mut row, |key| match key {
                "url" => Some(Field::Url),
                "method" => Some(Field::Method),
                _ => None,
            }),
            ("response", Json::Object(response)) => each(response, &mut row, |key| match key {
                "status" => Some(Field::Status),
                "response_time" | "responseTime" => Some(Field::Duration(MILLI)),
                _ => None,
            }),
            ("metadata", Json::Object(metadata)) => each(metadata, &mut row, |key| match key {
                "_user" => Some(Field::Principal),
                "_session" | "session_id" => Some(Field::Session),
                "_tenant" | "tenant_id" => Some(Field::Tenant),
                _ => None,
            }),
            ("is_success", value) => {
                failed = matches!(value, Json::Int(0) | Json::Bool(false)) || value.as_str() == Some("0");
            }
            ("cache_status", value) => row.cached = value.as_str().map(|status| status.ends_with("HIT")),
            (_, value) => rest.push((key, value)),
        }
    }
    each(rest, &mut row, |key| {
        Some(match key {
            "created_at" => Field::Started,
            "ai_org" => Field::Provider,
            "ai_model" => Field::Model,
            "req_units" => Field::InputTokens,
            "res_units" => Field::OutputTokens,
            "total_units" => Field::TotalTokens,
            "request_url" => Field::Url,
            "request_method" => Field::Method,
            "response_status_code" => Field::Status,
            "response_time" => Field::Duration(MILLI),
            "trace_id" => Field::TraceId,
            "span_id" => Field::SpanId,
            "id" => Field::RequestId,
            _ => return None,
        })
    });
    if failed && row.status.is_none() {
        row.error = Some("is_success 0".into());
    }
    row
}
