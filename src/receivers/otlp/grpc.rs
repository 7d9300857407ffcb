//! OTLP/gRPC: the unary `Export` of three services.

use super::Shared;
use super::decode::{Arrival, Encoding};
use crate::net::answer::{Form, Reply, grpc_ok};
use crate::net::body::Reader;
use crate::net::coding::Coding;
use crate::net::grpc;
use crate::net::status::Fault;
use crate::receivers::requests::RequestEntry;
use crate::tee::{Kept, Tee};
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use std::sync::Arc;

/// Answers one gRPC request.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    entry: &mut RequestEntry,
) -> Response<Reply> {
    let (head, body) = request.into_parts();
    let mut reader = Reader::new(body, &shared.limits);
    let fault = match call(shared, &head, &mut reader).await {
        Ok(message) => return grpc_ok(&message),
        Err(fault) => fault,
    };
    entry.refuse_unless(reader.is_broken(), &fault);
    shared.lost(&fault, &shared.reading.tenant.header_claim(&head.headers), &reader);
    tracing::debug!(transport = "grpc", fault = fault.name(), "request refused");
    grpc::refuse(&fault, reader)
}

async fn call(
    shared: &Arc<Shared>,
    head: &Parts,
    reader: &mut Reader<'_, Incoming>,
) -> Result<Vec<u8>, Fault> {
    grpc::check(head)?;
    let signal = signal(head.uri.path())?;
    let message = grpc::read(&head.headers, reader, &shared.intake, shared.limits.body).await?;
    let kept = keep(&shared.reading.tee, signal, message.coding, &head.headers, &message.body);
    let arrival = Arrival {
        signal,
        encoding: Encoding::Protobuf,
        coding: message.coding,
        body: message.body,
        permit: message.permit,
        claim: shared.reading.tenant.header_claim(&head.headers),
    };
    let partial = shared.export(&shared.stats().items, arrival).await?;
    kept.forward();
    Ok(partial.encode(Form::Protobuf, signal))
}

fn signal(path: &str) -> Result<Signal, Fault> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Ok(Signal::Traces),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Ok(Signal::Logs),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Ok(Signal::Metrics),
        _ => Err(Fault::Unserved("the gRPC methods are Export of OTLP's trace, logs and metrics services")),
    }
}

/// Keeps the message for the tee as the OTLP/HTTP request that says the same. Metadata are its headers,
/// but for those that are gRPC's own, or in base64 as HTTP knows it not.
fn keep(tee: &Tee, signal: Signal, coding: Coding, metadata: &HeaderMap, message: &Bytes) -> Kept {
    if !tee.is_on() {
        return Kept::default();
    }
    let is_http = |name: &HeaderName| !name.as_str().starts_with("grpc-") && !name.as_str().ends_with("-bin");
    let mut headers: HeaderMap = metadata
        .iter()
        .filter(|(name, _)| is_http(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.insert(CONTENT_TYPE, Form::Protobuf.content_type());
    headers.remove(CONTENT_ENCODING);
    if let Some(name) = coding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    let path = Uri::from_static(match signal {
        Signal::Traces => "/v1/traces",
        Signal::Logs => "/v1/logs",
        Signal::Metrics => "/v1/metrics",
    });
    tee.keep_as(&Method::POST, &path, &headers, message)
}
