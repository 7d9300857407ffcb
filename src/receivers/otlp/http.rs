//! OTLP/HTTP: protobuf and JSON, posted to one path per signal.

use super::read::Encoding;
use super::signals::Signals;
use super::{Guest, OtlpService, SealedReceipt};
use crate::ingest::Ingest;
use crate::ingest::claim::Claimant;
use crate::ingest::requests::RequestEntry;
use crate::net::answer::{Form, Refused, http_ok};
use crate::net::body::{Incoming, Reader};
use crate::net::status::Fault;
use crate::receivers::unserved::hint;
use axum::response::{IntoResponse, Response};
use halo_adapters::otlp::Signal;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use std::sync::Arc;

/// What the request's head says, when it says everything right.
struct Wanted {
    signal: Signal,
    encoding: Encoding,
}

/// Answers one HTTP request, in the encoding that it came in, at a path of that signal, if it is one.
pub(super) async fn answer(
    service: &OtlpService,
    request: Request<Incoming>,
    signal: Option<Signal>,
    entry: &mut RequestEntry,
) -> Response {
    let claimant = service.state.tenant.claimant(None, request.headers(), request.extensions());
    take(service, request, (signal, claimant, &service.ingest), entry).await
}

/// Answers one that another receiver took in.
pub(super) async fn answer_guest(
    service: &OtlpService,
    request: Request<Incoming>,
    Guest { signal, claimant, ingest }: Guest<'_>,
    entry: &mut RequestEntry,
) -> Response {
    take(service, request, (Some(signal), claimant, ingest), entry).await
}

async fn take(
    service: &OtlpService,
    request: Request<Incoming>,
    (signal, claimant, ingest): (Option<Signal>, Claimant, &Signals<Arc<Ingest>>),
    entry: &mut RequestEntry,
) -> Response {
    let (head, body) = request.into_parts();
    let encoding = encoding(&head.headers);
    let form = Form::of(&head.headers);
    // What is at no signal's path is refused as traces would be.
    let ingest = ingest.of(signal.unwrap_or(Signal::Traces));
    let mut reader = Reader::new(body, &ingest.limits);
    let tenant = claimant.known();
    let exported = match wanted(&head, signal, encoding) {
        Err(fault) => Err(fault),
        Ok(wanted) => export(service, ingest, &head, wanted, claimant, &mut reader).await,
    };
    let fault = match exported {
        Ok((message, receipt)) => return receipt.put_into(http_ok(form, message)),
        Err(fault) => fault,
    };
    ingest.refused(entry, &fault, tenant.as_ref(), &reader);
    reader.make_way(&head).await;
    Refused(form, &fault).into_response()
}

async fn export(
    service: &OtlpService,
    ingest: &Arc<Ingest>,
    head: &Parts,
    Wanted { signal, encoding }: Wanted,
    claimant: Claimant,
    reader: &mut Reader<'_, Incoming>,
) -> Result<(Vec<u8>, SealedReceipt), Fault> {
    let body = ingest.read(head, reader).await?;
    let (partial, receipt) = service.export(ingest, (signal, encoding), claimant, body).await?;
    let form = match encoding {
        Encoding::Protobuf => Form::Protobuf,
        Encoding::Json => Form::Json,
    };
    Ok((partial.encode(form, signal), receipt))
}

fn wanted(head: &Parts, signal: Option<Signal>, encoding: Option<Encoding>) -> Result<Wanted, Fault> {
    let signal = signal.ok_or_else(|| Fault::Unserved(hint(head.uri.path(), false)))?;
    if head.method != Method::POST {
        return Err(Fault::Method);
    }
    let encoding = encoding.ok_or(Fault::MediaType)?;
    Ok(Wanted { signal, encoding })
}

/// The encoding named by the content type, whose case and parameters do not matter (RFC 9110,
/// section 8.3.1). Header values are bytes: nothing here needs them to be text.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    let name = value.split(|&byte| byte == b';').next()?.trim_ascii();
    if name.eq_ignore_ascii_case(b"application/x-protobuf") {
        Some(Encoding::Protobuf)
    } else if name.eq_ignore_ascii_case(b"application/json") {
        Some(Encoding::Json)
    } else {
        None
    }
}
