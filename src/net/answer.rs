//! Answers: the body type of every response, and errors in the encoding of the request.

use super::rpc_status::{Any, BadRequest, RetryInfo, Status};
use super::status::{Fault, Row};
use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use prost::Message;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What an error text is cut to, in bytes: headers must carry it, and every answer stays small.
const MESSAGE_LIMIT: usize = 1024;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
pub const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const SUPPORTED_CODINGS: HeaderValue = HeaderValue::from_static("identity,gzip,zstd");

/// At most one piece of data, then at most one block of trailers.
#[derive(Debug, Default)]
pub struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

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
pub fn http_ok(form: Form, message: impl Into<Bytes>) -> Response<Reply> {
    let message = message.into();
    let mut response =
        Response::new(Reply { data: Some(message).filter(|data| !data.is_empty()), trailers: None });
    response.headers_mut().insert(CONTENT_TYPE, form.content_type());
    response
}

/// An answer in JSON, as receivers with error bodies of their own give it. `retry_after` goes with what
/// sending again may cure.
#[must_use]
pub fn json(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> Response<Reply> {
    let mut response = http_ok(Form::Json, body.to_string());
    *response.status_mut() = status;
    if let Some(delay) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(delay)));
    }
    response
}

/// The fault's HTTP status with a `google.rpc.Status` body in `form`.
#[must_use]
pub fn http_error(form: Form, fault: &Fault) -> Response<Reply> {
    let row = fault.row();
    let message = shorten(fault.to_string());
    let body = match form {
        Form::Protobuf => status(&row, message).encode_to_vec(),
        Form::Json => status_json(&row, &message),
    };
    let mut response = Response::new(Reply { data: Some(body.into()), trailers: None });
    *response.status_mut() = row.http;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, form.content_type());
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

/// HTTP 204 with these headers.
#[must_use]
pub fn no_content(headers: HeaderMap) -> Response<Reply> {
    let mut response = Response::new(Reply::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// A gRPC OK with one message, which is not compressed.
#[must_use]
pub fn grpc_ok(message: &[u8]) -> Response<Reply> {
    let data = match u32::try_from(message.len()) {
        Ok(0) | Err(_) => Bytes::from_static(&[0; 5]),
        Ok(length) => [&[0], length.to_be_bytes().as_slice(), message].concat().into(),
    };
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let mut response = Response::new(Reply { data: Some(data), trailers: Some(trailers) });
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_GRPC);
    response
}

/// A gRPC error without a message ("trailers-only": everything is in the headers).
#[must_use]
pub fn grpc_error(fault: &Fault) -> Response<Reply> {
    let row = fault.row();
    let message = shorten(fault.to_string());
    let mut response = Response::new(Reply::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from(row.grpc as i32));
    if let Ok(text) = HeaderValue::from_str(&percent_encode(&message)) {
        headers.insert(GRPC_MESSAGE, text);
    }
    // gRPC wants no padding in its `-bin` headers.
    let details = BASE64_NOPAD.encode(&status(&row, message).encode_to_vec());
    if let Ok(details) = HeaderValue::from_str(&details) {
        headers.insert(GRPC_DETAILS, details);
    }
    if *fault == Fault::Coding {
        headers.insert(GRPC_ACCEPT_ENCODING, SUPPORTED_CODINGS);
    }
    response
}

fn status(row: &Row, message: String) -> Status {
    let mut details = Vec::new();
    if let Some(delay) = row.retry_after {
        details.push(Any::pack(RetryInfo::TYPE_URL, &RetryInfo::after(delay)));
    }
    if row.bad_request {
        details.push(Any::pack(BadRequest::TYPE_URL, &BadRequest::body(&message)));
    }
    Status { code: row.grpc as i32, message, details }
}

/// The same message in the protobuf JSON mapping, where an `Any` is its type beside its fields.
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
    let mut status = json!({"code": row.grpc as i32, "message": message});
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

/// `grpc-message` carries printable ASCII; everything else is percent-encoded UTF-8 (gRPC over
/// HTTP/2, "Responses").
fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_messages_are_percent_encoded() {
        assert_eq!(percent_encode("50% é\n"), "50%25 %C3%A9%0A");
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
