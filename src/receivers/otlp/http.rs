//! OTLP/HTTP: protobuf and JSON, posted to one path per signal.

use super::decode::{Arrival, Encoding};
use super::{Guest, Shared};
use crate::net::answer::{Form, Reply, http_error, http_ok};
use crate::net::body::Reader;
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::receivers::requests::RequestEntry;
use crate::receivers::tenancy::HeaderClaim;
use halo_adapters::otlp::Signal;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;

/// What the request's head says, when it says everything right.
struct Wanted {
    signal: Signal,
    encoding: Encoding,
    coding: Coding,
}

/// Answers one HTTP request, in the encoding that it came in.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    entry: &mut RequestEntry,
) -> Response<Reply> {
    let (head, body) = request.into_parts();
    let encoding = encoding(&head.headers);
    // Who sends neither encoding is most likely a person with a browser or curl.
    let form = match encoding {
        Some(Encoding::Protobuf) => Form::Protobuf,
        Some(Encoding::Json) | None => Form::Json,
    };
    let mut reader = Reader::new(body, &shared.limits);
    let claim = match head.extensions.get::<Guest>() {
        Some(guest) => guest.claim.clone(),
        None => shared.reading.tenant.header_claim(&head.headers),
    };
    let exported = match wanted(&head, encoding) {
        Err(fault) => Err(fault),
        Ok(wanted) => export(shared, &head, &wanted, claim.clone(), &mut reader).await,
    };
    let fault = match exported {
        Ok(message) => return http_ok(form, message),
        Err(fault) => fault,
    };
    entry.refuse_unless(reader.is_broken(), &fault);
    shared.lost(&fault, &claim, &reader);
    tracing::debug!(transport = "http", fault = fault.name(), "request refused");
    reader.make_way(head.version, &head.headers).await;
    http_error(form, &fault)
}

async fn export(
    shared: &Arc<Shared>,
    head: &Parts,
    wanted: &Wanted,
    claim: HeaderClaim,
    reader: &mut Reader<'_, Incoming>,
) -> Result<Vec<u8>, Fault> {
    let (body, permit) = reader.collect(&shared.intake).await?;
    let kept = match head.extensions.get::<Guest>() {
        Some(Guest { tee, uri, .. }) => tee.keep_as(&head.method, uri, &head.headers, &body),
        None => shared.reading.tee.keep(head, &body),
    };
    let &Wanted { signal, encoding, coding } = wanted;
    let arrival = Arrival { signal, encoding, coding, body, permit, claim };
    let guest = head.extensions.get::<Guest>().and_then(|guest| guest.items.as_ref());
    let partial = shared.export(guest.unwrap_or(&shared.stats().items), arrival).await?;
    kept.forward();
    let form = match encoding {
        Encoding::Protobuf => Form::Protobuf,
        Encoding::Json => Form::Json,
    };
    Ok(partial.encode(form, signal))
}

fn wanted(head: &Parts, encoding: Option<Encoding>) -> Result<Wanted, Fault> {
    let signal = match head.uri.path() {
        "/v1/traces" => Signal::Traces,
        "/v1/logs" => Signal::Logs,
        "/v1/metrics" => Signal::Metrics,
        _ => return Err(Fault::Unserved("the paths are /v1/traces, /v1/logs and /v1/metrics")),
    };
    if head.method != Method::POST {
        return Err(Fault::Method);
    }
    let encoding = encoding.ok_or(Fault::MediaType)?;
    Ok(Wanted { signal, encoding, coding: Coding::of(&head.headers)? })
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
