//! Answers: successes in the encoding of the request, and what the table of faults comes to in each protocol.

use super::status::{Fault, Row};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::time::Duration;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic_types::{BadRequest, ErrorDetails, RetryInfo, StatusExt};

/// What an error text is cut to, in bytes: headers must carry it, and every answer stays small.
const MESSAGE_LIMIT: usize = 1024;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const SUPPORTED_CODINGS: &str = "identity,gzip,zstd";

/// The body of every answer.
pub type Reply = Body;

/// The two encodings of a message in an OTLP/HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Protobuf,
    Json,
}

impl Form {
    /// That of an answer to a request with such a body. Who sends neither is most likely a person with a browser or curl.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
        let name = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"application/x-protobuf") { Self::Protobuf } else { Self::Json }
    }

    #[must_use]
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

/// HTTP 200 with `message`, which is already in `form`.
pub fn http_ok(form: Form, message: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(message.into()));
    response.headers_mut().insert(CONTENT_TYPE, form.content_type());
    response
}

/// An answer in JSON, as receivers with error bodies of their own give it. `retry_after` goes with what
/// sending again may cure.
#[must_use]
pub fn json(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> Response {
    let mut response = http_ok(Form::Json, body.to_string());
    *response.status_mut() = status;
    if let Some(delay) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(delay)));
    }
    response
}

/// A fault over HTTP: its status, with a `google.rpc.Status` in that form.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'f>(pub Form, pub &'f Fault);

impl IntoResponse for Refused<'_> {
    fn into_response(self) -> Response {
        let Self(form, fault) = self;
        let row = fault.row();
        let body = match form {
            Form::Protobuf => Bytes::copy_from_slice(Status::from(fault).details()),
            Form::Json => status_json(&row, &shorten(fault.to_string())).into(),
        };
        let mut response = http_ok(form, body);
        *response.status_mut() = row.http;
        let headers = response.headers_mut();
        if let Some(delay) = row.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(delay)));
        }
        match fault {
            Fault::Method => headers.insert(ALLOW, HeaderValue::from_static("POST")),
            Fault::Coding => headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd")),
            // RFC 9110, section 15.5.2.
            Fault::Unauthenticated(_) => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => None,
        };
        response
    }
}

/// A fault over gRPC. Its details are a `google.rpc.Status`, as HTTP's body is.
impl From<&Fault> for Status {
    fn from(fault: &Fault) -> Self {
        let row = fault.row();
        let message = shorten(fault.to_string());
        let mut details = ErrorDetails::new();
        if let Some(delay) = row.retry_after {
            details.set_retry_info(Some(delay));
        }
        if row.bad_request {
            details.add_bad_request_violation("body", message.as_str());
        }
        let mut metadata = MetadataMap::new();
        if *fault == Fault::Coding {
            metadata.insert("grpc-accept-encoding", MetadataValue::from_static(SUPPORTED_CODINGS));
        }
        Self::with_error_details_and_metadata(row.grpc, message, details, metadata)
    }
}

/// HTTP 204 with these headers.
#[must_use]
pub fn no_content(headers: HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// A gRPC OK with one message, which is not compressed.
#[must_use]
pub fn grpc_ok(message: &[u8]) -> Response {
    let data = match u32::try_from(message.len()) {
        Ok(0) | Err(_) => Bytes::from_static(&[0; 5]),
        Ok(length) => [&[0], length.to_be_bytes().as_slice(), message].concat().into(),
    };
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(data).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_GRPC);
    response
}

/// A gRPC error without a message ("trailers-only": everything is in the headers).
#[must_use]
pub fn grpc_error(fault: &Fault) -> Response {
    Status::from(fault).into_http()
}

/// `google.rpc.Status` in the protobuf JSON mapping, where an `Any` is its type beside its fields.
fn status_json(row: &Row, message: &str) -> Vec<u8> {
    let mut details = Vec::new();
    if let Some(delay) = row.retry_after {
        let delay = format!("{}s", whole_seconds(delay));
        details.push(json!({"@type": RetryInfo::TYPE_URL, "retryDelay": delay}));
    }
    if row.bad_request {
        let violation = json!({"field": "body", "description": message});
        details.push(json!({"@type": BadRequest::TYPE_URL, "fieldViolations": [violation]}));
    }
    let mut status = json!({"code": i32::from(row.grpc), "message": message});
    if !details.is_empty() {
        status["details"] = details.into();
    }
    status.to_string().into_bytes()
}

/// Rounded up: a client that waits a little too long is served, one that comes early is refused.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0)).max(1)
}

/// Cuts `text` to what an answer may carry.
#[must_use]
pub fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_LIMIT {
        text.truncate(text.floor_char_boundary(MESSAGE_LIMIT));
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::status::tests::every_fault;
    use super::*;

    /// What is told over gRPC and over HTTP, in both forms, is the same row of the table.
    #[tokio::test]
    async fn every_fault_is_told_in_every_protocol() {
        for (fault, http, code, seconds) in every_fault() {
            let status = Status::from(&fault);
            assert_eq!((status.code(), status.message()), (code, fault.to_string().as_str()));
            let details = status.get_error_details();
            let delay = details.retry_info().and_then(|info| info.retry_delay);
            assert_eq!(delay, seconds.map(Duration::from_secs), "{fault:?}");
            let violations = details.bad_request().map_or(0, |wrong| wrong.field_violations.len());
            assert_eq!(violations, usize::from(fault.row().bad_request), "{fault:?}");
            let answer = grpc_error(&fault);
            assert_eq!(answer.headers()["grpc-status"], i32::from(code).to_string());
            let told = answer.headers().get("grpc-accept-encoding").is_some();
            assert_eq!(told, fault == Fault::Coding, "{fault:?}");
            for form in [Form::Protobuf, Form::Json] {
                let answer = Refused(form, &fault).into_response();
                assert_eq!(answer.status().as_u16(), http, "{fault:?}");
                assert_eq!(answer.headers()[CONTENT_TYPE], form.content_type());
                let hint = answer.headers().get(RETRY_AFTER).map(|after| after.to_str().unwrap().to_owned());
                assert_eq!(hint, seconds.map(|seconds| seconds.to_string()), "{fault:?}");
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                if form == Form::Protobuf {
                    assert_eq!(body, status.details(), "{fault:?}");
                } else {
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(body["code"], i32::from(code), "{fault:?}");
                    let types = body["details"].as_array().map_or(0, Vec::len);
                    assert_eq!(types, usize::from(seconds.is_some()) + violations, "{fault:?}");
                }
            }
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let cut = shorten("é".repeat(5000));
        assert_eq!(cut.len(), MESSAGE_LIMIT + 4);
        assert_eq!(shorten("short".into()), "short");
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }
}
