//! `POST /v1/records`: JSON in, JSON out.

use super::{Encoding, NativeService, PATH};
use crate::ingest::requests::RequestEntry;
use crate::net::answer::{Form, Refused, json};
use crate::net::body::{Incoming, Reader};
use crate::net::status::Fault;
use ::http::header::CONTENT_TYPE;
use ::http::request::Parts;
use ::http::{HeaderMap, Method, Request};
use axum::response::IntoResponse;
use axum::response::Response;

/// What a body of records may be called. Nothing else is read: what a browser sends to any site without
/// asking, forms and plain text, is not among them.
const TYPES: [&[u8]; 4] =
    [b"application/json", b"application/x-ndjson", b"application/ndjson", b"application/jsonl"];

/// Answers one HTTP request.
pub(super) async fn answer(
    service: &NativeService,
    request: Request<Incoming>,
    entry: &mut RequestEntry,
) -> Response {
    let (head, body) = request.into_parts();
    let mut reader = Reader::new(body, &service.ingest.limits);
    let fault = match write(service, &head, &mut reader, entry).await {
        Ok(response) => return response,
        Err(fault) => fault,
    };
    entry.refuse_unless(reader.is_broken(), &fault);
    tracing::debug!(receiver = "native", transport = "http", fault = fault.name(), "request refused");
    reader.make_way(&head).await;
    Refused(Form::Json, &fault).into_response()
}

async fn write(
    service: &NativeService,
    head: &Parts,
    reader: &mut Reader<'_, Incoming>,
    entry: &mut RequestEntry,
) -> Result<Response, Fault> {
    if head.uri.path() != PATH {
        return Err(Fault::Unserved("records are received at /v1/records"));
    }
    if head.method != Method::POST {
        return Err(Fault::Method);
    }
    if !is_json(&head.headers) {
        return Err(Fault::MediaType);
    }
    let caller = service.caller(head)?;
    let body = service.ingest.read(head, reader).await?;
    let answer = service.write(body, caller, Encoding::Json, entry).await?;
    Ok(json(answer.status(), &answer.json(), None))
}

/// By the content type without its parameters (RFC 9110, section 8.3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let name = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    TYPES.iter().any(|known| name.eq_ignore_ascii_case(known))
}
