//! OTLP/gRPC: the unary `Export` of three services.

use super::read::Encoding;
use super::{OtlpService, SealedReceipt};
use crate::ingest::requests::RequestEntry;
use crate::net::answer::{Form, grpc_ok};
use crate::net::body::{Incoming, Reader};
use crate::net::coding::Coding;
use crate::net::grpc;
use crate::net::status::Fault;
use crate::receivers::unserved::hint;
use crate::tee::{Kept, Tee};
use axum::response::Response;
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use tonic::server::NamedService;

/// The service that takes traces.
#[derive(Clone, Copy, Debug)]
pub struct TraceService;

impl NamedService for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

/// The service that takes logs.
#[derive(Clone, Copy, Debug)]
pub struct LogsService;

impl NamedService for LogsService {
    const NAME: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
}

/// The service that takes metrics.
#[derive(Clone, Copy, Debug)]
pub struct MetricsService;

impl NamedService for MetricsService {
    const NAME: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
}

/// Answers one gRPC request to a service that takes that signal, if any does.
pub(super) async fn answer(
    service: &OtlpService,
    request: Request<Incoming>,
    signal: Option<Signal>,
    entry: &mut RequestEntry,
) -> Response {
    let (head, body) = request.into_parts();
    let ingest = &service.ingest.traces;
    let mut reader = Reader::new(body, &ingest.limits);
    let fault = match call(service, &head, signal, &mut reader).await {
        Ok((message, receipt)) => return receipt.put_into(grpc_ok(&message)),
        Err(fault) => fault,
    };
    let tenant = service.state.tenant.claimant(None, &head.headers, &head.extensions).known();
    ingest.refused(entry, &fault, tenant.as_ref(), &reader);
    grpc::refuse(&fault, reader)
}

async fn call(
    service: &OtlpService,
    head: &Parts,
    signal: Option<Signal>,
    reader: &mut Reader<'_, Incoming>,
) -> Result<(Vec<u8>, SealedReceipt), Fault> {
    grpc::check(head)?;
    let path = head.uri.path();
    let signal = signal.filter(|_| is_export(path)).ok_or_else(|| Fault::Unserved(hint(path, true)))?;
    let ingest = service.ingest.of(signal);
    let message = grpc::read(&head.headers, reader, &ingest.intake, ingest.limits.body).await?;
    let kept = keep(&ingest.tee, signal, message.coding, &head.headers, &message.body);
    let body = ingest.unpack(message.coding, message.body, message.permit).await?.keeping(kept);
    let claimant = service.state.tenant.claimant(None, &head.headers, &head.extensions);
    let (partial, receipt) = service.export(ingest, (signal, Encoding::Protobuf), claimant, body).await?;
    Ok((partial.encode(Form::Protobuf, signal), receipt))
}

/// Whether that is the one method of the service that the path leads to.
fn is_export(path: &str) -> bool {
    path.split('/').nth(2) == Some("Export") && path.split('/').nth(3).is_none()
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
